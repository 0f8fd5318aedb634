/* The path's MTU without ICMP (RFC 4821, RFC 8899): black holes, and the search for larger packets. */
#include "recovery.h"

#define RTT (20 * HF_MS)
#define FULL_PACKET (MSS + 40)
#define SMALL (1200 - 40)

/* The peer hears nothing and says nothing until the engine has asked whether it is the size. */
static void run_until_asked(peer *p) {
    while (peer_count(p, HF_CAUSE_SENT_MTU_QUESTION) == 0) peer_run(p, HF_MS);
}

/* The last segment that was sent for this reason. */
static const peer_segment *last_of(const peer *p, hf_cause cause) {
    for (size_t i = p->out_count; i-- > 0;)
        if (p->out[i].cause == cause) return &p->out[i];
    fail_msg("nothing was sent with cause %d", (int)cause);
    return NULL;
}

/* A connection on a path that swallows large packets: found out, and now acknowledged to `first` +
 * SMALL. */
static hf_seq into_black_hole(peer *p, uint32_t segs) {
    const hf_seq first = p->ack;
    peer_app_sends(p, segs * MSS);
    run_until_asked(p);
    peer_forget(p);
    p->ack = first + SMALL;
    peer_says(p, HFI_TCP_ACK, 0);
    return first;
}

/* ---- Black holes ---- */

static void large_segments_that_vanish_while_a_small_one_arrives_are_a_black_hole(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 3 * MSS);
    run_until_asked(&p);
    const peer_segment *small = last_of(&p, HF_CAUSE_SENT_MTU_QUESTION), *large = small - 1;
    assert_int_equal(small->packet_bytes, 1200);
    assert_int_equal(small->tcp.seq, first);
    assert_int_equal(large->tcp.seq, first); /* beside the large one, at the same instant */
    assert_int_equal(large->packet_bytes, FULL_PACKET);
    assert_int_equal(large->at_ns, small->at_ns);
    assert_in_range(peer_count(&p, HF_CAUSE_SENT_RETRANSMISSION_RTO), 3, 3);
    peer_forget(&p);
    p.ack = first + SMALL;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_MTU_BLACK_HOLE), 1);
    assert_true(peer_event(&p, HF_OBJECT_CONN, HF_EVENT_PATH_MTU));
    const hf_conn_status status = peer_status(&p);
    assert_int_equal(status.mss, SMALL);
    assert_int_equal(status.packet_bytes, 1200);
    assert_int_equal(status.packet_bytes_most, FULL_PACKET);
    assert_int_equal(status.mtu_cause, HF_CAUSE_MTU_BLACK_HOLE);
    /* In order, from where the small one ended, and nothing longer. */
    hf_seq next = first + SMALL;
    for (const peer_segment *out; (out = peer_next(&p)) != NULL;) {
        assert_int_equal(out->tcp.seq, next);
        assert_true(out->packet_bytes <= 1200);
        next += out->tcp.payload_bytes;
    }
    peer_end(&p);
}

static void both_arriving_is_no_black_hole(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 2 * MSS);
    run_until_asked(&p); /* an outage, which is over */
    recovery_sacks(&p, first + MSS, first, (blocks){0});
    /* The small one was a duplicate (RFC 2883), by our own doing. */
    hfi_tcp_view view = {
        .flags = HFI_TCP_ACK,
        .seq = p.seq,
        .ack = first + MSS,
        .window = p.window,
        .options = {.present = HFI_OPT_SACK, .sack_count = 1, .sack = {{first, first + SMALL}}}};
    peer_send_view(&p, view);
    peer_run(&p, HF_MS);
    assert_int_equal(peer_count(&p, HF_CAUSE_MTU_BLACK_HOLE), 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_UNDONE_BY_DSACK), 0);
    assert_int_equal(peer_status(&p).mss, MSS);
    assert_int_equal(peer_status(&p).mtu_cause, HF_CAUSE_NONE);
    peer_end(&p);
}

/* Ends as without: at the same instant, for the same reason. */
static hf_end silent_end(const hf_config *config, hf_ns detect_within_ns) {
    peer p;
    recovery_begin_as(&p, config, RTT, true, false);
    const hf_tcp_options options = {.detect_within_ns = detect_within_ns};
    assert_int_equal(hf_conn_options_set(&p.engine, p.conn, &options), HF_OK);
    peer_app_sends(&p, 2 * MSS);
    peer_run(&p, detect_within_ns != 0 ? 20 * HF_SECOND : 1200 * HF_SECOND);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(peer_count(&p, HF_CAUSE_MTU_BLACK_HOLE), 0);
    peer_end(&p);
    return end;
}

static void a_dead_peer_ends_when_it_would_without(void **state) {
    (void)state;
    hf_config with = peer_config(), without = peer_config();
    without.limits.plpmtud = 0;
    for (int i = 0; i < 2; i++) {
        const hf_ns within_ns = i == 0 ? 0 : 2500 * HF_MS;
        const hf_end a = silent_end(&with, within_ns), b = silent_end(&without, within_ns);
        assert_int_equal(a.at_ns, b.at_ns);
        assert_int_equal(a.cause, HF_CAUSE_END_PEER_SILENT);
        assert_int_equal(a.mechanism, b.mechanism);
    }
}

static void a_black_hole_is_found_before_the_shortest_bound_is_over(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, 200 * HF_MS);
    const hf_tcp_options options = {.detect_within_ns = 2500 * HF_MS};
    assert_int_equal(hf_conn_options_set(&p.engine, p.conn, &options), HF_OK);
    const hf_ns began_ns = p.now_ns;
    into_black_hole(&p, 2);
    assert_true(p.now_ns - began_ns < 2 * HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_MTU_BLACK_HOLE), 1);
    peer_end(&p);
}

/* Plain loss: one of that size has arrived beyond the gap. */
static void nobody_asks_while_segments_of_that_size_arrive(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 4 * MSS);
    recovery_sacks(&p, first, first, (blocks){1, {{2, 3}}});
    peer_run(&p, 10 * HF_SECOND);
    assert_true(peer_count(&p, HF_CAUSE_SENT_RETRANSMISSION_RTO) >= 4);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_MTU_QUESTION), 0);
    peer_end(&p);
}

static void a_small_one_that_arrived_beyond_is_no_objection_and_does_not_go_again(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    const hf_tcp_options options = {.no_delay = true};
    assert_int_equal(hf_conn_options_set(&p.engine, p.conn, &options), HF_OK);
    peer_app_sends(&p, 2 * MSS);
    peer_app_sends(&p, 70);
    hfi_tcp_view view = {.flags = HFI_TCP_ACK,
                         .seq = p.seq,
                         .ack = first,
                         .window = p.window,
                         .options = {.present = HFI_OPT_SACK,
                                     .sack_count = 1,
                                     .sack = {{first + 2 * MSS, first + 2 * MSS + 70}}}};
    peer_send_view(&p, view);
    peer_drain(&p);
    run_until_asked(&p);
    peer_forget(&p);
    view.ack = p.ack = first + SMALL;
    for (int i = 0; i < 8 && peer_status(&p).in_flight_bytes > 0; i++) {
        peer_send_view(&p, view);
        peer_drain(&p);
        for (const peer_segment *out; (out = peer_next(&p)) != NULL;) {
            assert_true(hf_seq_lt(out->tcp.seq, first + 2 * MSS));
            view.ack = hf_seq_max(view.ack, out->tcp.seq + out->tcp.payload_bytes);
        }
        if (view.ack == first + 2 * MSS) view.ack += 70, view.options.present = 0;
    }
    assert_int_equal(peer_status(&p).in_flight_bytes, 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_SACK_RENEGED), 0);
    peer_end(&p);
}

static void short_segments_and_a_short_window_are_not_asked_about(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    peer_app_sends(&p, SMALL - 1200 + 552); /* fits the floor */
    peer_run(&p, 30 * HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_MTU_QUESTION), 0);
    peer_end(&p);
    recovery_begin(&p, RTT);
    peer_app_sends(&p, 2 * MSS);
    p.window = MSS - 1; /* the peer's window has shrunk: it drops what does not fit */
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_run(&p, 5 * HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_MTU_QUESTION), 0);
    peer_end(&p);
}

static void a_path_that_takes_less_than_the_base_is_tried_with_the_floor(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 2 * MSS);
    while (p.out_count == 0 || p.out[p.out_count - 1].packet_bytes != HFI_PATH_MTU4_FLOOR)
        peer_run(&p, 100 * HF_MS);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_MTU_QUESTION), 3);
    p.ack = first + HFI_PATH_MTU4_FLOOR - 40;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_status(&p).packet_bytes, HFI_PATH_MTU4_FLOOR);
    peer_end(&p);
}

static void an_ipv6_path_falls_to_1280(void **state) {
    (void)state;
    peer p;
    const hf_config config = peer_config();
    peer_begin_with(&p, &config, true);
    peer_listen_and_accept(&p);
    const hf_seq first = p.ack;
    p.window = 60000;
    peer_app_sends(&p, 3 * 1440);
    run_until_asked(&p);
    assert_int_equal(last_of(&p, HF_CAUSE_SENT_MTU_QUESTION)->packet_bytes, 1280);
    p.ack = first + 1280 - 60;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_status(&p).mss, 1220);
    assert_int_equal(peer_count(&p, HF_CAUSE_MTU_BLACK_HOLE), 1);
    peer_end(&p);
}

static void without_the_limit_nobody_asks_and_nobody_probes(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.limits.plpmtud = 0;
    recovery_begin_as(&p, &config, RTT, true, false);
    peer_app_sends(&p, 3 * MSS);
    peer_run(&p, 30 * HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_MTU_QUESTION), 0);
    peer_end(&p);
}

/* ---- Others on the same path ---- */

/* A second connection of the same peer. */
static hf_conn second_connection(peer *p, uint16_t *ret_mss_told) {
    p->their_port++;
    p->iss = p->seq = 7000;
    peer_sends_syn(p, 0);
    const peer_segment *syn_ack = peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK);
    *ret_mss_told = syn_ack->tcp.options.mss;
    p->ack = syn_ack->tcp.seq + 1;
    peer_says(p, HFI_TCP_ACK, 0);
    hf_conn conn;
    assert_int_equal(hf_accept(&p->engine, p->listener, &conn), HF_OK);
    return conn;
}

static void the_next_connection_begins_with_what_the_first_found_out(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    into_black_hole(&p, 2);
    peer_forget(&p);
    uint16_t told;
    p.conn = second_connection(&p, &told);
    assert_int_equal(told, 1472); /* what we receive is the link's matter (RFC 1191 3.1) */
    assert_int_equal(peer_status(&p).mss, SMALL);
    assert_int_equal(peer_status(&p).mtu_cause, HF_CAUSE_MTU_BLACK_HOLE);
    peer_end(&p);
}

static void a_connection_that_waits_takes_up_what_another_found_out(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_conn first_conn = p.conn;
    const hf_seq first_seq = p.seq, first_ack = p.ack;
    const uint16_t first_port = p.their_port;
    uint16_t told;
    const hf_conn second = second_connection(&p, &told);
    const hf_seq second_ack = p.ack;
    p.conn = first_conn;
    peer_app_sends(&p, 2 * MSS);
    run_until_asked(&p);
    p.conn = second; /* and now the other, which has waited for nothing yet */
    peer_app_sends(&p, 2 * MSS);
    p.conn = first_conn, p.their_port = first_port, p.seq = first_seq;
    p.ack = first_ack + SMALL;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_MTU_BLACK_HOLE), 1);
    p.conn = second;
    assert_int_equal(peer_status(&p).mss, MSS);
    peer_forget(&p);
    peer_run(&p, 300 * HF_MS); /* its first timer */
    assert_int_equal(peer_count(&p, HF_CAUSE_MTU_LEARNED), 1);
    assert_int_equal(peer_status(&p).mss, SMALL);
    const peer_segment *again = last_of(&p, HF_CAUSE_SENT_RETRANSMISSION_MTU);
    assert_true(hf_seq_le(second_ack, again->tcp.seq) || again->tcp.source_port == 80);
    assert_true(again->packet_bytes <= 1200);
    peer_end(&p);
}

/* ---- The search upwards ---- */

/* The peer's receiver: which bytes of the stream it has, counted from `first`. */
typedef struct receiver {
    hf_seq first;
    uint32_t next; /* all before it has come */
    uint8_t has[1 << 20];
} receiver;

static receiver *receiver_new(hf_seq first) {
    receiver *r = calloc(1, sizeof *r);
    r->first = first;
    return r;
}

static void receiver_takes(receiver *r, const peer_segment *out) {
    for (uint32_t i = 0; i < out->tcp.payload_bytes; i++) {
        const uint32_t at = out->tcp.seq + i - r->first;
        if (at < sizeof r->has) r->has[at] = 1;
    }
    while (r->has[r->next] != 0) r->next++;
}

/* The first range beyond the gap. */
static hfi_sack_block receiver_block(const receiver *r, uint32_t most) {
    uint32_t start = r->next;
    while (start < most && r->has[start] == 0) start++;
    uint32_t end = start;
    while (end < most && r->has[end] != 0) end++;
    return (hfi_sack_block){r->first + start, r->first + end};
}

/* The peer acknowledges once a round trip all that it has, packets longer than `takes` being lost.
 * Returns the longest packet that was sent. */
static uint32_t answers(peer *p, receiver *r, uint32_t takes, int rounds) {
    uint32_t longest = 0;
    for (int i = 0; i < rounds; i++) {
        uint32_t most = r->next;
        peer_run(p, RTT);
        for (const peer_segment *out; (out = peer_next(p)) != NULL;) {
            longest = hfi_max32(longest, out->packet_bytes);
            if (out->packet_bytes > takes) continue;
            receiver_takes(r, out);
            most = hfi_max32(most, out->tcp.seq + out->tcp.payload_bytes - r->first);
        }
        peer_forget(p);
        p->ack = r->first + r->next;
        hfi_tcp_view view = {
            .flags = HFI_TCP_ACK, .seq = p->seq, .ack = p->ack, .window = p->window};
        const hfi_sack_block block = receiver_block(r, most);
        if (block.start != block.end)
            view.options =
                (hfi_tcp_options){.present = HFI_OPT_SACK, .sack_count = 1, .sack = {block}};
        peer_send_view(p, view);
        peer_drain(p);
    }
    return longest;
}

static void the_search_climbs_by_what_arrives(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    receiver *r = receiver_new(into_black_hole(&p, 40));
    memset(r->has, 1, r->next = SMALL);
    for (int i = 0; i < 10; i++) {
        answers(&p, r, 2000, 10);
        peer_app_sends(&p, 40 * MSS);
    }
    free(r);
    assert_int_equal(peer_status(&p).mss, MSS);
    assert_int_equal(peer_status(&p).mtu_cause, HF_CAUSE_NONE);
    assert_int_equal(peer_count(&p, HF_CAUSE_MTU_PROBE_LOST), 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_MTU_PROBE_ARRIVED),
                     peer_count(&p, HF_CAUSE_SENT_MTU_PROBE));
    peer_end(&p);
}

static void a_lost_probe_is_no_congestion_and_three_end_the_search(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    receiver *r = receiver_new(into_black_hole(&p, 20));
    memset(r->has, 1, r->next = SMALL);
    for (int i = 0; i < 12; i++) {
        peer_app_sends(&p, 12 * MSS);
        answers(&p, r, 1400, 8);
        peer_run(&p, 500 * HF_MS);
    }
    assert_int_equal(peer_status(&p).packet_bytes, 1400);
    assert_int_equal(peer_count(&p, HF_CAUSE_MTU_PROBE_LOST), 3);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_MTU_PROBE), 5); /* 1,280 and 1,400, and 1,420 */
    assert_int_equal(peer_count(&p, HF_CAUSE_RECOVERY_STARTED), 0);
    assert_int_equal(peer_status(&p).in_flight_bytes, 0);
    /* PMTU_RAISE_TIMER, RFC 8899 5.1.1 */
    peer_run(&p, 580 * HF_SECOND);
    peer_app_sends(&p, 12 * MSS);
    answers(&p, r, 1400, 8);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_MTU_PROBE), 5);
    peer_run(&p, 20 * HF_SECOND);
    peer_app_sends(&p, 12 * MSS);
    const uint32_t longest = answers(&p, r, 9000, 8);
    assert_true(longest >= 1420);
    assert_true(peer_count(&p, HF_CAUSE_SENT_MTU_PROBE) > 5);
    assert_true(peer_status(&p).packet_bytes >= 1420);
    free(r);
    peer_end(&p);
}

static void who_sends_all_that_the_link_takes_does_not_probe(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    receiver *r = receiver_new(p.ack);
    for (int i = 0; i < 5; i++) {
        peer_app_sends(&p, 40 * MSS);
        answers(&p, r, 9000, 10);
        peer_run(&p, 300 * HF_SECOND);
    }
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_MTU_PROBE), 0);
    assert_int_equal(peer_status(&p).packet_bytes, FULL_PACKET);
    free(r);
    peer_end(&p);
}

/* ---- Don't fragment (RFC 1191 3) ---- */

static void every_ipv4_packet_forbids_fragments(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    hf_frame frames[16];
    for (int i = 0; i < 3; i++) {
        if (i == 0) peer_send_view(&p, (hfi_tcp_view){.flags = HFI_TCP_SYN, .seq = p.iss});
        if (i == 1) { /* no such connection: RST */
            p.our_port = 81;
            peer_send_view(&p, (hfi_tcp_view){.flags = HFI_TCP_ACK, .seq = 5, .ack = 9});
            p.our_port = 80;
        }
        if (i == 2) {
            peer_handshake(&p);
            assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
            size_t taken;
            static const uint8_t text[3000];
            assert_int_equal(hf_send(&p.engine, p.conn, text, sizeof text, &taken), HF_OK);
        }
        const size_t count = hf_tx_peek(&p.engine, frames, 16);
        assert_true(count > 0);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(((const uint8_t *)frames[k].parts[0].data)[6] & 0xe0, 0x40);
        hf_tx_taken(&p.engine, count);
        if (i == 0) p.their_port++; /* that SYN was another's */
    }
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_segments_that_vanish_while_a_small_one_arrives_are_a_black_hole),
        cmocka_unit_test(both_arriving_is_no_black_hole),
        cmocka_unit_test(a_dead_peer_ends_when_it_would_without),
        cmocka_unit_test(a_black_hole_is_found_before_the_shortest_bound_is_over),
        cmocka_unit_test(nobody_asks_while_segments_of_that_size_arrive),
        cmocka_unit_test(a_small_one_that_arrived_beyond_is_no_objection_and_does_not_go_again),
        cmocka_unit_test(short_segments_and_a_short_window_are_not_asked_about),
        cmocka_unit_test(a_path_that_takes_less_than_the_base_is_tried_with_the_floor),
        cmocka_unit_test(an_ipv6_path_falls_to_1280),
        cmocka_unit_test(without_the_limit_nobody_asks_and_nobody_probes),
        cmocka_unit_test(the_next_connection_begins_with_what_the_first_found_out),
        cmocka_unit_test(a_connection_that_waits_takes_up_what_another_found_out),
        cmocka_unit_test(the_search_climbs_by_what_arrives),
        cmocka_unit_test(a_lost_probe_is_no_congestion_and_three_end_the_search),
        cmocka_unit_test(who_sends_all_that_the_link_takes_does_not_probe),
        cmocka_unit_test(every_ipv4_packet_forbids_fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
