/* hf-http-get: fetches one URL over HTTP/1.1, by Holdfast on a TUN device. Exit codes as curl's. */
#include "common.h"
#include "http_reply.h"
#include "http_request.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_URL = 3,
    EXIT_CONNECT = 7,
    EXIT_WEIRD_REPLY = 8,
    EXIT_PARTIAL = 18,
    EXIT_HTTP_ERROR = 22,
    EXIT_WRITE = 23,
    EXIT_TIMEOUT = 28,
    EXIT_NOTHING = 52,
    EXIT_RECEIVE = 56,
    GOES_ON = -1
};

#define RECEIVE_BYTES (4u << 20)
#define CHUNK_BYTES 65536u
#define RECEIVE_POOL_BYTES (16u << 20)
#define PARTS 64

typedef struct settings {
    ex_options host;
    const char *output, *url;
    hf_ns detect_within_ns, connect_timeout_ns, max_time_ns;
    bool fail, tells;
} settings;

typedef struct fetch {
    ex_host host;
    const settings *set;
    http_url url;
    hf_conn conn;
    hf_ns started_at_ns, deadline_at_ns;
    bool connected, has_reply;
    size_t head_bytes;
    http_reply reply;
    http_content content;
    int output;
    uint64_t written_bytes;
    char head[HTTP_REPLY_HEAD_MAX_BYTES];
} fetch;

/* ---- Options ---- */

static void usage(FILE *to) {
    fputs("Usage: hf-http-get --tun NAME --address ADDR/BITS [options] [-o FILE] URL\n"
          "Fetches http://ADDRESS[:PORT]/PATH, ADDRESS being 10.99.0.1 or "
          "[fd99::1].\n\n" EX_USAGE_LINES
          "  -o FILE                where the content goes [standard output]\n"
          "  -f                     a status of 400 or more fails, and nothing is written\n"
          "  -v                     tell how it went, on standard error\n"
          "  --connect-timeout TIME give up connecting after so long\n"
          "  --max-time TIME        give up after so long in all\n"
          "  --detect-within TIME   a server that is not heard for so long is gone [30s]\n\n"
          "Exit codes: 0 fetched, 1 set-up, 2 usage, 3 bad URL, 7 not connected, 8 no HTTP, 18 cut "
          "short,\n"
          "22 HTTP error (-f), 23 cannot write, 28 timed out, 52 no answer at all, 56 reset.\n",
          to);
}

static bool read_duration(const char *name, const char *text, hf_ns *ret_ns) {
    if (ex_duration(text, ret_ns)) return true;
    ex_say("--%s %s: not a time, as 30s, 500ms or 2m", name, text);
    return false;
}

static bool read_option(settings *ret, int option, const char *value) {
    switch (option) {
    case 'o': ret->output = value; return true;
    case 'f': ret->fail = true; return true;
    case 'v': ret->tells = true; return true;
    case 'c': return read_duration("connect-timeout", value, &ret->connect_timeout_ns);
    case 'm': return read_duration("max-time", value, &ret->max_time_ns);
    case 'd': return read_duration("detect-within", value, &ret->detect_within_ns);
    case EX_OPTION_HELP: usage(stdout); exit(EX_OK);
    case EX_OPTION_VERSION: puts("hf-http-get " HF_VERSION); exit(EX_OK);
    default: return ex_option(&ret->host, option, value);
    }
}

static bool read_options(int argc, char **argv, settings *ret) {
    static const struct option names[] = {EX_LONG_OPTIONS,
                                          {"connect-timeout", 1, NULL, 'c'},
                                          {"max-time", 1, NULL, 'm'},
                                          {"detect-within", 1, NULL, 'd'},
                                          {"output", 1, NULL, 'o'},
                                          {"fail", 0, NULL, 'f'},
                                          {"verbose", 0, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "o:fv", names, NULL)) != -1)
        if (!read_option(ret, option, optarg)) return false;
    if (optind + 1 == argc)
        ret->url = argv[optind];
    else
        ex_say("one URL is wanted; --help tells all options");
    return ret->url && ex_options_complete(&ret->host);
}

/* ---- Start ---- */

static hf_ns now_of(const fetch *self) { return hf_engine_now(&self->host.engine); }

static hf_ns earlier(hf_ns a_ns, hf_ns b_ns) { return a_ns < b_ns ? a_ns : b_ns; }

/* The instant at which the fetch is given up, or HF_NEVER. */
static hf_ns deadline(const fetch *self) {
    const settings *set = self->set;
    hf_ns at_ns = HF_NEVER;
    if (set->max_time_ns) at_ns = self->started_at_ns + set->max_time_ns;
    if (set->connect_timeout_ns && !self->connected)
        at_ns = earlier(at_ns, self->started_at_ns + set->connect_timeout_ns);
    return at_ns;
}

static int connect_to(fetch *self) {
    hf_connect_options options = {
        .remote = self->url.addr,
        .remote_port = self->url.port,
        .tcp = {.detect_within_ns = self->set->detect_within_ns,
                .receive_bytes = RECEIVE_BYTES,
                .no_delay = true},
    };
    self->started_at_ns = now_of(self);
    const hf_err err = hf_connect(&self->host.engine, &options, &self->conn);
    if (err == HF_OK) return GOES_ON;
    ex_say("%s port %u: %s", ex_addr_text(&self->url.addr), self->url.port, hf_err_sentence(err));
    return EXIT_CONNECT;
}

/* Queued before the handshake is done, so that it goes with its last ACK. */
static int send_request(fetch *self) {
    char request[HTTP_URL_MAX_BYTES + 256];
    const int bytes = snprintf(request, sizeof request,
                               "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: hf-http-get/" HF_VERSION
                               "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                               self->url.target, self->url.host);
    size_t taken = 0;
    const hf_err err = hf_send(&self->host.engine, self->conn, request, (size_t)bytes, &taken);
    if (err == HF_OK && taken == (size_t)bytes) return GOES_ON;
    ex_say("sending the request: %s", hf_err_sentence(err));
    return EXIT_CONNECT;
}

static int start(fetch *self) {
    hf_config config;
    hf_config_default(&config);
    config.chunk_bytes = CHUNK_BYTES;
    config.rx_chunks = RECEIVE_POOL_BYTES / CHUNK_BYTES;
    config.tx_chunks = 64;
    if (!ex_host_start(&self->host, &self->set->host, &config)) return EX_FAILED;
    const int code = connect_to(self);
    return code == GOES_ON ? send_request(self) : code;
}

/* ---- The content goes out ---- */

static bool open_output(fetch *self) {
    if (self->output >= 0) return true;
    const char *path = self->set->output;
    const bool to_stdout = !path || strcmp(path, "-") == 0;
    self->output =
        to_stdout ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (self->output < 0) ex_say("%s: %s", path, strerror(errno));
    return self->output >= 0;
}

static bool write_all(fetch *self, const char *data, size_t bytes) {
    if (!open_output(self)) return false;
    while (bytes != 0) {
        const ssize_t wrote = write(self->output, data, bytes);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) {
            ex_say("writing %s: %s", self->set->output ? self->set->output : "", strerror(errno));
            return false;
        }
        data += wrote;
        bytes -= (size_t)wrote;
        self->written_bytes += (uint64_t)wrote;
    }
    return true;
}

static int finish(fetch *self) {
    if (!open_output(self)) return EXIT_WRITE;
    if (self->output != STDOUT_FILENO && close(self->output) != 0) {
        ex_say("writing %s: %s", self->set->output, strerror(errno));
        return EXIT_WRITE;
    }
    return EX_OK;
}

static int take_content(fetch *self, const char *data, size_t bytes) {
    while (bytes != 0) {
        const char *content;
        size_t content_bytes;
        const size_t taken =
            http_content_take(&self->content, data, bytes, &content, &content_bytes);
        if (content_bytes != 0 && !write_all(self, content, content_bytes)) return EXIT_WRITE;
        if (self->content.place == HTTP_DONE) return finish(self);
        if (self->content.place == HTTP_BROKEN) {
            ex_say("the server's chunks are broken");
            return EXIT_RECEIVE;
        }
        data += taken;
        bytes -= taken;
    }
    return GOES_ON;
}

/* ---- The reply comes in ---- */

/* Interim responses (1xx) are passed over: the final one follows (RFC 9110 15.2). */
static int read_head(fetch *self, size_t bytes) {
    if (!http_reply_read(self->head, bytes, &self->reply)) {
        ex_say("the server does not speak HTTP/1");
        return EXIT_WEIRD_REPLY;
    }
    if (self->reply.status >= 200) {
        self->has_reply = true;
        http_content_begin(&self->content, &self->reply);
    }
    if (self->set->fail && self->reply.status >= 400) {
        ex_say("the server answered %d", self->reply.status);
        return EXIT_HTTP_ERROR;
    }
    return self->has_reply && self->content.place == HTTP_DONE ? finish(self) : GOES_ON;
}

/* Gathers the head; what of these bytes comes after it is content, or the next head. */
static int take_head(fetch *self, const char *data, size_t bytes) {
    while (!self->has_reply) {
        size_t room = sizeof self->head - self->head_bytes;
        if (room > bytes) room = bytes;
        memcpy(self->head + self->head_bytes, data, room);
        const size_t before = self->head_bytes;
        self->head_bytes += room;
        const size_t end = http_head_bytes(self->head, self->head_bytes);
        if (end == 0 && self->head_bytes < sizeof self->head) return GOES_ON;
        const int code = read_head(self, end);
        if (code != GOES_ON) return code;
        data += end - before;
        bytes -= end - before;
        self->head_bytes = 0;
    }
    return take_content(self, data, bytes);
}

static int take_bytes(fetch *self, const char *data, size_t bytes) {
    return self->has_reply ? take_content(self, data, bytes) : take_head(self, data, bytes);
}

/* The server closed its side: that may be how the content ends, or it may be too early. */
static int on_end_of_stream(fetch *self) {
    if (self->has_reply && http_content_is_whole(&self->content)) return finish(self);
    ex_say("the server closed after %llu bytes of the content, before its end",
           (unsigned long long)self->written_bytes);
    return self->has_reply ? EXIT_PARTIAL : EXIT_NOTHING;
}

static int receive_all(fetch *self) {
    hf_part parts[PARTS];
    size_t count;
    hf_err err;
    while ((err = hf_receive_peek(&self->host.engine, self->conn, parts, PARTS, &count)) == HF_OK) {
        size_t bytes = 0;
        for (size_t i = 0; i < count; i++) {
            const int code = take_bytes(self, parts[i].data, parts[i].bytes);
            if (code != GOES_ON) return code;
            bytes += parts[i].bytes;
        }
        hf_receive_consume(&self->host.engine, self->conn, bytes);
    }
    return err == HF_END_OF_STREAM ? on_end_of_stream(self) : GOES_ON;
}

/* ---- Ends ---- */

static int on_end(fetch *self) {
    hf_end end;
    char sentences[512];
    if (hf_conn_end(&self->host.engine, self->conn, &end) != HF_OK) return EXIT_RECEIVE;
    hf_explain_end(&end, sentences, sizeof sentences);
    ex_say("%s port %u: %s", ex_addr_text(&self->url.addr), self->url.port, sentences);
    if (!self->connected) return EXIT_CONNECT;
    return end.cause == HF_CAUSE_END_PEER_SILENT ? EXIT_TIMEOUT : EXIT_RECEIVE;
}

static int on_deadline(fetch *self) {
    char after[32];
    hf_explain_duration(now_of(self) - self->started_at_ns, after, sizeof after);
    if (self->connected)
        ex_say("timed out after %s, with %llu bytes of the content", after,
               (unsigned long long)self->written_bytes);
    else
        ex_say("%s port %u: no connection within %s", ex_addr_text(&self->url.addr), self->url.port,
               after);
    hf_abort(&self->host.engine, self->conn);
    return EXIT_TIMEOUT;
}

static int take_events(fetch *self) {
    hf_event event;
    while (hf_next_event(&self->host.engine, &event)) {
        if (event.bits & HF_EVENT_CONNECTED) self->connected = true;
        const int code = receive_all(self);
        if (code != GOES_ON) return code;
        if (event.bits & HF_EVENT_END) return on_end(self);
    }
    return GOES_ON;
}

static void tell(const fetch *self) {
    hf_conn_status status;
    char bytes[48], took[32];
    if (hf_conn_status_get(&self->host.engine, self->conn, &status) != HF_OK) return;
    hf_explain_bytes(self->written_bytes, bytes, sizeof bytes);
    hf_explain_duration(now_of(self) - self->started_at_ns, took, sizeof took);
    ex_say("status %d, %s in %s; segments of %u bytes, round trip %llu us", self->reply.status,
           bytes, took, status.mss, (unsigned long long)(status.srtt_ns / HF_US));
}

static int loop(fetch *self) {
    for (;;) {
        hf_loop_step(&self->host.loop);
        const int code = take_events(self);
        if (code != GOES_ON) return code;
        hf_loop_flush(&self->host.loop);
        if (now_of(self) >= deadline(self)) return on_deadline(self);
        if (hf_loop_wait(&self->host.loop, deadline(self), -1)) continue;
        ex_say("TUN device %s was removed", hf_tun_name(self->host.loop.tun));
        return EXIT_RECEIVE;
    }
}

/* How long the close may take: our ACK of the server's FIN has to get there. */
#define CLOSE_NS (200 * HF_MS)

/* Leaves the server neither with a half-open connection nor, if all went well, with a reset. */
static void close_in_order(fetch *self) {
    hf_end end;
    const hf_ns until_ns = now_of(self) + CLOSE_NS;
    hf_close(&self->host.engine, self->conn, NULL);
    while (hf_conn_end(&self->host.engine, self->conn, &end) == HF_AGAIN &&
           now_of(self) < until_ns) {
        hf_loop_flush(&self->host.loop);
        if (!hf_loop_wait(&self->host.loop, until_ns, -1)) return;
        hf_loop_step(&self->host.loop);
    }
    if (hf_conn_end(&self->host.engine, self->conn, &end) == HF_AGAIN)
        hf_abort(&self->host.engine, self->conn);
}

int main(int argc, char **argv) {
    static fetch self;
    settings set = {.detect_within_ns = 30 * HF_SECOND};
    signal(SIGPIPE, SIG_IGN); /* a closed standard output is a write error */
    if (!read_options(argc, argv, &set)) return EX_USAGE;
    self.set = &set;
    self.output = -1;
    const char *wrong = http_url_read(set.url, &self.url);
    if (wrong) {
        ex_say("%s: %s", set.url, wrong);
        return EXIT_URL;
    }
    int code = start(&self);
    if (code == GOES_ON) {
        code = loop(&self);
        if (set.tells) tell(&self);
        close_in_order(&self);
    }
    return ex_host_stop(&self.host) || code != EX_OK ? code : EXIT_WRITE;
}
