/* Explicit congestion notification, RFC 3168: agreed by SYNs, marks echoed until the sender has slowed down,
 * once a round trip, and what lies or is mangled does no harm. */
#include "peer.h"
#include "rig.h"

#define MSS 1460u
#define ECT0 2
#define CE 3

static const hf_tcp_options asks = {.ecn = HF_ECN_ASK};
static const hf_tcp_options off = {.ecn = HF_ECN_OFF};

/* The peer says something in a packet whose header has these ECN bits. */
static void says_marked(peer *p, uint8_t flags, uint32_t bytes, uint8_t bits) {
    uint8_t packet[2048];
    const hfi_tcp_view view = {.source_port = p->their_port,
                               .destination_port = p->our_port,
                               .flags = flags,
                               .seq = p->seq,
                               .ack = p->ack,
                               .window = p->window,
                               .payload_bytes = bytes};
    const uint32_t total = peer_build(p, &view, packet);
    if (hf_addr_is4(&p->us)) {
        packet[1] |= bits;
        packet[10] = packet[11] = 0;
        hfi_csum_store(packet + 10, hfi_csum_add(0, packet, 20));
    } else {
        packet[1] |= (uint8_t)(bits << 4);
    }
    peer_inject(p, packet, total);
    peer_drain(p);
    p->seq += bytes;
}

/* The engine listens, and the peer's SYN has these bits; returns those of the SYN-ACK. */
static uint8_t listens(peer *p, const hf_tcp_options *options, uint8_t bits) {
    hf_listen_options listen = {.port = 80};
    if (options != NULL) listen.tcp = *options;
    p->syn_options.present |= HFI_OPT_SACK_PERMITTED;
    peer_listens_with(p, &listen);
    peer_sends_syn(p, bits);
    const peer_segment *syn_ack = peer_next(p);
    assert_non_null(syn_ack);
    p->ack = syn_ack->tcp.seq + 1;
    assert_int_equal(syn_ack->traffic_class, 0);
    return syn_ack->tcp.flags & (HFI_TCP_ECE | HFI_TCP_CWR);
}

static void is_accepted(peer *p) {
    peer_run(p, 40 * HF_MS);
    peer_says(p, HFI_TCP_ACK, 0);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    peer_forget(p);
}

/* A connection with ECN, over a path of 40 ms. */
static void begin(peer *p, bool ip6) {
    const hf_config config = peer_config();
    peer_begin_with(p, &config, ip6);
    assert_int_equal(listens(p, NULL, HFI_TCP_ECE | HFI_TCP_CWR), HFI_TCP_ECE);
    is_accepted(p);
    assert_true(peer_status(p).ecn);
}

/* An ACK of `ack`, with or without an echo. */
static void acks(peer *p, hf_seq ack, uint8_t more) {
    p->ack = ack;
    peer_sends(p, HFI_TCP_ACK | more, p->seq, ack, 0);
}

/* ---- Agreed ---- */

static void who_asks_gets_it_unless_it_is_off(void **state) {
    (void)state;
    static const struct {
        const hf_tcp_options *options;
        uint8_t syn, syn_ack;
    } rows[] = {
        {NULL, HFI_TCP_ECE | HFI_TCP_CWR, HFI_TCP_ECE},
        {&asks, HFI_TCP_ECE | HFI_TCP_CWR, HFI_TCP_ECE},
        {&off, HFI_TCP_ECE | HFI_TCP_CWR, 0},
        {NULL, 0, 0},
        {NULL, HFI_TCP_ECE, 0}, /* one bit alone asks for nothing */
        {NULL, HFI_TCP_CWR, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        peer p;
        peer_begin(&p);
        assert_int_equal(listens(&p, rows[i].options, rows[i].syn), rows[i].syn_ack);
        is_accepted(&p);
        assert_int_equal(peer_status(&p).ecn, rows[i].syn_ack != 0);
        assert_int_equal(peer_count(&p, HF_CAUSE_ECN_AGREED), rows[i].syn_ack != 0);
        peer_end(&p);
    }
}

static uint8_t bits_of_our_syn(peer *p) {
    return p->out[0].tcp.flags & (HFI_TCP_ECE | HFI_TCP_CWR);
}

static void calls(peer *p, const hf_tcp_options *options) {
    hf_connect_options connect = {.remote = p->them, .remote_port = 9000, .tcp = *options};
    peer_begin(p);
    connect.remote = p->them;
    assert_int_equal(hf_connect(&p->engine, &connect, &p->conn), HF_OK);
    p->their_port = 9000;
    peer_drain(p);
    const peer_segment *syn = peer_next(p);
    p->our_port = syn->tcp.source_port;
    p->ack = syn->tcp.seq + 1;
    assert_int_equal(syn->traffic_class, 0);
}

static void our_syn_asks_only_if_told_to_and_ece_alone_agrees(void **state) {
    (void)state;
    peer p;
    calls(&p, &(hf_tcp_options){0});
    assert_int_equal(bits_of_our_syn(&p), 0);
    peer_sends_syn(&p, HFI_TCP_ACK | HFI_TCP_ECE); /* nobody asked */
    assert_false(peer_status(&p).ecn);
    peer_end(&p);
    static const uint8_t answers[] = {HFI_TCP_ECE, 0, HFI_TCP_ECE | HFI_TCP_CWR, HFI_TCP_CWR};
    for (size_t i = 0; i < sizeof answers; i++) {
        calls(&p, &asks);
        assert_int_equal(bits_of_our_syn(&p), HFI_TCP_ECE | HFI_TCP_CWR);
        peer_sends_syn(&p, HFI_TCP_ACK | answers[i]);
        assert_int_equal(peer_state(&p), HF_ESTABLISHED);
        assert_int_equal(peer_status(&p).ecn, i == 0);
        assert_int_equal(peer_count(&p, HF_CAUSE_ECN_REFUSED), i != 0);
        peer_expect(&p, HFI_TCP_ACK); /* and echoes nothing */
        peer_end(&p);
    }
}

static void a_second_syn_asks_no_more_and_then_a_late_yes_does_not_count(void **state) {
    (void)state;
    peer p;
    calls(&p, &asks);
    peer_run(&p, 1100 * HF_MS);
    peer_expect(&p, HFI_TCP_SYN);
    assert_int_equal(peer_count(&p, HF_CAUSE_ECN_NOT_ASKED_AGAIN), 1);
    peer_sends_syn(&p, HFI_TCP_ACK | HFI_TCP_ECE);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    assert_false(peer_status(&p).ecn);
    peer_end(&p);
}

static void a_second_syn_ack_agrees_no_more(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    assert_int_equal(listens(&p, NULL, HFI_TCP_ECE | HFI_TCP_CWR), HFI_TCP_ECE);
    peer_run(&p, 1100 * HF_MS);
    peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    peer_sends_syn(&p, HFI_TCP_ECE | HFI_TCP_CWR); /* nor when the client asks again */
    peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    is_accepted(&p);
    assert_false(peer_status(&p).ecn);
    peer_end(&p);
}

static void the_last_syn_counts(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    assert_int_equal(listens(&p, NULL, HFI_TCP_ECE | HFI_TCP_CWR), HFI_TCP_ECE);
    peer_sends_syn(&p, 0);
    peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    is_accepted(&p);
    assert_false(peer_status(&p).ecn);
    peer_end(&p);
}

static void crossing_syns_agree_if_both_ask(void **state) {
    (void)state;
    for (int both = 0; both < 2; both++) {
        peer p;
        calls(&p, &asks);
        peer_sends_syn(&p, both ? HFI_TCP_ECE | HFI_TCP_CWR : 0);
        const uint8_t flags = HFI_TCP_SYN | HFI_TCP_ACK | (both ? HFI_TCP_ECE : 0);
        peer_expect(&p, flags);
        p.seq--;
        peer_sends(&p, flags, p.seq, p.ack, 0);
        p.seq++;
        assert_int_equal(peer_state(&p), HF_ESTABLISHED);
        assert_int_equal(peer_status(&p).ecn, both);
        peer_end(&p);
    }
    peer p;
    calls(&p, &(hf_tcp_options){0});
    peer_sends_syn(&p, HFI_TCP_ECE | HFI_TCP_CWR);
    peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK); /* our own did not ask */
    peer_end(&p);
}

static void a_cookie_agrees_to_nothing(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listens_with(&p, &(hf_listen_options){.port = 80, .backlog = 8});
    for (uint16_t port = 5000; port < 5006; port++) {
        p.their_port = port;
        peer_sends_syn(&p, HFI_TCP_ECE | HFI_TCP_CWR);
    }
    peer_forget(&p);
    p.their_port = 5006;
    peer_sends_syn(&p, HFI_TCP_ECE | HFI_TCP_CWR);
    const peer_segment *cookie = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    assert_int_equal(cookie->cause, HF_CAUSE_SENT_SYN_COOKIE);
    p.ack = cookie->tcp.seq + 1;
    is_accepted(&p);
    assert_false(peer_status(&p).ecn);
    peer_end(&p);
}

/* ---- What leaves ---- */

static void new_data_may_be_marked_and_nothing_else(void **state) {
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        peer p;
        begin(&p, ip6);
        peer_says(&p, HFI_TCP_ACK, 10);
        assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->traffic_class, 0); /* an ACK */
        peer_app_sends(&p, 100);
        const peer_segment *data = peer_expect(&p, HFI_TCP_ACK);
        assert_int_equal(data->traffic_class, ECT0);
        peer_run(&p, 3 * HF_SECOND);
        const peer_segment *again = peer_expect(&p, HFI_TCP_ACK); /* a probe, or after a time-out */
        assert_int_equal(again->tcp.seq, data->tcp.seq);
        assert_int_equal(again->traffic_class, 0);
        peer_end(&p);
    }
}

static void a_bare_fin_and_a_window_probe_may_not(void **state) {
    (void)state;
    peer p;
    begin(&p, false);
    p.window = 0;
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_app_sends(&p, 10);
    peer_run(&p, HF_SECOND);
    const peer_segment *probe = peer_expect(&p, HFI_TCP_ACK);
    assert_int_equal(probe->cause, HF_CAUSE_SENT_WINDOW_PROBE);
    assert_int_equal(probe->traffic_class, 0);
    peer_forget(&p);
    p.window = 60000;
    peer_says(&p, HFI_TCP_ACK, 0);
    acks(&p, peer_expect(&p, HFI_TCP_ACK)->tcp.seq + 10, 0);
    hf_shutdown(&p.engine, p.conn);
    peer_drain(&p);
    assert_int_equal(peer_expect(&p, HFI_TCP_FIN | HFI_TCP_ACK)->traffic_class, 0);
    peer_end(&p);
}

static void the_application_sets_dscp_and_not_the_marks(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept_with(&p, &(hf_tcp_options){.traffic_class = 0xbb});
    peer_app_sends(&p, 10);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->traffic_class, 0xb8);
    peer_end(&p);
}

/* ---- Receiving ---- */

static void a_mark_is_echoed_until_the_peer_has_slowed_down(void **state) {
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        peer p;
        begin(&p, ip6);
        says_marked(&p, HFI_TCP_ACK, 100, CE);
        assert_int_equal(peer_expect(&p, HFI_TCP_ACK | HFI_TCP_ECE)->cause,
                         HF_CAUSE_SENT_ACK_MARKED);
        says_marked(&p, HFI_TCP_ACK, 101, ECT0);
        peer_run(&p, 100 * HF_MS);
        peer_expect(&p, HFI_TCP_ACK | HFI_TCP_ECE);
        peer_app_sends(&p, 7); /* data echoes, too */
        peer_expect(&p, HFI_TCP_ACK | HFI_TCP_ECE);
        peer_forget(&p);
        says_marked(&p, HFI_TCP_ACK | HFI_TCP_CWR, 102, ECT0);
        peer_run(&p, 100 * HF_MS);
        peer_expect(&p, HFI_TCP_ACK);
        assert_int_equal(peer_count(&p, HF_CAUSE_ECN_MARKED), 1);
        assert_int_equal(peer_count(&p, HF_CAUSE_ECN_SLOWED_DOWN), 1);
        /* The segment that says so may be marked itself. */
        says_marked(&p, HFI_TCP_ACK, 103, CE);
        says_marked(&p, HFI_TCP_ACK | HFI_TCP_CWR, 104, CE);
        peer_forget(&p);
        peer_says(&p, HFI_TCP_ACK, 105);
        peer_run(&p, 100 * HF_MS);
        peer_expect(&p, HFI_TCP_ACK | HFI_TCP_ECE);
        peer_end(&p);
    }
}

static void marks_outside_the_window_on_bare_acks_or_without_agreement_mean_nothing(void **state) {
    (void)state;
    peer p;
    begin(&p, false);
    says_marked(&p, HFI_TCP_ACK, 0, CE);
    p.seq += 1000000;
    says_marked(&p, HFI_TCP_ACK, 100, CE);
    p.seq -= 1000100;
    peer_forget(&p);
    peer_says(&p, HFI_TCP_ACK, 100);
    peer_run(&p, 100 * HF_MS);
    peer_expect(&p, HFI_TCP_ACK);
    assert_int_equal(peer_count(&p, HF_CAUSE_ECN_MARKED), 0);
    peer_end(&p);
    peer_begin(&p);
    peer_listen_and_accept(&p);
    says_marked(&p, HFI_TCP_ACK, 100, CE);
    peer_run(&p, 100 * HF_MS);
    peer_expect(&p, HFI_TCP_ACK);
    peer_end(&p);
}

/* ---- Sending ---- */

/* Writes `segments` full segments, all of which leave; returns the first sequence number. */
static hf_seq sends(peer *p, uint32_t segments) {
    peer_forget(p);
    peer_app_sends(p, segments * MSS);
    peer_run(p, 39 * HF_MS);
    const peer_segment *first = peer_next(p);
    assert_non_null(first);
    return first->tcp.seq;
}

static void an_echo_lets_the_window_fall_once_a_round_trip_and_is_answered_by_cwr(void **state) {
    (void)state;
    peer p;
    begin(&p, false);
    const uint32_t cwnd = peer_status(&p).cwnd_bytes;
    const hf_seq first = sends(&p, 10);
    acks(&p, first + 2 * MSS, HFI_TCP_ECE);
    assert_int_equal(peer_status(&p).ssthresh_bytes, cwnd * 7 / 10); /* CUBIC, RFC 9438 4.6 */
    acks(&p, first + 4 * MSS, HFI_TCP_ECE);
    acks(&p, first + 6 * MSS, HFI_TCP_ECE);
    assert_int_equal(peer_count(&p, HF_CAUSE_ECN_WINDOW_FELL), 1);
    acks(&p, first + 10 * MSS, HFI_TCP_ECE); /* the peer cannot know yet */
    assert_int_equal(peer_count(&p, HF_CAUSE_ECN_WINDOW_FELL), 1);
    assert_int_equal(peer_status(&p).cwnd_bytes, cwnd * 7 / 10);
    assert_int_equal(peer_status(&p).retransmissions, 0);
    peer_forget(&p);
    peer_app_sends(&p, 3 * MSS);
    peer_run(&p, 39 * HF_MS);
    const peer_segment *told = peer_expect(&p, HFI_TCP_ACK | HFI_TCP_CWR);
    assert_int_equal(told->traffic_class, ECT0);
    peer_expect(&p, HFI_TCP_ACK); /* once */
    acks(&p, first + 11 * MSS, 0);
    acks(&p, first + 12 * MSS, HFI_TCP_ECE); /* another mark */
    assert_int_equal(peer_count(&p, HF_CAUSE_ECN_WINDOW_FELL), 2);
    peer_end(&p);
}

static void prr_leads_the_window_down_and_keeps_the_ack_clock(void **state) {
    (void)state;
    peer p;
    begin(&p, false);
    const hf_seq first = sends(&p, 10);
    peer_app_sends(&p, 10 * MSS); /* what waits */
    peer_forget(&p);
    uint32_t sent = 0;
    for (uint32_t i = 1; i <= 5; i++) {
        acks(&p, first + 2 * i * MSS, HFI_TCP_ECE);
        peer_run(&p, 8 * HF_MS);
        for (const peer_segment *out; (out = peer_next(&p)) != NULL;) sent++;
        /* RFC 9937 6: never less in flight than where the window goes. */
        assert_in_range(10 - 2 * i + sent, 7, i == 1 ? 9 : 7);
    }
    peer_end(&p);
}

static void a_loss_in_the_same_round_trip_lowers_the_window_no_further(void **state) {
    (void)state;
    peer p;
    begin(&p, false);
    const hf_seq first = sends(&p, 10);
    acks(&p, first + 2 * MSS, HFI_TCP_ECE);
    const uint32_t ssthresh = peer_status(&p).ssthresh_bytes;
    hfi_tcp_view view = {.flags = HFI_TCP_ACK,
                         .seq = p.seq,
                         .ack = first + 2 * MSS,
                         .window = p.window,
                         .options = {.present = HFI_OPT_SACK, .sack_count = 1}};
    view.options.sack[0] = (hfi_sack_block){first + 3 * MSS, first + 9 * MSS};
    peer_send_view(&p, view);
    peer_drain(&p);
    peer_run(&p, 15 * HF_MS);
    assert_int_equal(peer_count(&p, HF_CAUSE_RECOVERY_STARTED), 1);
    assert_int_equal(peer_status(&p).ssthresh_bytes, ssthresh);
    assert_int_equal(peer_status(&p).retransmissions, 1);
    peer_end(&p);
}

static void a_loss_is_told_by_cwr_too(void **state) {
    (void)state;
    peer p;
    begin(&p, false);
    const hf_seq first = sends(&p, 4);
    for (int i = 0; i < 4; i++) acks(&p, first, 0);
    peer_run(&p, 400 * HF_MS);
    peer_forget(&p);
    acks(&p, first + 4 * MSS, 0);
    peer_app_sends(&p, MSS);
    peer_run(&p, 30 * HF_MS);
    peer_expect(&p, HFI_TCP_ACK | HFI_TCP_CWR);
    peer_end(&p);
}

static void an_echo_that_nobody_agreed_to_means_nothing(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    const hf_seq first = sends(&p, 4);
    acks(&p, first + 2 * MSS, HFI_TCP_ECE);
    assert_int_equal(peer_count(&p, HF_CAUSE_ECN_WINDOW_FELL), 0);
    peer_end(&p);
}

/* A path that marks everything, or a peer that says so: two segments a round trip, and then marks have
 * nothing left to say. */
static void at_two_segments_marks_are_given_up(void **state) {
    (void)state;
    peer p;
    begin(&p, false);
    hf_seq first = sends(&p, 10);
    uint32_t out = 10;
    for (int i = 0; i < 20 && peer_count(&p, HF_CAUSE_ECN_GIVEN_UP) == 0; i++) {
        acks(&p, first + out * MSS, HFI_TCP_ECE);
        out = hfi_min32(peer_status(&p).cwnd_bytes / MSS, 10);
        assert_true(out >= 2);
        first = sends(&p, out);
    }
    assert_int_equal(peer_count(&p, HF_CAUSE_ECN_GIVEN_UP), 1);
    acks(&p, first + out * MSS, HFI_TCP_ECE); /* before what may not be marked had left */
    const uint64_t fell = peer_count(&p, HF_CAUSE_ECN_WINDOW_FELL);
    first = sends(&p, 2);
    assert_int_equal(p.out[0].traffic_class, 0);
    acks(&p, first + 2 * MSS, HFI_TCP_ECE);
    assert_int_equal(peer_count(&p, HF_CAUSE_ECN_WINDOW_FELL), fell);
    assert_true(peer_status(&p).ecn); /* what the peer sends may still be marked */
    says_marked(&p, HFI_TCP_ACK, 50, CE);
    assert_int_equal(peer_count(&p, HF_CAUSE_ECN_MARKED), 1);
    peer_end(&p);
}

static void a_mark_is_never_undone(void **state) {
    (void)state;
    peer p;
    begin(&p, false);
    const hf_seq first = sends(&p, 10);
    acks(&p, first + 2 * MSS, HFI_TCP_ECE);
    const uint32_t ssthresh = peer_status(&p).ssthresh_bytes;
    hfi_tcp_view view = {.flags = HFI_TCP_ACK,
                         .seq = p.seq,
                         .ack = first + 4 * MSS,
                         .window = p.window,
                         .options = {.present = HFI_OPT_SACK, .sack_count = 1}};
    view.options.sack[0] = (hfi_sack_block){first, first + MSS}; /* a DSACK */
    peer_send_view(&p, view);
    peer_drain(&p);
    assert_int_equal(peer_status(&p).ssthresh_bytes, ssthresh);
    assert_int_equal(peer_count(&p, HF_CAUSE_UNDONE_BY_DSACK), 0);
    peer_end(&p);
}

/* ---- Super-segments ---- */

static void a_super_segment_with_cwr_says_that_its_first_piece_alone_has_it(void **state) {
    (void)state;
    const hf_config config = peer_config();
    const hf_interface_options link = {.link = HF_LINK_IP,
                                       .mtu = 1500,
                                       .gso_max_bytes = 65535,
                                       .csum_offload = true,
                                       .auto_done = true};
    peer p;
    peer_begin_on(&p, &config, false, &link);
    assert_int_equal(listens(&p, NULL, HFI_TCP_ECE | HFI_TCP_CWR), HFI_TCP_ECE);
    is_accepted(&p);
    const hf_seq first = sends(&p, 10);
    acks(&p, first + 10 * MSS, HFI_TCP_ECE);
    static uint8_t text[4 * MSS];
    size_t taken;
    hf_frame frame = {0};
    assert_int_equal(hf_send(&p.engine, p.conn, text, sizeof text, &taken), HF_OK);
    while (hf_tx_peek(&p.engine, &frame, 1) == 1 && frame.total_bytes < 200)
        hf_tx_taken(&p.engine, 1);
    assert_true(frame.total_bytes > 2 * MSS);
    assert_int_equal(frame.flags & (HF_FRAME_GSO4 | HF_FRAME_ECN), HF_FRAME_GSO4 | HF_FRAME_ECN);
    const uint8_t *header = frame.parts[0].data;
    assert_int_equal(header[1] & 3, ECT0);
    assert_int_equal(header[33] & (HFI_TCP_CWR | HFI_TCP_ECE), HFI_TCP_CWR);
    peer_end(&p);
}

/* ---- A queue that marks ---- */

static bool marks_every_50th(rig *r, int from, const uint8_t *packet, uint32_t bytes) {
    static uint32_t count;
    if (from != 0 || bytes < 1000 || (packet[1] & 3) == 0 || ++count % 50 != 0) return false;
    uint8_t *header = (uint8_t *)(uintptr_t)packet;
    header[1] |= CE;
    header[10] = header[11] = 0;
    hfi_csum_store(header + 10, hfi_csum_add(0, header, 20));
    (void)r;
    return false;
}

static void a_transfer_over_a_path_that_marks_sends_nothing_again(void **state) {
    (void)state;
    static rig r;
    static uint8_t text[65536];
    hf_conn client, server;
    rig_init(&r);
    r.filter = marks_every_50th;
    rig_connect(&r, &asks, &client, &server);
    uint64_t read = 0;
    for (int i = 0; i < 1000; i++) {
        size_t taken = 1, got = 1;
        while (hf_send(&r.engine[0], client, text, sizeof text, &taken) == HF_OK && taken > 0) {
        }
        while (hf_receive(&r.engine[1], server, text, sizeof text, &got) == HF_OK) read += got;
        rig_run(&r, 5 * HF_MS);
    }
    hf_conn_status status;
    assert_int_equal(hf_conn_status_get(&r.engine[0], client, &status), HF_OK);
    assert_in_range(read, 1000000, 100000000);
    assert_int_equal(status.retransmissions, 0);
    assert_true(hf_cause_count(&r.engine[0], HF_CAUSE_ECN_WINDOW_FELL) > 20);
    assert_true(hf_cause_count(&r.engine[1], HF_CAUSE_ECN_SLOWED_DOWN) > 20);
    rig_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_gets_it_unless_it_is_off),
        cmocka_unit_test(our_syn_asks_only_if_told_to_and_ece_alone_agrees),
        cmocka_unit_test(a_second_syn_asks_no_more_and_then_a_late_yes_does_not_count),
        cmocka_unit_test(a_second_syn_ack_agrees_no_more),
        cmocka_unit_test(the_last_syn_counts),
        cmocka_unit_test(crossing_syns_agree_if_both_ask),
        cmocka_unit_test(a_cookie_agrees_to_nothing),
        cmocka_unit_test(new_data_may_be_marked_and_nothing_else),
        cmocka_unit_test(a_bare_fin_and_a_window_probe_may_not),
        cmocka_unit_test(the_application_sets_dscp_and_not_the_marks),
        cmocka_unit_test(a_mark_is_echoed_until_the_peer_has_slowed_down),
        cmocka_unit_test(marks_outside_the_window_on_bare_acks_or_without_agreement_mean_nothing),
        cmocka_unit_test(an_echo_lets_the_window_fall_once_a_round_trip_and_is_answered_by_cwr),
        cmocka_unit_test(prr_leads_the_window_down_and_keeps_the_ack_clock),
        cmocka_unit_test(a_loss_in_the_same_round_trip_lowers_the_window_no_further),
        cmocka_unit_test(a_loss_is_told_by_cwr_too),
        cmocka_unit_test(an_echo_that_nobody_agreed_to_means_nothing),
        cmocka_unit_test(at_two_segments_marks_are_given_up),
        cmocka_unit_test(a_mark_is_never_undone),
        cmocka_unit_test(a_super_segment_with_cwr_says_that_its_first_piece_alone_has_it),
        cmocka_unit_test(a_transfer_over_a_path_that_marks_sends_nothing_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
