/* pursuit: when the child starts, when it is tried again, and what is told how often. */
#include "fixture_pursuit.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_phase_names(void **state)
{
    static const char *const names[] = {
        [PURSUIT_WANTED] = "wanted",     [PURSUIT_ACTING] = "acting",     [PURSUIT_MERGING] = "merging",
        [PURSUIT_DEFERRED] = "deferred", [PURSUIT_RETRYING] = "retrying", [PURSUIT_ENDED] = "ended",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_string_equal(pursuit_phase_name((enum pursuit_phase)i), names[i]);
}

static void test_begin(void **state)
{
    (void)state;
    for (int recorded = 0; recorded < 2; recorded++) {
        struct pursuit pursuit = pursuit_of(recorded);
        assert_int_equal(pursuit.phase, PURSUIT_WANTED);
        assert_int_equal(pursuit.recorded, recorded);
        assert_string_equal(pursuit.intent.name, "snapshot");
        assert_int_equal(pursuit.intent.action, ACTION_MERGE);
        assert_false(pursuit.begun || pursuit.started || pursuit.stalled || pursuit.deferred_told);
        assert_int_equal(pursuit.failures, 0);
        assert_int_equal(pursuit.deferred_usec, 0);
        assert_int_equal(pursuit.next_usec, NOW);
        assert_string_equal(pursuit.reason, "");
    }
}

static void test_from_start_to_done(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    assert_int_equal(consider(&pursuit, PLAN_ACT, 6, "", NOW), STARTED | TELL_START);
    assert_int_equal(pursuit.phase, PURSUIT_ACTING);
    assert_int_equal(pursuit.start_usec, NOW);
    assert_true(pursuit.recorded);
    assert_int_equal(take(&pursuit, PLAN_WAIT, 0, "the kernel is merging", NOW + SECOND), 0);
    assert_int_equal(pursuit.phase, PURSUIT_MERGING);
    assert_int_equal(pursuit.next_usec, NOW + SECOND + PURSUIT_MERGING_USEC);
    assert_string_equal(pursuit.reason, "");
    assert_int_equal(consider(&pursuit, PLAN_WAIT, 0, "the kernel is merging", NOW + 2 * SECOND), 0);
    assert_int_equal(pursuit.phase, PURSUIT_MERGING);
    assert_int_equal(pursuit.next_usec, NOW + 2 * SECOND + PURSUIT_MERGING_USEC);
    /* Only a child can see the end of some merges: not at every look. */
    assert_int_equal(consider(&pursuit, PLAN_ACT, 4, "", pursuit.next_usec - 1), 0);
    assert_int_equal(consider(&pursuit, PLAN_ACT, 4, "", NOW + 3 * SECOND), STARTED); /* told once */
    assert_int_equal(pursuit.start_usec, NOW);
    assert_int_equal(take_end(&pursuit, PLAN_ACT, ""), TELL_DONE);
    assert_int_equal(pursuit.phase, PURSUIT_ENDED);
    assert_true(pursuit.done);
    assert_string_equal(pursuit.reason, "");
}

/* The intent was found in the state directory, or the merge is another's: nothing is started any more. */
static void test_found_merging(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(true);
    assert_int_equal(consider(&pursuit, PLAN_WAIT, 0, "the kernel is merging", NOW), 0);
    assert_int_equal(pursuit.phase, PURSUIT_MERGING);
    assert_false(pursuit.started);
}

static void test_abandoned_before_anything(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    assert_int_equal(consider(&pursuit, PLAN_ABANDON, 1, "it is gone", NOW), TELL_FAILED);
    assert_int_equal(pursuit.phase, PURSUIT_ENDED);
    assert_string_equal(pursuit.reason, "it is gone");
    assert_false(pursuit.stalled);
    assert_false(pursuit.started);
}

/* The recorded intent must be forgotten, and what was begun taken back: by the child, without a start. */
static void test_abandoned_when_recorded(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(true);
    assert_int_equal(consider(&pursuit, PLAN_ABANDON, 1, "it is gone", NOW), STARTED);
    assert_int_equal(pursuit.phase, PURSUIT_ACTING);
    assert_false(pursuit.started);
    assert_int_equal(take_end(&pursuit, PLAN_ABANDON, "it is gone"), TELL_FAILED);
    assert_int_equal(pursuit.phase, PURSUIT_ENDED);
    assert_string_equal(pursuit.reason, "it is gone");
    pursuit = pursuit_of(false);
    assert_int_equal(consider(&pursuit, PLAN_ABANDON, 3, "it is gone", NOW), STARTED);
    assert_int_equal(pursuit.phase, PURSUIT_ACTING);
    pursuit = pursuit_of(false); /* recorded by its own child */
    consider(&pursuit, PLAN_ACT, 3, "", NOW);
    take(&pursuit, PLAN_DEFER, 0, "open", NOW);
    assert_int_equal(consider(&pursuit, PLAN_ABANDON, 1, "it is gone", NOW), STARTED);
}

static void test_ended_results(void **state)
{
    static const enum plan_verdict others[] = {PLAN_WAIT, PLAN_DEFER, PLAN_REFUSE, PLAN_ABANDON};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct pursuit pursuit = pursuit_of(false);
        consider(&pursuit, PLAN_ACT, 3, "", NOW);
        assert_int_equal(take_end(&pursuit, others[i], "why"), TELL_FAILED);
        assert_int_equal(pursuit.phase, PURSUIT_ENDED);
        assert_false(pursuit.done);
        assert_string_equal(pursuit.reason, "why");
    }
}

static void test_back_off(void **state)
{
    static const unsigned seconds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300};

    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    uint64_t now_usec = NOW;
    unsigned expected = STARTED | TELL_START;
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        assert_int_equal(consider(&pursuit, PLAN_ACT, 3, "", now_usec), expected);
        now_usec += 5 * SECOND; /* it counts from the child's end */
        assert_int_equal(take(&pursuit, PLAN_ACT, -EIO, "resume: Input/output error", now_usec),
                         i == 0 ? TELL_FAILED | TELL_STALLED : TELL_FAILED);
        assert_int_equal(pursuit.phase, PURSUIT_RETRYING);
        assert_string_equal(pursuit.reason, "resume: Input/output error");
        assert_int_equal(pursuit.next_usec, now_usec + seconds[i] * SECOND);
        assert_int_equal(consider(&pursuit, PLAN_ACT, 3, "", pursuit.next_usec - 1), 0);
        assert_int_equal(pursuit.phase, PURSUIT_RETRYING);
        now_usec = pursuit.next_usec;
        expected = STARTED;
    }
    assert_int_equal(pursuit.start_usec, NOW);
}

static void test_many_failures_overflow_nothing(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    for (int i = 0; i < 1000; i++)
        take(&pursuit, PLAN_ACT, -EIO, "x", NOW);
    assert_int_equal(pursuit.failures, 1000);
    assert_int_equal(pursuit.next_usec, NOW + PURSUIT_RETRY_MAX_USEC);
    pursuit.failures = UINT32_MAX - 1;
    take(&pursuit, PLAN_ACT, -EIO, "x", NOW);
    assert_int_equal(pursuit.next_usec, NOW + PURSUIT_RETRY_MAX_USEC);
}

static void test_refused(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    assert_int_equal(consider(&pursuit, PLAN_REFUSE, 0, "sibling", NOW), TELL_FAILED | TELL_STALLED);
    assert_int_equal(pursuit.phase, PURSUIT_RETRYING);
    assert_string_equal(pursuit.reason, "sibling");
    assert_true(pursuit.refused);
    assert_int_equal(pursuit.next_usec, NOW + SECOND);
    assert_int_equal(consider(&pursuit, PLAN_REFUSE, 0, "sibling", NOW + SECOND - 1), 0); /* not yet */
    assert_int_equal(pursuit.failures, 1);
    assert_int_equal(pursuit.next_usec, NOW + SECOND);
    assert_int_equal(consider(&pursuit, PLAN_REFUSE, 0, "sibling", NOW + SECOND), TELL_FAILED);
    assert_int_equal(pursuit.next_usec, NOW + 3 * SECOND);
    assert_false(pursuit.recorded);
    assert_false(pursuit.started);
}

static void test_refused_is_not_failed(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    struct action_result result = {.verdict = PLAN_REFUSE, .error = -EIO};
    pursuit_take_result(&pursuit, &result, NOW);
    assert_int_equal(pursuit.phase, PURSUIT_RETRYING);
    assert_false(pursuit.refused);
    result.error = 0; /* by the plan that the child has made */
    pursuit_take_result(&pursuit, &result, NOW);
    assert_true(pursuit.refused);
    result.error = -EIO;
    pursuit_take_result(&pursuit, &result, NOW);
    assert_false(pursuit.refused);
}

static bool stands_back(enum action_kind action, enum action_kind acting, dev_t origin)
{
    struct pursuit pursuit = {.intent = {.action = action, .origin = 7}};
    struct pursuit other = {.intent = {.action = acting, .origin = origin}};
    return pursuit_stands_back(&pursuit, &other);
}

static void test_one_merge_begins_at_a_time(void **state)
{
    (void)state;
    assert_true(stands_back(ACTION_MERGE, ACTION_MERGE, 7));
    assert_true(stands_back(ACTION_MERGE, ACTION_DROP, 7));
    assert_false(stands_back(ACTION_MERGE, ACTION_EXTEND, 7));
    assert_false(stands_back(ACTION_MERGE, ACTION_MERGE, 8));
    assert_false(stands_back(ACTION_DROP, ACTION_MERGE, 7));
    assert_false(stands_back(ACTION_EXTEND, ACTION_MERGE, 7));
}

static void test_one_child_at_a_place(void **state)
{
    (void)state;
    struct pursuit pursuit = {.intent = {.action = ACTION_DROP, .origin = 7, .store = 8}};
    struct pursuit replaced = {.intent = {.action = ACTION_EXTEND, .origin = 7, .store = 8}};
    assert_true(pursuit_stands_back(&pursuit, &replaced));
    replaced.intent.store = 9; /* its sibling */
    assert_false(pursuit_stands_back(&pursuit, &replaced));
    pursuit.intent.store = replaced.intent.store = 0; /* not known */
    assert_false(pursuit_stands_back(&pursuit, &replaced));
}

/* A beginning is taken back at once, but not again and again while that fails. */
static void test_refused_with_steps(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    assert_int_equal(consider(&pursuit, PLAN_REFUSE, 2, "sibling", NOW), STARTED);
    assert_false(pursuit.started); /* taking back is no start */
    assert_true(pursuit.recorded);
    assert_int_equal(take(&pursuit, PLAN_REFUSE, 0, "sibling", NOW), TELL_FAILED | TELL_STALLED);
    assert_int_equal(pursuit.phase, PURSUIT_RETRYING);
    assert_int_equal(consider(&pursuit, PLAN_REFUSE, 2, "sibling", NOW + SECOND - 1), 0);
    assert_int_equal(consider(&pursuit, PLAN_REFUSE, 2, "sibling", NOW + SECOND), STARTED);
    assert_int_equal(take(&pursuit, PLAN_DEFER, -EIO, "clear: Input/output error", NOW), TELL_FAILED);
    assert_int_equal(pursuit.next_usec, NOW + 2 * SECOND);
}

static void test_result_without_an_end(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    consider(&pursuit, PLAN_ACT, 6, "", NOW);
    assert_int_equal(take(&pursuit, PLAN_WAIT, -EIO, "x", NOW), TELL_FAILED | TELL_STALLED); /* error first */
    assert_int_equal(pursuit.phase, PURSUIT_RETRYING);
    assert_int_equal(take(&pursuit, PLAN_ACT, 0, "", NOW), TELL_FAILED);
    assert_int_equal(pursuit.phase, PURSUIT_RETRYING);
}

static void test_overtaking(void **state)
{
    static const enum plan_verdict back[] = {PLAN_DEFER, PLAN_REFUSE};

    (void)state;
    struct pursuit pursuit = pursuit_of(true);
    assert_true(pursuit_may_be_overtaken(&pursuit));
    consider(&pursuit, PLAN_ACT, 6, "", NOW);
    assert_false(pursuit_may_be_overtaken(&pursuit)); /* a child is at it */
    for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++) {
        take(&pursuit, back[i], 0, "x", NOW);
        assert_true(pursuit_may_be_overtaken(&pursuit));
    }
    take(&pursuit, PLAN_ACT, -EIO, "x", NOW);
    assert_true(pursuit_may_be_overtaken(&pursuit));
}

static void test_no_overtaking_past_the_point(void **state)
{
    static const enum plan_verdict verdicts[] = {PLAN_WAIT, PLAN_DEFER, PLAN_REFUSE};

    (void)state;
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        struct pursuit pursuit = pursuit_of(true);
        struct plan plan = plan_of(verdicts[i], 0, "x");
        unsigned tell;
        plan.begun = true;
        pursuit_consider(&pursuit, &plan, NOW, &tell);
        assert_false(pursuit_may_be_overtaken(&pursuit));
        struct action_result result = result_of(verdicts[i], i == 2 ? -EIO : 0, "x");
        pursuit = pursuit_of(true);
        result.begun = true;
        pursuit_take_result(&pursuit, &result, NOW);
        assert_true(pursuit.begun);
        assert_false(pursuit_may_be_overtaken(&pursuit));
        result.begun = false; /* and from a later look on that says otherwise */
        pursuit_take_result(&pursuit, &result, NOW);
        assert_true(pursuit_may_be_overtaken(&pursuit));
    }
}

/* Half of it may be done since an earlier boot, whatever this one's tables show. */
static void test_no_overtaking_what_a_reboot_interrupted(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(true);
    pursuit.intent.interrupted = true;
    assert_false(pursuit_may_be_overtaken(&pursuit));
    take(&pursuit, PLAN_REFUSE, -EIO, "x", NOW);
    assert_false(pursuit_may_be_overtaken(&pursuit));
}

static struct pursuit extension_that_failed(const char *reason)
{
    struct pursuit pursuit = pursuit_of(false);
    pursuit.intent.action = ACTION_EXTEND;
    assert_int_equal(consider(&pursuit, PLAN_ACT, 3, "", NOW), TELL_START | STARTED);
    assert_int_equal(take(&pursuit, PLAN_ACT, -28, reason, NOW), TELL_FAILED | TELL_STALLED);
    return pursuit;
}

/* Tried every ten seconds, told ever less often; another reason is told at once. */
static void test_an_extension_is_tried_often_and_told_seldom(void **state)
{
    struct pursuit pursuit = extension_that_failed("no space");
    uint64_t now = NOW, longest = 0;
    unsigned told = 0, tries = 0;
    (void)state;
    while (now < NOW + 3600 * SECOND) {
        if (pursuit.next_usec - now > longest)
            longest = pursuit.next_usec - now;
        assert_int_equal(consider(&pursuit, PLAN_ACT, 3, "", pursuit.next_usec - 1), 0);
        now = pursuit.next_usec;
        assert_int_equal(consider(&pursuit, PLAN_ACT, 3, "", now), STARTED);
        told += take(&pursuit, PLAN_ACT, -28, "no space", now) == TELL_FAILED;
        tries++;
    }
    assert_int_equal(longest, PURSUIT_EXTEND_RETRY_MAX_USEC);
    assert_in_range(tries, 360, 370);
    assert_in_range(told, 18, 22); /* 1, 2, 4 … 256 s, then every 300 */
    now = pursuit.next_usec;
    consider(&pursuit, PLAN_ACT, 3, "", now);
    assert_int_equal(take(&pursuit, PLAN_ACT, -28, "less space", now), TELL_FAILED);
}

static void test_an_extension_is_tried_while_there_is_time(void **state)
{
    struct pursuit pursuit = extension_that_failed("no space");
    (void)state;
    pursuit.next_usec = NOW + 10 * SECOND;
    pursuit_hurry(&pursuit, UINT64_MAX, NOW);
    pursuit_hurry(&pursuit, 40 * SECOND, NOW);
    assert_true(pursuit.next_usec == NOW + 10 * SECOND);
    pursuit_hurry(&pursuit, 20 * SECOND, NOW);
    assert_true(pursuit.next_usec == NOW + 5 * SECOND);
    pursuit_hurry(&pursuit, 30 * SECOND, NOW + SECOND); /* never later again */
    assert_true(pursuit.next_usec == NOW + 5 * SECOND);
    pursuit_hurry(&pursuit, 0, NOW);
    assert_true(pursuit.next_usec == NOW + PURSUIT_EXTEND_RETRY_MIN_USEC);
    pursuit.intent.action = ACTION_MERGE; /* what it waits for does not come sooner */
    pursuit.next_usec = NOW + 10 * SECOND;
    pursuit_hurry(&pursuit, 0, NOW);
    assert_true(pursuit.next_usec == NOW + 10 * SECOND);
    pursuit.intent.action = ACTION_EXTEND;
    pursuit.phase = PURSUIT_DEFERRED;
    pursuit_hurry(&pursuit, 0, NOW);
    assert_true(pursuit.next_usec == NOW + 10 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phase_names),
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_from_start_to_done),
        cmocka_unit_test(test_found_merging),
        cmocka_unit_test(test_abandoned_before_anything),
        cmocka_unit_test(test_abandoned_when_recorded),
        cmocka_unit_test(test_ended_results),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_many_failures_overflow_nothing),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_is_not_failed),
        cmocka_unit_test(test_one_merge_begins_at_a_time),
        cmocka_unit_test(test_one_child_at_a_place),
        cmocka_unit_test(test_refused_with_steps),
        cmocka_unit_test(test_result_without_an_end),
        cmocka_unit_test(test_overtaking),
        cmocka_unit_test(test_no_overtaking_past_the_point),
        cmocka_unit_test(test_no_overtaking_what_a_reboot_interrupted),
        cmocka_unit_test(test_an_extension_is_tried_often_and_told_seldom),
        cmocka_unit_test(test_an_extension_is_tried_while_there_is_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
