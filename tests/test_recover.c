#include "test.h"
#include "rig.h"

/* The sequence number of the first payload that side 0 sent after the filter was set. */
static uint32_t first_seq;
static bool first_is_known;
static hf_ns pass_at_ns;

static bool lose_the_first_segment_again_and_again(rig *r, int from, const uint8_t *packet,
                                                   uint32_t bytes) {
    const uint32_t headers = 20 + (uint32_t)(packet[32] >> 4) * 4;
    if (from != 0 || bytes == headers) return false;
    const uint32_t seq =
        (uint32_t)packet[24] << 24 | packet[25] << 16 | packet[26] << 8 | packet[27];
    if (!first_is_known) first_seq = seq;
    first_is_known = true;
    return seq == first_seq && r->now_ns < pass_at_ns;
}

/* Seven segments arrive and wait behind one that is lost until its third retransmission. The ACK
 * that at last covers them all says nothing of how long the way is. */
static void an_rtt_is_never_measured_over_a_retransmission(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_conn client, server;
    rig_connect(&r, NULL, &client, &server);
    first_is_known = false;
    pass_at_ns = r.now_ns + HF_SECOND;
    r.filter = lose_the_first_segment_again_and_again;
    static const uint8_t data[8 * 1400];
    size_t taken;
    assert_int_equal(hf_send(&r.engine[0], client, data, sizeof data, &taken), HF_OK);
    rig_run(&r, 10 * HF_SECOND);
    hf_conn_status status;
    assert_int_equal(hf_conn_status_get(&r.engine[0], client, &status), HF_OK);
    assert_int_equal(status.bytes_acked, sizeof data);
    assert_true(r.dropped >= 3);
    assert_true(status.srtt_ns <= 21 * HF_MS);
    assert_true(status.rto_ns <= 300 * HF_MS);
    rig_end(&r);
}

static bool lose_what_the_server_says(rig *r, int from, const uint8_t *packet, uint32_t bytes) {
    (void)packet, (void)bytes;
    return from == 1 && r->now_ns < pass_at_ns;
}

/* The segment arrives at once, its ACKs are lost for a second. The ACK that comes through echoes the
 * first transmission's timestamp: it measures our own wait, and would make the time-out as long. */
static void an_old_echo_after_a_lost_ack_is_no_sample(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_conn client, server;
    rig_connect(&r, NULL, &client, &server);
    pass_at_ns = r.now_ns + HF_SECOND;
    r.filter = lose_what_the_server_says;
    size_t taken;
    assert_int_equal(hf_send(&r.engine[0], client, "eleven byte", 11, &taken), HF_OK);
    rig_run(&r, 5 * HF_SECOND);
    hf_conn_status status;
    assert_int_equal(hf_conn_status_get(&r.engine[0], client, &status), HF_OK);
    assert_int_equal(status.bytes_acked, 11);
    assert_true(r.dropped >= 3);
    assert_true(status.srtt_ns <= 22 * HF_MS);
    rig_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_rtt_is_never_measured_over_a_retransmission),
        cmocka_unit_test(an_old_echo_after_a_lost_ack_is_no_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
