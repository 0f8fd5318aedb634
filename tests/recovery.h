/* What the tests of recovery share: a connection whose peer does SACK, over a path of a known round trip,
 * and ACKs with blocks counted in segments. */
#ifndef HF_TEST_RECOVERY_H
#define HF_TEST_RECOVERY_H

#include "peer.h"

#define MSS 1460u

typedef struct blocks {
    uint32_t count;
    uint32_t at[4][2]; /* [from, to) in segments of MSS, counted from `first` */
} blocks;

/* The engine listens; the handshake takes rtt_ns, and then 100 ms pass. What the peer's SYN offers is
 * the test's choice. */
static inline void recovery_begin_as(peer *p, const hf_config *config, hf_ns rtt_ns, bool sack,
                                     bool timestamps) {
    /* A segment carries MSS bytes beside timestamps, too. */
    const hf_interface_options link = {.link = HF_LINK_IP, .mtu = 1512, .auto_done = true};
    peer_begin_on(p, config, false, &link);
    if (sack) p->syn_options.present |= HFI_OPT_SACK_PERMITTED;
    if (timestamps) {
        p->syn_options.present |= HFI_OPT_TIMESTAMPS;
        p->syn_options.mss = MSS + 12;
        p->timestamps = true;
        p->ts_value = 70000;
    }
    peer_listens_with(p, &(hf_listen_options){.port = 80});
    peer_sends_syn(p, 0);
    const peer_segment *syn_ack = peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK);
    p->ack = syn_ack->tcp.seq + 1;
    p->ts_echo = syn_ack->tcp.options.ts_value;
    peer_run(p, rtt_ns);
    peer_says(p, HFI_TCP_ACK, 0);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    peer_run(p, 100 * HF_MS);
    peer_forget(p);
}

static inline void recovery_begin(peer *p, hf_ns rtt_ns) {
    const hf_config config = peer_config();
    recovery_begin_as(p, &config, rtt_ns, true, false);
}

/* An ACK of `ack` with these blocks, counted from `first`. */
static inline void recovery_sacks(peer *p, hf_seq ack, hf_seq first, blocks b) {
    hfi_tcp_view view = {.flags = HFI_TCP_ACK, .seq = p->seq, .ack = ack, .window = p->window};
    if (b.count > 0) view.options.present = HFI_OPT_SACK;
    view.options.sack_count = (uint8_t)b.count;
    for (uint32_t i = 0; i < b.count; i++)
        view.options.sack[i] = (hfi_sack_block){first + b.at[i][0] * MSS, first + b.at[i][1] * MSS};
    peer_send_view(p, view);
    peer_drain(p);
}

static inline const hfi_flight *recovery_flight(peer *p) {
    const hfi_conn *conn = peer_block(p);
    assert_true(conn->flight != HFI_NONE);
    return &peer_ctx(p)->flights[conn->flight];
}

/* The next segment that was sent is the `number`-th, for this reason. */
static inline const peer_segment *recovery_expect(peer *p, hf_seq first, uint32_t number,
                                                  hf_cause cause) {
    const peer_segment *out = peer_next(p);
    if (out == NULL) fail_msg("nothing was sent; expected segment %u", number);
    assert_int_equal((out->tcp.seq - first) / MSS, number);
    assert_int_equal(out->cause, cause);
    return out;
}

#endif
