/* pursuit: what is put on record although nothing can be done yet, so that a restart goes on with it. */
#include "fixture_pursuit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Once it is told that it must wait, and once in all; a drop is decided anew after a reboot. */
static void test_a_deferred_merge_is_recorded(void **state)
{
    (void)state;
    for (enum action_kind kind = ACTION_EXTEND; kind <= ACTION_DROP; kind++)
        for (unsigned recorded = 0; recorded < 2; recorded++) {
            struct pursuit pursuit = pursuit_of(recorded);
            bool is_wanted = kind == ACTION_MERGE && !recorded;
            pursuit.intent.action = kind;
            consider(&pursuit, PLAN_DEFER, 0, "open", NOW);
            assert_false(pursuit_must_be_recorded(&pursuit));
            consider(&pursuit, PLAN_DEFER, 0, "open", NOW + PURSUIT_GRACE_USEC);
            assert_int_equal(pursuit_must_be_recorded(&pursuit), is_wanted);
            assert_int_equal(pursuit.phase, is_wanted ? PURSUIT_ACTING : PURSUIT_DEFERRED);
            assert_int_equal(take(&pursuit, PLAN_DEFER, 0, "open", NOW + PURSUIT_GRACE_USEC), 0);
            assert_false(pursuit_must_be_recorded(&pursuit));
        }
}

static struct pursuit order_of(enum action_kind kind)
{
    struct pursuit pursuit = pursuit_of(false);
    pursuit.intent.action = kind;
    strcpy(pursuit.intent.rung, INTENT_ORDER "root");
    return pursuit;
}

/* No rung decides it anew after a restart. */
static void test_an_order_that_waits_is_recorded(void **state)
{
    (void)state;
    for (enum action_kind kind = ACTION_EXTEND; kind <= ACTION_DROP; kind++) {
        struct pursuit pursuit = order_of(kind);
        consider(&pursuit, PLAN_DEFER, 0, "open", NOW);
        assert_true(pursuit_must_be_recorded(&pursuit));
        assert_int_equal(pursuit.phase, PURSUIT_ACTING);
        assert_int_equal(take(&pursuit, PLAN_DEFER, 0, "open", NOW), 0);
        assert_int_equal(pursuit.phase, PURSUIT_DEFERRED);
        assert_false(pursuit_must_be_recorded(&pursuit));
        assert_int_equal(consider(&pursuit, PLAN_DEFER, 0, "open", NOW + PURSUIT_GRACE_USEC),
                         TELL_DEFERRED | TELL_STALLED);
    }
}

/* What its child finds is news only where it is another reason. */
static void test_a_refused_order_is_recorded_and_told_once(void **state)
{
    (void)state;
    for (int other = 0; other < 2; other++) {
        struct pursuit pursuit = order_of(ACTION_DROP);
        assert_int_equal(consider(&pursuit, PLAN_REFUSE, 0, "no", NOW), TELL_FAILED | TELL_STALLED);
        uint64_t next_usec = pursuit.next_usec;
        assert_true(pursuit_must_be_recorded(&pursuit));
        assert_int_equal(take(&pursuit, PLAN_REFUSE, 0, other ? "never" : "no", NOW + 1),
                         other ? TELL_FAILED : 0);
        assert_int_equal(pursuit.phase, PURSUIT_RETRYING);
        assert_int_equal(pursuit.failures, other ? 2 : 1);
        assert_true(other || pursuit.next_usec == next_usec);
        assert_false(pursuit_must_be_recorded(&pursuit));
        assert_int_equal(consider(&pursuit, PLAN_ACT, 3, "", NOW + 10 * SECOND), TELL_START | STARTED);
    }
}

/* Found again after a reboot: its record still names that boot's devices. */
static void test_a_merge_that_outlived_a_reboot_is_recorded_anew(void **state)
{
    (void)state;
    for (unsigned outdated = 0; outdated < 2; outdated++) {
        struct pursuit pursuit = pursuit_of(true);
        pursuit.outdated = outdated;
        consider(&pursuit, PLAN_WAIT, 0, "", NOW);
        assert_int_equal(pursuit_must_be_recorded(&pursuit), outdated);
        take(&pursuit, PLAN_WAIT, 0, "", NOW);
        assert_false(pursuit_must_be_recorded(&pursuit));
    }
    struct pursuit foreign = pursuit_of(
        false); /* somebody else's that is only watched until it can be ended */
    consider(&foreign, PLAN_WAIT, 0, "", NOW);
    assert_false(pursuit_must_be_recorded(&foreign));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_deferred_merge_is_recorded),
        cmocka_unit_test(test_an_order_that_waits_is_recorded),
        cmocka_unit_test(test_a_refused_order_is_recorded_and_told_once),
        cmocka_unit_test(test_a_merge_that_outlived_a_reboot_is_recorded_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
