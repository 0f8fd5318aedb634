#include "rig.h"

/* A TCP packet as hf_shard_of needs it: addresses and ports. */
static void packet_of(uint8_t packet[40], const hf_addr *source, const hf_addr *destination,
                      uint16_t source_port, uint16_t destination_port) {
    memset(packet, 0, 40);
    packet[0] = 0x45;
    packet[3] = 40;
    packet[8] = 64;
    packet[9] = 6;
    memcpy(packet + 12, source->bytes + 12, 4);
    memcpy(packet + 16, destination->bytes + 12, 4);
    packet[20] = (uint8_t)(source_port >> 8), packet[21] = (uint8_t)source_port;
    packet[22] = (uint8_t)(destination_port >> 8), packet[23] = (uint8_t)destination_port;
    packet[32] = 0x50;
}

static uint32_t shard(rig *r, const uint8_t *packet, uint32_t bytes, uint32_t count) {
    const hf_frame frame = {.total_bytes = bytes, .part_count = 1, .parts = {{packet, bytes}}};
    return hf_shard_of(&r->engine[0], &frame, count);
}

static void both_directions_belong_to_one_shard_and_all_shards_are_used(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    uint32_t used = 0;
    for (uint16_t port = 5000; port < 5200; port++) {
        uint8_t there[40], back[40];
        packet_of(there, &r.addr[0], &r.addr[1], port, 80);
        packet_of(back, &r.addr[1], &r.addr[0], 80, port);
        const uint32_t s = shard(&r, there, 40, 3);
        assert_in_range(s, 0, 2);
        assert_int_equal(shard(&r, back, 40, 3), s);
        used |= 1u << s;
    }
    assert_int_equal(used, 7);
    rig_end(&r);
}

static void a_fragment_belongs_to_shard_zero(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    for (uint16_t port = 5000; port < 5050; port++) {
        uint8_t packet[40];
        packet_of(packet, &r.addr[0], &r.addr[1], port, 80);
        packet[6] = 0x20; /* more fragments */
        assert_int_equal(shard(&r, packet, 40, 3), 0);
    }
    rig_end(&r);
}

/* Answers to its own opens must come back to the shard that opened. */
static void an_active_open_chooses_a_port_of_its_own_shard(void **state) {
    (void)state;
    rig r;
    hf_config config;
    hf_config_default(&config);
    config.shard_count = 5;
    config.shard_index = 3;
    rig_init_with(&r, &config, &config);
    for (int i = 0; i < 50; i++) {
        hf_conn conn;
        const hf_connect_options connect = {.remote = r.addr[1], .remote_port = 81};
        assert_int_equal(hf_connect(&r.engine[0], &connect, &conn), HF_OK);
        hf_conn_status status;
        assert_int_equal(hf_conn_status_get(&r.engine[0], conn, &status), HF_OK);
        uint8_t answer[40];
        packet_of(answer, &r.addr[1], &r.addr[0], 81, status.local_port);
        assert_int_equal(shard(&r, answer, 40, 5), 3);
    }
    rig_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_belong_to_one_shard_and_all_shards_are_used),
        cmocka_unit_test(a_fragment_belongs_to_shard_zero),
        cmocka_unit_test(an_active_open_chooses_a_port_of_its_own_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
