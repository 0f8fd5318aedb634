/* The print server's protocol, RFC 1179, as bytes in and out; and its spools. */
#include "test.h"
#include "examples/lpd_memory.h"
#include <stdio.h>
#include <string.h>

typedef struct client {
    lpd_memory memory;
    lpd_spool spool;
    lpd_talk talk;
    char heard[1024];
    size_t heard_bytes;
    size_t most; /* of what is said, and of what is heard, at once */
} client;

static void begin(client *c) {
    memset(c, 0, sizeof *c);
    c->most = 1000;
    lpd_memory_open(&c->memory, &c->spool);
    lpd_begin(&c->talk, &c->spool);
}

static void again(client *c) {
    lpd_end(&c->talk);
    lpd_begin(&c->talk, &c->spool);
    memset(c->heard, 0, sizeof c->heard);
    c->heard_bytes = 0;
}

static void hear(client *c) {
    const char *text;
    for (size_t bytes; (bytes = lpd_answer(&c->talk, &text)) > 0;) {
        if (bytes > c->most) bytes = c->most;
        assert_true(c->heard_bytes + bytes < sizeof c->heard);
        memcpy(c->heard + c->heard_bytes, text, bytes);
        c->heard_bytes += bytes;
        lpd_answered(&c->talk, bytes);
    }
}

static void tell_bytes(client *c, const char *text, size_t bytes) {
    while (bytes > 0) {
        const size_t some = bytes < c->most ? bytes : c->most,
                     taken = lpd_take(&c->talk, text, some);
        text += taken, bytes -= taken;
        hear(c);
    }
}

static void tell(client *c, const char *text) { tell_bytes(c, text, strlen(text)); }

/* Spools a job as RFC 1179 5.2 and 6 have it; all that is heard is zero octets. */
static void spools(client *c, const char *number, const char *owner, const char *page) {
    char line[200], control[200];
    const int bytes = snprintf(control, sizeof control, "Hhere\nP%s\nfdfA%shere\n", owner, number);
    again(c);
    tell(c, "\2lp\n");
    snprintf(line, sizeof line, "\2%d cfA%shere\n", bytes, number);
    tell(c, line);
    tell_bytes(c, control, (size_t)bytes + 1);
    snprintf(line, sizeof line, "\3%zu dfA%shere\n", strlen(page), number);
    tell(c, line);
    tell_bytes(c, page, strlen(page) + 1);
    assert_int_equal(c->heard_bytes, 5);
    assert_memory_equal(c->heard, "\0\0\0\0\0", 5);
    assert_false(lpd_is_over(&c->talk));
}

static const char *asks(client *c, const char *line) {
    again(c);
    tell(c, line);
    hear(c);
    assert_true(lpd_is_over(&c->talk));
    return c->heard;
}

static void a_job_is_spooled_listed_and_removed(void **state) {
    (void)state;
    client c;
    begin(&c);
    assert_string_equal(asks(&c, "\3lp\n"), "no entries\n");
    spools(&c, "042", "alice", "a page");
    spools(&c, "007", "bob", "another page");
    const lpd_memory_file *page = lpd_memory_find(&c.memory, "dfA042here");
    assert_non_null(page);
    assert_int_equal(page->bytes, 6);
    assert_memory_equal(page->data, "a page", 6);
    static const char *const both = "1      bob         007  cfA007here\n"
                                    "2      alice       042  cfA042here\n";
    assert_string_equal(asks(&c, "\3lp\n"), both);
    assert_string_equal(asks(&c, "\4lp 042\n"), both);
    assert_string_equal(asks(&c, "\5lp alice 042\n"), "");
    assert_null(lpd_memory_find(&c.memory, "dfA042here"));
    assert_string_equal(asks(&c, "\3lp\n"), "1      bob         007  cfA007here\n");
}

/* However the bytes come, and however they leave. */
static void bytes_may_come_one_by_one(void **state) {
    (void)state;
    client c;
    begin(&c);
    c.most = 1;
    spools(&c, "042", "alice", "a page");
    assert_string_equal(asks(&c, "\3lp\n"), "1      alice       042  cfA042here\n");
}

/* RFC 1179 5.5 */
static void only_root_removes_what_is_not_its_own(void **state) {
    (void)state;
    client c;
    begin(&c);
    spools(&c, "042", "alice", "a");
    spools(&c, "043", "bob", "b");
    spools(&c, "044", "bob", "c");
    asks(&c, "\5lp bob 042\n");
    asks(&c, "\5lp bob alice\n");
    asks(&c, "\5lp alice 04\n");
    asks(&c, "\5lp 042\n");
    asks(&c, "\5lp root\n");
    assert_non_null(lpd_memory_find(&c.memory, "cfA042here"));
    asks(&c, "\5lp root 042\n");
    assert_null(lpd_memory_find(&c.memory, "cfA042here"));
    asks(&c, "\5lp bob 043 099\n");
    assert_null(lpd_memory_find(&c.memory, "cfA043here"));
    asks(&c, "\5lp root carol bob\n");
    assert_string_equal(asks(&c, "\3lp\n"), "no entries\n");
}

/* Names come from strangers and become names of files. */
static void names_that_are_no_jobs_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "\2"
        "5 ../etc/passwd\n",
        "\2"
        "5 cfA042/../../x\n",
        "\2"
        "5 dfA042here\n",
        "\3"
        "5 cfA042here\n",
        "\2"
        "5 cfA04\n",
        "\2"
        "5 cf1042here\n",
        "\2"
        "5cfA042here\n",
        "\2 cfA042here\n",
        "\2"
        "-5 cfA042here\n",
        "\2"
        "4294967296 cfA042here\n",
        "\2"
        "99999999999999999999 cfA042here\n",
        "\2"
        "5 cfA042 here\n",
        "\7"
        "5 cfA042here\n",
        "\2"
        "1025 cfA042here\n",
    };
    client c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin(&c);
        tell(&c, "\2lp\n");
        tell(&c, bad[i]);
        assert_int_equal(c.heard_bytes, 2);
        assert_int_equal(c.heard[1], 1);
        assert_true(lpd_is_over(&c.talk));
    }
    char name[300];
    begin(&c);
    memset(name, 'a', sizeof name);
    memcpy(name,
           "\2"
           "5 cfA042",
           9);
    memcpy(name + 110, "\n", 2);
    tell(&c, "\2lp\n");
    tell(&c, name);
    assert_int_equal(c.heard[1], 1);
}

static void a_line_without_an_end_is_given_up(void **state) {
    (void)state;
    char line[600];
    client c;
    memset(line, 'x', sizeof line);
    begin(&c);
    tell_bytes(&c, line, sizeof line);
    assert_true(lpd_is_over(&c.talk));
    assert_int_equal(c.heard_bytes, 0);
}

/* A job is there when all of it is, and a conversation that breaks off leaves nothing. */
static void what_is_half_received_is_in_no_list(void **state) {
    (void)state;
    client c;
    begin(&c);
    tell(&c, "\2lp\n");
    tell(&c, "\2"
             "9 cfA042here\nPali");
    lpd_talk other;
    const char *text;
    lpd_begin(&other, &c.spool);
    assert_int_equal(lpd_take(&other, "\3lp\n", 4), 4);
    assert_int_equal(lpd_answer(&other, &text), 11);
    assert_memory_equal(text, "no entries\n", 11);
    again(&c);
    for (uint32_t i = 0; i < LPD_MEMORY_FILES; i++)
        assert_int_equal(c.memory.files[i].state, LPD_MEMORY_FREE);
}

static void two_cannot_bring_the_same_file_at_once(void **state) {
    (void)state;
    client c;
    begin(&c);
    tell(&c, "\2lp\n\2"
             "9 cfA042here\nPali");
    lpd_talk other;
    const char *text;
    lpd_begin(&other, &c.spool);
    assert_int_equal(lpd_take(&other, "\2lp\n", 4), 4);
    lpd_answered(&other, lpd_answer(&other, &text));
    lpd_take(&other,
             "\2"
             "9 cfA042here\n",
             14);
    assert_int_equal(lpd_answer(&other, &text), 1);
    assert_int_equal(text[0], 1);
}

/* RFC 1179 6.2: the octets are followed by one of zero; another one means that they are not good. */
static void a_file_that_its_client_takes_back_is_not_kept(void **state) {
    (void)state;
    client c;
    begin(&c);
    tell(&c, "\2lp\n\2"
             "3 cfA042here\nPa\n");
    tell_bytes(&c, "\1", 1);
    assert_int_equal(c.heard_bytes, 3);
    assert_int_equal(c.heard[2], 1);
    assert_null(lpd_memory_find(&c.memory, "cfA042here"));
}

/* RFC 1179 6.1 */
static void an_aborted_job_is_gone(void **state) {
    (void)state;
    client c;
    begin(&c);
    spools(&c, "042", "alice", "a page");
    tell(&c, "\1\n");
    assert_string_equal(asks(&c, "\3lp\n"), "no entries\n");
}

static void a_full_spool_refuses_and_keeps_what_it_has(void **state) {
    (void)state;
    client c;
    begin(&c);
    spools(&c, "001", "a", "1");
    spools(&c, "002", "a", "2");
    spools(&c, "003", "a", "3");
    spools(&c, "004", "a", "4");
    again(&c);
    tell(&c, "\2lp\n\2"
             "3 cfA005here\n");
    assert_int_equal(c.heard[1], 1);
    asks(&c, "\3lp\n");
    assert_non_null(strstr(c.heard, "4      a           004"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_spooled_listed_and_removed),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(only_root_removes_what_is_not_its_own),
        cmocka_unit_test(names_that_are_no_jobs_are_refused),
        cmocka_unit_test(a_line_without_an_end_is_given_up),
        cmocka_unit_test(what_is_half_received_is_in_no_list),
        cmocka_unit_test(two_cannot_bring_the_same_file_at_once),
        cmocka_unit_test(a_file_that_its_client_takes_back_is_not_kept),
        cmocka_unit_test(an_aborted_job_is_gone),
        cmocka_unit_test(a_full_spool_refuses_and_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
