/* lwIP as Debian ships it: the raw API from one thread after lwip_init(), time by tcp_tmr(). Both ends
 * are instances of the library, each in a namespace of the dynamic loader (dlmopen), so they share no
 * variable. A frame is copied once, into one that the receiver owns, and received in place. */
#define _GNU_SOURCE
#include "common.h"

#include <dlfcn.h>
#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/ip4_addr.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>

#define PORT 80

/* The functions that are called, each instance's own. */
#define LWIP_CALLS(X)                                                                              \
    X(lwip_init)                                                                                   \
    X(netif_add)                                                                                   \
    X(netif_set_up)                                                                                \
    X(netif_set_link_up)                                                                           \
    X(netif_set_default)                                                                           \
    X(ip_input)                                                                                    \
    X(pbuf_alloced_custom)                                                                         \
    X(pbuf_copy_partial)                                                                           \
    X(pbuf_free)                                                                                   \
    X(tcp_new)                                                                                     \
    X(tcp_bind)                                                                                    \
    X(tcp_listen_with_backlog)                                                                     \
    X(tcp_accept)                                                                                  \
    X(tcp_arg)                                                                                     \
    X(tcp_recv)                                                                                    \
    X(tcp_sent)                                                                                    \
    X(tcp_connect)                                                                                 \
    X(tcp_write)                                                                                   \
    X(tcp_output)                                                                                  \
    X(tcp_recved)                                                                                  \
    X(tcp_close)                                                                                   \
    X(tcp_abort)                                                                                   \
    X(tcp_tmr)

typedef struct frame {
    struct pbuf_custom pbuf;
    struct frame *next;
    uint32_t bytes;
    uint8_t data[1600];
} frame;

typedef struct end {
#define LWIP_POINTER(name) __typeof__(&name) name;
    LWIP_CALLS(LWIP_POINTER)
    struct netif netif;
    frame *first, **last; /* on the way to this end */
} end;

static end ends[2];
static frame *spare;

/* ---- The wire ---- */

static void frame_free(struct pbuf *p) {
    frame *f = (frame *)(void *)p;
    f->next = spare;
    spare = f;
}

static frame *frame_take(void) {
    frame *f = spare;
    if (f == NULL) {
        f = calloc(1, sizeof *f);
        need(f != NULL, "memory");
        f->pbuf.custom_free_function = frame_free;
        return f;
    }
    spare = f->next;
    return f;
}

static err_t transmit(struct netif *netif, struct pbuf *p, const ip4_addr_t *to) {
    (void)to;
    end *other = netif == &ends[0].netif ? &ends[1] : &ends[0];
    frame *f = frame_take();
    f->bytes = 0;
    for (const struct pbuf *q = p; q != NULL; q = q->next) {
        memcpy(f->data + f->bytes, q->payload, q->len);
        f->bytes += q->len;
    }
    f->next = NULL;
    *other->last = f;
    other->last = &f->next;
    return ERR_OK;
}

static bool deliver(end *e) {
    const bool any = e->first != NULL;
    frame *f = e->first;
    e->first = NULL;
    e->last = &e->first;
    while (f != NULL) {
        frame *next = f->next;
        struct pbuf *p = e->pbuf_alloced_custom(PBUF_RAW, (u16_t)f->bytes, PBUF_REF, &f->pbuf,
                                                f->data, sizeof f->data);
        e->netif.input(p, &e->netif);
        f = next;
    }
    return any;
}

static void settle(void) {
    for (bool more = true; more;) {
        more = deliver(&ends[1]);
        more |= deliver(&ends[0]);
    }
}

static err_t begin_netif(struct netif *netif) {
    netif->output = transmit;
    netif->mtu = 1500;
    netif->name[0] = 'h', netif->name[1] = 'f';
    return ERR_OK;
}

static void begin_end(end *e, uint8_t host) {
    void *library = dlmopen(LM_ID_NEWLM, "liblwip.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "bench-lwip: %s\n", dlerror());
        exit(1);
    }
#define LWIP_LOOK_UP(name)                                                                         \
    *(void **)&e->name = dlsym(library, #name);                                                    \
    need(e->name != NULL, #name);
    LWIP_CALLS(LWIP_LOOK_UP)
    e->last = &e->first;
    e->lwip_init();
    ip4_addr_t addr, mask, gateway;
    IP4_ADDR(&addr, 10, 0, 0, host);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 0, 0, 0, 0);
    need(e->netif_add(&e->netif, &addr, &mask, &gateway, NULL, begin_netif, e->ip_input) != NULL,
         "netif_add");
    e->netif_set_default(&e->netif);
    e->netif_set_up(&e->netif);
    e->netif_set_link_up(&e->netif);
}

/* ---- The programs: state of one connection, and what its callbacks do ---- */

typedef struct flow {
    struct tcp_pcb *client, *server;
    uint64_t got;
    bool answered, connected;
} flow;

static flow *opening; /* whose server end is accepted next */
static bool lent;
static uint8_t source[WRITE_BYTES], sink[65536];

/* Data at the server: bulk takes it, else it is echoed. */
static bool echoes;

static err_t server_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    flow *f = arg;
    end *e = &ends[1];
    (void)err;
    if (p == NULL) {
        e->tcp_close(pcb);
        return ERR_OK;
    }
    const u16_t bytes = p->tot_len;
    if (!lent) e->pbuf_copy_partial(p, sink, bytes, 0);
    e->pbuf_free(p);
    e->tcp_recved(pcb, bytes);
    f->got += bytes;
    if (!echoes) return ERR_OK;
    e->tcp_write(pcb, sink, bytes, TCP_WRITE_FLAG_COPY);
    e->tcp_output(pcb);
    return ERR_OK;
}

static err_t client_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    flow *f = arg;
    end *e = &ends[0];
    (void)err;
    if (p == NULL) return ERR_OK;
    const u16_t bytes = p->tot_len;
    e->pbuf_copy_partial(p, sink, bytes, 0);
    e->pbuf_free(p);
    e->tcp_recved(pcb, bytes);
    f->answered = true;
    return ERR_OK;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err) {
    (void)arg, (void)err;
    opening->server = pcb;
    pcb->flags |= TF_NODELAY;
    ends[1].tcp_arg(pcb, opening);
    ends[1].tcp_recv(pcb, server_received);
    return ERR_OK;
}

static err_t connected(void *arg, struct tcp_pcb *pcb, err_t err) {
    flow *f = arg;
    (void)pcb;
    need(err == ERR_OK, "connect");
    f->connected = true;
    return ERR_OK;
}

static void open_flow(flow *f) {
    ip_addr_t server;
    IP_ADDR4(&server, 10, 0, 0, 2);
    *f = (flow){0};
    opening = f;
    f->client = ends[0].tcp_new();
    need(f->client != NULL, "tcp_new");
    f->client->flags |= TF_NODELAY;
    ends[0].tcp_arg(f->client, f);
    ends[0].tcp_recv(f->client, client_received);
    need(ends[0].tcp_connect(f->client, &server, PORT, connected) == ERR_OK, "tcp_connect");
    settle();
    need(f->connected && f->server != NULL, "handshake");
}

static void world_begin(void) {
    begin_end(&ends[0], 1);
    begin_end(&ends[1], 2);
    struct tcp_pcb *listener = ends[1].tcp_new();
    need(ends[1].tcp_bind(listener, NULL, PORT) == ERR_OK, "tcp_bind");
    listener = ends[1].tcp_listen_with_backlog(listener, 255);
    ends[1].tcp_accept(listener, accepted);
}

/* ---- Works ---- */

static double bulk(uint64_t rounds) {
    flow f;
    open_flow(&f);
    const double begin = cpu_seconds();
    while (f.got < rounds) {
        for (;;) {
            const uint32_t room = tcp_sndbuf(f.client);
            const u16_t bytes = (u16_t)(room < WRITE_BYTES ? room : WRITE_BYTES);
            if (bytes == 0 || tcp_sndqueuelen(f.client) >= TCP_SND_QUEUELEN - 16) break;
            if (ends[0].tcp_write(f.client, source, bytes, lent ? 0 : TCP_WRITE_FLAG_COPY) !=
                ERR_OK)
                break;
        }
        ends[0].tcp_output(f.client);
        const bool forth = deliver(&ends[1]);
        need(deliver(&ends[0]) || forth, "bulk");
    }
    return cpu_seconds() - begin;
}

static double requests(uint32_t conns, uint64_t rounds) {
    flow *flows = calloc(conns, sizeof *flows);
    for (uint32_t i = 0; i < conns; i++) open_flow(&flows[i]);
    const uint32_t batch = conns < 100 ? conns : 100;
    const double begin = cpu_seconds();
    for (uint64_t done = 0; done < rounds; done += batch) {
        for (uint32_t i = 0; i < batch; i++) {
            flow *f = &flows[(done + i) % conns];
            f->answered = false;
            ends[0].tcp_write(f->client, source, 64, TCP_WRITE_FLAG_COPY);
            ends[0].tcp_output(f->client);
        }
        settle();
        for (uint32_t i = 0; i < batch; i++) need(flows[(done + i) % conns].answered, "answer");
    }
    return cpu_seconds() - begin;
}

/* Lets 2 MSL go by: TIME_WAIT is over for all. Not timed. */
static void forget_time_wait(void) {
    const int ticks = 2 * TCP_MSL / TCP_TMR_INTERVAL + 4;
    for (int i = 0; i < ticks; i++)
        for (int j = 0; j < 2; j++) ends[j].tcp_tmr();
}

static double cycles(uint64_t rounds) {
    enum { BATCH = 30 };
    double took = 0;
    for (uint64_t done = 0; done < rounds; done += BATCH) {
        const double begin = cpu_seconds();
        for (int i = 0; i < BATCH; i++) {
            flow f;
            open_flow(&f);
            ends[0].tcp_write(f.client, source, 1, TCP_WRITE_FLAG_COPY);
            ends[0].tcp_output(f.client);
            settle();
            need(f.answered, "echo");
            ends[0].tcp_close(f.client);
            settle();
        }
        took += cpu_seconds() - begin;
        forget_time_wait();
    }
    return took;
}

static double run(const work *w, uint64_t rounds) {
    lent = w->lent;
    echoes = w->kind != WORK_BULK;
    world_begin();
    if (w->kind == WORK_BULK) return bulk(rounds);
    return w->kind == WORK_REQUESTS ? requests(w->conns, rounds) : cycles(rounds);
}

static const char *cannot(const work *w) {
    if (w->kind == WORK_CYCLES_KEPT) return "16,383 local ports, each TIME_WAIT holds one";
    if (w->mtu != 1500) return "Debian's build has an MSS of 1,460";
    if (!w->sum) return "Debian's build always sums";
    return NULL;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--bytes") == 0) {
        printf("%zu\n", sizeof(struct tcp_pcb));
        return 0;
    }
    return bench_main(argc, argv, run, cannot);
}
