/* plan_lvm: what is left to do with a snapshot of lvm's, from whatever state its devices are in.
 *
 * The states are those that lvm 2.03.16 makes on Linux 6.1: an origin O with its -real beneath it, a snapshot S
 * with its -cow; a merge turns O into snapshot-merge and S into error; lvm's end of it takes S and -cow away.
 */
#include "cowherd/plan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define GROUP          "LVM-PCmduvDKt2kX8bhZnpmPGgKOEEKqGfab"
#define ORIGIN_UUID    GROUP "YmbEpGOJMBeLTXdhQ8evcuqKBuVrsLNY"
#define SNAPSHOT_UUID  GROUP "BoutXDiTiODv1Ntlu9dmHIwpnH6ZtcMr"
#define LENGTH_SECTORS 131072
#define TOTAL_SECTORS  32768
#define DISK           makedev(8, 1)

enum { O, REAL, S, COW, N_DEVICES };

struct fixture {
    struct observation seen;
    struct dm_device devices[N_DEVICES];
    struct target targets[N_DEVICES];
    struct intent intent;
    struct plan plan;
};

static dev_t number(int index)
{
    return makedev(254, (unsigned)index + 1);
}

static void set_up(struct fixture *fixture, enum action_kind action)
{
    static const char *const names[] = {"vg0-o", "vg0-o-real", "vg0-s", "vg0-s-cow"};
    static const char *const uuids[] = {ORIGIN_UUID, ORIGIN_UUID "-real", SNAPSHOT_UUID,
                                        SNAPSHOT_UUID "-cow"};
    *fixture = (struct fixture){0};
    fixture->targets[O] = (struct target){.kind = TARGET_SNAPSHOT_ORIGIN, .origin = number(REAL)};
    fixture->targets[REAL] = (struct target){.kind = TARGET_LINEAR, .origin = DISK};
    fixture->targets[S] = (struct target){
        .kind = TARGET_SNAPSHOT,
        .origin = number(REAL),
        .store = number(COW),
        .chunk_sectors = 8,
        .status = {.state = SNAPSHOT_VALID, .used_sectors = 24000, .total_sectors = TOTAL_SECTORS}};
    fixture->targets[COW] = (struct target){.kind = TARGET_LINEAR, .origin = DISK};
    for (int i = 0; i < N_DEVICES; i++) {
        struct dm_device *device = &fixture->devices[i];
        strcpy(device->name, names[i]);
        strcpy(device->uuid, uuids[i]);
        device->number = number(i);
        device->disk_sequence = 10 + (uint64_t)i;
        fixture->targets[i].length_sectors = i == COW ? TOTAL_SECTORS : LENGTH_SECTORS;
        device->active = (struct dm_table){.targets = &fixture->targets[i], .n_targets = 1};
    }
    fixture->seen = (struct observation){.devices = fixture->devices, .n_devices = N_DEVICES};
    fixture->intent = (struct intent){
        .action = action,
        .role = ROLE_BACKUP,
        .name = "vg0-s",
        .uuid = SNAPSHOT_UUID,
        .device = number(S),
        .disk_sequence = 10 + S,
        .origin = number(REAL),
        .store = number(COW),
        .length_sectors = LENGTH_SECTORS,
        .chunk_sectors = 8,
        .origin_user = number(O),
        .origin_user_disk_sequence = 10 + O,
        .origin_user_name = "vg0-o",
        .origin_user_uuid = ORIGIN_UUID,
        .from_sectors = TOTAL_SECTORS,
        .grow_to_sectors = 2 * TOTAL_SECTORS,
        .used_centipercent = 7000,
        .hysteresis_centipercent = 200,
    };
}

static void make(struct fixture *fixture)
{
    plan_make(&fixture->intent, &fixture->seen, &fixture->plan);
}

/* The verdict, and the steps, which end with a 0 that is STEP_LOAD: no plan for lvm has one. */
static void expect(struct fixture *fixture, enum plan_verdict verdict, const enum step_kind *steps)
{
    make(fixture);
    assert_int_equal(fixture->plan.verdict, verdict);
    size_t n = 0;
    for (; steps[n]; n++) {
        assert_true(n < fixture->plan.n_steps);
        assert_int_equal(fixture->plan.steps[n].kind, steps[n]);
    }
    assert_int_equal(fixture->plan.n_steps, n);
    assert_int_equal(fixture->plan.reason[0] == '\0', verdict == PLAN_ACT);
}

#define EXPECT(verdict, ...) expect(&fixture, verdict, (const enum step_kind[]){__VA_ARGS__ __VA_OPT__(, ) 0})

/* Takes a device away. */
static void take(struct fixture *fixture, int index)
{
    fixture->devices[index] = (struct dm_device){.name = "x", .number = makedev(254, 200)};
}

static void start_merge(struct fixture *fixture, uint64_t used_sectors)
{
    fixture->targets[O] = fixture->targets[S];
    fixture->targets[O].kind = TARGET_SNAPSHOT_MERGE;
    fixture->targets[O].status.used_sectors = used_sectors;
    fixture->targets[O].status.metadata_sectors = 16;
    fixture->targets[O].status.has_metadata = true;
    fixture->targets[S] = (struct target){.kind = TARGET_ERROR, .length_sectors = LENGTH_SECTORS};
}

/* The same volumes, activated anew: other numbers. */
static void reactivate(struct fixture *fixture)
{
    for (int i = 0; i < N_DEVICES; i++) {
        fixture->devices[i].number = makedev(254, 50 + (unsigned)i);
        fixture->devices[i].disk_sequence += 100;
    }
    fixture->targets[O].origin = fixture->targets[S].origin = fixture->devices[REAL].number;
    fixture->targets[S].store = fixture->devices[COW].number;
    if (fixture->targets[O].kind == TARGET_SNAPSHOT_MERGE)
        fixture->targets[O].store = fixture->devices[COW].number;
}

/* ---- extend */

static void test_extend_goes_on_until_it_is_large_enough(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_EXTEND);
    EXPECT(PLAN_ACT, STEP_LVM_EXTEND);
    assert_string_equal(fixture.plan.steps[0].name, "vg0-s");
    assert_false(fixture.plan.begun);
    fixture.targets[S].status.total_sectors = 2 * TOTAL_SECTORS - 1;
    fixture.targets[S].status.used_sectors = 50000;
    EXPECT(PLAN_ACT, STEP_LVM_EXTEND);
    fixture.targets[S].status.total_sectors = 2 * TOTAL_SECTORS;
    EXPECT(PLAN_ACT, STEP_LVM_CONFIRM, STEP_FORGET);
    assert_false(fixture.plan.begun); /* a later rung may still come */
}

/* Also when usage has fallen by it below the rung. */
static void test_extend_is_done_however_full_it_is_then(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_EXTEND);
    fixture.targets[S].status.used_sectors = 16;
    EXPECT(PLAN_ABANDON, STEP_FORGET);
    fixture.targets[S].status.total_sectors = 2 * TOTAL_SECTORS;
    EXPECT(PLAN_ACT, STEP_LVM_CONFIRM, STEP_FORGET);
}

static void test_extend_an_exactly_full_store(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_EXTEND);
    fixture.targets[S].status.used_sectors = TOTAL_SECTORS;
    EXPECT(PLAN_ACT, STEP_LVM_EXTEND);
}

static void test_extend_whoever_has_it_open_or_suspended(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_EXTEND);
    fixture.devices[S].open_count = fixture.devices[O].open_count = 3;
    fixture.devices[S].suspended = true;
    EXPECT(PLAN_ACT, STEP_LVM_EXTEND);
}

static void test_what_a_killed_lvextend_left_suspended_is_woken(void **state)
{
    (void)state;
    struct fixture fixture;
    for (int i = 0; i < N_DEVICES; i++) {
        set_up(&fixture, ACTION_EXTEND);
        fixture.targets[S].status.total_sectors = 2 * TOTAL_SECTORS;
        fixture.devices[i].suspended = true;
        EXPECT(PLAN_ACT, STEP_LVM_CONFIRM, STEP_LVM_REFRESH, STEP_FORGET);
        assert_string_equal(fixture.plan.steps[1].name, "vg0-o");
    }
}

static void test_extend_within_its_limit(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_EXTEND);
    fixture.intent.limit_sectors = TOTAL_SECTORS + 8;
    EXPECT(PLAN_ACT, STEP_LVM_EXTEND);
    fixture.intent.limit_sectors = TOTAL_SECTORS;
    EXPECT(PLAN_REFUSE);
}

static void test_extend_nothing_that_cannot_fill(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_EXTEND);
    fixture.targets[S].status.total_sectors = 2 * LENGTH_SECTORS;
    fixture.targets[S].status.used_sectors = 2 * LENGTH_SECTORS - 8;
    fixture.intent.grow_to_sectors = 4 * LENGTH_SECTORS;
    EXPECT(PLAN_ABANDON, STEP_FORGET);
}

static void test_extend_what_is_not_there_or_not_wanted_any_more(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_EXTEND);
    fixture.intent.cancelled = true;
    EXPECT(PLAN_ABANDON, STEP_FORGET);
    set_up(&fixture, ACTION_EXTEND);
    take(&fixture, S);
    EXPECT(PLAN_ABANDON, STEP_FORGET);
    set_up(&fixture, ACTION_EXTEND);
    fixture.targets[S].status.state = SNAPSHOT_INVALID;
    EXPECT(PLAN_ABANDON, STEP_FORGET);
    set_up(&fixture, ACTION_EXTEND);
    fixture.targets[S].store = number(REAL);
    EXPECT(PLAN_ABANDON, STEP_FORGET);
    set_up(&fixture, ACTION_EXTEND);
    start_merge(&fixture, 20000);
    EXPECT(PLAN_ABANDON, STEP_FORGET);
}

/* ---- drop */

static void test_drop_only_what_is_closed(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_DROP);
    fixture.devices[O].open_count = 1;
    EXPECT(PLAN_ACT, STEP_LVM_REMOVE);
    assert_false(fixture.plan.begun);
    fixture.devices[S].open_count = 1;
    EXPECT(PLAN_DEFER);
    fixture.intent.drop_open = true; /* lvm has no such removal */
    EXPECT(PLAN_DEFER);
}

static void test_drop_ends_when_lvm_has_it_no_more(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_DROP);
    take(&fixture, S);
    EXPECT(PLAN_ACT, STEP_LVM_REMOVE_REST, STEP_FORGET);
    assert_true(fixture.plan.begun);
    fixture.devices[O].suspended = true;
    EXPECT(PLAN_ACT, STEP_LVM_REMOVE_REST, STEP_LVM_REFRESH, STEP_FORGET);
    take(&fixture, O); /* the whole group is inactive */
    EXPECT(PLAN_DEFER);
}

static void test_drop_of_what_has_room_again(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_DROP);
    fixture.targets[S].status.used_sectors = 16;
    EXPECT(PLAN_ABANDON, STEP_FORGET);
    set_up(&fixture, ACTION_DROP);
    fixture.intent.cancelled = true;
    EXPECT(PLAN_ABANDON, STEP_FORGET);
}

static void test_drop_of_the_lost(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_DROP);
    fixture.intent.lost = true;
    EXPECT(PLAN_ABANDON, STEP_FORGET);
    fixture.targets[S].status.state = SNAPSHOT_INVALID;
    EXPECT(PLAN_ACT, STEP_LVM_REMOVE);
    fixture.intent.lost = false;
    EXPECT(PLAN_ABANDON, STEP_FORGET);
}

static void test_drop_never_of_another_snapshot(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_DROP);
    fixture.targets[S].origin = number(O);
    EXPECT(PLAN_ABANDON, STEP_FORGET);
    set_up(&fixture, ACTION_DROP);
    reactivate(&fixture);
    EXPECT(PLAN_ABANDON, STEP_FORGET);
    set_up(&fixture, ACTION_DROP);
    start_merge(&fixture, 20000);
    EXPECT(PLAN_ABANDON, STEP_FORGET);
}

/* ---- merge */

static void test_merge_is_asked_for_once_open_or_not(void **state)
{
    (void)state;
    struct fixture fixture;
    for (unsigned open = 0; open < 4; open++) {
        set_up(&fixture, ACTION_MERGE);
        fixture.devices[O].open_count = open & 1;
        fixture.devices[S].open_count = open >> 1;
        EXPECT(PLAN_ACT, STEP_LVM_MERGE);
        assert_false(fixture.plan.begun);
        fixture.intent.asked_lvm = true;
        if (open)
            EXPECT(PLAN_DEFER);
        else
            EXPECT(PLAN_ACT, STEP_LVM_REFRESH);
        assert_true(fixture.plan.begun); /* lvm lets nobody remove or extend it now */
    }
}

static void test_merge_is_waited_for_and_finished(void **state)
{
    (void)state;
    struct fixture fixture;
    for (int anew = 0; anew < 2; anew++) {
        set_up(&fixture, ACTION_MERGE);
        fixture.intent.asked_lvm = true;
        start_merge(&fixture, 20000);
        if (anew)
            reactivate(&fixture);
        EXPECT(PLAN_WAIT);
        fixture.targets[O].status.used_sectors = 16;
        EXPECT(PLAN_ACT, STEP_LVM_FINISH);
        assert_string_equal(fixture.plan.steps[0].name, "vg0-o");
        fixture.targets[O] = (struct target){.kind = TARGET_LINEAR, .origin = DISK};
        take(&fixture, COW);
        EXPECT(PLAN_ACT, STEP_LVM_CHECK_GONE, STEP_FORGET); /* S is an error still */
        take(&fixture, S);
        EXPECT(PLAN_ACT, STEP_LVM_CHECK_GONE, STEP_FORGET);
        assert_true(fixture.plan.begun);
    }
}

/* Between two tables of lvm's it has none; before lvm removes it, it is a plain volume. */
static void test_merge_while_lvm_changes_the_tables(void **state)
{
    (void)state;
    struct fixture fixture;
    for (int recorded = 0; recorded < 2; recorded++) {
        set_up(&fixture, ACTION_MERGE);
        fixture.intent.asked_lvm = recorded;
        fixture.intent.handing_over = !recorded;
        fixture.targets[S] = (struct target){.kind = TARGET_LINEAR, .origin = DISK};
        EXPECT(PLAN_WAIT);
        fixture.devices[S].active.n_targets = 0;
        EXPECT(PLAN_WAIT);
        assert_true(fixture.plan.begun);
    }
    fixture.intent.asked_lvm = fixture.intent.handing_over = false;
    EXPECT(PLAN_ABANDON, STEP_FORGET);
}

/* Killed while lvm was at it: that it was about to be asked is recorded, that it took it on is not. */
static void test_merge_whose_asking_was_cut_short(void **state)
{
    (void)state;
    struct fixture fixture;
    for (int was_about_to = 0; was_about_to < 2; was_about_to++) {
        set_up(&fixture, ACTION_MERGE);
        fixture.intent.handing_over = was_about_to;
        start_merge(&fixture, 20000);
        EXPECT(PLAN_WAIT);
        fixture.targets[O] = (struct target){.kind = TARGET_LINEAR, .origin = DISK};
        take(&fixture, COW);
        take(&fixture, S);
        if (was_about_to)
            EXPECT(PLAN_ACT, STEP_LVM_CHECK_GONE, STEP_FORGET);
        else
            EXPECT(PLAN_ABANDON, STEP_FORGET);
    }
}

static void test_merge_while_the_group_is_inactive(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_MERGE);
    fixture.intent.asked_lvm = true;
    for (int i = 0; i < N_DEVICES; i++)
        take(&fixture, i);
    EXPECT(PLAN_DEFER);
    assert_true(fixture.plan.begun);
}

static void test_merge_asked_for_and_activated_anew(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_MERGE);
    fixture.intent.asked_lvm = true;
    reactivate(&fixture);
    fixture.devices[O].open_count = 1;
    EXPECT(PLAN_DEFER);
}

static void test_merge_that_is_lost_or_failed(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_MERGE);
    fixture.intent.asked_lvm = true;
    fixture.targets[S].status.state = SNAPSHOT_INVALID;
    EXPECT(PLAN_ABANDON, STEP_FORGET);
    set_up(&fixture, ACTION_MERGE);
    start_merge(&fixture, 20000);
    fixture.targets[O].status.state = SNAPSHOT_MERGE_FAILED;
    EXPECT(PLAN_REFUSE);
    assert_true(fixture.plan.begun);
}

static void test_merge_a_suspended_end_is_woken(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_MERGE);
    fixture.intent.asked_lvm = true;
    start_merge(&fixture, 16);
    fixture.devices[REAL].suspended = true;
    EXPECT(PLAN_ACT, STEP_LVM_REFRESH);
}

static void test_merge_that_somebody_else_took_away(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_MERGE);
    take(&fixture, S);
    take(&fixture, COW);
    EXPECT(PLAN_ABANDON, STEP_FORGET);
    set_up(&fixture, ACTION_MERGE);
    fixture.intent.cancelled = true;
    EXPECT(PLAN_ABANDON, STEP_FORGET);
}

/* A merge fills the stores of the siblings. */
static void test_merge_endangers_no_sibling(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, ACTION_MERGE);
    struct target sibling = fixture.targets[S];
    struct dm_device devices[N_DEVICES + 1];
    memcpy(devices, fixture.devices, sizeof(fixture.devices));
    sibling.store = makedev(254, 77);
    devices[N_DEVICES] = (struct dm_device){
        .name = "vg0-t", .number = makedev(254, 78), .active = {.targets = &sibling, .n_targets = 1}};
    fixture.seen = (struct observation){.devices = devices, .n_devices = N_DEVICES + 1};
    EXPECT(PLAN_REFUSE);
    assert_non_null(strstr(fixture.plan.reason, "vg0-t"));
    sibling.status.used_sectors = 16;
    sibling.status.total_sectors = LENGTH_SECTORS;
    EXPECT(PLAN_ACT, STEP_LVM_MERGE);
}

/* A device that cannot be read may be any of them. */
static void test_nothing_is_done_blindly(void **state)
{
    (void)state;
    struct fixture fixture;
    static const enum action_kind actions[] = {ACTION_EXTEND, ACTION_MERGE, ACTION_DROP};
    for (size_t i = 0; i < 3; i++) {
        set_up(&fixture, actions[i]);
        fixture.devices[REAL].error = -5;
        EXPECT(PLAN_REFUSE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extend_goes_on_until_it_is_large_enough),
        cmocka_unit_test(test_extend_is_done_however_full_it_is_then),
        cmocka_unit_test(test_extend_an_exactly_full_store),
        cmocka_unit_test(test_extend_whoever_has_it_open_or_suspended),
        cmocka_unit_test(test_what_a_killed_lvextend_left_suspended_is_woken),
        cmocka_unit_test(test_extend_within_its_limit),
        cmocka_unit_test(test_extend_nothing_that_cannot_fill),
        cmocka_unit_test(test_extend_what_is_not_there_or_not_wanted_any_more),
        cmocka_unit_test(test_drop_only_what_is_closed),
        cmocka_unit_test(test_drop_ends_when_lvm_has_it_no_more),
        cmocka_unit_test(test_drop_of_what_has_room_again),
        cmocka_unit_test(test_drop_of_the_lost),
        cmocka_unit_test(test_drop_never_of_another_snapshot),
        cmocka_unit_test(test_merge_is_asked_for_once_open_or_not),
        cmocka_unit_test(test_merge_is_waited_for_and_finished),
        cmocka_unit_test(test_merge_while_lvm_changes_the_tables),
        cmocka_unit_test(test_merge_whose_asking_was_cut_short),
        cmocka_unit_test(test_merge_while_the_group_is_inactive),
        cmocka_unit_test(test_merge_asked_for_and_activated_anew),
        cmocka_unit_test(test_merge_that_is_lost_or_failed),
        cmocka_unit_test(test_merge_a_suspended_end_is_woken),
        cmocka_unit_test(test_merge_that_somebody_else_took_away),
        cmocka_unit_test(test_merge_endangers_no_sibling),
        cmocka_unit_test(test_nothing_is_done_blindly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
