#include "lpd_protocol.h"

#include <string.h>

/* ---- Words ---- */

static void say_bytes(lpd_talk *talk, const char *text, size_t bytes) {
    const size_t room = sizeof talk->out - talk->out_bytes;
    if (bytes > room) bytes = room;
    memcpy(talk->out + talk->out_bytes, text, bytes);
    talk->out_bytes = (uint16_t)(talk->out_bytes + bytes);
}

/* A column: the text, and blanks up to its width. */
static void say_column(lpd_talk *talk, const char *text, size_t width) {
    size_t length = strlen(text);
    say_bytes(talk, text, length);
    for (; length < width; length++) say_bytes(talk, " ", 1);
}

static void say_number(lpd_talk *talk, uint32_t number, size_t width) {
    char digits[11];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    say_column(talk, digits + at, width);
}

/* One octet: zero is yes, RFC 1179 6. */
static void acknowledge(lpd_talk *talk, bool good) { say_bytes(talk, good ? "" : "\1", 1); }

static void tell(const lpd_talk *talk, const char *what, const char *job) {
    if (talk->spool->tell) talk->spool->tell(talk->spool->context, what, job);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* Names come from the network: cf or df, a letter, three digits, and the host's name. */
static bool name_is_good(const char *name, char first) {
    if (name[0] != first || name[1] != 'f' || !is_letter(name[2]) || !is_digit(name[3]) ||
        !is_digit(name[4]) || !is_digit(name[5]))
        return false;
    for (const char *at = name + 6; *at; at++)
        if (!is_letter(*at) && !is_digit(*at) && *at != '-' && *at != '.' && *at != '_')
            return false;
    return true;
}

/* ---- A job comes: RFC 1179 5.2, 6 ---- */

/* "COUNT NAME", after the subcommand's octet. */
static bool read_file_line(const char *line, uint32_t *ret_bytes, char *ret_name) {
    uint64_t bytes = 0;
    const char *at = line;
    for (; is_digit(*at) && bytes <= UINT32_MAX; at++) bytes = bytes * 10 + (uint64_t)(*at - '0');
    if (at == line || *at != ' ' || bytes > UINT32_MAX) return false;
    const size_t length = strlen(at + 1);
    if (length >= LPD_NAME_BYTES) return false;
    memcpy(ret_name, at + 1, length + 1);
    *ret_bytes = (uint32_t)bytes;
    return true;
}

/* 6.1: what this conversation has brought is thrown away. */
static void abort_job(lpd_talk *talk) {
    if (talk->name[0]) talk->spool->remove(talk->spool->context, talk->name + 3);
    talk->name[0] = 0;
    talk->stage = LPD_OVER;
}

/* 6.2, 6.3: a control or a data file. */
static void begin_file(lpd_talk *talk) {
    const char first = talk->line[0] == 2 ? 'c' : 'd';
    const bool good = (talk->line[0] == 2 || talk->line[0] == 3) &&
                      read_file_line(talk->line + 1, &talk->left_bytes, talk->name) &&
                      name_is_good(talk->name, first);
    if (good) talk->file = talk->spool->begin(talk->spool->context, talk->name, talk->left_bytes);
    acknowledge(talk, talk->file >= 0);
    talk->stage = talk->file < 0 ? LPD_OVER : talk->left_bytes ? LPD_FILE : LPD_FILE_END;
}

static void finish_file(lpd_talk *talk, bool keep) {
    const bool kept = talk->spool->finish(talk->spool->context, talk->file, talk->name, keep);
    talk->file = -1;
    acknowledge(talk, kept && keep);
    talk->stage = kept && keep ? LPD_JOB : LPD_OVER;
    if (kept && keep && talk->name[0] == 'c') tell(talk, "spooled", talk->name + 3);
}

static size_t take_file(lpd_talk *talk, const char *data, size_t bytes) {
    if (bytes > talk->left_bytes) bytes = talk->left_bytes;
    talk->left_bytes -= (uint32_t)bytes;
    if (!talk->spool->write(talk->spool->context, talk->file, data, bytes))
        finish_file(talk, false);
    else if (talk->left_bytes == 0)
        talk->stage = LPD_FILE_END;
    return bytes;
}

/* ---- Jobs are listed and removed: RFC 1179 5.3 to 5.5 ---- */

/* The owner: the line P of the control file. */
static void read_owner(const lpd_talk *talk, const char *name, char *ret_owner, size_t most) {
    char text[512];
    const size_t bytes = talk->spool->read(talk->spool->context, name, text, sizeof text - 1);
    text[bytes] = 0;
    memcpy(ret_owner, "unknown", 8);
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (*line != 'P') continue;
        size_t length = strcspn(line + 1, "\n");
        if (length >= most) length = most - 1;
        memcpy(ret_owner, line + 1, length);
        ret_owner[length] = 0;
        return;
    }
}

static void list_next(lpd_talk *talk) {
    char owner[32];
    if (!talk->spool->next(talk->spool->context, talk->name) ||
        !name_is_good(talk->name, 'c')) { /* control files come first in their order */
        if (talk->rank == 0) say_column(talk, "no entries\n", 0);
        talk->stage = LPD_OVER;
        return;
    }
    read_owner(talk, talk->name, owner, sizeof owner);
    say_number(talk, ++talk->rank, 7);
    say_column(talk, owner, 12);
    say_bytes(talk, talk->name + 3, 3);
    say_column(talk, "  ", 0);
    say_column(talk, talk->name, 0);
    say_bytes(talk, "\n", 1);
}

/* Whether one of the words, between blanks, is this. */
static bool has_word(const char *words, const char *word, size_t length) {
    for (; *words; words += strspn(words, " ")) {
        const size_t here = strcspn(words, " ");
        if (here == length && memcmp(words, word, length) == 0) return true;
        words += here;
    }
    return false;
}

/* 5.5: root removes whose ever, and all of a user's; others what is their own, by number. */
static bool may_remove(const lpd_talk *talk, const char *name, const char *agent,
                       size_t agent_bytes, const char *wanted) {
    char owner[32];
    read_owner(talk, name, owner, sizeof owner);
    const bool root = agent_bytes == 4 && memcmp(agent, "root", 4) == 0,
               own = strlen(owner) == agent_bytes && memcmp(owner, agent, agent_bytes) == 0;
    return ((root || own) && has_word(wanted, name + 3, 3)) ||
           (root && has_word(wanted, owner, strlen(owner)));
}

/* "QUEUE AGENT [NUMBER or USER]...". Without a list it is about the job that is being printed: none. */
static void remove_jobs(lpd_talk *talk) {
    const char *agent = talk->line + 1 + strcspn(talk->line + 1, " ");
    agent += strspn(agent, " ");
    const size_t agent_bytes = strcspn(agent, " ");
    const char *const wanted = agent + agent_bytes + strspn(agent + agent_bytes, " ");
    talk->name[0] = 0;
    while (talk->spool->next(talk->spool->context, talk->name) && name_is_good(talk->name, 'c')) {
        if (!may_remove(talk, talk->name, agent, agent_bytes, wanted)) continue;
        talk->spool->remove(talk->spool->context, talk->name + 3);
        tell(talk, "removed", talk->name + 3);
    }
    talk->stage = LPD_OVER;
}

/* ---- The conversation ---- */

static void run_command(lpd_talk *talk) {
    switch (talk->line[0]) {
    case 2:
        talk->stage = LPD_JOB;
        acknowledge(talk, true);
        break;
    case 3:
    case 4: talk->stage = LPD_LIST; break;
    case 5: remove_jobs(talk); break;
    default: talk->stage = LPD_OVER; /* 01 too: nothing waits to be printed */
    }
}

static void run_line(lpd_talk *talk) {
    if (talk->stage == LPD_COMMAND)
        run_command(talk);
    else if (talk->line[0] == 1)
        abort_job(talk);
    else
        begin_file(talk);
}

static size_t take_line(lpd_talk *talk, const char *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] == '\n') {
            talk->line[talk->line_bytes] = 0;
            talk->line_bytes = 0;
            run_line(talk);
            return i + 1;
        }
        if (talk->line_bytes == LPD_LINE_BYTES - 1) {
            if (talk->stage == LPD_JOB) acknowledge(talk, false);
            talk->stage = LPD_OVER;
            return i;
        }
        talk->line[talk->line_bytes++] = data[i];
    }
    return bytes;
}

static size_t take_some(lpd_talk *talk, const char *data, size_t bytes) {
    switch (talk->stage) {
    case LPD_COMMAND:
    case LPD_JOB: return take_line(talk, data, bytes);
    case LPD_FILE: return take_file(talk, data, bytes);
    case LPD_FILE_END: finish_file(talk, *data == 0); return 1;
    case LPD_LIST:
    case LPD_OVER: break; /* nothing more is wanted, and nothing is left unread */
    }
    return bytes;
}

void lpd_begin(lpd_talk *talk, const lpd_spool *spool) {
    memset(talk, 0, sizeof *talk);
    talk->spool = spool;
    talk->file = -1;
}

size_t lpd_take(lpd_talk *talk, const void *data, size_t bytes) {
    size_t taken = 0;
    while (taken < bytes && talk->out_bytes == 0)
        taken += take_some(talk, (const char *)data + taken, bytes - taken);
    return taken;
}

size_t lpd_answer(lpd_talk *talk, const char **ret_text) {
    if (talk->out_bytes == 0 && talk->stage == LPD_LIST) list_next(talk);
    *ret_text = talk->out + talk->out_at;
    return (size_t)(talk->out_bytes - talk->out_at);
}

void lpd_answered(lpd_talk *talk, size_t bytes) {
    talk->out_at = (uint16_t)(talk->out_at + bytes);
    if (talk->out_at == talk->out_bytes) talk->out_at = talk->out_bytes = 0;
}

bool lpd_is_over(const lpd_talk *talk) { return talk->stage == LPD_OVER && talk->out_bytes == 0; }

void lpd_end(lpd_talk *talk) {
    if (talk->file >= 0) talk->spool->finish(talk->spool->context, talk->file, talk->name, false);
    talk->file = -1;
    talk->stage = LPD_OVER;
    talk->out_at = talk->out_bytes = 0;
}
