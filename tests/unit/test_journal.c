/* journal: the queue before a journald that may stand still, and who listens besides it. */
#include "fixture_journal.h"
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

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

/* ---- its end */

/* Abandoned on purpose; this keeps the leak checker from calling it a leak. */
static struct journal *abandoned;

static void test_close_leaves_a_stuck_journal(void **state)
{
    (void)state;
    struct journal *journal = abandoned = open_with(-1, false);

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

/* ---- its thread and its memory */

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
        cmocka_unit_test_setup_teardown(test_a_message_is_no_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_queue_is_bounded_and_says_what_it_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_loss_is_told_where_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_leaves_a_stuck_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_does_not_wait_without_need, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_drains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signals_are_the_loops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_of_an_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forked_children_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_listeners_hear_every_event, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
