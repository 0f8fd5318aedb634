/* The states of a connection, RFC 9293 3.3.2. */
#ifndef HF_STATE_H
#define HF_STATE_H

#ifdef __cplusplus
extern "C" {
#endif

/* SYN_RECEIVED only as a connection that opened from both sides; LISTEN and, but for the end of a
 * connection, TIME_WAIT are no states of connections here. */
typedef enum hf_state {
    HF_CLOSED,
    HF_LISTEN,
    HF_SYN_SENT,
    HF_SYN_RECEIVED,
    HF_ESTABLISHED,
    HF_FIN_WAIT_1,
    HF_FIN_WAIT_2,
    HF_CLOSE_WAIT,
    HF_CLOSING,
    HF_LAST_ACK,
    HF_TIME_WAIT,
    HF_STATE_COUNT
} hf_state;

const char *hf_state_name(hf_state state);

#ifdef __cplusplus
}
#endif
#endif
