/* The loop around one TUN device and one engine. */
#include "drivers/tun_own.h"

#include <hf/os.h>

#include <poll.h>
#include <time.h>

#define FLUSH_FRAMES 32
/* A step takes at most so many batches, 2,048 packets if a batch has 256, before time moves: half
 * of what the kernel's queue holds. */
#define STEP_BATCHES 8
/* The engine's sleep is cut to this, so that the sum below cannot overflow a time_t of 32 bits. */
#define WAIT_MAX_NS (3600 * HF_SECOND)

static void show(const hf_loop *loop, hf_ns at_ns, hf_way way, const hf_frame *frames,
                 const hf_verdict *verdicts, size_t count) {
    for (size_t i = 0; i < count; i++)
        loop->tap.frame(loop->tap.context, at_ns, way, &frames[i], verdicts ? &verdicts[i] : NULL);
}

/* Steps with at most this many frames at once, since their verdicts lie on the stack. */
#define SHOWN_FRAMES 64

/* With a tap the batch is stepped in pieces; only the last one moves time. */
static void step_shown(hf_loop *loop, hf_ns now_ns, const hf_frame *frames, size_t count) {
    hf_verdict verdicts[SHOWN_FRAMES];
    const hf_ns before_ns = hf_engine_now(loop->engine);
    while (count > SHOWN_FRAMES) {
        hf_engine_step(loop->engine, before_ns, frames, SHOWN_FRAMES, verdicts);
        show(loop, now_ns, HF_WAY_IN, frames, verdicts, SHOWN_FRAMES);
        frames += SHOWN_FRAMES;
        count -= SHOWN_FRAMES;
    }
    hf_engine_step(loop->engine, now_ns, frames, count, verdicts);
    show(loop, now_ns, HF_WAY_IN, frames, verdicts, count);
}

static void step(hf_loop *loop, hf_ns now_ns, const hf_frame *frames, size_t count) {
    if (loop->tap.frame)
        step_shown(loop, now_ns, frames, count);
    else
        hf_engine_step(loop->engine, now_ns, frames, count, NULL);
}

size_t hf_loop_step(hf_loop *loop) {
    const hf_frame *frames;
    size_t total = 0, count = hf_tun_receive(loop->tun, loop->interface, &frames);
    for (int i = 1; !loop->tun->drained && i < STEP_BATCHES; i++) {
        step(loop, hf_engine_now(loop->engine), frames, count);
        total += count;
        count = hf_tun_receive(loop->tun, loop->interface, &frames);
    }
    step(loop, hf_now_from_os(), frames, count);
    return total + count;
}

void hf_loop_flush(hf_loop *loop) {
    hf_frame frames[FLUSH_FRAMES];
    loop->more_out = false;
    size_t offered;
    while ((offered = hf_tx_peek(loop->engine, frames, FLUSH_FRAMES)) != 0) {
        size_t ours = 0;
        while (ours < offered && frames[ours].interface == loop->interface) ours++;
        const size_t taken = hf_tun_send(loop->tun, frames, ours);
        if (loop->tap.frame)
            show(loop, hf_engine_now(loop->engine), HF_WAY_OUT, frames, NULL, taken);
        hf_tx_taken(loop->engine, taken);
        loop->more_out = taken < ours;
        if (taken < offered) return;
    }
}

static struct timespec wait_for(hf_ns next_at_ns) {
    const hf_ns now_ns = hf_now_from_os();
    hf_ns wait_ns = next_at_ns > now_ns ? next_at_ns - now_ns : 0;
    if (wait_ns > WAIT_MAX_NS) wait_ns = WAIT_MAX_NS;
    return (struct timespec){.tv_sec = (time_t)(wait_ns / HF_SECOND),
                             .tv_nsec = (long)(wait_ns % HF_SECOND)};
}

bool hf_loop_wait(hf_loop *loop, hf_ns until_ns, int other_fd) {
    struct pollfd asks[2] = {
        {.fd = hf_tun_fd(loop->tun), .events = (short)(POLLIN | (loop->more_out ? POLLOUT : 0))},
        {.fd = other_fd, .events = POLLIN},
    };
    const hf_ns due_at_ns = hf_engine_next_at(loop->engine);
    const struct timespec wait = wait_for(due_at_ns < until_ns ? due_at_ns : until_ns);
    ppoll(asks, 2, &wait, NULL);
    return hf_tun_is_there(loop->tun);
}
