#include "test.h"
#include "udp/udp.h"
#include <stdlib.h>
#include <string.h>

/* Three sockets, eight buffers of 1,024 bytes, ephemeral ports 40,000 to 40,004. */
typedef struct world {
    hf_config config;
    hfi_udp_table table;
    void *mem;
    uint8_t data[9000];
} world;

static const hf_addr any;
static const uint32_t header_bytes = sizeof(hfi_datagram);

static int setup(void **state) {
    world *w = calloc(1, sizeof *w);
    w->config = (hf_config){
        .seed = {2}, .udp_sockets = 3, .udp_buffers = 8, .port_low = 40000, .port_high = 40004};
    w->mem = aligned_alloc(64, hfi_udp_bytes(&w->config));
    hfi_udp_attach(&w->table, w->mem, &w->config);
    hfi_udp_init(&w->table, &w->config);
    for (size_t i = 0; i < sizeof w->data; i++) w->data[i] = (uint8_t)(i * 11 + i / 256);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    world *w = *state;
    free(w->mem);
    free(w);
    return 0;
}

static hf_udp open_on(world *w, hf_addr local, uint16_t port) {
    hf_udp udp;
    assert_int_equal(hfi_udp_socket_open(&w->table, &local, HFI_NONE, port, &udp), HF_OK);
    return udp;
}

static hf_cause deliver(world *w, hf_udp udp, uint32_t bytes) {
    const hf_addr from = hf_addr4(192, 0, 2, 9);
    /* Three parts, the payload from byte 5 of the first on. */
    const hf_part parts[] = {{w->data, 9}, {w->data + 9, 1}, {w->data + 10, bytes}};
    return hfi_udp_deliver(&w->table, udp.index, &from, 53, parts, 3, 5, bytes);
}

static void assert_takes(world *w, hf_udp udp, uint32_t bytes) {
    uint8_t to[9000];
    size_t got = 0;
    hf_udp_from from;
    hfi_udp_socket *socket = hfi_udp_socket_of(&w->table, udp);
    assert_int_equal(hfi_udp_take(&w->table, socket, to, sizeof to, &got, &from), HF_OK);
    assert_int_equal(got, bytes);
    assert_memory_equal(to, w->data + 5, bytes);
    assert_int_equal(from.port, 53);
    assert_int_equal(from.addr.bytes[15], 9);
}

static void datagrams_come_out_whole_in_order_and_once(void **state) {
    world *w = *state;
    const hf_udp udp = open_on(w, any, 5353);
    const uint32_t sizes[] = {0, 1, 1024 - header_bytes, 1025 - header_bytes};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(deliver(w, udp, sizes[i]), HF_CAUSE_TOOK_DATAGRAM);
        if (i % 2 == 1) continue;
        assert_takes(w, udp, sizes[i == 0 ? 0 : 1]);
    }
    assert_takes(w, udp, sizes[2]);
    assert_takes(w, udp, sizes[3]);
    uint8_t byte;
    size_t got;
    hf_udp_from from;
    hfi_udp_socket *socket = hfi_udp_socket_of(&w->table, udp);
    assert_int_equal(hfi_udp_take(&w->table, socket, &byte, 1, &got, &from), HF_AGAIN);
    assert_int_equal(w->table.state->buffers.used, 0);
}

static void every_size_survives_the_cut_into_buffers(void **state) {
    world *w = *state;
    const hf_udp udp = open_on(w, any, 5353);
    for (uint32_t bytes = 0; bytes <= 4 * 1024 - header_bytes; bytes += 1 + bytes % 3) {
        assert_int_equal(deliver(w, udp, bytes), HF_CAUSE_TOOK_DATAGRAM);
        assert_takes(w, udp, bytes);
    }
    assert_int_equal(deliver(w, udp, 4 * 1024 - header_bytes + 1), HF_CAUSE_DROP_UDP_FULL);
}

static void a_short_buffer_gets_the_front_and_learns_the_length(void **state) {
    world *w = *state;
    const hf_udp udp = open_on(w, any, 5353);
    deliver(w, udp, 700);
    deliver(w, udp, 3);
    uint8_t to[10] = {0};
    size_t got;
    hf_udp_from from;
    hfi_udp_socket *socket = hfi_udp_socket_of(&w->table, udp);
    assert_int_equal(hfi_udp_take(&w->table, socket, to, 9, &got, &from), HF_OK);
    assert_int_equal(got, 700);
    assert_memory_equal(to, w->data + 5, 9);
    assert_int_equal(to[9], 0);
    assert_takes(w, udp, 3);
}

static void a_flooded_socket_leaves_as_much_to_the_others(void **state) {
    world *w = *state;
    const hf_udp flooded = open_on(w, any, 1), quiet = open_on(w, any, 2);
    for (int i = 0; i < 1000; i++) deliver(w, flooded, 100);
    assert_int_equal(w->table.sockets[flooded.index].buffers, 4);
    assert_int_equal(deliver(w, quiet, 100), HF_CAUSE_TOOK_DATAGRAM);
    assert_int_equal(deliver(w, flooded, 100), HF_CAUSE_DROP_UDP_FULL);
    assert_int_equal(deliver(w, quiet, 100), HF_CAUSE_TOOK_DATAGRAM);
}

static void closing_gives_the_buffers_back_and_the_handle_goes_stale(void **state) {
    world *w = *state;
    const hf_udp udp = open_on(w, any, 5353);
    deliver(w, udp, 2000);
    deliver(w, udp, 100);
    hfi_udp_socket_close(&w->table, hfi_udp_socket_of(&w->table, udp));
    assert_int_equal(w->table.state->buffers.used, 0);
    assert_null(hfi_udp_socket_of(&w->table, udp));
    const hf_udp again = open_on(w, any, 5353);
    assert_int_equal(again.index, udp.index);
    assert_null(hfi_udp_socket_of(&w->table, udp));
    assert_non_null(hfi_udp_socket_of(&w->table, again));
    assert_null(hfi_udp_socket_of(&w->table, (hf_udp){99, 1}));
}

static void the_socket_of_the_address_wins_over_the_one_for_all(void **state) {
    world *w = *state;
    const hf_addr one = hf_addr4(192, 0, 2, 1), two = hf_addr4(192, 0, 2, 2);
    const hf_udp a = open_on(w, one, 53), b = open_on(w, any, 54);
    assert_int_equal(hfi_udp_demux(&w->table, &one, 53), a.index);
    assert_int_equal(hfi_udp_demux(&w->table, &two, 53), HFI_NONE);
    assert_int_equal(hfi_udp_demux(&w->table, &two, 54), b.index);
    assert_int_equal(hfi_udp_demux(&w->table, &one, 55), HFI_NONE);
}

static void one_port_is_not_given_twice_to_one_address(void **state) {
    world *w = *state;
    hf_udp udp;
    const hf_addr one = hf_addr4(192, 0, 2, 1), two = hf_addr4(192, 0, 2, 2);
    open_on(w, one, 53);
    assert_int_equal(hfi_udp_socket_open(&w->table, &one, 0, 53, &udp), HF_PORT_IN_USE);
    assert_int_equal(hfi_udp_socket_open(&w->table, &any, 0, 53, &udp), HF_PORT_IN_USE);
    open_on(w, two, 53);
    open_on(w, one, 54);
    assert_int_equal(hfi_udp_socket_open(&w->table, &one, 0, 55, &udp), HF_NO_SOCKET_SLOT);
}

static void a_chosen_port_is_free_and_within_the_range(void **state) {
    world *w = *state;
    uint32_t seen = 0;
    for (int round = 0; round < 200; round++) {
        hf_udp udp[3];
        for (int i = 0; i < 3; i++) {
            udp[i] = open_on(w, any, 0);
            const uint16_t port = w->table.sockets[udp[i].index].port;
            assert_in_range(port, 40000, 40004);
            seen |= 1u << (port - 40000);
            for (int j = 0; j < i; j++)
                assert_int_not_equal(w->table.sockets[udp[j].index].port, port);
        }
        for (int i = 0; i < 3; i++)
            hfi_udp_socket_close(&w->table, hfi_udp_socket_of(&w->table, udp[i]));
    }
    assert_int_equal(seen, 31);
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(datagrams_come_out_whole_in_order_and_once),
        WITH_WORLD(every_size_survives_the_cut_into_buffers),
        WITH_WORLD(a_short_buffer_gets_the_front_and_learns_the_length),
        WITH_WORLD(a_flooded_socket_leaves_as_much_to_the_others),
        WITH_WORLD(closing_gives_the_buffers_back_and_the_handle_goes_stale),
        WITH_WORLD(the_socket_of_the_address_wins_over_the_one_for_all),
        WITH_WORLD(one_port_is_not_given_twice_to_one_address),
        WITH_WORLD(a_chosen_port_is_free_and_within_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
