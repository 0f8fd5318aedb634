#include "flow/ports.h"

/* F and G of RFC 6056 3.3.4 in one: the halves of a keyed hash tell nothing of each other.
 * SipHash-2-4, for ports are seen on the wire. */
static uint64_t ports_hash(const hfi_ports *p, const hf_addr *local, const hf_addr *remote,
                           uint16_t remote_port) {
    uint8_t data[34];
    memcpy(data, local->bytes, 16);
    memcpy(data + 16, remote->bytes, 16);
    data[32] = (uint8_t)(remote_port >> 8);
    data[33] = (uint8_t)remote_port;
    return hfi_siphash24(p->key, data, sizeof data);
}

static uint32_t ports_offset(uint64_t hash) { return (uint32_t)hash; }
static uint32_t ports_counter(uint64_t hash) { return (uint32_t)(hash >> 32) % HFI_PORTS_COUNTERS; }

void hfi_ports_init(hfi_ports *p, hfi_key key, uint16_t low, uint16_t high) {
    HF_ASSERT(low > 0 && low <= high);
    *p = (hfi_ports){.key = key, .low = low, .high = high};
    /* One byte is never the input of ports_hash, which takes 34. */
    for (uint8_t i = 0; i < HFI_PORTS_COUNTERS; i++)
        p->counters[i] = (uint32_t)hfi_siphash24(key, &i, sizeof i);
}

uint32_t hfi_ports_count(const hfi_ports *p) { return (uint32_t)p->high - p->low + 1; }

uint16_t hfi_ports_candidate(hfi_ports *p, const hf_addr *local, const hf_addr *remote,
                             uint16_t remote_port, uint32_t attempt) {
    const uint64_t hash = ports_hash(p, local, remote, remote_port);
    const uint32_t count = hfi_ports_count(p);
    /* Reduced one by one, so that the sum cannot wrap in the middle of a search. */
    const uint32_t sum =
        ports_offset(hash) % count + p->counters[ports_counter(hash)] % count + attempt % count;
    return (uint16_t)(p->low + sum % count);
}

void hfi_ports_commit(hfi_ports *p, const hf_addr *local, const hf_addr *remote,
                      uint16_t remote_port, uint32_t attempt) {
    p->counters[ports_counter(ports_hash(p, local, remote, remote_port))] += attempt + 1;
}
