/* Options: RFC 9293 3.2, 3.7.1; RFC 7323, RFC 2018. */
#include "peer.h"

/* MSS of a data segment after the peer's SYN said `options`. */
static uint32_t full_segment(bool ip6, hfi_tcp_options options, bool timestamps) {
    peer p;
    const hf_config config = peer_config();
    peer_begin_with(&p, &config, ip6);
    p.syn_options = options;
    p.timestamps = timestamps;
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 9000);
    const peer_segment *out = peer_expect(&p, HFI_TCP_ACK);
    const uint32_t bytes = out->tcp.payload_bytes;
    assert_int_equal(peer_status(&p).mss, bytes);
    peer_end(&p);
    return bytes;
}

/* MUST-14, MUST-15, MUST-16; P09: a floor, never a segment without payload. */
static void the_mss_follows_the_peers_option_its_default_and_our_link(void **state) {
    (void)state;
    const hfi_tcp_options none = {.present = 0};
    assert_int_equal(full_segment(false, none, false), 536);
    assert_int_equal(full_segment(true, none, false), 1220);
    const uint16_t mss[] = {1000, 9000, 0, 1, 47, 88, 89};
    const uint32_t expected[] = {1000, 1460, 88, 88, 88, 88, 89};
    for (int i = 0; i < 7; i++) {
        hfi_tcp_options options = {.present = HFI_OPT_MSS, .mss = mss[i]};
        assert_int_equal(full_segment(false, options, false), expected[i]);
        options.present |= HFI_OPT_TIMESTAMPS; /* each segment carries 12 bytes of it */
        assert_int_equal(full_segment(false, options, true), expected[i] - 12);
    }
}

/* SHLD-5, MAY-3, MUST-67: we always say it, by our link. */
static void our_syns_say_what_one_segment_can_bring(void **state) {
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        peer p;
        const hf_config config = peer_config();
        peer_begin_with(&p, &config, ip6 == 1);
        const hf_listen_options listen = {.port = 80};
        peer_listens_with(&p, &listen);
        peer_sends_syn(&p, 0);
        const uint16_t mss = ip6 ? 1440 : 1460;
        assert_int_equal(peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.options.mss, mss);
        peer_is_called(&p);
        assert_int_equal(p.out[p.out_count - 1].tcp.options.mss, mss);
        peer_end(&p);
    }
}

/* MUST-65: MSS, window scale and SACK-permitted appear on SYNs alone, and mean something there
 * alone. */
static void options_of_syns_mean_nothing_elsewhere(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_offers_everything(&p);
    peer_listen_and_accept(&p);
    peer_send_view(
        &p, (hfi_tcp_view){
                .flags = HFI_TCP_ACK,
                .seq = p.seq,
                .ack = p.ack,
                .window = 1000,
                .payload_bytes = 3,
                .options = {.present = HFI_OPT_MSS | HFI_OPT_WSCALE, .mss = 100, .wscale = 1}});
    peer_drain(&p);
    assert_int_equal(peer_status(&p).mss, 1448);
    assert_int_equal(peer_status(&p).peer_window_bytes, 1000 << 7);
    peer_app_sends(&p, 5000);
    for (const peer_segment *out; (out = peer_next(&p)) != NULL;)
        assert_int_equal(out->tcp.options.present, HFI_OPT_TIMESTAMPS);
    peer_end(&p);
}

/* A SYN-ACK carries no option that the SYN lacked, but MSS. */
static void a_syn_ack_offers_only_what_the_syn_offered(void **state) {
    (void)state;
    const uint8_t each[] = {HFI_OPT_WSCALE, HFI_OPT_SACK_PERMITTED, HFI_OPT_TIMESTAMPS};
    for (uint32_t set = 0; set < 8; set++) {
        peer p;
        peer_begin(&p);
        for (int i = 0; i < 3; i++)
            if ((set >> i & 1) != 0) p.syn_options.present |= each[i];
        p.timestamps = (set & 4) != 0;
        const hf_listen_options listen = {.port = 80};
        peer_listens_with(&p, &listen);
        peer_sends_syn(&p, 0);
        assert_int_equal(peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.options.present,
                         p.syn_options.present);
        p.ack = p.out[0].tcp.seq + 1;
        peer_says(&p, HFI_TCP_ACK, 0);
        hf_accept(&p.engine, p.listener, &p.conn);
        const hf_conn_status s = peer_status(&p);
        assert_int_equal(s.window_scaling, set & 1);
        assert_int_equal(s.sack, set >> 1 & 1);
        assert_int_equal(s.timestamps, set >> 2 & 1);
        peer_end(&p);
    }
}

/* Trap 1, RFC 7323 1.3: an option is used only if both directions carried it. */
static void what_the_syn_ack_left_out_is_not_used(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_is_called(&p);
    assert_int_equal(p.out[0].tcp.options.present,
                     HFI_OPT_MSS | HFI_OPT_WSCALE | HFI_OPT_SACK_PERMITTED | HFI_OPT_TIMESTAMPS);
    peer_answers_call(&p);
    assert_int_equal(p.out[p.out_count - 1].tcp.options.present, 0);
    const hf_conn_status s = peer_status(&p);
    assert_false(s.window_scaling || s.sack || s.timestamps);
    peer_end(&p);
}

/* ---- SACK out, RFC 2018 4 ---- */

static void sack_names_the_latest_block_first_and_at_most_four_or_three(void **state) {
    (void)state;
    for (int timestamps = 0; timestamps < 2; timestamps++) {
        peer p;
        peer_begin(&p);
        p.syn_options.present |= HFI_OPT_SACK_PERMITTED;
        if (timestamps) p.syn_options.present |= HFI_OPT_TIMESTAMPS, p.timestamps = true;
        peer_listen_and_accept(&p);
        const peer_segment *ack = NULL;
        for (uint32_t i = 1; i <= 6; i++) {
            peer_sends(&p, HFI_TCP_ACK, p.seq + 100 * i, p.ack, 10 + i);
            ack = peer_expect_ack(&p, p.seq);
            assert_int_equal(ack->tcp.options.sack[0].start, p.seq + 100 * i);
            assert_int_equal(ack->tcp.options.sack[0].end, p.seq + 100 * i + 10 + i);
        }
        assert_int_equal(ack->tcp.options.sack_count, timestamps ? 3 : 4);
        peer_end(&p);
    }
}

/* MUST-16, RFC 6691: options count. While we have blocks to tell, no packet outgrows the link, and
 * the blocks are told all the same. */
static void data_with_blocks_to_tell_stays_within_the_mtu(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_offers_everything(&p);
    peer_listen_and_accept(&p);
    for (uint32_t i = 1; i <= 3; i++) peer_sends(&p, HFI_TCP_ACK, p.seq + 100 * i, p.ack, 50);
    peer_forget(&p);
    static const uint8_t text[5000];
    size_t taken;
    hf_send(&p.engine, p.conn, text, sizeof text, &taken);
    peer_sends(&p, HFI_TCP_ACK, p.seq + 400, p.ack, 50); /* an ACK and data leave together */
    bool told = false;
    for (const peer_segment *out; (out = peer_next(&p)) != NULL;) {
        assert_true(out->packet_bytes <= 1500);
        for (uint32_t i = 0; i < out->tcp.options.sack_count; i++)
            told |= out->tcp.options.sack[i].start == p.seq + 400;
    }
    assert_true(told);
    peer_end(&p);
}

/* ---- Timestamps, RFC 7323 ---- */

static void without_the_option_the_data_is_taken_but_no_timestamp_is(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_offers_everything(&p);
    peer_listen_and_accept(&p);
    const uint32_t before = peer_block(&p)->ts_recent;
    p.timestamps = false; /* trap 2; H10 */
    peer_says(&p, HFI_TCP_ACK, 10);
    peer_app_reads(&p, 0, 10);
    assert_int_equal(peer_block(&p)->ts_recent, before);
    assert_int_equal(peer_count(&p, HF_CAUSE_TIMESTAMP_MISSING), 1);
    peer_end(&p);
}

/* 4.3: only a segment that covers what was last acknowledged is echoed. */
static void a_segment_beyond_a_gap_is_not_echoed(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_offers_everything(&p);
    peer_listen_and_accept(&p);
    const uint32_t first = p.ts_value;
    p.ts_value += 10;
    peer_sends(&p, HFI_TCP_ACK, p.seq + 5, p.ack, 5);
    assert_int_equal(peer_expect_ack(&p, p.seq)->tcp.options.ts_echo, first);
    p.ts_value += 10;
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 5);
    assert_int_equal(peer_expect_ack(&p, p.seq + 10)->tcp.options.ts_echo, p.ts_value);
    peer_end(&p);
}

/* 5.5: after 24 days of silence an "old" timestamp is believed. */
static void after_24_days_an_older_timestamp_is_taken(void **state) {
    (void)state;
    for (int days = 23; days < 27; days += 3) {
        peer p;
        peer_begin(&p);
        peer_offers_everything(&p);
        peer_listen_and_accept(&p);
        peer_run(&p, (hf_ns)days * 86400 * HF_SECOND);
        p.ts_value -= 4;
        peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 6);
        assert_int_equal(peer_status(&p).readable_bytes, days > 24 ? 6 : 0);
        peer_end(&p);
    }
}

/* I03: no uptime and no common clock in what different pairs see; one pair's never goes back. */
static void each_pair_has_its_own_timestamp_offset(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_offers_everything(&p);
    const hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    uint32_t seen[50];
    for (uint16_t i = 0; i < 50; i++) {
        p.their_port = (uint16_t)(2000 + i);
        peer_sends_syn(&p, 0);
        seen[i] = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.options.ts_value;
        for (int k = 0; k < i; k++) assert_true(seen[i] - seen[k] + 1000 > 2000);
    }
    peer_end(&p);
}

/* RFC 7323 2.2: the scale is fixed by the SYN, also when the buffer's size is changed meanwhile. */
static void the_window_scale_stays_what_the_syn_named(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_offers_everything(&p);
    const hf_connect_options connect = {.remote = p.them, .remote_port = 9000};
    assert_int_equal(hf_connect(&p.engine, &connect, &p.conn), HF_OK);
    p.their_port = 9000;
    peer_drain(&p);
    const peer_segment *syn = peer_expect(&p, HFI_TCP_SYN);
    const uint32_t scale = syn->tcp.options.wscale;
    p.our_port = syn->tcp.source_port;
    p.ack = syn->tcp.seq + 1;
    p.ts_echo = syn->tcp.options.ts_value;
    const hf_tcp_options larger = {.receive_bytes = UINT32_C(1) << 24};
    assert_int_equal(hf_conn_options_set(&p.engine, p.conn, &larger), HF_OK);
    peer_sends_syn(&p, HFI_TCP_ACK);
    const peer_segment *ack = peer_expect_ack(&p, p.seq);
    assert_int_equal((uint32_t)ack->tcp.window << scale, peer_status(&p).our_window_bytes);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mss_follows_the_peers_option_its_default_and_our_link),
        cmocka_unit_test(our_syns_say_what_one_segment_can_bring),
        cmocka_unit_test(options_of_syns_mean_nothing_elsewhere),
        cmocka_unit_test(a_syn_ack_offers_only_what_the_syn_offered),
        cmocka_unit_test(what_the_syn_ack_left_out_is_not_used),
        cmocka_unit_test(sack_names_the_latest_block_first_and_at_most_four_or_three),
        cmocka_unit_test(data_with_blocks_to_tell_stays_within_the_mtu),
        cmocka_unit_test(without_the_option_the_data_is_taken_but_no_timestamp_is),
        cmocka_unit_test(a_segment_beyond_a_gap_is_not_echoed),
        cmocka_unit_test(after_24_days_an_older_timestamp_is_taken),
        cmocka_unit_test(each_pair_has_its_own_timestamp_offset),
        cmocka_unit_test(the_window_scale_stays_what_the_syn_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
