/* The application's end of a connection: it writes a pattern (or a text), reads, and checks each
 * byte that it reads against what the other end wrote at that place of the stream. */
#include "lab.h"
#include <stdlib.h>
#include <string.h>

enum { COPY_BYTES = 8192 };

uint8_t lab_pattern(uint64_t key, uint64_t at) {
    uint64_t z = key + (at >> 3) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    z ^= z >> 32;
    return (uint8_t)(z >> (at & 7) * 8);
}

static uint8_t byte_at(const lab_conn *conn, uint64_t at) {
    for (uint32_t i = conn->span_count; i > 0; i--) {
        const lab_span *const span = &conn->spans[i - 1];
        if (at >= span->at && at - span->at < span->bytes)
            return (uint8_t)span->text[at - span->at];
    }
    return lab_pattern(conn->key, at);
}

static const lab_conn_ops *ops(const lab_host *host) { return host->world->backend->conn; }

static lab_conn *conn_new(lab_host *host, hf_conn handle) {
    lab_world *const world = host->world;
    lab_conn *const conn = lab_alloc(sizeof *conn);
    conn->world = world;
    conn->host = host;
    conn->boot = host->boots;
    conn->index = world->conn_count;
    conn->handle = handle;
    conn->reading = true;
    conn->wrong_at = UINT64_MAX;
    conn->self = -1;
    for (int i = 0; i < LAB_ON_COUNT; i++) conn->on_event[i] = -1;
    lab_random key;
    lab_random_init(&key, world->seed, "pattern", conn->index);
    conn->key = lab_random_next(&key);
    world->conns = lab_grow(world->conns, world->conn_count, &world->conn_room, sizeof(lab_conn *));
    world->conns[world->conn_count++] = conn;
    return conn;
}

/* Takes the backend's handle into use. */
static void hold(lab_conn *conn, hf_conn handle) {
    lab_host *const host = conn->host;
    conn->handle = handle;
    conn->held = true;
    ops(host)->hold(conn);
    hf_conn_status *const status = &conn->last_status;
    if (ops(host)->status(conn, status) != HF_OK) return;
    conn->local = status->local;
    conn->remote = status->remote;
    conn->local_port = status->local_port;
    conn->remote_port = status->remote_port;
    for (uint32_t i = 0; i < host->link_count; i++)
        if (hf_addr_equal(&host->links[i]->addr[host->links[i]->end[1] == host], &conn->local))
            conn->link = host->links[i];
}

lab_conn *lab_conn_peer(lab_conn *conn) {
    for (uint32_t i = conn->world->conn_count; i > 0 && !conn->peer; i--) {
        lab_conn *const other = conn->world->conns[i - 1];
        if (other != conn && other->local_port == conn->remote_port &&
            other->remote_port == conn->local_port && hf_addr_equal(&other->local, &conn->remote) &&
            hf_addr_equal(&other->remote, &conn->local))
            conn->peer = other;
    }
    return conn->peer;
}

void lab_conn_free(lab_conn *conn) {
    if (ops(conn->host)->free) ops(conn->host)->free(conn);
    for (uint32_t i = 0; i < conn->span_count; i++) free(conn->spans[i].text);
    free(conn->spans);
    free(conn);
}

static lab_record *record_call(lab_conn *conn, const char *what, hf_err err) {
    lab_record *const record = lab_record_add(conn->world, LAB_CALL, conn->host->index);
    record->conn = conn->index;
    lab_record_text(record, "%s", what);
    if (err == HF_OK || err == HF_AGAIN) return record;
    conn->refused_calls++;
    lab_record_detail(record, "Refused, %s: %s", hf_err_name(err), hf_err_sentence(err));
    return record;
}

/* A call on a connection whose host does not run, or that the host has forgotten, is not made. */
static bool enter(lab_conn *conn, const char *what, hf_err *ret_err) {
    *ret_err = conn->ended ? HF_ENDED : HF_STALE;
    if (conn->held && lab_host_enter(conn->host) && conn->held) return true;
    lab_record *const record = lab_record_add(conn->world, LAB_CALL, conn->host->index);
    record->conn = conn->index;
    lab_record_text(record, "%s", what);
    const char *const why = conn->ended  ? "The connection has ended."
                            : conn->gone ? "The host has forgotten the connection."
                            : conn->host->power == LAB_STALLED ? "The process is frozen."
                                                               : "The connection was never there.";
    lab_record_detail(record, "Not made: %s", why);
    conn->refused_calls++;
    return false;
}

hf_err lab_listen(lab_host *host, const hf_listen_options *options, lab_listener **ret_listener) {
    if (!lab_host_enter(host)) return HF_STATE;
    if (host->listener_count == LAB_LISTENERS) return HF_NO_LISTENER_SLOT;
    hf_listener handle;
    const hf_err err = ops(host)->listen(host, options, &handle);
    if (err == HF_OK) {
        lab_listener *const listener = lab_alloc(sizeof *listener);
        listener->host = host;
        listener->handle = handle;
        listener->options = *options;
        listener->boot = host->boots;
        listener->accepting = listener->reading = true;
        listener->on_accept = listener->on_syn = -1;
        host->listeners[host->listener_count++] = *ret_listener = listener;
        lab_record *const record = lab_record_add(host->world, LAB_CALL, host->index);
        lab_record_text(record, "listen on port %u", options->port);
    }
    lab_host_leave(host);
    return err;
}

hf_err lab_connect(lab_host *host, lab_host *to, uint16_t port, uint16_t local_port,
                   const hf_tcp_options *options, lab_conn **ret_conn) {
    if (!lab_host_enter(host)) return HF_STATE;
    const lab_link *const link = lab_link_between(host, to);
    hf_connect_options connect = {.remote_port = port, .local_port = local_port, .tcp = *options};
    connect.remote = link->addr[link->end[1] == to];
    connect.local = link->addr[link->end[1] == host];
    hf_conn handle = {LAB_ANY, 0};
    const hf_err err = ops(host)->connect(host, &connect, &handle);
    lab_conn *const conn = *ret_conn = conn_new(host, handle);
    conn->call_at_ns = host->world->now_ns;
    conn->last_call = LAB_CALL_CONNECT;
    conn->remote = connect.remote;
    conn->remote_port = port;
    char what[80];
    snprintf(what, sizeof what, "connect to %s:%u", to->name, port);
    if (err == HF_OK) hold(conn, handle);
    record_call(conn, what, err);
    lab_host_leave(host);
    return err;
}

lab_conn *lab_accept(lab_listener *listener) {
    lab_host *const host = listener->host;
    hf_conn handle;
    if (listener->boot != host->boots || listener->closed || !lab_host_enter(host)) return NULL;
    if (ops(host)->accept(listener, &handle) != HF_OK) return NULL;
    lab_conn *const conn = conn_new(host, handle);
    conn->listener = listener;
    conn->reading = listener->reading;
    conn->connected = true;
    conn->connected_at_ns = host->world->now_ns;
    listener->accepted++;
    hold(conn, handle);
    lab_conn *const peer = lab_conn_peer(conn); /* now: later its ports may have been used again */
    if (peer && !peer->peer) peer->peer = conn;
    record_call(conn, "accept", HF_OK);
    lab_host_leave(host);
    return conn;
}

/* ---- Writing ---- */

static hf_err finish_writing(lab_conn *conn) {
    hf_err err = HF_OK;
    if (conn->shutdown_wanted) err = ops(conn->host)->shutdown(conn);
    if (conn->close_wanted) err = ops(conn->host)->close(conn, &conn->close_options);
    conn->shutdown_wanted = conn->close_wanted = false;
    return err;
}

/* Gives the engine as much as it takes of what is to be written. */
hf_err lab_conn_push(lab_conn *conn) {
    hf_err err = HF_OK;
    while (conn->written < conn->wanted && err == HF_OK) {
        uint8_t copy[COPY_BYTES];
        const uint64_t left = conn->wanted - conn->written;
        const size_t count = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        for (size_t i = 0; i < count; i++) copy[i] = byte_at(conn, conn->written + i);
        size_t taken = 0;
        err = ops(conn->host)->send(conn, copy, count, &taken);
        if (err == HF_OK) conn->written += taken;
        if (err == HF_OK && taken < count) err = HF_AGAIN;
    }
    if (conn->written == conn->wanted && (conn->shutdown_wanted || conn->close_wanted))
        finish_writing(conn);
    return err;
}

static void add_span(lab_conn *conn, const char *text, size_t bytes) {
    conn->spans = realloc(conn->spans, (conn->span_count + 1) * sizeof *conn->spans);
    if (!conn->spans) abort();
    lab_span *const span = &conn->spans[conn->span_count++];
    span->at = conn->wanted;
    span->bytes = bytes;
    span->text = lab_alloc(bytes + 1);
    memcpy(span->text, text, bytes);
}

hf_err lab_write(lab_conn *conn, const char *text, uint64_t bytes, uint64_t *ret_taken) {
    char words[40], what[80];
    hf_err err;
    hf_explain_bytes(bytes, words, sizeof words);
    snprintf(what, sizeof what, "write %s", words);
    *ret_taken = 0;
    if (!enter(conn, what, &err)) return err;
    const uint64_t before = conn->written;
    if (text) add_span(conn, text, (size_t)bytes);
    conn->wanted += bytes;
    err = lab_conn_push(conn);
    *ret_taken = conn->written - before;
    lab_record *const record = record_call(conn, what, err);
    if (err == HF_AGAIN) {
        hf_explain_bytes(conn->wanted - conn->written, words, sizeof words);
        lab_record_detail(record, "%s wait: the send queue is full.", words);
    } else if (err != HF_OK) {
        conn->wanted = conn->written;
    }
    lab_host_leave(conn->host);
    return err;
}

/* ---- Reading ---- */

static void verify(lab_conn *conn, const uint8_t *bytes, size_t count) {
    const lab_conn *const writer = lab_conn_peer(conn);
    for (size_t i = 0; i < count && conn->wrong_at == UINT64_MAX; i++)
        if (!writer || bytes[i] != byte_at(writer, conn->read + i)) conn->wrong_at = conn->read + i;
    conn->read += count;
    const bool too_many = writer && conn->read > writer->written;
    if (too_many && conn->wrong_at == UINT64_MAX) conn->wrong_at = writer->written;
}

hf_err lab_conn_take(lab_conn *conn, uint64_t bytes, uint64_t *ret_read) {
    hf_err err = HF_OK;
    *ret_read = 0;
    while (*ret_read < bytes) {
        uint8_t copy[COPY_BYTES];
        size_t count = 0;
        const uint64_t left = bytes - *ret_read;
        err = ops(conn->host)
                  ->receive(conn, copy, left < COPY_BYTES ? (size_t)left : COPY_BYTES, &count);
        if (err != HF_OK) break;
        verify(conn, copy, count);
        *ret_read += count;
    }
    if (err == HF_END_OF_STREAM) conn->eof_read = true;
    return err;
}

hf_err lab_read(lab_conn *conn, uint64_t bytes, uint64_t *ret_read) {
    hf_err err;
    *ret_read = 0;
    if (!enter(conn, "read", &err)) return err;
    err = lab_conn_take(conn, bytes, ret_read);
    char words[40], what[80];
    hf_explain_bytes(*ret_read, words, sizeof words);
    snprintf(what, sizeof what, err == HF_END_OF_STREAM ? "read %s, end of stream" : "read %s",
             words);
    record_call(conn, what, err == HF_END_OF_STREAM ? HF_OK : err);
    lab_host_leave(conn->host);
    return err;
}

void lab_reading(lab_conn *conn, bool reading) {
    hf_err err;
    uint64_t count;
    if (!enter(conn, reading ? "starts reading" : "stops reading", &err)) return;
    record_call(conn, reading ? "starts reading" : "stops reading", HF_OK);
    conn->reading = reading;
    if (reading) lab_conn_take(conn, UINT64_MAX, &count);
    lab_host_leave(conn->host);
}

/* ---- Ending ---- */

static void remember_call(lab_conn *conn, lab_last_call call) {
    conn->last_call = call;
    conn->call_at_ns = conn->world->now_ns;
}

hf_err lab_shutdown(lab_conn *conn) {
    hf_err err;
    if (!enter(conn, "shutdown (close our side)", &err)) return err;
    remember_call(conn, LAB_CALL_SHUTDOWN);
    conn->shutdown_wanted = true;
    err = conn->written == conn->wanted ? finish_writing(conn) : HF_OK;
    record_call(conn, "shutdown (close our side)", err);
    lab_host_leave(conn->host);
    return err;
}

hf_err lab_close(lab_conn *conn, const hf_close_options *options) {
    hf_err err;
    if (!enter(conn, "close", &err)) return err;
    remember_call(conn, LAB_CALL_CLOSE);
    conn->close_wanted = true;
    conn->close_options = *options;
    err = conn->written == conn->wanted ? finish_writing(conn) : HF_OK;
    record_call(conn, "close", err);
    lab_host_leave(conn->host);
    return err;
}

hf_err lab_abort(lab_conn *conn) {
    hf_err err;
    if (!enter(conn, "abort", &err)) return err;
    remember_call(conn, LAB_CALL_ABORT);
    err = ops(conn->host)->abort(conn);
    record_call(conn, "abort", err);
    lab_host_leave(conn->host);
    return err;
}

hf_err lab_release(lab_conn *conn) {
    hf_err err;
    if (!enter(conn, "release", &err)) return err;
    record_call(conn, "release", HF_OK);
    ops(conn->host)->release(conn);
    conn->held = false;
    lab_host_leave(conn->host);
    return HF_OK;
}

hf_err lab_options_set(lab_conn *conn, const hf_tcp_options *options) {
    hf_err err;
    if (!enter(conn, "change options", &err)) return err;
    err = ops(conn->host)->options_set(conn, options);
    record_call(conn, "change options", err);
    lab_host_leave(conn->host);
    return err;
}

hf_err lab_options_get(lab_conn *conn, hf_tcp_options *ret_options) {
    if (!conn->held || !lab_host_enter(conn->host)) return HF_STALE;
    return ops(conn->host)->options_get(conn, ret_options);
}

void lab_listener_close(lab_listener *listener) {
    lab_host *const host = listener->host;
    if (listener->closed || listener->boot != host->boots || !lab_host_enter(host)) return;
    ops(host)->listener_close(listener);
    listener->closed = true;
    lab_record *const record = lab_record_add(host->world, LAB_CALL, host->index);
    lab_record_text(record, "close listener %u", listener->options.port);
    lab_host_leave(host);
}

hf_err lab_listener_drain(lab_listener *listener, hf_ns deadline_ns) {
    lab_host *const host = listener->host;
    if (!ops(host)->listener_drain || listener->closed) return HF_STATE;
    if (listener->boot != host->boots || !lab_host_enter(host)) return HF_STALE;
    const hf_err err = ops(host)->listener_drain(listener, deadline_ns);
    lab_record *const record = lab_record_add(host->world, LAB_CALL, host->index);
    lab_record_text(record, "drain listener %u", listener->options.port);
    lab_host_leave(host);
    return err;
}

hf_err lab_pending_next(lab_listener *listener, hf_pending *ret_pending) {
    lab_host *const host = listener->host;
    if (!ops(host)->pending_next) return HF_STATE;
    if (listener->boot != host->boots || !lab_host_enter(host)) return HF_STALE;
    return ops(host)->pending_next(listener, ret_pending);
}

hf_err lab_syn_answer(lab_listener *listener, const hf_pending *pending, hf_syn_verdict verdict) {
    static const char *const names[] = {"accept", "refuse", "ignore"};
    lab_host *const host = listener->host;
    if (!ops(host)->syn_answer) return HF_STATE;
    if (listener->boot != host->boots || !lab_host_enter(host)) return HF_STALE;
    const hf_err err = ops(host)->syn_answer(listener, pending, verdict);
    lab_record *const record = lab_record_add(host->world, LAB_CALL, host->index);
    lab_record_text(record, "%s the SYN of port %u", names[verdict], pending->remote_port);
    lab_host_leave(host);
    return err;
}

hf_err lab_listener_status(lab_listener *listener, hf_listener_status *ret_status) {
    if (listener->boot != listener->host->boots || !lab_host_enter(listener->host)) return HF_STALE;
    return ops(listener->host)->listener_status(listener, ret_status);
}

/* ---- Status ---- */

bool lab_why(lab_conn *conn, hf_not_sending *ret_why) {
    const bool knows = conn->held && conn->host->power == LAB_UP && ops(conn->host)->why != NULL;
    return knows && lab_host_enter(conn->host) && ops(conn->host)->why(conn, ret_why) == HF_OK;
}

bool lab_status(lab_conn *conn, hf_conn_status *ret_status) {
    if (conn->held && conn->host->power == LAB_UP && lab_host_enter(conn->host))
        ops(conn->host)->status(conn, &conn->last_status);
    *ret_status = conn->last_status;
    return conn->held;
}

hf_state lab_state(lab_conn *conn) {
    hf_conn_status status;
    return lab_status(conn, &status) ? status.state : HF_CLOSED;
}
