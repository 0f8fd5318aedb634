/* Expectations: settled as soon as they can be, the others when the run ends; and faults that never
 * met a packet, which make a scenario worthless and so fail it. */
#include "lab.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

lab_expect *lab_expect_new(lab_world *world, lab_expect_kind kind, lab_conn *conn,
                           const char *where) {
    lab_expect *const expect = lab_alloc(sizeof *expect);
    expect->kind = kind;
    expect->conn = conn;
    expect->cause = expect->mechanism = HF_CAUSE_COUNT;
    expect->until_ns = HF_NEVER;
    expect->time_wait = -1;
    expect->acked = expect->unread = UINT64_MAX;
    expect->filter = lab_filter_any();
    expect->count_most = UINT64_MAX;
    snprintf(expect->where, sizeof expect->where, "%s", where);
    world->expects = realloc(world->expects, (world->expect_count + 1) * sizeof(lab_expect *));
    if (!world->expects) abort();
    world->expects[world->expect_count++] = expect;
    return expect;
}

void lab_expect_until(lab_world *world, lab_expect *expect, hf_ns until_ns) {
    expect->until_ns = until_ns;
    if (until_ns == HF_NEVER) return;
    const lab_due due = {.at_ns = until_ns, .kind = LAB_DUE_LOOK};
    lab_heap_push(&world->heap, due);
}

static void settle(lab_expect *expect, bool passed, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(expect->message, sizeof expect->message, format, arguments);
    va_end(arguments);
    expect->outcome = passed ? LAB_PASSED : LAB_FAILED;
}

struct words {
    char text[40];
};

static struct words duration(hf_ns ns) {
    struct words words;
    hf_explain_duration(ns, words.text, sizeof words.text);
    return words;
}

static const char *short_name(hf_cause cause, const char *prefix) {
    const char *const name = hf_cause_name(cause);
    return strncmp(name, prefix, strlen(prefix)) == 0 ? name + strlen(prefix) : name;
}

/* ---- ends ---- */

static hf_ns last_cut_before(const lab_conn *conn, hf_ns at_ns) {
    hf_ns last_ns = HF_NEVER;
    for (uint32_t i = 0; conn->link && i < conn->link->cut_count; i++)
        if (conn->link->cuts[i].at_ns <= at_ns) last_ns = conn->link->cuts[i].at_ns;
    return last_ns;
}

static hf_ns reference_ns(const lab_conn *conn, lab_reference of) {
    switch (of) {
    case LAB_OF_START: return 0;
    case LAB_OF_CUT: return last_cut_before(conn, conn->ended_at_ns);
    case LAB_OF_LAST_HEARD: return conn->end.last_heard_ns;
    case LAB_OF_CALL: return conn->call_at_ns;
    case LAB_OF_CONNECTED: return conn->connected_at_ns;
    }
    return 0;
}

static const char *reference_words(lab_reference of) {
    switch (of) {
    case LAB_OF_START: return "the start";
    case LAB_OF_CUT: return "the cut";
    case LAB_OF_LAST_HEARD: return "the last time the peer was heard";
    case LAB_OF_CALL: return "the call";
    case LAB_OF_CONNECTED: return "the handshake";
    }
    return "";
}

/* The kernel's timer wheel fires up to an eighth late, and a machine has more to do. */
static hf_ns lateness(const lab_expect *expect) {
    const bool real = expect->conn->world->backend->wait != NULL;
    return real ? expect->most_ns / 100 * 13 + 100 * HF_MS : 0;
}

static bool right_time(lab_expect *expect) {
    if (!expect->timed) return true;
    const hf_ns from_ns = reference_ns(expect->conn, expect->of), at_ns = expect->conn->ended_at_ns;
    if (from_ns == HF_NEVER) {
        settle(expect, false, "the link of this connection was never cut before its end at %s",
               duration(at_ns).text);
        return false;
    }
    const hf_ns after_ns = at_ns - from_ns;
    if (at_ns >= from_ns && after_ns >= expect->least_ns &&
        after_ns <= expect->most_ns + lateness(expect))
        return true;
    settle(expect, false, "ended %s after %s, not between %s and %s", duration(after_ns).text,
           reference_words(expect->of), duration(expect->least_ns).text,
           duration(expect->most_ns).text);
    return false;
}

static bool right_cause(lab_expect *expect) {
    const hf_end *const end = &expect->conn->end;
    const bool cause = expect->cause == HF_CAUSE_COUNT || expect->cause == end->cause;
    const bool mechanism =
        expect->mechanism == HF_CAUSE_COUNT || expect->mechanism == end->mechanism;
    if (cause && mechanism) return true;
    settle(expect, false, "ended %s by %s at %s, expected %s by %s", short_name(end->cause, "END_"),
           short_name(end->mechanism, "BY_"), duration(expect->conn->ended_at_ns).text,
           expect->cause == HF_CAUSE_COUNT ? "any cause" : short_name(expect->cause, "END_"),
           expect->mechanism == HF_CAUSE_COUNT ? "anything" : short_name(expect->mechanism, "BY_"));
    return false;
}

static bool right_number(lab_expect *expect, uint64_t wanted, uint64_t found, const char *what) {
    if (wanted == UINT64_MAX || wanted == found) return true;
    settle(expect, false, "%llu %s, expected %llu", (unsigned long long)found, what,
           (unsigned long long)wanted);
    return false;
}

static bool right_outcome(lab_expect *expect) {
    static const char *const holder[] = {"nobody", "us", "peer", "both"};
    const hf_end *const end = &expect->conn->end;
    if (!right_number(expect, expect->acked, end->bytes_acked, "bytes acknowledged")) return false;
    if (!right_number(expect, expect->unread, end->bytes_unread, "bytes unread")) return false;
    if (expect->time_wait < 0 || (int)end->time_wait == expect->time_wait) return true;
    settle(expect, false, "TIME_WAIT is held by \"%s\", expected \"%s\"",
           holder[end->time_wait & 3], holder[expect->time_wait & 3]);
    return false;
}

static void look_ends(lab_expect *expect, bool last) {
    const lab_conn *const conn = expect->conn;
    if (!conn->ended) {
        if (last)
            settle(expect, false, "had not ended when the run did, at %s",
                   duration(conn->world->now_ns).text);
        return;
    }
    if (!right_cause(expect) || !right_time(expect) || !right_outcome(expect)) return;
    settle(expect, true, "%s by %s at %s", short_name(conn->end.cause, "END_"),
           short_name(conn->end.mechanism, "BY_"), duration(conn->ended_at_ns).text);
}

/* ---- the others ---- */

static void look_never_ends(lab_expect *expect, bool last) {
    const lab_conn *const conn = expect->conn;
    if (conn->ended) {
        settle(expect, false, "ended %s at %s", short_name(conn->end.cause, "END_"),
               duration(conn->ended_at_ns).text);
    } else if (last || conn->world->now_ns >= expect->until_ns) {
        settle(expect, true, "lives at %s", duration(conn->world->now_ns).text);
    }
}

static void look_state(lab_expect *expect, bool last) {
    const hf_ns now_ns = expect->conn->world->now_ns;
    if (!last && now_ns < expect->until_ns) return;
    const hf_state state = lab_state(expect->conn);
    settle(expect, state == expect->state, "%s at %s, expected %s", hf_state_name(state),
           duration(now_ns).text, hf_state_name(expect->state));
}

static void look_receives(lab_expect *expect, bool last) {
    const lab_conn *const conn = expect->conn;
    const unsigned long long read = conn->read, wanted = expect->bytes;
    if (conn->wrong_at != UINT64_MAX) {
        settle(expect, false, "byte %llu of the stream is not what the peer wrote there",
               (unsigned long long)conn->wrong_at);
    } else if (read > wanted) {
        settle(expect, false, "read %llu bytes, more than the %llu expected", read, wanted);
    } else if (read == wanted) {
        settle(expect, true, "read %llu bytes, each as it was written", read);
    } else if (last) {
        settle(expect, false, "read only %llu of %llu bytes", read, wanted);
    }
}

/* An accident that the scenario is about: bytes that the peer did not write in this connection. */
static void look_corrupted(lab_expect *expect, bool last) {
    const lab_conn *const conn = expect->conn;
    if (conn->wrong_at != UINT64_MAX) {
        settle(expect, true, "byte %llu of the stream is not what the peer wrote there",
               (unsigned long long)conn->wrong_at);
    } else if (last) {
        settle(expect, false, "all %llu bytes are as the peer wrote them",
               (unsigned long long)conn->read);
    }
}

/* ---- counting packets ---- */

lab_filter lab_filter_any(void) {
    const lab_filter filter = {.from = LAB_ANY,
                               .to = LAB_ANY,
                               .conn = LAB_ANY,
                               .cause = HF_CAUSE_COUNT,
                               .lost = -1,
                               .before_ns = HF_NEVER,
                               .length_most = UINT32_MAX};
    return filter;
}

static bool counts(const lab_filter *filter, const lab_record *record) {
    if (filter->from != LAB_ANY && filter->from != record->host) return false;
    if (filter->to != LAB_ANY && filter->to != record->peer) return false;
    if (filter->conn != LAB_ANY && filter->conn != record->conn) return false;
    if (filter->cause != HF_CAUSE_COUNT && filter->cause != record->cause) return false;
    const bool lost = record->fate != LAB_FATE_ARRIVED && record->fate != LAB_FATE_IN_FLIGHT;
    if (filter->lost >= 0 && filter->lost != lost) return false;
    if (record->at_ns < filter->after_ns || record->at_ns >= filter->before_ns) return false;
    hf_packet packet;
    hf_packet_parse(record->bytes, record->captured, record->total, false, &packet);
    if (packet.payload_bytes < filter->length_least || packet.payload_bytes > filter->length_most)
        return false;
    return (packet.flags & filter->flags_set) == filter->flags_set &&
           (packet.flags & filter->flags_clear) == 0;
}

uint64_t lab_count(const lab_world *world, const lab_filter *filter) {
    uint64_t count = 0;
    for (size_t i = 0; i < world->record_count; i++) {
        const lab_record *const record = &world->records[i];
        if (record->kind == LAB_FRAME && !record->duplicate && counts(filter, record)) count++;
    }
    return count;
}

static void judge_packets(const lab_world *world, lab_expect *expect) {
    const unsigned long long count = lab_count(world, &expect->filter);
    const unsigned long long least = expect->count_least, most = expect->count_most;
    const bool passed = count >= least && count <= most;
    if (most == UINT64_MAX)
        settle(expect, passed, "%llu such packets, expected at least %llu", count, least);
    else if (least == most)
        settle(expect, passed, "%llu such packets, expected %llu", count, least);
    else
        settle(expect, passed, "%llu such packets, expected %llu to %llu", count, least, most);
}

/* ---- judging ---- */

static void look(const lab_world *world, lab_expect *expect, bool last) {
    switch (expect->kind) {
    case LAB_EXPECT_ENDS: look_ends(expect, last); break;
    case LAB_EXPECT_NEVER_ENDS: look_never_ends(expect, last); break;
    case LAB_EXPECT_STATE: look_state(expect, last); break;
    case LAB_EXPECT_RECEIVES: look_receives(expect, last); break;
    case LAB_EXPECT_CORRUPTED: look_corrupted(expect, last); break;
    case LAB_EXPECT_PACKETS:
        if (last || world->now_ns >= expect->until_ns) judge_packets(world, expect);
        break;
    }
}

void lab_expect_look(lab_world *world) {
    for (uint32_t i = 0; i < world->expect_count; i++)
        if (world->expects[i]->outcome == LAB_OPEN) look(world, world->expects[i], false);
}

static void check_way(lab_world *world, const lab_link *link, const char *what, double asked,
                      uint64_t happened) {
    if (asked <= 0 || happened > 0 || link->unseen_allowed) return;
    lab_problem(world,
                "%s: the link %s - %s never showed its %s (%g): send more, raise it, or link{ "
                "unseen = true }",
                link->where, link->end[0]->name, link->end[1]->name, what, asked);
}

/* Options hold for both ways, and it is enough that one of them showed the fault. */
static void check_link(lab_world *world, const lab_link *link) {
    const lab_way *const a = &link->way[0], *const b = &link->way[1];
    check_way(world, link, "loss", a->options.loss, a->lost + b->lost);
    check_way(world, link, "reorder", a->options.reorder, a->reordered + b->reordered);
    check_way(world, link, "duplicate", a->options.duplicate, a->duplicated + b->duplicated);
    check_way(world, link, "mark", a->options.mark, a->marked + b->marked);
    check_way(world, link, "mark_queue", a->options.mark_queue, a->marked + b->marked);
    check_way(world, link, "corrupt", a->options.corrupt, a->corrupted + b->corrupted);
    check_way(world, link, "silent_mtu", a->options.silent_mtu, a->swallowed + b->swallowed);
    if (a->options.strip_timestamps && a->stripped + b->stripped == 0 && !link->unseen_allowed)
        lab_problem(world, "%s: no SYN had timestamps to strip", link->where);
    for (uint32_t i = 0; i < link->hold_count; i++)
        if (link->holds[i].left > 0)
            lab_problem(world, "%s: %u packets more were to be held back, and never came",
                        link->holds[i].where, link->holds[i].left);
    for (uint32_t i = 0; i < link->cut_count; i++) {
        const lab_cut *const cut = &link->cuts[i];
        if (cut->packets[0] + cut->packets[1] > 0 || cut->unseen_allowed) continue;
        lab_problem(
            world,
            "%s: the cut at %s met no packet; send something during it, or cut{ unseen = true }",
            cut->where, duration(cut->at_ns).text);
    }
}

static void check_timers(lab_world *world) {
    for (uint32_t i = 0; i < world->timer_count; i++) {
        const lab_timer *const timer = &world->timers[i];
        if (timer->fired || timer->stopped) continue;
        lab_problem(world, "%s: what was to happen at %s never did; the run ended at %s",
                    timer->where, duration(timer->at_ns).text, duration(world->now_ns).text);
    }
}

static bool corruption_expected(const lab_world *world, const lab_conn *conn) {
    for (uint32_t i = 0; i < world->expect_count; i++)
        if (world->expects[i]->kind == LAB_EXPECT_CORRUPTED && world->expects[i]->conn == conn)
            return true;
    return false;
}

static void check_streams(lab_world *world) {
    for (uint32_t i = 0; i < world->conn_count; i++) {
        const lab_conn *const conn = world->conns[i];
        if (conn->wrong_at == UINT64_MAX || corruption_expected(world, conn)) continue;
        lab_problem(world, "%s read a byte at %llu of its stream that the peer did not write there",
                    conn->host->name, (unsigned long long)conn->wrong_at);
    }
}

void lab_expect_finish(lab_world *world) {
    if (world->finished) return;
    world->finished = true;
    for (uint32_t i = 0; i < world->expect_count; i++) {
        lab_expect *const expect = world->expects[i];
        const bool stays = expect->kind == LAB_EXPECT_RECEIVES &&
                           expect->outcome == LAB_PASSED; /* more may have come */
        if (expect->outcome == LAB_OPEN || stays) look(world, expect, true);
    }
    for (uint32_t i = 0; i < world->link_count; i++) check_link(world, world->links[i]);
    check_timers(world);
    check_streams(world);
}
