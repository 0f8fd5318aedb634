/* Proportional rate reduction, RFC 9937 6: what goes out within recovery. */
#include "recovery.h"

#define RTT (20 * HF_MS)

static uint32_t sent_by(peer *p, hf_seq first, blocks b, hf_seq ack) {
    peer_forget(p);
    peer_run(p, HF_MS);
    recovery_sacks(p, ack, first, b);
    return (uint32_t)p->out_count;
}

/* One of twelve is lost (ten, and two by limited transmit, RFC 3042): halved, one goes out for two that
 * arrive, never two at once, and in the end half are in flight. */
static void one_goes_out_for_two_that_arrive(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 40 * MSS);
    peer_run(&p, RTT);
    assert_int_equal(sent_by(&p, first, (blocks){1, {{1, 2}}}, first), 1);
    assert_int_equal(peer_next(&p)->cause, HF_CAUSE_SENT_LIMITED_TRANSMIT);
    assert_int_equal(sent_by(&p, first, (blocks){1, {{1, 3}}}, first), 1);
    uint32_t sent = sent_by(&p, first, (blocks){1, {{1, 4}}}, first);
    assert_int_equal(sent, 1); /* the fast retransmit goes, whatever the share */
    recovery_expect(&p, first, 0, HF_CAUSE_SENT_RETRANSMISSION_RACK);
    const uint32_t ssthresh = peer_status(&p).ssthresh_bytes;
    for (uint32_t i = 5; i <= 12; i++) {
        const uint32_t now = sent_by(&p, first, (blocks){1, {{1, i}}}, first);
        assert_true(now <= 1);
        sent += now;
        /* Out is the same share of what was delivered, give or take a segment. */
        const uint32_t delivered = i - 3, share = delivered * ssthresh / (10 * MSS);
        assert_in_range(sent + 1, share, share + 2);
    }
    assert_in_range(hfi_segq_pipe(peer_ctx(&p), peer_block(&p)), ssthresh - MSS, ssthresh);
    p.ack = first + 12 * MSS;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_status(&p).cwnd_bytes, ssthresh);
    peer_end(&p);
}

/* Conservation: when most is lost no more goes out than arrives. */
static void after_a_heavy_loss_no_more_goes_out_than_arrives(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 10 * MSS);
    peer_run(&p, RTT);
    assert_int_equal(sent_by(&p, first, (blocks){1, {{7, 10}}}, first), 3);
    peer_end(&p);
}

/* Slow start: an ACK that advances and tells of no loss allows one segment more. */
static void an_ack_that_advances_allows_one_more(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 10 * MSS);
    peer_run(&p, RTT);
    assert_int_equal(sent_by(&p, first, (blocks){1, {{7, 10}}}, first), 3);
    peer_run(&p, RTT - HF_MS);
    assert_int_equal(sent_by(&p, first, (blocks){1, {{7, 10}}}, first + MSS), 2);
    peer_end(&p);
}

/* RFC 6582 with PRR: a duplicate stands for a segment. */
static void without_sack_duplicates_count(void **state) {
    (void)state;
    peer p;
    const hf_config config = peer_config();
    recovery_begin_as(&p, &config, RTT, false, false);
    peer_app_sends(&p, 40 * MSS);
    peer_run(&p, RTT);
    peer_forget(&p);
    for (int i = 0; i < 2; i++) peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(p.out_count, 2);
    for (int i = 0; i < 9; i++) {
        const size_t before = p.out_count;
        peer_says(&p, HFI_TCP_ACK, 0);
        assert_true(p.out_count <= before + 1);
    }
    const uint32_t ssthresh = peer_status(&p).ssthresh_bytes;
    assert_true(hfi_segq_pipe(peer_ctx(&p), peer_block(&p)) <= ssthresh);
    assert_in_range(p.out_count, 2 + 9 * ssthresh / (10 * MSS), 3 + 9 * ssthresh / (10 * MSS));
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_goes_out_for_two_that_arrive),
        cmocka_unit_test(after_a_heavy_loss_no_more_goes_out_than_arrives),
        cmocka_unit_test(an_ack_that_advances_allows_one_more),
        cmocka_unit_test(without_sack_duplicates_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
