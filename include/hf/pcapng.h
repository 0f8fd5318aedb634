/* Captures that explain themselves: a pcapng file (draft-ietf-opsawg-pcapng) whose packets carry
 * sentences as comments. Wireshark shows them under "Packet comments", `tshark -T fields -e
 * frame.comment` prints them.
 *
 * A super-segment is written as the one packet that it is between engine and driver. A checksum
 * that is left to somebody behind the driver is completed in the file, so that no reader calls it
 * wrong.
 */
#ifndef HF_PCAPNG_H
#define HF_PCAPNG_H

#include <hf/tap.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_pcapng {
    FILE *file;
    uint32_t interface_count;
    hf_ns epoch_ns; /* what to add to a stamp to get nanoseconds since 1970; 0 for virtual time */
    bool failed;    /* a write has failed */
} hf_pcapng;

/* Starts a capture; links the file until hf_pcapng_end. epoch_ns as above. False if writing fails.
 */
bool hf_pcapng_begin(hf_pcapng *capture, FILE *file, hf_ns epoch_ns);

/* Adds an interface, named for the reader (copies). The first one is 0, and so on; give every
 * interface before the first frame that uses it. False if writing fails. */
bool hf_pcapng_interface(hf_pcapng *capture, hf_link link, const char *name);

/* Writes a frame, borrowing it; sentence may be NULL. `interface` counts as hf_pcapng_interface
 * gave them. False if there is no such interface or writing fails. */
bool hf_pcapng_frame(hf_pcapng *capture, uint32_t interface, hf_ns at_ns, hf_way way,
                     const hf_frame *frame, const char *sentence);

/* Ends a capture: flushes, and closes the file. False if any write has failed: the capture is not
 * whole. */
bool hf_pcapng_end(hf_pcapng *capture);

/* The epoch_ns for a capture whose stamps are hf_now_from_os(). */
hf_ns hf_pcapng_epoch_from_os(void);

#ifdef __cplusplus
}
#endif
#endif
