/* pursuit: what has to wait, for how long nobody hears of it, and what is told then. */
#include "fixture_pursuit.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_deferral_has_a_grace(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "open", NOW), 0);
    assert_int_equal(pursuit.phase, PURSUIT_DEFERRED);
    assert_string_equal(pursuit.reason, "open");
    assert_int_equal(pursuit.next_usec, NOW + PURSUIT_GRACE_USEC / 3);
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "open", NOW + PURSUIT_GRACE_USEC - 1), 0);
    assert_false(pursuit.stalled);
    uint64_t lasts = NOW + PURSUIT_GRACE_USEC;
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "open", lasts), TELL_DEFERRED | TELL_STALLED);
    assert_int_equal(pursuit.next_usec, lasts + PURSUIT_DEFERRED_USEC);
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "open", lasts + SECOND), 0); /* once */
    assert_int_equal(pursuit.next_usec, lasts + SECOND + PURSUIT_DEFERRED_USEC);
    assert_false(pursuit.recorded);
    assert_int_equal(pursuit.failures, 0);
}

static void test_another_deferral_is_told(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    consider(&pursuit, PLAN_DEFER, 0, "open", NOW);
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "open", NOW + SECOND), TELL_DEFERRED | TELL_STALLED);
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "suspended", NOW + 2 * SECOND), 0);
    assert_string_equal(pursuit.reason, "suspended");
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "suspended", NOW + 3 * SECOND), TELL_DEFERRED);
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "open", NOW + 4 * SECOND), 0);
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "open", NOW + 5 * SECOND), TELL_DEFERRED);
}

/* The child finds it open in the last moment, again and again: that is one deferral, not many. */
static void test_deferred_by_the_child(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    assert_int_equal(consider(&pursuit, PLAN_ACT, 6, "", NOW), STARTED | TELL_START);
    assert_int_equal(take(&pursuit, PLAN_DEFER, 0, "open", NOW), 0);
    assert_int_equal(pursuit.phase, PURSUIT_DEFERRED);
    assert_int_equal(consider(&pursuit, PLAN_ACT, 6, "", NOW + 1), STARTED); /* it needs no wait */
    assert_int_equal(take(&pursuit, PLAN_DEFER, 0, "open", NOW + PURSUIT_GRACE_USEC),
                     TELL_DEFERRED | TELL_STALLED);
    assert_int_equal(consider(&pursuit, PLAN_ACT, 6, "", NOW + SECOND), STARTED);
    assert_int_equal(take(&pursuit, PLAN_DEFER, 0, "open", NOW + 2 * SECOND), 0);
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 2, "open", NOW + 3 * SECOND), STARTED); /* taken back */
    assert_int_equal(take(&pursuit, PLAN_DEFER, 0, "open", NOW + 3 * SECOND), 0);
}

/* Failed, then deferred: on stalled has fired, until it has once gone well. */
static void test_stalled_once(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    consider(&pursuit, PLAN_ACT, 6, "", NOW);
    assert_int_equal(take(&pursuit, PLAN_ACT, -EIO, "x", NOW), TELL_FAILED | TELL_STALLED);
    consider(&pursuit, PLAN_DEFER, 0, "open", NOW);
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "open", NOW + SECOND), TELL_DEFERRED);
    assert_int_equal(consider(&pursuit, PLAN_ACT, 6, "", NOW + 2 * SECOND), STARTED);
    assert_int_equal(take(&pursuit, PLAN_WAIT, 0, "", NOW + 2 * SECOND), 0);
    assert_int_equal(pursuit.failures, 0);
    assert_false(pursuit.stalled);
    assert_int_equal(consider(&pursuit, PLAN_REFUSE, 0, "x", NOW + 3 * SECOND), TELL_FAILED | TELL_STALLED);
    assert_int_equal(pursuit.next_usec, NOW + 4 * SECOND); /* the first of its row */
}

/* While it merges it goes well: what it was deferred for before is new when it comes again. */
static void test_merging_ends_a_deferral(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    consider(&pursuit, PLAN_DEFER, 0, "open", NOW);
    consider(&pursuit, PLAN_DEFER, 0, "open", NOW + SECOND);
    consider(&pursuit, PLAN_WAIT, 0, "merging", NOW + 2 * SECOND);
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "open", NOW + 3 * SECOND), 0);
    assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "open", NOW + 4 * SECOND),
                     TELL_DEFERRED | TELL_STALLED);
}

/* A hold that ends is no failure: nothing is waited for. */
static void test_what_was_held_begins_at_once(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    consider(&pursuit, PLAN_REFUSE, 0, "no", NOW);
    consider(&pursuit, PLAN_DEFER, 0, "held", NOW);
    assert_int_equal(consider(&pursuit, PLAN_ACT, 3, "", NOW + 1), TELL_START | STARTED);
}

static void test_longest_reason(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_of(false);
    struct plan plan = {.verdict = PLAN_DEFER};
    unsigned tell;
    memset(plan.reason, 'x', sizeof(plan.reason) - 1);
    pursuit_consider(&pursuit, &plan, NOW, &tell);
    assert_string_equal(pursuit.reason, plan.reason);
    assert_false(pursuit_consider(&pursuit, &plan, NOW + SECOND, &tell));
    assert_int_equal(tell, TELL_DEFERRED | TELL_STALLED); /* the same to its last byte */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deferral_has_a_grace),    cmocka_unit_test(test_another_deferral_is_told),
        cmocka_unit_test(test_deferred_by_the_child),   cmocka_unit_test(test_stalled_once),
        cmocka_unit_test(test_merging_ends_a_deferral), cmocka_unit_test(test_what_was_held_begins_at_once),
        cmocka_unit_test(test_longest_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
