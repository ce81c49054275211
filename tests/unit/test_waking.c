/* waking: who is counted, with what period, and when it is looked at besides. */
#include "../../daemon/boottime.h"
#include "../../daemon/waking.h"
#include "cowherd/write_counter.h"
#include "fixture_herd.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#define HEARTBEAT  (45 * SECOND)
#define PACED_USEC UINT64_C(50000)

/* ---- one means of counting, with one counter at a time */

struct write_counters {
    int fd;
};

struct write_counter {
    bool is_linear;
    uint64_t period;
};

static struct means {
    int error; /* of opening them */
    struct write_counters counters;
    struct write_counter counter;
    uint64_t writes;
    unsigned n_open, n_told;
} means;

static struct fixture *machine;
static struct waking waking;

uint64_t boottime_now_usec(void)
{
    return machine->now_usec;
}

void journal_message(struct journal *journal, int priority, const char *format, ...)
{
    (void)journal, (void)priority, (void)format;
    means.n_told++;
}

int write_counters_open(enum counting_way way, struct write_counters **ret_counters)
{
    (void)way;
    if (means.error)
        return means.error;
    means.counters.fd = eventfd(0, EFD_CLOEXEC);
    *ret_counters = &means.counters;
    return 0;
}

int write_counters_fd(const struct write_counters *counters)
{
    return counters->fd;
}

unsigned write_counters_cpus(const struct write_counters *counters)
{
    (void)counters;
    return 1;
}

int write_counters_take(struct write_counters *counters)
{
    (void)counters;
    return 0;
}

void write_counters_close(struct write_counters *counters)
{
    assert_int_equal(means.n_open, 0);
    close(counters->fd);
}

int write_counter_open(struct write_counters *counters, dev_t device, bool is_linear,
                       struct write_counter **ret_counter)
{
    (void)counters, (void)device;
    assert_int_equal(means.n_open++, 0);
    means.counter = (struct write_counter){.is_linear = is_linear};
    *ret_counter = &means.counter;
    return 0;
}

int write_counter_arm(struct write_counter *counter, uint64_t period)
{
    counter->period = period;
    return 0;
}

int write_counter_disarm(struct write_counter *counter)
{
    counter->period = 0;
    return 0;
}

bool write_counter_has_fired(struct write_counter *counter)
{
    (void)counter;
    return true;
}

int write_counter_read(const struct write_counter *counter, uint64_t *ret_writes)
{
    (void)counter;
    *ret_writes = means.writes;
    return 0;
}

void write_counter_close(struct write_counter *counter)
{
    if (!counter)
        return;
    counter->period = 0;
    means.n_open--;
}

/* ---- a herd of one */

static int begin(void **state)
{
    int r = set_up(state);
    machine = *state;
    means = (struct means){0};
    waking = (struct waking){0};
    return r < 0 ? r : sd_event_new(&waking.event);
}

static int end(void **state)
{
    waking_done(&waking);
    sd_event_unref(waking.event);
    for (size_t i = 0; i < machine->herd.n_members; i++)
        machine->herd.members[i]->waiter = NULL; /* freed with all */
    return tear_down(state);
}

#define WAKING_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static void consider(void)
{
    struct waking_view view = {
        .herd = &machine->herd,
        .seen = &machine->seen,
        .longest_usec = 10 * SECOND,
        .heartbeat_usec = HEARTBEAT,
        .now_usec = machine->now_usec,
    };
    waking_consider(&waking, &view);
}

/* A second later it is looked at. */
static void look(void)
{
    struct dm_device *device = &machine->seen.devices[0];
    bool stale;
    machine->now_usec += SECOND;
    machine->told[0] = '\0';
    machine->herd.members[0]->asked_usec = machine->now_usec;
    herd_sample(&machine->herd, device, machine->now_usec, &machine->view, &stale);
    consider();
}

static struct member *add_one(void)
{
    add_snapshot(&machine->seen, "a", 1, 10);
    machine->now_usec += SECOND;
    assert_int_equal(herd_look(&machine->herd, &machine->seen, machine->now_usec, &machine->view), 0);
    consider();
    return machine->herd.members[0];
}

static uint64_t due_in(const struct member *member, bool watched)
{
    uint64_t due_usec = waking_due_usec(member, PACED_USEC, watched);
    return due_usec > member->asked_usec ? due_usec - member->asked_usec : 0;
}

/* What was written while it was being armed was not counted. */
static void test_armed_and_looked_at_once_more(void **state)
{
    (void)state;
    struct member *member = add_one();
    assert_true(means.counter.period > 0);
    assert_int_equal(due_in(member, false), 0);
    assert_true(waking_is_counting(member));
    look();
    assert_int_equal(due_in(member, false), HEARTBEAT);
    assert_true(waking_is_calm(&machine->herd, HEARTBEAT));
}

/* Whoever's action is under way is looked at as if it were not counted. */
static void test_watched_is_paced(void **state)
{
    (void)state;
    struct member *member = add_one();
    look();
    assert_int_equal(due_in(member, true), PACED_USEC);
}

/* No write has to bring about the look that carries it out. */
static void test_passed_rung_is_not_counted(void **state)
{
    (void)state;
    struct rung lower[] = {RUNG(5, alert_action, "at 5% = alert")};
    struct policy policy = any_policy;
    struct member *member = add_one();
    look();
    policy.rungs = lower;
    policy.n_rungs = 1;
    herd_set_policies(&machine->herd, &policy, 1);
    consider();
    assert_false(waking_is_counting(member));
    assert_int_equal(means.counter.period, 0);
    assert_int_equal(due_in(member, false), PACED_USEC);
    look(); /* it has fired */
    assert_true(waking_is_counting(member));
    herd_set_policies(&machine->herd, machine->view.policies, machine->view.n_policies);
}

static void test_invalid_is_not_counted(void **state)
{
    (void)state;
    struct member *member = add_one();
    look();
    set_state(&machine->seen.devices[0], SNAPSHOT_INVALID);
    machine->now_usec += SECOND;
    assert_int_equal(herd_look(&machine->herd, &machine->seen, machine->now_usec, &machine->view), 0);
    consider();
    assert_false(waking_is_counting(member));
    assert_int_equal(means.counter.period, 0);
}

static void test_no_means(void **state)
{
    (void)state;
    means.error = -EACCES;
    struct member *member = add_one();
    look();
    assert_int_equal(due_in(member, false), PACED_USEC);
    assert_int_equal(means.n_told, 1);
    means.error = 0;
    look();
    assert_false(waking_is_counting(member));
    machine->now_usec += 60 * SECOND;
    look();
    assert_true(waking_is_counting(member));
    assert_int_equal(means.n_told, 1);
}

/* Chunks were filled, and no write was seen. */
static void test_deaf_counter_is_given_up(void **state)
{
    (void)state;
    struct member *member = add_one();
    struct snapshot_status *status = &machine->seen.devices[0].active.targets[0].status;
    status->total_sectors *= 100;
    look();
    look(); /* from here on it is checked */
    assert_true(waking_is_counting(member));
    machine->now_usec += HEARTBEAT;
    look();
    assert_true(waking_is_counting(member));
    status->used_sectors += status->total_sectors / 10;
    machine->now_usec += HEARTBEAT;
    look();
    look(); /* its period has changed meanwhile: it was armed anew */
    assert_false(waking_is_counting(member));
    assert_int_equal(means.n_told, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WAKING_TEST(test_armed_and_looked_at_once_more),
        WAKING_TEST(test_watched_is_paced),
        WAKING_TEST(test_passed_rung_is_not_counted),
        WAKING_TEST(test_invalid_is_not_counted),
        WAKING_TEST(test_no_means),
        WAKING_TEST(test_deaf_counter_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
