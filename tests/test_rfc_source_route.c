/* IPv4 source routes: RFC 9293 3.9.2.1 MUST-51 to MUST-53, SHLD-24, MUST-50; RFC 1122 3.2.1.8. Behind a
 * quirk that only profile `rfc` sets. */
#include "peer.h"

static const uint8_t gateways[9][4] = {{172, 16, 0, 1}, {172, 16, 0, 2}, {172, 16, 0, 3},
                                       {172, 16, 0, 4}, {172, 16, 0, 5}, {172, 16, 0, 6},
                                       {172, 16, 0, 7}, {172, 16, 0, 8}, {172, 16, 0, 9}};

static void begin_routed(peer *p, bool on) {
    hf_config config = peer_config();
    const hf_addr all = hf_addr4(0, 0, 0, 0), gateway = hf_addr4(10, 0, 0, 254);
    config.quirks = on ? HF_QUIRK_SOURCE_ROUTES : 0;
    peer_begin_with(p, &config, false);
    assert_int_equal(hf_route_add(&p->engine, &all, 0, &gateway, 0), HF_OK);
}

/* A recorded route, as it arrives: an IPv4 option with its padding. */
typedef struct recorded {
    uint8_t bytes[40];
    uint32_t count;
} recorded;

static recorded route_of(uint8_t type, const uint8_t (*hops)[4], uint32_t count) {
    recorded r = {.count = 4 * count + 4};
    r.bytes[0] = 1; /* NOP, so that a parser must walk */
    r.bytes[1] = type;
    r.bytes[2] = (uint8_t)(3 + 4 * count);
    r.bytes[3] = (uint8_t)(4 + 4 * count); /* it has come to its end */
    memcpy(r.bytes + 4, hops, 4 * count);
    return r;
}

/* A segment of the peer's, with IP options. */
static void sends_with(peer *p, const recorded *option, hfi_tcp_view view) {
    uint8_t plain[200], packet[300];
    view.source_port = p->their_port;
    view.destination_port = p->our_port;
    view.window = p->window;
    const uint32_t bytes = peer_build(p, &view, plain);
    memcpy(packet, plain, HFI_IP4_BYTES);
    memcpy(packet + HFI_IP4_BYTES, option->bytes, option->count);
    memcpy(packet + HFI_IP4_BYTES + option->count, plain + HFI_IP4_BYTES, bytes - HFI_IP4_BYTES);
    packet[0] = (uint8_t)(0x40 | (HFI_IP4_BYTES + option->count) / 4);
    hfi_store16(packet + 2, (uint16_t)(bytes + option->count));
    hfi_store16(packet + 10, 0);
    hfi_csum_store(packet + 10, hfi_csum_add(0, packet, HFI_IP4_BYTES + option->count));
    peer_inject(p, packet, bytes + option->count);
    peer_drain(p);
}

static void syn_with(peer *p, const recorded *option) {
    sends_with(p, option,
               (hfi_tcp_view){.flags = HFI_TCP_SYN, .seq = p->iss, .options = p->syn_options});
    p->seq = p->iss + 1;
}

static void ack_with(peer *p, const recorded *option, uint32_t bytes) {
    sends_with(
        p, option,
        (hfi_tcp_view){.flags = HFI_TCP_ACK, .seq = p->seq, .ack = p->ack, .payload_bytes = bytes});
    p->seq += bytes;
}

/* The frame goes by these gateways to the peer. */
static void expect_way(const peer *p, const peer_segment *out, uint8_t type,
                       const uint8_t (*hops)[4], uint32_t count) {
    const hf_addr first = hfi_load_addr4(hops[0]);
    assert_true(hf_addr_equal(&out->destination, &first));
    assert_int_equal(out->ip_option_bytes, 4 * count + 4);
    assert_int_equal(out->ip_options[0], type);
    assert_int_equal(out->ip_options[1], 4 * count + 3);
    assert_int_equal(out->ip_options[2], 4);
    for (uint32_t i = 1; i < count; i++)
        assert_memory_equal(out->ip_options + 3 + 4 * (i - 1), hops[i], 4);
    assert_memory_equal(out->ip_options + 3 + 4 * (count - 1), p->them.bytes + 12, 4);
    assert_int_equal(out->ip_options[3 + 4 * count], 0);
}

static void expect_straight(const peer *p, const peer_segment *out) {
    assert_true(hf_addr_equal(&out->destination, &p->them));
    assert_int_equal(out->ip_option_bytes, 0);
}

static void accepts(peer *p, const recorded *option) {
    peer_listens_with(p, &(hf_listen_options){.port = 80});
    syn_with(p, option);
    p->ack = peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq + 1;
    ack_with(p, option, 0);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
}

/* ---- The peer's route ---- */

/* MUST-50: unknown to us, the option has no effect. */
static void without_the_option_a_source_route_has_no_effect(void **state) {
    (void)state;
    peer p;
    begin_routed(&p, false);
    const recorded route = route_of(131, gateways, 3);
    accepts(&p, &route);
    peer_app_sends(&p, 5);
    for (size_t i = 0; i < p.out_count; i++) expect_straight(&p, &p.out[i]);
    peer_end(&p);
}

/* MUST-53: all segments, the SYN-ACK and its repetition too, go back the same way. */
static void a_listeners_connection_goes_back_by_the_way_the_syn_came(void **state) {
    (void)state;
    const uint8_t types[] = {131, 137};
    for (int t = 0; t < 2; t++)
        for (uint32_t count = 1; count <= HF_ROUTE_HOPS; count++) {
            peer p;
            uint8_t back[HF_ROUTE_HOPS][4];
            for (uint32_t i = 0; i < count; i++) memcpy(back[i], gateways[count - 1 - i], 4);
            begin_routed(&p, true);
            const recorded route = route_of(types[t], gateways, count);
            peer_listens_with(&p, &(hf_listen_options){.port = 80});
            syn_with(&p, &route);
            peer_run(&p, HF_SECOND + 50 * HF_MS); /* twice */
            p.ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq + 1;
            peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
            ack_with(&p, &route, 0);
            assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
            peer_app_sends(&p, 4000);
            ack_with(&p, &route, 3);
            hf_abort(&p.engine, p.conn);
            peer_drain(&p);
            assert_true(p.out_count >= 5);
            uint32_t largest = 0;
            for (size_t i = 0; i < p.out_count; i++) {
                expect_way(&p, &p.out[i], types[t], back, count);
                largest = hfi_max32(largest, p.out[i].packet_bytes);
            }
            assert_int_equal(largest, 1500); /* MUST-16: the option counts */
            peer_end(&p);
        }
}

static void what_the_program_reads_of_its_options_has_the_route(void **state) {
    (void)state;
    peer p;
    begin_routed(&p, true);
    const recorded route = route_of(137, gateways, 2);
    accepts(&p, &route);
    hf_tcp_options options;
    assert_int_equal(hf_conn_options_get(&p.engine, p.conn, &options), HF_OK);
    assert_int_equal(options.source_route.count, 2);
    assert_true(options.source_route.strict);
    assert_memory_equal(options.source_route.hops[0], gateways[1], 4);
    options = (hf_tcp_options){.no_delay = true}; /* other options do not lose it */
    assert_int_equal(hf_conn_options_set(&p.engine, p.conn, &options), HF_OK);
    peer_app_sends(&p, 5);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->ip_option_bytes, 12);
    peer_end(&p);
}

/* RFC 1122 3.2.1.8 e, case B: a sender may have recorded itself. */
static void the_senders_own_address_is_no_gateway(void **state) {
    (void)state;
    peer p;
    begin_routed(&p, true);
    const uint8_t hops[3][4] = {{10, 0, 0, 2}, {172, 16, 0, 1}, {172, 16, 0, 2}};
    const recorded route = route_of(131, hops, 3);
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    syn_with(&p, &route);
    const uint8_t back[2][4] = {{172, 16, 0, 2}, {172, 16, 0, 1}};
    expect_way(&p, peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK), 131, back, 2);
    peer_end(&p);
}

/* SHLD-24; and only an acceptable segment changes the way. */
static void a_later_route_takes_the_place_of_the_first(void **state) {
    (void)state;
    peer p;
    begin_routed(&p, true);
    const recorded first = route_of(131, gateways, 2), second = route_of(131, gateways + 4, 1),
                   forged = route_of(131, gateways + 7, 2);
    accepts(&p, &first);
    const uint32_t mss = peer_status(&p).mss;
    ack_with(&p, &second, 4);
    peer_forget(&p);
    p.ack += 50, ack_with(&p, &forged, 0), p.ack -= 50; /* acknowledges what was never sent */
    p.seq -= 300, ack_with(&p, &forged, 0), p.seq += 300;
    peer_forget(&p);
    peer_app_sends(&p, 6);
    expect_way(&p, peer_expect(&p, HFI_TCP_ACK), 131, gateways + 4, 1);
    assert_int_equal(peer_status(&p).mss, mss + 4);
    p.ack += 6;
    peer_says(&p, HFI_TCP_ACK, 0); /* one that came straight says nothing of the way */
    peer_forget(&p);
    peer_app_sends(&p, 6);
    expect_way(&p, peer_expect(&p, HFI_TCP_ACK), 131, gateways + 4, 1);
    assert_int_equal(peer_count(&p, HF_CAUSE_SOURCE_ROUTE_RECORDED), 1);
    peer_end(&p);
}

static void a_cookie_and_its_connection_go_back_the_same_way(void **state) {
    (void)state;
    peer p;
    begin_routed(&p, true);
    const recorded route = route_of(131, gateways, 1);
    peer_listens_with(&p, &(hf_listen_options){.port = 80, .backlog = 4});
    for (int i = 0; i < 3; i++) peer_sends_syn(&p, 0), p.their_port++;
    peer_forget(&p);
    syn_with(&p, &route);
    const peer_segment *cookie = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    assert_int_equal(cookie->cause, HF_CAUSE_SENT_SYN_COOKIE);
    expect_way(&p, cookie, 131, gateways, 1);
    p.ack = cookie->tcp.seq + 1;
    ack_with(&p, &route, 0);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    peer_app_sends(&p, 5);
    expect_way(&p, peer_expect(&p, HFI_TCP_ACK), 131, gateways, 1);
    peer_end(&p);
}

/* What answers without a connection goes back by the segment's own route: RST, TIME_WAIT's ACK. */
static void answers_without_a_connection_go_back_too(void **state) {
    (void)state;
    peer p;
    begin_routed(&p, true);
    const recorded route = route_of(131, gateways, 1);
    syn_with(&p, &route); /* nobody listens */
    expect_way(&p, peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK), 131, gateways, 1);
    accepts(&p, &route);
    assert_int_equal(hf_shutdown(&p.engine, p.conn), HF_OK);
    peer_drain(&p);
    p.ack++;
    sends_with(&p, &route,
               (hfi_tcp_view){.flags = HFI_TCP_FIN | HFI_TCP_ACK, .seq = p.seq, .ack = p.ack});
    ack_with(&p, &route, 1); /* to TIME_WAIT */
    for (size_t i = 0; i < p.out_count; i++) expect_way(&p, &p.out[i], 131, gateways, 1);
    assert_int_equal(p.out[p.out_count - 1].cause, HF_CAUSE_SENT_TIME_WAIT_ACK);
    peer_end(&p);
}

static void a_route_that_does_not_end_here_or_cannot_be_one_is_dropped(void **state) {
    (void)state;
    const uint8_t impossible[4][4] = {
        {224, 0, 0, 1}, {127, 0, 0, 1}, {0, 1, 2, 3}, {255, 255, 255, 255}};
    for (int i = 0; i < 7; i++) {
        peer p;
        begin_routed(&p, true);
        peer_listens_with(&p, &(hf_listen_options){.port = 80});
        recorded route = route_of(131, i < 4 ? impossible + i : gateways, i < 4 ? 1 : 3);
        if (i == 4) route.bytes[3] = 12; /* one gateway has still to be reached */
        if (i == 5) route.bytes[3] = 0;
        if (i == 6) route.bytes[2] = 14; /* no whole number of gateways */
        syn_with(&p, &route);
        assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_SOURCE_ROUTE);
        peer_expect_nothing(&p);
        peer_end(&p);
    }
}

static void options_that_are_no_route_or_one_that_is_too_long_are_stepped_over(void **state) {
    (void)state;
    const recorded others[] = {{{7, 7, 4, 0, 0, 0, 0, 0}, 8}, /* record route */
                               {{131, 3, 4, 0}, 4},           /* no gateway at all */
                               {{0, 131, 7, 8}, 4},           /* behind the end of options */
                               {{68, 200, 5, 0}, 4},          /* longer than the header */
                               {{131, 1, 4, 0}, 4},           /* shorter than itself */
                               {{1, 1, 1, 131}, 4},           route_of(131, gateways, 8)};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        peer p;
        begin_routed(&p, true);
        peer_listens_with(&p, &(hf_listen_options){.port = 80});
        syn_with(&p, &others[i]);
        expect_straight(&p, peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK));
        peer_end(&p);
    }
}

/* Each route takes an option set: strangers get half of them, and give them back. */
static void strangers_routes_leave_half_of_the_option_sets(void **state) {
    (void)state;
    peer p;
    begin_routed(&p, true);
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    for (uint8_t i = 0; i < 90; i++) {
        const uint8_t own[1][4] = {{172, 16, 1, i}};
        const recorded route = route_of(131, own, 1);
        p.their_port = (uint16_t)(2000 + i);
        syn_with(&p, &route);
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < p.config.option_sets; i++)
        used += peer_ctx(&p)->option_sets[i].uses > 0;
    assert_int_equal(used, p.config.option_sets / 2);
    peer_run(&p, 200 * HF_SECOND);
    used = 0;
    for (uint32_t i = 0; i < p.config.option_sets; i++) used += peer_ctx(&p)->option_sets[i].uses;
    assert_int_equal(used, 1); /* the listener's */
    peer_end(&p);
}

/* ---- Our own route ---- */

static hf_connect_options call_by(const peer *p, uint8_t count) {
    hf_connect_options connect = {.remote = p->them, .remote_port = 9000};
    connect.tcp.source_route.count = count;
    memcpy(connect.tcp.source_route.hops, gateways, sizeof connect.tcp.source_route.hops);
    return connect;
}

/* MUST-51, MUST-52 */
static void a_connect_takes_the_route_it_is_given_whatever_the_peers_is(void **state) {
    (void)state;
    peer p;
    begin_routed(&p, true);
    const hf_connect_options connect = call_by(&p, 3);
    assert_int_equal(hf_connect(&p.engine, &connect, &p.conn), HF_OK);
    peer_drain(&p);
    p.their_port = 9000;
    p.our_port = p.out[0].tcp.source_port;
    p.ack = p.out[0].tcp.seq + 1;
    assert_int_equal(p.out[0].tcp.options.mss, 1460); /* what we can take is not less */
    const recorded other = route_of(131, gateways + 5, 2);
    sends_with(&p, &other,
               (hfi_tcp_view){.flags = HFI_TCP_SYN | HFI_TCP_ACK,
                              .seq = p.iss,
                              .ack = p.ack,
                              .options = p.syn_options});
    p.seq = p.iss + 1;
    peer_app_sends(&p, 3000);
    ack_with(&p, &other, 2);
    for (size_t i = 0; i < p.out_count; i++) expect_way(&p, &p.out[i], 131, gateways, 3);
    assert_int_equal(peer_status(&p).mss, 1460 - 16);
    const hfi_path *path = &peer_ctx(&p)->paths.paths[peer_block(&p)->path];
    const hf_addr first = hfi_load_addr4(gateways[0]);
    assert_true(hf_addr_equal(&path->addr, &first)); /* the next hop is looked for by that */
    peer_end(&p);
}

static void a_route_is_refused_where_it_cannot_be_obeyed(void **state) {
    (void)state;
    peer p;
    begin_routed(&p, true);
    hf_connect_options connect = call_by(&p, HF_ROUTE_HOPS + 1);
    assert_int_equal(hf_connect(&p.engine, &connect, &p.conn), HF_ARGUMENT);
    connect = call_by(&p, 2);
    connect.remote = (hf_addr){{0x20, 1, 0xd, 0xb8, [15] = 2}};
    assert_int_equal(hf_connect(&p.engine, &connect, &p.conn), HF_ARGUMENT);
    const hf_listen_options listen = {.port = 80, .tcp = {.source_route = {.count = 1}}};
    assert_int_equal(hf_listen(&p.engine, &listen, &p.listener), HF_ARGUMENT);
    peer_end(&p);
    begin_routed(&p, false); /* off */
    connect = call_by(&p, 2);
    assert_int_equal(hf_connect(&p.engine, &connect, &p.conn), HF_ARGUMENT);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_option_a_source_route_has_no_effect),
        cmocka_unit_test(a_listeners_connection_goes_back_by_the_way_the_syn_came),
        cmocka_unit_test(what_the_program_reads_of_its_options_has_the_route),
        cmocka_unit_test(the_senders_own_address_is_no_gateway),
        cmocka_unit_test(a_later_route_takes_the_place_of_the_first),
        cmocka_unit_test(a_cookie_and_its_connection_go_back_the_same_way),
        cmocka_unit_test(answers_without_a_connection_go_back_too),
        cmocka_unit_test(a_route_that_does_not_end_here_or_cannot_be_one_is_dropped),
        cmocka_unit_test(options_that_are_no_route_or_one_that_is_too_long_are_stepped_over),
        cmocka_unit_test(strangers_routes_leave_half_of_the_option_sets),
        cmocka_unit_test(a_connect_takes_the_route_it_is_given_whatever_the_peers_is),
        cmocka_unit_test(a_route_is_refused_where_it_cannot_be_obeyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
