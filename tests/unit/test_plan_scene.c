/* plan_scene: what is somebody else's, or not what it was, is left alone. */
#include "cowherd/plan.h"
#include "model_run.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- somebody else's */

static void test_suspended_by_somebody(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        scenarios[i].prepare(&machine, &intent);
        machine.devices[S].suspended = true;
        expect_untouched(&machine, &intent, PLAN_DEFER);
    }
    for (size_t i = ROLLBACK; i <= ROLLBACK_OPEN; i++) {
        scenarios[i].prepare(&machine, &intent);
        machine.devices[D].suspended = true;
        expect_untouched(&machine, &intent, PLAN_DEFER);
    }
}

static void load_foreign(struct model_device *device, struct target target)
{
    device->inactive = (struct model_table){.targets = {target}, .n_targets = 1, .valid = true};
}

/* None of them is a table that an action of ours leaves behind there. */
static size_t foreign_tables(struct target tables[10])
{
    size_t n = 0;
    tables[n++] = table_of(TARGET_LINEAR, 0);
    tables[n] = table_of(TARGET_LINEAR, 0);
    tables[n++].offset_sectors = 8;
    tables[n++] = table_of(TARGET_OTHER, 0);
    tables[n++] = table_of(TARGET_SNAPSHOT_MERGE, SIBLING_STORE);
    tables[n] = table_of(TARGET_SNAPSHOT_MERGE, STORE);
    tables[n++].length_sectors *= 2;
    tables[n] = table_of(TARGET_SNAPSHOT_MERGE, STORE);
    tables[n++].origin = ELSEWHERE;
    tables[n] = table_of(TARGET_SNAPSHOT_ORIGIN, 0);
    tables[n++].length_sectors *= 2;
    tables[n] = table_of(TARGET_SNAPSHOT_ORIGIN, 0);
    tables[n++].origin = ELSEWHERE;
    tables[n] = table_of(TARGET_ERROR, 0);
    tables[n++].length_sectors *= 2;
    tables[n++] = table_of(TARGET_SNAPSHOT, STORE);
    return n;
}

static void test_table_loaded_by_somebody(void **state)
{
    (void)state;
    struct target tables[10];
    size_t n_tables = foreign_tables(tables);
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (size_t j = 0; j < n_tables; j++) {
            struct machine machine;
            struct intent intent;
            scenarios[i].prepare(&machine, &intent);
            load_foreign(&machine.devices[S], tables[j]);
            expect_untouched(&machine, &intent, PLAN_DEFER);
            if (i < ROLLBACK || i > ROLLBACK_OPEN)
                continue;
            scenarios[i].prepare(&machine, &intent);
            load_foreign(&machine.devices[D], tables[j]);
            expect_untouched(&machine, &intent, PLAN_DEFER);
            machine.devices[S].suspended = true; /* then that is his too */
            expect_untouched(&machine, &intent, PLAN_DEFER);
            scenarios[i].prepare(&machine, &intent);
            load_foreign(&machine.devices[D], table_of(TARGET_SNAPSHOT_MERGE, STORE));
            machine.devices[D].inactive.targets[1] = tables[j];
            machine.devices[D].inactive.n_targets = 2;
            expect_untouched(&machine, &intent, PLAN_DEFER);
        }
}

static void test_somebody_at_what_merges(void **state)
{
    (void)state;
    for (size_t i = 0; is_merge(i); i++)
        for (int merged = 0; merged < 2; merged++) {
            struct machine machine, copy;
            struct intent intent;
            size_t device = i < ROLLBACK ? S : D;
            int n = i < ROLLBACK ? 2 : 6;
            begin_and_kill(&machine, &intent, &scenarios[i], n);
            merge(&machine, merged ? EXCEPTIONS : EXCEPTIONS / 2);
            copy = machine;
            machine.devices[device].suspended = true;
            expect_untouched(&machine, &intent, PLAN_DEFER);
            machine = copy;
            struct target table = table_of(TARGET_LINEAR, 0);
            table.offset_sectors = 8;
            load_foreign(&machine.devices[device], table);
            expect_untouched(&machine, &intent, PLAN_DEFER);
            finish_afresh(&copy, &intent, &scenarios[i]);
        }
}

static void test_lookup_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int n = 0; n < count_steps(scenarios[i].steps); n++)
            for (size_t j = 0; j < N_DEVICES; j++) {
                struct machine machine;
                struct intent intent;
                struct plan plan;
                begin_and_kill(&machine, &intent, &scenarios[i], n);
                add_device(&machine, X, TARGET_OTHER, 0);
                if (!machine.devices[j].exists)
                    continue;
                machine.devices[j].error = -EBADMSG;
                expect_untouched(&machine, &intent, PLAN_REFUSE);
                make_plan(&machine, &intent, &plan);
                assert_non_null(strstr(plan.reason, "cannot be read: Bad message"));
                assert_int_equal(strncmp(plan.reason, device_names[j], 1), 0);
                machine.devices[j].error = 0;
                destroy_device(&machine, &machine.devices[X]);
                finish_afresh(&machine, &intent, &scenarios[i]);
            }
}

/* The number is another device's by now, of whatever kind. */
static void expect_no_step_on(struct machine *machine, const struct intent *intent, size_t index)
{
    struct machine before = *machine;
    struct run run = run_of(machine, intent);
    char line[8];
    pursue_to_end(&run);
    assert_int_equal(run.error, 0);
    snprintf(line, sizeof(line), " %s", device_names[index]);
    assert_null(strstr(machine->log, line));
    assert_memory_equal(&machine->devices[index], &before.devices[index], sizeof(before.devices[index]));
}

static void replace_device(struct machine *machine, size_t index, int how)
{
    struct model_device *device = &machine->devices[index];
    if (how == 0)
        strcpy(device->uuid, "another");
    else if (how == 1)
        strcpy(device->uuid, "");
    else
        device->disk_sequence++;
}

static void test_snapshot_is_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int how = 0; how < 3; how++)
            for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
                struct machine machine;
                struct intent intent;
                scenarios[i].prepare(&machine, &intent);
                replace_device(&machine, S, how);
                if (elsewhere)
                    machine.devices[S].active.targets[0].store = SIBLING_STORE;
                expect_no_step_on(&machine, &intent, S);
                /* The other one's store is his. */
                assert_true(elsewhere || !machine.stores[C].zeroed);
                assert_true(!is_merge(i) || !machine.stores[C].zeroed);
            }
}

/* Same number, same disk, same uuid: but its table is about something else. */
static void test_table_is_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int how = 0; how < 4; how++) {
            struct machine machine;
            struct intent intent;
            scenarios[i].prepare(&machine, &intent);
            struct target *target = &machine.devices[S].active.targets[0];
            if (how == 0)
                target->origin = ELSEWHERE;
            else if (how == 1)
                target->store = SIBLING_STORE;
            else if (how == 2)
                *target = table_of(TARGET_OTHER, 0);
            else
                machine.devices[S].active.n_targets = 0;
            expect_abandoned(&machine, &intent);
        }
}

/* Somebody swaps S's table while ours waits in D: nothing is merged, nothing of ours stays. */
static void test_table_becomes_another(void **state)
{
    (void)state;
    for (int n = 1; n <= 2; n++) {
        struct machine machine;
        struct intent intent;
        begin_and_kill(&machine, &intent, &scenarios[ROLLBACK], n);
        struct target table = table_of(TARGET_LINEAR, 0);
        assert_int_equal(model_load(&machine, &machine.devices[S], &table), 0);
        assert_int_equal(model_resume(&machine, &machine.devices[S]), 0);
        struct run run = run_of(&machine, &intent);
        pursue_to_end(&run);
        assert_true(run.ended);
        assert_int_equal(run.plan.verdict, PLAN_ABANDON);
        assert_state(&machine, "S: linear\nD: snapshot-origin\nC: 4000\n", "swapped");
    }
}

static void test_renamed(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        struct machine machine;
        struct intent intent;
        char end[TEXT_MAX];
        scenarios[i].prepare(&machine, &intent);
        strcpy(intent.name, "as it was called");
        finish_afresh(&machine, &intent, &scenarios[i]);
        describe(&machine, end);
        assert_string_equal(end, scenarios[i].end);
    }
}

static void test_name_is_reused(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        struct machine machine;
        struct intent intent;
        scenarios[i].prepare(&machine, &intent);
        machine.devices[S].exists = false;
        add_device(&machine, X, TARGET_SNAPSHOT, STORE);
        strcpy(machine.devices[X].name, "S");
        expect_no_step_on(&machine, &intent, X);
        assert_false(machine.stores[C].zeroed);
    }
}

static void test_origin_user_is_another(void **state)
{
    (void)state;
    for (size_t i = ROLLBACK; i <= ROLLBACK_OPEN; i++)
        for (int how = 0; how < 6; how++) {
            struct machine machine;
            struct intent intent;
            struct plan plan;
            scenarios[i].prepare(&machine, &intent);
            struct model_device *origin_user = &machine.devices[D];
            if (how == 0)
                origin_user->disk_sequence++;
            else if (how == 1)
                origin_user->exists = false;
            else if (how == 2)
                intent.origin_user = 0;
            else if (how == 3)
                origin_user->active.targets[0].origin = ELSEWHERE;
            else if (how == 4)
                origin_user->active.targets[0] = table_of(TARGET_LINEAR, 0);
            else
                origin_user->active.targets[0].length_sectors *= 2; /* it would be cut short */
            make_plan(&machine, &intent, &plan);
            assert_int_equal(plan.verdict, how == 3 || how == 4 ? PLAN_ABANDON : PLAN_REFUSE);
            assert_int_equal(plan.n_steps, plan.verdict == PLAN_ABANDON);
            assert_false(plan.begun);
        }
}

static void test_lvm(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    for (size_t i = ROLLBACK; i <= ROLLBACK_OPEN; i++) {
        scenarios[i].prepare(&machine, &intent);
        strcpy(machine.devices[D].uuid, "LVM-abc-real");
        expect_untouched(&machine, &intent, PLAN_REFUSE);
    }
}

static void add_second_target(struct model_device *device)
{
    device->active.targets[1] = (struct target){
        .kind = TARGET_LINEAR, .start_sectors = LENGTH_SECTORS, .length_sectors = 8, .origin = ELSEWHERE};
    device->active.n_targets = 2;
}

static void test_two_targets(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        scenarios[i].prepare(&machine, &intent);
        add_second_target(&machine.devices[S]);
        expect_abandoned(&machine, &intent);
    }
    for (size_t i = ROLLBACK; i <= ROLLBACK_OPEN; i++) {
        scenarios[i].prepare(&machine, &intent);
        add_second_target(&machine.devices[D]);
        expect_untouched(&machine, &intent, PLAN_REFUSE);
    }
}

/* A device with several targets is not changed, but its snapshot is a sibling like any other. */

/* ---- the store */

static void reuse_store(struct machine *machine, int how)
{
    add_device(machine, X, TARGET_SNAPSHOT, STORE);
    struct model_device *device = &machine->devices[X];
    device->active.targets[0].origin = ELSEWHERE;
    struct model_table table = device->active;
    if (how == 1)
        device->active.targets[0] = table_of(TARGET_LINEAR, 0), device->active.targets[0].origin = STORE;
    else if (how == 2)
        device->active.targets[0] = table_of(TARGET_ERROR, 0), device->inactive = table;
    else if (how == 3)
        device->active.targets[1] = table.targets[0], device->active.n_targets = 2,
        device->active.targets[0] = table_of(TARGET_ERROR, 0);
}

/* Behind the removal or the swap somebody uses it again: then it is not zeroed. */
static void test_store_is_reused(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int how = 0; how < 4; how++) {
            struct machine machine;
            struct intent intent;
            struct plan plan;
            begin_and_kill(&machine, &intent, &scenarios[i], count_steps(scenarios[i].steps) - 2);
            reuse_store(&machine, how);
            make_plan(&machine, &intent, &plan);
            assert_int_equal(plan.verdict, PLAN_ACT);
            for (size_t j = 0; j < plan.n_steps; j++)
                assert_true(plan.steps[j].kind != STEP_ZERO && plan.steps[j].kind != STEP_ZERO_MERGED);
            assert_int_equal(plan.steps[plan.n_steps - 1].kind, STEP_FORGET);
            machine.devices[X].exists = false;
            finish_afresh(&machine, &intent, &scenarios[i]);
        }
}

/* The operator rolls back by hand while a drop waits: the store holds what his merge still needs. */
static void test_merged_by_hand_while_a_drop_waits(void **state)
{
    (void)state;
    struct machine machine;
    struct intent rollback, drop;
    for (int n = 3; n <= 6; n++) {
        begin_and_kill(&machine, &rollback, &scenarios[ROLLBACK], n);
        prepare_drop(&(struct machine){0}, &drop);
        struct run run = run_of(&machine, &drop);
        pursue(&run);
        assert_false(machine.stores[C].zeroed);
        assert_int_equal(run.plan.verdict, PLAN_ABANDON);
        assert_true(find_device(&machine, device_number(D))->active.valid);
    }
}

/* The snapshot was taken away with its exceptions: nothing was merged, and nothing is zeroed. */
static void test_gone_before_it_was_merged(void **state)
{
    (void)state;
    for (int n = 0; n < 3; n++) {
        struct machine machine;
        struct intent intent;
        begin_and_kill(&machine, &intent, &scenarios[ROLLBACK], n);
        destroy_device(&machine, &machine.devices[S]);
        struct run run = run_of(&machine, &intent);
        pursue_to_end(&run);
        assert_true(run.ended);
        assert_int_equal(run.plan.verdict, PLAN_ABANDON);
        assert_state(&machine, "D: snapshot-origin\nC: 4000\n", "gone");
    }
    for (int n = 0; n < 2; n++) {
        struct machine machine;
        struct intent intent;
        begin_and_kill(&machine, &intent, &scenarios[LIVE_MERGE], n);
        destroy_device(&machine, &machine.devices[S]);
        expect_abandoned(&machine, &intent);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suspended_by_somebody),
        cmocka_unit_test(test_table_loaded_by_somebody),
        cmocka_unit_test(test_somebody_at_what_merges),
        cmocka_unit_test(test_lookup_error),
        cmocka_unit_test(test_snapshot_is_another),
        cmocka_unit_test(test_table_is_another),
        cmocka_unit_test(test_table_becomes_another),
        cmocka_unit_test(test_renamed),
        cmocka_unit_test(test_name_is_reused),
        cmocka_unit_test(test_origin_user_is_another),
        cmocka_unit_test(test_lvm),
        cmocka_unit_test(test_two_targets),
        cmocka_unit_test(test_store_is_reused),
        cmocka_unit_test(test_merged_by_hand_while_a_drop_waits),
        cmocka_unit_test(test_gone_before_it_was_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
