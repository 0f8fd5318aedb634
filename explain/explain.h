/* What the files of this room share: a text that is written piece by piece into a caller's buffer.
 */
#ifndef HFX_EXPLAIN_H
#define HFX_EXPLAIN_H

#include <hf/explain.h>

typedef struct hfx_text {
    char *to;
    size_t size;
    size_t length; /* of the whole text, even where it did not fit */
} hfx_text;

hfx_text hfx_text_begin(char *to, size_t size);
void hfx_text_char(hfx_text *text, char c);
void hfx_text_put(hfx_text *text, const char *piece);
void hfx_text_number(hfx_text *text, uint64_t number);
void hfx_text_count(hfx_text *text, uint64_t number); /* with thousands set off */
void hfx_text_bytes(hfx_text *text, uint64_t bytes);
void hfx_text_duration(hfx_text *text, hf_ns duration_ns);

#endif
