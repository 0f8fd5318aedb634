#define _GNU_SOURCE
/* HTTP of the example programs: what is read, what is refused, and that nothing leaves the
 * directory. */
#include "test.h"

#include <fcntl.h>
#include <http_answer.h>
#include <http_reply.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Requests ---- */

static http_request request_of(const char *text) {
    http_request request;
    assert_int_equal(http_head_bytes(text, strlen(text)), strlen(text));
    http_request_read(text, strlen(text), &request);
    return request;
}

static void a_head_is_complete_with_its_blank_line(void **state) {
    (void)state;
    static const char text[] = "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET";
    for (size_t bytes = 0; bytes < sizeof text - 4; bytes++)
        assert_int_equal(http_head_bytes(text, bytes), 0);
    assert_int_equal(http_head_bytes(text, sizeof text - 1), sizeof text - 4);
    assert_int_equal(http_head_bytes("GET / HTTP/1.0\n\n", 16), 16);
}

static void a_get_names_its_path_without_query(void **state) {
    (void)state;
    const http_request request = request_of("GET /a%20b/c%2Bd?x=1 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(request.status, 0);
    assert_string_equal(request.path, "/a b/c+d");
    assert_false(request.head);
    assert_true(request.keep_alive);
}

static void the_absolute_form_is_taken(void **state) {
    (void)state;
    assert_string_equal(request_of("GET http://h:8080/x HTTP/1.1\r\nHost: h\r\n\r\n").path, "/x");
    assert_string_equal(request_of("HEAD http://h HTTP/1.1\r\nHost: h\r\n\r\n").path, "/");
}

static void a_connection_is_kept_as_version_and_field_say(void **state) {
    (void)state;
    assert_true(request_of("GET / HTTP/1.1\r\nHost: h\r\n\r\n").keep_alive);
    assert_false(
        request_of("GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n").keep_alive);
    assert_false(request_of("GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert_true(request_of("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

static void content_behind_a_request_ends_the_connection(void **state) {
    (void)state;
    const http_request by_length =
        request_of("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    assert_true(by_length.has_content);
    assert_false(by_length.keep_alive);
    assert_true(
        request_of("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").has_content);
    assert_true(request_of("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").keep_alive);
}

static void what_is_wrong_has_its_status(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"GET /\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /%0 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        {"DELETE /x HTTP/1.0\r\n\r\n", 405},
        {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
        {"GET / FTP/1.1\r\nHost: a\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const http_request request = request_of(rows[i].text);
        if (request.status != rows[i].status)
            fail_msg("%d instead of %d for %s", request.status, rows[i].status, rows[i].text);
    }
}

static http_request ranged(const char *range) {
    char text[128];
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\nRange: %s\r\n\r\n", range);
    return request_of(text);
}

static void one_range_is_read_and_others_are_passed_over(void **state) {
    (void)state;
    const http_request both = ranged("bytes=3-17"), open = ranged("bytes=5-"),
                       last = ranged("Bytes=-7");
    assert_int_equal(both.range, HTTP_RANGE_FROM);
    assert_int_equal(both.range_first, 3);
    assert_int_equal(both.range_last, 17);
    assert_int_equal(open.range, HTTP_RANGE_FROM);
    assert_int_equal(open.range_first, 5);
    assert_true(open.range_last == UINT64_MAX);
    assert_int_equal(last.range, HTTP_RANGE_LAST);
    assert_int_equal(last.range_first, 7);
    static const char *const none[] = {"bytes=1-2,5-6", "lines=1-2", "bytes=5-3", "bytes=x-3",
                                       "bytes=-",       "bytes",     "bytes=1-x"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(ranged(none[i]).range, HTTP_RANGE_NONE);
}

static void a_path_that_climbs_is_known(void **state) {
    (void)state;
    assert_true(http_path_climbs("/.."));
    assert_true(http_path_climbs("/a/../b"));
    assert_true(http_path_climbs("/a/b/.."));
    assert_false(http_path_climbs("/a/..b/c"));
    assert_false(http_path_climbs("/..."));
}

/* ---- Answers ---- */

static char root[] = "/tmp/hf-test-http-XXXXXX";
static int directory = -1;

static void make_file(const char *name, const char *text) {
    const int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int make_tree(void **state) {
    (void)state;
    if (!mkdtemp(root)) return -1;
    directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    make_file("ten.txt", "0123456789");
    make_file("empty", "");
    assert_int_equal(mkdirat(directory, "with", 0755), 0);
    assert_int_equal(mkdirat(directory, "plain", 0755), 0);
    make_file("with/index.html", "<p>own page");
    make_file("plain/a&b <c>.txt", "x");
    make_file("plain/.hidden", "x");
    assert_int_equal(symlinkat("../ten.txt", directory, "plain/inside"), 0);
    assert_int_equal(symlinkat("/etc/passwd", directory, "absolute"), 0);
    assert_int_equal(symlinkat("../../etc/passwd", directory, "climbing"), 0);
    assert_int_equal(symlinkat("/etc", directory, "etc"), 0);
    assert_int_equal(mkfifoat(directory, "fifo", 0644), 0);
    return 0;
}

static int remove_tree(void **state) {
    (void)state;
    char command[64];
    close(directory);
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static http_answer answered(const char *text) {
    http_answer answer;
    const http_request request = request_of(text);
    http_answer_make(directory, &request, &answer);
    assert_non_null(answer.text);
    return answer;
}

static http_answer got(const char *target, const char *fields) {
    char text[512];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n%s\r\n", target, fields);
    return answered(text);
}

static void assert_has(const http_answer *answer, const char *part) {
    if (!strstr(answer->text, part)) fail_msg("no \"%s\" in: %s", part, answer->text);
}

static void a_file_follows_its_head(void **state) {
    (void)state;
    http_answer answer = got("/ten.txt", "");
    assert_int_equal(answer.status, 200);
    assert_true(answer.fd >= 0);
    assert_int_equal(answer.at, 0);
    assert_int_equal(answer.left, 10);
    assert_false(answer.close_after);
    assert_has(&answer, "HTTP/1.1 200 OK\r\n");
    assert_has(&answer, "\r\nContent-Length: 10\r\n");
    assert_has(&answer, "\r\nContent-Type: text/plain; charset=utf-8\r\n");
    assert_has(&answer, "\r\nConnection: keep-alive\r\n");
    http_answer_drop(&answer);
}

static void head_and_an_empty_file_have_no_content(void **state) {
    (void)state;
    http_answer head = answered("HEAD /ten.txt HTTP/1.0\r\n\r\n"), empty = got("/empty", "");
    assert_int_equal(head.fd, -1);
    assert_has(&head, "\r\nContent-Length: 10\r\n");
    assert_has(&head, "\r\nConnection: close\r\n");
    assert_true(head.close_after);
    assert_int_equal(empty.fd, -1);
    assert_int_equal(empty.status, 200);
    assert_has(&empty, "\r\nContent-Length: 0\r\n");
    http_answer_drop(&head);
    http_answer_drop(&empty);
}

static void a_range_is_a_part_of_the_file(void **state) {
    (void)state;
    static const struct {
        const char *range;
        int status;
        uint64_t at, left;
        const char *content_range;
    } rows[] = {
        {"bytes=2-4", 206, 2, 3, "Content-Range: bytes 2-4/10\r\n"},
        {"bytes=7-", 206, 7, 3, "Content-Range: bytes 7-9/10\r\n"},
        {"bytes=7-99", 206, 7, 3, "Content-Range: bytes 7-9/10\r\n"},
        {"bytes=-4", 206, 6, 4, "Content-Range: bytes 6-9/10\r\n"},
        {"bytes=-40", 206, 0, 10, "Content-Range: bytes 0-9/10\r\n"},
        {"bytes=10-", 416, 0, 10, "Content-Range: bytes */10\r\n"},
        {"bytes=-0", 416, 0, 10, "Content-Range: bytes */10\r\n"},
        {"bytes=1-2,4-5", 200, 0, 10, "Accept-Ranges: bytes\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char field[64];
        snprintf(field, sizeof field, "Range: %s\r\n", rows[i].range);
        http_answer answer = got("/ten.txt", field);
        assert_int_equal(answer.status, rows[i].status);
        assert_int_equal(answer.at, rows[i].at);
        assert_int_equal(answer.left, rows[i].left);
        assert_has(&answer, rows[i].content_range);
        http_answer_drop(&answer);
    }
}

static void a_range_of_a_changed_file_is_the_whole_file(void **state) {
    (void)state;
    http_answer first = got("/ten.txt", "");
    const char *etag = strstr(first.text, "ETag: ") + 6;
    char same[128];
    snprintf(same, sizeof same, "Range: bytes=2-4\r\nIf-Range: %.*s\r\n", (int)strcspn(etag, "\r"),
             etag);
    http_answer kept = got("/ten.txt", same);
    http_answer other = got("/ten.txt", "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n");
    assert_int_equal(kept.status, 206);
    assert_int_equal(other.status, 200);
    http_answer_drop(&first);
    http_answer_drop(&kept);
    http_answer_drop(&other);
}

static void nothing_outside_of_the_directory_is_reached(void **state) {
    (void)state;
    static const char *const targets[] = {
        "/../etc/passwd", "/..%2fetc/passwd", "/%2e%2e/etc/passwd", "/plain/%2E./%2e%2E/etc/passwd",
        "/absolute",      "/climbing",        "/etc/passwd",        "/etc/",
        "/fifo",          "/plain/..",
    };
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        http_answer answer = got(targets[i], "");
        if (answer.status != 403) fail_msg("%d for %s", answer.status, targets[i]);
        assert_int_equal(answer.fd, -1);
        http_answer_drop(&answer);
    }
}

static void a_link_that_stays_inside_is_followed(void **state) {
    (void)state;
    http_answer answer = got("/plain/inside", "");
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.left, 10);
    http_answer_drop(&answer);
}

static void what_is_not_there_is_not_found(void **state) {
    (void)state;
    static const char *const targets[] = {"/nothing", "/ten.txt/", "/ten.txt/x", "/with/nothing"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        http_answer answer = got(targets[i], "");
        assert_int_equal(answer.status, 404);
        assert_has(&answer, "\r\n\r\n404 Not Found\n");
        assert_has(&answer, "\r\nContent-Length: 14\r\n");
        http_answer_drop(&answer);
    }
}

static void a_directory_shows_its_page_or_its_names(void **state) {
    (void)state;
    http_answer page = got("/with/", ""), list = got("/plain/", ""), moved = got("/plain", "");
    assert_int_equal(page.left, 11);
    assert_has(&page, "text/html");
    assert_int_equal(list.status, 200);
    assert_has(&list, "<a href=\"a%26b%20%3Cc%3E.txt\">a&amp;b &lt;c&gt;.txt</a>");
    assert_null(strstr(list.text, ".hidden"));
    assert_int_equal(moved.status, 301);
    assert_has(&moved, "\r\nLocation: /plain/\r\n");
    http_answer_drop(&page);
    http_answer_drop(&list);
    http_answer_drop(&moved);
}

static void a_method_that_is_not_for_files_is_told_which_are(void **state) {
    (void)state;
    http_answer answer = answered("PUT /ten.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
    assert_int_equal(answer.status, 405);
    assert_has(&answer, "\r\nAllow: GET, HEAD\r\n");
    assert_true(answer.close_after);
    http_answer_drop(&answer);
}

static void dates_are_written_as_http_wants_them(void **state) {
    (void)state;
    char text[32];
    http_date(784111777, text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110 5.6.7 */
}

/* ---- Replies ---- */

static void a_reply_tells_how_its_content_ends(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int status;
        http_framing framing;
        uint64_t bytes;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n", 200, HTTP_BY_LENGTH, 13},
        {"HTTP/1.0 404 No\r\ncontent-length:7\r\n\r\n", 404, HTTP_BY_LENGTH, 7},
        {"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 200,
         HTTP_BY_CHUNKS, 5},
        {"HTTP/1.1 200 OK\r\nX-Content-Length: 5\r\n\r\n", 200, HTTP_BY_CLOSE, 0},
        {"HTTP/1.1 204 None\r\n\r\n", 204, HTTP_BY_LENGTH, 0},
        {"HTTP/1.1 100 Continue\r\n\r\n", 100, HTTP_BY_LENGTH, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        http_reply reply;
        assert_true(http_reply_read(rows[i].text, strlen(rows[i].text), &reply));
        assert_int_equal(reply.status, rows[i].status);
        assert_int_equal(reply.framing, rows[i].framing);
        assert_int_equal(reply.content_bytes, rows[i].bytes);
    }
}

static void what_is_no_reply_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"SSH-2.0-OpenSSH_9\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
                                        "HTTP/2 200 OK\r\n\r\n     ",
                                        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"};
    http_reply reply;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(http_reply_read(texts[i], strlen(texts[i]), &reply));
}

/* Feeds `step` bytes at a time and gathers the content. Returns how many bytes were taken. */
static size_t feed(http_content *content, const char *text, size_t step, char *ret_all) {
    size_t at = 0, out = 0;
    const size_t bytes = strlen(text);
    while (at < bytes && content->place != HTTP_DONE && content->place != HTTP_BROKEN) {
        const char *piece;
        size_t piece_bytes;
        const size_t give = step < bytes - at ? step : bytes - at;
        at += http_content_take(content, text + at, give, &piece, &piece_bytes);
        memcpy(ret_all + out, piece, piece_bytes);
        out += piece_bytes;
    }
    ret_all[out] = 0;
    return at;
}

static void chunks_are_joined_however_they_arrive(void **state) {
    (void)state;
    static const char text[] = "5\r\nHello\r\n7;ext=1\r\n, wire\n\r\n0\r\nA: b\r\n\r\nNEXT";
    for (size_t step = 1; step < sizeof text; step++) {
        http_content content;
        char all[64];
        http_content_begin(&content, &(http_reply){.framing = HTTP_BY_CHUNKS});
        const size_t taken = feed(&content, text, step, all);
        assert_string_equal(all, "Hello, wire\n");
        assert_int_equal(content.place, HTTP_DONE);
        assert_int_equal(taken, sizeof text - 1 - 4);
    }
}

static void broken_chunks_are_noticed(void **state) {
    (void)state;
    static const char *const texts[] = {"x\r\n", "\r\n", "5\r\nHelloX", ";a\r\n",
                                        "1234567890abcdef\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        http_content content;
        char all[64];
        http_content_begin(&content, &(http_reply){.framing = HTTP_BY_CHUNKS});
        feed(&content, texts[i], 3, all);
        assert_int_equal(content.place, HTTP_BROKEN);
    }
}

static void content_that_is_cut_short_is_not_whole(void **state) {
    (void)state;
    http_content by_length, by_chunks, by_close;
    char all[64];
    http_content_begin(&by_length, &(http_reply){.framing = HTTP_BY_LENGTH, .content_bytes = 7});
    http_content_begin(&by_chunks, &(http_reply){.framing = HTTP_BY_CHUNKS});
    http_content_begin(&by_close, &(http_reply){.framing = HTTP_BY_CLOSE});
    feed(&by_length, "123456", 4, all);
    feed(&by_chunks, "3\r\nabc\r\n0\r\n", 4, all);
    feed(&by_close, "123456", 4, all);
    assert_false(http_content_is_whole(&by_length));
    assert_false(http_content_is_whole(&by_chunks));
    assert_true(http_content_is_whole(&by_close));
    assert_int_equal(feed(&by_length, "7extra", 9, all), 1);
    assert_true(http_content_is_whole(&by_length));
}

static void a_url_has_an_address_a_port_and_a_target(void **state) {
    (void)state;
    http_url url;
    assert_null(http_url_read("http://10.1.2.3:8080/a/b?c#d", &url));
    const hf_addr four = hf_addr4(10, 1, 2, 3);
    assert_true(hf_addr_equal(&url.addr, &four));
    assert_int_equal(url.port, 8080);
    assert_string_equal(url.host, "10.1.2.3:8080");
    assert_string_equal(url.target, "/a/b?c");
    assert_null(http_url_read("http://[fd99::7]", &url));
    assert_int_equal(url.port, 80);
    assert_int_equal(url.addr.bytes[0], 0xfd);
    assert_int_equal(url.addr.bytes[15], 7);
    assert_string_equal(url.host, "[fd99::7]");
    assert_string_equal(url.target, "/");
    assert_null(http_url_read("http://10.1.2.3?q", &url));
    assert_string_equal(url.target, "/?q");
}

static void a_url_that_is_none_is_refused(void **state) {
    (void)state;
    static const char *const urls[] = {
        "https://10.1.2.3/",     "10.1.2.3",           "http://example.org/", "http://10.1.2.3:0/",
        "http://10.1.2.3:70000", "http://[fd99::7/",   "http://[fd99::7]x",   "http://fd99::7/",
        "http://10.1.2.3/a b",   "http://10.1.2.3:/a", "http:///a",
    };
    http_url url;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        if (!http_url_read(urls[i], &url)) fail_msg("%s was taken", urls[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_complete_with_its_blank_line),
        cmocka_unit_test(a_get_names_its_path_without_query),
        cmocka_unit_test(the_absolute_form_is_taken),
        cmocka_unit_test(a_connection_is_kept_as_version_and_field_say),
        cmocka_unit_test(content_behind_a_request_ends_the_connection),
        cmocka_unit_test(what_is_wrong_has_its_status),
        cmocka_unit_test(one_range_is_read_and_others_are_passed_over),
        cmocka_unit_test(a_path_that_climbs_is_known),
        cmocka_unit_test(a_file_follows_its_head),
        cmocka_unit_test(head_and_an_empty_file_have_no_content),
        cmocka_unit_test(a_range_is_a_part_of_the_file),
        cmocka_unit_test(a_range_of_a_changed_file_is_the_whole_file),
        cmocka_unit_test(nothing_outside_of_the_directory_is_reached),
        cmocka_unit_test(a_link_that_stays_inside_is_followed),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(a_directory_shows_its_page_or_its_names),
        cmocka_unit_test(a_method_that_is_not_for_files_is_told_which_are),
        cmocka_unit_test(dates_are_written_as_http_wants_them),
        cmocka_unit_test(a_reply_tells_how_its_content_ends),
        cmocka_unit_test(what_is_no_reply_is_refused),
        cmocka_unit_test(chunks_are_joined_however_they_arrive),
        cmocka_unit_test(broken_chunks_are_noticed),
        cmocka_unit_test(content_that_is_cut_short_is_not_whole),
        cmocka_unit_test(a_url_has_an_address_a_port_and_a_target),
        cmocka_unit_test(a_url_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
