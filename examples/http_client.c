#include "http_client.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long, and for how much, a client that sends on is listened to after our last answer. */
#define LINGER_NS (5 * HF_SECOND)
#define LINGER_MAX_BYTES (1u << 20)

static void go(server *self, client *one, client_stage stage) {
    one->stage = stage;
    one->active_at_ns = hf_engine_now(&self->host.engine);
}

static void moved(server *self, client *one) {
    one->active_at_ns = hf_engine_now(&self->host.engine);
}

client *client_new(server *self, hf_conn conn) {
    client *one = calloc(1, sizeof *one);
    if (!one) {
        hf_abort(&self->host.engine, conn);
        hf_release(&self->host.engine, conn);
        return NULL;
    }
    one->conn = conn;
    one->answer.fd = -1;
    go(self, one, CLIENT_READS);
    self->clients[conn.index] = one;
    self->client_count++;
    return one;
}

static void tell_end(server *self, const client *one) {
    hf_end end;
    hf_conn_status status;
    char sentences[512];
    if (hf_conn_end(&self->host.engine, one->conn, &end) != HF_OK ||
        end.cause == HF_CAUSE_END_CLOSED ||
        hf_conn_status_get(&self->host.engine, one->conn, &status) != HF_OK)
        return;
    hf_explain_end(&end, sentences, sizeof sentences);
    ex_say("client %s port %u: %s", ex_addr_text(&status.remote), status.remote_port, sentences);
}

void client_free(server *self, client *one) {
    tell_end(self, one);
    hf_release(&self->host.engine, one->conn);
    http_answer_drop(&one->answer);
    self->clients[one->conn.index] = NULL;
    self->client_count--;
    free(one);
}

/* ---- Reading ---- */

static void close_now(server *self, client *one) {
    hf_close(&self->host.engine, one->conn, NULL);
    go(self, one, CLIENT_CLOSED);
}

static void begin_answer(server *self, client *one) {
    one->text_sent = 0;
    go(self, one, CLIENT_ANSWERS);
    if (one->answer.text) return;
    hf_abort(&self->host.engine, one->conn);
    go(self, one, CLIENT_CLOSED);
}

/* The path is what a stranger sent: encoded, so that a line stays a line. */
static void tell_answer(const http_request *request, const http_answer *answer) {
    char encoded[3 * HTTP_HEAD_MAX_BYTES + 1];
    http_path_encode(request->path, encoded);
    printf("%d %s %s %llu\n", answer->status, request->head ? "HEAD" : "GET", encoded,
           (unsigned long long)answer->left);
}

static void answer_request(server *self, client *one, size_t head_bytes) {
    http_request request;
    http_request_read(one->in, head_bytes, &request);
    http_answer_make(self->directory, &request, &one->answer);
    if (self->tells) tell_answer(&request, &one->answer);
    one->in_bytes -= head_bytes;
    memmove(one->in, one->in + head_bytes, one->in_bytes);
    begin_answer(self, one);
}

/* Takes bytes of the next request. False if none are there yet. */
static bool take_bytes(server *self, client *one) {
    size_t got = 0;
    const hf_err err = hf_receive(&self->host.engine, one->conn, one->in + one->in_bytes,
                                  sizeof one->in - one->in_bytes, &got);
    if (err == HF_END_OF_STREAM) close_now(self, one);
    if (err != HF_OK) return false;
    one->in_bytes += got;
    moved(self, one);
    return true;
}

static bool serve_read(server *self, client *one) {
    const size_t head_bytes = http_head_bytes(one->in, one->in_bytes);
    if (head_bytes != 0) {
        answer_request(self, one, head_bytes);
    } else if (one->in_bytes == sizeof one->in) {
        http_answer_status(431, &one->answer);
        begin_answer(self, one);
    } else {
        return take_bytes(self, one);
    }
    return true;
}

/* ---- Answering ---- */

static bool send_text(server *self, client *one) {
    size_t taken = 0;
    const hf_err err = hf_send(&self->host.engine, one->conn, one->answer.text + one->text_sent,
                               one->answer.text_bytes - one->text_sent, &taken);
    one->text_sent += taken;
    if (taken) moved(self, one);
    return err == HF_OK; /* room comes with HF_EVENT_WRITABLE */
}

/* Reads the file into the connection's own room: the bytes are copied once, by the kernel. */
static bool send_file(server *self, client *one) {
    http_answer *answer = &one->answer;
    void *room;
    size_t bytes;
    if (hf_send_reserve(&self->host.engine, one->conn, &room, &bytes) != HF_OK) return false;
    if (bytes > answer->left) bytes = (size_t)answer->left;
    const ssize_t got = pread(answer->fd, room, bytes, (off_t)answer->at);
    if (got <= 0) { /* the file is shorter than it was: what was promised cannot be kept */
        hf_abort(&self->host.engine, one->conn);
        go(self, one, CLIENT_CLOSED);
        return false;
    }
    answer->at += (uint64_t)got;
    answer->left -= (uint64_t)got;
    moved(self, one);
    return hf_send_commit(&self->host.engine, one->conn, (size_t)got) == HF_OK;
}

static bool serve_answer(server *self, client *one) {
    if (one->text_sent < one->answer.text_bytes) return send_text(self, one);
    if (one->answer.fd >= 0 && one->answer.left != 0) return send_file(self, one);
    const bool last = one->answer.close_after;
    http_answer_drop(&one->answer);
    if (last) hf_shutdown(&self->host.engine, one->conn);
    go(self, one, last ? CLIENT_LINGERS : CLIENT_READS);
    return true;
}

/* ---- The end ---- */

static bool serve_linger(server *self, client *one) {
    hf_part parts[16];
    size_t count = 0, bytes = 0;
    const hf_err err = hf_receive_peek(&self->host.engine, one->conn, parts, 16, &count);
    if (err == HF_END_OF_STREAM) close_now(self, one);
    if (err != HF_OK) return false;
    for (size_t i = 0; i < count; i++) bytes += parts[i].bytes;
    hf_receive_consume(&self->host.engine, one->conn, bytes);
    one->thrown_away += bytes;
    if (one->thrown_away <= LINGER_MAX_BYTES) return bytes != 0;
    close_now(self, one);
    return false;
}

void client_serve(server *self, client *one) {
    bool goes_on = true;
    while (goes_on) {
        switch (one->stage) {
        case CLIENT_READS: goes_on = serve_read(self, one); break;
        case CLIENT_ANSWERS: goes_on = serve_answer(self, one); break;
        case CLIENT_LINGERS: goes_on = serve_linger(self, one); break;
        case CLIENT_CLOSED: goes_on = false; break;
        }
    }
}

void client_check(server *self, client *one) {
    const hf_ns silent_ns = hf_engine_now(&self->host.engine) - one->active_at_ns;
    switch (one->stage) {
    case CLIENT_READS:
        if (silent_ns < self->idle_ns) return;
        hf_shutdown(&self->host.engine, one->conn);
        go(self, one, CLIENT_LINGERS);
        return;
    case CLIENT_ANSWERS:
        if (silent_ns < self->idle_ns) return;
        hf_abort(&self->host.engine, one->conn);
        go(self, one, CLIENT_CLOSED);
        return;
    case CLIENT_LINGERS:
        if (silent_ns >= LINGER_NS) close_now(self, one);
        return;
    case CLIENT_CLOSED: return;
    }
}
