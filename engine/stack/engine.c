/* The memory plan: one walk over the areas that both counts and lays out. */
#include "stack/engine.h"

#define AREA_ALIGN 64u

/* A walk over a block; with base NULL it only counts. */
typedef struct layout {
    uint8_t *base;
    size_t bytes;
} layout;

static void *area(layout *l, size_t count, size_t bytes_each) {
    void *at = l->base != NULL ? l->base + l->bytes : NULL;
    l->bytes += (count * bytes_each + AREA_ALIGN - 1) & ~(size_t)(AREA_ALIGN - 1);
    return at;
}

static uint32_t flow_capacity(const hf_config *c) {
    return c->conns + c->syn_entries + c->time_wait + c->time_wait6 + c->listeners;
}
static uint32_t wheel_count(const hf_config *c) { return c->conns + c->syn_entries; }

static uint32_t shift_of(uint32_t power) {
    uint32_t shift = 0;
    while ((1u << shift) < power) shift++;
    return shift;
}

static hfi_chunks chunk_area(layout *l, uint32_t count, uint32_t chunk_bytes, uint8_t *data,
                             hfi_pool *pool, uint32_t *held) {
    hfi_chunks chunks;
    chunks.bytes = data;
    chunks.next = area(l, count, sizeof(hfi_index));
    chunks.number = area(l, count, sizeof(uint32_t));
    chunks.references = area(l, count, sizeof(uint16_t));
    chunks.owner = area(l, count, sizeof(uint8_t));
    chunks.held = held;
    chunks.pool = pool;
    chunks.shift = shift_of(chunk_bytes);
    return chunks;
}

static hfi_owners owner_areas(layout *l, const hf_config *c) {
    hfi_owners owners;
    owners.sets = c->owners / HFI_OWNER_WAYS;
    owners.prefix = area(l, hfi_owner_rows(&owners), sizeof(hf_addr));
    owners.rx = area(l, hfi_owner_rows(&owners), sizeof(uint32_t));
    owners.tx = area(l, hfi_owner_rows(&owners), sizeof(uint32_t));
    owners.conns = area(l, hfi_owner_rows(&owners), sizeof(uint32_t));
    owners.refused = area(l, hfi_owner_rows(&owners), sizeof(uint32_t));
    owners.of_conn = area(l, c->conns, sizeof(uint8_t));
    return owners;
}

static void tcp_areas(layout *l, hfi_ctx *ctx, const hf_config *c) {
    ctx->conns = area(l, c->conns, sizeof(hfi_conn));
    ctx->conn_next = area(l, c->conns, sizeof(hfi_index));
    ctx->listeners = area(l, c->listeners, sizeof(hfi_listener));
    ctx->option_sets = area(l, c->option_sets, sizeof(hfi_option_set));
    ctx->segments = area(l, c->segments, sizeof(hfi_segment));
    ctx->ranges = area(l, c->ranges, sizeof(hfi_range));
    ctx->range_next = area(l, c->ranges, sizeof(hfi_index));
    ctx->flights = area(l, c->flights, sizeof(hfi_flight));
    ctx->watches = area(l, c->watches, sizeof(hfi_watch));
    ctx->watch_next = area(l, c->watches, sizeof(hfi_index));
    ctx->syns = area(l, c->syn_entries, sizeof(hfi_syn_entry));
    ctx->syn_next = area(l, c->syn_entries, sizeof(hfi_index));
    ctx->tw4 = area(l, c->time_wait, sizeof(hfi_time_wait));
    ctx->tw6 = area(l, c->time_wait6, sizeof(hfi_time_wait));
    ctx->tw6_head = area(l, c->time_wait6, sizeof(hfi_time_wait6));
    ctx->end_records = area(l, c->end_records, sizeof(hf_end_record));
    ctx->owners = owner_areas(l, c);
}

/* Areas that their rooms lay out themselves. */
typedef struct room_areas {
    void *wheel, *flow, *ip, *path, *neighbor, *reassembly, *udp;
} room_areas;

static room_areas whole(layout *l, hfi_engine *e, const hf_config *c, uint8_t *data) {
    hfi_ctx *ctx = &e->ctx;
    ctx->root = area(l, 1, sizeof(hfi_root));
    tcp_areas(l, ctx, c);
    hfi_pool *rx_pool = ctx->root != NULL ? &ctx->root->rx_pool : NULL;
    hfi_pool *tx_pool = ctx->root != NULL ? &ctx->root->tx_pool : NULL;
    uint8_t *tx_data = data != NULL ? data + (size_t)c->rx_chunks * c->chunk_bytes : NULL;
    ctx->rx = chunk_area(l, c->rx_chunks, c->chunk_bytes, data, rx_pool, ctx->owners.rx);
    ctx->tx = chunk_area(l, c->tx_chunks, c->chunk_bytes, tx_data, tx_pool, ctx->owners.tx);
    room_areas rooms;
    rooms.wheel = area(l, 1, hfi_wheel_bytes(wheel_count(c)));
    rooms.flow = area(l, 1, hfi_flow_bytes(flow_capacity(c)));
    rooms.ip = area(l, 1, hfi_ip_bytes(c));
    rooms.path = area(l, 1, hfi_path_bytes(c));
    rooms.neighbor = area(l, 1, hfi_neighbor_bytes(c));
    rooms.reassembly = area(l, 1, hfi_reassembly_bytes(c));
    rooms.udp = area(l, 1, hfi_udp_bytes(c));
    e->icmp_limit = area(l, 1, sizeof(hfi_icmp_limit));
    e->state = area(l, 1, sizeof(hfi_stack_state));
    e->slots = area(l, c->tx_frames, sizeof(hfi_slot));
    e->slot_next = area(l, c->tx_frames, sizeof(hfi_index));
    e->order = area(l, c->tx_frames, sizeof(uint32_t));
    e->loop = area(l, c->tx_frames, sizeof(uint32_t));
    e->locals = area(l, c->addresses, sizeof(hf_addr));
    ctx->locals = e->locals;
    return rooms;
}

hf_memory hf_engine_bytes(const hf_config *config) {
    hfi_engine e;
    layout l = {NULL, 0};
    memset(&e, 0, sizeof e);
    whole(&l, &e, config, NULL);
    return (hf_memory){l.bytes,
                       (size_t)(config->rx_chunks + config->tx_chunks) * config->chunk_bytes};
}

static void init_pools(hfi_engine *e, const hf_config *c) {
    hfi_ctx *ctx = &e->ctx;
    hfi_root *root = ctx->root;
    hfi_pool_init(&root->conn_pool, ctx->conn_next, c->conns);
    hfi_pool_init(&root->range_pool, ctx->range_next, c->ranges);
    hfi_segq_init(ctx, c->segments, c->flights);
    hfi_pool_init(&root->watch_pool, ctx->watch_next, c->watches);
    hfi_pool_init(&root->syn_pool, ctx->syn_next, c->syn_entries);
    hfi_pool_init(&root->rx_pool, ctx->rx.next, c->rx_chunks);
    hfi_pool_init(&root->tx_pool, ctx->tx.next, c->tx_chunks);
    hfi_tw_init(ctx);
    hfi_pool_init(&e->state->slot_pool, e->slot_next, c->tx_frames);
    root->tx = root->ready = root->ready_listeners = root->room = root->ended =
        (hfi_queue){HFI_NONE, HFI_NONE, 0};
}

static void attach_rooms(hfi_engine *e, const hf_config *c, room_areas rooms) {
    hfi_ip_attach(&e->ip, rooms.ip, c);
    hfi_path_attach(&e->ctx.paths, rooms.path, c);
    hfi_neighbor_attach(&e->neighbors, rooms.neighbor, c);
    hfi_reassembly_attach(&e->reassembly, rooms.reassembly, c);
    hfi_udp_attach(&e->udp, rooms.udp, c);
}

static hfi_key key_for(const hf_config *c, const char *label) {
    size_t length = 0;
    while (label[length] != '\0') length++;
    return hfi_key_derive(c->seed, label, length);
}

static void init_rooms(hfi_engine *e, const hf_config *c, room_areas rooms, hf_ns now_ns) {
    hfi_root *root = e->ctx.root;
    root->isn_key = key_for(c, "isn");
    root->ts_key = key_for(c, "timestamp");
    root->cookie_key = key_for(c, "cookie");
    root->jitter_key = key_for(c, "jitter");
    root->shard_key = key_for(c, "shard");
    hfi_ports_init(&root->ports, key_for(c, "ports"), c->port_low, c->port_high);
    hfi_flow_init(&e->ctx.flow, rooms.flow, flow_capacity(c), key_for(c, "flow"));
    hfi_wheel_init(&e->ctx.wheel, rooms.wheel, wheel_count(c), now_ns);
    attach_rooms(e, c, rooms);
    hfi_ip_init(&e->ip, c);
    hfi_path_init(&e->ctx.paths, c);
    hfi_neighbor_init(&e->neighbors, c);
    hfi_reassembly_init(&e->reassembly, c);
    hfi_udp_init(&e->udp, c);
    hfi_icmp_limit_init(e->icmp_limit, c, now_ns);
}

static bool seed_is_zero(const hf_config *c) {
    for (size_t i = 0; i < sizeof c->seed; i++)
        if (c->seed[i] != 0) return false;
    return true;
}

static void set_now(hfi_ctx *ctx, hf_ns now_ns) {
    ctx->root->now_ns = ctx->now_ns = now_ns;
    ctx->now_tick = hfi_tick_of(now_ns);
    ctx->now_us = hfi_us_of(now_ns);
}

static void use_csum(hfi_ctx *ctx, const hf_csum *csum) {
    ctx->csum_add = csum != NULL ? csum->add : hf_csum_add;
    ctx->csum_copy = csum != NULL ? csum->copy : hf_csum_copy;
}

hf_err hf_engine_init(hf_engine *engine, const hf_config *config, void *block, size_t block_bytes,
                      void *data, size_t data_bytes, hf_ns now_ns) {
    if (hf_config_problem(config) != NULL) return HF_CONFIG;
    if (seed_is_zero(config) && !config->lab_seed) return HF_SEED;
    const hf_memory need = hf_engine_bytes(config);
    if (block_bytes < need.block_bytes || data_bytes < need.data_bytes) return HF_BLOCK_TOO_SMALL;
    hfi_engine *e = hfi_of(engine);
    memset(engine, 0, sizeof *engine);
    memset(block, 0, need.block_bytes);
    layout l = {block, 0};
    const room_areas rooms = whole(&l, e, config, data);
    e->ctx.root->config = *config;
    e->ctx.root->config.trace = NULL;
    e->ctx.root->config.csum = NULL;
    use_csum(&e->ctx, config->csum);
    e->ctx.limits = &e->ctx.root->config.limits;
    e->ctx.trace = config->trace;
    init_rooms(e, config, rooms, now_ns);
    init_pools(e, config);
    set_now(&e->ctx, now_ns);
    hfi_reply_init(&e->ctx);
    return HF_OK;
}

hf_err hf_engine_attach(hf_engine *engine, void *block, void *data, hf_trace *trace,
                        const hf_csum *csum) {
    hfi_engine *e = hfi_of(engine);
    const hfi_root *root = block;
    memset(engine, 0, sizeof *engine);
    layout l = {block, 0};
    const room_areas rooms = whole(&l, e, &root->config, data);
    hfi_wheel_attach(&e->ctx.wheel, rooms.wheel, wheel_count(&root->config));
    hfi_flow_attach(&e->ctx.flow, rooms.flow, flow_capacity(&root->config));
    attach_rooms(e, &root->config, rooms);
    e->ctx.limits = &e->ctx.root->config.limits;
    e->ctx.trace = trace;
    use_csum(&e->ctx, csum);
    set_now(&e->ctx, root->now_ns);
    return HF_OK;
}

/* ---- The step ---- */

/* Were we away? Then silence says nothing about peers. The caller promised to come at next_at. */
static void note_gap(hfi_engine *e, hf_ns before_ns, hf_ns promised_ns, hf_ns now_ns) {
    const hf_ns expected_ns = hfi_max64(before_ns, promised_ns);
    if (promised_ns == HF_NEVER || now_ns <= expected_ns ||
        now_ns - expected_ns <= e->ctx.root->config.max_gap_ns)
        return;
    e->ctx.root->gap_until_ns = now_ns;
    hfi_note(&e->ctx, HFI_NONE, HF_CAUSE_CLOCK_GAP, (uint32_t)((now_ns - expected_ns) / HF_MS), 0);
}

/* A connection that waits for its next hop's link address sends again or probes in its time all the
 * same, to nowhere: else no silence would ever be noticed. */
static void lose_if_waiting(hfi_engine *e, uint32_t id) {
    if (id >= e->ctx.root->config.conns) return;
    hfi_conn *conn = &e->ctx.conns[id];
    if (!hfi_has(conn, HFI_F_WAITS_NEIGHBOR)) return;
    hfi_link_unwait(e, conn);
    if ((conn->pending & (HFI_P_RESEND | HFI_P_PROBE)) == 0) return;
    hfi_tx_lose(e, conn);
    hfi_tcp_settle(&e->ctx, conn);
}

static void run_timers(hfi_engine *e) {
    hfi_ctx *ctx = &e->ctx;
    const uint32_t budget = ctx->root->config.timer_budget;
    uint32_t spent = hfi_tw_expire(ctx, budget);
    hfi_wheel_advance(&ctx->wheel, ctx->now_ns);
    for (; spent < budget; spent++) {
        const uint32_t id = hfi_wheel_pop(&ctx->wheel);
        if (id == HFI_NONE) break;
        hfi_effects effects = hfi_no_effects();
        hfi_tcp_timeout(ctx, id, &effects);
        hfi_tx_effects(e, &effects);
        lose_if_waiting(e, id);
    }
}

void hf_engine_step(hf_engine *engine, hf_ns now_ns, const hf_frame *in, size_t in_count,
                    hf_verdict *ret_verdicts) {
    hfi_engine *e = hfi_of(engine);
    hfi_ctx *ctx = &e->ctx;
    const hf_ns before_ns = ctx->now_ns;
    /* A shorter jump is no gap whatever was promised: the usual step asks nothing. */
    if (now_ns > before_ns && now_ns - before_ns > ctx->root->config.max_gap_ns)
        note_gap(e, before_ns, hf_engine_next_at(engine), now_ns);
    set_now(ctx, hfi_max64(now_ns, before_ns));
    if (now_ns < before_ns)
        hfi_note(ctx, HFI_NONE, HF_CAUSE_TIME_WENT_BACK, (uint32_t)((before_ns - now_ns) / HF_MS),
                 0);
    hfi_loop_run(e);
    for (size_t i = 0; i < in_count;)
        i += hfi_rx_some(e, &in[i], in_count - i, ret_verdicts != NULL ? &ret_verdicts[i] : NULL);
    ctx->frame_id = 0;
    run_timers(e);
    if (HFI_UNLIKELY(ctx->root->draining > 0)) hfi_tcp_drain(ctx);
    hfi_link_run(e);
}

hf_ns hf_engine_next_at(const hf_engine *engine) {
    const hfi_engine *e = hfi_of_const(engine);
    const hfi_ctx *ctx = &e->ctx;
    if (hfi_wheel_has_due(&ctx->wheel) || e->state->loop_count > 0) return ctx->now_ns;
    const hf_ns tcp_ns = hfi_min64(hfi_min64(hfi_wheel_next(&ctx->wheel), hfi_tw_next_at(ctx)),
                                   hfi_open_drain_next_at(ctx));
    return hfi_max64(ctx->now_ns, hfi_min64(tcp_ns, hfi_neighbor_next_at(&e->neighbors)));
}

hf_ns hf_engine_now(const hf_engine *engine) { return hfi_of_const(engine)->ctx.now_ns; }

uint64_t hf_cause_count(const hf_engine *engine, hf_cause cause) {
    return cause < HF_CAUSE_COUNT ? hfi_of_const(engine)->ctx.root->counts[cause] : 0;
}
