/* Two engines on a wire in memory: bytes both ways at once, with every kind of wire and interface.
 */
#include "test.h"

#include <hf/mem.h>
#include <hf/tcp.h>
#include <stdlib.h>
#include <string.h>

#define BYTES 700001u

typedef struct host {
    hf_engine engine;
    void *block, *data;
    uint32_t interface;
    hf_conn conn;
    bool has_conn;
    uint32_t sent, received;
} host;

/* What is sent from each end; never the same at both. */
static uint8_t byte_of(int end, uint32_t i) {
    return (uint8_t)(i * 13 + i / 257 + (uint32_t)end * 101);
}

static void host_start(host *self, int end, const hf_interface_options *link) {
    hf_config config;
    const hf_addr addr = hf_addr4(10, 0, 0, (uint8_t)(end + 1));
    memset(self, 0, sizeof *self);
    hf_config_default(&config);
    memset(config.seed, end + 3, sizeof config.seed);
    const hf_memory need = hf_engine_bytes(&config);
    self->block = aligned_alloc(64, (need.block_bytes + 63) / 64 * 64);
    self->data = aligned_alloc(64, (need.data_bytes + 63) / 64 * 64);
    assert_int_equal(hf_engine_init(&self->engine, &config, self->block, need.block_bytes,
                                    self->data, need.data_bytes, 0),
                     HF_OK);
    assert_int_equal(hf_interface_add(&self->engine, link, &self->interface), HF_OK);
    assert_int_equal(hf_address_add(&self->engine, self->interface, &addr, 24), HF_OK);
}

static void host_drop(host *self) {
    free(self->block);
    free(self->data);
}

static void send_more(host *self, int end) {
    uint8_t bytes[3001];
    while (self->sent < BYTES) {
        const uint32_t count =
            BYTES - self->sent < sizeof bytes ? BYTES - self->sent : sizeof bytes;
        size_t taken = 0;
        for (uint32_t i = 0; i < count; i++) bytes[i] = byte_of(end, self->sent + i);
        const hf_err err = hf_send(&self->engine, self->conn, bytes, count, &taken);
        self->sent += (uint32_t)taken;
        if (err != HF_OK || taken == 0) return;
    }
}

static void receive_more(host *self, int end) {
    uint8_t bytes[5003];
    size_t count;
    while (hf_receive(&self->engine, self->conn, bytes, sizeof bytes, &count) == HF_OK)
        for (size_t i = 0; i < count; i++)
            assert_int_equal(bytes[i], byte_of(1 - end, self->received++));
}

static void act(host hosts[2], hf_listener listener) {
    if (!hosts[1].has_conn)
        hosts[1].has_conn = hf_accept(&hosts[1].engine, listener, &hosts[1].conn) == HF_OK;
    for (int end = 0; end < 2; end++) {
        if (!hosts[end].has_conn) continue;
        send_more(&hosts[end], end);
        receive_more(&hosts[end], end);
    }
}

/* Frames longer than this count as super-segments. */
#define LONG_BYTES 1500u

static void count_long(void *context, hf_ns at_ns, hf_way way, const hf_frame *frame,
                       const hf_verdict *verdict) {
    (void)at_ns, (void)verdict;
    if (way == HF_WAY_OUT && frame->total_bytes > LONG_BYTES) ++*(uint32_t *)context;
}

/* Sends both ways until all has come; returns how many super-segments that took. */
static uint32_t exchange_all(const hf_interface_options *link, hf_mem_options options) {
    static host hosts[2];
    uint32_t long_count = 0;
    hf_mem wire;
    hf_listener listener;
    for (int end = 0; end < 2; end++) host_start(&hosts[end], end, link);
    options.tap = (hf_tap){count_long, &long_count};
    assert_true(hf_mem_join(&wire, &hosts[0].engine, hosts[0].interface, &hosts[1].engine,
                            hosts[1].interface, &options));
    assert_int_equal(hf_listen(&hosts[1].engine, &(hf_listen_options){.port = 7}, &listener),
                     HF_OK);
    const hf_connect_options to = {.remote = hf_addr4(10, 0, 0, 2), .remote_port = 7};
    assert_int_equal(hf_connect(&hosts[0].engine, &to, &hosts[0].conn), HF_OK);
    hosts[0].has_conn = true;
    for (hf_ns now_ns = 0; now_ns < 60 * HF_SECOND; now_ns = hf_mem_next_at(&wire)) {
        do act(hosts, listener);
        while (hf_mem_exchange(&wire, now_ns) != 0);
        if (hosts[0].received == BYTES && hosts[1].received == BYTES) break;
    }
    for (int end = 0; end < 2; end++) {
        assert_int_equal(hosts[end].received, BYTES);
        assert_int_equal(hf_cause_count(&hosts[end].engine, HF_CAUSE_DROP_TCP_CHECKSUM), 0);
        assert_int_equal(hf_cause_count(&hosts[end].engine, HF_CAUSE_SENT_RETRANSMISSION_RTO), 0);
    }
    hf_mem_part(&wire);
    for (int end = 0; end < 2; end++) host_drop(&hosts[end]);
    return long_count;
}

static hf_interface_options with_offload(void) {
    hf_interface_options link;
    hf_mem_interface_options(&link);
    return link;
}

static hf_interface_options without_offload(void) {
    hf_interface_options link = with_offload();
    link.gso_max_bytes = 0;
    link.csum_offload = false;
    return link;
}

static void bytes_arrive_by_copy(void **state) {
    (void)state;
    const hf_interface_options link = with_offload();
    assert_true(exchange_all(&link, (hf_mem_options){0}) > 0);
}

static void bytes_arrive_by_reference(void **state) {
    (void)state;
    const hf_interface_options link = with_offload();
    assert_true(exchange_all(&link, (hf_mem_options){.by_reference = true}) > 0);
}

static void without_offload_no_frame_exceeds_the_mtu(void **state) {
    (void)state;
    const hf_interface_options link = without_offload();
    assert_int_equal(exchange_all(&link, (hf_mem_options){0}), 0);
    assert_int_equal(exchange_all(&link, (hf_mem_options){.by_reference = true}), 0);
}

static void frames_one_at_a_time_do_as_well(void **state) {
    (void)state;
    const hf_interface_options link = with_offload();
    exchange_all(&link, (hf_mem_options){.batch_frames = 1});
    exchange_all(&link, (hf_mem_options){.batch_frames = 1, .by_reference = true});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_by_copy),
        cmocka_unit_test(bytes_arrive_by_reference),
        cmocka_unit_test(without_offload_no_frame_exceeds_the_mtu),
        cmocka_unit_test(frames_one_at_a_time_do_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
