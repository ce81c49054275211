/* relocation: an intent of an earlier boot finds its devices again, those alone, and goes on from there. */
#include "cowherd/plan.h"
#include "cowherd/relocation.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define LENGTH UINT64_C(262144)
#define BOOT   "22222222-2222-2222-2222-222222222222"

static const dev_t origin = 0xfe0a, store = 0xfe0b; /* of this boot */

static struct intent an_intent(enum role role)
{
    return (struct intent){
        .action = ACTION_MERGE,
        .role = role,
        .rung = "at 80% = merge",
        .name = "backup",
        .uuid = "UUID-S",
        .device = makedev(254, 3),
        .disk_sequence = 41,
        .origin = makedev(254, 1),
        .store = makedev(254, 2),
        .store_disk_sequence = 39,
        .length_sectors = LENGTH,
        .chunk_sectors = 8,
        .store_type = STORE_PERSISTENT,
        .origin_user = role == ROLE_BACKUP ? makedev(254, 4) : 0,
        .origin_user_disk_sequence = role == ROLE_BACKUP ? 42 : 0,
        .origin_user_name = "root",
        .origin_user_uuid = "UUID-D",
        .handing_over = true,
        .used_centipercent = 8000,
        .hysteresis_centipercent = 200,
        .cookie = 0xd4d0001,
        .boot_id = "11111111-1111-1111-1111-111111111111",
    };
}

static struct target a_target(enum target_kind kind)
{
    struct target target = {.kind = kind, .length_sectors = LENGTH, .origin = origin};
    if (target_is_snapshot(&target)) {
        target.store = store;
        target.chunk_sectors = 8;
        target.status = (struct snapshot_status){.state = SNAPSHOT_VALID,
                                                 .used_sectors = 1000, /* less than at the decision */
                                                 .total_sectors = 10000,
                                                 .metadata_sectors = 16,
                                                 .has_metadata = true};
    }
    return target;
}

static struct dm_device *add(struct observation *seen, const char *name, const char *uuid,
                             unsigned device_minor, struct target target)
{
    struct dm_device *device = observation_add(seen);
    assert_non_null(device);
    strcpy(device->name, name);
    strcpy(device->uuid, uuid);
    device->number = makedev(254, device_minor);
    device->disk_sequence = 100 + device_minor;
    assert_int_equal(dm_table_add(&device->active, &target), 0);
    return device;
}

static struct dm_device *add_snapshot(struct observation *seen)
{
    return add(seen, "backup", "UUID-S", 13, a_target(TARGET_SNAPSHOT));
}

static struct dm_device *add_origin_user(struct observation *seen, enum target_kind kind)
{
    return add(seen, "root", "UUID-D", 14, a_target(kind));
}

static struct relocation relocate(const struct intent *earlier, const struct observation *seen)
{
    struct relocation relocation;
    relocation_make(earlier, seen, BOOT, &relocation);
    return relocation;
}

static void assert_not_found(const struct intent *earlier, const struct observation *seen, const char *reason)
{
    struct relocation relocation = relocate(earlier, seen);
    assert_false(relocation.found);
    assert_string_equal(relocation.reason, reason);
}

static void test_a_pair_is_found_with_its_new_numbers(void **state)
{
    (void)state;
    struct intent earlier = an_intent(ROLE_BACKUP);
    struct observation seen = {0};
    add(&seen, "other", "UUID-X", 1, a_target(TARGET_LINEAR));
    add_origin_user(&seen, TARGET_SNAPSHOT_ORIGIN);
    add_snapshot(&seen);
    struct relocation relocation = relocate(&earlier, &seen);
    assert_true(relocation.found);
    assert_true(relocation.snapshot == makedev(254, 13));
    const struct intent *intent = &relocation.intent;
    assert_true(intent->device == makedev(254, 13));
    assert_int_equal(intent->disk_sequence, 113);
    assert_true(intent->origin == origin);
    assert_true(intent->store == store);
    assert_int_equal(intent->store_disk_sequence, 0);
    assert_true(intent->origin_user == makedev(254, 14));
    assert_int_equal(intent->origin_user_disk_sequence, 114);
    assert_int_equal(intent->cookie, 0);
    assert_string_equal(intent->boot_id, BOOT);
    assert_string_equal(intent->rung, "at 80% = merge");
    assert_int_equal(intent->used_centipercent, 8000);
    assert_true(intent->interrupted);
    assert_false(intent->handing_over);
    observation_done(&seen);
}

/* Interrupted is what was begun, and stays so over any number of boots. */
static void test_what_was_begun_is_interrupted(void **state)
{
    (void)state;
    struct observation seen = {0};
    add_origin_user(&seen, TARGET_SNAPSHOT_ORIGIN);
    add_snapshot(&seen);
    for (unsigned bits = 0; bits < 4; bits++) {
        struct intent earlier = an_intent(ROLE_BACKUP);
        earlier.handing_over = bits & 1;
        earlier.interrupted = bits & 2;
        assert_int_equal(relocate(&earlier, &seen).intent.interrupted, bits != 0);
    }
    observation_done(&seen);
}

static void test_a_uuid_outlives_a_name(void **state)
{
    (void)state;
    struct intent earlier = an_intent(ROLE_BACKUP);
    struct observation seen = {0};
    strcpy(add_origin_user(&seen, TARGET_SNAPSHOT_ORIGIN)->name, "root-2");
    strcpy(add_snapshot(&seen)->name, "backup-2");
    struct relocation relocation = relocate(&earlier, &seen);
    assert_true(relocation.found);
    assert_string_equal(relocation.intent.name, "backup-2");
    assert_string_equal(relocation.intent.origin_user_name, "root-2");
    observation_done(&seen);
}

static void test_a_name_without_the_uuid_is_another_device(void **state)
{
    (void)state;
    struct intent earlier = an_intent(ROLE_BACKUP);
    struct observation seen = {0};
    add_origin_user(&seen, TARGET_SNAPSHOT_ORIGIN);
    struct dm_device *snapshot = add_snapshot(&seen);
    strcpy(snapshot->uuid, "UUID-S2");
    assert_not_found(&earlier, &seen, "it is not there");
    strcpy(snapshot->uuid, "");
    assert_not_found(&earlier, &seen, "it is not there");
    assert_true(relocate(&earlier, &seen).snapshot == 0);
    earlier.uuid[0] = '\0';
    assert_true(relocate(&earlier, &seen).found);
    strcpy(snapshot->uuid, "UUID-S");
    assert_not_found(&earlier, &seen, "it is not there");
    observation_done(&seen);
}

static void test_every_property_must_be_the_same(void **state)
{
    (void)state;
    static const char different[] =
        "backup is there, but has another length, chunk size or kind of store than it had";
    struct intent earlier = an_intent(ROLE_BACKUP);
    for (unsigned i = 0; i < 4; i++) {
        struct observation seen = {0};
        add_origin_user(&seen, TARGET_SNAPSHOT_ORIGIN);
        struct target *target = add_snapshot(&seen)->active.targets;
        target->length_sectors += i == 0;
        target->chunk_sectors *= i == 1 ? 2 : 1;
        target->store_type = i == 2 ? STORE_TRANSIENT : i == 3 ? STORE_PERSISTENT_OVERFLOW : STORE_PERSISTENT;
        if (i < 3)
            assert_not_found(&earlier, &seen, different);
        else
            assert_true(relocate(&earlier, &seen).found);
        observation_done(&seen);
    }
}

/* Tables are made one after the other: the snapshot that is there is noted, so that nothing else is done with it. */
static void test_half_of_a_pair_is_waited_for(void **state)
{
    (void)state;
    struct intent earlier = an_intent(ROLE_BACKUP);
    struct observation seen = {0};
    assert_not_found(&earlier, &seen, "it is not there");
    add_snapshot(&seen);
    assert_not_found(&earlier, &seen, "the origin's device root is not there");
    assert_true(relocate(&earlier, &seen).snapshot == makedev(254, 13));
    struct dm_device *user = add_origin_user(&seen, TARGET_LINEAR);
    assert_not_found(&earlier, &seen,
                     "backup and the origin's device root are there, but not as snapshot and snapshot-origin "
                     "of one origin");
    user->active.targets[0].kind = TARGET_SNAPSHOT_ORIGIN;
    user->active.targets[0].origin++;
    assert_false(relocate(&earlier, &seen).found);
    assert_true(relocate(&earlier, &seen).snapshot == makedev(254, 13));
    user->active.targets[0].origin--;
    assert_true(relocate(&earlier, &seen).found);
    observation_done(&seen);
}

static void test_a_merge_that_goes_on_already_is_adopted(void **state)
{
    (void)state;
    struct intent earlier = an_intent(ROLE_BACKUP);
    struct observation seen = {0};
    struct plan plan;
    struct dm_device *user = add_origin_user(&seen, TARGET_SNAPSHOT_MERGE);
    struct relocation relocation = relocate(&earlier, &seen);
    assert_true(relocation.found);
    assert_true(relocation.intent.device == 0);
    earlier.handing_over = false; /* the boot script has begun it */
    assert_true(relocate(&earlier, &seen).intent.interrupted);
    assert_true(relocation.intent.store == store);
    assert_string_equal(relocation.intent.name, "backup");
    plan_make(&relocation.intent, &seen, &plan);
    assert_int_equal(plan.verdict, PLAN_WAIT);
    user->active.targets[0].status.used_sectors = 16;
    plan_make(&relocation.intent, &seen, &plan);
    assert_int_equal(plan.verdict, PLAN_ACT);
    assert_int_equal(plan.steps[0].kind, STEP_LOAD);
    assert_int_equal(plan.steps[0].table.kind, TARGET_LINEAR);
    user->active.targets[0].chunk_sectors = 16;
    assert_not_found(&earlier, &seen,
                     "root merges, but has another length, chunk size or kind of store than it had");
    observation_done(&seen);
}

static void test_a_live_snapshot_is_found_before_and_in_its_merge(void **state)
{
    (void)state;
    struct intent earlier = an_intent(ROLE_LIVE);
    struct observation seen = {0};
    struct target *target = add_snapshot(&seen)->active.targets;
    struct relocation relocation = relocate(&earlier, &seen);
    assert_true(relocation.found);
    assert_true(relocation.intent.device == makedev(254, 13));
    assert_true(relocation.intent.origin_user == 0);
    assert_string_equal(relocation.intent.origin_user_name, "");
    target->kind = TARGET_SNAPSHOT_MERGE;
    assert_true(relocate(&earlier, &seen).found);
    target->kind = TARGET_LINEAR;
    assert_not_found(&earlier, &seen, "backup is there, but is no snapshot");
    observation_done(&seen);
}

static void test_nothing_is_concluded_from_what_cannot_be_read(void **state)
{
    (void)state;
    struct intent earlier = an_intent(ROLE_BACKUP);
    struct observation seen = {0};
    add_origin_user(&seen, TARGET_SNAPSHOT_ORIGIN);
    add_snapshot(&seen);
    add(&seen, "odd", "", 20, a_target(TARGET_OTHER))->error = -EBADMSG;
    struct relocation relocation = relocate(&earlier, &seen);
    assert_false(relocation.found);
    assert_non_null(strstr(relocation.reason, "odd cannot be read"));
    observation_done(&seen);
}

static void test_only_merges_of_raw_snapshots_are_gone_on_with(void **state)
{
    (void)state;
    struct intent intent = an_intent(ROLE_BACKUP);
    assert_true(relocation_is_wanted(&intent));
    intent.action = ACTION_DROP;
    assert_false(relocation_is_wanted(&intent));
    intent.action = ACTION_EXTEND;
    assert_false(relocation_is_wanted(&intent));
    intent = an_intent(ROLE_LIVE);
    assert_true(relocation_is_wanted(&intent));
    intent.asked_lvm = true;
    assert_false(relocation_is_wanted(&intent));
    intent.asked_lvm = false;
    strcpy(intent.uuid, "LVM-abc");
    assert_false(relocation_is_wanted(&intent));
}

static void test_two_records_of_one_snapshot(void **state)
{
    (void)state;
    struct intent a = an_intent(ROLE_BACKUP), b = an_intent(ROLE_BACKUP);
    strcpy(b.boot_id, BOOT);
    b.device++;
    assert_true(relocation_is_same(&a, &b));
    b.length_sectors++;
    assert_false(relocation_is_same(&a, &b));
    b = a;
    strcpy(b.name, "other");
    assert_false(relocation_is_same(&a, &b));
    b = a;
    strcpy(b.uuid, "");
    assert_false(relocation_is_same(&a, &b));
}

/* ---- what is planned then */

static struct plan plan_of(struct intent intent, const struct observation *seen)
{
    struct plan plan;
    struct relocation relocation = relocate(&intent, seen);
    assert_true(relocation.found);
    relocation.intent.cancelled = intent.cancelled;
    plan_make(&relocation.intent, seen, &plan);
    return plan;
}

/* Half of it is done, so its store is no longer as full, and nobody may go back. */
static void test_a_half_done_rollback_goes_on_whatever_rungs_and_usage_say(void **state)
{
    (void)state;
    struct intent earlier = an_intent(ROLE_BACKUP);
    struct observation seen = {0};
    add_origin_user(&seen, TARGET_SNAPSHOT_ORIGIN);
    add_snapshot(&seen);
    struct dm_device *user = &seen.devices[0];
    for (unsigned cancelled = 0; cancelled < 2; cancelled++) {
        earlier.cancelled = cancelled;
        struct plan plan = plan_of(earlier, &seen);
        assert_int_equal(plan.verdict, PLAN_ACT);
        assert_true(plan.begun);
        assert_int_equal(plan.steps[0].kind, STEP_LOAD);
        assert_int_equal(plan.steps[0].table.kind, TARGET_SNAPSHOT_MERGE);
        user->open_count = 1;
        plan = plan_of(earlier, &seen);
        assert_int_equal(plan.verdict, PLAN_DEFER);
        assert_true(plan.begun);
        assert_int_equal(plan.n_steps, 0);
        user->open_count = 0;
    }
    observation_done(&seen);
}

static void test_one_that_was_not_begun_is_decided_by_usage_and_rungs(void **state)
{
    (void)state;
    struct intent earlier = an_intent(ROLE_BACKUP);
    struct observation seen = {0};
    earlier.handing_over = false;
    add_origin_user(&seen, TARGET_SNAPSHOT_ORIGIN);
    struct target *target = add_snapshot(&seen)->active.targets;
    struct plan plan = plan_of(earlier, &seen);
    assert_int_equal(plan.verdict, PLAN_ABANDON);
    target->status.used_sectors = 8000;
    plan = plan_of(earlier, &seen);
    assert_int_equal(plan.verdict, PLAN_ACT);
    assert_false(plan.begun);
    earlier.cancelled = true;
    assert_int_equal(plan_of(earlier, &seen).verdict, PLAN_ABANDON);
    observation_done(&seen);
}

static void test_a_half_done_one_is_not_given_up_when_its_snapshot_is_lost(void **state)
{
    (void)state;
    struct intent earlier = an_intent(ROLE_BACKUP);
    struct observation seen = {0};
    add_origin_user(&seen, TARGET_SNAPSHOT_ORIGIN);
    struct target *target = add_snapshot(&seen)->active.targets;
    target->status = (struct snapshot_status){.state = SNAPSHOT_INVALID};
    struct plan plan = plan_of(earlier, &seen);
    assert_int_equal(plan.verdict, PLAN_REFUSE);
    assert_true(plan.begun);
    earlier.handing_over = false;
    assert_int_equal(plan_of(earlier, &seen).verdict, PLAN_ABANDON);
    observation_done(&seen);
}

static void test_a_half_done_live_merge_goes_on_also_mounted(void **state)
{
    (void)state;
    struct intent earlier = an_intent(ROLE_LIVE);
    struct observation seen = {0};
    add_snapshot(&seen)->open_count = 1;
    struct plan plan = plan_of(earlier, &seen);
    assert_int_equal(plan.verdict, PLAN_ACT);
    assert_true(plan.begun);
    assert_int_equal(plan.steps[0].table.kind, TARGET_SNAPSHOT_MERGE);
    add_origin_user(&seen, TARGET_SNAPSHOT_ORIGIN);
    plan = plan_of(earlier, &seen);
    assert_int_equal(plan.verdict, PLAN_REFUSE);
    earlier.handing_over = false;
    seen.devices[0].active.targets[0].status.used_sectors = 8000;
    assert_int_equal(plan_of(earlier, &seen).verdict, PLAN_ABANDON);
    observation_done(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pair_is_found_with_its_new_numbers),
        cmocka_unit_test(test_what_was_begun_is_interrupted),
        cmocka_unit_test(test_a_uuid_outlives_a_name),
        cmocka_unit_test(test_a_name_without_the_uuid_is_another_device),
        cmocka_unit_test(test_every_property_must_be_the_same),
        cmocka_unit_test(test_half_of_a_pair_is_waited_for),
        cmocka_unit_test(test_a_merge_that_goes_on_already_is_adopted),
        cmocka_unit_test(test_a_live_snapshot_is_found_before_and_in_its_merge),
        cmocka_unit_test(test_nothing_is_concluded_from_what_cannot_be_read),
        cmocka_unit_test(test_only_merges_of_raw_snapshots_are_gone_on_with),
        cmocka_unit_test(test_two_records_of_one_snapshot),
        cmocka_unit_test(test_a_half_done_rollback_goes_on_whatever_rungs_and_usage_say),
        cmocka_unit_test(test_one_that_was_not_begun_is_decided_by_usage_and_rungs),
        cmocka_unit_test(test_a_half_done_one_is_not_given_up_when_its_snapshot_is_lost),
        cmocka_unit_test(test_a_half_done_live_merge_goes_on_also_mounted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
