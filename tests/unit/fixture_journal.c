#include "fixture_journal.h"
#include "cowherd/fill_rate.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct journald journald = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

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

void let_pass(unsigned may_pass)
{
    pthread_mutex_lock(&journald.lock);
    journald.may_pass = may_pass;
    pthread_cond_broadcast(&journald.changed);
    pthread_mutex_unlock(&journald.lock);
}

void wait_for(const unsigned *count, unsigned at_least)
{
    pthread_mutex_lock(&journald.lock);
    while (*count < at_least)
        pthread_cond_wait(&journald.changed, &journald.lock);
    pthread_mutex_unlock(&journald.lock);
}

int setup(void **state)
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

int teardown(void **state)
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

struct journal *open_with(int line_fd, bool line_always)
{
    struct journal_outlet outlet = {.send = take_entry, .line_fd = line_fd, .line_always = line_always};
    struct journal *journal = NULL;

    assert_int_equal(journal_open_outlet("cowherd", &outlet, &journal), 0);
    assert_non_null(journal);
    return journal;
}

uint64_t now_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

const struct event full_event = {
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
