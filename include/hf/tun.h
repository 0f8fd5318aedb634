/* TUN devices of Linux: IP packets between an engine and the kernel of this machine.
 *
 * The kernel is on one side of the device, with an address that its administrator gives; the engine
 * is on the other, with an address of the same network. With offload (the default) both sides hand
 * over super-segments of up to 64 KiB and leave checksums out, which no wire would forgive and this
 * one never needs: it makes the difference between 2 and 30 Gbit/s.
 *
 * One engine, one device, one thread:
 *
 *     hf_loop loop = {.tun = tun, .engine = &engine, .interface = interface};
 *     for (;;) {
 *         hf_loop_step(&loop);                 what came, then what is due
 *         ...                                  hf_next_event, hf_send, hf_receive ...
 *         hf_loop_flush(&loop);                what goes out
 *         hf_loop_wait(&loop, HF_NEVER, -1);   until a packet comes or a timer is due
 *     }
 *
 * A device made with multi_queue can be opened several times, a handle (and an engine) per queue;
 * the kernel spreads flows over them.
 */
#ifndef HF_TUN_H
#define HF_TUN_H

#include <hf/tap.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_tun hf_tun;

typedef struct hf_tun_options {
    const char *name; /* borrows. A device that does not exist is made, set up, and goes with its
                         last handle; the kernel's address on it is left to the administrator */
    bool no_offload;  /* no super-segments, and both sides compute every checksum */
    bool multi_queue; /* make a missing device with several queues; one that exists tells itself */
    uint32_t batch_frames; /* most packets of one hf_tun_receive; 0 means 256 */
} hf_tun_options;

/* Long enough for every sentence of hf_tun_open. */
#define HF_TUN_ERROR_BYTES 512

/* Opens a TUN device, or makes it. NULL if that cannot be; then ret_error, of HF_TUN_ERROR_BYTES,
 * says which device, which call failed with what, and what to do. A device that is busy is tried
 * for 300 ms, since a program that ended may leave it open for a moment. */
hf_tun *hf_tun_open(const hf_tun_options *options, char *ret_error);

/* Closes the handle and gives its memory back; NULL is allowed. */
void hf_tun_close(hf_tun *tun);

/* Fills the options of the engine's interface: the device's MTU and what offload allows. */
void hf_tun_interface_options(const hf_tun *tun, hf_interface_options *ret_options);

/* Takes up to batch_frames waiting packets, without waiting for one. Lends frames marked with
 * `interface` until the next call. Fewer than batch_frames do not prove that none is left: 0 does.
 */
size_t hf_tun_receive(hf_tun *tun, uint32_t interface, const hf_frame **ret_frames);

/* Sends frames in order, borrowing them. Returns how many the kernel took; it may take more when
 * the file descriptor is writable. A frame that the kernel refuses as wrong, or as the device is
 * down, counts as taken, as a wire would lose it. */
size_t hf_tun_send(hf_tun *tun, const hf_frame *frames, size_t count);

typedef struct hf_tun_counts {
    uint64_t received, sent;  /* packets; a super-segment is one */
    uint64_t receive_dropped; /* of a kind that was never asked for */
    uint64_t send_refused;    /* by the kernel, as wrong */
    uint64_t send_down;       /* while the device was down */
    int last_refusal;         /* errno of the last send_refused */
} hf_tun_counts;

hf_tun_counts hf_tun_counts_get(const hf_tun *tun);

/* False once the device was removed: the handle is of no more use. */
bool hf_tun_is_there(const hf_tun *tun);

/* For poll(): readable when a packet waits. */
int hf_tun_fd(const hf_tun *tun);
const char *hf_tun_name(const hf_tun *tun);

/* ---- A loop around one device and one engine ---- */

typedef struct hf_loop {
    hf_tun *tun; /* links, as the next */
    hf_engine *engine;
    uint32_t interface;
    hf_tap tap;
    bool more_out; /* the kernel would not take all frames: wait until it does */
} hf_loop;

/* Takes what came and steps the engine. Time moves when the input is drained, so that no peer is
 * taken for silent whose answer lies in the queue; a flood that never ends is cut after eight
 * batches. Returns how many frames came. */
size_t hf_loop_step(hf_loop *loop);

/* Sends what the engine has for this interface; stops at a frame of another one. */
void hf_loop_flush(hf_loop *loop);

/* Sleeps until a packet comes, the engine is due, the application's own until_ns is reached
 * (HF_NEVER: there is none) or other_fd (-1: none) can be read. False if the device was removed. A
 * signal ends the wait as well. */
bool hf_loop_wait(hf_loop *loop, hf_ns until_ns, int other_fd);

#ifdef __cplusplus
}
#endif
#endif
