/* Interfaces, addresses, routes: the public calls. */
#include "stack/engine.h"

hf_err hf_interface_add(hf_engine *engine, const hf_interface_options *options,
                        uint32_t *ret_interface) {
    return hfi_ip_interface_add(&hfi_of(engine)->ip, options, ret_interface);
}

hf_err hf_address_add(hf_engine *engine, uint32_t interface, const hf_addr *addr,
                      uint32_t prefix_bits) {
    hfi_engine *e = hfi_of(engine);
    uint32_t index;
    const hf_err err = hfi_ip_address_add(&e->ip, interface, addr, prefix_bits, &index);
    if (err == HF_OK) e->locals[index] = *addr;
    return err;
}

hf_err hf_route_add(hf_engine *engine, const hf_addr *network, uint32_t prefix_bits,
                    const hf_addr *gateway, uint32_t interface) {
    return hfi_ip_route_add(&hfi_of(engine)->ip, network, prefix_bits, gateway, interface);
}
