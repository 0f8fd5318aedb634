/* Interfaces, addresses, routes: the public calls. */
#include "stack/engine.h"

hf_err hf_interface_add(hf_engine *engine, const hf_interface_options *options,
                        uint32_t *ret_interface) {
    hfi_engine *e = hfi_of(engine);
    uint32_t index;
    hf_err err = hfi_ip_interface_add(&e->ip, options, &index);
    if (err != HF_OK) return err;
    err = hfi_neighbor_interface_added(&e->neighbors, &e->ip, index, e->ctx.now_ns);
    if (err != HF_OK) {
        hfi_ip_interface_undo(&e->ip);
        return err;
    }
    hfi_locals_update(e);
    *ret_interface = index;
    return HF_OK;
}

hf_err hf_address_add(hf_engine *engine, uint32_t interface, const hf_addr *addr,
                      uint32_t prefix_bits) {
    hfi_engine *e = hfi_of(engine);
    uint32_t index;
    const hf_err err = hfi_ip_address_add(&e->ip, interface, addr, prefix_bits, &index);
    if (err != HF_OK) return err;
    hfi_neighbor_address_added(&e->neighbors, &e->ip, index, e->ctx.now_ns);
    e->locals[index] = *addr;
    return HF_OK;
}

hf_err hf_route_add(hf_engine *engine, const hf_addr *network, uint32_t prefix_bits,
                    const hf_addr *gateway, uint32_t interface) {
    return hfi_ip_route_add(&hfi_of(engine)->ip, network, prefix_bits, gateway, interface);
}
