/* What the files of open share. */
#ifndef HFI_OPEN_INTERNAL_H
#define HFI_OPEN_INTERNAL_H

#include "open/open.h"

/* Below 88 a segment of timestamps and a few bytes would be all header (CVE-2019-11479). */
#define MSS_FLOOR 88u

uint16_t hfi_open_our_mss(const hf_addr *remote, uint32_t mtu);
uint16_t hfi_open_send_mss(const hf_addr *remote, const hfi_tcp_options *options, uint32_t our_mss,
                           bool timestamps);
uint8_t hfi_open_wscale(uint32_t receive_bytes);

#endif
