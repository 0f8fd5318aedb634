/* Sequence numbers and stream offsets go round (S07, trap 21): 2^31 bytes, 2^32 bytes, and ISNs
 * next to the turn. Super-segments and checksums left out, as moving gigabytes is not the point. */
#include "peer.h"

static void begin(peer *p) {
    const hf_config config = peer_config();
    const hf_interface_options link = {.link = HF_LINK_IP,
                                       .mtu = 1500,
                                       .auto_done = true,
                                       .gso_max_bytes = 65535,
                                       .csum_offload = true};
    peer_begin_on(p, &config, false, &link);
    p->syn_options.present |= HFI_OPT_WSCALE | HFI_OPT_SACK_PERMITTED;
    p->syn_options.wscale = 7;
}

#define ROUND (UINT64_C(1) << 32)

static void a_stream_out_goes_on_after_four_gigabytes(void **state) {
    (void)state;
    peer p;
    begin(&p);
    peer_listen_and_accept(&p);
    static uint8_t text[250000];
    const hfi_conn *conn = peer_block(&p);
    p.deaf = true;
    uint64_t moved = 0;
    while (moved < ROUND + 1000000) {
        size_t taken;
        hf_send(&p.engine, p.conn, text, sizeof text, &taken);
        peer_drain(&p);
        moved += conn->snd_nxt - p.ack;
        p.ack = conn->snd_nxt;
        peer_says(&p, HFI_TCP_ACK, 0);
    }
    const hf_conn_status s = peer_status(&p);
    assert_int_equal(s.bytes_acked, moved);
    assert_int_equal(s.bytes_from_app, moved + hfi_held(conn));
    p.deaf = false;
    hf_shutdown(&p.engine, p.conn);
    peer_drain(&p);
    peer_forget(&p);
    p.ack = conn->snd_end + 1;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_state(&p), HF_FIN_WAIT_2);
    assert_int_equal(peer_ctx(&p)->root->tx_pool.used, 0);
    peer_end(&p);
}

static void a_stream_in_goes_on_after_four_gigabytes(void **state) {
    (void)state;
    peer p;
    begin(&p);
    peer_listen_and_accept(&p);
    static uint8_t packet[66000], buffer[66000];
    p.deaf = true;
    uint64_t moved = 0;
    for (uint32_t round = 0; moved < ROUND + 1000000; round++) {
        const uint32_t bytes = 60000;
        hfi_tcp_view view = {.flags = HFI_TCP_ACK,
                             .seq = p.seq,
                             .ack = p.ack,
                             .window = p.window,
                             .source_port = p.their_port,
                             .destination_port = 80};
        const uint32_t header = 20 + hfi_tcp_build(packet + 20, &view);
        hfi_ip4_build(packet, &p.them, &p.us, HFI_IP_TCP, 64, 0, 0, true, header - 20 + bytes);
        packet[header] = (uint8_t)round;
        packet[header + bytes - 1] = (uint8_t)(round + 1);
        hf_frame frame = {.part_count = 1,
                          .total_bytes = header + bytes,
                          .flags = HF_FRAME_CSUM_OK,
                          .parts = {{packet, header + bytes}}};
        hf_engine_step(&p.engine, p.now_ns, &frame, 1, &p.verdict);
        assert_int_equal(p.verdict.cause, HF_CAUSE_TOOK_DATA);
        p.seq += bytes;
        moved += bytes;
        size_t got;
        assert_int_equal(hf_receive(&p.engine, p.conn, buffer, sizeof buffer, &got), HF_OK);
        assert_int_equal(got, bytes);
        assert_true(buffer[0] == (uint8_t)round && buffer[bytes - 1] == (uint8_t)(round + 1));
        peer_drain(&p);
    }
    assert_int_equal(peer_status(&p).bytes_received, moved);
    assert_int_equal(peer_ctx(&p)->root->rx_pool.used, 0);
    peer_end(&p);
}

/* Out of order and overlapping around the turn, for each of its bytes. */
static void a_peers_isn_next_to_the_turn_is_like_any_other(void **state) {
    (void)state;
    for (uint32_t before = 0; before < 45; before++) {
        peer p;
        peer_begin(&p);
        p.iss = p.seq = 0u - before;
        peer_listen_and_accept(&p);
        const hf_seq first = p.seq;
        peer_sends(&p, HFI_TCP_ACK, first + 30, p.ack, 10);
        peer_sends(&p, HFI_TCP_ACK, first + 10, p.ack, 15);
        peer_sends(&p, HFI_TCP_ACK, first + 20, p.ack, 12);
        peer_sends(&p, HFI_TCP_ACK, first, p.ack, 11);
        p.seq = first + 40;
        peer_says(&p, HFI_TCP_ACK | HFI_TCP_FIN, 3);
        peer_app_reads(&p, 0, 43);
        assert_int_equal(peer_state(&p), HF_CLOSE_WAIT);
        peer_end(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_out_goes_on_after_four_gigabytes),
        cmocka_unit_test(a_stream_in_goes_on_after_four_gigabytes),
        cmocka_unit_test(a_peers_isn_next_to_the_turn_is_like_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
