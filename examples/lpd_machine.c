#include "lpd_machine.h"

#include <string.h>

/* Who says nothing for so long is no client that eight places can wait for. */
#define SILENCE_NS (10 * HF_SECOND)

void lpd_machine_config(hf_config *config) {
    hf_config_default(config);
    config->conns = LPD_CONNS;
    config->listeners = 1;
    config->syn_entries = 8;
    config->time_wait = 608;
    config->time_wait6 = 0;
    config->flights = LPD_CONNS;
    config->watches = LPD_CONNS; /* idle_within has one each */
    config->segments = 16;
    config->ranges = 8;
    config->option_sets = 2;
    config->interfaces = 1;
    config->addresses = 1;
    config->routes = 2;
    config->neighbors = 1;
    config->paths = 2;
    config->udp_sockets = 0;
    config->udp_buffers = 0;
    config->tx_frames = 10;
    config->reassembly = 0;
    config->end_records = 1;
    config->end_budget = LPD_CONNS;
    config->owners = 4;
    config->chunk_bytes = 256;
    config->rx_chunks = 24;
    config->tx_chunks = 8;
}

hf_err lpd_machine_start(lpd_machine *machine, hf_engine *engine, const lpd_spool *spool,
                         uint16_t port) {
    memset(machine, 0, sizeof *machine);
    machine->engine = engine;
    machine->spool = spool;
    const hf_listen_options options = {
        .port = port,
        .backlog = LPD_CONNS,
        .tcp = {.detect_within_ns = SILENCE_NS, .idle_within_ns = SILENCE_NS, .no_delay = true},
    };
    return hf_listen(engine, &options, &machine->listener);
}

/* ---- A conversation ---- */

/* What the client still sends is thrown away: a close with bytes unread would be RST, which may
 * destroy the answer. */
static void close_client(lpd_machine *machine, lpd_client *client) {
    const hf_close_options options = {.deadline_ns = SILENCE_NS, .drain = true};
    lpd_end(&client->talk);
    client->closed = true;
    hf_close(machine->engine, client->conn, &options);
}

/* False if it must wait for room. */
static bool send_client_answers(lpd_machine *machine, lpd_client *client) {
    const char *text;
    for (size_t bytes; (bytes = lpd_answer(&client->talk, &text)) > 0;) {
        size_t taken = 0;
        const hf_err err = hf_send(machine->engine, client->conn, text, bytes, &taken);
        lpd_answered(&client->talk, taken);
        if (err != HF_OK || taken < bytes) return false;
    }
    return true;
}

/* Takes what has come; false if nothing has, or the client has closed. */
static bool take_client_bytes(lpd_machine *machine, lpd_client *client) {
    hf_part part;
    size_t count = 0;
    const hf_err err = hf_receive_peek(machine->engine, client->conn, &part, 1, &count);
    if (err == HF_END_OF_STREAM) close_client(machine, client);
    if (err != HF_OK || count == 0) return false;
    hf_receive_consume(machine->engine, client->conn,
                       lpd_take(&client->talk, part.data, part.bytes));
    return true;
}

static void serve_client(lpd_machine *machine, lpd_client *client) {
    while (!client->closed) {
        if (!send_client_answers(machine, client)) return;
        if (lpd_is_over(&client->talk))
            close_client(machine, client);
        else if (!take_client_bytes(machine, client))
            return;
    }
}

static void end_client(lpd_machine *machine, lpd_client *client) {
    hf_end end;
    if (hf_conn_end(machine->engine, client->conn, &end) == HF_OK) {
        const bool good = end.cause == HF_CAUSE_END_CLOSED && client->closed;
        machine->served += good;
        machine->failed += !good;
        if (!good) machine->last_failure = end;
    }
    lpd_end(&client->talk);
    client->used = false;
    hf_release(machine->engine, client->conn);
}

/* ---- Events ---- */

static void accept_clients(lpd_machine *machine) {
    hf_conn conn;
    while (hf_accept(machine->engine, machine->listener, &conn) == HF_OK) {
        lpd_client *client = &machine->clients[conn.index];
        *client = (lpd_client){.conn = conn, .used = true};
        lpd_begin(&client->talk, machine->spool);
        machine->accepted++;
        serve_client(machine, client);
    }
}

static void on_event(lpd_machine *machine, const hf_event *event) {
    lpd_client *client = &machine->clients[event->index];
    if (!client->used || client->conn.generation != event->generation) return;
    if (event->bits & HF_EVENT_END)
        end_client(machine, client);
    else
        serve_client(machine, client);
}

void lpd_machine_serve(lpd_machine *machine) {
    hf_event event;
    while (hf_next_event(machine->engine, &event)) {
        if (event.object == HF_OBJECT_LISTENER) accept_clients(machine);
        if (event.object == HF_OBJECT_CONN && event.index < LPD_CONNS) on_event(machine, &event);
    }
}

void lpd_machine_stop(lpd_machine *machine) {
    for (uint32_t i = 0; i < LPD_CONNS; i++) {
        lpd_client *client = &machine->clients[i];
        if (!client->used) continue;
        lpd_end(&client->talk);
        hf_abort(machine->engine, client->conn);
        hf_release(machine->engine, client->conn);
        client->used = false;
    }
}

/* ---- The books ---- */

void lpd_machine_books(const lpd_machine *machine, lpd_books *ret_books) {
    static const hf_cause turned_away[] = {HF_CAUSE_SENT_RST_REFUSED, HF_CAUSE_SENT_RST_NO_PLACE,
                                           HF_CAUSE_DROP_LISTENER_FULL};
    *ret_books = (lpd_books){.cookies = hf_cause_count(machine->engine, HF_CAUSE_SENT_SYN_COOKIE)};
    for (size_t i = 0; i < sizeof turned_away / sizeof *turned_away; i++)
        ret_books->turned_away += hf_cause_count(machine->engine, turned_away[i]);
    hf_time_wait_status_get(machine->engine, &ret_books->time_wait);
    ret_books->good = ret_books->time_wait.early_unsafe == 0 && machine->failed == 0 &&
                      ret_books->turned_away == 0;
    ret_books->all_whole = ret_books->good && ret_books->time_wait.early_guarded == 0;
}
