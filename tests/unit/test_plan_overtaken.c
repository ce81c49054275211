/* plans of a drop that takes the place of a merge, wherever that was killed; and of one that comes too late for it. */
#include "cowherd/plan.h"
#include "model_run.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void overtake(int n, int m, bool origin_open, bool snapshot_open)
{
    struct machine machine;
    struct intent rollback, drop;
    begin_and_kill(&machine, &rollback, &scenarios[ROLLBACK], n);
    if (origin_open)
        open_device(&machine, D);
    if (snapshot_open)
        open_device(&machine, S);
    struct run run = run_of(&machine, &rollback); /* perhaps on its way back already */
    run.killed_after = m;
    if (origin_open || snapshot_open)
        pursue_to_end(&run);
    drop = rollback;
    drop.action = ACTION_DROP;
    drop.drop_open = snapshot_open;
    struct scenario scenario = scenarios[snapshot_open ? DROP_OPEN : DROP];
    if (origin_open)
        scenario.end = snapshot_open ? "S: error, open, deferred\nD: snapshot-origin, open\nC: zeroed\n"
                                     : "D: snapshot-origin, open\nC: zeroed\n";
    for (int k = 0; k < 6; k++) {
        struct machine copy = machine;
        struct run first = run_of(&copy, &drop);
        first.killed_after = k;
        pursue_to_end(&first);
        if (!first.ended)
            finish_afresh(&copy, &drop, &scenario);
        assert_state(&copy, scenario.end, "overtaken");
    }
}

static void test_drop_overtakes_rollback(void **state)
{
    (void)state;
    for (int n = 0; n < 3; n++)
        for (int m = 0; m < 4; m++) {
            overtake(n, m, false, false);
            overtake(n, m, true, false);
            overtake(n, m, false, true);
            overtake(n, m, true, true);
        }
}

/* A live merge that was killed between its load and its resume. */
static void test_drop_overtakes_live_merge(void **state)
{
    (void)state;
    for (int n = 0; n < 2; n++)
        for (int k = -1; k < 6; k++) {
            struct machine machine;
            struct intent drop;
            begin_and_kill(&machine, &drop, &scenarios[LIVE_MERGE], n);
            drop.action = ACTION_DROP;
            struct run first = run_of(&machine, &drop);
            first.killed_after = k;
            pursue_to_end(&first);
            if (!first.ended)
                finish_afresh(&machine, &drop, &scenarios[LIVE_DROP]);
            assert_state(&machine, scenarios[LIVE_DROP].end, "overtaken");
        }
}

/* The drop that overtook it is not carried out, but what was begun is taken back all the same. */
static void test_hindered_drop_takes_rollback_back(void **state)
{
    (void)state;
    for (int n = 0; n < 3; n++)
        for (int k = 0; k < 4; k++) {
            struct machine machine;
            struct intent intent;
            begin_and_kill(&machine, &intent, &scenarios[ROLLBACK], n);
            intent.action = ACTION_DROP;
            open_device(&machine, S);
            struct run first = run_of(&machine, &intent), run = first;
            first.killed_after = k;
            pursue_to_end(&first);
            pursue_to_end(&run);
            assert_int_equal(run.plan.verdict, PLAN_DEFER);
            assert_state(&machine, "S: snapshot, open\nD: snapshot-origin\nC: 4000\n", "hindered");
            intent.cancelled = true;
            struct run cancelled = run_of(&machine, &intent);
            pursue_to_end(&cancelled);
            assert_true(cancelled.ended);
            assert_int_equal(cancelled.plan.verdict, PLAN_ABANDON);
        }
}

/* What merges is not dropped: its store holds the origin's data. */
static void test_no_drop_of_what_merges(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++)
        for (int n = 3; n <= 7; n++) {
            struct machine machine;
            struct intent intent;
            char before[TEXT_MAX];
            begin_and_kill(&machine, &intent, &scenarios[ROLLBACK], n);
            intent.action = ACTION_DROP;
            intent.lost = lost;
            describe(&machine, before);
            struct run run = run_of(&machine, &intent);
            pursue(&run);
            assert_int_equal(run.plan.verdict, PLAN_ABANDON);
            assert_state(&machine, before, "merging");
            begin_and_kill(&machine, &intent, &scenarios[LIVE_MERGE], 2);
            intent.action = ACTION_DROP;
            intent.lost = lost;
            struct run live = run_of(&machine, &intent);
            pursue(&live);
            assert_int_equal(live.plan.verdict, PLAN_ABANDON);
            assert_state(&machine, "S: snapshot-merge\nC: 4000\n", "merging");
        }
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drop_overtakes_rollback),
        cmocka_unit_test(test_drop_overtakes_live_merge),
        cmocka_unit_test(test_hindered_drop_takes_rollback_back),
        cmocka_unit_test(test_no_drop_of_what_merges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
