/* plan_merge: whether a merge may begin. */
#include "cowherd/plan.h"
#include "model_run.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- before a merge */

static void test_merge_cannot_end(void **state)
{
    static const enum snapshot_state states[] = {SNAPSHOT_INVALID, SNAPSHOT_MERGE_FAILED};

    (void)state;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        for (size_t j = 0; is_merge(j); j++) {
            struct machine machine;
            struct intent intent;
            struct plan plan;
            begin_and_kill(&machine, &intent, &scenarios[j], j < ROLLBACK ? 2 : 6);
            machine.stores[C].exceptions = 0;
            machine.stores[C].state = states[i];
            expect_untouched(&machine, &intent, PLAN_REFUSE);
            make_plan(&machine, &intent, &plan);
            assert_true(plan.begun);
            machine.stores[C].state = SNAPSHOT_UNKNOWN;
            expect_untouched(&machine, &intent, PLAN_WAIT);
        }
}

static void test_one_merge_at_a_time(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    for (size_t i = LIVE_MERGE_SIBLING; i <= ROLLBACK_SIBLING; i++) {
        if (i == ROLLBACK || i == LIVE_MERGE_FORCED)
            continue;
        scenarios[i].prepare(&machine, &intent);
        intent.role_forced = true; /* else the merging one makes it no live snapshot */
        machine.devices[T].active.targets[0].kind = TARGET_SNAPSHOT_MERGE;
        expect_untouched(&machine, &intent, PLAN_DEFER);
        machine.devices[T].active.targets[0].origin = ELSEWHERE;
        struct plan plan;
        make_plan(&machine, &intent, &plan);
        assert_int_equal(plan.verdict, PLAN_ACT);
    }
}

static void test_transient_store(void **state)
{
    (void)state;
    for (size_t i = 0; is_merge(i); i++) {
        struct machine machine;
        struct intent intent;
        scenarios[i].prepare(&machine, &intent);
        machine.devices[S].active.targets[0].store_type = STORE_TRANSIENT;
        intent.store_type = STORE_TRANSIENT;
        expect_abandoned(&machine, &intent);
    }
}

/* The system runs on the origin by now: a merge would change its data beneath it. */
static void test_live_no_more(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    for (int open = 0; open < 2; open++) {
        prepare_live_merge(&machine, &intent);
        add_device(&machine, X, TARGET_SNAPSHOT_ORIGIN, 0);
        machine.devices[X].open_count = (unsigned)open;
        expect_abandoned(&machine, &intent);
        begin_and_kill(&machine, &intent, &scenarios[LIVE_MERGE], 1);
        add_device(&machine, X, TARGET_SNAPSHOT_ORIGIN, 0);
        machine.devices[X].open_count = (unsigned)open;
        struct run run = run_of(&machine, &intent);
        pursue(&run);
        assert_true(run.ended);
        assert_int_equal(run.plan.verdict, PLAN_ABANDON);
        assert_int_equal(machine.devices[S].inactive.n_targets, 0);
        assert_int_equal(machine.devices[S].active.targets[0].kind, TARGET_SNAPSHOT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge_cannot_end),
        cmocka_unit_test(test_one_merge_at_a_time),
        cmocka_unit_test(test_transient_store),
        cmocka_unit_test(test_live_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
