/* The network layer through the public calls: engines on Ethernet, over IP, and alone. */
#include "net_rig.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/udp.h"

static int setup(void **state) {
    net *n = malloc(sizeof *n);
    net_init(n, HF_LINK_ETHERNET, 3);
    *state = n;
    return 0;
}

static int setup_ip(void **state) {
    net *n = malloc(sizeof *n);
    net_init(n, HF_LINK_IP, 2);
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

/* ---- UDP. ---- */

static hf_udp udp_open(net *n, int host, uint16_t port) {
    const hf_addr any = {{0}};
    hf_udp udp;
    assert_int_equal(hf_udp_open(&n->engine[host], &any, port, &udp), HF_OK);
    return udp;
}

static void datagrams_cross_and_come_back(net *n, hf_addr from, hf_addr to) {
    const hf_udp a = udp_open(n, 0, 0), b = udp_open(n, 1, 53);
    uint8_t question[1400], answer[1500];
    for (size_t i = 0; i < sizeof question; i++) question[i] = (uint8_t)(i * 3);
    const hf_err first = hf_udp_send(&n->engine[0], a, &to, 53, question, sizeof question);
    if (n->link == HF_LINK_ETHERNET) {
        assert_int_equal(first, HF_AGAIN);
        net_run(n, 10 * HF_MS);
        assert_int_equal(hf_udp_send(&n->engine[0], a, &to, 53, question, sizeof question), HF_OK);
    }
    net_run(n, 10 * HF_MS);
    assert_int_equal(net_events(n, 1, HF_OBJECT_UDP, b.index), HF_EVENT_DATAGRAM);
    size_t bytes;
    hf_udp_from sender;
    assert_int_equal(hf_udp_receive(&n->engine[1], b, answer, sizeof answer, &bytes, &sender),
                     HF_OK);
    assert_int_equal(bytes, sizeof question);
    assert_memory_equal(answer, question, sizeof question);
    assert_memory_equal(&sender.addr, &from, 16);
    uint16_t port;
    assert_int_equal(hf_udp_port(&n->engine[0], a, &port), HF_OK);
    assert_int_equal(sender.port, port);
    assert_int_equal(hf_udp_send(&n->engine[1], b, &sender.addr, sender.port, "yes", 3), HF_OK);
    net_run(n, 10 * HF_MS);
    assert_int_equal(hf_udp_receive(&n->engine[0], a, answer, sizeof answer, &bytes, &sender),
                     HF_OK);
    assert_int_equal(bytes, 3);
    assert_int_equal(sender.port, 53);
    hf_udp_close(&n->engine[0], a);
    hf_udp_close(&n->engine[1], b);
}

static void datagrams_over_ethernet(void **state) {
    net *n = *state;
    datagrams_cross_and_come_back(n, net_addr4(0), net_addr4(1));
    net_run(n, 3 * HF_SECOND);
    datagrams_cross_and_come_back(n, net_addr6(0), net_addr6(1));
}

static void datagrams_over_ip(void **state) {
    datagrams_cross_and_come_back(*state, net_addr4(0), net_addr4(1));
    datagrams_cross_and_come_back(*state, net_addr6(0), net_addr6(1));
}

static void a_broadcast_reaches_every_socket_on_the_link(void **state) {
    net *n = *state;
    const hf_udp a = udp_open(n, 0, 68), b = udp_open(n, 1, 67), c = udp_open(n, 2, 67);
    const hf_addr all = hf_addr4(255, 255, 255, 255);
    assert_int_equal(hf_udp_send(&n->engine[0], a, &all, 67, "who", 3), HF_OK);
    net_run(n, 10 * HF_MS);
    assert_int_equal(net_events(n, 1, HF_OBJECT_UDP, b.index), HF_EVENT_DATAGRAM);
    assert_int_equal(net_events(n, 2, HF_OBJECT_UDP, c.index), HF_EVENT_DATAGRAM);
    assert_int_equal(hf_udp_send(&n->engine[0], a, &all, 69, "who", 3), HF_OK);
    net_run(n, 10 * HF_MS);
    assert_int_equal(net_count(n, 1, HF_CAUSE_SENT_PORT_UNREACHABLE), 0);
}

static void a_port_without_socket_answers_unreachable_within_its_limit(void **state) {
    net *n = *state;
    const hf_udp a = udp_open(n, 0, 0);
    const hf_addr to = net_addr4(1);
    for (int i = 0; i < 50; i++)
        assert_int_equal(hf_udp_send(&n->engine[0], a, &to, 9, "x", 1), HF_OK);
    net_run(n, 10 * HF_MS);
    assert_int_equal(net_count(n, 1, HF_CAUSE_DROP_UDP_NO_SOCKET), 50);
    const uint64_t answers = net_count(n, 1, HF_CAUSE_SENT_PORT_UNREACHABLE);
    assert_in_range(answers, 8, 15);
    assert_int_equal(net_count(n, 1, HF_CAUSE_DROP_REPLY_LIMIT), 50 - answers);
    assert_int_equal(net_count(n, 0, HF_CAUSE_DROP_ICMP_SEQUENCE),
                     answers); /* quoted, and read well */
}

static void udp_calls_say_what_is_wrong(void **state) {
    net *n = *state;
    hf_engine *e = &n->engine[0];
    const hf_udp a = udp_open(n, 0, 5);
    const hf_addr any = {{0}}, not_ours = net_addr4(1), to = net_addr4(1),
                  far = hf_addr4(8, 8, 8, 8);
    hf_udp other;
    static const uint8_t data[1473];
    assert_int_equal(hf_udp_open(e, &any, 5, &other), HF_PORT_IN_USE);
    assert_int_equal(hf_udp_open(e, &not_ours, 6, &other), HF_NO_ADDRESS);
    assert_int_equal(hf_udp_send(e, a, &to, 0, "x", 1), HF_ARGUMENT);
    assert_int_equal(hf_udp_send(e, a, &any, 7, "x", 1), HF_ARGUMENT);
    assert_int_equal(hf_udp_send(e, a, &far, 7, "x", 1), HF_NO_ROUTE);
    assert_int_equal(hf_udp_send(e, a, &to, 7, data, 1473), HF_TOO_LONG);
    assert_int_equal(hf_udp_send(e, a, &to, 7, data, 1472), HF_OK);
    assert_int_equal(hf_udp_close(e, a), HF_OK);
    assert_int_equal(hf_udp_close(e, a), HF_STALE);
    assert_int_equal(hf_udp_send(e, a, &to, 7, "x", 1), HF_STALE);
}

/* ---- ICMP. ---- */

/* An IPv4 packet of one ICMP message, `bytes` bytes of payload. */
static uint32_t icmp_packet(uint8_t *to, uint8_t type, uint8_t code, uint32_t rest,
                            const void *payload, uint32_t bytes) {
    const hf_addr from = net_addr4(1), dst = net_addr4(0);
    uint8_t *icmp = to + hfi_ip4_build(to, &from, &dst, HFI_IP_ICMP4, 64, 0, 7, false, 8 + bytes);
    memset(icmp, 0, 8);
    icmp[0] = type, icmp[1] = code;
    hfi_store32(icmp + 4, rest);
    memcpy(icmp + 8, payload, bytes);
    hfi_csum_store(icmp + 2, hfi_csum_add(0, icmp, 8 + bytes));
    return 28 + bytes;
}

static void an_echo_request_comes_back_as_it_went(void **state) {
    net *n = *state;
    static uint8_t packet[1500], payload[1472];
    for (size_t i = 0; i < sizeof payload; i++) payload[i] = (uint8_t)(i * 5);
    for (uint32_t bytes = 0; bytes <= 1472; bytes += 46) {
        const uint32_t length = icmp_packet(packet, 8, 0, 0x00070009, payload, bytes);
        assert_int_equal(net_inject(n, 0, packet, length).cause, HF_CAUSE_TOOK_ECHO_REQUEST);
        net_drain(n, 0);
        const net_frame *reply = &n->frames[n->head];
        hfi_ip_view ip;
        assert_int_equal(hfi_ip_parse(reply->data, reply->bytes, reply->bytes, false, &ip),
                         HF_CAUSE_NONE);
        assert_int_equal(ip.destination.bytes[15], 2);
        const uint8_t *icmp = reply->data + 20;
        assert_int_equal(icmp[0], HFI_ICMP4_ECHO_REPLY);
        assert_true(hfi_csum_good(hfi_csum_add(0, icmp, ip.payload_bytes)));
        assert_int_equal(hfi_load32(icmp + 4), 0x00070009);
        assert_int_equal(ip.payload_bytes, 8 + bytes);
        assert_memory_equal(icmp + 8, payload, bytes);
        n->count = 0;
    }
    packet[60] ^= 1;
    net_inject(n, 0, packet, 1500);
    assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_ICMP_HEADER);
}

/* The first 28 bytes of what host 0 sent last. */
static uint32_t quote_last(net *n, uint8_t *to) {
    const net_frame *last = &n->frames[(n->head + n->count - 1) % NET_FRAMES];
    memcpy(to, last->data, 28);
    return 28;
}

static hf_conn connected(net *n) {
    const hf_listener listener = net_listen(n, 1);
    const hf_conn client = net_connect(n, 0, net_addr4(1), NULL);
    net_run(n, 20 * HF_MS);
    hf_conn server;
    assert_int_equal(hf_accept(&n->engine[1], listener, &server), HF_OK);
    return client;
}

/* G01, G02. */
static void an_error_about_what_is_in_flight_is_noted_and_another_ignored(void **state) {
    net *n = *state;
    const hf_conn client = connected(n);
    uint8_t quote[28], packet[100];
    size_t taken;
    hf_send(&n->engine[0], client, "payload", 7, &taken);
    net_drain(n, 0);
    quote_last(n, quote);
    net_inject(n, 0, packet, icmp_packet(packet, 3, 1, 0, quote, 28));
    assert_int_equal(n->last_verdict[0], HF_CAUSE_TOOK_ICMP_SOFT);
    net_inject(n, 0, packet, icmp_packet(packet, 3, 3, 0, quote, 28)); /* hard, yet established */
    assert_int_equal(n->last_verdict[0], HF_CAUSE_TOOK_ICMP_SOFT);
    assert_int_equal(net_state(n, 0, client), HF_ESTABLISHED);
    quote[24] ^= 0x80; /* the sequence number */
    net_inject(n, 0, packet, icmp_packet(packet, 3, 1, 0, quote, 28));
    assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_ICMP_SEQUENCE);
    quote[24] ^= 0x80;
    quote[15] = 77; /* not our address */
    net_inject(n, 0, packet, icmp_packet(packet, 3, 1, 0, quote, 28));
    assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_ICMP_SEQUENCE);
    net_inject(n, 0, packet, icmp_packet(packet, 4, 0, 0, quote, 28)); /* G05 */
    assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_ICMP_UNKNOWN);
    for (uint32_t bytes = 0; bytes < 28; bytes++) {
        net_inject(n, 0, packet, icmp_packet(packet, 3, 1, 0, quote, bytes));
        assert_int_equal(n->last_verdict[0], HF_CAUSE_DROP_ICMP_HEADER);
    }
}

static void a_hard_error_ends_an_attempt(void **state) {
    net *n = *state;
    n->cut[1] = true;
    const hf_conn conn = net_connect(n, 0, net_addr4(1), NULL);
    net_drain(n, 0);
    uint8_t quote[28], packet[100];
    quote_last(n, quote);
    net_inject(n, 0, packet, icmp_packet(packet, 3, 3, 0, quote, 28));
    hf_end end;
    assert_int_equal(hf_conn_end(&n->engine[0], conn, &end), HF_OK);
    assert_int_equal(end.cause, HF_CAUSE_END_UNREACHABLE);
}

static uint32_t mtu_of_path = 1500;
static bool drop_too_big(net *n, int from, const net_frame *f) {
    (void)n, (void)from;
    return f->bytes > mtu_of_path;
}

static void a_narrow_path_is_found_and_remembered_for_the_next_connection(void **state) {
    net *n = *state;
    const hf_conn client = connected(n);
    static uint8_t data[20000];
    uint8_t quote[28], packet[100];
    size_t taken;
    n->drop = drop_too_big;
    mtu_of_path = 1000;
    hf_send(&n->engine[0], client, data, sizeof data, &taken);
    net_drain(n, 0);
    assert_true(n->sent[0] > 3);
    n->drop = NULL;
    memcpy(quote, n->frames[(n->head + n->count) % NET_FRAMES].data, 28); /* what was lost */
    n->drop = drop_too_big;
    net_inject(n, 0, packet, icmp_packet(packet, 3, 4, 1000, quote, 28));
    assert_int_equal(n->last_verdict[0], HF_CAUSE_TOOK_ICMP_TOO_BIG);
    net_run(n, 5 * HF_SECOND);
    hf_conn_status status;
    assert_int_equal(hf_conn_status_get(&n->engine[0], client, &status), HF_OK);
    assert_int_equal(status.in_flight_bytes + status.queued_bytes, 0);
    assert_true(status.mss <= 960);
    const hf_conn second = net_connect(n, 0, net_addr4(1), NULL);
    net_run(n, 20 * HF_MS);
    assert_int_equal(hf_conn_status_get(&n->engine[0], second, &status), HF_OK);
    assert_true(status.mss <= 960);
    mtu_of_path = 1500;
}

/* ---- Fragments. ---- */

static void a_datagram_in_fragments_arrives_whole(void **state) {
    net *n = *state;
    const hf_udp socket = udp_open(n, 0, 4000);
    const hf_addr from = net_addr4(1), to = net_addr4(0);
    static uint8_t datagram[5008], packet[1500], got[6000];
    hfi_udp_build(datagram, 3000, 4000, 5000);
    for (uint32_t i = 0; i < 5000; i++) datagram[8 + i] = (uint8_t)(i * 13 + i / 256);
    const uint32_t pseudo = hfi_ip_pseudo_sum(&from, &to, HFI_IP_UDP, 5008);
    hfi_udp_csum_store(datagram, hfi_csum_add(pseudo, datagram, 5008));
    for (uint32_t at = 0; at < 5008; at += 1480) {
        const uint32_t bytes = 5008 - at < 1480 ? 5008 - at : 1480;
        hfi_ip4_build(packet, &from, &to, HFI_IP_UDP, 64, 0, 77, false, bytes);
        hfi_store16(packet + 6, (uint16_t)(at / 8 | (at + bytes < 5008 ? 0x2000 : 0)));
        hfi_store16(packet + 10, 0);
        hfi_csum_store(packet + 10, hfi_csum_add(0, packet, 20));
        memcpy(packet + 20, datagram + at, bytes);
        net_inject(n, 0, packet, 20 + bytes);
        assert_int_equal(n->last_verdict[0],
                         at + bytes < 5008 ? HF_CAUSE_TOOK_FRAGMENT : HF_CAUSE_TOOK_DATAGRAM);
    }
    size_t bytes;
    hf_udp_from sender;
    assert_int_equal(hf_udp_receive(&n->engine[0], socket, got, sizeof got, &bytes, &sender),
                     HF_OK);
    assert_int_equal(bytes, 5000);
    assert_memory_equal(got, datagram + 8, 5000);
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
    const hf_udp a = udp_open(n, 0, 100), b = udp_open(n, 0, 101);
    size_t bytes;
    hf_udp_from from;
    char text[8];
    assert_int_equal(hf_udp_send(e, a, &self, 101, "self", 4), HF_OK);
    net_run(n, HF_MS);
    assert_int_equal(hf_udp_receive(e, b, text, sizeof text, &bytes, &from), HF_OK);
    assert_int_equal(from.port, 100);
    assert_int_equal(n->sent[0], sent); /* nothing left the host */
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
#define WITH_IP(f) cmocka_unit_test_setup_teardown(f, setup_ip, teardown)

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
        WITH_NET(talking_peers_need_no_more_questions),
        WITH_NET(an_answer_without_connection_goes_back_where_the_frame_came_from),
        WITH_NET(a_flood_of_forged_syns_asks_for_no_neighbour),
        WITH_NET(frames_for_others_and_to_many_reach_no_connection),
        WITH_NET(datagrams_over_ethernet),
        WITH_IP(datagrams_over_ip),
        WITH_NET(a_broadcast_reaches_every_socket_on_the_link),
        WITH_IP(a_port_without_socket_answers_unreachable_within_its_limit),
        WITH_IP(udp_calls_say_what_is_wrong),
        WITH_IP(an_echo_request_comes_back_as_it_went),
        WITH_IP(an_error_about_what_is_in_flight_is_noted_and_another_ignored),
        WITH_IP(a_hard_error_ends_an_attempt),
        WITH_IP(a_narrow_path_is_found_and_remembered_for_the_next_connection),
        WITH_IP(a_datagram_in_fragments_arrives_whole),
        WITH_NET(an_engine_talks_to_itself_over_loopback),
        WITH_NET(a_gateway_is_asked_for_in_place_of_a_far_host),
        WITH_NET(a_host_configures_itself_from_a_router),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
