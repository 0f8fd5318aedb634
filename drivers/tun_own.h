/* A TUN handle, as tun_open.c makes it and tun.c uses it. */
#ifndef HF_TUN_OWN_H
#define HF_TUN_OWN_H

#include <hf/tun.h>

/* The longest packet that a TUN device hands over. */
#define PACKET_MAX_BYTES 65535u
#define BATCH_FRAMES 256u
/* Received packets lie back to back in one room, each on a cache line of its own, and a batch ends
 * when the longest might not fit: 4 MiB hold 63 of the longest or 2,600 of 1,500 bytes. Buffers of
 * 64 KiB each would put the headers of short packets into the same few cache sets. */
#define ROOM_BYTES (4u << 20)
#define LINE_BYTES 64u

struct hf_tun {
    int fd;
    bool offload;
    bool gone;
    bool drained;  /* the last receive ended as no packet was left */
    char name[16]; /* IFNAMSIZ */
    uint32_t mtu;
    uint32_t batch_frames;
    hf_frame *frames;
    uint8_t *room;
    hf_tun_counts counts;
};

#endif
