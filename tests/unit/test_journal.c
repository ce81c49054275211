#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/report/journal_private.h"
#include "cowherd/fill_rate.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define MSEC       1000UL
#define SEC        1000000UL
#define SENT_MAX   3000
#define SENT_BYTES 5000

#define ALWAYS UINT_MAX

/* A journald of our own: it keeps what it gets, and stands still when it may let nobody pass. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned may_pass; /* so many sends, or ALWAYS */
    int result;
    unsigned n_entered; /* sends begun */
    unsigned n_sent;    /* sends ended */
    char *sent[SENT_MAX];
    sigset_t mask; /* of the thread that sends */
} journald = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* An entry as text, its fields joined by "|". */
static char *joined(const struct iovec *fields, int n_fields)
{
    char *text = malloc(SENT_BYTES);
    size_t length = 0;

    for (int i = 0; i < n_fields; i++) {
        if (i > 0)
            text[length++] = '|';
        memcpy(text + length, fields[i].iov_base, fields[i].iov_len);
        length += fields[i].iov_len;
    }
    text[length] = '\0';
    return text;
}

static int take_entry(const struct iovec *fields, int n_fields)
{
    pthread_mutex_lock(&journald.lock);
    journald.n_entered++;
    pthread_cond_broadcast(&journald.changed);
    while (journald.may_pass == 0)
        pthread_cond_wait(&journald.changed, &journald.lock);
    if (journald.may_pass != ALWAYS)
        journald.may_pass--;
    if (journald.n_sent < SENT_MAX)
        journald.sent[journald.n_sent] = joined(fields, n_fields);
    journald.n_sent++;
    pthread_sigmask(SIG_SETMASK, NULL, &journald.mask);
    int result = journald.result;
    pthread_cond_broadcast(&journald.changed);
    pthread_mutex_unlock(&journald.lock);
    return result;
}

static void let_pass(unsigned may_pass)
{
    pthread_mutex_lock(&journald.lock);
    journald.may_pass = may_pass;
    pthread_cond_broadcast(&journald.changed);
    pthread_mutex_unlock(&journald.lock);
}

static void wait_for(const unsigned *count, unsigned at_least)
{
    pthread_mutex_lock(&journald.lock);
    while (*count < at_least)
        pthread_cond_wait(&journald.changed, &journald.lock);
    pthread_mutex_unlock(&journald.lock);
}

static int setup(void **state)
{
    (void)state;
    alarm(60); /* a test that waits for ever must end, and fail */
    pthread_mutex_lock(&journald.lock);
    journald.may_pass = ALWAYS;
    journald.result = 0;
    journald.n_entered = journald.n_sent = 0;
    pthread_mutex_unlock(&journald.lock);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    alarm(0);
    pthread_mutex_lock(&journald.lock);
    for (unsigned i = 0; i < SENT_MAX; i++) {
        free(journald.sent[i]);
        journald.sent[i] = NULL;
    }
    pthread_mutex_unlock(&journald.lock);
    return 0;
}

static struct journal *open_with(int line_fd, bool line_always)
{
    struct journal_outlet outlet = {.send = take_entry, .line_fd = line_fd, .line_always = line_always};
    struct journal *journal = NULL;

    assert_int_equal(journal_open_outlet("cowherd", &outlet, &journal), 0);
    assert_non_null(journal);
    return journal;
}

static const struct event full_event = {
    .kind = EVENT_ACTION_FAILED,
    .priority = LOG_WARNING,
    .snapshot = "vg0-root",
    .uuid = "LVM-abc",
    .role = ROLE_BACKUP,
    .has_sample = true,
    .sample = {.used_sectors = 7142,
               .total_sectors = 10000,
               .rate_bytes_per_second = 1048576,
               .peak_bytes_per_second = 99,
               .time_left_usec = 125999999},
    .rung = "at 75% = extend 20%",
    .action = "extend 20%",
    .result = "no space",
    .sentence = "extending the store of vg0-root failed",
};

#define FULL_FIELDS_BEFORE_MESSAGE                                                                           \
    "PRIORITY=4|COWHERD_EVENT=action-failed|COWHERD_SNAPSHOT=vg0-root|COWHERD_UUID=LVM-abc|"                 \
    "COWHERD_ROLE=backup|COWHERD_USED_SECTORS=7142|COWHERD_TOTAL_SECTORS=10000|COWHERD_PERCENT=71.42|"       \
    "COWHERD_RATE=1048576|COWHERD_SECONDS_LEFT=125|COWHERD_RUNG=at 75% = extend 20%|"                        \
    "COWHERD_ACTION=extend 20%|COWHERD_RESULT=no space|MESSAGE_ID=2b5da71ba7614ea1a852d77b515b3794|"

#define FULL_LINE                                                                                            \
    "PRIORITY=4 COWHERD_EVENT=action-failed COWHERD_SNAPSHOT=vg0-root COWHERD_UUID=LVM-abc "                 \
    "COWHERD_ROLE=backup COWHERD_USED_SECTORS=7142 COWHERD_TOTAL_SECTORS=10000 COWHERD_PERCENT=71.42 "       \
    "COWHERD_RATE=1048576 COWHERD_SECONDS_LEFT=125 COWHERD_RUNG=\"at 75% = extend 20%\" "                    \
    "COWHERD_ACTION=\"extend 20%\" COWHERD_RESULT=\"no space\" "                                             \
    "MESSAGE_ID=2b5da71ba7614ea1a852d77b515b3794 MESSAGE=\"extending the store of vg0-root failed\"\n"

/* Sends one event and returns what journald got. */
static const char *sent_of(const struct event *event)
{
    struct journal *journal = open_with(-1, false);
    unsigned before = journald.n_sent;

    journal_event(journal, event);
    journal_close(journal, 10 * SEC);
    assert_int_equal(journald.n_sent, before + 1);
    return journald.sent[before];
}

/* --- fields --- */

static void test_every_field(void **state)
{
    (void)state;
    assert_string_equal(sent_of(&full_event), FULL_FIELDS_BEFORE_MESSAGE
                        "MESSAGE=extending the store of vg0-root failed|SYSLOG_IDENTIFIER=cowherd");
}

static void test_what_is_not_known_is_left_out(void **state)
{
    (void)state;
    struct event event = {.kind = EVENT_CONFIG, .priority = LOG_NOTICE, .sentence = "read", .uuid = ""};

    assert_string_equal(sent_of(&event),
                        "PRIORITY=5|COWHERD_EVENT=config|MESSAGE_ID=01924c400d4a4bc9aa7db2a1606618e1|"
                        "MESSAGE=read|SYSLOG_IDENTIFIER=cowherd");
}

static void test_sample_at_its_edges(void **state)
{
    (void)state;
    struct event event = {.kind = EVENT_GONE, .priority = LOG_CRIT, .role = ROLE_LIVE, .has_sample = true};

    event.sample.time_left_usec = TIME_UNKNOWN_USEC;
    assert_string_equal(sent_of(&event),
                        "PRIORITY=2|COWHERD_EVENT=gone|COWHERD_ROLE=live|COWHERD_USED_SECTORS=0|"
                        "COWHERD_TOTAL_SECTORS=0|COWHERD_PERCENT=0.00|COWHERD_RATE=0|"
                        "COWHERD_SECONDS_LEFT=infinity|MESSAGE_ID=967e4f6de5984b1b9894774d06f3d9ae|"
                        "SYSLOG_IDENTIFIER=cowherd");
    event.sample.time_left_usec = 999999;
    assert_non_null(strstr(sent_of(&event), "|COWHERD_SECONDS_LEFT=0|"));
    event.sample.time_left_usec = UINT64_MAX - 1;
    event.sample.rate_bytes_per_second = UINT64_MAX;
    assert_non_null(strstr(sent_of(&event), "|COWHERD_SECONDS_LEFT=18446744073709|"));
    assert_non_null(strstr(sent_of(&event), "|COWHERD_RATE=18446744073709551615|"));
}

static void test_any_bytes_survive(void **state)
{
    (void)state;
    char name[128];
    struct event event = full_event;

    for (size_t i = 0; i < 127; i++)
        name[i] = (char)(i + 1);
    name[127] = '\0';
    event.snapshot = name;
    event.uuid = "\xff\xfe\n=\n";
    const char *sent = sent_of(&event);
    const char *at = strstr(sent, "|COWHERD_SNAPSHOT=");
    assert_non_null(at);
    assert_memory_equal(at + 18, name, 127);
    assert_non_null(strstr(sent, "|COWHERD_UUID=\xff\xfe\n=\n|"));
}

static void test_long_texts_are_cut_at_a_character(void **state)
{
    (void)state;
    char text[3 * EVENT_SENTENCE_MAX], expected[EVENT_SENTENCE_MAX + 64];
    struct event event = {.kind = EVENT_RUNG, .priority = LOG_WARNING, .sentence = text, .result = text};

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memcpy(text + EVENT_RESULT_MAX - 2, "ü", 2);
    memcpy(text + EVENT_SENTENCE_MAX - 3, "ü", 2); /* just fits */
    const char *sent = sent_of(&event);
    int n = snprintf(expected, sizeof expected, "|COWHERD_RESULT=%.*s|", EVENT_RESULT_MAX - 2, text);
    assert_non_null(strstr(sent, expected));
    snprintf(expected, sizeof expected, "|MESSAGE=%.*s|", EVENT_SENTENCE_MAX - 1, text);
    assert_non_null(strstr(sent, expected));
    assert_int_equal(n, EVENT_RESULT_MAX - 2 + 17);
}

static void test_the_largest_entry_fits(void **state)
{
    (void)state;
    char text[3 * EVENT_SENTENCE_MAX], expected[SENT_BYTES];
    struct event event = {
        .kind = EVENT_ACTION_FAILED,
        .priority = LOG_DEBUG,
        .snapshot = text,
        .uuid = text,
        .role = ROLE_BACKUP,
        .has_sample = true,
        .sample = {.used_sectors = UINT64_MAX / 2, .total_sectors = UINT64_MAX, .time_left_usec = 5},
        .rung = text,
        .action = text,
        .result = text,
        .sentence = text,
    };

    event.sample.rate_bytes_per_second = UINT64_MAX;
    memset(text, '\1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    const int small = EVENT_RESULT_MAX - 1, large = EVENT_SENTENCE_MAX - 1;
    snprintf(expected, sizeof expected,
             "PRIORITY=7|COWHERD_EVENT=action-failed|COWHERD_SNAPSHOT=%.*s|COWHERD_UUID=%.*s|"
             "COWHERD_ROLE=backup|COWHERD_USED_SECTORS=9223372036854775807|"
             "COWHERD_TOTAL_SECTORS=18446744073709551615|COWHERD_PERCENT=49.99|"
             "COWHERD_RATE=18446744073709551615|COWHERD_SECONDS_LEFT=0|COWHERD_RUNG=%.*s|"
             "COWHERD_ACTION=%.*s|COWHERD_RESULT=%.*s|MESSAGE_ID=2b5da71ba7614ea1a852d77b515b3794|"
             "MESSAGE=%.*s|SYSLOG_IDENTIFIER=cowherd",
             small, text, small, text, small, text, small, text, small, text, large, text);
    assert_string_equal(sent_of(&event), expected);
}

static void test_a_message_is_no_event(void **state)
{
    (void)state;
    struct journal *journal = open_with(-1, false);
    char text[2 * EVENT_SENTENCE_MAX], expected[2 * EVENT_SENTENCE_MAX];

    journal_message(journal, LOG_ERR, "%s of %d", "two", 3);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memcpy(text + EVENT_SENTENCE_MAX - 2, "ü", 2);
    journal_message(journal, LOG_DAEMON | LOG_DEBUG, "%s", text); /* the facility is not the priority's */
    journal_close(journal, 10 * SEC);
    assert_string_equal(journald.sent[0], "PRIORITY=3|MESSAGE=two of 3|SYSLOG_IDENTIFIER=cowherd");
    snprintf(expected, sizeof expected, "PRIORITY=7|MESSAGE=%.*s|SYSLOG_IDENTIFIER=cowherd",
             EVENT_SENTENCE_MAX - 2, text);
    assert_string_equal(journald.sent[1], expected);
}

/* --- the queue --- */

static void assert_numbered(unsigned sent, unsigned number)
{
    char expected[64];

    snprintf(expected, sizeof expected, "PRIORITY=6|MESSAGE=%u|SYSLOG_IDENTIFIER=cowherd", number);
    assert_string_equal(journald.sent[sent], expected);
}

static void assert_dropped_notice(unsigned sent, unsigned number)
{
    char expected[160];

    snprintf(expected, sizeof expected,
             "PRIORITY=4|MESSAGE=%u log entries were dropped because the journal did not take "
             "them|SYSLOG_IDENTIFIER=cowherd",
             number);
    assert_string_equal(journald.sent[sent], expected);
}

/* With nobody let pass: one entry in the sender's hands and so many behind it. */
static void fill(struct journal *journal, unsigned n_waiting)
{
    let_pass(0);
    journal_message(journal, LOG_INFO, "%u", 0U);
    wait_for(&journald.n_entered, 1);
    for (unsigned i = 1; i <= n_waiting; i++)
        journal_message(journal, LOG_INFO, "%u", i);
}

static void test_order_is_kept(void **state)
{
    (void)state;
    struct journal *journal = open_with(-1, false);

    for (unsigned i = 0; i < 1000; i++)
        journal_message(journal, LOG_INFO, "%u", i);
    journal_close(journal, 10 * SEC);
    assert_int_equal(journald.n_sent, 1000);
    for (unsigned i = 0; i < 1000; i++)
        assert_numbered(i, i);
}

static void test_the_queue_is_bounded_and_says_what_it_dropped(void **state)
{
    (void)state;
    struct journal *journal = open_with(-1, false);

    fill(journal, JOURNAL_QUEUE_MAX);
    assert_int_equal(journal_dropped(journal), 0);
    for (unsigned i = 0; i < 5; i++)
        journal_event(journal, &full_event);
    assert_int_equal(journal_dropped(journal), 5);
    assert_int_equal(journald.n_sent, 0);

    /* Nothing need follow for the loss to be told. */
    let_pass(ALWAYS);
    wait_for(&journald.n_sent, JOURNAL_QUEUE_MAX + 2);
    for (unsigned i = 0; i <= JOURNAL_QUEUE_MAX; i++)
        assert_numbered(i, i);
    assert_dropped_notice(JOURNAL_QUEUE_MAX + 1, 5);

    /* And it is told once. */
    journal_message(journal, LOG_INFO, "%u", 7U);
    journal_close(journal, 10 * SEC);
    assert_int_equal(journald.n_sent, JOURNAL_QUEUE_MAX + 3);
    assert_numbered(JOURNAL_QUEUE_MAX + 2, 7);
}

static void test_the_loss_is_told_where_it_was(void **state)
{
    (void)state;
    struct journal *journal = open_with(-1, false);
    unsigned next = JOURNAL_QUEUE_MAX + 1;

    fill(journal, JOURNAL_QUEUE_MAX);
    for (unsigned i = 0; i < 3; i++)
        journal_message(journal, LOG_INFO, "lost");
    let_pass(1); /* then the sender takes the next one, and leaves room */
    wait_for(&journald.n_entered, 2);
    journal_message(journal, LOG_INFO, "%u", next);
    journal_message(journal, LOG_INFO, "lost");
    assert_int_equal(journal_dropped(journal), 4);
    let_pass(ALWAYS);
    journal_close(journal, 10 * SEC);

    assert_int_equal(journald.n_sent, next + 3);
    for (unsigned i = 0; i < next; i++)
        assert_numbered(i, i);
    assert_dropped_notice(next, 3);
    assert_numbered(next + 1, next);
    assert_dropped_notice(next + 2, 1);
}

static uint64_t now_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Abandoned journals are leaked on purpose; this keeps the leak checker from calling it one. */
static struct journal *abandoned[2];

static void test_close_leaves_a_stuck_journal(void **state)
{
    (void)state;
    struct journal *journal = abandoned[0] = open_with(-1, false);

    fill(journal, 10);
    uint64_t before = now_usec();
    journal_close(journal, 100 * MSEC);
    uint64_t took = now_usec() - before;
    assert_in_range(took, 100 * MSEC, 5 * SEC);
    assert_int_equal(journald.n_sent, 0);

    /* The thread comes to life again: it may not stumble over anything that was freed. */
    let_pass(ALWAYS);
    wait_for(&journald.n_sent, 11);
    assert_numbered(10, 10);
}

static void test_close_does_not_wait_without_need(void **state)
{
    (void)state;
    struct journal *journal = open_with(-1, false);

    uint64_t before = now_usec();
    journal_close(journal, 3600 * SEC);
    assert_in_range(now_usec() - before, 0, 5 * SEC);
    journal_close(NULL, 3600 * SEC);
}

static void test_close_drains(void **state)
{
    (void)state;
    struct journal *journal = open_with(-1, false);

    fill(journal, 500);
    let_pass(ALWAYS);
    journal_close(journal, 30 * SEC);
    assert_int_equal(journald.n_sent, 501);
}

static void test_signals_are_the_loops(void **state)
{
    (void)state;
    sigset_t before, after;

    sigemptyset(&before);
    sigaddset(&before, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    struct journal *journal = open_with(-1, false);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    journal_message(journal, LOG_INFO, "x");
    journal_close(journal, 10 * SEC);
    for (int number = 1; number < 32; number++) {
        if (number != SIGKILL && number != SIGSTOP)
            assert_int_equal(sigismember(&journald.mask, number), 1);
        assert_int_equal(sigismember(&after, number), number == SIGUSR1);
    }
}

/* The queue of a stuck journald must not eat the machine (and it may be locked memory). */
static void test_memory_of_an_entry(void **state)
{
    (void)state;
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    skip(); /* their allocators do not say */
#endif
    struct journal *journal = open_with(-1, false);
    const unsigned n = 1000;

    fill(journal, 0);
    size_t before = mallinfo2().uordblks;
    for (unsigned i = 0; i < n; i++)
        journal_event(journal, &full_event);
    size_t each = (mallinfo2().uordblks - before) / n;
    let_pass(ALWAYS);
    journal_close(journal, 10 * SEC);
    assert_in_range(each, 300, 1023);
}

/* Children are forked while the thread works, at whatever moment; they never log, allocate and leave. */
static void test_forked_children_end(void **state)
{
    (void)state;
    struct journal *journal = open_with(-1, false);

    for (int i = 0; i < 200; i++) {
        for (int j = 0; j < 10; j++)
            journal_event(journal, &full_event);
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            char *memory = malloc(1000);
            _exit(memory && snprintf(memory, 1000, "%d", i) > 0 ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    journal_close(journal, 30 * SEC);
    assert_int_equal(journald.n_sent, 2000);
}

/* --- lines --- */

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

/* --- standard error --- */

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
    struct journal *journal = abandoned[1] = open_with(ends[1], true);
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

/* ---- who listens */

struct heard {
    unsigned n;
    uint64_t took_usec;
    char rung[32];
};

static void hear(const struct event *event, void *user)
{
    struct heard *heard = user;
    heard->n++;
    heard->took_usec = event->took_usec;
    snprintf(heard->rung, sizeof(heard->rung), "%s", event->rung);
}

/* Also of what the queue has no room for any more. */
static void test_listeners_hear_every_event(void **state)
{
    (void)state;
    struct journal *journal = open_with(-1, false);
    struct heard heard[JOURNAL_LISTENERS_MAX] = {0};
    struct event event = {
        .kind = EVENT_ACTION_DONE, .rung = "at 50% = drop", .sentence = "x", .took_usec = 7};
    for (size_t i = 0; i < JOURNAL_LISTENERS_MAX; i++)
        assert_int_equal(journal_listen(journal, hear, &heard[i]), 0);
    assert_int_equal(journal_listen(journal, hear, NULL), -ENOSPC);
    journal_event(journal, &event);
    journal_event(journal, &event);
    for (size_t i = 0; i < JOURNAL_LISTENERS_MAX; i++) {
        assert_int_equal(heard[i].n, 2);
        assert_int_equal(heard[i].took_usec, 7);
        assert_string_equal(heard[i].rung, "at 50% = drop");
    }
    journal_close(journal, 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_field, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_known_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sample_at_its_edges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_bytes_survive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_texts_are_cut_at_a_character, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_largest_entry_fits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_message_is_no_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_queue_is_bounded_and_says_what_it_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_listeners_hear_every_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_loss_is_told_where_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_leaves_a_stuck_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_does_not_wait_without_need, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_drains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signals_are_the_loops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_of_an_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forked_children_end, setup, teardown),
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

    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
