/* Numbers, bytes and durations as people say them. */
#include "explain.h"

hfx_text hfx_text_begin(char *to, size_t size) {
    const hfx_text text = {to, size, 0};
    if (size > 0) to[0] = 0;
    return text;
}

void hfx_text_char(hfx_text *text, char c) {
    if (text->length + 1 < text->size) {
        text->to[text->length] = c;
        text->to[text->length + 1] = 0;
    }
    text->length++;
}

void hfx_text_put(hfx_text *text, const char *piece) {
    for (; *piece; piece++) hfx_text_char(text, *piece);
}

static void put_digits(hfx_text *text, uint64_t number, bool set_off) {
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count-- > 0) {
        hfx_text_char(text, digits[count]);
        if (set_off && count > 0 && count % 3 == 0) hfx_text_char(text, ',');
    }
}

void hfx_text_number(hfx_text *text, uint64_t number) { put_digits(text, number, false); }

void hfx_text_count(hfx_text *text, uint64_t number) { put_digits(text, number, true); }

void hfx_text_bytes(hfx_text *text, uint64_t bytes) {
    hfx_text_count(text, bytes);
    hfx_text_put(text, bytes == 1 ? " byte" : " bytes");
}

/* Writes a number given in hundredths, without closing zeros: 489 is "4.89", 500 is "5". */
static void put_hundredths(hfx_text *text, uint64_t hundredths) {
    hfx_text_number(text, hundredths / 100);
    const uint64_t rest = hundredths % 100;
    if (rest == 0) return;
    hfx_text_char(text, '.');
    hfx_text_char(text, (char)('0' + rest / 10));
    if (rest % 10 != 0) hfx_text_char(text, (char)('0' + rest % 10));
}

/* Writes "15 min 39 s" or "2 h": a large unit, and the next one if it is not zero. */
static void put_two_units(hfx_text *text, uint64_t large, const char *large_unit, uint64_t small,
                          const char *small_unit) {
    hfx_text_number(text, large);
    hfx_text_put(text, large_unit);
    if (small == 0) return;
    hfx_text_char(text, ' ');
    hfx_text_number(text, small);
    hfx_text_put(text, small_unit);
}

/* Below a second: three significant digits are enough for a person. */
static void put_subsecond(hfx_text *text, hf_ns duration_ns) {
    if (duration_ns >= 10 * HF_MS) {
        hfx_text_number(text, (duration_ns + HF_MS / 2) / HF_MS);
        hfx_text_put(text, " ms");
    } else if (duration_ns >= HF_MS) {
        put_hundredths(text, (duration_ns + 5 * HF_US) / (10 * HF_US));
        hfx_text_put(text, " ms");
    } else if (duration_ns >= HF_US) {
        hfx_text_number(text, (duration_ns + HF_US / 2) / HF_US);
        hfx_text_put(text, " us");
    } else if (duration_ns > 0) {
        hfx_text_number(text, duration_ns);
        hfx_text_put(text, " ns");
    } else {
        hfx_text_put(text, "0 s");
    }
}

void hfx_text_duration(hfx_text *text, hf_ns duration_ns) {
    if (duration_ns == HF_NEVER) {
        hfx_text_put(text, "never");
        return;
    }
    if (duration_ns < HF_SECOND - HF_MS / 2) {
        put_subsecond(text, duration_ns);
        return;
    }
    const uint64_t hundredths = (duration_ns + 5 * HF_MS) / (10 * HF_MS);
    const uint64_t seconds = (hundredths + 50) / 100;
    const uint64_t minutes = (seconds + 30) / 60;
    if (hundredths < 6000) {
        put_hundredths(text, hundredths);
        hfx_text_put(text, " s");
    } else if (seconds < 3600) {
        put_two_units(text, seconds / 60, " min", seconds % 60, " s");
    } else if (minutes < 24 * 60) {
        put_two_units(text, minutes / 60, " h", minutes % 60, " min");
    } else {
        const uint64_t hours = (minutes + 30) / 60;
        put_two_units(text, hours / 24, " d", hours % 24, " h");
    }
}

size_t hf_explain_duration(hf_ns duration_ns, char *to, size_t size) {
    hfx_text text = hfx_text_begin(to, size);
    hfx_text_duration(&text, duration_ns);
    return text.length;
}

size_t hf_explain_count(uint64_t count, char *to, size_t size) {
    hfx_text text = hfx_text_begin(to, size);
    hfx_text_count(&text, count);
    return text.length;
}

size_t hf_explain_bytes(uint64_t bytes, char *to, size_t size) {
    hfx_text text = hfx_text_begin(to, size);
    hfx_text_bytes(&text, bytes);
    return text.length;
}
