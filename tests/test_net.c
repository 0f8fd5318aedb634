/* Links through the public calls: engines on Ethernet, alone, and with routers. */
#include "net_rig.h"
#include "wire/eth.h"
#include "wire/ip.h"

static int setup(void **state) {
    net *n = malloc(sizeof *n);
    net_init(n, HF_LINK_ETHERNET, 3);
    *state = n;
    return 0;
}

static int teardown(void **state) {
    net_end(*state);
    free(*state);
    return 0;
}

/* ---- TCP over Ethernet. ---- */

static void exchange(net *n, hf_addr to) {
    const hf_listener listener = net_listen(n, 1);
    const hf_conn client = net_connect(n, 0, to, NULL);
    net_run(n, 20 * HF_MS);
    hf_conn server;
    assert_int_equal(hf_accept(&n->engine[1], listener, &server), HF_OK);
    size_t taken = 0, got = 0;
    assert_int_equal(hf_send(&n->engine[0], client, "all hands", 9, &taken), HF_OK);
    net_run(n, 20 * HF_MS);
    char text[20];
    assert_int_equal(hf_receive(&n->engine[1], server, text, sizeof text, &got), HF_OK);
    assert_int_equal(got, 9);
    assert_memory_equal(text, "all hands", 9);
    hf_close(&n->engine[0], client, NULL);
    hf_close(&n->engine[1], server, NULL);
    net_run(n, 20 * HF_MS);
    hf_end end;
    assert_int_equal(hf_conn_end(&n->engine[1], server, &end), HF_OK);
    assert_int_equal(end.cause, HF_CAUSE_END_CLOSED);
}

static void a_connection_over_ethernet_asks_once_and_then_flows(void **state) {
    net *n = *state;
    exchange(n, net_addr4(1));
    assert_int_equal(n->arps[0], 1);
    assert_int_equal(n->arps[1], 1); /* the answer; the server learns from the question */
    assert_int_equal(n->arps[2], 0);
    assert_int_equal(net_count(n, 0, HF_CAUSE_DROP_NEIGHBOR_UNKNOWN), 0);
}

static void ipv6_over_ethernet_waits_for_duplicate_detection_and_then_flows(void **state) {
    net *n = *state;
    hf_conn conn;
    const hf_connect_options early = {.remote = net_addr6(1), .remote_port = 80};
    assert_int_equal(hf_connect(&n->engine[0], &early, &conn), HF_NO_ADDRESS);
    net_run(n, 3 * HF_SECOND);
    exchange(n, net_addr6(1));
    assert_int_equal(net_count(n, 0, HF_CAUSE_SENT_ADDRESS_CHECK), 1);
    assert_int_equal(net_count(n, 0, HF_CAUSE_SENT_NEIGHBOR_REQUEST), 1);
}

static void two_hosts_with_one_ipv6_address_find_out(void **state) {
    net *n = *state;
    const hf_addr same = net_addr6(7);
    hf_address_add(&n->engine[0], 0, &same, 64);
    hf_address_add(&n->engine[1], 0, &same, 64);
    net_run(n, 3 * HF_SECOND);
    const uint64_t found =
        net_count(n, 0, HF_CAUSE_ADDRESS_DUPLICATE) + net_count(n, 1, HF_CAUSE_ADDRESS_DUPLICATE);
    assert_in_range(found, 1, 2);
}

static void a_host_that_is_not_there_ends_the_attempt_in_three_seconds(void **state) {
    net *n = *state;
    const hf_conn conn = net_connect(n, 0, hf_addr4(192, 0, 2, 99), NULL);
    net_run(n, 2999 * HF_MS);
    assert_int_equal(net_state(n, 0, conn), HF_SYN_SENT);
    assert_int_equal(n->arps[0], 3);
    net_run(n, 2 * HF_MS);
    hf_end end;
    assert_int_equal(hf_conn_end(&n->engine[0], conn, &end), HF_OK);
    assert_int_equal(end.cause, HF_CAUSE_END_NEIGHBOR_SILENT);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_NEIGHBOR);
    assert_int_equal(net_count(n, 0, HF_CAUSE_NEIGHBOR_FAILED), 1);
    assert_int_equal(net_count(n, 0, HF_CAUSE_SENT_SYN), 0); /* it never left */
}

static bool drop_first_arp(net *n, int from, const net_frame *f) {
    return from == 0 && n->arps[0] == 1 && f->data[12] == 8 && f->data[13] == 6;
}

static void many_connections_wait_for_one_answer(void **state) {
    net *n = *state;
    n->drop = drop_first_arp;
    net_listen(n, 1);
    hf_conn conns[10];
    for (int i = 0; i < 10; i++) conns[i] = net_connect(n, 0, net_addr4(1), NULL);
    net_run(n, 900 * HF_MS);
    for (int i = 0; i < 10; i++) assert_int_equal(net_state(n, 0, conns[i]), HF_SYN_SENT);
    net_run(n, 200 * HF_MS);
    for (int i = 0; i < 10; i++) assert_int_equal(net_state(n, 0, conns[i]), HF_ESTABLISHED);
    assert_int_equal(n->arps[0], 2);
}

static void a_waiting_connection_can_be_aborted_and_released(void **state) {
    net *n = *state;
    for (int round = 0; round < 100; round++) {
        const hf_conn conn = net_connect(n, 0, hf_addr4(192, 0, 2, 99), NULL);
        net_run(n, 10 * HF_MS);
        assert_int_equal(hf_abort(&n->engine[0], conn), HF_OK);
        assert_int_equal(hf_release(&n->engine[0], conn), HF_OK);
        net_run(n, 100 * HF_MS);
        net_events(n, 0, HF_OBJECT_CONN, conn.index);
    }
    net_run(n, 10 * HF_SECOND);
    assert_int_equal(hf_engine_next_at(&n->engine[0]), HF_NEVER);
    for (int i = 0; i < 32; i++) net_connect(n, 0, net_addr4(1), NULL); /* every slot is free */
}

/* K01 and K02 where the next hop itself is what is cut off: neither a silent neighbour nor a lost
 * question may hide that the peer is silent. */
static void check_bound(net *n, bool with_data) {
    const hf_tcp_options bound = {.detect_within_ns = 10 * HF_SECOND};
    const hf_listener listener = net_listen(n, 1);
    const hf_conn client = net_connect(n, 0, net_addr4(1), &bound);
    net_run(n, 20 * HF_MS);
    hf_conn server;
    assert_int_equal(hf_accept(&n->engine[1], listener, &server), HF_OK);
    net_run(n, HF_SECOND);
    size_t taken;
    n->cut[1] = true;
    const hf_ns cut_at_ns = n->now_ns;
    if (with_data) hf_send(&n->engine[0], client, "hello", 5, &taken);
    while (hf_conn_end(&n->engine[0], client, &(hf_end){0}) == HF_AGAIN) {
        net_run(n, 100 * HF_MS);
        assert_true(n->now_ns < cut_at_ns + 11 * HF_SECOND);
    }
    hf_end end;
    hf_conn_end(&n->engine[0], client, &end);
    assert_int_equal(end.cause, HF_CAUSE_END_PEER_SILENT);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_DETECT_WITHIN);
}

static void a_bound_holds_when_an_idle_peer_is_cut_from_the_link(void **state) {
    check_bound(*state, false);
}
static void a_bound_holds_when_the_peer_is_cut_with_data_in_flight(void **state) {
    check_bound(*state, true);
}

static void a_connection_survives_a_neighbour_that_comes_back(void **state) {
    net *n = *state;
    const hf_listener listener = net_listen(n, 1);
    const hf_conn client = net_connect(n, 0, net_addr4(1), NULL);
    net_run(n, HF_SECOND);
    hf_conn server;
    hf_accept(&n->engine[1], listener, &server);
    n->cut[1] = true;
    size_t taken, got;
    hf_send(&n->engine[0], client, "still here", 10, &taken);
    net_run(n, 60 * HF_SECOND);
    assert_true(net_count(n, 0, HF_CAUSE_NEIGHBOR_FAILED) > 0);
    n->cut[1] = false;
    net_run(n, 60 * HF_SECOND);
    char text[20];
    assert_int_equal(hf_receive(&n->engine[1], server, text, sizeof text, &got), HF_OK);
    assert_int_equal(got, 10);
}

/* RFC 9293 MUST-20: at R1 the network layer is advised that the way may be dead, and asks anew for a
 * neighbour that it took for reachable. */
static bool lose_ip(net *n, int from, const net_frame *f) {
    (void)n, (void)from;
    return f->data[12] == 8 && f->data[13] == 0;
}

static void repeated_time_outs_make_the_next_hop_doubtful(void **state) {
    net *n = *state;
    const hf_listener listener = net_listen(n, 1);
    const hf_conn client = net_connect(n, 0, net_addr4(1), NULL);
    net_run(n, 20 * HF_MS);
    hf_conn server;
    hf_accept(&n->engine[1], listener, &server);
    const uint32_t before = n->arps[0];
    n->drop = lose_ip;
    size_t taken;
    hf_send(&n->engine[0], client, "x", 1, &taken);
    net_run(n, 600 * HF_MS); /* one time-out, or two */
    assert_int_equal(n->arps[0], before);
    net_run(n, 10 * HF_SECOND);
    assert_true(net_count(n, 0, HF_CAUSE_UNHEARD_WARNING) > 0);
    assert_true(n->arps[0] > before);
    assert_int_equal(net_state(n, 0, client), HF_ESTABLISHED);
    n->drop = NULL;
}

static void talking_peers_need_no_more_questions(void **state) {
    net *n = *state;
    const hf_listener listener = net_listen(n, 1);
    const hf_conn client = net_connect(n, 0, net_addr4(1), NULL);
    net_run(n, 20 * HF_MS);
    hf_conn server;
    hf_accept(&n->engine[1], listener, &server);
    const uint32_t before = n->arps[0];
    for (int i = 0; i < 300; i++) {
        size_t taken, got;
        char byte;
        hf_send(&n->engine[0], client, "x", 1, &taken);
        net_run(n, HF_SECOND);
        hf_receive(&n->engine[1], server, &byte, 1, &got);
    }
    assert_int_equal(n->arps[0], before);
}

/* ---- Frames that are not for us, or lie. ---- */

static uint32_t syn_frame(uint8_t *to, const hfi_mac *dst, const hfi_mac *src, hf_addr from,
                          hf_addr for_whom) {
    hfi_eth_build(to, dst, src, HFI_ETH_IP4);
    uint8_t *tcp =
        to + 14 + hfi_ip4_build(to + 14, &from, &for_whom, HFI_IP_TCP, 64, 0, 0, true, 20);
    memset(tcp, 0, 20);
    tcp[0] = 4, tcp[3] = 80, tcp[12] = 0x50, tcp[13] = 2, tcp[14] = 255;
    const uint32_t sum = hfi_ip_pseudo_sum(&from, &for_whom, HFI_IP_TCP, 20);
    hfi_csum_store(tcp + 16, hfi_csum_add(sum, tcp, 20));
    return 54;
}

static const hfi_mac host1 = {{2, 0, 0, 0, 0, 0x11}}, stranger = {{2, 0, 0, 0, 0x55, 5}};

static void an_answer_without_connection_goes_back_where_the_frame_came_from(void **state) {
    net *n = *state;
    uint8_t frame[64];
    const uint32_t bytes =
        syn_frame(frame, &host1, &stranger, hf_addr4(192, 0, 2, 200), net_addr4(1));
    assert_int_equal(net_inject(n, 1, frame, bytes).action, HF_VERDICT_ANSWERED);
    net_drain(n, 1);
    const net_frame *answer = &n->frames[n->head];
    assert_int_equal(answer->cause, HF_CAUSE_SENT_RST_NO_CONNECTION);
    assert_memory_equal(answer->data, &stranger, 6);
    assert_int_equal(n->arps[1], 0);
}

static void a_flood_of_forged_syns_asks_for_no_neighbour(void **state) {
    net *n = *state;
    net_listen(n, 1);
    uint8_t frame[64];
    for (uint32_t i = 0; i < 2000; i++) {
        const hf_addr from = hf_addr4(192, 0, 2, (uint8_t)(10 + i % 200));
        const uint32_t bytes = syn_frame(frame, &host1, &stranger, from, net_addr4(1));
        net_inject(n, 1, frame, bytes);
        net_drain(n, 1);
        n->count = 0;
    }
    assert_int_equal(n->arps[1], 0);
    /* SYN-ACKs again: half of the table, four entries, may ask for hosts on the link. */
    net_run(n, 20 * HF_SECOND);
    assert_in_range(n->arps[1], 0, 4 * 20);
}

static void frames_for_others_and_to_many_reach_no_connection(void **state) {
    net *n = *state;
    net_listen(n, 1);
    uint8_t frame[64];
    const hfi_mac other = {{2, 0, 0, 0, 0, 0x77}}, everybody = hfi_mac_broadcast();
    const hf_addr from = net_addr4(0), to = net_addr4(1);
    net_inject(n, 1, frame, syn_frame(frame, &other, &stranger, from, to));
    assert_int_equal(n->last_verdict[1], HF_CAUSE_DROP_ETHERNET_OTHER);
    net_inject(n, 1, frame, syn_frame(frame, &everybody, &stranger, from, to));
    assert_int_equal(n->last_verdict[1], HF_CAUSE_DROP_ETHERNET_OTHER);
    net_inject(n, 1, frame, syn_frame(frame, &host1, &everybody, from, to));
    assert_int_equal(n->last_verdict[1], HF_CAUSE_DROP_ETHERNET_OTHER);
    net_inject(n, 1, frame, syn_frame(frame, &host1, &host1, from, to));
    assert_int_equal(n->last_verdict[1], HF_CAUSE_DROP_ETHERNET_OTHER);
    net_inject(n, 1, frame, syn_frame(frame, &host1, &stranger, hf_addr4(127, 0, 0, 1), to));
    assert_int_equal(n->last_verdict[1], HF_CAUSE_DROP_IP_SOURCE);
    net_inject(n, 1, frame, syn_frame(frame, &host1, &stranger, from, hf_addr4(127, 0, 0, 1)));
    assert_int_equal(n->last_verdict[1], HF_CAUSE_DROP_NOT_OURS);
    net_inject(n, 1, frame,
               syn_frame(frame, &everybody, &stranger, from, hf_addr4(192, 0, 2, 255)));
    assert_int_equal(n->last_verdict[1], HF_CAUSE_DROP_TCP_GROUP);
    for (uint32_t bytes = 0; bytes < 54; bytes++) {
        syn_frame(frame, &host1, &stranger, from, to);
        assert_int_equal(net_inject(n, 1, frame, bytes).action, HF_VERDICT_DROPPED);
    }
    net_inject(n, 1, frame, syn_frame(frame, &host1, &stranger, from, to));
    assert_int_equal(n->last_verdict[1], HF_CAUSE_TOOK_SYN);
}

/* ---- Alone. ---- */

static void an_engine_talks_to_itself_over_loopback(void **state) {
    net *n = *state;
    hf_engine *e = &n->engine[0];
    const hf_interface_options loopback = {.link = HF_LINK_LOOPBACK, .mtu = 65535};
    uint32_t interface;
    assert_int_equal(hf_interface_add(e, &loopback, &interface), HF_OK);
    const hf_addr self = hf_addr4(127, 0, 0, 1);
    assert_int_equal(hf_address_add(e, interface, &self, 8), HF_OK);
    const uint32_t sent = n->sent[0];
    const hf_listener listener = net_listen(n, 0);
    const hf_addr targets[] = {self, net_addr4(0)}; /* and our address on the wire */
    for (int i = 0; i < 2; i++) {
        const hf_conn client = net_connect(n, 0, targets[i], NULL);
        net_run(n, 10 * HF_MS);
        hf_conn server;
        assert_int_equal(hf_accept(e, listener, &server), HF_OK);
        static uint8_t data[100000], got[100000];
        for (size_t k = 0; k < sizeof data; k++) data[k] = (uint8_t)(k * 7 + k / 256);
        size_t taken = 0, done = 0;
        for (size_t at = 0; done < sizeof data;) {
            if (at < sizeof data &&
                hf_send(e, client, data + at, sizeof data - at, &taken) == HF_OK)
                at += taken;
            net_run(n, HF_MS);
            size_t count = 0;
            hf_receive(e, server, got + done, sizeof got - done, &count);
            done += count;
        }
        assert_memory_equal(got, data, sizeof data);
        hf_close(e, client, NULL);
        hf_close(e, server, NULL);
        net_run(n, 10 * HF_MS);
    }
    const hf_udp a = net_udp_open(n, 0, 100), b = net_udp_open(n, 0, 101);
    size_t bytes;
    hf_udp_from from;
    char text[8];
    assert_int_equal(hf_udp_send(e, a, &self, 101, "self", 4), HF_OK);
    net_run(n, HF_MS);
    assert_int_equal(hf_udp_receive(e, b, text, sizeof text, &bytes, &from), HF_OK);
    assert_int_equal(from.port, 100);
    assert_int_equal(n->sent[0], sent); /* nothing left the host */
}

static void a_host_with_two_links_uses_the_one_that_leads_there(void **state) {
    net *n = *state;
    hf_engine *e = &n->engine[0];
    const hf_interface_options tunnel = {.link = HF_LINK_IP, .mtu = 1300, .auto_done = true};
    const hf_addr own = hf_addr4(10, 1, 0, 1), there = hf_addr4(10, 1, 0, 2);
    uint32_t interface;
    assert_int_equal(hf_interface_add(e, &tunnel, &interface), HF_OK);
    assert_int_equal(interface, 1);
    assert_int_equal(hf_address_add(e, interface, &own, 24), HF_OK);
    const hf_conn far = net_connect(n, 0, there, NULL),
                  near = net_connect(n, 0, net_addr4(1), NULL);
    hf_frame frames[4];
    assert_int_equal(hf_tx_peek(e, frames, 4), 2);
    for (int i = 0; i < 2; i++) {
        const bool is_syn = frames[i].cause == HF_CAUSE_SENT_SYN;
        assert_int_equal(frames[i].interface, is_syn ? 1 : 0); /* the other one is a question */
        assert_int_equal(is_syn, frames[i].conn.index == far.index);
    }
    hf_tx_taken(e, 2);
    hf_conn_status status;
    hf_conn_status_get(e, far, &status);
    assert_memory_equal(&status.local, &own, 16);
    assert_true(status.mss <= 1260);
    const hf_addr own4 = net_addr4(0);
    hf_conn_status_get(e, near, &status);
    assert_memory_equal(&status.local, &own4, 16);
}

/* ---- Routers. ---- */

static void a_gateway_is_asked_for_in_place_of_a_far_host(void **state) {
    net *n = *state;
    const hf_addr any = hf_addr4(0, 0, 0, 0), gateway = net_addr4(2),
                  far = hf_addr4(203, 0, 113, 5);
    hf_conn conn;
    const hf_connect_options connect = {.remote = far, .remote_port = 80};
    assert_int_equal(hf_connect(&n->engine[0], &connect, &conn), HF_NO_ROUTE);
    assert_int_equal(hf_route_add(&n->engine[0], &any, 0, &gateway, 0), HF_OK);
    assert_int_equal(hf_connect(&n->engine[0], &connect, &conn), HF_OK);
    net_run(n, 10 * HF_MS);
    assert_int_equal(n->arps[2], 1);
    assert_int_equal(net_count(n, 2, HF_CAUSE_DROP_NOT_OURS), 1); /* it got the SYN */
    assert_int_equal(net_count(n, 0, HF_CAUSE_SENT_SYN), 1);
}

static void a_host_configures_itself_from_a_router(void **state) {
    net *n = *state;
    hf_config config;
    net_config(&config);
    net_end(n);
    memset(n, 0, sizeof *n);
    n->now_ns = HF_SECOND;
    n->link = HF_LINK_ETHERNET;
    n->frames = malloc(NET_FRAMES * sizeof *n->frames);
    for (int i = 0; i < 2; i++)
        net_host(
            n, &config,
            (hf_interface_options){.link = HF_LINK_ETHERNET, .mtu = 1500, .ip6_autoconf = true});
    net_run(n, 3 * HF_SECOND);
    assert_int_equal(net_count(n, 0, HF_CAUSE_SENT_ADDRESS_CHECK), 1);
    assert_true(net_count(n, 0, HF_CAUSE_SENT_ROUTER_SOLICITATION) >= 1);
    /* Link-local addresses suffice to talk on the link. */
    const hf_addr peer = {{0xfe, 0x80, [8] = 0, 0, 0, 0xff, 0xfe, 0, 0, 0x11}};
    exchange(n, peer);
}

#define WITH_NET(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_NET(a_connection_over_ethernet_asks_once_and_then_flows),
        WITH_NET(ipv6_over_ethernet_waits_for_duplicate_detection_and_then_flows),
        WITH_NET(two_hosts_with_one_ipv6_address_find_out),
        WITH_NET(a_host_that_is_not_there_ends_the_attempt_in_three_seconds),
        WITH_NET(many_connections_wait_for_one_answer),
        WITH_NET(a_waiting_connection_can_be_aborted_and_released),
        WITH_NET(a_bound_holds_when_an_idle_peer_is_cut_from_the_link),
        WITH_NET(a_bound_holds_when_the_peer_is_cut_with_data_in_flight),
        WITH_NET(a_connection_survives_a_neighbour_that_comes_back),
        WITH_NET(repeated_time_outs_make_the_next_hop_doubtful),
        WITH_NET(talking_peers_need_no_more_questions),
        WITH_NET(an_answer_without_connection_goes_back_where_the_frame_came_from),
        WITH_NET(a_flood_of_forged_syns_asks_for_no_neighbour),
        WITH_NET(frames_for_others_and_to_many_reach_no_connection),
        WITH_NET(an_engine_talks_to_itself_over_loopback),
        WITH_NET(a_host_with_two_links_uses_the_one_that_leads_there),
        WITH_NET(a_gateway_is_asked_for_in_place_of_a_far_host),
        WITH_NET(a_host_configures_itself_from_a_router),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
