/* plan: every action against a model of the kernel's dm state - to its end, and stopped after every step. */
#include "cowherd/plan.h"
#include "model_run.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- to the end, and again after every step */

static void test_steps_and_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        struct machine machine;
        struct intent intent;
        scenarios[i].prepare(&machine, &intent);
        finish_afresh(&machine, &intent, &scenarios[i]);
        assert_string_equal(machine.log, scenarios[i].steps);
    }
}

static void test_tables_that_are_loaded(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    struct plan plan;
    prepare_rollback(&machine, &intent);
    intent.store_type = STORE_PERSISTENT_OVERFLOW;
    make_plan(&machine, &intent, &plan);
    struct target *table = &plan.steps[0].table;
    assert_int_equal(table->kind, TARGET_SNAPSHOT_MERGE);
    assert_true(table->origin == ORIGIN && table->store == STORE);
    assert_int_equal(table->start_sectors, 0);
    assert_int_equal(table->length_sectors, LENGTH_SECTORS);
    assert_int_equal(table->chunk_sectors, CHUNK_SECTORS);
    assert_int_equal(table->store_type, STORE_PERSISTENT_OVERFLOW);
    table = &plan.steps[3].table;
    assert_int_equal(table->kind, TARGET_ERROR);
    assert_int_equal(table->start_sectors, 0);
    assert_int_equal(table->length_sectors, LENGTH_SECTORS);
}

static void test_killed_after_every_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int n = 0; n < count_steps(scenarios[i].steps); n++) {
            struct machine machine;
            struct intent intent;
            begin_and_kill(&machine, &intent, &scenarios[i], n);
            finish_afresh(&machine, &intent, &scenarios[i]);
        }
}

static void test_killed_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int n = 0; n < count_steps(scenarios[i].steps); n++)
            for (int m = 0; m < count_steps(scenarios[i].steps) - n; m++) {
                struct machine machine;
                struct intent intent;
                begin_and_kill(&machine, &intent, &scenarios[i], n);
                struct run run = run_of(&machine, &intent);
                run.killed_after = m;
                pursue_to_end(&run);
                finish_afresh(&machine, &intent, &scenarios[i]);
            }
}

static void test_killed_takes_no_detour(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int n = 0; n < count_steps(scenarios[i].steps); n++) {
            struct machine machine;
            struct intent intent;
            begin_and_kill(&machine, &intent, &scenarios[i], n);
            finish_afresh(&machine, &intent, &scenarios[i]);
            /* A swap is done again from its load on: the same table twice is no harm. */
            assert_in_range(count_steps(machine.log), count_steps(scenarios[i].steps),
                            count_steps(scenarios[i].steps) + 1);
        }
}

static void test_every_step_fails_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int n = 0; n < count_steps(scenarios[i].steps); n++) {
            struct machine machine;
            struct intent intent;
            scenarios[i].prepare(&machine, &intent);
            struct run run = run_of(&machine, &intent);
            run.fails_at = n;
            pursue_to_end(&run);
            assert_int_equal(run.error, -EIO);
            assert_false(run.ended);
            finish_afresh(&machine, &intent, &scenarios[i]);
        }
}

static void test_begun(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int n = 0; n < count_steps(scenarios[i].steps); n++) {
            struct machine machine;
            struct intent intent;
            struct plan plan;
            begin_and_kill(&machine, &intent, &scenarios[i], n);
            make_plan(&machine, &intent, &plan);
            assert_int_equal(plan.begun, n >= scenarios[i].no_return);
        }
}

static void test_waits_for_the_merge(void **state)
{
    static const size_t merges[] = {LIVE_MERGE, ROLLBACK, ROLLBACK_SIBLING};

    (void)state;
    for (size_t i = 0; i < sizeof(merges) / sizeof(merges[0]); i++) {
        struct machine machine;
        struct intent intent;
        scenarios[merges[i]].prepare(&machine, &intent);
        struct run run = run_of(&machine, &intent);
        pursue(&run);
        for (int left = EXCEPTIONS; left > 0; left -= 500) {
            struct run again = run_of(&machine, &intent);
            pursue(&again);
            assert_int_equal(again.plan.verdict, PLAN_WAIT);
            assert_int_equal(again.steps, 0);
            assert_true(again.plan.begun);
            merge(&machine, 500);
        }
        finish_afresh(&machine, &intent, &scenarios[merges[i]]);
    }
}

/* Somebody resumed the origin's device before the snapshot was suspended: D has the merge table, suspended.
 */
static void test_refused_handover(void **state)
{
    static const size_t rollbacks[] = {ROLLBACK, ROLLBACK_SIBLING, ROLLBACK_OPEN};

    (void)state;
    for (size_t i = 0; i < sizeof(rollbacks) / sizeof(rollbacks[0]); i++)
        for (int n = 0; n < 8; n++) {
            const struct scenario *scenario = &scenarios[rollbacks[i]];
            struct machine machine;
            struct intent intent;
            begin_and_kill(&machine, &intent, scenario, 1);
            assert_int_equal(model_resume(&machine, &machine.devices[D]), -EINVAL);
            assert_true(machine.devices[D].suspended);
            assert_int_equal(machine.devices[D].active.targets[0].kind, TARGET_SNAPSHOT_MERGE);
            struct run run = run_of(&machine, &intent);
            run.killed_after = n;
            pursue_to_end(&run);
            if (!run.ended)
                finish_afresh(&machine, &intent, scenario);
            assert_state(&machine, scenario->end, scenario->name);
        }
}

/* Its store is lost with it, but D must not stay suspended with a table that never took over. */
static void test_refused_handover_without_snapshot(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    begin_and_kill(&machine, &intent, &scenarios[ROLLBACK], 1);
    assert_int_equal(model_resume(&machine, &machine.devices[D]), -EINVAL);
    destroy_device(&machine, &machine.devices[S]);
    struct run run = run_of(&machine, &intent);
    pursue(&run);
    assert_int_equal(run.plan.verdict, PLAN_REFUSE);
    assert_state(&machine, "D: snapshot-merge invalid\nC: 4000\n", "without snapshot");
}

static void test_usage_to_the_hundredth(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOST_DROP; i++) {
        struct machine machine;
        struct intent intent;
        struct plan plan;
        scenarios[i].prepare(&machine, &intent);
        uint32_t used = intent.used_centipercent;
        intent.used_centipercent = used + 200;
        make_plan(&machine, &intent, &plan);
        assert_int_equal(plan.verdict, PLAN_ACT);
        intent.used_centipercent = used + 201;
        expect_abandoned(&machine, &intent);
        intent.hysteresis_centipercent = 201;
        make_plan(&machine, &intent, &plan);
        assert_int_equal(plan.verdict, PLAN_ACT);
        intent.used_centipercent = 0;
        make_plan(&machine, &intent, &plan);
        assert_int_equal(plan.verdict, PLAN_ACT);
    }
}

/* A store that has grown since may be as full as it was, in percent, and have the bytes free that its rung asks for. */
static void test_a_rung_of_bytes_free_goes_by_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOST_DROP; i++) {
        struct machine machine;
        struct intent intent;
        struct plan plan;
        scenarios[i].prepare(&machine, &intent);
        const struct model_store *store = &machine.stores[C];
        uint64_t chunk_bytes = UINT64_C(512) * CHUNK_SECTORS;
        uint64_t left_bytes = (model_capacity(store) - store->exceptions) * chunk_bytes;
        intent.free_bytes = left_bytes - store->total_sectors * 512 * 200 / 10000;
        make_plan(&machine, &intent, &plan);
        assert_int_equal(plan.verdict, PLAN_ACT);
        intent.free_bytes--;
        expect_abandoned(&machine, &intent);
        intent.hysteresis_centipercent++;
        make_plan(&machine, &intent, &plan);
        assert_int_equal(plan.verdict, PLAN_ACT);
    }
}

/* Room for as many exceptions as the merge may cost is enough, one less is not. */

static void test_step_kinds(void **state)
{
    static const struct {
        const char *name;
        bool changes;
    } kinds[] = {
        [STEP_LOAD] = {"load", true},
        [STEP_CLEAR] = {"clear", true},
        [STEP_SUSPEND] = {"suspend", true},
        [STEP_RESUME] = {"resume", true},
        [STEP_RESUME_CLOSED] = {"resume while closed", true},
        [STEP_REMOVE] = {"remove", true},
        [STEP_REMOVE_DEFERRED] = {"deferred remove", true},
        [STEP_PROVE_MERGED] = {"prove merged", false},
        [STEP_ZERO_MERGED] = {"zero merged store", false},
        [STEP_ZERO] = {"zero store", false},
        [STEP_FORGET] = {"forget", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        assert_string_equal(step_kind_name((enum step_kind)i), kinds[i].name);
        assert_int_equal(step_kind_changes_tables((enum step_kind)i), kinds[i].changes);
    }
}

/* ---- the model itself: what the kernel was seen to do */

static void test_model_of_a_handover(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    struct target table = table_of(TARGET_SNAPSHOT_MERGE, STORE);
    prepare_rollback(&machine, &intent);
    struct model_device *snapshot = &machine.devices[S], *origin_user = &machine.devices[D];
    assert_int_equal(model_load(&machine, origin_user, &table), 0);
    assert_int_equal(model_load(&machine, origin_user, &table), -EINVAL); /* a second one */
    assert_int_equal(origin_user->inactive.targets[0].chunk_sectors, 0);
    snapshot->suspended = true;
    assert_int_equal(model_resume(&machine, snapshot), -EINVAL); /* not while D waits */
    assert_true(snapshot->suspended);
    assert_int_equal(model_resume(&machine, origin_user), 0);
    assert_state(&machine, "S: snapshot invalid, suspended\nD: snapshot-merge\nC: 4000\n", "handover");
    assert_int_equal(origin_user->active.targets[0].chunk_sectors, CHUNK_SECTORS);
    assert_int_equal(snapshot->active.targets[0].chunk_sectors, 0);
    assert_int_equal(model_zero(&machine, STORE, false), -EBUSY);
    prepare_rollback(&machine, &intent);
    assert_int_equal(model_load(&machine, origin_user, &table), 0);
    destroy_device(&machine, snapshot);
    assert_int_equal(model_resume(&machine, origin_user), 0);
    assert_state(&machine, "D: snapshot-merge invalid\nC: 4000\n", "removed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_and_ends),
        cmocka_unit_test(test_tables_that_are_loaded),
        cmocka_unit_test(test_killed_after_every_step),
        cmocka_unit_test(test_killed_twice),
        cmocka_unit_test(test_killed_takes_no_detour),
        cmocka_unit_test(test_every_step_fails_once),
        cmocka_unit_test(test_begun),
        cmocka_unit_test(test_waits_for_the_merge),
        cmocka_unit_test(test_refused_handover),
        cmocka_unit_test(test_refused_handover_without_snapshot),
        cmocka_unit_test(test_usage_to_the_hundredth),
        cmocka_unit_test(test_a_rung_of_bytes_free_goes_by_bytes),
        cmocka_unit_test(test_step_kinds),
        cmocka_unit_test(test_model_of_a_handover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
