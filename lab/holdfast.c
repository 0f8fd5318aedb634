/* The backend "holdfast": the calls of hf/tcp.h on engines, in virtual time. host.c drives them. */
#include "lab.h"

static hf_err listen_on(lab_host *host, const hf_listen_options *options, hf_listener *ret) {
    return hf_listen(&host->engine, options, ret);
}

static hf_err accept_next(lab_listener *listener, hf_conn *ret) {
    return hf_accept(&listener->host->engine, listener->handle, ret);
}

static void listener_close(lab_listener *listener) {
    hf_listener_close(&listener->host->engine, listener->handle);
}

static hf_err listener_status(lab_listener *listener, hf_listener_status *ret) {
    return hf_listener_status_get(&listener->host->engine, listener->handle, ret);
}

static hf_err listener_drain(lab_listener *listener, hf_ns deadline_ns) {
    return hf_listener_drain(&listener->host->engine, listener->handle, deadline_ns);
}

static hf_err pending_next(lab_listener *listener, hf_pending *ret) {
    return hf_pending_next(&listener->host->engine, listener->handle, ret);
}

static hf_err syn_answer(lab_listener *listener, const hf_pending *pending,
                         hf_syn_verdict verdict) {
    return hf_syn_answer(&listener->host->engine, listener->handle, pending, verdict);
}

static hf_err connect_to(lab_host *host, const hf_connect_options *options, hf_conn *ret) {
    return hf_connect(&host->engine, options, ret);
}

static void hold(lab_conn *conn) { conn->host->conns[conn->handle.index] = conn->index; }

static void release(lab_conn *conn) {
    hf_release(&conn->host->engine, conn->handle);
    conn->host->conns[conn->handle.index] = LAB_ANY;
}

static hf_err send_some(lab_conn *conn, const void *data, size_t bytes, size_t *ret_taken) {
    return hf_send(&conn->host->engine, conn->handle, data, bytes, ret_taken);
}

static hf_err receive_some(lab_conn *conn, void *to, size_t bytes, size_t *ret_bytes) {
    return hf_receive(&conn->host->engine, conn->handle, to, bytes, ret_bytes);
}

static bool unread(lab_conn *conn) {
    hf_part part;
    size_t count = 0;
    return hf_receive_peek(&conn->host->engine, conn->handle, &part, 1, &count) == HF_OK &&
           count > 0;
}

static hf_err shut_down(lab_conn *conn) { return hf_shutdown(&conn->host->engine, conn->handle); }

static hf_err close_it(lab_conn *conn, const hf_close_options *options) {
    return hf_close(&conn->host->engine, conn->handle, options);
}

static hf_err abort_it(lab_conn *conn) { return hf_abort(&conn->host->engine, conn->handle); }

static hf_err options_set(lab_conn *conn, const hf_tcp_options *options) {
    return hf_conn_options_set(&conn->host->engine, conn->handle, options);
}

static hf_err options_get(lab_conn *conn, hf_tcp_options *ret) {
    return hf_conn_options_get(&conn->host->engine, conn->handle, ret);
}

static hf_err status(lab_conn *conn, hf_conn_status *ret) {
    return hf_conn_status_get(&conn->host->engine, conn->handle, ret);
}

static hf_err end_of(lab_conn *conn, hf_end *ret) {
    return hf_conn_end(&conn->host->engine, conn->handle, ret);
}

static bool end_next(lab_host *host, uint64_t *cursor, hf_end_record *ret) {
    return hf_end_next(&host->engine, cursor, ret);
}

static hf_err why_not(lab_conn *conn, hf_not_sending *ret) {
    return hf_why_not_sending(&conn->host->engine, conn->handle, ret);
}

static hf_err ports(lab_host *host, const hf_addr *local, const hf_addr *remote, uint16_t port,
                    hf_port_ledger *ret) {
    return hf_port_ledger_get(&host->engine, local, remote, port, ret);
}

static void time_wait(lab_host *host, hf_time_wait_status *ret) {
    hf_time_wait_status_get(&host->engine, ret);
}

static const lab_conn_ops engine_conn = {.listen = listen_on,
                                         .accept = accept_next,
                                         .listener_close = listener_close,
                                         .listener_status = listener_status,
                                         .listener_drain = listener_drain,
                                         .pending_next = pending_next,
                                         .syn_answer = syn_answer,
                                         .connect = connect_to,
                                         .hold = hold,
                                         .release = release,
                                         .send = send_some,
                                         .receive = receive_some,
                                         .unread = unread,
                                         .shutdown = shut_down,
                                         .close = close_it,
                                         .abort = abort_it,
                                         .options_set = options_set,
                                         .options_get = options_get,
                                         .status = status,
                                         .end = end_of,
                                         .end_next = end_next,
                                         .why = why_not,
                                         .ports = ports,
                                         .time_wait = time_wait};

const lab_backend lab_on_holdfast = {
    .name = "holdfast", .host = &lab_engine_host, .conn = &engine_conn};
