/* plan_extend: what is left to do for an extension, from any state of its devices. */
#include "cowherd/exception_store.h"
#include "cowherd/growth.h"
#include "cowherd/plan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define ORIGIN        makedev(8, 1)
#define SPARE         makedev(8, 2)
#define S             makedev(254, 1)
#define C             makedev(254, 2)
#define D             makedev(254, 3)
#define LOOP          makedev(7, 3)
#define CHUNK_SECTORS 8
#define TOTAL_SECTORS 8192
#define GOAL_SECTORS  16384

enum { SNAPSHOT, STORE_DEVICE, ORIGIN_USER, N_DEVICES };

struct scene_fixture {
    struct intent intent;
    struct target targets[N_DEVICES];
    struct target waiting[2];
    struct dm_device devices[N_DEVICES];
    struct observation seen;
    struct plan plan;
};

static void set_up(struct scene_fixture *fixture)
{
    *fixture = (struct scene_fixture){
        .intent = {.action = ACTION_EXTEND,
                   .role = ROLE_BACKUP,
                   .uuid = "snapshot",
                   .device = S,
                   .disk_sequence = 5,
                   .origin = ORIGIN,
                   .store = C,
                   .length_sectors = 1 << 20,
                   .chunk_sectors = CHUNK_SECTORS,
                   .origin_user = D,
                   .from_sectors = TOTAL_SECTORS,
                   .grow_to_sectors = GOAL_SECTORS,
                   .extend_from = "/dev/spare",
                   .used_centipercent = 7500,
                   .hysteresis_centipercent = 200},
        .targets = {{.kind = TARGET_SNAPSHOT,
                     .length_sectors = 1 << 20,
                     .origin = ORIGIN,
                     .store = C,
                     .chunk_sectors = CHUNK_SECTORS,
                     .status = {.state = SNAPSHOT_VALID,
                                .used_sectors = TOTAL_SECTORS * 3 / 4,
                                .total_sectors = TOTAL_SECTORS}},
                    {.kind = TARGET_LINEAR, .length_sectors = TOTAL_SECTORS, .origin = SPARE},
                    {.kind = TARGET_SNAPSHOT_ORIGIN, .length_sectors = 1 << 20, .origin = ORIGIN}},
        .devices = {{.number = S, .name = "s", .uuid = "snapshot", .disk_sequence = 5},
                    {.number = C, .name = "s-store"},
                    {.number = D, .name = "s-origin"}},
    };
    for (size_t i = 0; i < N_DEVICES; i++)
        fixture->devices[i].active = (struct dm_table){.targets = &fixture->targets[i], .n_targets = 1};
    fixture->waiting[0] = fixture->targets[STORE_DEVICE];
    fixture->waiting[0].length_sectors = GOAL_SECTORS;
    fixture->seen = (struct observation){.devices = fixture->devices, .n_devices = N_DEVICES};
}

static void load_store(struct scene_fixture *fixture)
{
    fixture->devices[STORE_DEVICE].has_inactive = true;
    fixture->devices[STORE_DEVICE].inactive = (struct dm_table){.targets = fixture->waiting, .n_targets = 1};
}

/* The plan in words: "verdict: step, step". */
static const char *plan_of(struct scene_fixture *fixture)
{
    static const char *const verdicts[] = {"act", "wait", "defer", "refuse", "abandon"};
    static char text[256];
    memset(&fixture->plan, 0xa5, sizeof(fixture->plan));
    plan_make(&fixture->intent, &fixture->seen, &fixture->plan);
    strcpy(text, verdicts[fixture->plan.verdict]);
    for (size_t i = 0; i < fixture->plan.n_steps; i++) {
        const struct step *step = &fixture->plan.steps[i];
        assert_true(step->kind == STEP_FORGET || step->device == fixture->intent.store);
        strcat(strcat(text, i ? ", " : ": "), step_kind_name(step->kind));
    }
    return text;
}

static void check_reason(const struct scene_fixture *fixture, const char *part)
{
    if (!strstr(fixture->plan.reason, part))
        fail_msg("'%s' has no '%s'", fixture->plan.reason, part);
}

#define LONGER    "act: load a longer table, resume, forget"
#define SWAP      "act: resume, forget"
#define ABANDONED "abandon: forget"

static void test_from_the_beginning_to_the_end(void **state)
{
    struct scene_fixture fixture;
    (void)state;
    set_up(&fixture);
    assert_string_equal(plan_of(&fixture), LONGER);
    assert_false(fixture.plan.begun); /* a later rung may overtake it while there is no space */
    load_store(&fixture);
    assert_string_equal(plan_of(&fixture), SWAP);
    assert_true(fixture.plan.begun);
    fixture.devices[STORE_DEVICE].has_inactive = false;
    fixture.targets[STORE_DEVICE].length_sectors = GOAL_SECTORS;
    fixture.targets[SNAPSHOT].status.total_sectors = GOAL_SECTORS;
    assert_string_equal(plan_of(&fixture), "act: forget"); /* and not: no longer as full */
    assert_false(fixture.plan.begun);
}

static void test_in_both_roles(void **state)
{
    struct scene_fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.intent.role = ROLE_LIVE;
    fixture.intent.origin_user = 0;
    fixture.seen.n_devices = 2;
    assert_string_equal(plan_of(&fixture), LONGER);
}

static void test_full_to_the_last_chunk_is_not_lost(void **state)
{
    struct scene_fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.targets[SNAPSHOT].status.used_sectors = TOTAL_SECTORS;
    assert_string_equal(plan_of(&fixture), LONGER);
}

static void test_what_is_over_is_given_up(void **state)
{
    for (int waits = 0; waits < 2; waits++) {
        const char *given_up = waits ? "abandon: clear, forget" : ABANDONED;
        struct scene_fixture fixture;
        (void)state;
        for (int i = 0; i < 8; i++) {
            static const char *const reasons[] = {
                "gone", "gone",         "merged",           "merged", "not what it was",
                "lost", "no longer in", "no longer as full"};
            set_up(&fixture);
            if (waits)
                load_store(&fixture);
            struct target *target = &fixture.targets[SNAPSHOT];
            if (i == 0)
                fixture.devices[SNAPSHOT].number = makedev(254, 77);
            else if (i == 1)
                strcpy(fixture.devices[SNAPSHOT].uuid, "another");
            else if (i == 2)
                target->kind = TARGET_SNAPSHOT_MERGE;
            else if (i == 3)
                fixture.targets[ORIGIN_USER] = (struct target){
                    .kind = TARGET_SNAPSHOT_MERGE, .origin = ORIGIN, .store = C};
            else if (i == 4)
                target->store = SPARE;
            else if (i == 5)
                target->status.state = SNAPSHOT_INVALID;
            else if (i == 6)
                fixture.intent.cancelled = true;
            else
                target->status.used_sectors = TOTAL_SECTORS * 72 / 100;
            assert_string_equal(plan_of(&fixture), given_up);
            check_reason(&fixture, reasons[i]);
            assert_false(fixture.plan.begun);
        }
    }
}

static void test_an_unknown_state_is_no_state(void **state)
{
    struct scene_fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.targets[SNAPSHOT].status = (struct snapshot_status){.state = SNAPSHOT_UNKNOWN};
    assert_string_equal(plan_of(&fixture), "refuse");
    load_store(&fixture);
    assert_string_equal(plan_of(&fixture), "refuse: clear");
}

static void test_the_limit(void **state)
{
    struct scene_fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.intent.limit_sectors = 12288 + 7; /* no part of a chunk */
    assert_int_equal(plan_extend_goal_sectors(&fixture.intent), 12288);
    assert_string_equal(plan_of(&fixture), LONGER);
    fixture.waiting[0].length_sectors = 12288;
    load_store(&fixture);
    assert_string_equal(plan_of(&fixture), SWAP);
    fixture.devices[STORE_DEVICE].has_inactive = false;
    fixture.intent.limit_sectors = TOTAL_SECTORS;
    assert_string_equal(plan_of(&fixture), "refuse");
    assert_string_equal(fixture.plan.reason, "its store is at its extend-limit of 4 MiB already");
    fixture.intent.limit_sectors = TOTAL_SECTORS + CHUNK_SECTORS;
    assert_string_equal(plan_of(&fixture), LONGER);
    fixture.intent.limit_sectors = GOAL_SECTORS + CHUNK_SECTORS;
    assert_int_equal(plan_extend_goal_sectors(&fixture.intent), GOAL_SECTORS);
}

static void test_a_store_with_room_for_all(void **state)
{
    struct scene_fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.intent.length_sectors = 1000 * CHUNK_SECTORS;
    fixture.targets[SNAPSHOT].length_sectors = 1000 * CHUNK_SECTORS;
    fixture.targets[SNAPSHOT].status.total_sectors = (2 + 1000 + 3) * CHUNK_SECTORS - 1;
    assert_string_equal(plan_of(&fixture), LONGER);
    fixture.targets[SNAPSHOT].status.total_sectors++;
    assert_string_equal(plan_of(&fixture), ABANDONED);
    check_reason(&fixture, "can never fill");
    fixture.targets[SNAPSHOT].store_type = STORE_TRANSIENT; /* needs no metadata */
    fixture.targets[SNAPSHOT].status.total_sectors = 1000 * CHUNK_SECTORS;
    assert_string_equal(plan_of(&fixture), ABANDONED);
}

static void test_somebody_else_is_at_the_store(void **state)
{
    struct scene_fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.devices[STORE_DEVICE].suspended = true;
    assert_string_equal(plan_of(&fixture), "defer");
    check_reason(&fixture, "suspended");
    load_store(&fixture); /* his resume must not swap our table in */
    assert_string_equal(plan_of(&fixture), "defer: clear");
    fixture.devices[STORE_DEVICE].suspended = false;
    fixture.waiting[0].length_sectors += CHUNK_SECTORS; /* not what this extension would load */
    assert_string_equal(plan_of(&fixture), "defer");
    check_reason(&fixture, "loaded a table");
    fixture.waiting[0].length_sectors = GOAL_SECTORS;
    fixture.devices[ORIGIN_USER].active.targets = &(struct target){
        .kind = TARGET_LINEAR, .length_sectors = 8, .origin = SPARE, .offset_sectors = GOAL_SECTORS - 8};
    assert_string_equal(plan_of(&fixture), "refuse: clear");
    assert_string_equal(fixture.plan.reason, "s-origin has taken the same extents");
}

static void test_done_by_somebody_else(void **state)
{
    struct scene_fixture fixture;
    (void)state;
    set_up(&fixture);
    load_store(&fixture);
    fixture.targets[SNAPSHOT].status.total_sectors = GOAL_SECTORS;
    assert_string_equal(plan_of(&fixture), "act: clear, forget");
}

/* What lies beyond extend-limit is not carried out, and what was begun of it is taken back first. */
static void test_limit_was_lowered_meanwhile(void **state)
{
    struct scene_fixture fixture;
    (void)state;
    set_up(&fixture);
    load_store(&fixture);
    fixture.intent.limit_sectors = GOAL_SECTORS - CHUNK_SECTORS;
    assert_string_equal(plan_of(&fixture), "act: clear, load a longer table, resume, forget");
    assert_false(fixture.plan.begun);
    fixture.intent.limit_sectors = TOTAL_SECTORS;
    assert_string_equal(plan_of(&fixture), "refuse: clear");
    check_reason(&fixture, "at its extend-limit");
    fixture.devices[STORE_DEVICE].has_inactive = false;
    assert_string_equal(plan_of(&fixture), "refuse"); /* nothing was done: it is not said to be */
    fixture.intent.limit_sectors = TOTAL_SECTORS / 2;
    assert_string_equal(plan_of(&fixture), "refuse");
    fixture.intent.limit_sectors = GOAL_SECTORS - CHUNK_SECTORS;
    fixture.targets[SNAPSHOT].status.total_sectors = GOAL_SECTORS - CHUNK_SECTORS;
    assert_string_equal(plan_of(&fixture), "act: forget"); /* as far as it may */
}

/* Which had been killed between its load and its resume. */
static void test_overtakes_a_live_merge(void **state)
{
    struct scene_fixture fixture;
    struct target merge;
    (void)state;
    set_up(&fixture);
    merge = fixture.targets[SNAPSHOT];
    merge.kind = TARGET_SNAPSHOT_MERGE;
    merge.chunk_sectors = 0;
    fixture.devices[SNAPSHOT].has_inactive = true;
    fixture.devices[SNAPSHOT].inactive = (struct dm_table){.targets = &merge, .n_targets = 1};
    plan_make(&fixture.intent, &fixture.seen, &fixture.plan);
    assert_int_equal(fixture.plan.verdict, PLAN_ACT);
    assert_int_equal(fixture.plan.steps[0].kind, STEP_CLEAR);
    assert_true(fixture.plan.steps[0].device == S);
    assert_int_equal(fixture.plan.steps[1].kind, STEP_GROW_TABLE);
    fixture.targets[SNAPSHOT].kind = TARGET_SNAPSHOT_MERGE; /* it runs: what waits is its business */
    plan_make(&fixture.intent, &fixture.seen, &fixture.plan);
    assert_int_equal(fixture.plan.verdict, PLAN_ABANDON);
    assert_int_equal(fixture.plan.n_steps, 1);
}

static void test_kinds_of_stores(void **state)
{
    struct scene_fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.intent.extend_from[0] = '\0';
    assert_string_equal(plan_of(&fixture), "refuse");
    check_reason(&fixture, "extend-from");
    strcpy(fixture.devices[STORE_DEVICE].uuid, "LVM-x-cow");
    assert_string_equal(plan_of(&fixture), "refuse");
    assert_string_equal(fixture.plan.reason, "its store is lvm's");
    fixture.devices[STORE_DEVICE].uuid[0] = '\0';
    fixture.targets[STORE_DEVICE].kind = TARGET_OTHER;
    assert_string_equal(plan_of(&fixture), "refuse");
    check_reason(&fixture, "neither a dm linear device nor a loop device");
    fixture.intent.store = fixture.targets[SNAPSHOT].store = makedev(8, 9);
    assert_string_equal(plan_of(&fixture), "refuse");
    check_reason(&fixture, "neither a dm linear device nor a loop device");
    fixture.intent.store = fixture.targets[SNAPSHOT].store = LOOP; /* needs no extend-from */
    assert_string_equal(plan_of(&fixture), "act: grow the backing file, forget");
    assert_false(fixture.plan.begun);
    assert_true(step_kind_changes_tables(STEP_GROW_LOOP) && step_kind_changes_tables(STEP_GROW_TABLE));
}

/* A rollback that was overtaken between its suspension and its handover. */
static void test_a_rollback_is_taken_back_first(void **state)
{
    struct scene_fixture fixture;
    struct target merge = {
        .kind = TARGET_SNAPSHOT_MERGE, .length_sectors = 1 << 20, .origin = ORIGIN, .store = C};
    (void)state;
    set_up(&fixture);
    fixture.devices[ORIGIN_USER].has_inactive = true;
    fixture.devices[ORIGIN_USER].inactive = (struct dm_table){.targets = &merge, .n_targets = 1};
    fixture.devices[SNAPSHOT].suspended = true;
    plan_make(&fixture.intent, &fixture.seen, &fixture.plan);
    assert_int_equal(fixture.plan.verdict, PLAN_ACT);
    assert_int_equal(fixture.plan.n_steps, 6);
    assert_true(fixture.plan.steps[0].kind == STEP_LOAD && fixture.plan.steps[0].device == D);
    assert_true(fixture.plan.steps[1].kind == STEP_RESUME && fixture.plan.steps[1].device == S);
    assert_true(fixture.plan.steps[2].kind == STEP_CLEAR && fixture.plan.steps[2].device == D);
    assert_true(fixture.plan.steps[3].kind == STEP_GROW_TABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_the_beginning_to_the_end),
        cmocka_unit_test(test_in_both_roles),
        cmocka_unit_test(test_full_to_the_last_chunk_is_not_lost),
        cmocka_unit_test(test_what_is_over_is_given_up),
        cmocka_unit_test(test_an_unknown_state_is_no_state),
        cmocka_unit_test(test_the_limit),
        cmocka_unit_test(test_a_store_with_room_for_all),
        cmocka_unit_test(test_somebody_else_is_at_the_store),
        cmocka_unit_test(test_done_by_somebody_else),
        cmocka_unit_test(test_limit_was_lowered_meanwhile),
        cmocka_unit_test(test_overtakes_a_live_merge),
        cmocka_unit_test(test_kinds_of_stores),
        cmocka_unit_test(test_a_rollback_is_taken_back_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
