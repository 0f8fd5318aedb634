#include "path/path.h"

_Static_assert(sizeof(hfi_path) <= 136, "path.h tells the cost of a path");

/* ---- Layout. ---- */

static uint32_t path_head_count(const hf_config *config) {
    uint32_t heads = 1;
    while (heads < config->paths) heads *= 2;
    return heads;
}

static size_t path_heads_at(const hf_config *config) {
    return sizeof(hfi_path_state) + config->paths * sizeof(hfi_path);
}

size_t hfi_path_bytes(const hf_config *config) {
    const size_t bytes = path_heads_at(config) + path_head_count(config) * sizeof(hfi_index);
    return (bytes + 63) & ~(size_t)63;
}

void hfi_path_attach(hfi_paths *paths, void *mem, const hf_config *config) {
    uint8_t *const base = mem;
    paths->state = mem;
    paths->paths = (hfi_path *)(void *)(base + sizeof(hfi_path_state));
    paths->heads = (hfi_index *)(void *)(base + path_heads_at(config));
    paths->max = config->paths;
    paths->head_mask = path_head_count(config) - 1;
}

void hfi_path_init(hfi_paths *paths, const hf_config *config) {
    static const char label[] = "path table";
    memset(paths->state, 0, hfi_path_bytes(config));
    memset(paths->heads, 0xff, (paths->head_mask + 1) * sizeof(hfi_index));
    for (uint32_t i = 0; i < paths->max; i++)
        paths->paths[i].hash_next = i + 1 < paths->max ? i + 1 : HFI_NONE;
    *paths->state = (hfi_path_state){.key = hfi_key_derive(config->seed, label, sizeof label - 1),
                                     .free = paths->max > 0 ? 0 : HFI_NONE,
                                     .newest = HFI_NONE,
                                     .oldest = HFI_NONE,
                                     .searches = config->limits.plpmtud != 0};
}

/* ---- Hash. Keyed: peers choose their addresses. ---- */

static hfi_index *path_head(const hfi_paths *paths, const hf_addr *addr) {
    uint64_t words[2];
    memcpy(words, addr->bytes, sizeof words);
    return &paths->heads[hfi_siphash13_words(paths->state->key, words, 2) & paths->head_mask];
}

hfi_index hfi_path_find(const hfi_paths *paths, const hf_addr *addr) {
    hfi_index index = *path_head(paths, addr);
    while (index != HFI_NONE && !hf_addr_equal(&paths->paths[index].addr, addr))
        index = paths->paths[index].hash_next;
    return index;
}

static void path_unhash(hfi_paths *paths, hfi_index index) {
    hfi_index *link = path_head(paths, &paths->paths[index].addr);
    while (*link != index) link = &paths->paths[*link].hash_next;
    *link = paths->paths[index].hash_next;
    paths->state->count--;
}

/* ---- The idle list. ---- */

static void idle_push(hfi_paths *paths, hfi_index index) {
    hfi_path_state *state = paths->state;
    hfi_path *path = &paths->paths[index];
    path->newer = HFI_NONE;
    path->older = state->newest;
    if (state->newest != HFI_NONE)
        paths->paths[state->newest].newer = index;
    else
        state->oldest = index;
    state->newest = index;
}

static void idle_remove(hfi_paths *paths, hfi_index index) {
    hfi_path_state *state = paths->state;
    const hfi_path *path = &paths->paths[index];
    if (path->newer != HFI_NONE)
        paths->paths[path->newer].older = path->older;
    else
        state->newest = path->older;
    if (path->older != HFI_NONE)
        paths->paths[path->older].newer = path->newer;
    else
        state->oldest = path->newer;
}

/* ---- Take and give. ---- */

static hfi_index path_slot(hfi_paths *paths) {
    hfi_path_state *state = paths->state;
    const hfi_index index = state->free != HFI_NONE ? state->free : state->oldest;
    if (index == HFI_NONE) return HFI_NONE;
    if (index == state->free) {
        state->free = paths->paths[index].hash_next;
    } else {
        idle_remove(paths, index);
        path_unhash(paths, index);
    }
    return index;
}

static hfi_index path_make(hfi_paths *paths, const hfi_ip *ip, const hf_addr *addr) {
    hfi_next_hop hop;
    if (!hfi_ip_route(ip, addr, &hop)) return HFI_NONE;
    const hfi_index index = path_slot(paths);
    if (index == HFI_NONE) return HFI_NONE;
    hfi_index *head = path_head(paths, addr);
    paths->paths[index] = (hfi_path){.addr = *addr,
                                     .hop = hop,
                                     .route_generation = ip->state->generation,
                                     .neighbor = HFI_NONE,
                                     .refs = 1,
                                     .hash_next = *head};
    *head = index;
    paths->state->count++;
    return index;
}

hfi_index hfi_path_take(hfi_paths *paths, const hfi_ip *ip, const hf_addr *addr) {
    const hfi_index index = hfi_path_find(paths, addr);
    if (index == HFI_NONE) return path_make(paths, ip, addr);
    if (hfi_path_hop(paths, ip, index) == NULL) return HFI_NONE;
    if (paths->paths[index].refs++ == 0) idle_remove(paths, index);
    return index;
}

void hfi_path_give(hfi_paths *paths, hfi_index index) {
    HF_ASSERT(index < paths->max && paths->paths[index].refs > 0);
    if (--paths->paths[index].refs == 0) idle_push(paths, index);
}

const hfi_next_hop *hfi_path_hop(hfi_paths *paths, const hfi_ip *ip, hfi_index index) {
    HF_ASSERT(index < paths->max);
    hfi_path *path = &paths->paths[index];
    if (HFI_UNLIKELY(path->route_generation != ip->state->generation)) {
        if (!hfi_ip_route(ip, &path->addr, &path->hop)) return NULL;
        path->route_generation = ip->state->generation;
    }
    return &path->hop;
}

void hfi_path_metrics_set(hfi_paths *paths, hfi_index index, hfi_us32 srtt_us, hfi_us32 rttvar_us,
                          uint32_t ssthresh_bytes) {
    HF_ASSERT(index < paths->max);
    hfi_path *path = &paths->paths[index];
    path->srtt_us = srtt_us;
    path->rttvar_us = rttvar_us;
    path->ssthresh_bytes = ssthresh_bytes;
}
