/* SEGMENT ARRIVES, RFC 9293 3.10.7.4: state by flag by position. What is not acceptable changes
 * nothing but what answers it. */
#include "peer.h"

static const hf_state synchronized[] = {HF_ESTABLISHED, HF_FIN_WAIT_1, HF_FIN_WAIT_2,
                                        HF_CLOSE_WAIT,  HF_CLOSING,    HF_LAST_ACK};
#define SYNCHRONIZED (sizeof synchronized / sizeof synchronized[0])

/* Everything of a connection but what an owed answer is made of: the transmit list's link, what is
 * owed and why, the duplicate that it names (RFC 2883), the stamp that limits challenges, and that the
 * last one answered a SYN. */
static hfi_conn without_answer(const peer *p) {
    hfi_conn conn = hfi_of_const(&p->engine)->ctx.conns[p->conn.index];
    conn.pending = 0;
    conn.ack_cause = 0;
    conn.flags &= ~(uint32_t)HFI_F_IN_TX;
    conn.tx_next = 0;
    conn.challenge_at = 0;
    conn.close_how &= (uint8_t)~HFI_CLOSE_SAW_SYN;
    conn.range_recent = 0;
    return conn;
}

static void fields_are_the_same(const hfi_conn *a, const hfi_conn *b, const char *what) {
    const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;
    for (size_t i = 0; i < sizeof *a; i++)
        if (x[i] != y[i]) fail_msg("%s changed byte %zu of the connection", what, i);
}

typedef struct unacceptable {
    const char *what;
    uint8_t flags;
    int32_t seq_from_nxt; /* from RCV.NXT */
    int32_t ack_from_nxt; /* from SND.NXT */
    uint32_t bytes;
} unacceptable;

#define FAR 2000000

static const unacceptable segments[] = {
    {"ACK before the window", HFI_TCP_ACK, -5, 0, 0},
    {"data before the window", HFI_TCP_ACK, -9, 0, 3},
    {"old FIN", HFI_TCP_ACK | HFI_TCP_FIN, -9, 0, 3},
    {"ACK beyond the window", HFI_TCP_ACK, FAR, 0, 0},
    {"data beyond the window", HFI_TCP_ACK, FAR, 0, 7},
    {"FIN beyond the window", HFI_TCP_ACK | HFI_TCP_FIN, FAR, 0, 0},
    {"RST before the window", HFI_TCP_RST, -1, 0, 0},
    {"RST and ACK before the window", HFI_TCP_RST | HFI_TCP_ACK, -2, 0, 0},
    {"RST beyond the window", HFI_TCP_RST, FAR, 0, 0},
    {"RST in the window", HFI_TCP_RST, 1, 0, 0},
    {"RST with data in the window", HFI_TCP_RST, 3, 0, 11},
    {"RST and ACK in the window", HFI_TCP_RST | HFI_TCP_ACK, 17, 0, 0},
    {"SYN before the window", HFI_TCP_SYN, -100, 0, 0},
    {"SYN at RCV.NXT", HFI_TCP_SYN, 0, 0, 0},
    {"SYN in the window", HFI_TCP_SYN, 5, 0, 0},
    {"SYN with data", HFI_TCP_SYN, 0, 0, 13},
    {"SYN-ACK in the window", HFI_TCP_SYN | HFI_TCP_ACK, 5, 0, 0},
    {"SYN beyond the window", HFI_TCP_SYN, FAR, 0, 0},
    {"data without ACK", HFI_TCP_PSH | HFI_TCP_FIN, 0, 0, 5},
    {"ACK of what was never sent", HFI_TCP_ACK, 0, 1, 0},
    {"data with ACK of what was never sent", HFI_TCP_ACK, 0, 1, 6},
    {"FIN with ACK of what was never sent", HFI_TCP_ACK | HFI_TCP_FIN, 0, 100, 0},
    {"data with an ACK that is too old", HFI_TCP_ACK, 0, -9000000, 6},
    {"keepalive probe", HFI_TCP_ACK, -1, 0, 0},
    {"keepalive probe with an octet", HFI_TCP_ACK, -1, 0, 1},
};

/* RFC 9293 3.10.7.4, RFC 5961 3.2, 4.2, 5.2, RFC 7323 5.3: also with every option that could
 * change something, another window, and urgent data. */
static void nothing_unacceptable_changes_any_field_of_a_connection(void **state) {
    (void)state;
    for (size_t s = 0; s < SYNCHRONIZED; s++) {
        for (size_t i = 0; i < sizeof segments / sizeof segments[0]; i++) {
            const unacceptable *u = &segments[i];
            peer p;
            peer_begin(&p);
            peer_offers_everything(&p);
            peer_reach(&p, synchronized[s]);
            peer_run(&p, 3 * HF_SECOND / 7);
            const hf_seq rcv_nxt = peer_block(&p)->rcv_nxt, snd_nxt = peer_block(&p)->snd_nxt;
            peer_forget(&p);
            p.ts_value += 99;
            const hfi_conn before = without_answer(&p);
            hfi_tcp_view view = {.flags = u->flags,
                                 .seq = rcv_nxt + (uint32_t)u->seq_from_nxt,
                                 .ack = snd_nxt + (uint32_t)u->ack_from_nxt,
                                 .window = 63,
                                 .urgent = 4,
                                 .payload_bytes = u->bytes};
            view.options = (hfi_tcp_options){.present = HFI_OPT_MSS | HFI_OPT_WSCALE, .mss = 88};
            peer_send_view(&p, view);
            const hfi_conn after = without_answer(&p);
            fields_are_the_same(&before, &after, u->what);
            peer_end(&p);
        }
    }
}

static void an_old_timestamp_changes_nothing_and_is_answered(void **state) {
    (void)state;
    for (size_t s = 0; s < SYNCHRONIZED; s++) {
        peer p;
        peer_begin(&p);
        peer_offers_everything(&p);
        peer_reach(&p, synchronized[s]);
        const hf_seq snd_nxt = peer_block(&p)->snd_nxt, rcv_nxt = peer_block(&p)->rcv_nxt;
        p.ts_value--;
        const hfi_conn before = without_answer(&p);
        p.window = 63;
        peer_send_view(&p, (hfi_tcp_view){.flags = HFI_TCP_ACK | HFI_TCP_FIN,
                                          .seq = rcv_nxt,
                                          .ack = snd_nxt,
                                          .window = 63,
                                          .payload_bytes = 5});
        const hfi_conn after = without_answer(&p);
        fields_are_the_same(&before, &after, "an old timestamp"); /* B09, RFC 7323 5.3 R1 */
        assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_PAWS);
        peer_drain(&p);
        peer_expect_ack(&p, rcv_nxt);
        peer_end(&p);
    }
}

/* RFC 9293 3.10.7.4, first step: an unacceptable segment is answered, unless it is a RST. */
static void each_unacceptable_segment_but_rst_is_answered_with_where_we_are(void **state) {
    (void)state;
    for (size_t s = 0; s < SYNCHRONIZED; s++) {
        for (size_t i = 0; i < sizeof segments / sizeof segments[0]; i++) {
            const unacceptable *u = &segments[i];
            peer p;
            peer_begin(&p);
            peer_reach(&p, synchronized[s]);
            peer_run(&p, HF_SECOND / 7);
            peer_forget(&p);
            const hf_seq rcv_nxt = peer_block(&p)->rcv_nxt, snd_nxt = peer_block(&p)->snd_nxt;
            peer_sends(&p, u->flags, rcv_nxt + (uint32_t)u->seq_from_nxt,
                       snd_nxt + (uint32_t)u->ack_from_nxt, u->bytes);
            const bool outside = u->seq_from_nxt < 0 || u->seq_from_nxt == FAR;
            const bool silent = ((u->flags & HFI_TCP_RST) != 0 && outside) || /* B02 */
                                (u->flags & (HFI_TCP_ACK | HFI_TCP_SYN | HFI_TCP_RST)) == 0;
            if (!silent) {
                const peer_segment *out = peer_expect_ack(&p, rcv_nxt);
                assert_int_equal(out->tcp.seq, snd_nxt);
            }
            peer_expect_nothing(&p);
            assert_int_equal(peer_state(&p), synchronized[s]);
            peer_end(&p);
        }
    }
}

/* P18: a segment with no flag at all is dropped in every state. */
static void a_segment_without_flags_is_dropped_in_every_state(void **state) {
    (void)state;
    for (hf_state s = HF_SYN_SENT; s < HF_STATE_COUNT; s++) {
        peer p;
        peer_begin(&p);
        peer_reach(&p, s);
        peer_sends(&p, 0, p.seq, p.ack, 4);
        assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_TCP_FLAGS);
        peer_expect_nothing(&p);
        peer_end(&p);
    }
}

/* P17 */
static void syn_with_fin_or_rst_is_dropped_in_every_state(void **state) {
    (void)state;
    const uint8_t flags[] = {HFI_TCP_SYN | HFI_TCP_FIN, HFI_TCP_SYN | HFI_TCP_RST, 0x3f};
    for (hf_state s = HF_SYN_SENT; s < HF_STATE_COUNT; s++) {
        for (int i = 0; i < 3; i++) {
            peer p;
            peer_begin(&p);
            peer_reach(&p, s);
            peer_sends(&p, flags[i], p.seq, p.ack, 0);
            assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_TCP_FLAGS);
            peer_expect_nothing(&p);
            if (s != HF_TIME_WAIT) assert_int_equal(peer_state(&p), s);
            peer_end(&p);
        }
    }
}

/* RFC 9293 3.10.7.3, fifth step: neither SYN nor RST. */
static void an_ack_without_syn_does_not_answer_our_syn(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_SYN_SENT);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 5);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_SYN_SENT_NO_SYN);
    peer_expect_nothing(&p);
    assert_int_equal(peer_state(&p), HF_SYN_SENT);
    peer_answers_call(&p);
    peer_end(&p);
}

static void a_segment_from_or_to_port_0_is_dropped(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    p.their_port = 0;
    peer_sends(&p, HFI_TCP_SYN, p.seq, 0, 0);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_TCP_PORT_ZERO);
    p.their_port = 4321, p.our_port = 0;
    peer_sends(&p, HFI_TCP_SYN, p.seq, 0, 0);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_TCP_PORT_ZERO);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* RFC 9293 3.10.7.4, seventh step: after the peer's FIN no data can come, and none is taken. */
static void data_after_the_peers_fin_is_not_delivered(void **state) {
    (void)state;
    const hf_state after_fin[] = {HF_CLOSE_WAIT, HF_CLOSING, HF_LAST_ACK};
    for (int i = 0; i < 3; i++) {
        peer p;
        peer_begin(&p);
        peer_reach(&p, after_fin[i]);
        peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 30);
        assert_int_equal(peer_status(&p).readable_bytes, 0);
        assert_int_equal(peer_state(&p), after_fin[i]);
        peer_end(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_unacceptable_changes_any_field_of_a_connection),
        cmocka_unit_test(an_old_timestamp_changes_nothing_and_is_answered),
        cmocka_unit_test(each_unacceptable_segment_but_rst_is_answered_with_where_we_are),
        cmocka_unit_test(a_segment_without_flags_is_dropped_in_every_state),
        cmocka_unit_test(syn_with_fin_or_rst_is_dropped_in_every_state),
        cmocka_unit_test(an_ack_without_syn_does_not_answer_our_syn),
        cmocka_unit_test(a_segment_from_or_to_port_0_is_dropped),
        cmocka_unit_test(data_after_the_peers_fin_is_not_delivered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
