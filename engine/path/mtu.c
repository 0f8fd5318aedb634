/* What the largest packet of a path is: reports, black holes, and the search for a larger one. */
#include "path/path.h"

uint32_t hfi_path_mtu(const hfi_paths *paths, const hfi_ip *ip, hfi_index index, hf_ns now_ns) {
    HF_ASSERT(index < paths->max);
    const hfi_path *path = &paths->paths[index];
    const uint32_t link_mtu = hfi_ip_mtu(ip, path->hop.interface);
    if (path->mtu == 0 || path->mtu_until_ns <= now_ns) return link_mtu;
    return hfi_min32(link_mtu, path->mtu);
}

uint32_t hfi_path_limit(const hfi_paths *paths, hfi_index index, hf_ns now_ns) {
    if (index == HFI_NONE) return UINT32_MAX;
    const hfi_path *path = &paths->paths[index];
    const bool forgotten = !paths->state->searches && path->mtu_until_ns <= now_ns;
    return path->mtu == 0 || forgotten ? UINT32_MAX : path->mtu;
}

/* RFC 1191 7.1: the MTUs that links had. Below the last one we do not go. */
static uint32_t plateau_below(uint32_t mtu) {
    static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006};
    for (size_t i = 0; i < sizeof plateaus / sizeof *plateaus; i++)
        if (plateaus[i] < mtu) return plateaus[i];
    return HFI_PATH_MTU4_FLOOR;
}

/* What a report makes of a path whose MTU is `current`; 0 if it is not to be believed. RFC 8201 4:
 * less than 1,280 is discarded. IPv4: less than 68 is impossible, less than the floor means the
 * floor. */
static uint32_t mtu_of_report(bool is4, uint32_t reported, uint32_t current) {
    if (!is4) return reported >= HFI_IP6_MTU_MIN ? reported : 0;
    if (reported == 0) return plateau_below(current);
    if (reported < HFI_IP4_MTU_MIN) return 0;
    return hfi_max32(reported, HFI_PATH_MTU4_FLOOR);
}

/* Of a destination without a path: what the link takes. */
static uint32_t mtu_now(const hfi_paths *paths, const hfi_ip *ip, const hf_addr *addr,
                        hf_ns now_ns) {
    const hfi_index index = hfi_path_find(paths, addr);
    hfi_next_hop hop;
    if (index != HFI_NONE) return hfi_path_mtu(paths, ip, index, now_ns);
    return hfi_ip_route(ip, addr, &hop) ? hfi_ip_mtu(ip, hop.interface) : 0;
}

uint32_t hfi_path_report(const hfi_paths *paths, const hfi_ip *ip, const hf_addr *addr,
                         uint32_t mtu, hf_ns now_ns) {
    const uint32_t current = mtu_now(paths, ip, addr, now_ns);
    return hfi_min32(mtu_of_report(hf_addr_is4(addr), mtu, current), current);
}

/* Something has told that `mtu` is the most: no more for now, and larger ones are tried again later. */
static bool lower(hfi_paths *paths, hfi_index index, uint32_t mtu, hf_cause cause,
                  hf_ns search_at_ns, hf_ns now_ns) {
    hfi_path *path = &paths->paths[index];
    const bool known = hfi_path_limit(paths, index, now_ns) <= mtu;
    path->mtu_until_ns = now_ns + HFI_PATH_MTU_AGE_NS;
    if (known) return false;
    path->mtu = mtu;
    path->mtu_cause = (uint16_t)cause;
    path->search_at_ns = search_at_ns;
    path->probe_bytes = 0;
    path->probes_lost = 0;
    return true;
}

bool hfi_path_too_big(hfi_paths *paths, const hfi_ip *ip, const hf_addr *addr, uint32_t mtu,
                      hf_ns now_ns) {
    const hfi_index index = hfi_path_find(paths, addr);
    const uint32_t believed = hfi_path_report(paths, ip, addr, mtu, now_ns);
    if (index == HFI_NONE || believed == 0) return false;
    if (believed >= hfi_path_mtu(paths, ip, index, now_ns)) return false;
    return lower(paths, index, believed, HF_CAUSE_TOOK_ICMP_TOO_BIG, now_ns + HFI_PATH_MTU_AGE_NS,
                 now_ns);
}

/* ---- Claims, RFC 5927 7.2. One a path: the last one. ---- */

void hfi_path_claim(hfi_paths *paths, hfi_index index, hfi_index conn, hf_seq seq, uint32_t mtu) {
    hfi_path *path = &paths->paths[index];
    path->claimer = conn;
    path->claim_seq = seq;
    path->claim_bytes = mtu;
}

uint32_t hfi_path_claim_take(hfi_paths *paths, hfi_index index, hfi_index conn, hf_seq una,
                             hf_ns now_ns) {
    hfi_path *path = &paths->paths[index];
    const uint32_t claimed = path->claim_bytes;
    if (claimed == 0 || path->claimer != conn) return 0;
    path->claim_bytes = 0;
    if (hf_seq_lt(path->claim_seq, una)) return 0;
    return lower(paths, index, claimed, HF_CAUSE_TOOK_ICMP_TOO_BIG, now_ns + HFI_PATH_MTU_AGE_NS,
                 now_ns)
               ? claimed
               : 0;
}

/* ---- Black holes and the search upwards, RFC 4821 7, RFC 8899 5 ---- */

uint32_t hfi_path_base(bool is4) { return is4 ? HFI_PATH_MTU4_BASE : HFI_IP6_MTU_MIN; }
uint32_t hfi_path_floor(bool is4) { return is4 ? HFI_PATH_MTU4_FLOOR : HFI_IP6_MTU_MIN; }

bool hfi_path_black_hole(hfi_paths *paths, hfi_index index, uint32_t mtu, hf_ns now_ns) {
    return lower(paths, index, mtu, HF_CAUSE_MTU_BLACK_HOLE, now_ns, now_ns);
}

/* The sizes that links have, tunnels counted out of Ethernet's 1,500: IPv6's minimum and Tailscale
 * 1,280; VPNs 1,400 and 1,420; VXLAN 1,450; DS-Lite 1,460; GRE 1,476; IP in IP 1,480; PPPoE 1,492. */
static uint32_t next_size(uint32_t mtu) {
    static const uint16_t sizes[] = {576,  1006, 1200, 1280, 1400, 1420, 1450,  1460, 1476,
                                     1480, 1492, 1500, 2002, 4352, 9000, 17914, 32000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] > mtu) return sizes[i];
    return HFI_IP_PACKET_MAX;
}

void hfi_path_cuts(hfi_paths *paths, hfi_index index, uint32_t most) {
    hfi_path *path = &paths->paths[index];
    if (path->most_bytes == 0 || most < path->most_bytes) path->most_bytes = (uint16_t)most;
}

uint32_t hfi_path_probe_size(const hfi_paths *paths, hfi_index index, hf_ns now_ns) {
    const hfi_path *path = &paths->paths[index];
    if (!paths->state->searches || path->mtu == 0 || path->mtu >= path->most_bytes) return 0;
    if (now_ns < path->search_at_ns) return 0;
    return hfi_min32(next_size(path->mtu), path->most_bytes);
}

void hfi_path_probe_sent(hfi_paths *paths, hfi_index index, hfi_index conn, uint32_t bytes,
                         hf_ns now_ns) {
    hfi_path *path = &paths->paths[index];
    path->prober = conn;
    path->probe_bytes = (uint16_t)bytes;
    path->search_at_ns = now_ns + HFI_PATH_PROBE_FORGOTTEN_NS;
}

/* The probe of a connection is over, whatever became of it. */
static uint32_t take_probe(hfi_path *path, hfi_index conn) {
    const uint32_t bytes = path->prober == conn ? path->probe_bytes : 0;
    if (bytes != 0) path->probe_bytes = 0;
    return bytes;
}

uint32_t hfi_path_probe_arrived(hfi_paths *paths, hfi_index index, hfi_index conn, hf_ns now_ns) {
    hfi_path *path = &paths->paths[index];
    const uint32_t bytes = take_probe(path, conn);
    if (bytes <= path->mtu) return 0;
    path->mtu = bytes;
    path->mtu_until_ns = now_ns + HFI_PATH_MTU_AGE_NS;
    path->search_at_ns = now_ns;
    path->probes_lost = 0;
    return bytes;
}

uint32_t hfi_path_probe_lost(hfi_paths *paths, hfi_index index, hfi_index conn, hf_ns now_ns) {
    hfi_path *path = &paths->paths[index];
    const uint32_t bytes = take_probe(path, conn);
    if (bytes == 0) return 0;
    const bool over = ++path->probes_lost >= HFI_PATH_PROBES_MAX;
    if (over) path->probes_lost = 0;
    path->mtu_until_ns = now_ns + HFI_PATH_MTU_AGE_NS;
    path->search_at_ns = now_ns + (over ? HFI_PATH_MTU_AGE_NS : HFI_PATH_PROBE_AGAIN_NS);
    return bytes;
}
