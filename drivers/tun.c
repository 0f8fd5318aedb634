/* Packets in and out of a TUN device, with the virtio header that tells of checksums and
 * super-segments (linux/virtio_net.h; the same on both ways). */
#include "drivers/tun_own.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

void hf_tun_interface_options(const hf_tun *tun, hf_interface_options *ret_options) {
    *ret_options = (hf_interface_options){
        .link = HF_LINK_IP,
        .mtu = tun->mtu < PACKET_MAX_BYTES ? tun->mtu : PACKET_MAX_BYTES,
        .gso_max_bytes = tun->offload ? PACKET_MAX_BYTES : 0,
        .csum_offload = tun->offload,
        .auto_done = true,
    };
}

hf_tun_counts hf_tun_counts_get(const hf_tun *tun) { return tun->counts; }
bool hf_tun_is_there(const hf_tun *tun) { return !tun->gone; }
int hf_tun_fd(const hf_tun *tun) { return tun->fd; }
const char *hf_tun_name(const hf_tun *tun) { return tun->name; }

/* ---- Receive ---- */

/* Reads one packet; false if none waits. The kernel answers EBADFD once the device is removed. */
static bool read_packet(hf_tun *tun, struct virtio_net_hdr *ret_header, uint8_t *to,
                        uint32_t *ret_bytes) {
    struct iovec parts[2] = {{ret_header, sizeof *ret_header}, {to, PACKET_MAX_BYTES}};
    ssize_t got;
    do got = readv(tun->fd, parts, 2);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EBADFD) tun->gone = true;
    if (got < (ssize_t)sizeof *ret_header) return false;
    *ret_bytes = (uint32_t)got - (uint32_t)sizeof *ret_header;
    return true;
}

/* False if it is a super-segment of a kind that we never asked for. */
static bool super_from_header(const struct virtio_net_hdr *header, hf_frame *frame) {
    switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE: return true;
    case VIRTIO_NET_HDR_GSO_TCPV4: frame->flags |= HF_FRAME_GSO4; break;
    case VIRTIO_NET_HDR_GSO_TCPV6: frame->flags |= HF_FRAME_GSO6; break;
    default: return false;
    }
    if (header->gso_type & VIRTIO_NET_HDR_GSO_ECN) frame->flags |= HF_FRAME_ECN;
    frame->gso_bytes = header->gso_size;
    return true;
}

static void csum_from_header(const struct virtio_net_hdr *header, hf_frame *frame) {
    if (header->flags & VIRTIO_NET_HDR_F_DATA_VALID) frame->flags |= HF_FRAME_CSUM_OK;
    if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) return;
    frame->flags |= HF_FRAME_NEEDS_CSUM;
    frame->csum_start = header->csum_start;
    frame->csum_offset = header->csum_offset;
}

static bool fill_frame(hf_frame *frame, const struct virtio_net_hdr *header, const uint8_t *data,
                       uint32_t bytes) {
    frame->flags = 0;
    frame->gso_bytes = frame->header_bytes = frame->csum_start = frame->csum_offset = 0;
    frame->total_bytes = bytes;
    frame->part_count = 1;
    frame->parts[0] = (hf_part){data, bytes};
    csum_from_header(header, frame);
    return bytes != 0 && super_from_header(header, frame);
}

size_t hf_tun_receive(hf_tun *tun, uint32_t interface, const hf_frame **ret_frames) {
    uint32_t used_bytes = 0, count = 0;
    *ret_frames = tun->frames;
    tun->drained = false;
    while (count < tun->batch_frames && ROOM_BYTES - used_bytes >= PACKET_MAX_BYTES) {
        struct virtio_net_hdr header;
        uint32_t bytes;
        if (!read_packet(tun, &header, tun->room + used_bytes, &bytes)) {
            tun->drained = true;
            break;
        }
        hf_frame *frame = &tun->frames[count];
        if (!fill_frame(frame, &header, tun->room + used_bytes, bytes)) {
            tun->counts.receive_dropped++;
            continue;
        }
        frame->interface = interface;
        frame->frame_id = (uint32_t)++tun->counts.received;
        used_bytes += (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
        count++;
    }
    return count;
}

/* ---- Send ---- */

static struct virtio_net_hdr header_from_frame(const hf_frame *frame) {
    struct virtio_net_hdr header = {.hdr_len = frame->header_bytes};
    if (frame->flags & HF_FRAME_NEEDS_CSUM) {
        header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header.csum_start = frame->csum_start;
        header.csum_offset = frame->csum_offset;
    }
    if (frame->flags & (HF_FRAME_GSO4 | HF_FRAME_GSO6)) {
        header.gso_type =
            frame->flags & HF_FRAME_GSO4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
        if (frame->flags & HF_FRAME_ECN) header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
        header.gso_size = frame->gso_bytes;
    }
    return header;
}

static ssize_t write_packet(const hf_tun *tun, const hf_frame *frame) {
    struct virtio_net_hdr header = header_from_frame(frame);
    struct iovec parts[1 + HF_FRAME_PARTS] = {{&header, sizeof header}};
    for (uint32_t i = 0; i < frame->part_count; i++)
        parts[1 + i] =
            (struct iovec){(void *)(uintptr_t)frame->parts[i].data, frame->parts[i].bytes};
    ssize_t wrote;
    do wrote = writev(tun->fd, parts, 1 + (int)frame->part_count);
    while (wrote < 0 && errno == EINTR);
    return wrote;
}

/* What a failed write means: true if the frame is to be taken for sent and lost, false if it is to
 * be offered again later. */
static bool lost(hf_tun *tun, int error) {
    switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM: return false;
    case EIO:
    case ENETDOWN: tun->counts.send_down++; return true;
    case EBADFD: tun->gone = true; return true;
    default:
        tun->counts.send_refused++;
        tun->counts.last_refusal = error;
        return true;
    }
}

size_t hf_tun_send(hf_tun *tun, const hf_frame *frames, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (write_packet(tun, &frames[i]) >= 0)
            tun->counts.sent++;
        else if (!lost(tun, errno))
            return i;
    }
    return count;
}
