/* Profile `rfc`: what Holdfast does otherwise than the RFCs (docs/REQUIREMENTS.md, departures), each
 * without and with the setting that obeys. */
#include "peer.h"
#include "wire/icmp.h"

static hf_config config_of(const char *profile) {
    hf_config config = peer_config();
    assert_int_equal(hf_config_profile(&config, profile), HF_OK);
    return config;
}

/* 0: `holdfast`; 1: `rfc`. */
static const char *const profiles[2] = {"holdfast", "rfc"};

static void begin_as(peer *p, int profile, bool ip6) {
    const hf_config config = config_of(profiles[profile]);
    peer_begin_with(p, &config, ip6);
}

/* ---- SHLD-26 ---- */

/* An ICMP error of an IPv4 router, or an ICMPv6 one, that quotes `seq` of the engine's. */
static void icmp_comes(peer *p, uint8_t type, uint8_t code, hf_seq seq) {
    const bool ip6 = !hf_addr_is4(&p->us);
    uint8_t packet[140], quote[60];
    memset(quote, 0, sizeof quote);
    const uint32_t ip_bytes =
        ip6 ? hfi_ip6_build(quote, &p->us, &p->them, HFI_IP_TCP, 64, 0, 0, 20)
            : hfi_ip4_build(quote, &p->us, &p->them, HFI_IP_TCP, 64, 0, 0, true, 20);
    hfi_store16(quote + ip_bytes, p->our_port);
    hfi_store16(quote + ip_bytes + 2, p->their_port);
    hfi_store32(quote + ip_bytes + 4, seq);
    const uint32_t bytes = 8 + ip_bytes + 20;
    const uint8_t protocol = ip6 ? HFI_IP_ICMP6 : HFI_IP_ICMP4;
    uint8_t *icmp =
        packet + (ip6 ? hfi_ip6_build(packet, &p->them, &p->us, protocol, 61, 0, 0, bytes)
                      : hfi_ip4_build(packet, &p->them, &p->us, protocol, 61, 0, 7, false, bytes));
    memset(icmp, 0, 8);
    icmp[0] = type, icmp[1] = code;
    memcpy(icmp + 8, quote, ip_bytes + 20);
    const uint32_t pseudo = ip6 ? hfi_ip_pseudo_sum(&p->them, &p->us, protocol, bytes) : 0;
    hfi_csum_store(icmp + 2, pseudo + hfi_csum_add(0, icmp, bytes));
    peer_inject(p, packet, (uint32_t)(icmp - packet) + bytes);
    peer_drain(p);
}

static void report_to_a_living_connection(int profile, bool ip6, uint8_t type, uint8_t code,
                                          bool ends) {
    peer p;
    begin_as(&p, profile, ip6);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 31);
    peer_forget(&p);
    icmp_comes(&p, type, code, p.ack);
    if (ends) {
        const hf_end end = peer_conn_end(&p);
        assert_int_equal(p.verdict.cause, HF_CAUSE_TOOK_ICMP_HARD_LATE);
        assert_int_equal(end.cause, HF_CAUSE_END_UNREACHABLE);
        assert_int_equal(end.mechanism, HF_CAUSE_BY_ICMP);
        assert_int_equal(end.icmp_type, type);
        assert_int_equal(end.bytes_thrown, 31);
        assert_int_equal(peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK)->cause,
                         HF_CAUSE_SENT_RST_GAVE_UP);
    } else {
        assert_int_equal(peer_state(&p), HF_ESTABLISHED);
        assert_int_equal(peer_status(&p).soft_error, HF_CAUSE_TOOK_ICMP_SOFT);
    }
    peer_end(&p);
}

static void only_the_rfc_ends_a_living_connection_by_an_icmp_hard_error(void **state) {
    (void)state;
    for (int profile = 0; profile < 2; profile++) {
        report_to_a_living_connection(profile, false, 3, 2, profile == 1);
        report_to_a_living_connection(profile, false, 3, 3, profile == 1);
        report_to_a_living_connection(profile, true, 1, 4, profile == 1);
        /* MUST-56: the others are soft whatever the profile. */
        report_to_a_living_connection(profile, false, 3, 1, false);
        report_to_a_living_connection(profile, false, 11, 0, false);
        report_to_a_living_connection(profile, true, 1, 0, false);
    }
}

static void even_then_the_error_must_quote_what_is_in_flight(void **state) {
    (void)state;
    peer p;
    begin_as(&p, 1, false);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 31);
    icmp_comes(&p, 3, 3, p.ack - 1);
    icmp_comes(&p, 3, 3, p.ack + 31);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_ICMP_SEQUENCE);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_end(&p);
}

/* ---- TIME_WAIT: RST, bare ACKs ---- */

static void only_the_rfc_lets_an_exact_rst_end_time_wait(void **state) {
    (void)state;
    for (int profile = 0; profile < 2; profile++) {
        peer p;
        begin_as(&p, profile, false);
        peer_reach(&p, HF_TIME_WAIT);
        peer_sends(&p, HFI_TCP_RST, p.seq + 7, 0, 0);
        peer_sends(&p, HFI_TCP_RST, p.seq - 1, 0, 0);
        assert_int_equal(p.verdict.cause,
                         profile ? HF_CAUSE_DROP_RST_OUT_OF_WINDOW : HF_CAUSE_DROP_RST_TIME_WAIT);
        assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_RESET), 0);
        peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
        assert_int_equal(p.verdict.cause,
                         profile ? HF_CAUSE_TIME_WAIT_RESET : HF_CAUSE_DROP_RST_TIME_WAIT);
        peer_expect_nothing(&p);
        peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 11); /* to TIME_WAIT, or to nobody */
        peer_expect(&p, profile ? HFI_TCP_RST : HFI_TCP_ACK);
        peer_end(&p);
    }
}

static void only_the_rfc_answers_an_unacceptable_bare_ack_in_time_wait(void **state) {
    (void)state;
    for (int profile = 0; profile < 2; profile++) {
        peer p;
        begin_as(&p, profile, false);
        peer_offers_everything(&p);
        peer_reach(&p, HF_TIME_WAIT);
        peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 0);
        peer_expect_nothing(&p); /* acceptable, and asks nothing */
        peer_sends(&p, HFI_TCP_ACK, p.seq - 1, p.ack, 0);
        if (profile == 1) peer_expect_ack(&p, p.seq);
        p.ts_value -= 5; /* an old one is not acceptable, wherever it lies */
        peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 0);
        if (profile == 1) peer_expect_ack(&p, p.seq);
        peer_expect_nothing(&p);
        peer_end(&p);
    }
}

/* ---- RFC 7323 3.2 ---- */

static void only_the_rfc_drops_what_lacks_an_agreed_timestamp(void **state) {
    (void)state;
    for (int profile = 0; profile < 2; profile++) {
        peer p;
        begin_as(&p, profile, false);
        peer_offers_everything(&p);
        peer_listen_and_accept(&p);
        p.timestamps = false;
        peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 13);
        if (profile == 1) {
            assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_NO_TIMESTAMP);
            peer_expect_nothing(&p); /* silently */
            p.timestamps = true;
            peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 13);
        }
        peer_app_reads(&p, 0, 13);
        p.timestamps = false;
        p.seq += 13;
        peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0); /* a RST needs none */
        assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_PEER_RESET);
        peer_end(&p);
    }
}

static void the_rfc_wants_them_on_the_handshakes_ack_and_in_time_wait(void **state) {
    (void)state;
    peer p;
    begin_as(&p, 1, false);
    peer_offers_everything(&p);
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    peer_sends_syn(&p, 0);
    p.ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq + 1;
    p.timestamps = false;
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 0);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_NO_TIMESTAMP);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_AGAIN);
    p.timestamps = true;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    assert_int_equal(hf_shutdown(&p.engine, p.conn), HF_OK);
    peer_drain(&p);
    p.ack++;
    peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    peer_forget(&p);
    p.timestamps = false;
    peer_sends(&p, HFI_TCP_FIN | HFI_TCP_ACK, p.seq - 1, p.ack, 0);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_NO_TIMESTAMP);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* A connection without timestamps needs none, whatever the profile. */
static void the_rfc_drops_nothing_where_timestamps_were_not_agreed(void **state) {
    (void)state;
    peer p;
    begin_as(&p, 1, false);
    peer_listen_and_accept(&p);
    peer_says(&p, HFI_TCP_ACK, 17);
    peer_app_reads(&p, 0, 17);
    peer_end(&p);
}

/* ---- MUST-7 ---- */

/* A bare ACK at `seq` whose one option says it has `length` bytes. */
static void bad_option_comes(peer *p, hf_seq seq, uint8_t length, bool good_sum) {
    uint8_t packet[100];
    const hfi_tcp_view view = {.source_port = p->their_port,
                               .destination_port = p->our_port,
                               .flags = HFI_TCP_ACK,
                               .seq = seq,
                               .ack = p->ack,
                               .window = p->window,
                               .options = {.present = HFI_OPT_MSS, .mss = 0}};
    const uint32_t bytes = peer_build(p, &view, packet);
    uint8_t *tcp = packet + HFI_IP4_BYTES;
    tcp[HFI_TCP_BYTES + 1] = length;
    hfi_store16(tcp + HFI_TCP_CSUM_OFFSET, 0);
    hfi_csum_store(tcp + HFI_TCP_CSUM_OFFSET,
                   hfi_ip_pseudo_sum(&p->them, &p->us, HFI_IP_TCP, bytes - HFI_IP4_BYTES) +
                       hfi_csum_add(0, tcp, bytes - HFI_IP4_BYTES) + (good_sum ? 0 : 1));
    peer_inject(p, packet, bytes);
    peer_drain(p);
}

static void only_the_rfc_resets_on_an_option_of_impossible_length(void **state) {
    (void)state;
    for (int profile = 0; profile < 2; profile++) {
        peer p;
        begin_as(&p, profile, false);
        peer_listen_and_accept(&p);
        bad_option_comes(&p, p.seq, 0, false);
        assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_TCP_CHECKSUM);
        bad_option_comes(&p, p.seq - 1, 0, true); /* outside the window: dropped */
        assert_int_equal(peer_state(&p), HF_ESTABLISHED);
        bad_option_comes(&p, p.seq, profile ? 1 : 0, true);
        assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_TCP_OPTION);
        if (profile == 1) {
            assert_int_equal(peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK)->cause,
                             HF_CAUSE_SENT_RST_BAD_OPTION);
            const hf_end end = peer_conn_end(&p);
            assert_int_equal(end.cause, HF_CAUSE_END_BAD_OPTION);
            assert_int_equal(end.mechanism, HF_CAUSE_BY_OPTION);
            assert_int_equal(end.reset_by, HF_RESET_BY_US);
            assert_true(end.segment.present);
        } else {
            peer_expect_nothing(&p);
            assert_int_equal(peer_state(&p), HF_ESTABLISHED);
        }
        peer_end(&p);
    }
}

/* No connection can be reset where there is none. */
static void a_bad_option_elsewhere_is_dropped_whatever_the_profile(void **state) {
    (void)state;
    peer p;
    begin_as(&p, 1, false);
    bad_option_comes(&p, 1, 0, true); /* CLOSED */
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    bad_option_comes(&p, 1, 0, true);
    peer_sends_syn(&p, 0);
    p.ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq + 1;
    bad_option_comes(&p, p.seq, 0, true); /* SYN_RECEIVED: only an entry */
    peer_expect_nothing(&p);
    assert_int_equal(peer_count(&p, HF_CAUSE_DROP_TCP_OPTION), 3);
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    peer_end(&p);
}

/* ---- RFC 6298 2.4, MUST-23 ---- */

static void only_the_rfc_waits_a_whole_second_before_it_sends_again(void **state) {
    (void)state;
    for (int profile = 0; profile < 2; profile++) {
        peer p;
        begin_as(&p, profile, false);
        peer_listen_and_accept(&p);
        peer_run(&p, 30 * HF_MS);
        peer_app_sends(&p, 19);
        p.ack += 19;
        peer_says(&p, HFI_TCP_ACK, 0); /* an RTT of next to nothing */
        assert_in_range(peer_status(&p).rto_ns, profile ? HF_SECOND : 199 * HF_MS,
                        profile ? HF_SECOND + HF_MS : 205 * HF_MS);
        peer_end(&p);
    }
}

static void the_rfc_repeats_a_syn_ack_for_three_minutes(void **state) {
    (void)state;
    peer p;
    begin_as(&p, 1, false);
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    peer_sends_syn(&p, 0);
    peer_run(&p, 500 * HF_SECOND);
    hf_ns last_ns = 0, first_ns = p.out[0].at_ns;
    for (size_t i = 0; i < p.out_count; i++)
        if ((p.out[i].tcp.flags & HFI_TCP_SYN) != 0) last_ns = p.out[i].at_ns;
    assert_true(last_ns - first_ns >= 120 * HF_SECOND);
    assert_int_equal(p.out[p.out_count - 1].cause, HF_CAUSE_SENT_RST_GAVE_UP);
    assert_true(p.out[p.out_count - 1].at_ns - first_ns >= 180 * HF_SECOND);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_rfc_ends_a_living_connection_by_an_icmp_hard_error),
        cmocka_unit_test(even_then_the_error_must_quote_what_is_in_flight),
        cmocka_unit_test(only_the_rfc_lets_an_exact_rst_end_time_wait),
        cmocka_unit_test(only_the_rfc_answers_an_unacceptable_bare_ack_in_time_wait),
        cmocka_unit_test(only_the_rfc_drops_what_lacks_an_agreed_timestamp),
        cmocka_unit_test(the_rfc_wants_them_on_the_handshakes_ack_and_in_time_wait),
        cmocka_unit_test(the_rfc_drops_nothing_where_timestamps_were_not_agreed),
        cmocka_unit_test(only_the_rfc_resets_on_an_option_of_impossible_length),
        cmocka_unit_test(a_bad_option_elsewhere_is_dropped_whatever_the_profile),
        cmocka_unit_test(only_the_rfc_waits_a_whole_second_before_it_sends_again),
        cmocka_unit_test(the_rfc_repeats_a_syn_ack_for_three_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
