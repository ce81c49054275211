#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cowherd/tally.h"

#define HOUR UINT64_C(3600000000)

static void rung(struct tally *tally, const char *name, const char *uuid, const char *text, uint64_t now_usec)
{
    struct event event = {.kind = EVENT_RUNG, .snapshot = name, .uuid = uuid, .rung = text};
    tally_take(tally, &event, now_usec);
}

static void tell(struct tally *tally, enum event_kind kind, const char *name, uint64_t now_usec)
{
    struct event event = {.kind = kind, .snapshot = name, .uuid = "", .rung = "on lost = alert"};
    tally_take(tally, &event, now_usec);
}

static void act(struct tally *tally, enum event_kind kind, const char *action, uint64_t took_usec)
{
    struct event event = {.kind = kind, .action = action, .took_usec = took_usec};
    tally_take(tally, &event, 1);
}

static void test_rungs_are_counted_by_snapshot_and_text(void **state)
{
    (void)state;
    struct tally tally = {0};
    rung(&tally, "a", "U", "at 50% = alert", 1);
    rung(&tally, "a", "U", "at 50% = alert", 2);
    rung(&tally, "a", "U", "at 60% = drop", 2);
    rung(&tally, "a", "V", "at 50% = alert", 2);
    rung(&tally, "b", NULL, "at 50% = alert", 2);
    assert_int_equal(tally_count(&tally, "a", "U", "at 50% = alert"), 2);
    assert_int_equal(tally_count(&tally, "a", "U", "at 60% = drop"), 1);
    assert_int_equal(tally_count(&tally, "a", "V", "at 50% = alert"), 1);
    assert_int_equal(tally_count(&tally, "b", "", "at 50% = alert"), 1);
    assert_int_equal(tally_count(&tally, "b", "", "at 60% = drop"), 0);
    assert_int_equal(tally_count(&tally, "a", "U", NULL), 0);
    assert_int_equal(tally.n_events, 5);
    tally_done(&tally);
}

static void test_losses_are_no_rungs(void **state)
{
    (void)state;
    struct tally tally = {0};
    tell(&tally, EVENT_LOST, "a", 1);
    assert_int_equal(tally_count(&tally, "a", "", NULL), 1);
    assert_int_equal(tally_count(&tally, "a", "", "on lost = alert"), 0);
    tally_done(&tally);
}

static void test_actions_are_counted_by_kind(void **state)
{
    (void)state;
    struct tally tally = {0};
    act(&tally, EVENT_ACTION_START, "drop", 9);
    act(&tally, EVENT_ACTION_DONE, "drop", 1500000);
    act(&tally, EVENT_ACTION_DONE, "drop", 500000);
    act(&tally, EVENT_ACTION_DONE, "drop", 0); /* begun before this daemon: its time is not known */
    act(&tally, EVENT_ACTION_FAILED, "extend", 7);
    act(&tally, EVENT_ACTION_DONE, "exec page-oncall", 10);
    act(&tally, EVENT_ACTION_DONE, "extender", 10);
    act(&tally, EVENT_ACTION_DONE, "alert", 10);
    act(&tally, EVENT_ACTION_DONE, NULL, 10);
    assert_int_equal(tally.actions[ACTION_DROP].done, 3);
    assert_int_equal(tally.actions[ACTION_DROP].timed, 2);
    assert_int_equal(tally.actions[ACTION_DROP].took_usec, 2000000);
    assert_int_equal(tally.actions[ACTION_DROP].failed, 0);
    assert_int_equal(tally.actions[ACTION_EXTEND].failed, 1);
    assert_int_equal(tally.actions[ACTION_EXTEND].done, 0);
    assert_int_equal(tally.actions[ACTION_EXTEND].took_usec, 0);
    assert_int_equal(tally.actions[ACTION_EXEC].done, 1);
    assert_int_equal(tally.actions[ACTION_MERGE].done, 0);
    assert_int_equal(tally.n_events, 5);
    tally_done(&tally);
}

static void test_what_has_gone_is_kept_for_an_hour(void **state)
{
    (void)state;
    struct tally tally = {0};
    rung(&tally, "a", "", "at 50% = alert", 1);
    rung(&tally, "b", "", "at 50% = alert", 1);
    tell(&tally, EVENT_GONE, "a", 10);
    tell(&tally, EVENT_CONFIG, "", 9 + HOUR);
    assert_int_equal(tally_count(&tally, "a", "", "at 50% = alert"), 1);
    tell(&tally, EVENT_CONFIG, "", 10 + HOUR);
    assert_int_equal(tally_count(&tally, "a", "", "at 50% = alert"), 0);
    assert_int_equal(tally_count(&tally, "b", "", "at 50% = alert"), 1);
    tally_done(&tally);
}

static void test_what_comes_back_goes_on_counting(void **state)
{
    (void)state;
    struct tally tally = {0};
    rung(&tally, "a", "", "at 50% = alert", 1);
    tell(&tally, EVENT_GONE, "a", 10);
    tell(&tally, EVENT_FOUND, "a", 20);
    tell(&tally, EVENT_CONFIG, "", 2 * HOUR);
    rung(&tally, "a", "", "at 50% = alert", 2 * HOUR);
    assert_int_equal(tally_count(&tally, "a", "", "at 50% = alert"), 2);
    tally_done(&tally);
}

static void test_the_one_counted_longest_ago_makes_room(void **state)
{
    (void)state;
    struct tally tally = {0};
    char name[32];
    for (int i = 0; i <= TALLY_RECORDS_MAX; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        rung(&tally, name, "", "r", 1);
        rung(&tally, "s0", "", "r", 1); /* never the one */
    }
    assert_int_equal(tally.n_records, TALLY_RECORDS_MAX);
    assert_int_equal(tally_count(&tally, "s0", "", "r"), TALLY_RECORDS_MAX + 2);
    assert_int_equal(tally_count(&tally, "s1", "", "r"), 0);
    assert_int_equal(tally_count(&tally, "s2", "", "r"), 1);
    assert_int_equal(tally_count(&tally, name, "", "r"), 1);
    tally_done(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rungs_are_counted_by_snapshot_and_text),
        cmocka_unit_test(test_losses_are_no_rungs),
        cmocka_unit_test(test_actions_are_counted_by_kind),
        cmocka_unit_test(test_what_has_gone_is_kept_for_an_hour),
        cmocka_unit_test(test_what_comes_back_goes_on_counting),
        cmocka_unit_test(test_the_one_counted_longest_ago_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
