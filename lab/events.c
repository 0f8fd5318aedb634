/* What the engine tells the application, in the order in which it makes sense: the end comes last.
 */
#include "lab.h"

static void tell(lab_conn *conn, lab_conn_event event) {
    const lab_hooks *const hooks = &conn->world->hooks;
    if (conn->on_event[event] < 0 || conn->world->failed_script) return;
    if (!hooks->conn_event(hooks->context, conn, event)) conn->world->failed_script = true;
}

static void record_event(lab_conn *conn, uint32_t bit, hf_cause cause, uint64_t a, uint64_t b) {
    lab_record *const record = lab_record_add(conn->world, LAB_EVENT, conn->host->index);
    char sentence[300] = "";
    record->conn = conn->index;
    record->bits = bit;
    record->cause = cause;
    lab_record_text(record, "%s", hf_event_name(bit));
    if (cause != HF_CAUSE_NONE) hf_explain_cause(cause, a, b, sentence, sizeof sentence);
    lab_record_detail(record, "%s", sentence);
}

static void release_if_read(lab_conn *conn) {
    if (!conn->held || !conn->ended) return;
    const lab_conn_ops *const ops = conn->world->backend->conn;
    if (!conn->reading && conn->end.bytes_unread > 0 && ops->unread(conn)) return;
    ops->status(conn, &conn->last_status);
    ops->release(conn);
    conn->held = false;
}

static void on_end(lab_conn *conn) {
    uint64_t count;
    if (conn->reading) lab_conn_take(conn, UINT64_MAX, &count);
    if (conn->world->backend->conn->end(conn, &conn->end) != HF_OK) return;
    conn->ended = true;
    conn->ended_at_ns = conn->world->now_ns;
    lab_record *const record = lab_record_add(conn->world, LAB_EVENT, conn->host->index);
    char sentence[400];
    hf_explain_end(&conn->end, sentence, sizeof sentence);
    record->conn = conn->index;
    record->bits = HF_EVENT_END;
    record->cause = conn->end.cause;
    lab_record_text(record, "END");
    lab_record_detail(record, "%s", sentence);
    tell(conn, LAB_ON_END);
    release_if_read(conn);
}

static void on_unheard(lab_conn *conn) {
    hf_conn_status status;
    lab_status(conn, &status);
    const uint64_t silent_ms = (conn->world->now_ns - status.last_heard_ns) / HF_MS;
    record_event(conn, HF_EVENT_UNHEARD, HF_CAUSE_UNHEARD_WARNING, silent_ms, 0);
    tell(conn, LAB_ON_UNHEARD);
}

static void on_connected(lab_conn *conn) {
    conn->connected = true;
    conn->connected_at_ns = conn->world->now_ns;
    record_event(conn, HF_EVENT_CONNECTED, HF_CAUSE_NONE, 0, 0);
    tell(conn, LAB_ON_CONNECTED);
}

static void on_peer_closed(lab_conn *conn) {
    conn->peer_closed = true;
    record_event(conn, HF_EVENT_PEER_CLOSED, HF_CAUSE_NONE, 0, 0);
    tell(conn, LAB_ON_PEER_CLOSED);
}

static void on_readable(lab_conn *conn) {
    uint64_t count = 0;
    if (conn->reading) lab_conn_take(conn, UINT64_MAX, &count);
    if (count > 0 || !conn->reading)
        tell(conn, LAB_ON_READABLE); /* the end of stream is peer_closed */
}

/* The last that was passed is what is told now; the others were told before. */
static void on_bound(lab_conn *conn, const hf_conn_status *status) {
    static const hf_cause causes[] = {HF_CAUSE_PROGRESS_OVERDUE, HF_CAUSE_ANSWER_OVERDUE,
                                      HF_CAUSE_IDLE_OVERDUE, HF_CAUSE_APP_NOT_READING};
    hf_tcp_options with = {0};
    lab_options_get(conn, &with);
    const hf_ns within_ns[] = {with.progress_within_ns, with.answer_within_ns, with.idle_within_ns,
                               with.progress_within_ns};
    const uint32_t fresh = status->bounds_passed & ~conn->told_passed;
    conn->told_passed = status->bounds_passed;
    for (int i = 0; i < 4; i++)
        if (fresh >> i & 1) record_event(conn, HF_EVENT_BOUND, causes[i], within_ns[i] / HF_MS, 0);
    tell(conn, LAB_ON_BOUND);
}

static void on_path_mtu(lab_conn *conn, const hf_conn_status *status) {
    const uint32_t now = status->packet_bytes, before = conn->told_packet;
    const bool longer = before != 0 && now > before;
    conn->told_packet = now;
    record_event(conn, HF_EVENT_PATH_MTU, longer ? HF_CAUSE_MTU_PROBE_ARRIVED : status->mtu_cause,
                 now, before != 0 ? before : status->packet_bytes_most);
    tell(conn, LAB_ON_PATH_MTU);
}

static void on_status_event(lab_conn *conn, uint32_t bits) {
    hf_conn_status status;
    lab_status(conn, &status);
    if (bits & HF_EVENT_BOUND_RAISED)
        record_event(conn, HF_EVENT_BOUND_RAISED, HF_CAUSE_BOUND_RAISED,
                     status.detect_within_ns / HF_MS, 0);
    if (bits & HF_EVENT_SOFT_ERROR)
        record_event(conn, HF_EVENT_SOFT_ERROR, status.soft_error, 0, 0);
    if (bits & HF_EVENT_BOUND) on_bound(conn, &status);
    if (bits & HF_EVENT_PATH_MTU) on_path_mtu(conn, &status);
    if (bits & HF_EVENT_URGENT) record_event(conn, HF_EVENT_URGENT, HF_CAUSE_NONE, 0, 0);
}

/* In the order in which an application can make sense of them: END comes last. */
void lab_conn_event_bits(lab_conn *conn, uint32_t bits) {
    if (bits & HF_EVENT_CONNECTED) on_connected(conn);
    if (bits & HF_EVENT_READABLE && conn->held) on_readable(conn);
    if (bits & HF_EVENT_WRITABLE && conn->held) lab_conn_push(conn);
    if (bits & HF_EVENT_ALL_ACKED && conn->held) tell(conn, LAB_ON_ALL_ACKED);
    if (bits & HF_EVENT_PEER_CLOSED && conn->held) on_peer_closed(conn);
    if (bits & HF_EVENT_UNHEARD && conn->held) on_unheard(conn);
    if (bits & HF_EVENT_DOUBT && conn->held) {
        record_event(conn, HF_EVENT_DOUBT, HF_CAUSE_PEER_MAY_NOT_HAVE_ACCEPTED, 0, 0);
        tell(conn, LAB_ON_DOUBT);
    }
    if (conn->held) on_status_event(conn, bits);
    if (bits & HF_EVENT_END && conn->held) on_end(conn);
}

void lab_accept_all(lab_listener *listener) {
    const lab_hooks *const hooks = &listener->host->world->hooks;
    lab_conn *conn;
    while (listener->accepting && (conn = lab_accept(listener)) != NULL) {
        if (!hooks->accepted(hooks->context, listener, conn))
            listener->host->world->failed_script = true;
        if (conn->held) on_readable(conn);
    }
}

static void overflow(lab_listener *listener) {
    hf_listener_status status;
    if (lab_listener_status(listener, &status) != HF_OK) return;
    lab_record *const record =
        lab_record_add(listener->host->world, LAB_EVENT, listener->host->index);
    char sentence[200];
    hf_explain_cause(status.last_overflow, 0, 0, sentence, sizeof sentence);
    record->bits = HF_EVENT_OVERFLOW;
    record->cause = status.last_overflow;
    lab_record_text(record, "OVERFLOW of port %u (%u waiting, backlog %u)", listener->options.port,
                    status.waiting, status.backlog);
    lab_record_detail(record, "%s", sentence);
}

static void on_syn(lab_listener *listener) {
    const lab_hooks *const hooks = &listener->host->world->hooks;
    if (!hooks->syn(hooks->context, listener)) listener->host->world->failed_script = true;
}

static void on_drained(lab_listener *listener) {
    lab_record *const record =
        lab_record_add(listener->host->world, LAB_EVENT, listener->host->index);
    char sentence[200];
    hf_explain_cause(HF_CAUSE_LISTENER_DRAINED, 0, 0, sentence, sizeof sentence);
    record->bits = HF_EVENT_DRAINED;
    record->cause = HF_CAUSE_LISTENER_DRAINED;
    lab_record_text(record, "DRAINED: port %u", listener->options.port);
    lab_record_detail(record, "%s", sentence);
}

static void listener_event(lab_host *host, const hf_event *event) {
    for (uint32_t i = 0; i < host->listener_count; i++) {
        lab_listener *const listener = host->listeners[i];
        if (listener->handle.index != event->index ||
            listener->handle.generation != event->generation || listener->boot != host->boots)
            continue;
        if (event->bits & HF_EVENT_ACCEPTABLE) lab_accept_all(listener);
        if (event->bits & HF_EVENT_OVERFLOW) overflow(listener);
        if (event->bits & HF_EVENT_SYN) on_syn(listener);
        if (event->bits & HF_EVENT_DRAINED) on_drained(listener);
        return;
    }
}

void lab_conn_events(lab_host *host, const hf_event *event) {
    if (event->object == HF_OBJECT_LISTENER) {
        listener_event(host, event);
        return;
    }
    if (event->object != HF_OBJECT_CONN || event->index >= host->config.conns) return;
    const uint32_t index = host->conns[event->index];
    if (index == LAB_ANY) return;
    lab_conn *const conn = host->world->conns[index];
    if (conn->handle.generation == event->generation) lab_conn_event_bits(conn, event->bits);
}
