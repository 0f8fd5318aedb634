/* Blocks of a pcapng file, in the host's byte order, as its magic tells. Each is: type, length,
 * body, options, length again; everything padded to 32 bits. */
#include <hf/pcapng.h>

#include <hf/os.h>
#include <string.h>
#include <time.h>

enum {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET = 6, /* the enhanced one */
    BYTE_ORDER_MAGIC = 0x1a2b3c4d
};
enum { LINKTYPE_EN10MB = 1, LINKTYPE_RAW = 101 };
enum {
    OPTION_END = 0,
    OPTION_COMMENT = 1,
    SECTION_APPLICATION = 4,
    INTERFACE_NAME = 2,
    INTERFACE_RESOLUTION = 9,
    PACKET_FLAGS = 2
};
/* What is longer than this is cut: an option's length has 16 bits. */
#define TEXT_MAX_BYTES 4096u
/* UDP's checksum 0 means "none", so a sum of 0 is sent as its other form (RFC 768). */
#define UDP_CSUM_OFFSET 6

/* ---- Writing ---- */

static void put(hf_pcapng *capture, const void *data, size_t bytes) {
    if (bytes != 0 && fwrite(data, 1, bytes, capture->file) != bytes) capture->failed = true;
}

static void put16(hf_pcapng *capture, uint16_t value) { put(capture, &value, sizeof value); }
static void put32(hf_pcapng *capture, uint32_t value) { put(capture, &value, sizeof value); }

static uint32_t padded(uint32_t bytes) { return (bytes + 3u) & ~3u; }

static void pad(hf_pcapng *capture, uint32_t bytes) {
    put(capture, (const uint8_t[4]){0}, padded(bytes) - bytes);
}

static void put_option(hf_pcapng *capture, uint16_t code, const void *value, uint16_t bytes) {
    put16(capture, code);
    put16(capture, bytes);
    put(capture, value, bytes);
    pad(capture, bytes);
}

static uint16_t text_bytes(const char *text) { return (uint16_t)strnlen(text, TEXT_MAX_BYTES); }
static uint32_t option_bytes(uint32_t value_bytes) { return 4 + padded(value_bytes); }

/* ---- Section and interface ---- */

bool hf_pcapng_begin(hf_pcapng *capture, FILE *file, hf_ns epoch_ns) {
    static const char application[] = "Holdfast " HF_VERSION;
    const uint16_t name_bytes = text_bytes(application);
    const uint32_t total_bytes = 28 + option_bytes(name_bytes) + option_bytes(0);
    *capture = (hf_pcapng){.file = file, .epoch_ns = epoch_ns};
    put32(capture, BLOCK_SECTION);
    put32(capture, total_bytes);
    put32(capture, BYTE_ORDER_MAGIC);
    put16(capture, 1); /* version 1.0 */
    put16(capture, 0);
    put32(capture, UINT32_MAX); /* the section's length is not known */
    put32(capture, UINT32_MAX);
    put_option(capture, SECTION_APPLICATION, application, name_bytes);
    put_option(capture, OPTION_END, NULL, 0);
    put32(capture, total_bytes);
    return !capture->failed;
}

bool hf_pcapng_interface(hf_pcapng *capture, hf_link link, const char *name) {
    const uint8_t nanoseconds = 9;
    const uint16_t name_bytes = text_bytes(name);
    const uint32_t total_bytes =
        20 + option_bytes(name_bytes) + option_bytes(sizeof nanoseconds) + option_bytes(0);
    put32(capture, BLOCK_INTERFACE);
    put32(capture, total_bytes);
    put16(capture, link == HF_LINK_ETHERNET ? LINKTYPE_EN10MB : LINKTYPE_RAW);
    put16(capture, 0);
    put32(capture, 0); /* packets are never cut */
    put_option(capture, INTERFACE_NAME, name, name_bytes);
    put_option(capture, INTERFACE_RESOLUTION, &nanoseconds, sizeof nanoseconds);
    put_option(capture, OPTION_END, NULL, 0);
    put32(capture, total_bytes);
    capture->interface_count++;
    return !capture->failed;
}

/* ---- The checksum that was left out ---- */

/* Adds bytes to a sum whose first byte lies at an odd or even place of the summed data. */
static uint64_t sum_bytes(uint64_t sum, const uint8_t *data, uint32_t bytes, bool odd) {
    for (uint32_t i = 0; i < bytes; i++)
        sum += ((i & 1) != 0) == odd ? (uint32_t)data[i] << 8 : data[i];
    return sum;
}

/* RFC 1071, over all from csum_start on: the field itself holds the pseudo-header's sum. */
static uint16_t completed_csum(const hf_frame *frame) {
    uint64_t sum = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < frame->part_count; i++) {
        const uint8_t *data = frame->parts[i].data;
        const uint32_t bytes = frame->parts[i].bytes;
        uint32_t skip = frame->csum_start > at ? frame->csum_start - at : 0;
        if (skip > bytes) skip = bytes;
        const bool odd = ((at + skip - frame->csum_start) & 1) != 0;
        sum = sum_bytes(sum, data + skip, bytes - skip, odd);
        at += bytes;
    }
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    const uint16_t csum = (uint16_t)~sum;
    return csum == 0 && frame->csum_offset == UDP_CSUM_OFFSET ? UINT16_MAX : csum;
}

/* ---- Packets ---- */

/* The first part holds all headers, so the field lies in it; a frame that claims otherwise is
 * written as it is. */
static void put_packet(hf_pcapng *capture, const hf_frame *frame) {
    uint32_t first = 0;
    const uint32_t field = (uint32_t)frame->csum_start + frame->csum_offset;
    if ((frame->flags & HF_FRAME_NEEDS_CSUM) && frame->part_count > 0 &&
        field + 2 <= frame->parts[0].bytes) {
        const uint16_t csum = completed_csum(frame);
        const uint8_t *data = frame->parts[0].data;
        put(capture, data, field);
        put(capture, (const uint8_t[2]){(uint8_t)(csum >> 8), (uint8_t)csum}, 2);
        put(capture, data + field + 2, frame->parts[0].bytes - field - 2);
        first = 1;
    }
    for (uint32_t i = first; i < frame->part_count; i++)
        put(capture, frame->parts[i].data, frame->parts[i].bytes);
    pad(capture, frame->total_bytes);
}

bool hf_pcapng_frame(hf_pcapng *capture, uint32_t interface, hf_ns at_ns, hf_way way,
                     const hf_frame *frame, const char *sentence) {
    if (interface >= capture->interface_count) return false;
    const uint16_t sentence_bytes = sentence ? text_bytes(sentence) : 0;
    const uint32_t direction = way == HF_WAY_IN ? 1 : 2;
    const uint32_t total_bytes = 32 + padded(frame->total_bytes) +
                                 (sentence_bytes ? option_bytes(sentence_bytes) : 0) +
                                 option_bytes(sizeof direction) + option_bytes(0);
    const hf_ns stamp_ns = capture->epoch_ns + at_ns;
    put32(capture, BLOCK_PACKET);
    put32(capture, total_bytes);
    put32(capture, interface);
    put32(capture, (uint32_t)(stamp_ns >> 32));
    put32(capture, (uint32_t)stamp_ns);
    put32(capture, frame->total_bytes); /* as captured, and as it was */
    put32(capture, frame->total_bytes);
    put_packet(capture, frame);
    if (sentence_bytes) put_option(capture, OPTION_COMMENT, sentence, sentence_bytes);
    put_option(capture, PACKET_FLAGS, &direction, sizeof direction);
    put_option(capture, OPTION_END, NULL, 0);
    put32(capture, total_bytes);
    return !capture->failed;
}

bool hf_pcapng_end(hf_pcapng *capture) {
    if (fclose(capture->file) != 0) capture->failed = true;
    capture->file = NULL;
    return !capture->failed;
}

hf_ns hf_pcapng_epoch_from_os(void) {
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (hf_ns)wall.tv_sec * HF_SECOND + (hf_ns)wall.tv_nsec - hf_now_from_os();
}
