/* ICMP messages that say a packet was too big, forged and true (RFC 5927 7, RFC 1191, RFC 8201). */
#include "recovery.h"
#include "wire/icmp.h"

#define RTT (20 * HF_MS)

/* "Fragmentation needed", or "packet too big", about our segment at `seq`, from a router on the way. */
static hf_verdict router_says(peer *p, uint32_t mtu, hf_seq seq) {
    const bool ip4 = hf_addr_is4(&p->us);
    const hf_addr router4 = hf_addr4(10, 0, 0, 77);
    const hf_addr router6 = {{0x20, 0x01, 0x0d, 0xb8, [15] = 77}};
    uint8_t packet[128], quote[48] = {0};
    const uint32_t ip_bytes = HFI_IP_HEADER_BYTES(ip4), quoted = ip_bytes + 8;
    if (ip4)
        hfi_ip4_build(quote, &p->us, &p->them, HFI_IP_TCP, 60, 0, 0, true, 1480);
    else
        hfi_ip6_build(quote, &p->us, &p->them, HFI_IP_TCP, 60, 0, 0, 1460);
    hfi_store16(quote + ip_bytes, p->our_port);
    hfi_store16(quote + ip_bytes + 2, p->their_port);
    hfi_store32(quote + ip_bytes + 4, seq);
    uint8_t *icmp = packet + ip_bytes;
    if (ip4)
        hfi_ip4_build(packet, &router4, &p->us, HFI_IP_ICMP4, 64, 0, 0, false, 8 + quoted);
    else
        hfi_ip6_build(packet, &router6, &p->us, HFI_IP_ICMP6, 64, 0, 0, 8 + quoted);
    memset(icmp, 0, 8);
    icmp[0] = ip4 ? HFI_ICMP4_UNREACHABLE : HFI_ICMP6_TOO_BIG;
    icmp[1] = ip4 ? HFI_ICMP4_CODE_FRAGMENTATION_NEEDED : 0;
    hfi_store32(icmp + 4, mtu);
    memcpy(icmp + 8, quote, quoted);
    const uint32_t pseudo = ip4 ? 0 : hfi_ip_pseudo_sum(&router6, &p->us, HFI_IP_ICMP6, 8 + quoted);
    hfi_csum_store(icmp + 2, hfi_csum_add(pseudo, icmp, 8 + quoted));
    peer_inject(p, packet, ip_bytes + 8 + quoted);
    peer_drain(p);
    return p->verdict;
}

static void expect_ignored(peer *p, hf_verdict verdict) {
    assert_int_equal(verdict.action, HF_VERDICT_DROPPED);
    assert_true(verdict.cause == HF_CAUSE_DROP_ICMP_SEQUENCE ||
                verdict.cause == HF_CAUSE_DROP_ICMP_TOO_BIG);
    peer_expect_nothing(p);
}

/* ---- Forged ones, in each state ---- */

/* In flight is a SYN, a FIN or nothing: none of it was longer than any path takes. */
static void a_forged_claim_does_nothing_in_any_state(void **state) {
    (void)state;
    const hf_state states[] = {HF_SYN_SENT,   HF_SYN_RECEIVED, HF_ESTABLISHED, HF_FIN_WAIT_1,
                               HF_FIN_WAIT_2, HF_CLOSE_WAIT,   HF_CLOSING,     HF_LAST_ACK};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        peer p;
        peer_begin(&p);
        if (states[i] == HF_LAST_ACK) {
            peer_reach(&p, HF_CLOSE_WAIT);
            assert_int_equal(hf_shutdown(&p.engine, p.conn), HF_OK);
            peer_drain(&p);
            peer_forget(&p);
        } else {
            peer_reach(&p, states[i]);
        }
        const uint16_t mss = peer_status(&p).mss;
        const hf_seq una = peer_block(&p)->snd_una;
        for (int at = -1; at < 3; at++) expect_ignored(&p, router_says(&p, 576, una + (hf_seq)at));
        assert_int_equal(peer_state(&p), states[i]);
        assert_int_equal(peer_status(&p).mss, mss);
        peer_end(&p);
    }
}

static void a_claim_about_time_wait_or_about_nobody_does_nothing(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_TIME_WAIT);
    expect_ignored(&p, router_says(&p, 576, p.ack));
    p.our_port++;
    expect_ignored(&p, router_says(&p, 576, p.ack));
    peer_end(&p);
}

static void a_claim_must_quote_what_is_in_flight_and_longer(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 2 * MSS + 30);
    peer_forget(&p);
    assert_int_equal(router_says(&p, 1200, first - 1).cause, HF_CAUSE_DROP_ICMP_SEQUENCE);
    assert_int_equal(router_says(&p, 1200, first + 2 * MSS + 30).cause,
                     HF_CAUSE_DROP_ICMP_SEQUENCE);
    assert_int_equal(router_says(&p, 1500, first).cause, HF_CAUSE_DROP_ICMP_TOO_BIG);
    assert_int_equal(router_says(&p, 1501, first).cause, HF_CAUSE_DROP_ICMP_TOO_BIG);
    assert_int_equal(router_says(&p, 67, first).cause, HF_CAUSE_DROP_ICMP_SEQUENCE);
    peer_expect_nothing(&p);
    assert_int_equal(peer_status(&p).mss, MSS);
    peer_end(&p);
}

static void a_short_segment_that_is_quoted_betrays_the_forger(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    peer_app_sends(&p, 500);
    peer_forget(&p);
    assert_int_equal(router_says(&p, 576, p.ack).cause, HF_CAUSE_DROP_ICMP_TOO_BIG);
    assert_int_equal(peer_status(&p).mss, MSS);
    peer_end(&p);
}

static void no_claim_goes_below_the_floor(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    peer_app_sends(&p, 2 * MSS);
    assert_int_equal(router_says(&p, 68, p.ack).cause, HF_CAUSE_TOOK_ICMP_TOO_BIG);
    assert_int_equal(peer_status(&p).packet_bytes, HFI_PATH_MTU4_FLOOR);
    peer_end(&p);
    const hf_config config = peer_config();
    peer_begin_with(&p, &config, true);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 3000);
    peer_forget(&p);
    assert_int_equal(router_says(&p, 1279, p.ack).cause, HF_CAUSE_DROP_ICMP_SEQUENCE);
    assert_int_equal(peer_status(&p).packet_bytes, 1500);
    assert_int_equal(router_says(&p, 1280, p.ack).cause, HF_CAUSE_TOOK_ICMP_TOO_BIG);
    assert_int_equal(peer_status(&p).packet_bytes, 1280);
    peer_end(&p);
}

/* ---- At once, or later (RFC 5927 7.2) ---- */

static void before_anything_so_long_has_arrived_a_claim_is_believed_at_once(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 3 * MSS);
    const uint32_t cwnd = peer_status(&p).cwnd_bytes;
    peer_forget(&p);
    assert_int_equal(router_says(&p, 1400, first + MSS).cause, HF_CAUSE_TOOK_ICMP_TOO_BIG);
    assert_int_equal(peer_status(&p).mss, 1360);
    assert_int_equal(peer_status(&p).mtu_cause, HF_CAUSE_TOOK_ICMP_TOO_BIG);
    /* All three in shorter ones, in order and at once, and the window is what it was. */
    hf_seq next = first;
    for (const peer_segment *out; (out = peer_next(&p)) != NULL;) {
        assert_int_equal(out->cause, HF_CAUSE_SENT_RETRANSMISSION_MTU);
        assert_int_equal(out->tcp.seq, next);
        assert_true(out->packet_bytes <= 1400);
        next += out->tcp.payload_bytes;
    }
    assert_int_equal(next, first + 3 * MSS);
    assert_int_equal(peer_status(&p).cwnd_bytes, cwnd);
    peer_end(&p);
}

static hf_seq after_progress(peer *p) {
    recovery_begin(p, RTT);
    peer_app_sends(p, 2 * MSS);
    peer_run(p, RTT);
    p->ack += 2 * MSS;
    peer_says(p, HFI_TCP_ACK, 0);
    peer_app_sends(p, 3 * MSS);
    peer_forget(p);
    return p->ack;
}

static void a_claim_that_an_ack_refutes_changes_nothing(void **state) {
    (void)state;
    peer p;
    const hf_seq first = after_progress(&p);
    assert_int_equal(router_says(&p, 576, first).cause, HF_CAUSE_TOOK_ICMP_CLAIM);
    peer_expect_nothing(&p);
    assert_int_equal(peer_status(&p).mss, MSS);
    p.ack = first + 3 * MSS;
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_app_sends(&p, 3 * MSS); /* and later losses do not wake it */
    peer_run(&p, 5 * HF_SECOND);
    assert_true(peer_count(&p, HF_CAUSE_SENT_RETRANSMISSION_RTO) > 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_MTU_CLAIM_BELIEVED), 0);
    assert_int_equal(peer_status(&p).mss, MSS);
    peer_end(&p);
}

static void a_claim_about_what_does_not_arrive_is_believed_at_the_next_timer(void **state) {
    (void)state;
    peer p;
    const hf_seq first = after_progress(&p);
    assert_int_equal(router_says(&p, 1400, first).cause, HF_CAUSE_TOOK_ICMP_CLAIM);
    const hf_ns claimed_ns = p.now_ns;
    peer_run(&p, 3 * RTT); /* the timer of the tail loss probe */
    assert_int_equal(peer_count(&p, HF_CAUSE_MTU_CLAIM_BELIEVED), 1);
    assert_int_equal(peer_status(&p).mss, 1360);
    hf_seq next = first;
    for (const peer_segment *out; (out = peer_next(&p)) != NULL;) {
        assert_int_equal(out->cause, HF_CAUSE_SENT_RETRANSMISSION_MTU);
        assert_int_equal(out->tcp.seq, next);
        assert_true(out->at_ns > claimed_ns);
        next += out->tcp.payload_bytes;
    }
    assert_int_equal(next, first + 3 * MSS);
    assert_int_equal(peer_count(&p, HF_CAUSE_RTO_BACKED_OFF), 0);
    peer_end(&p);
}

/* As the kernel that this profile stands for. */
static void profile_linux_believes_at_once(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    assert_int_equal(hf_config_profile(&config, "linux"), HF_OK);
    recovery_begin_as(&p, &config, RTT, true, false);
    peer_app_sends(&p, 2 * MSS);
    peer_run(&p, RTT);
    p.ack += 2 * MSS;
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_app_sends(&p, 2 * MSS);
    assert_int_equal(router_says(&p, 1400, p.ack).cause, HF_CAUSE_TOOK_ICMP_TOO_BIG);
    assert_int_equal(peer_status(&p).mss, 1360);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forged_claim_does_nothing_in_any_state),
        cmocka_unit_test(a_claim_about_time_wait_or_about_nobody_does_nothing),
        cmocka_unit_test(a_claim_must_quote_what_is_in_flight_and_longer),
        cmocka_unit_test(a_short_segment_that_is_quoted_betrays_the_forger),
        cmocka_unit_test(no_claim_goes_below_the_floor),
        cmocka_unit_test(before_anything_so_long_has_arrived_a_claim_is_believed_at_once),
        cmocka_unit_test(a_claim_that_an_ack_refutes_changes_nothing),
        cmocka_unit_test(a_claim_about_what_does_not_arrive_is_believed_at_the_next_timer),
        cmocka_unit_test(profile_linux_believes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
