/* The print server of the question, in 64 KiB: eight sockets, ten questions a second, and TIME_WAIT
 * at the server, which answers and closes first (RFC 1179). The server is that of examples/, in
 * virtual time: an hour, 36,000 questions. */
#include "test.h"
#include "rig.h"
#include "examples/lpd_machine.h"
#include "examples/lpd_memory.h"

enum { ASKED = 36000, EVERY_MS = 100 };

typedef struct shop {
    rig r;
    lpd_machine machine;
    lpd_memory memory;
    lpd_spool spool;
    int answered;
} shop;

static void shop_open(shop *s) {
    hf_config client, server;
    memset(s, 0, sizeof *s);
    hf_config_default(&client);
    lpd_machine_config(&server);
    const hf_memory memory = hf_engine_bytes(&server);
    assert_true(memory.block_bytes + memory.data_bytes <= LPD_MEMORY_BYTES);
    rig_init_with(&s->r, &client, &server);
    lpd_memory_open(&s->memory, &s->spool);
    assert_int_equal(lpd_machine_start(&s->machine, &s->r.engine[1], &s->spool, LPD_PORT), HF_OK);
}

/* Packets move, and the server does what they ask for, for so many of the wire's delays. */
static void shop_run(shop *s, int delays) {
    for (int i = 0; i < delays; i++) {
        rig_run(&s->r, s->r.delay_ns);
        lpd_machine_serve(&s->machine);
        rig_drain_both(&s->r);
    }
}

/* One question over one connection, as a client of the textbook: it closes when the server has. */
static void ask(shop *s) {
    hf_conn conn;
    char text[64];
    size_t got = 0, sent = 0;
    hf_event event;
    hf_engine *engine = &s->r.engine[0];
    const hf_connect_options connect = {.remote = s->r.addr[1], .remote_port = LPD_PORT};
    assert_int_equal(hf_connect(engine, &connect, &conn), HF_OK);
    assert_int_equal(hf_send(engine, conn, "\3lp\n", 4, &sent), HF_OK);
    shop_run(s, 5);
    s->answered += hf_receive(engine, conn, text, sizeof text, &got) == HF_OK && got == 11 &&
                   memcmp(text, "no entries\n", 11) == 0;
    assert_int_equal(hf_close(engine, conn, NULL), HF_OK);
    assert_int_equal(hf_release(engine, conn), HF_OK);
    while (hf_next_event(engine, &event)) continue;
    shop_run(s, 2);
}

static void ten_questions_a_second_for_an_hour_are_all_answered_in_64_kib(void **state) {
    (void)state;
    static shop s;
    lpd_books books;
    shop_open(&s);
    for (int i = 0; i < ASKED; i++) {
        const hf_ns next_ns = s.r.now_ns + EVERY_MS * HF_MS;
        ask(&s);
        rig_run_until(&s.r, next_ns);
    }
    assert_int_equal(s.answered, ASKED);
    lpd_machine_books(&s.machine, &books);
    assert_true(books.all_whole);
    assert_int_equal(s.machine.served, ASKED);
    assert_int_equal(books.cookies, 0);
    assert_int_equal(books.time_wait.reused, 0);
    assert_in_range(books.time_wait.ip4.used, 599, 601); /* each lives its 60 s */
    assert_int_equal(books.time_wait.ended, ASKED - books.time_wait.ip4.used);
    rig_end(&s.r);
}

/* As fast as one client goes: the table is full, and only what timestamps guard leaves early. */
static void as_fast_as_they_go_nothing_unguarded_leaves_early(void **state) {
    (void)state;
    static shop s;
    lpd_books books;
    shop_open(&s);
    s.r.delay_ns = HF_MS;
    for (int i = 0; i < ASKED; i++) ask(&s);
    assert_int_equal(s.answered, ASKED);
    lpd_machine_books(&s.machine, &books);
    assert_true(books.good);
    assert_int_equal(books.time_wait.ip4.used, 608);
    assert_true(books.time_wait.early_guarded > ASKED / 2);
    rig_end(&s.r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_questions_a_second_for_an_hour_are_all_answered_in_64_kib),
        cmocka_unit_test(as_fast_as_they_go_nothing_unguarded_leaves_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
