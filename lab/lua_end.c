/* How connections ended, for scripts: conn:ended() and host:ends(). */
#include "lab/lua_lab.h"
#include <string.h>

static const char *without(const char *name, const char *prefix) {
    return strncmp(name, prefix, strlen(prefix)) == 0 ? name + strlen(prefix) : name;
}

static void set_addr(lua_State *lua, const char *name, const hf_addr *addr) {
    char text[48];
    if (hf_addr_is_any(addr)) return;
    hf_explain_addr(addr, text, sizeof text);
    lab_set_text(lua, name, text);
}

/* The segment that ended it, if one did. */
static void set_segment(lua_State *lua, const hf_end_segment *segment) {
    if (!segment->present) return;
    lua_newtable(lua);
    lab_set_integer(lua, "seq", segment->seq);
    lab_set_integer(lua, "ack", segment->ack);
    lab_set_integer(lua, "flags", segment->flags);
    lab_set_integer(lua, "ttl", segment->ttl);
    lab_set_integer(lua, "usual_ttl", segment->usual_ttl);
    lab_set_bool(lua, "doubtful", segment->doubts != 0);
    lab_set_integer(lua, "window", segment->window);
    lab_set_integer(lua, "rcv_nxt", segment->rcv_nxt);
    lab_set_integer(lua, "rcv_window", segment->rcv_window);
    lua_setfield(lua, -2, "segment");
}

static void set_receipt(lua_State *lua, const hf_end *end) {
    static const char *const reset[] = {"nobody", "us", "peer"};
    static const char *const holder[] = {"nobody", "us", "peer", "both"};
    lab_set_integer(lua, "bytes_from_app", end->bytes_from_app);
    lab_set_integer(lua, "bytes_sent", end->bytes_sent);
    lab_set_integer(lua, "bytes_acked", end->bytes_acked);
    lab_set_integer(lua, "bytes_thrown", end->bytes_thrown);
    lab_set_integer(lua, "bytes_to_app", end->bytes_to_app);
    lab_set_integer(lua, "bytes_unread", end->bytes_unread);
    lab_set_integer(lua, "bytes_drained", end->bytes_drained);
    lab_set_bool(lua, "fin_sent", end->fin_sent);
    lab_set_bool(lua, "fin_acked", end->fin_acked);
    lab_set_bool(lua, "fin_heard", end->fin_heard);
    lab_set_text(lua, "reset_by", reset[end->reset_by % 3]);
    lab_set_text(lua, "time_wait", holder[end->time_wait & 3]);
    lab_set_integer(lua, "time_wait_until_ns", end->time_wait_until_ns);
}

/* Pushes a table of all that is known. */
void lab_end_push(lua_State *lua, const hf_end *end, hf_ns at_ns) {
    static const char *const who[] = {"nobody", "application", "stack", "peer", "path", "memory"};
    lua_newtable(lua);
    lab_set_text(lua, "cause", without(hf_cause_name(end->cause), "END_"));
    lab_set_text(lua, "by", without(hf_cause_name(end->mechanism), "BY_"));
    lab_set_text(lua, "who", who[end->who % 6]);
    lab_set_text(lua, "state", hf_state_name(end->state));
    lab_set_integer(lua, "at_ns", at_ns);
    lab_set_integer(lua, "last_heard_ns", end->last_heard_ns);
    lab_set_integer(lua, "unanswered", end->unanswered);
    lab_set_integer(lua, "retransmissions", end->retransmissions);
    lab_set_integer(lua, "icmp_type", end->icmp_type);
    lab_set_integer(lua, "icmp_code", end->icmp_code);
    set_addr(lua, "router", &end->router);
    set_segment(lua, &end->segment);
    if (end->first_free_at_ns != 0 && end->first_free_at_ns != HF_NEVER)
        lab_set_integer(lua, "first_free_at_ns", end->first_free_at_ns);
    set_receipt(lua, end);
    char sentence[400];
    hf_explain_end(end, sentence, sizeof sentence);
    lab_set_text(lua, "sentence", sentence);
}

static void push_record(lua_State *lua, const hf_end_record *record) {
    lab_end_push(lua, &record->end, record->end.at_ns);
    lab_set_integer(lua, "number", record->number);
    lab_set_integer(lua, "lost", record->lost);
    lab_set_bool(lua, "dropped", record->dropped);
    set_addr(lua, "local_addr", &record->local);
    set_addr(lua, "remote_addr", &record->remote);
    lab_set_integer(lua, "local_port", record->local_port);
    lab_set_integer(lua, "remote_port", record->remote_port);
}

/* The ends that no handle told and that the host's ring still has, oldest first. */
int lab_host_ends(lua_State *lua) {
    lab_host *const host = lab_host_arg(lua, 1);
    const lab_conn_ops *const ops = host->world->backend->conn;
    uint64_t cursor = 0;
    hf_end_record record;
    lua_newtable(lua);
    for (lua_Integer i = 1; ops->end_next && ops->end_next(host, &cursor, &record); i++) {
        push_record(lua, &record);
        lua_seti(lua, -2, i);
    }
    return 1;
}
