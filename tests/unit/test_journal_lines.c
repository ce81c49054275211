/* journal: events as lines, and when they go to standard error. */
#include "fixture_journal.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_line(const struct event *event, const char *expected)
{
    char line[4096];

    assert_int_equal(journal_event_line(event, line, sizeof line), strlen(expected));
    assert_string_equal(line, expected);
}

static void test_line(void **state)
{
    (void)state;
    struct event event = {.kind = EVENT_BRAKE, .priority = LOG_NOTICE, .sentence = "released"};

    assert_line(&full_event, FULL_LINE);
    assert_line(&event, "PRIORITY=5 COWHERD_EVENT=brake MESSAGE_ID=6d76d68cdc9a486bb9fb64fd50daeebe "
                        "MESSAGE=released\n");
}

/* The line's text of one value. */
static void assert_value(const char *value, const char *expected)
{
    char line[256];
    struct event event = {.kind = EVENT_FOUND, .priority = LOG_INFO, .result = value};

    snprintf(line, sizeof line,
             "PRIORITY=6 COWHERD_EVENT=found COWHERD_RESULT=%s "
             "MESSAGE_ID=29535dd4c2074f75aafaf61ceecf0c00\n",
             expected);
    assert_line(&event, line);
}

static void test_line_escapes(void **state)
{
    (void)state;
    assert_value("plain", "plain");
    assert_value("a=b;$(c)", "a=b;$(c)");
    assert_value("two words", "\"two words\"");
    assert_value(" ", "\" \"");
    assert_value("a\nb", "\"a\\nb\"");
    assert_value("\r\t", "\"\\r\\t\"");
    assert_value("say \"no\"", "\"say \\\"no\\\"\"");
    assert_value("it's", "\"it's\"");
    assert_value("C:\\", "\"C:\\\\\"");
    assert_value("Kühe€\U0001F404", "Kühe€\U0001F404");
    assert_value("\xff", "\"\\xff\"");
    assert_value("Kühe \xc3", "\"Kühe \\xc3\"");
    assert_value("\xed\xa0\x80", "\"\\xed\\xa0\\x80\""); /* a surrogate is no UTF-8 */
    assert_value("\x1b[0m\x7f\x01", "\"\\x1b[0m\\x7f\\x01\"");
    assert_value("\xc2\x9b", "\"\\xc2\\x9b\"");
}

/* Whether a line is a sound one: key=value pairs, quotes closed, one line end, at its end. */
static bool is_sound(const char *line, size_t length)
{
    bool quoted = false;

    if (length == 0 || line[length - 1] != '\n' || line[length] != '\0' || strlen(line) != length)
        return false;
    for (size_t i = 0; i + 1 < length; i++) {
        if (line[i] == '\n' || line[i] == '\0')
            return false;
        if (line[i] == '"')
            quoted = !quoted;
        else if (line[i] == '\\') {
            size_t more = line[i + 1] == 'x' ? 3 : 1;
            for (size_t j = 1; j <= more; j++)
                if (i + j + 1 >= length || line[i + j] == '\n')
                    return false;
            i += more;
        }
    }
    return !quoted && (length == 1 || line[length - 2] != ' ');
}

/* What of the line is as long as the whole one is the same, but for the quote that closes it. */
static void assert_cut(const char *line, size_t length, const char *whole)
{
    size_t same = length - 1;

    if (same > 0 && memcmp(line, whole, same) != 0 && line[same - 1] == '"')
        same--;
    assert_memory_equal(line, whole, same);
}

static void test_line_is_cut_at_every_size(void **state)
{
    (void)state;
    struct event event = full_event;
    char whole[1024], line[1024];

    event.sentence = "Kühe \"a\\b\"\n\xff\x01 € \U0001F404 end";
    event.snapshot = "na\nme \xfe";
    size_t whole_length = journal_event_line(&event, whole, sizeof whole);
    assert_true(is_sound(whole, whole_length));
    for (size_t size = 0; size <= whole_length + 5; size++) {
        memset(line, '#', sizeof line);
        size_t length = journal_event_line(&event, line, size);
        assert_int_equal(line[size], '#');
        if (size < 2) {
            assert_int_equal(length, 0);
            assert_true(size == 0 || line[0] == '\0');
            continue;
        }
        assert_true(length < size);
        if (!is_sound(line, length))
            fail_msg("cut to %zu bytes: %s", size, line);
        assert_cut(line, length, whole);
        /* No number is cut: fields are whole unless they are quoted. */
        if (size >= whole_length + 2)
            assert_string_equal(line, whole);
    }
}

static void test_no_number_is_cut(void **state)
{
    (void)state;
    char line[1024];

    for (size_t size = 2; size < sizeof line; size++) {
        journal_event_line(&full_event, line, size);
        const char *rate = strstr(line, "COWHERD_RATE=");
        assert_true(!strstr(line, "COWHERD_RA") || rate);
        if (rate)
            assert_int_equal(strncmp(rate, "COWHERD_RATE=1048576", 20), 0);
    }
}

/* ---- standard error */

static int temporary_file(void)
{
    char name[] = "/tmp/cowherd-test-XXXXXX";
    int fd = mkstemp(name);

    assert_true(fd >= 0);
    unlink(name);
    return fd;
}

/* What JOURNAL_STREAM says where fd leads to the journal. */
static void stream_of(int fd, char stream[static 64])
{
    struct stat status;

    assert_int_equal(fstat(fd, &status), 0);
    snprintf(stream, 64, "%lu:%lu", (unsigned long)status.st_dev, (unsigned long)status.st_ino);
}

static void assert_file(int fd, const char *expected)
{
    char text[8192];
    ssize_t length = pread(fd, text, sizeof text - 1, 0);

    assert_true(length >= 0);
    text[length] = '\0';
    assert_string_equal(text, expected);
}

static void test_lines_where_the_journal_takes_nothing(void **state)
{
    (void)state;
    int fd = temporary_file();
    struct journal *journal = open_with(fd, false);

    journal_event(journal, &full_event); /* taken */
    wait_for(&journald.n_sent, 1);
    pthread_mutex_lock(&journald.lock);
    journald.result = -ENOENT;
    pthread_mutex_unlock(&journald.lock);
    journal_event(journal, &full_event);
    journal_message(journal, LOG_INFO, "a message");
    journal_close(journal, 10 * SEC);
    assert_file(fd, FULL_LINE "PRIORITY=6 MESSAGE=\"a message\"\n");
    close(fd);
}

static void test_lines_besides_the_journal(void **state)
{
    (void)state;
    int fd = temporary_file();
    struct journal *journal = open_with(fd, true);

    journal_event(journal, &full_event);
    wait_for(&journald.n_sent, 1);
    pthread_mutex_lock(&journald.lock);
    journald.result = -ECONNREFUSED;
    pthread_mutex_unlock(&journald.lock);
    journal_event(journal, &full_event); /* not taken: still one line, not two */
    journal_close(journal, 10 * SEC);
    assert_int_equal(journald.n_sent, 2);
    assert_file(fd, FULL_LINE FULL_LINE);
    close(fd);
}

static void test_a_line_is_one_write(void **state)
{
    (void)state;
    int ends[2];
    char text[8192], sentence[EVENT_SENTENCE_MAX];
    struct event event = full_event;

    memset(sentence, '\1', sizeof sentence - 1);
    sentence[sizeof sentence - 1] = '\0';
    event.sentence = sentence; /* four times as long when escaped: cut to what a pipe takes in one piece */
    assert_int_equal(pipe2(ends, O_DIRECT), 0); /* packets: a read gets exactly what a write put in */
    struct journal *journal = open_with(ends[1], true);
    journal_event(journal, &event);
    journal_event(journal, &full_event);
    journal_close(journal, 10 * SEC);
    ssize_t length = read(ends[0], text, sizeof text - 1);
    assert_in_range(length, 4000, 4096);
    text[length] = '\0';
    assert_true(is_sound(text, (size_t)length));
    length = read(ends[0], text, sizeof text - 1);
    text[length] = '\0';
    assert_string_equal(text, FULL_LINE);
    close(ends[0]);
    close(ends[1]);
}

static void test_a_broken_pipe_hurts_nobody(void **state)
{
    (void)state;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    signal(SIGPIPE, SIG_DFL); /* the test process would die of it */
    struct journal *journal = open_with(ends[1], true);
    for (int i = 0; i < 3; i++)
        journal_event(journal, &full_event);
    journal_close(journal, 10 * SEC);
    assert_int_equal(journald.n_sent, 3);
    close(ends[1]);
}

static void test_a_closed_descriptor_hurts_nobody(void **state)
{
    (void)state;
    int fd = temporary_file();
    struct journal *journal = open_with(fd, true);

    close(fd);
    for (int i = 0; i < 3; i++)
        journal_event(journal, &full_event);
    journal_close(journal, 10 * SEC);
    assert_int_equal(journald.n_sent, 3);
}

/* Abandoned on purpose; this keeps the leak checker from calling it a leak. */
static struct journal *abandoned;

static void test_a_full_pipe_does_not_hold_up_the_loop(void **state)
{
    (void)state;
    int ends[2];
    char page[4096] = "";

    assert_int_equal(pipe(ends), 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], page, sizeof page) > 0)
        ;
    fcntl(ends[1], F_SETFL, 0);
    struct journal *journal = abandoned = open_with(ends[1], true);
    for (unsigned i = 0; i < JOURNAL_QUEUE_MAX + 10; i++)
        journal_event(journal, &full_event);
    unsigned n_dropped = (unsigned)journal_dropped(journal);
    assert_in_range(n_dropped, 9, 10); /* was the first already in the thread's hands? */
    uint64_t before = now_usec();
    journal_close(journal, 50 * MSEC);
    assert_in_range(now_usec() - before, 50 * MSEC, 5 * SEC);
    wait_for(&journald.n_sent, 1);
    assert_int_equal(journald.n_sent, 1);

    close(ends[0]); /* a broken pipe frees the thread: it sends the rest and a word on the dropped */
    wait_for(&journald.n_sent, JOURNAL_QUEUE_MAX + 11 - n_dropped);
}

static void test_who_gets_lines(void **state)
{
    (void)state;
    int fd = temporary_file(), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char stream[64];

    stream_of(fd, stream);
    struct journal_outlet outlet = journal_outlet_for(fd, stream); /* the journal itself */
    assert_int_equal(outlet.line_fd, fd);
    assert_false(outlet.line_always);
    outlet = journal_outlet_for(fd, NULL);
    assert_int_equal(outlet.line_fd, fd);
    assert_true(outlet.line_always);
    outlet = journal_outlet_for(fd, "1:1"); /* inherited from a service, then redirected */
    assert_true(outlet.line_always);
    outlet = journal_outlet_for(fd, "");
    assert_true(outlet.line_always);
    assert_int_equal(journal_outlet_for(null, NULL).line_fd, -1);
    close(null);
    assert_int_equal(journal_outlet_for(null, NULL).line_fd, -1); /* closed */
    close(fd);
}

/* The real way, on a machine without a journald, in a service whose standard error is the journal. */
static void test_without_a_journal_socket(void **state)
{
    (void)state;
    if (access("/run/systemd/journal/socket", F_OK) == 0)
        skip();
    int fd = temporary_file(), standard_error = dup(STDERR_FILENO);
    struct journal *journal = NULL;
    char stream[64];

    stream_of(fd, stream);
    setenv("JOURNAL_STREAM", stream, 1);
    dup2(fd, STDERR_FILENO);
    int r = journal_open("cowherd", &journal);
    if (r == 0) {
        journal_event(journal, &full_event);
        journal_close(journal, 10 * SEC);
    }
    dup2(standard_error, STDERR_FILENO);
    close(standard_error);
    unsetenv("JOURNAL_STREAM");
    assert_int_equal(r, 0);
    assert_file(fd, FULL_LINE);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_line_escapes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_line_is_cut_at_every_size, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_number_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lines_where_the_journal_takes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lines_besides_the_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_line_is_one_write, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_broken_pipe_hurts_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_closed_descriptor_hurts_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_pipe_does_not_hold_up_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_gets_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_journal_socket, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
