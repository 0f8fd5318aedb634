/* The scoreboard and the flight block: what blocks of any shape mark, and who has a block when. */
#include "peer.h"

#define MSS 100u
#define FIRST 140u /* segments of the first window */
#define MORE 300u  /* and of the second: two lanes over the queue have nodes */

static void sack(peer *p, hf_seq start, hf_seq end) {
    hfi_tcp_view view = {.flags = HFI_TCP_ACK, .seq = p->seq, .ack = p->ack, .window = p->window};
    view.options.present = HFI_OPT_SACK;
    view.options.sack_count = 1;
    view.options.sack[0] = (hfi_sack_block){start, end};
    peer_send_view(p, view);
}

/* 300 segments of 100 bytes in flight, first sequence number p->ack. */
static void fill_flight(peer *p) {
    hf_config config = peer_config();
    config.limits.initial_window_segs = FIRST;
    peer_begin_with(p, &config, false);
    p->syn_options.present |= HFI_OPT_SACK_PERMITTED;
    p->syn_options.mss = MSS;
    peer_listen_and_accept(p);
    p->deaf = true;
    peer_app_sends(p, (MORE - FIRST + MORE) * MSS);
    peer_run(p, 20 * HF_MS);
    for (uint32_t i = 0; i < MORE - FIRST; i++) p->ack += MSS, peer_says(p, HFI_TCP_ACK, 0);
    assert_int_equal(hfi_in_flight(peer_block(p)), MORE * MSS);
}

static uint32_t seed;
static uint32_t draw(uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static void blocks_in_any_order_mark_each_segment_that_they_hold_once(void **state) {
    (void)state;
    for (seed = 1; seed <= 20; seed++) {
        const uint32_t this_seed = seed;
        peer p;
        fill_flight(&p);
        bool here[MORE] = {false};
        const hf_seq from = p.ack;
        for (int i = 0; i < 60; i++) {
            const uint32_t start = MSS + draw((MORE - 1) * MSS), most = MORE * MSS - start;
            const uint32_t bytes = 1 + draw(draw(3) == 0 ? most : hfi_min32(most, 9 * MSS));
            sack(&p, from + start, from + start + bytes);
            for (uint32_t s = (start + MSS - 1) / MSS; (s + 1) * MSS <= start + bytes; s++)
                here[s] = true;
            uint32_t count = 0;
            for (uint32_t s = 0; s < MORE; s++) count += here[s];
            const hfi_flight *flight = &peer_ctx(&p)->flights[peer_block(&p)->flight];
            assert_int_equal(flight->sacked_bytes, count * MSS);
        }
        p.ack = from + MORE * MSS;
        peer_says(&p, HFI_TCP_ACK, 0);
        assert_int_equal(peer_ctx(&p)->root->segment_pool.used, 0); /* of the lanes, too */
        peer_end(&p);
        seed = this_seed;
    }
}

static void a_flight_block_stays_for_one_rto_after_the_last_ack(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 7);
    peer_run(&p, 30 * HF_MS);
    p.ack += 7;
    peer_says(&p, HFI_TCP_ACK, 0);
    const hf_ns rto_ns = peer_status(&p).rto_ns;
    const hfi_pool *pool = &peer_ctx(&p)->root->flight_pool;
    assert_int_equal(pool->used, 1);
    peer_run(&p, rto_ns - 5 * HF_MS);
    assert_int_equal(pool->used, 1);
    peer_run(&p, 10 * HF_MS);
    assert_int_equal(pool->used, 0);
    peer_end(&p);
}

/* Two connections share one block: who rests gives way, who has data in flight does not. */
static void the_flight_block_longest_at_rest_gives_way(void **state) {
    (void)state;
    hf_config config = peer_config();
    config.flights = 1;
    peer p;
    peer_begin_with(&p, &config, false);
    peer_listen_and_accept(&p);
    const hf_conn first = p.conn;
    const uint16_t first_port = p.their_port;
    const hf_seq first_seq = p.seq;
    peer_app_sends(&p, 7);
    peer_expect(&p, HFI_TCP_ACK);
    const hf_seq first_ack = p.ack + 7;
    p.their_port = 5555;
    peer_handshake(&p);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    peer_app_sends(&p, 9);
    peer_expect_nothing(&p); /* no block is left while the first has data in flight */
    const hf_seq second_seq = p.seq, second_ack = p.ack;
    p.their_port = first_port, p.seq = first_seq, p.ack = first_ack;
    peer_says(&p, HFI_TCP_ACK, 0);
    p.their_port = 5555, p.seq = second_seq, p.ack = second_ack;
    peer_app_sends(&p, 3);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.payload_bytes, 12);
    assert_int_equal(peer_ctx(&p)->conns[first.index].flight, HFI_NONE);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_in_any_order_mark_each_segment_that_they_hold_once),
        cmocka_unit_test(a_flight_block_stays_for_one_rto_after_the_last_ack),
        cmocka_unit_test(the_flight_block_longest_at_rest_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
