/* The table: one line a socket, at most 80 columns, or wide. */
#include "doctor/show.h"
#include <hf/explain.h>
#include <hf/ladder.h>
#include <string.h>

enum { WORDS = 40 };

void doctor_handle(const doctor_conn *conn, char *to, size_t size) {
    if (conn->pid > 0)
        snprintf(to, size, "%s[%d]:%d", conn->command, (int)conn->pid, conn->fd);
    else if (conn->state == DOCTOR_ESTABLISHED || conn->state == DOCTOR_CLOSE_WAIT)
        snprintf(to, size, "%s", conn->inode > 0 ? "?" : "(not accepted)");
    else
        snprintf(to, size, "%s", conn->inode > 0 ? "?" : "-");
}

/* The same in a column: the command is what is cut. */
enum { HANDLE_WIDTH = 17 };
static void short_handle(const doctor_conn *conn, char *to, size_t size) {
    char numbers[WORDS];
    doctor_handle(conn, to, size);
    if (conn->pid == 0 || strlen(to) <= HANDLE_WIDTH) return;
    const int length = snprintf(numbers, sizeof numbers, "[%d]:%d", (int)conn->pid, conn->fd);
    const int room = length < HANDLE_WIDTH ? HANDLE_WIDTH - length : 0;
    snprintf(to, size, "%.*s%.24s", room, conn->command, numbers);
}

/* A time in at most 7 characters. */
static void short_time(const doctor_notice *notice, char *to, size_t size) {
    if (!notice->known)
        snprintf(to, size, "?");
    else if (notice->by_s > 1e9)
        doctor_notice_time(notice, to, size);
    else if (notice->by_s < 1000)
        snprintf(to, size, notice->by_s < 10 ? "%.1f s" : "%.0f s", notice->by_s + 0.05);
    else
        snprintf(to, size, "%.0f min", notice->by_s / 60 + 0.5);
}

static void show_settings(const doctor_settings *set, FILE *to) {
    if (set->source == DOCTOR_UNKNOWN) {
        fputs(" settings unknown", to);
        return;
    }
    if (set->keepalive)
        fprintf(to, " keepalive %u/%u/%u", set->keep_idle_s, set->keep_interval_s, set->keep_count);
    else
        fputs(" keepalive off", to);
    if (set->user_timeout_ms > 0) fprintf(to, " user_timeout %u ms", set->user_timeout_ms);
    fprintf(to, " rto_max %u ms%s", set->rto_max_ms, set->linger_zero ? " linger_zero" : "");
}

static void show_row(const doctor_view *view, const doctor_conn *conn, const doctor_table *table,
                     FILE *to) {
    char local[DOCTOR_NAME], remote[DOCTOR_NAME], owner[WORDS], now[WORDS] = "-",
                                                                worst[WORDS] = "-";
    doctor_verdict verdict = {.phase = HF_PHASE_COUNT};
    doctor_name(&conn->local, conn->local_port, conn->is6, local);
    doctor_name(&conn->remote, conn->remote_port, conn->is6, remote);
    if (table->wide)
        doctor_handle(conn, owner, sizeof owner);
    else
        short_handle(conn, owner, sizeof owner);
    if (doctor_is_connection(conn)) {
        doctor_judge(view, conn, &verdict);
        short_time(&verdict.now, now, sizeof now);
        short_time(&verdict.phases[verdict.worst], worst, sizeof worst);
    }
    if (!table->wide) {
        fprintf(to, "%-11s %-17s %-17s %-17s %7s %6s\n", doctor_state_name(conn->state), local,
                remote, owner, now, worst);
        return;
    }
    fprintf(to, "%-11s %-23s %-23s %-24s %7s %7s %7u %7u", doctor_state_name(conn->state), local,
            remote, owner, now, worst, conn->received_bytes, conn->queued_bytes);
    if (doctor_is_connection(conn)) {
        fprintf(to, "  %s by %s;", hf_phase_name(verdict.phase), doctor_mechanism(&verdict.now));
        show_settings(&conn->settings, to);
    }
    fputc('\n', to);
}

void doctor_show_table(const doctor_view *view, const doctor_filter *filter,
                       const doctor_table *table, FILE *to) {
    if (!table->no_header && !table->wide)
        fprintf(to, "%-11s %-17s %-17s %-17s %7s %6s\n", "STATE", "LOCAL", "REMOTE", "OWNER",
                "NOTICED", "WORST");
    if (!table->no_header && table->wide)
        fprintf(to, "%-11s %-23s %-23s %-24s %7s %7s %7s %7s  %s\n", "STATE", "LOCAL", "REMOTE",
                "OWNER", "NOTICED", "WORST", "RECV-Q", "SEND-Q", "PHASE AND SETTINGS");
    for (size_t i = 0; i < view->conn_count; i++)
        if (doctor_filter_holds(filter, &view->conns[i]))
            show_row(view, &view->conns[i], table, to);
}

/* ---- One connection ---- */

static void ms_words(uint32_t ms, char *to) { hf_explain_duration(ms * HF_MS, to, WORDS); }

static void show_path(const doctor_conn *conn, FILE *to) {
    char ack[WORDS], sent[WORDS], heard[WORDS];
    const doctor_info *const info = &conn->info;
    if (!info->known) return;
    ms_words(info->since_ack_heard_ms, ack);
    ms_words(info->since_data_sent_ms, sent);
    ms_words(info->since_data_heard_ms, heard);
    fprintf(to, "  last      ACK heard %s ago, data %s ago; data sent %s ago\n", ack, heard, sent);
    fprintf(to, "  path      round trip %.3g ms, give or take %.3g; retransmission after %.3g ms\n",
            info->rtt_us / 1e3, info->rttvar_us / 1e3, info->rto_us / 1e3);
    fprintf(to, "  moved     %llu bytes acknowledged, %llu received, %u segments sent again\n",
            (unsigned long long)info->bytes_acked, (unsigned long long)info->bytes_received,
            info->total_retrans);
}

static void show_timer(const doctor_conn *conn, FILE *to) {
    static const char *const names[] = {"none", "retransmission or loss probe", "keepalive",
                                        "TIME_WAIT", "window probe"};
    char left[WORDS];
    ms_words(conn->expires_ms, left);
    if (conn->timer == DOCTOR_TIMER_NONE || conn->timer > DOCTOR_TIMER_WINDOW_PROBE)
        fputs("  timer     none runs\n", to);
    else
        fprintf(to, "  timer     %s, %s left, %u unanswered\n", names[conn->timer], left,
                conn->retransmits);
}

static void show_phases(const doctor_view *view, const doctor_conn *conn,
                        const doctor_verdict *verdict, FILE *to) {
    char text[600];
    fputs("\nIf its peer vanished in another phase, at the worst moment of it:\n", to);
    for (int i = 0; i < HF_PHASE_COUNT; i++) {
        if (i == HF_PHASE_CONNECTING && verdict->phase != HF_PHASE_CONNECTING) continue;
        const size_t length =
            (size_t)snprintf(text, sizeof text, "%-25s", hf_phase_name((hf_phase)i));
        doctor_notice_text(view, conn, verdict, (hf_phase)i, false, text + length,
                           sizeof text - length);
        hf_print_wrapped(to, text, 2, 80);
    }
}

void doctor_show_connection(const doctor_view *view, const doctor_conn *conn, FILE *to) {
    char local[DOCTOR_NAME], remote[DOCTOR_NAME], owner[WORDS], text[600];
    doctor_verdict verdict;
    doctor_judge(view, conn, &verdict);
    doctor_name(&conn->local, conn->local_port, conn->is6, local);
    doctor_name(&conn->remote, conn->remote_port, conn->is6, remote);
    doctor_handle(conn, owner, sizeof owner);
    fprintf(to, "%s  %s -> %s  %s, %s\n", owner, local, remote, doctor_state_name(conn->state),
            hf_phase_name(verdict.phase));
    if (conn->pid > 0) {
        char cgroup[DOCTOR_CGROUP];
        doctor_cgroup(conn->pid, cgroup, sizeof cgroup);
        fprintf(to, "  owner     uid %u, control group %s\n", conn->uid,
                cgroup[0] ? cgroup : "unknown");
    }
    fprintf(to, "  queues    %u bytes unread, %u bytes unsent or unacknowledged\n",
            conn->received_bytes, conn->queued_bytes);
    show_path(conn, to);
    show_timer(conn, to);
    fputs("  options  ", to);
    show_settings(&conn->settings, to);
    fprintf(to, "%s\n",
            conn->settings.source == DOCTOR_UNKNOWN         ? ""
            : conn->settings.source == DOCTOR_BY_GETSOCKOPT ? " (by getsockopt)"
                                                            : " (by BPF)");
    fputs("\nIf its peer vanished now, it would be noticed\n", to);
    doctor_notice_text(view, conn, &verdict, verdict.phase, true, text, sizeof text);
    hf_print_wrapped(to, text, 2, 80);
    if (doctor_is_local(conn))
        fputs("  Both ends are on this machine: no line between them can be cut.\n", to);
    if (conn->settings.source != DOCTOR_UNKNOWN) show_phases(view, conn, &verdict, to);
}
