/* Names of causes, errors, trace events and quirks, made from the .def files. */
#include <hf/explain.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static const char *const cause_names[] = {
#define HF_CAUSE_ROW(name, rfc, sentence) #name,
#include <hf/cause.def>
#undef HF_CAUSE_ROW
};

static const char *const cause_references[] = {
#define HF_CAUSE_ROW(name, rfc, sentence) rfc,
#include <hf/cause.def>
#undef HF_CAUSE_ROW
};

static const char *const err_names[] = {
#define HF_ERR_ROW(name, sentence) #name,
#include <hf/err.def>
#undef HF_ERR_ROW
};

static const char *const err_sentences[] = {
#define HF_ERR_ROW(name, sentence) sentence,
#include <hf/err.def>
#undef HF_ERR_ROW
};

static const char *const trace_names[] = {
#define HF_TRACE_ROW(name, sentence) #name,
#include <hf/trace.def>
#undef HF_TRACE_ROW
};

static const struct quirk_row {
    uint32_t bit;
    const char *name, *what;
} quirks[] = {
#define HF_QUIRK_ROW(name, bit, what) {UINT32_C(1) << (bit), #name, what},
#include <hf/quirk.def>
#undef HF_QUIRK_ROW
};

static const struct {
    uint32_t bit;
    const char *name;
} events[] = {
    {HF_EVENT_CONNECTED, "CONNECTED"},
    {HF_EVENT_READABLE, "READABLE"},
    {HF_EVENT_WRITABLE, "WRITABLE"},
    {HF_EVENT_PEER_CLOSED, "PEER_CLOSED"},
    {HF_EVENT_END, "END"},
    {HF_EVENT_ACCEPTABLE, "ACCEPTABLE"},
    {HF_EVENT_OVERFLOW, "OVERFLOW"},
    {HF_EVENT_UNHEARD, "UNHEARD"},
    {HF_EVENT_BOUND_RAISED, "BOUND_RAISED"},
    {HF_EVENT_DOUBT, "DOUBT"},
    {HF_EVENT_DATAGRAM, "DATAGRAM"},
    {HF_EVENT_ALL_ACKED, "ALL_ACKED"},
    {HF_EVENT_SOFT_ERROR, "SOFT_ERROR"},
    {HF_EVENT_URGENT, "URGENT"},
    {HF_EVENT_BOUND, "BOUND"},
    {HF_EVENT_PATH_MTU, "PATH_MTU"},
    {HF_EVENT_SYN, "SYN"},
    {HF_EVENT_DRAINED, "DRAINED"},
};

_Static_assert(COUNT(cause_names) == HF_CAUSE_COUNT, "each cause has a name");
_Static_assert(COUNT(err_names) == HF_ERR_COUNT, "each error has a name");
_Static_assert(COUNT(trace_names) == HF_TRACE_COUNT, "each trace event has a name");

const char *hf_cause_name(hf_cause cause) {
    return (size_t)cause < COUNT(cause_names) ? cause_names[cause] : "UNKNOWN";
}

const char *hf_cause_reference(hf_cause cause) {
    return (size_t)cause < COUNT(cause_references) ? cause_references[cause] : "";
}

const char *hf_err_name(hf_err err) {
    return (size_t)err < COUNT(err_names) ? err_names[err] : "UNKNOWN";
}

const char *hf_err_sentence(hf_err err) {
    return (size_t)err < COUNT(err_sentences) ? err_sentences[err] : "";
}

const char *hf_trace_name(hf_trace_event event) {
    return (size_t)event < COUNT(trace_names) ? trace_names[event] : "UNKNOWN";
}

static const struct quirk_row *quirk_of(uint32_t quirk) {
    for (size_t i = 0; i < COUNT(quirks); i++)
        if (quirks[i].bit == quirk) return &quirks[i];
    return NULL;
}

const char *hf_quirk_name(uint32_t quirk) {
    const struct quirk_row *row = quirk_of(quirk);
    return row ? row->name : "UNKNOWN";
}

const char *hf_quirk_sentence(uint32_t quirk) {
    const struct quirk_row *row = quirk_of(quirk);
    return row ? row->what : "";
}

const char *hf_event_name(uint32_t bit) {
    for (size_t i = 0; i < COUNT(events); i++)
        if (events[i].bit == bit) return events[i].name;
    return "UNKNOWN";
}

bool hf_cause_by_name(const char *prefix, const char *name, hf_cause *ret_cause) {
    const size_t skip = strlen(prefix);
    for (size_t i = 0; i < COUNT(cause_names); i++) {
        if (strncmp(cause_names[i], prefix, skip) != 0 || strcmp(cause_names[i] + skip, name) != 0)
            continue;
        *ret_cause = (hf_cause)i;
        return true;
    }
    return false;
}

bool hf_quirk_by_name(const char *name, uint32_t *ret_quirk) {
    for (size_t i = 0; i < COUNT(quirks); i++) {
        if (strcmp(quirks[i].name, name) != 0) continue;
        *ret_quirk = quirks[i].bit;
        return true;
    }
    return false;
}
