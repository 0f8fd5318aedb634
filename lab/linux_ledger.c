/* Who holds what in a host's kernel: counted from its table of connections, /proc/net/tcp, which shows the namespace
 * of whoever opens it. */
#define _GNU_SOURCE
#include "lab/linux.h"
#include <string.h>

enum { PROC_TIME_WAIT = 6, PROC_STATES = 13 };
#define PROC_TICK_NS (10 * HF_MS) /* USER_HZ is 100 */

typedef struct proc_row {
    uint32_t local, remote; /* as they lie in a packet */
    unsigned local_port, remote_port, state, timer;
    hf_ns left_ns;
} proc_row;

static FILE *proc_open(const lab_host *host, const char *path) {
    if (!lab_netns_enter(host->netns->fd)) return NULL;
    FILE *const file = fopen(path, "re");
    lab_netns_enter(lab_netns_wire());
    return file;
}

/* HF_STATE_COUNT: holds no pair, as a listener. */
static hf_state state_of(unsigned state) {
    static const hf_state states[PROC_STATES] = {
        [0] = HF_STATE_COUNT,  [1] = HF_ESTABLISHED, [2] = HF_SYN_SENT,     [3] = HF_SYN_RECEIVED,
        [4] = HF_FIN_WAIT_1,   [5] = HF_FIN_WAIT_2,  [6] = HF_TIME_WAIT,    [7] = HF_STATE_COUNT,
        [8] = HF_CLOSE_WAIT,   [9] = HF_LAST_ACK,    [10] = HF_STATE_COUNT, [11] = HF_CLOSING,
        [12] = HF_SYN_RECEIVED};
    return states[state];
}

/* The next row; the head of the table is none. */
static bool proc_next(FILE *table, proc_row *ret) {
    char line[256];
    unsigned long ticks;
    while (fgets(line, sizeof line, table)) {
        if (sscanf(line, " %*u: %x:%x %x:%x %x %*x:%*x %x:%lx", &ret->local, &ret->local_port,
                   &ret->remote, &ret->remote_port, &ret->state, &ret->timer, &ticks) != 7)
            continue;
        ret->left_ns = ticks * PROC_TICK_NS;
        if (ret->state < PROC_STATES) return true;
    }
    return false;
}

static uint32_t packed(const hf_addr *addr) {
    uint32_t four;
    memcpy(&four, addr->bytes + 12, 4);
    return four;
}

static bool port_range(const lab_host *host, unsigned *ret_low, unsigned *ret_high) {
    FILE *const file = proc_open(host, "/proc/sys/net/ipv4/ip_local_port_range");
    if (!file) return false;
    const bool good = fscanf(file, "%u %u", ret_low, ret_high) == 2;
    fclose(file);
    return good && *ret_low <= *ret_high;
}

hf_err lab_linux_ports(lab_host *host, const hf_addr *local, const hf_addr *remote, uint16_t port,
                       hf_port_ledger *ret) {
    unsigned low, high;
    proc_row row;
    if (!port_range(host, &low, &high)) return HF_NO_ADDRESS;
    FILE *const table = proc_open(host, "/proc/self/net/tcp");
    if (!table) return HF_NO_ADDRESS;
    memset(ret, 0, sizeof *ret);
    ret->ports = ret->free = high - low + 1;
    ret->first_free_at_ns = HF_NEVER;
    const hf_ns now_ns = host->world->now_ns;
    while (proc_next(table, &row)) {
        const hf_state state = state_of(row.state);
        const bool ours = row.local == packed(local) && row.remote == packed(remote) &&
                          row.remote_port == port && row.local_port >= low &&
                          row.local_port <= high;
        if (!ours || state == HF_STATE_COUNT) continue;
        ret->free--;
        if (state != HF_TIME_WAIT) {
            ret->by_state[state]++;
            continue;
        }
        ret->by_time_wait++;
        if (now_ns + row.left_ns < ret->first_free_at_ns)
            ret->first_free_at_ns = now_ns + row.left_ns;
    }
    fclose(table);
    if (ret->free > 0) ret->first_free_at_ns = now_ns;
    return HF_OK;
}

void lab_linux_time_wait(lab_host *host, hf_time_wait_status *ret) {
    proc_row row;
    memset(ret, 0, sizeof *ret);
    ret->next_end_at_ns = HF_NEVER;
    FILE *const table = proc_open(host, "/proc/self/net/tcp");
    if (!table) return;
    while (proc_next(table, &row)) {
        if (row.state != PROC_TIME_WAIT) continue;
        ret->ip4.used++;
        const hf_ns end_ns = host->world->now_ns + row.left_ns;
        if (end_ns < ret->next_end_at_ns) ret->next_end_at_ns = end_ns;
    }
    fclose(table);
}
