/* TCP's interface to IP and ICMP: RFC 9293 3.4.1, 3.7, 3.9.1, 3.9.2, 3.9.2.2, 3.9.2.3. */
#include "peer.h"
#include "wire/icmp.h"

/* ---- Addresses ---- */

static hf_err connect_to(peer *p, hf_addr remote, hf_addr local) {
    const hf_connect_options connect = {.remote = remote, .remote_port = 9000, .local = local};
    return hf_connect(&p->engine, &connect, &p->conn);
}

static void begin_with_second_address(peer *p, const hf_addr *second) {
    peer_begin(p);
    assert_int_equal(hf_address_add(&p->engine, 0, second, 24), HF_OK);
}

/* MUST-43, MUST-44: the application gives the local address, or the route chooses it. */
static void the_local_address_is_the_one_given_or_that_of_the_route(void **state) {
    (void)state;
    const hf_addr second = hf_addr4(172, 16, 5, 9), any = {{0}};
    peer p;
    begin_with_second_address(&p, &second);
    assert_int_equal(connect_to(&p, p.them, second), HF_OK);
    assert_int_equal(connect_to(&p, p.them, any), HF_OK);
    assert_int_equal(connect_to(&p, hf_addr4(172, 16, 5, 77), any), HF_OK);
    assert_int_equal(connect_to(&p, p.them, hf_addr4(172, 16, 5, 10)), HF_NO_ADDRESS);
    peer_drain(&p);
    const hf_addr expected[] = {second, p.us, second};
    for (int i = 0; i < 3; i++)
        assert_true(hf_addr_equal(&peer_expect(&p, HFI_TCP_SYN)->source, &expected[i]));
    peer_end(&p);
}

/* MUST-45: and it stays, whatever becomes of addresses and routes. */
static void a_connection_keeps_its_local_address(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_is_called(&p);
    const hf_addr nearer = hf_addr4(10, 0, 0, 5);
    assert_int_equal(hf_address_add(&p.engine, 0, &nearer, 30), HF_OK);
    peer_run(&p, HF_SECOND + 100 * HF_MS);
    peer_expect(&p, HFI_TCP_SYN);
    peer_answers_call(&p);
    peer_app_sends(&p, 21);
    hf_abort(&p.engine, p.conn);
    peer_drain(&p);
    assert_true(p.out_count >= 4);
    for (size_t i = 0; i < p.out_count; i++) assert_true(hf_addr_equal(&p.out[i].source, &p.us));
    peer_end(&p);
}

/* MUST-46 */
static void nobody_connects_to_many_or_to_nobody(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_addr any = {{0}}, group6 = {{0xff, 2, [15] = 1}};
    const hf_addr bad[] = {hf_addr4(224, 0, 0, 1),
                           hf_addr4(239, 255, 1, 2),
                           hf_addr4(255, 255, 255, 255),
                           hf_addr4(10, 0, 0, 255),
                           hf_addr4(0, 0, 0, 0),
                           group6,
                           any};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(connect_to(&p, bad[i], any), HF_BAD_DESTINATION);
    peer_drain(&p);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* MUST-57, MUST-63: neither SYN-ACK nor RST answers what many got or nobody can have sent. */
static void a_syn_from_or_to_many_is_ignored_silently(void **state) {
    (void)state;
    for (int listens = 0; listens < 2; listens++) {
        peer p;
        peer_begin(&p);
        if (listens == 1) peer_listens_with(&p, &(hf_listen_options){.port = 80});
        const hf_addr us = p.us, them = p.them;
        const hf_addr sources[] = {hf_addr4(224, 0, 0, 9), hf_addr4(255, 255, 255, 255),
                                   hf_addr4(10, 0, 0, 255), hf_addr4(0, 0, 0, 0), us};
        for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
            p.them = sources[i];
            if (hf_addr_equal(&p.them, &us)) p.their_port = p.our_port; /* LAND */
            peer_sends_syn(&p, 0);
            assert_int_equal(p.verdict.action, HF_VERDICT_DROPPED);
        }
        p.them = them, p.their_port = 4321;
        const hf_addr destinations[] = {hf_addr4(224, 0, 0, 1), hf_addr4(255, 255, 255, 255),
                                        hf_addr4(10, 0, 0, 255)};
        for (size_t i = 0; i < sizeof destinations / sizeof destinations[0]; i++) {
            p.us = destinations[i];
            peer_sends_syn(&p, 0);
            assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_TCP_GROUP);
        }
        peer_expect_nothing(&p);
        p.us = us;
        peer_sends_syn(&p, 0); /* the same from a host to a host is answered */
        assert_int_equal(p.out_count, 1);
        peer_end(&p);
    }
}

/* ---- TTL, DSCP ---- */

static void expect_all(peer *p, uint8_t ttl, uint8_t traffic_class) {
    assert_true(p->out_count > 0);
    for (size_t i = 0; i < p->out_count; i++) {
        assert_int_equal(p->out[i].ttl, ttl);
        assert_int_equal(p->out[i].traffic_class, traffic_class);
    }
    peer_forget(p);
}

/* MUST-48, MUST-49, SHLD-22: of every segment, the handshake's too, on either side. */
static void ttl_and_dscp_are_the_applications_from_the_first_segment_on(void **state) {
    (void)state;
    const hf_tcp_options options = {.ttl = 9, .traffic_class = 0x48};
    for (int ip6 = 0; ip6 < 2; ip6++)
        for (int active = 0; active < 2; active++) {
            peer p;
            const hf_config config = peer_config();
            peer_begin_with(&p, &config, ip6 == 1);
            if (active == 1) {
                peer_is_called_with(&p, &options);
                peer_answers_call(&p);
            } else {
                peer_listen_and_accept_with(&p, &options);
            }
            peer_app_sends(&p, 17);
            peer_says(&p, HFI_TCP_ACK, 3);
            hf_abort(&p.engine, p.conn);
            peer_drain(&p);
            expect_all(&p, 9, 0x48);
            peer_end(&p);
        }
}

static void a_syn_ack_and_a_cookie_have_the_listeners_ttl_and_dscp(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listens_with(&p, &(hf_listen_options){
                              .port = 80, .backlog = 1, .tcp = {.ttl = 33, .traffic_class = 0xb8}});
    peer_sends_syn(&p, 0);
    p.their_port++;
    peer_sends_syn(&p, 0);
    assert_int_equal(p.out[1].cause, HF_CAUSE_SENT_SYN_COOKIE);
    peer_run(&p, 60 * HF_SECOND);
    assert_int_equal(p.out[p.out_count - 1].cause, HF_CAUSE_SENT_RST_GAVE_UP);
    expect_all(&p, 33, 0xb8);
    peer_end(&p);
}

/* SHLD-21 */
static void dscp_can_change_while_the_connection_lives(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_forget(&p);
    peer_app_sends(&p, 17);
    expect_all(&p, 64, 0);
    p.ack += 17;
    peer_says(&p, HFI_TCP_ACK, 0);
    const hf_tcp_options options = {.traffic_class = 0x20};
    assert_int_equal(hf_conn_options_set(&p.engine, p.conn, &options), HF_OK);
    peer_app_sends(&p, 19);
    expect_all(&p, 64, 0x20);
    peer_end(&p);
}

/* ---- ICMP ---- */

/* An ICMP error from a router, quoting `seq`; `rest` are the last four bytes of its header. */
static void icmp_comes(peer *p, uint8_t type, uint8_t code, uint32_t rest, hf_seq seq) {
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
    const hf_addr router =
        ip6 ? (hf_addr){{0x20, 1, 0xd, 0xb8, [15] = 99}} : hf_addr4(10, 0, 0, 99);
    uint8_t *icmp =
        packet +
        (ip6 ? hfi_ip6_build(packet, &router, &p->us, HFI_IP_ICMP6, 61, 0, 0, bytes)
             : hfi_ip4_build(packet, &router, &p->us, HFI_IP_ICMP4, 61, 0, 7, false, bytes));
    memset(icmp, 0, 8);
    icmp[0] = type, icmp[1] = code;
    hfi_store32(icmp + 4, rest);
    memcpy(icmp + 8, quote, ip_bytes + 20);
    const uint32_t pseudo = ip6 ? hfi_ip_pseudo_sum(&router, &p->us, HFI_IP_ICMP6, bytes) : 0;
    hfi_csum_store(icmp + 2, pseudo + hfi_csum_add(0, icmp, bytes));
    peer_inject(p, packet, (uint32_t)(icmp - packet) + bytes);
    peer_drain(p);
}

typedef struct message {
    bool ip6;
    uint8_t type, code;
} message;

/* MUST-54, MUST-56, SHLD-25: it reaches TCP, ends nothing, and the application is told. */
static void soft_errors_are_told_and_end_nothing_connecting_or_connected(void **state) {
    (void)state;
    const message soft[] = {{false, 3, 0},  {false, 3, 1},  {false, 3, 5},  {false, 3, 13},
                            {false, 11, 0}, {false, 11, 1}, {false, 12, 0}, {true, 1, 0},
                            {true, 1, 3},   {true, 3, 0},   {true, 4, 1}};
    for (size_t i = 0; i < sizeof soft / sizeof soft[0]; i++)
        for (int connected = 0; connected < 2; connected++) {
            peer p;
            const hf_config config = peer_config();
            peer_begin_with(&p, &config, soft[i].ip6);
            peer_is_called(&p);
            if (connected == 1) peer_answers_call(&p), peer_app_sends(&p, 5);
            peer_event(&p, HF_OBJECT_CONN, HF_EVENT_SOFT_ERROR);
            icmp_comes(&p, soft[i].type, soft[i].code, 0, connected == 1 ? p.ack : p.ack - 1);
            assert_int_equal(p.verdict.cause, HF_CAUSE_TOOK_ICMP_SOFT);
            assert_int_equal(p.verdict.a, soft[i].type);
            assert_int_equal(p.verdict.b, soft[i].code);
            assert_true(peer_event(&p, HF_OBJECT_CONN, HF_EVENT_SOFT_ERROR));
            assert_int_equal(peer_status(&p).soft_error, HF_CAUSE_TOOK_ICMP_SOFT);
            assert_int_equal(peer_state(&p), connected == 1 ? HF_ESTABLISHED : HF_SYN_SENT);
            peer_end(&p);
        }
}

/* MUST-55: not even the pace changes. */
static void source_quench_is_ignored(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 4000);
    const uint32_t cwnd = peer_status(&p).cwnd_bytes;
    icmp_comes(&p, 4, 0, 0, p.ack);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_ICMP_UNKNOWN);
    assert_int_equal(peer_status(&p).cwnd_bytes, cwnd);
    assert_int_equal(peer_status(&p).soft_error, HF_CAUSE_NONE);
    peer_end(&p);
}

/* SHLD-6: the path takes less than the MSS that both sides named. */
static void segments_follow_what_the_path_takes(void **state) {
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        peer p;
        const hf_config config = peer_config();
        peer_begin_with(&p, &config, ip6 == 1);
        const uint32_t headers = ip6 ? 60 : 40, mtu = 1300;
        peer_listen_and_accept(&p);
        peer_app_sends(&p, 4000);
        assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.payload_bytes, 1500 - headers);
        peer_forget(&p);
        icmp_comes(&p, ip6 ? 2 : 3, ip6 ? 0 : 4, mtu, p.ack);
        assert_int_equal(p.verdict.cause, HF_CAUSE_TOOK_ICMP_TOO_BIG);
        peer_run(&p, 5 * HF_SECOND);
        assert_int_equal(p.out[0].tcp.payload_bytes, mtu - headers);
        for (size_t i = 0; i < p.out_count; i++) assert_true(p.out[i].packet_bytes <= mtu);
        peer_end(&p);
    }
}

/* ---- Initial sequence numbers ---- */

static hf_seq isn_of(peer *p, uint16_t their_port) {
    p->their_port = their_port;
    peer_forget(p);
    peer_sends_syn(p, 0);
    const hf_seq isn = peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq;
    peer_sends(p, HFI_TCP_RST, p->iss + 1, 0, 0); /* the place is free again */
    peer_forget(p);
    return isn;
}

/* MUST-8: a clock of 4 microseconds, for each pair of its own. */
static void one_pairs_numbers_follow_a_clock_of_4_microseconds(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    const hf_seq first = isn_of(&p, 3001);
    peer_run(&p, 7 * HF_SECOND);
    assert_int_equal(isn_of(&p, 3001) - first, 7 * 250000);
    peer_end(&p);
}

/* SHLD-1, MUST-9: what one pair shows says nothing of another's numbers. The distances between those of
 * neighbouring ports are spread over the whole space, and differ from engine to engine. */
static void what_one_pair_shows_says_nothing_of_another(void **state) {
    (void)state;
    enum { PAIRS = 4096 };
    static hf_seq isn[2][PAIRS];
    for (int engine = 0; engine < 2; engine++) {
        peer p;
        peer_begin(&p);
        if (engine == 1) { /* another seed */
            p.config.seed[31] ^= 1;
            assert_int_equal(hf_engine_init(&p.engine, &p.config, p.block, p.memory.block_bytes,
                                            p.data, p.memory.data_bytes, p.now_ns),
                             HF_OK);
            const hf_interface_options link = {.link = HF_LINK_IP, .mtu = 1500, .auto_done = true};
            uint32_t interface;
            assert_int_equal(hf_interface_add(&p.engine, &link, &interface), HF_OK);
            assert_int_equal(hf_address_add(&p.engine, interface, &p.us, 24), HF_OK);
        }
        peer_listens_with(&p, &(hf_listen_options){.port = 80});
        for (uint32_t i = 0; i < PAIRS; i++) isn[engine][i] = isn_of(&p, (uint16_t)(1024 + i));
        peer_end(&p);
    }
    uint32_t octants[2][8] = {{0}}, alike = 0;
    for (int engine = 0; engine < 2; engine++)
        for (uint32_t i = 1; i < PAIRS; i++)
            octants[engine][(isn[engine][i] - isn[engine][i - 1]) >> 29]++;
    for (int engine = 0; engine < 2; engine++)
        for (int k = 0; k < 8; k++) /* 512 and 5 standard deviations */
            assert_in_range(octants[engine][k], 512 - 106, 512 + 106);
    for (uint32_t i = 0; i < PAIRS; i++) alike += isn[0][i] == isn[1][i];
    assert_true(alike <= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_local_address_is_the_one_given_or_that_of_the_route),
        cmocka_unit_test(a_connection_keeps_its_local_address),
        cmocka_unit_test(nobody_connects_to_many_or_to_nobody),
        cmocka_unit_test(a_syn_from_or_to_many_is_ignored_silently),
        cmocka_unit_test(ttl_and_dscp_are_the_applications_from_the_first_segment_on),
        cmocka_unit_test(a_syn_ack_and_a_cookie_have_the_listeners_ttl_and_dscp),
        cmocka_unit_test(dscp_can_change_while_the_connection_lives),
        cmocka_unit_test(soft_errors_are_told_and_end_nothing_connecting_or_connected),
        cmocka_unit_test(source_quench_is_ignored),
        cmocka_unit_test(segments_follow_what_the_path_takes),
        cmocka_unit_test(one_pairs_numbers_follow_a_clock_of_4_microseconds),
        cmocka_unit_test(what_one_pair_shows_says_nothing_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
