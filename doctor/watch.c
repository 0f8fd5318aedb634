#define _GNU_SOURCE
#include "doctor/watch.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *doctor_kind_name(doctor_kind kind) {
    static const char *const names[DOCTOR_KINDS] = {"state", "retransmit", "reset_sent",
                                                    "reset_received", "drop"};
    return names[kind];
}

void doctor_event_show(const doctor_event *event, bool json, FILE *to) {
    char local[DOCTOR_NAME], remote[DOCTOR_NAME];
    const unsigned long long ms = event->at_ns / HF_MS;
    doctor_name(&event->local, event->local_port, event->is6, local);
    doctor_name(&event->remote, event->remote_port, event->is6, remote);
    if (json) {
        fprintf(to,
                "{\"type\":\"event\",\"at_ms\":%llu,\"kind\":\"%s\",\"local\":\"%s\",\"remote\":"
                "\"%s\",\"state\":\"%s\",\"before\":\"%s\",\"reason\":\"%s\"}\n",
                ms, doctor_kind_name(event->kind), local, remote, doctor_state_name(event->after),
                doctor_state_name(event->before), event->reason);
        return;
    }
    fprintf(to, "%7llu.%03llu %-14s %s -> %s ", ms / 1000, ms % 1000, doctor_kind_name(event->kind),
            local, remote);
    if (event->kind == DOCTOR_IS_STATE) fprintf(to, "%s to ", doctor_state_name(event->before));
    if (event->after != 0) fputs(doctor_state_name(event->after), to);
    fprintf(to, "%s%s\n", event->after != 0 && event->reason[0] ? " " : "", event->reason);
}

#if HF_WITH_BPF
#include "doctor/bpf/record.h"
#include "watch.skel.h"
#include <bpf/btf.h>

/* The names of one of the kernel's enumerations, as the kernel that runs has them. */
struct reasons {
    char **names;
    uint32_t count;
};

struct doctor_watch {
    struct doctor_watch_bpf *programs;
    struct ring_buffer *ring;
    struct reasons resets, drops;
    doctor_event_fn take;
    void *of;
};

static void read_reasons(const struct btf *btf, const char *name, struct reasons *to) {
    const int id = btf__find_by_name_kind(btf, name, BTF_KIND_ENUM);
    const struct btf_type *const type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
    if (!type) return;
    const struct btf_enum *const values = btf_enum(type);
    enum { MOST_REASONS = 1024 };
    to->names = calloc(MOST_REASONS, sizeof *to->names);
    for (unsigned i = 0; to->names && i < btf_vlen(type); i++) {
        if (values[i].val < 0 || values[i].val >= MOST_REASONS) continue;
        char **const place = &to->names[values[i].val];
        if (!*place) *place = strdup(btf__name_by_offset(btf, values[i].name_off));
        if ((uint32_t)values[i].val >= to->count) to->count = (uint32_t)values[i].val + 1;
    }
}

static void free_reasons(struct reasons *reasons) {
    for (uint32_t i = 0; i < reasons->count; i++) free(reasons->names[i]);
    free(reasons->names);
}

/* Without what every name of the enumeration begins with. */
static const char *name_of(const struct reasons *reasons, uint32_t reason) {
    static const char *const prefixes[] = {"SK_RST_REASON_", "SKB_DROP_REASON_"};
    const char *const name = reason < reasons->count ? reasons->names[reason] : NULL;
    if (!name) return "a reason that the kernel does not name";
    for (int i = 0; i < 2; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return name + strlen(prefixes[i]);
    return name;
}

static int take_record(void *of, void *data, size_t bytes) {
    const struct doctor_watch *const watch = of;
    struct doctor_bpf_event record;
    if (bytes < sizeof record || !watch->take) return 0;
    memcpy(&record, data, sizeof record);
    doctor_event event = {.at_ns = record.at_ns,
                          .kind = (doctor_kind)record.kind,
                          .local_port = record.local_port,
                          .remote_port = record.remote_port,
                          .is6 = record.is6,
                          .before = record.before,
                          .after = record.after,
                          .reason = ""};
    memcpy(event.local.bytes, record.local, sizeof record.local);
    memcpy(event.remote.bytes, record.remote, sizeof record.remote);
    if (event.kind == DOCTOR_IS_RESET_SENT) event.reason = name_of(&watch->resets, record.reason);
    if (event.kind == DOCTOR_IS_DROP) event.reason = name_of(&watch->drops, record.reason);
    if (event.kind < DOCTOR_KINDS) watch->take(watch->of, &event);
    return 0;
}

static int say_nothing(enum libbpf_print_level level, const char *format, va_list list) {
    (void)level;
    (void)format;
    (void)list;
    return 0;
}

static bool attach(doctor_watch *watch, uint64_t netns) {
    watch->programs = doctor_watch_bpf__open();
    if (!watch->programs) return false;
    watch->programs->bss->only_netns = (uint32_t)netns;
    if (doctor_watch_bpf__load(watch->programs) != 0) return false;
    watch->ring =
        ring_buffer__new(bpf_map__fd(watch->programs->maps.events), take_record, watch, NULL);
    return watch->ring && doctor_watch_bpf__attach(watch->programs) == 0;
}

doctor_watch *doctor_watch_begin(uint64_t netns, char *why, size_t size) {
    doctor_watch *const watch = calloc(1, sizeof *watch);
    libbpf_set_print(say_nothing);
    if (!watch) return NULL;
    if (!attach(watch, netns)) {
        snprintf(why, size, "events need BPF on tracepoints, which is refused: %s",
                 strerror(errno));
        doctor_watch_end(watch);
        return NULL;
    }
    struct btf *const btf = btf__load_vmlinux_btf();
    if (btf) {
        read_reasons(btf, "sk_rst_reason", &watch->resets);
        read_reasons(btf, "skb_drop_reason", &watch->drops);
        btf__free(btf);
    }
    return watch;
}

void doctor_watch_end(doctor_watch *watch) {
    if (!watch) return;
    if (watch->ring) ring_buffer__free(watch->ring);
    doctor_watch_bpf__destroy(watch->programs);
    free_reasons(&watch->resets);
    free_reasons(&watch->drops);
    free(watch);
}

void doctor_watch_poll(doctor_watch *watch, int timeout_ms, doctor_event_fn take, void *of) {
    watch->take = take;
    watch->of = of;
    ring_buffer__poll(watch->ring, timeout_ms);
}

uint64_t doctor_watch_counts(const doctor_watch *watch, uint64_t ret_counts[DOCTOR_KINDS]) {
    for (int i = 0; i < DOCTOR_KINDS; i++) ret_counts[i] = watch->programs->bss->counts[i];
    return watch->programs->bss->lost;
}

#else

doctor_watch *doctor_watch_begin(uint64_t netns, char *why, size_t size) {
    (void)netns;
    snprintf(why, size,
             "events need BPF, which is not built in (Debian: libbpf-dev clang bpftool)");
    return NULL;
}
void doctor_watch_end(doctor_watch *watch) { (void)watch; }
void doctor_watch_poll(doctor_watch *watch, int timeout_ms, doctor_event_fn take, void *of) {
    (void)watch, (void)timeout_ms, (void)take, (void)of;
}
uint64_t doctor_watch_counts(const doctor_watch *watch, uint64_t ret_counts[DOCTOR_KINDS]) {
    (void)watch;
    memset(ret_counts, 0, DOCTOR_KINDS * sizeof *ret_counts);
    return 0;
}

#endif
