/* What strangers can make us send, and what they can learn by it: RFC 5961 7, CVE-2016-5696, SYN floods. */
#include "peer.h"

static hf_listener_status listener_now(const peer *p) {
    hf_listener_status status;
    assert_int_equal(hf_listener_status_get(&p->engine, p->listener, &status), HF_OK);
    return status;
}

/* The engine has a way to everybody. */
static void begin_in_the_world(peer *p) {
    const hf_addr all = hf_addr4(0, 0, 0, 0), gateway = hf_addr4(10, 0, 0, 254);
    peer_begin(p);
    assert_int_equal(hf_route_add(&p->engine, &all, 0, &gateway, 0), HF_OK);
}

/* A connection of the peer at `them`; its numbers, so that several can be driven in turn. */
typedef struct talk {
    hf_addr them;
    uint16_t port;
    hf_seq seq, ack;
    hf_conn conn;
} talk;

static void turn_to(peer *p, const talk *t) {
    p->them = t->them;
    p->their_port = t->port;
    p->seq = t->seq;
    p->ack = t->ack;
    p->conn = t->conn;
}

static talk begin_talk(peer *p, hf_addr them, uint16_t port) {
    p->them = them;
    p->their_port = port;
    peer_handshake(p);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    peer_forget(p);
    return (talk){them, port, p->seq, p->ack, p->conn};
}

/* ---- Challenge ACKs ---- */

/* A connection is asked for challenges all the time, for half a minute; when they left. */
static size_t challenge_gaps(uint8_t seed, hf_ns *ret_gaps_ns, size_t max) {
    peer p;
    hf_config config = peer_config();
    peer_begin_with(&p, &config, false);
    memset(p.config.seed, seed, sizeof p.config.seed);
    assert_int_equal(hf_engine_init(&p.engine, &p.config, p.block, p.memory.block_bytes, p.data,
                                    p.memory.data_bytes, p.now_ns),
                     HF_OK);
    const hf_interface_options link = {.link = HF_LINK_IP, .mtu = 1500, .auto_done = true};
    uint32_t interface;
    assert_int_equal(hf_interface_add(&p.engine, &link, &interface), HF_OK);
    assert_int_equal(hf_address_add(&p.engine, interface, &p.us, 24), HF_OK);
    peer_listen_and_accept(&p);
    for (int i = 0; i < 6000; i++) {
        peer_sends(&p, HFI_TCP_RST, p.seq + 2 + (hf_seq)i, 0, 0);
        peer_run(&p, 5 * HF_MS);
    }
    assert_true(p.out_count > 2 && p.out_count <= max);
    for (size_t i = 1; i < p.out_count; i++) {
        assert_int_equal(p.out[i].cause, HF_CAUSE_SENT_CHALLENGE_ACK);
        ret_gaps_ns[i - 1] = p.out[i].at_ns - p.out[i - 1].at_ns;
    }
    const size_t count = p.out_count - 1;
    peer_end(&p);
    return count;
}

static void challenges_wait_half_a_second_and_a_keyed_while_more(void **state) {
    (void)state;
    static hf_ns gaps_ns[2][100];
    size_t count[2], differ_inside = 0, differ_between = 0;
    for (int i = 0; i < 2; i++) {
        count[i] = challenge_gaps((uint8_t)(0x31 + i), gaps_ns[i], 100);
        for (size_t k = 0; k < count[i]; k++)
            assert_in_range(gaps_ns[i][k], 500 * HF_MS, 775 * HF_MS);
    }
    for (size_t k = 1; k < count[0]; k++) differ_inside += gaps_ns[0][k] != gaps_ns[0][k - 1];
    for (size_t k = 0; k < count[0] && k < count[1]; k++)
        differ_between += gaps_ns[0][k] != gaps_ns[1][k];
    assert_true(differ_inside > count[0] * 3 / 4);
    assert_true(differ_between > count[0] * 3 / 4);
}

/* CVE-2016-5696: the attacker counts the challenges of a connection of his own, while he asks, or does
 * not ask, on behalf of another. */
static size_t challenges_of_his_own(bool attacks, hf_ns *ret_at_ns) {
    peer p;
    begin_in_the_world(&p);
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    const talk victim = begin_talk(&p, hf_addr4(203, 0, 113, 9), 1111);
    const talk own = begin_talk(&p, hf_addr4(10, 0, 0, 2), 2222);
    size_t own_count = 0;
    for (int i = 0; i < 1000; i++) {
        turn_to(&p, &victim);
        for (int k = 0; attacks && k < 9; k++)
            peer_sends(&p, HFI_TCP_RST, p.seq + 2 + (hf_seq)(7 * k + i), 0, 0);
        turn_to(&p, &own);
        peer_sends(&p, HFI_TCP_RST, p.seq + 3 + (hf_seq)i, 0, 0);
        for (const peer_segment *out; (out = peer_next(&p)) != NULL;)
            if (out->tcp.destination_port == own.port) ret_at_ns[own_count++] = out->at_ns;
        peer_forget(&p);
        peer_run(&p, 7 * HF_MS);
    }
    peer_end(&p);
    return own_count;
}

static void a_strangers_challenges_do_not_show_how_many_another_connection_sent(void **state) {
    (void)state;
    static hf_ns quiet_ns[100], attacked_ns[100];
    const size_t quiet = challenges_of_his_own(false, quiet_ns);
    const size_t attacked = challenges_of_his_own(true, attacked_ns);
    assert_in_range(quiet, 8, 14); /* in seven seconds */
    assert_int_equal(quiet, attacked);
    assert_memory_equal(quiet_ns, attacked_ns, quiet * sizeof quiet_ns[0]);
}

/* ---- Replies without a connection ---- */

/* Replies to SYNs for a closed port, from `count` of one prefix at once. */
static size_t replies_at_once(peer *p, hf_addr from, uint32_t count) {
    p->them = from;
    peer_forget(p);
    for (uint32_t i = 0; i < count; i++) peer_sends(p, HFI_TCP_SYN, i, 0, 0);
    const size_t replies = p->out_count;
    peer_forget(p);
    return replies;
}

static void a_flood_of_one_prefix_leaves_every_other_its_replies(void **state) {
    (void)state;
    peer p;
    begin_in_the_world(&p);
    assert_in_range(replies_at_once(&p, hf_addr4(198, 51, 100, 1), 3000), 128, 255);
    for (uint32_t i = 0; i < 3000; i++) {
        const hf_addr other = hf_addr4(20, (uint8_t)(i >> 8), (uint8_t)i, 7);
        assert_int_equal(replies_at_once(&p, other, 1), 1);
        assert_in_range(replies_at_once(&p, hf_addr4(198, 51, 100, 200), 100), 0, 3);
    }
    peer_end(&p);
}

static void the_size_of_a_prefixs_burst_is_random(void **state) {
    (void)state;
    peer p;
    begin_in_the_world(&p);
    size_t least = SIZE_MAX, most = 0, same = 0, last = 0;
    for (uint32_t i = 0; i < 60; i++) {
        const size_t burst = replies_at_once(&p, hf_addr4(198, 51, 100, 1), 400);
        assert_in_range(burst, 128, 255);
        least = burst < least ? burst : least;
        most = burst > most ? burst : most;
        same += burst == last;
        last = burst;
        peer_run(&p, 2 * HF_SECOND);
    }
    assert_true(least < 150 && most > 230 && same < 5);
    peer_end(&p);
}

static void a_prefix_gets_a_thousand_replies_a_second(void **state) {
    (void)state;
    peer p;
    begin_in_the_world(&p);
    size_t replies = 0;
    for (uint32_t ms = 0; ms < 5000; ms++) {
        replies += replies_at_once(&p, hf_addr4(198, 51, 100, (uint8_t)ms), 20);
        peer_run(&p, HF_MS);
    }
    assert_in_range(replies, 4900, 5500);
    peer_end(&p);
}

/* One prefix asks, another takes its bucket over only when the first has fallen silent. */
static void who_fell_silent_gives_the_bucket_to_the_next(void **state) {
    (void)state;
    peer p;
    begin_in_the_world(&p);
    for (uint32_t i = 0; i < 200; i++) replies_at_once(&p, hf_addr4(198, 51, (uint8_t)i, 1), 300);
    size_t replies = 0;
    for (uint32_t i = 0; i < 20; i++)
        replies += replies_at_once(&p, hf_addr4(203, 0, 113, 1), 1000);
    assert_in_range(replies, 128, 256 + 255);
    peer_end(&p);
}

/* ---- Bytes out for bytes in ---- */

static hfi_tcp_options syn_with(uint32_t set) {
    return (hfi_tcp_options){.present = (uint8_t)set, .mss = 1460, .wscale = 7};
}

/* A single SYN with these options, answered by nobody for minutes. */
static void one_syn(bool ip6, uint32_t set) {
    peer p;
    const hf_config config = peer_config();
    peer_begin_with(&p, &config, ip6);
    p.syn_options = syn_with(set);
    uint8_t packet[200];
    const hfi_tcp_view syn = {.flags = HFI_TCP_SYN, .options = p.syn_options};
    const uint32_t in_bytes = peer_build(&p, &syn, packet);
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    peer_sends_syn(&p, 0);
    peer_run(&p, 300 * HF_SECOND);
    uint32_t out_bytes = 0;
    for (size_t i = 0; i < p.out_count; i++) out_bytes += p.out[i].packet_bytes;
    assert_in_range(p.out_count, 1, 4);
    assert_true(out_bytes * 2 <= in_bytes * 9);
    peer_end(&p);
}

static void
a_single_syn_draws_four_packets_and_four_and_a_half_times_its_bytes_at_most(void **state) {
    (void)state;
    for (uint32_t set = 0; set < 16; set++) one_syn(false, set), one_syn(true, set);
}

/* Spoofed SYNs with these options, 20,000 a second for ten seconds; and minutes after them. */
static void flood_bytes(uint32_t set, hf_when_full when_full) {
    peer p;
    begin_in_the_world(&p);
    peer_listens_with(&p, &(hf_listen_options){.port = 80, .when_full = when_full});
    p.syn_options = syn_with(set);
    uint8_t packet[200];
    const hfi_tcp_view syn = {.flags = HFI_TCP_SYN, .options = p.syn_options};
    const uint64_t in_bytes = UINT64_C(100000) * peer_build(&p, &syn, packet);
    uint64_t out_bytes = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        p.them = hf_addr4((uint8_t)(11 + i % 89), (uint8_t)(i >> 8), (uint8_t)(i * 7), (uint8_t)i);
        p.their_port = (uint16_t)(1024 + i % 50000);
        peer_sends_syn(&p, 0);
        if (i % 20 == 0) peer_run(&p, HF_MS);
        for (size_t k = 0; k < p.out_count; k++) out_bytes += p.out[k].packet_bytes;
        peer_forget(&p);
    }
    peer_run(&p, 300 * HF_SECOND);
    for (size_t k = 0; k < p.out_count; k++) out_bytes += p.out[k].packet_bytes;
    assert_true(out_bytes > 0 || when_full == HF_FULL_IGNORE);
    assert_true(out_bytes <= 3 * in_bytes);
    /* Of those that hold a place, too: each pays for itself. */
    assert_true(peer_count(&p, HF_CAUSE_SENT_SYN_ACK_AGAIN) <=
                2 * peer_count(&p, HF_CAUSE_SENT_SYN_ACK));
    peer_end(&p);
}

static void a_flood_draws_three_times_its_bytes_at_most(void **state) {
    (void)state;
    const hf_when_full policies[] = {HF_FULL_COOKIE, HF_FULL_IGNORE, HF_FULL_REFUSE};
    for (int i = 0; i < 3; i++) flood_bytes(0, policies[i]);
    flood_bytes(HFI_OPT_MSS, HF_FULL_COOKIE);
    flood_bytes(15, HF_FULL_COOKIE);
}

/* A flood just strong enough to keep the places taken: each entry is answered as often as it may be. */
static void a_slow_flood_draws_no_more(void **state) {
    (void)state;
    for (uint32_t set = 0; set < 2; set++) {
        peer p;
        begin_in_the_world(&p);
        peer_listens_with(&p, &(hf_listen_options){.port = 80, .backlog = 16});
        p.syn_options = syn_with(set);
        uint8_t packet[200];
        const hfi_tcp_view syn = {.flags = HFI_TCP_SYN, .options = p.syn_options};
        const uint64_t each_bytes = peer_build(&p, &syn, packet);
        uint64_t in_bytes = 0, out_bytes = 0;
        for (uint32_t i = 0; i < 2000; i++) {
            p.them = hf_addr4(11, (uint8_t)(i >> 8), (uint8_t)(i * 7), (uint8_t)i);
            peer_sends_syn(&p, 0);
            peer_run(&p, 150 * HF_MS);
            in_bytes += each_bytes;
            for (size_t k = 0; k < p.out_count; k++) out_bytes += p.out[k].packet_bytes;
            peer_forget(&p);
        }
        assert_true(out_bytes <= 3 * in_bytes);
        peer_end(&p);
    }
}

/* ---- What a SYN-ACK says ---- */

/* From an entry, and as a cookie, which can remember the others only with timestamps. */
static void a_syn_ack_has_no_option_that_the_syn_lacked_but_mss(void **state) {
    (void)state;
    for (uint32_t set = 0; set < 64; set++) {
        if ((set & HFI_OPT_SACK) != 0) continue; /* is never on a SYN */
        peer p;
        begin_in_the_world(&p);
        peer_listens_with(&p, &(hf_listen_options){.port = 80, .backlog = 1});
        p.syn_options = syn_with(set);
        p.ts_value = 9000;
        for (uint32_t i = 0; i < 2; i++) {
            p.their_port = (uint16_t)(2000 + i);
            peer_sends_syn(&p, 0);
            const peer_segment *out = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
            assert_int_equal(out->cause, i == 0 ? HF_CAUSE_SENT_SYN_ACK : HF_CAUSE_SENT_SYN_COOKIE);
            assert_int_equal(out->tcp.options.present & ~(set | HFI_OPT_MSS), 0);
            assert_true((out->tcp.options.present & HFI_OPT_MSS) != 0);
        }
        peer_end(&p);
    }
}

/* ---- Honest clients under a flood ---- */

enum { HONEST = 400, FLOOD_PER_MS = 200, FLOOD_MS = 4000 };

typedef struct client {
    hf_ns began_at_ns, next_at_ns, opened_at_ns;
    uint32_t attempts;
} client;

/* The client sends its SYN, at 0, 1 and 3 s as RFC 6298 has it, and answers a SYN-ACK at once. */
static void honest_turn(peer *p, client *c, uint32_t index) {
    if (c->opened_at_ns != 0 || p->now_ns < c->next_at_ns || c->attempts == 3) return;
    p->them = hf_addr4(100, 64, (uint8_t)(index >> 3), (uint8_t)(1 + index));
    p->their_port = (uint16_t)(30000 + index);
    p->iss = 70000 + index * 1000;
    peer_forget(p);
    peer_sends_syn(p, 0);
    c->next_at_ns = p->now_ns + (HF_SECOND << c->attempts++);
    const peer_segment *out = peer_next(p);
    if (out == NULL || out->tcp.destination_port != p->their_port) return;
    p->ack = out->tcp.seq + 1;
    peer_says(p, HFI_TCP_ACK, 1);
    if (hf_accept(&p->engine, p->listener, &p->conn) != HF_OK) return;
    c->opened_at_ns = p->now_ns;
    assert_int_equal(peer_status(p).remote_port, p->their_port);
    peer_app_reads(p, 0, 1);
    assert_int_equal(hf_abort(&p->engine, p->conn), HF_OK);
    assert_int_equal(hf_release(&p->engine, p->conn), HF_OK);
    peer_drain(p);
}

/* 200,000 SYNs a second; their sources are all the Internet's, or those of one prefix. */
static hf_addr spoofed(uint32_t i, bool one_prefix) {
    const uint32_t mixed = i * 2654435761u;
    if (one_prefix) return hf_addr4(198, 51, 100, (uint8_t)mixed);
    return hf_addr4((uint8_t)(11 + (mixed >> 24) % 80), (uint8_t)(mixed >> 16),
                    (uint8_t)(mixed >> 8), (uint8_t)mixed);
}

static void flood_with_honest(bool one_prefix) {
    peer p;
    static client clients[HONEST];
    memset(clients, 0, sizeof clients);
    begin_in_the_world(&p);
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    const hf_ns began_ns = p.now_ns;
    for (uint32_t i = 0; i < HONEST; i++)
        clients[i].began_at_ns = clients[i].next_at_ns = began_ns + 500 * HF_MS + i * HF_MS;
    for (uint32_t ms = 0, n = 0; ms < FLOOD_MS; ms++) {
        for (uint32_t k = 0; k < FLOOD_PER_MS; k++, n++) {
            p.them = spoofed(n, one_prefix);
            p.their_port = (uint16_t)(1024 + n % 60000);
            p.iss = n * 11;
            peer_sends_syn(&p, 0);
            peer_forget(&p);
        }
        for (uint32_t i = 0; i < HONEST; i++) honest_turn(&p, &clients[i], i);
        peer_run(&p, HF_MS);
    }
    uint32_t in_time = 0;
    for (uint32_t i = 0; i < HONEST; i++)
        in_time += clients[i].opened_at_ns != 0 &&
                   clients[i].opened_at_ns - clients[i].began_at_ns < 3 * HF_SECOND;
    assert_true(listener_now(&p).cookies_good > 0);
    assert_true(in_time * 100 >= HONEST * 99);
    peer_end(&p);
}

static void honest_clients_get_in_within_two_time_outs_of_a_flood_from_everywhere(void **state) {
    (void)state;
    flood_with_honest(false);
}

static void honest_clients_get_in_within_two_time_outs_of_a_flood_from_one_prefix(void **state) {
    (void)state;
    flood_with_honest(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(challenges_wait_half_a_second_and_a_keyed_while_more),
        cmocka_unit_test(a_strangers_challenges_do_not_show_how_many_another_connection_sent),
        cmocka_unit_test(a_flood_of_one_prefix_leaves_every_other_its_replies),
        cmocka_unit_test(the_size_of_a_prefixs_burst_is_random),
        cmocka_unit_test(a_prefix_gets_a_thousand_replies_a_second),
        cmocka_unit_test(who_fell_silent_gives_the_bucket_to_the_next),
        cmocka_unit_test(
            a_single_syn_draws_four_packets_and_four_and_a_half_times_its_bytes_at_most),
        cmocka_unit_test(a_flood_draws_three_times_its_bytes_at_most),
        cmocka_unit_test(a_slow_flood_draws_no_more),
        cmocka_unit_test(a_syn_ack_has_no_option_that_the_syn_lacked_but_mss),
        cmocka_unit_test(honest_clients_get_in_within_two_time_outs_of_a_flood_from_everywhere),
        cmocka_unit_test(honest_clients_get_in_within_two_time_outs_of_a_flood_from_one_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
