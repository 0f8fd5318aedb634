/* UDP, ICMP and fragments through the public calls. */
#include "net_rig.h"
#include "stack/engine.h"
#include "wire/icmp.h"
#include "wire/nd.h"
#include "wire/udp.h"

static int setup(void **state) {
    net *n = malloc(sizeof *n);
    net_init(n, HF_LINK_ETHERNET, 3);
    *state = n;
    return 0;
}

static int setup_ip(void **state) {
    net *n = malloc(sizeof *n);
    net_init(n, HF_LINK_IP, 2);
    *state = n;
    return 0;
}

static int teardown(void **state) {
    net_end(*state);
    free(*state);
    return 0;
}

/* ---- UDP. ---- */

static void datagrams_cross_and_come_back(net *n, hf_addr from, hf_addr to) {
    const hf_udp a = net_udp_open(n, 0, 0), b = net_udp_open(n, 1, 53);
    uint8_t question[1400], answer[1500];
    for (size_t i = 0; i < sizeof question; i++) question[i] = (uint8_t)(i * 3);
    const hf_err first = hf_udp_send(&n->engine[0], a, &to, 53, question, sizeof question);
    if (n->link == HF_LINK_ETHERNET) {
        assert_int_equal(first, HF_AGAIN);
        net_run(n, 10 * HF_MS);
        assert_int_equal(hf_udp_send(&n->engine[0], a, &to, 53, question, sizeof question), HF_OK);
    }
    net_run(n, 10 * HF_MS);
    assert_int_equal(net_events(n, 1, HF_OBJECT_UDP, b.index), HF_EVENT_DATAGRAM);
    size_t bytes;
    hf_udp_from sender;
    assert_int_equal(hf_udp_receive(&n->engine[1], b, answer, sizeof answer, &bytes, &sender),
                     HF_OK);
    assert_int_equal(bytes, sizeof question);
    assert_memory_equal(answer, question, sizeof question);
    assert_memory_equal(&sender.addr, &from, 16);
    uint16_t port;
    assert_int_equal(hf_udp_port(&n->engine[0], a, &port), HF_OK);
    assert_int_equal(sender.port, port);
    assert_int_equal(hf_udp_send(&n->engine[1], b, &sender.addr, sender.port, "yes", 3), HF_OK);
    net_run(n, 10 * HF_MS);
    assert_int_equal(hf_udp_receive(&n->engine[0], a, answer, sizeof answer, &bytes, &sender),
                     HF_OK);
    assert_int_equal(bytes, 3);
    assert_int_equal(sender.port, 53);
    hf_udp_close(&n->engine[0], a);
    hf_udp_close(&n->engine[1], b);
}

static void datagrams_over_ethernet(void **state) {
    net *n = *state;
    datagrams_cross_and_come_back(n, net_addr4(0), net_addr4(1));
    net_run(n, 3 * HF_SECOND);
    datagrams_cross_and_come_back(n, net_addr6(0), net_addr6(1));
}

static void datagrams_over_ip(void **state) {
    datagrams_cross_and_come_back(*state, net_addr4(0), net_addr4(1));
    datagrams_cross_and_come_back(*state, net_addr6(0), net_addr6(1));
}

static void a_broadcast_reaches_every_socket_on_the_link(void **state) {
    net *n = *state;
    const hf_udp a = net_udp_open(n, 0, 68), b = net_udp_open(n, 1, 67), c = net_udp_open(n, 2, 67);
    const hf_addr all = hf_addr4(255, 255, 255, 255);
    assert_int_equal(hf_udp_send(&n->engine[0], a, &all, 67, "who", 3), HF_OK);
    net_run(n, 10 * HF_MS);
    assert_int_equal(net_events(n, 1, HF_OBJECT_UDP, b.index), HF_EVENT_DATAGRAM);
    assert_int_equal(net_events(n, 2, HF_OBJECT_UDP, c.index), HF_EVENT_DATAGRAM);
    assert_int_equal(hf_udp_send(&n->engine[0], a, &all, 69, "who", 3), HF_OK);
    net_run(n, 10 * HF_MS);
    assert_int_equal(net_count(n, 1, HF_CAUSE_SENT_PORT_UNREACHABLE), 0);
}

static void a_port_without_socket_answers_unreachable_within_its_limit(void **state) {
    net *n = *state;
    const hf_udp a = net_udp_open(n, 0, 0);
    const hf_addr to = net_addr4(1);
    for (int i = 0; i < 50; i++)
        assert_int_equal(hf_udp_send(&n->engine[0], a, &to, 9, "x", 1), HF_OK);
    net_run(n, 10 * HF_MS);
    assert_int_equal(net_count(n, 1, HF_CAUSE_DROP_UDP_NO_SOCKET), 50);
    const uint64_t answers = net_count(n, 1, HF_CAUSE_SENT_PORT_UNREACHABLE);
    assert_in_range(answers, 8, 15);
    assert_int_equal(net_count(n, 1, HF_CAUSE_DROP_REPLY_LIMIT), 50 - answers);
    assert_int_equal(net_count(n, 0, HF_CAUSE_DROP_ICMP_SEQUENCE),
                     answers); /* quoted, and read well */
}

static void udp_calls_say_what_is_wrong(void **state) {
    net *n = *state;
    hf_engine *e = &n->engine[0];
    const hf_udp a = net_udp_open(n, 0, 5);
    const hf_addr any = {{0}}, not_ours = net_addr4(1), to = net_addr4(1),
                  far = hf_addr4(8, 8, 8, 8);
    hf_udp other;
    static const uint8_t data[1473];
    assert_int_equal(hf_udp_open(e, &any, 5, &other), HF_PORT_IN_USE);
    assert_int_equal(hf_udp_open(e, &not_ours, 6, &other), HF_NO_ADDRESS);
    assert_int_equal(hf_udp_send(e, a, &to, 0, "x", 1), HF_ARGUMENT);
    assert_int_equal(hf_udp_send(e, a, &any, 7, "x", 1), HF_ARGUMENT);
    assert_int_equal(hf_udp_send(e, a, &far, 7, "x", 1), HF_NO_ROUTE);
    assert_int_equal(hf_udp_send(e, a, &to, 7, data, 1473), HF_TOO_LONG);
    assert_int_equal(hf_udp_send(e, a, &to, 7, data, 1472), HF_OK);
    assert_int_equal(hf_udp_close(e, a), HF_OK);
    assert_int_equal(hf_udp_close(e, a), HF_STALE);
    assert_int_equal(hf_udp_send(e, a, &to, 7, "x", 1), HF_STALE);
}

static void an_address_that_is_gone_sends_no_datagrams(void **state) {
    net *n = *state;
    hfi_ip *ip = &hfi_of(&n->engine[0])->ip;
    const hf_addr own = net_addr4(0), to = net_addr4(1);
    hf_udp a;
    assert_int_equal(hf_udp_open(&n->engine[0], &own, 9, &a), HF_OK);
    assert_int_equal(hf_udp_send(&n->engine[0], a, &to, 9, "x", 1), HF_OK);
    hfi_ip_address_remove(ip, hfi_ip_local(ip, &own));
    assert_int_equal(hf_udp_send(&n->engine[0], a, &to, 9, "x", 1), HF_NO_ADDRESS);
}

/* ---- ICMP. ---- */

/* An IPv4 packet of one ICMP message, `bytes` bytes of payload. */
static uint32_t icmp_packet(uint8_t *to, uint8_t type, uint8_t code, uint32_t rest,
                            const void *payload, uint32_t bytes) {
    const hf_addr from = net_addr4(1), dst = net_addr4(0);
    uint8_t *icmp = to + hfi_ip4_build(to, &from, &dst, HFI_IP_ICMP4, 64, 0, 7, false, 8 + bytes);
    memset(icmp, 0, 8);
    icmp[0] = type, icmp[1] = code;
    hfi_store32(icmp + 4, rest);
    memcpy(icmp + 8, payload, bytes);
    hfi_csum_store(icmp + 2, hfi_csum_add(0, icmp, 8 + bytes));
    return 28 + bytes;
}

static void an_echo_request_comes_back_as_it_went(void **state) {
    net *n = *state;
    static uint8_t packet[1500], payload[1472];
    for (size_t i = 0; i < sizeof payload; i++) payload[i] = (uint8_t)(i * 5);
    for (uint32_t bytes = 0; bytes <= 1472; bytes += 46) {
        const uint32_t length = icmp_packet(packet, 8, 0, 0x00070009, payload, bytes);
        assert_int_equal(net_inject(n, 0, packet, length).cause, HF_CAUSE_TOOK_ECHO_REQUEST);
        net_drain(n, 0);
        const net_frame *reply = &n->frames[n->head];
        hfi_ip_view ip;
        assert_int_equal(hfi_ip_parse(reply->data, reply->bytes, reply->bytes, false, &ip),
                         HF_CAUSE_NONE);
        assert_int_equal(ip.destination.bytes[15], 2);
        const uint8_t *icmp = reply->data + 20;
        assert_int_equal(icmp[0], HFI_ICMP4_ECHO_REPLY);
        assert_true(hfi_csum_good(hfi_csum_add(0, icmp, ip.payload_bytes)));
        assert_int_equal(hfi_load32(icmp + 4), 0x00070009);
        assert_int_equal(ip.payload_bytes, 8 + bytes);
        assert_memory_equal(icmp + 8, payload, bytes);
        n->count = 0;
    }
    packet[60] ^= 1;
    net_inject(n, 0, packet, 1500);
    assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_ICMP_HEADER);
}

/* The first 28 bytes of what host 0 sent last. */
static uint32_t quote_last(net *n, uint8_t *to) {
    const net_frame *last = &n->frames[(n->head + n->count - 1) % NET_FRAMES];
    memcpy(to, last->data, 28);
    return 28;
}

static hf_conn connected(net *n) {
    const hf_listener listener = net_listen(n, 1);
    const hf_conn client = net_connect(n, 0, net_addr4(1), NULL);
    net_run(n, 20 * HF_MS);
    hf_conn server;
    assert_int_equal(hf_accept(&n->engine[1], listener, &server), HF_OK);
    return client;
}

/* G01, G02. */
/* RFC 1122 3.2.1.3: a broadcast address is nobody's, and answered it would reach everybody. */
static void an_echo_request_from_a_broadcast_address_is_not_answered(void **state) {
    net *n = *state;
    const hf_addr sources[] = {hf_addr4(192, 0, 2, 255), hf_addr4(255, 255, 255, 255)};
    const hf_addr own = net_addr4(0);
    uint8_t packet[64];
    for (int i = 0; i < 2; i++) {
        const uint32_t length = icmp_packet(packet, 8, 0, 0x00070009, "ahoy", 4);
        hfi_ip4_build(packet, &sources[i], &own, HFI_IP_ICMP4, 64, 0, 7, false, 12);
        assert_int_equal(net_inject(n, 0, packet, length).action, HF_VERDICT_DROPPED);
        assert_int_equal(net_count(n, 0, HF_CAUSE_SENT_ECHO_REPLY), 0);
    }
}

static void an_error_about_what_is_in_flight_is_noted_and_another_ignored(void **state) {
    net *n = *state;
    const hf_conn client = connected(n);
    uint8_t quote[28], packet[100];
    size_t taken;
    hf_send(&n->engine[0], client, "payload", 7, &taken);
    net_drain(n, 0);
    quote_last(n, quote);
    net_inject(n, 0, packet, icmp_packet(packet, 3, 1, 0, quote, 28));
    assert_int_equal(n->last_verdict[0], HF_CAUSE_TOOK_ICMP_SOFT);
    net_inject(n, 0, packet, icmp_packet(packet, 3, 3, 0, quote, 28)); /* hard, yet established */
    assert_int_equal(n->last_verdict[0], HF_CAUSE_TOOK_ICMP_SOFT);
    assert_int_equal(net_state(n, 0, client), HF_ESTABLISHED);
    quote[24] ^= 0x80; /* the sequence number */
    net_inject(n, 0, packet, icmp_packet(packet, 3, 1, 0, quote, 28));
    assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_ICMP_SEQUENCE);
    quote[24] ^= 0x80;
    quote[15] = 77; /* not our address */
    net_inject(n, 0, packet, icmp_packet(packet, 3, 1, 0, quote, 28));
    assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_ICMP_SEQUENCE);
    net_inject(n, 0, packet, icmp_packet(packet, 4, 0, 0, quote, 28)); /* G05 */
    assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_ICMP_UNKNOWN);
    for (uint32_t bytes = 0; bytes < 28; bytes++) {
        net_inject(n, 0, packet, icmp_packet(packet, 3, 1, 0, quote, bytes));
        assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_ICMP_HEADER);
    }
}

static void a_hard_error_ends_an_attempt(void **state) {
    net *n = *state;
    n->cut[1] = true;
    const hf_conn conn = net_connect(n, 0, net_addr4(1), NULL);
    net_drain(n, 0);
    uint8_t quote[28], packet[100];
    quote_last(n, quote);
    net_inject(n, 0, packet, icmp_packet(packet, 3, 3, 0, quote, 28));
    hf_end end;
    assert_int_equal(hf_conn_end(&n->engine[0], conn, &end), HF_OK);
    assert_int_equal(end.cause, HF_CAUSE_END_UNREACHABLE);
}

static uint32_t mtu_of_path = 1500;
static bool drop_too_big(net *n, int from, const net_frame *f) {
    (void)n, (void)from;
    return f->bytes > mtu_of_path;
}

static void a_narrow_path_is_found_and_remembered_for_the_next_connection(void **state) {
    net *n = *state;
    const hf_conn client = connected(n);
    static uint8_t data[20000];
    uint8_t quote[28], packet[100];
    size_t taken;
    n->drop = drop_too_big;
    mtu_of_path = 1000;
    hf_send(&n->engine[0], client, data, sizeof data, &taken);
    net_drain(n, 0);
    assert_true(n->sent[0] > 3);
    n->drop = NULL;
    memcpy(quote, n->frames[(n->head + n->count) % NET_FRAMES].data, 28); /* what was lost */
    n->drop = drop_too_big;
    net_inject(n, 0, packet, icmp_packet(packet, 3, 4, 1000, quote, 28));
    assert_int_equal(n->last_verdict[0], HF_CAUSE_TOOK_ICMP_TOO_BIG);
    net_run(n, 5 * HF_SECOND);
    hf_conn_status status;
    assert_int_equal(hf_conn_status_get(&n->engine[0], client, &status), HF_OK);
    assert_int_equal(status.in_flight_bytes + status.queued_bytes, 0);
    assert_true(status.mss <= 960);
    const hf_conn second = net_connect(n, 0, net_addr4(1), NULL);
    net_run(n, 20 * HF_MS);
    assert_int_equal(hf_conn_status_get(&n->engine[0], second, &status), HF_OK);
    assert_true(status.mss <= 960);
    mtu_of_path = 1500;
}

/* ---- The same in IPv6. ---- */

/* A packet of one ICMPv6 message from host 1 to host 0. */
static uint32_t icmp6_packet(uint8_t *to, uint8_t type, uint32_t rest, const void *payload,
                             uint32_t bytes) {
    const hf_addr from = net_addr6(1), dst = net_addr6(0);
    uint8_t *icmp = to + hfi_ip6_build(to, &from, &dst, HFI_IP_ICMP6, 64, 0, 0, 8 + bytes);
    memset(icmp, 0, 8);
    icmp[0] = type;
    hfi_store32(icmp + 4, rest);
    memcpy(icmp + 8, payload, bytes);
    const uint32_t pseudo = hfi_ip_pseudo_sum(&from, &dst, HFI_IP_ICMP6, 8 + bytes);
    hfi_csum_store(icmp + 2, hfi_csum_add(pseudo, icmp, 8 + bytes));
    return 48 + bytes;
}

static bool sum_good6(const net_frame *f, const hfi_ip_view *ip) {
    const uint32_t pseudo =
        hfi_ip_pseudo_sum(&ip->source, &ip->destination, ip->protocol, ip->payload_bytes);
    return hfi_csum_good(hfi_csum_add(pseudo, f->data + ip->header_bytes, ip->payload_bytes));
}

static void an_echo_request_in_ipv6_comes_back(void **state) {
    net *n = *state;
    uint8_t packet[200];
    hfi_ip_view ip;
    const uint32_t bytes =
        icmp6_packet(packet, HFI_ICMP6_ECHO_REQUEST, 0x00030004, "ahoy, mate!", 11);
    assert_int_equal(net_inject(n, 0, packet, bytes).action, HF_VERDICT_ANSWERED);
    net_drain(n, 0);
    const net_frame *reply = &n->frames[n->head];
    assert_int_equal(hfi_ip_parse(reply->data, reply->bytes, reply->bytes, false, &ip),
                     HF_CAUSE_NONE);
    assert_true(sum_good6(reply, &ip));
    assert_int_equal(reply->data[40], HFI_ICMP6_ECHO_REPLY);
    assert_int_equal(hfi_load32(reply->data + 44), 0x00030004);
    assert_memory_equal(reply->data + 48, "ahoy, mate!", 11);
}

/* A solicitation from host 1 for host 0's address, with a fragment header of a packet that is in
 * no pieces, or without. */
static uint32_t solicitation(uint8_t *to, bool fragment_header) {
    const hf_addr from = net_addr6(1), dst = net_addr6(0);
    const hfi_mac own = {{2, 0, 0, 0, 0, 0x10}}, peer = {{2, 0, 0, 0, 0, 0x11}};
    const hfi_nd_view nd = {.type = HFI_ND_NEIGHBOR_SOLICITATION,
                            .has_source_mac = true,
                            .source_mac = peer,
                            .target = dst};
    const uint32_t extra = fragment_header ? 8 : 0;
    uint8_t *const ip = to + HFI_ETH_BYTES, *const extension = ip + HFI_IP6_BYTES;
    hfi_eth_build(to, &own, &peer, HFI_ETH_IP6);
    memset(extension, 0, 8);
    extension[0] = HFI_IP_ICMP6;
    const uint32_t bytes = hfi_nd_build(extension + extra, &from, &dst, &nd);
    hfi_ip6_build(ip, &from, &dst, fragment_header ? 44 : HFI_IP_ICMP6, 255, 0, 0, extra + bytes);
    return HFI_ETH_BYTES + HFI_IP6_BYTES + extra + bytes;
}

static void neighbour_discovery_with_a_fragment_header_is_not_believed(void **state) {
    net *n = *state;
    uint8_t frame[128];
    net_run(n, 3 * HF_SECOND);
    assert_int_equal(net_inject(n, 0, frame, solicitation(frame, true)).cause,
                     HF_CAUSE_DROP_NEIGHBOR);
    assert_int_equal(net_inject(n, 0, frame, solicitation(frame, false)).cause,
                     HF_CAUSE_TOOK_NEIGHBOR);
}

static void a_port_without_socket_is_told_in_ipv6_with_the_packet_quoted(void **state) {
    net *n = *state;
    const hf_udp a = net_udp_open(n, 0, 1234);
    const hf_addr to = net_addr6(1);
    static uint8_t data[1400];
    assert_int_equal(hf_udp_send(&n->engine[0], a, &to, 9, data, sizeof data), HF_OK);
    net_drain(n, 0);
    const net_frame question = n->frames[n->head];
    n->count = 0;
    net_inject(n, 1, question.data, question.bytes);
    net_drain(n, 1);
    const net_frame *told = &n->frames[n->head];
    hfi_ip_view ip;
    hfi_icmp_view icmp;
    assert_int_equal(told->bytes, 1280); /* RFC 4443 2.4 c */
    assert_int_equal(hfi_ip_parse(told->data, told->bytes, told->bytes, false, &ip), HF_CAUSE_NONE);
    assert_true(sum_good6(told, &ip));
    assert_int_equal(hfi_icmp_parse(told->data + 40, ip.payload_bytes, ip.payload_bytes, 6, &icmp),
                     HF_CAUSE_NONE);
    assert_int_equal(icmp.type, HFI_ICMP6_UNREACHABLE);
    assert_int_equal(icmp.code, HFI_ICMP6_CODE_PORT);
    assert_int_equal(icmp.quoted.source_port, 1234);
    assert_memory_equal(told->data + 48, question.data, 1232);
}

static void a_datagram_without_checksum_is_taken_in_ipv4_only(void **state) {
    net *n = *state;
    net_udp_open(n, 0, 53);
    const hf_addr from4 = net_addr4(1), to4 = net_addr4(0), from6 = net_addr6(1),
                  to6 = net_addr6(0);
    uint8_t packet[64];
    uint32_t at = hfi_ip4_build(packet, &from4, &to4, HFI_IP_UDP, 64, 0, 1, false, 10);
    hfi_udp_build(packet + at, 99, 53, 2);
    net_inject(n, 0, packet, at + 10);
    assert_int_equal(n->last_verdict[0], HF_CAUSE_TOOK_DATAGRAM);
    at = hfi_ip6_build(packet, &from6, &to6, HFI_IP_UDP, 64, 0, 0, 10);
    hfi_udp_build(packet + at, 99, 53, 2);
    net_inject(n, 0, packet, at + 10);
    assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_UDP_HEADER);
}

/* As LAND does with TCP: a server that answers would answer itself for ever. */
static void what_claims_to_come_from_ourselves_is_dropped(void **state) {
    net *n = *state;
    const hf_addr own = net_addr4(0);
    const hf_udp a = net_udp_open(n, 0, 7);
    uint8_t packet[64];
    const uint32_t at = hfi_ip4_build(packet, &own, &own, HFI_IP_UDP, 64, 0, 7, false, 10);
    hfi_udp_build(packet + at, 7, 7, 2);
    memcpy(packet + at + 8, "hi", 2);
    assert_int_equal(net_inject(n, 0, packet, at + 10).cause, HF_CAUSE_DROP_IP_SOURCE);
    assert_int_equal(net_events(n, 0, HF_OBJECT_UDP, a.index), 0);
    const uint32_t length = icmp_packet(packet, 8, 0, 0x00070009, "ahoy", 4);
    hfi_ip4_build(packet, &own, &own, HFI_IP_ICMP4, 64, 0, 7, false, 12);
    assert_int_equal(net_inject(n, 0, packet, length).cause, HF_CAUSE_DROP_IP_SOURCE);
}

/* A header that promises more or less than the packet has; a port of 0 is nobody's but answers go nowhere. */
static void datagrams_with_wrong_lengths_or_sums_are_dropped(void **state) {
    net *n = *state;
    net_udp_open(n, 0, 53);
    const hf_addr from = net_addr4(1), to = net_addr4(0);
    uint8_t packet[64];
    for (uint32_t said = 0; said < 30; said++) {
        const uint32_t at = hfi_ip4_build(packet, &from, &to, HFI_IP_UDP, 64, 0, 1, false, 18);
        hfi_udp_build(packet + at, 99, 53, 10);
        memset(packet + at + 8, 0x5a, 10);
        hfi_store16(packet + at + 4, (uint16_t)said);
        const uint32_t covered = said < 18 ? said : 18;
        const uint32_t pseudo = hfi_ip_pseudo_sum(&from, &to, HFI_IP_UDP, said);
        hfi_udp_csum_store(packet + at, hfi_csum_add(pseudo, packet + at, covered));
        net_inject(n, 0, packet, at + 18);
        const bool sound = said >= 8 && said <= 18;
        assert_int_equal(n->last_verdict[0] == HF_CAUSE_TOOK_DATAGRAM, sound);
        packet[at + 7] ^= 1;
        net_inject(n, 0, packet, at + 18);
        assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_UDP_HEADER);
    }
}

/* ---- Fragments. ---- */

/* The piece of an IPv4 packet from host 1 to host 0 that begins at `at`; the number of the packet is `id`. */
static uint32_t fragment(uint8_t *packet, uint8_t protocol, uint16_t id, uint32_t at, bool more,
                         const uint8_t *data, uint32_t bytes) {
    const hf_addr from = net_addr4(1), to = net_addr4(0);
    hfi_ip4_build(packet, &from, &to, protocol, 64, 0, id, false, bytes);
    hfi_store16(packet + 6, (uint16_t)(at / 8 | (more ? 0x2000 : 0)));
    hfi_store16(packet + 10, 0);
    hfi_csum_store(packet + 10, hfi_csum_add(0, packet, 20));
    memcpy(packet + 20, data, bytes);
    return 20 + bytes;
}

static void a_datagram_in_fragments_arrives_whole(void **state) {
    net *n = *state;
    const hf_udp socket = net_udp_open(n, 0, 4000);
    const hf_addr from = net_addr4(1), to = net_addr4(0);
    static uint8_t datagram[5008], packet[1500], got[6000];
    hfi_udp_build(datagram, 3000, 4000, 5000);
    for (uint32_t i = 0; i < 5000; i++) datagram[8 + i] = (uint8_t)(i * 13 + i / 256);
    const uint32_t pseudo = hfi_ip_pseudo_sum(&from, &to, HFI_IP_UDP, 5008);
    hfi_udp_csum_store(datagram, hfi_csum_add(pseudo, datagram, 5008));
    for (uint32_t at = 0; at < 5008; at += 1480) {
        const uint32_t bytes = 5008 - at < 1480 ? 5008 - at : 1480;
        net_inject(n, 0, packet,
                   fragment(packet, HFI_IP_UDP, 77, at, at + bytes < 5008, datagram + at, bytes));
        assert_int_equal(n->last_verdict[0],
                         at + bytes < 5008 ? HF_CAUSE_TOOK_FRAGMENT : HF_CAUSE_TOOK_DATAGRAM);
    }
    size_t bytes;
    hf_udp_from sender;
    assert_int_equal(hf_udp_receive(&n->engine[0], socket, got, sizeof got, &bytes, &sender),
                     HF_OK);
    assert_int_equal(bytes, 5000);
    assert_memory_equal(got, datagram + 8, 5000);
}

#define WITH_NET(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define WITH_IP(f) cmocka_unit_test_setup_teardown(f, setup_ip, teardown)

static void fragments_that_contradict_each_other_are_dropped(void **state) {
    net *n = *state;
    static const uint8_t data[800];
    uint8_t packet[900];
    net_inject(n, 0, packet, fragment(packet, HFI_IP_UDP, 5, 0, true, data, 404));
    assert_int_equal(n->last_verdict[0],
                     HF_CAUSE_DROP_FRAGMENT); /* not a multiple of 8, and more to come */
    net_inject(n, 0, packet, fragment(packet, HFI_IP_UDP, 6, 0, true, data, 400));
    assert_int_equal(n->last_verdict[0], HF_CAUSE_TOOK_FRAGMENT);
    net_inject(n, 0, packet, fragment(packet, HFI_IP_UDP, 6, 392, false, data, 48));
    assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_FRAGMENT_OVERLAP);
}

static void the_oldest_incomplete_packet_gives_way_to_one_more(void **state) {
    net *n = *state;
    static const uint8_t data[80];
    uint8_t packet[100];
    hf_config config;
    net_config(&config);
    for (uint16_t id = 0; id <= config.reassembly; id++) {
        assert_int_equal(hf_cause_count(&n->engine[0], HF_CAUSE_DROP_FRAGMENT_EVICTED), 0);
        net_inject(n, 0, packet, fragment(packet, HFI_IP_UDP, id, 0, true, data, 80));
        assert_int_equal(n->last_verdict[0], HF_CAUSE_TOOK_FRAGMENT);
    }
    assert_int_equal(hf_cause_count(&n->engine[0], HF_CAUSE_DROP_FRAGMENT_EVICTED), 1);
}

static void an_echo_that_is_longer_than_the_link_takes_is_not_answered(void **state) {
    net *n = *state;
    static uint8_t request[1600];
    uint8_t packet[1500];
    request[0] = HFI_ICMP4_ECHO_REQUEST;
    hfi_csum_store(request + HFI_ICMP_CSUM_OFFSET, hfi_csum_add(0, request, sizeof request));
    net_inject(n, 0, packet, fragment(packet, HFI_IP_ICMP4, 9, 0, true, request, 1480));
    net_inject(
        n, 0, packet,
        fragment(packet, HFI_IP_ICMP4, 9, 1480, false, request + 1480, sizeof request - 1480));
    assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_REPLY_TOO_LONG);
}

static void a_transport_that_we_do_not_speak_is_dropped(void **state) {
    net *n = *state;
    static const uint8_t data[8];
    uint8_t packet[40];
    net_inject(n, 0, packet, fragment(packet, 132, 3, 0, false, data, 8)); /* SCTP */
    assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_PROTOCOL);
}

static void datagrams_that_nobody_takes_fill_the_queue_and_no_more(void **state) {
    net *n = *state;
    const hf_addr to = net_addr4(1);
    const hf_udp from = net_udp_open(n, 0, 0), lazy = net_udp_open(n, 1, 53);
    uint8_t data[1000] = {0};
    uint32_t sent = 0;
    while (hf_cause_count(&n->engine[1], HF_CAUSE_DROP_UDP_FULL) == 0) {
        assert_true(sent++ < 1000);
        assert_int_equal(hf_udp_send(&n->engine[0], from, &to, 53, data, sizeof data), HF_OK);
        net_run(n, 2 * HF_MS);
    }
    size_t bytes;
    hf_udp_from sender;
    uint32_t kept = 0;
    while (hf_udp_receive(&n->engine[1], lazy, data, sizeof data, &bytes, &sender) == HF_OK) kept++;
    assert_int_equal(kept, sent - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_NET(datagrams_over_ethernet),
        WITH_IP(datagrams_over_ip),
        WITH_NET(a_broadcast_reaches_every_socket_on_the_link),
        WITH_IP(a_port_without_socket_answers_unreachable_within_its_limit),
        WITH_IP(udp_calls_say_what_is_wrong),
        WITH_IP(an_address_that_is_gone_sends_no_datagrams),
        WITH_IP(an_echo_request_comes_back_as_it_went),
        WITH_IP(an_echo_request_from_a_broadcast_address_is_not_answered),
        WITH_IP(an_error_about_what_is_in_flight_is_noted_and_another_ignored),
        WITH_IP(a_hard_error_ends_an_attempt),
        WITH_IP(a_narrow_path_is_found_and_remembered_for_the_next_connection),
        WITH_IP(an_echo_request_in_ipv6_comes_back),
        WITH_NET(neighbour_discovery_with_a_fragment_header_is_not_believed),
        WITH_IP(a_port_without_socket_is_told_in_ipv6_with_the_packet_quoted),
        WITH_IP(a_datagram_without_checksum_is_taken_in_ipv4_only),
        WITH_IP(what_claims_to_come_from_ourselves_is_dropped),
        WITH_IP(datagrams_with_wrong_lengths_or_sums_are_dropped),
        WITH_IP(a_datagram_in_fragments_arrives_whole),
        WITH_IP(fragments_that_contradict_each_other_are_dropped),
        WITH_IP(the_oldest_incomplete_packet_gives_way_to_one_more),
        WITH_IP(an_echo_that_is_longer_than_the_link_takes_is_not_answered),
        WITH_IP(a_transport_that_we_do_not_speak_is_dropped),
        WITH_IP(datagrams_that_nobody_takes_fill_the_queue_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
