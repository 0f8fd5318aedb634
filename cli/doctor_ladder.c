/* What would happen if the peer vanished now: the connection's state and settings as a scenario of
 * the lab under its profile "linux", and the ladder that it draws. */
#define _GNU_SOURCE
#include "cli/doctor.h"
#if HF_WITH_LAB
#include "lab/scenario.h"
#include <hf/explain.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No more than this is played after the cut, and shown as so many rows. */
enum { MOST_PLAYED_S = 7200, MOST_ROWS = 24, USUAL_BYTES = 1000, SMALL_BUFFER = 16384 };
#define BEGINS_S 1.0

static double heard_ago_s(const doctor_conn *conn) {
    const doctor_info *const info = &conn->info;
    return (info->since_ack_heard_ms < info->since_data_heard_ms ? info->since_ack_heard_ms
                                                                 : info->since_data_heard_ms) /
           1e3;
}

/* Linux, with this socket's and this namespace's limits where the lab has them. */
static void put_hosts(FILE *to, const doctor_view *view, const doctor_conn *conn) {
    const doctor_limits *const limits = &view->netns[conn->netns].limits;
    const doctor_settings *const set = &conn->settings;
    const unsigned delay_us = conn->info.rtt_us / 2 > 0 ? conn->info.rtt_us / 2 : 50;
    fprintf(
        to,
        "local here = host(\"here\", { profile = \"linux\", rto_max = \"%ums\", persist_max = "
        "\"%ums\", retransmit_limit = %u, persist_limit = %u, syn_limit = %u, syn_linear = %u })\n",
        set->rto_max_ms, set->rto_max_ms, limits->retries2, limits->retries2,
        set->syn_retries + limits->syn_linear, limits->syn_linear);
    fprintf(to,
            "local peer = host(\"peer\", { profile = \"linux\" })\n"
            "local cable = link(here, peer, { delay = \"%uus\" })\n",
            delay_us);
}

static void put_connection(FILE *to, const doctor_conn *conn, bool reads) {
    const doctor_settings *const set = &conn->settings;
    fprintf(to, "peer:listen(%u, { %s })\n", conn->remote_port,
            reads ? "" : "read = false, receive_bytes = 16384");
    fprintf(to, "local c = here:connect(peer, %u, { ", conn->remote_port);
    if (set->keepalive)
        fprintf(to, "keepalive = { idle = \"%us\", interval = \"%us\", count = %u }, ",
                set->keep_idle_s, set->keep_interval_s, set->keep_count);
    if (set->user_timeout_ms > 0) fprintf(to, "user_timeout = \"%ums\"", set->user_timeout_ms);
    fputs(" })\n", to);
}

/* What the connection has done, and what it does at the cut. Returns when the cut is. */
static double put_history(FILE *to, const doctor_conn *conn, hf_phase phase) {
    const unsigned bytes = conn->queued_bytes > 0 && conn->queued_bytes < SMALL_BUFFER
                               ? conn->queued_bytes
                               : (unsigned)USUAL_BYTES;
    double cut_at_s = BEGINS_S + heard_ago_s(conn);
    const char *at_cut = "";
    char write[64];
    switch (phase) {
    case HF_PHASE_CONNECTING: return 0;
    case HF_PHASE_IN_FLIGHT:
        fputs("at(\"900ms\", function() c:write(10) end)\n", to);
        snprintf(write, sizeof write, "c:write(%u)", bytes);
        at_cut = write;
        cut_at_s = BEGINS_S;
        break;
    case HF_PHASE_CLOSING:
        at_cut = "c:shutdown()";
        cut_at_s = BEGINS_S;
        break;
    case HF_PHASE_ZERO_WINDOW_DEAD:
    case HF_PHASE_ZERO_WINDOW_LIVE:
        fputs("at(\"1s\", function() c:write(40000) end)\n", to);
        cut_at_s = BEGINS_S + conn->info.since_data_sent_ms / 1e3;
        break;
    case HF_PHASE_HALF_CLOSED_HERE: fputs("at(\"1s\", function() c:shutdown() end)\n", to); break;
    case HF_PHASE_HALF_CLOSED_THERE:
        fputs("at(\"1s\", function() c:peer():shutdown() end)\n", to);
        break;
    case HF_PHASE_IDLE:
    case HF_PHASE_COUNT: fputs("at(\"1s\", function() c:write(10) end)\n", to); break;
    }
    cut_at_s += 0.001;
    fprintf(to, "at(\"%.3fs\", function() cable:cut { unseen = true } %s end)\n", cut_at_s, at_cut);
    return cut_at_s;
}

/* Returns when the cut is. */
static double put_scenario(FILE *to, const doctor_view *view, const doctor_conn *conn,
                           const doctor_verdict *verdict) {
    const bool reads =
        verdict->phase != HF_PHASE_ZERO_WINDOW_DEAD && verdict->phase != HF_PHASE_ZERO_WINDOW_LIVE;
    const bool connecting = verdict->phase == HF_PHASE_CONNECTING; /* played from its beginning */
    const double by_s = connecting ? verdict->phases[HF_PHASE_CONNECTING].by_s : verdict->now.by_s;
    put_hosts(to, view, conn);
    if (connecting) fputs("cable:cut { unseen = true }\n", to);
    put_connection(to, conn, reads);
    const double cut_at_s = put_history(to, conn, verdict->phase);
    const double played_s = by_s < MOST_PLAYED_S ? by_s * 1.1 + 5 : MOST_PLAYED_S;
    fprintf(to, "duration \"%.0fs\"\n", cut_at_s + played_s);
    if (by_s == HUGE_VAL)
        fprintf(to,
                "at(\"%.0fs\", function() note \"The program still believes in its connection.\" "
                "end)\n",
                cut_at_s + played_s);
    return cut_at_s;
}

static bool play(const char *path, double from_s) {
    lab_run_options options = {.file = path, .on = &lab_on_holdfast, .seed = 1};
    lab_scenario *const scenario = lab_scenario_run(&options);
    const lab_view view = {.fold = true,
                           .width = 80,
                           .most_rows = MOST_ROWS,
                           .from_ns = (hf_ns)(from_s * 1e3) * HF_MS};
    const bool good =
        scenario->result != LAB_RESULT_WRONG && lab_show_ladder(scenario, &view, stdout);
    if (!good) lab_show_result(scenario, true, stderr);
    lab_scenario_free(scenario);
    return good;
}

bool cli_doctor_ladder(const doctor_view *view, const doctor_conn *conn) {
    char path[] = "/tmp/holdfast-doctor-XXXXXX.lua";
    doctor_verdict verdict;
    doctor_judge(view, conn, &verdict);
    if (!verdict.now.known || conn->settings.source == DOCTOR_UNKNOWN) return true;
    const int fd = mkstemps(path, 4);
    FILE *const file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file) {
        fputs("holdfast doctor: the scenario cannot be written to /tmp\n", stderr);
        return false;
    }
    const double cut_at_s = put_scenario(file, view, conn, &verdict);
    bool good = fclose(file) == 0;
    puts("\nPlayed by the lab, with Linux's limits and these settings, its timers never late; the\n"
         "peer vanishes at the first line:\n");
    good = good && play(path, cut_at_s);
    unlink(path);
    return good;
}
#else
bool cli_doctor_ladder(const doctor_view *view, const doctor_conn *conn) {
    (void)view;
    (void)conn;
    fputs("holdfast doctor: the lab was not built, so nothing is played (Debian: liblua5.4-dev)\n",
          stderr);
    return true;
}
#endif
