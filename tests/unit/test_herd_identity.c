/* herd: who a member is, on which target of which device, in which role; and what of it may change. */
#include "fixture_herd.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_number_is_reused(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    strcpy(device->uuid, "another");
    expect_look(fixture, "gone a\nfound a live\n");
    device->uuid[0] = '\0';
    expect_look(fixture, "gone a\nfound a live\n");
    device->disk_sequence++;
    expect_look(fixture, "gone a\nfound a live\n");
    device->active.targets[0].store++;
    expect_look(fixture, "gone a\nfound a live\n");
    device->active.targets[0].origin++;
    expect_look(fixture, "gone a\nfound a live\n");
    device->number++;
    expect_look(fixture, "gone a\nfound a live\n");
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 1);
}

/* Another snapshot has a ladder, a rate and a loss of its own. */
static void test_reuse_begins_anew(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 75);
    expect_look(fixture, "found a live\ncrossed a 7\n");
    device->disk_sequence++;
    expect_look(fixture, "gone a\nfound a live\ncrossed a 7\n");
    set_state(device, SNAPSHOT_INVALID);
    expect_look(fixture, "lost a Invalid\n");
    device->disk_sequence++;
    expect_look(fixture, "gone a\nfound a live\nlost a Invalid\n");
    assert_false(fixture->herd.members[0]->has_sample);
}

/* Length, chunk size, kind and what waits are no identity: a merge or a growth keeps the member. */
static void test_changes_that_keep_a_member(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    const struct member *member = fixture->herd.members[0];
    device->active.targets[0].status.total_sectors *= 2;
    device->active.targets[0].length_sectors *= 2;
    device->suspended = true;
    device->open_count = 1;
    expect_look(fixture, "");
    device->active.targets[0].kind = TARGET_SNAPSHOT_MERGE;
    expect_look(fixture, "");
    assert_ptr_equal(fixture->herd.members[0], member);
    assert_int_equal(member->target.kind, TARGET_SNAPSHOT_MERGE);
    assert_int_equal(member->sample.total_sectors, 2 * TOTAL);
}

static void test_rename(void **state)
{
    struct fixture *fixture = *state;
    struct rung other[] = {RUNG(5, alert_action, "at 5% = alert"), RUNG(50, alert_action, "at 50% = alert")};
    struct policy policies[] = {
        {.pattern = "a*", .rungs = rungs, .n_rungs = 3, .hysteresis_centipercent = 200},
        {.pattern = "b*", .rungs = other, .n_rungs = 2, .hysteresis_centipercent = 200},
    };
    fixture->view.policies = policies;
    fixture->view.n_policies = 2;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 55);
    expect_look(fixture, "found a live\ncrossed a 1\n");
    const struct member *member = fixture->herd.members[0];
    assert_ptr_equal(member->policy, &policies[0]);
    strcpy(device->name, "b");
    expect_look(fixture, "renamed b\ncrossed b 1\n"); /* at 5%; at 50% stands in both and stays fired */
    assert_ptr_equal(fixture->herd.members[0], member);
    assert_ptr_equal(member->policy, &policies[1]);
    strcpy(device->name, "c");
    expect_look(fixture, "renamed c\n");
    assert_null(member->policy);
    strcpy(device->name, "a");
    expect_look(fixture, "renamed a\ncrossed a 1\n"); /* nothing guarded it meanwhile: all begins anew */
}

/* A name that goes to another device is that one's; members are told apart by device. */
static void test_names_swapped(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *a = add_snapshot(&fixture->seen, "a", 1, 10);
    add_snapshot(&fixture->seen, "b", 2, 55);
    expect_look(fixture, "found a live\nfound b live\ncrossed b 1\n");
    a = &fixture->seen.devices[0];
    strcpy(a->name, "b");
    strcpy(fixture->seen.devices[1].name, "a");
    expect_look(fixture, "renamed b\nrenamed a\n");
    assert_string_equal(fixture->herd.members[0]->name, "b");
    use_percent(a, 55);
    expect_look(fixture, "crossed b 1\n");
}

static void test_longest_names(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    memset(device->name, 'n', DM_NAME_BYTES - 1);
    memset(device->uuid, 'u', DM_UUID_BYTES - 1);
    fixture->now_usec += SECOND;
    assert_int_equal(herd_look(&fixture->herd, &fixture->seen, fixture->now_usec, &fixture->view), 0);
    assert_string_equal(fixture->herd.members[0]->name, device->name);
    assert_string_equal(fixture->herd.members[0]->uuid, device->uuid);
    device->name[0] = 'm';
    fixture->told[0] = '\0';
    fixture->now_usec += SECOND;
    assert_int_equal(herd_look(&fixture->herd, &fixture->seen, fixture->now_usec, &fixture->view), 0);
    assert_memory_equal(fixture->told, "renamed mnn", 11);
    assert_string_equal(fixture->herd.members[0]->name, device->name);
}

/* ---- two targets on one device */

static void test_two_targets(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    struct target second = snapshot_target(ORIGIN, STORE + 77, 55);
    second.start_sectors = 262144;
    dm_table_add(&device->active, &second);
    expect_look(fixture, "found a live\nfound a live\ncrossed a 1\n");
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 2);
    assert_false(fixture->herd.members[0]->alone);
    assert_false(fixture->herd.members[1]->alone);
    make_unreadable(device);
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 2);
    dm_device_done(device);
    fixture->seen.n_devices = 0;
    add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "gone a\n");
    assert_true(fixture->herd.members[0]->alone);
    assert_int_equal(fixture->herd.members[0]->target.start_sectors, 0);
}

/* The same origin and store twice on one device are two members, told apart by where they are. */
static void test_two_alike_targets(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    struct target second = device->active.targets[0];
    second.start_sectors = 262144;
    dm_table_add(&device->active, &second);
    expect_look(fixture, "found a live\nfound a live\n");
    use_percent(device, 55);
    expect_look(fixture, "crossed a 1\n");
    expect_sample(fixture, device, "", false);
}

static void test_a_linear_neighbour(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    assert_true(fixture->herd.members[0]->alone);
    struct target linear = {.kind = TARGET_LINEAR, .start_sectors = 262144};
    dm_table_add(&device->active, &linear);
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 1);
    assert_false(fixture->herd.members[0]->alone);
}

/* ---- role */

static void test_role(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    struct dm_device *origin_user = add_origin_user(&fixture->seen, TARGET_SNAPSHOT_ORIGIN);
    expect_look(fixture, "role a backup\n");
    expect_look(fixture, "");
    origin_user->active.targets[0].origin = ORIGIN + 100;
    expect_look(fixture, "role a live\n");
    assert_true(fixture->herd.members[0]->origin_user == 0);
    assert_int_equal(fixture->herd.members[0]->origin_user_disk_sequence, 0);
}

/* A sibling's merge writes to the origin: the system runs there. It is a snapshot itself, too. */
static void test_merging_sibling_is_an_origin_user(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    add_origin_user(&fixture->seen, TARGET_SNAPSHOT_MERGE);
    expect_look(fixture, "found a backup\nfound origin live\n");
    assert_true(fixture->herd.members[0]->origin_user == makedev(254, 50));
    assert_true(fixture->herd.members[1]->origin_user == 0); /* not its own */
}

static void test_role_forced(void **state)
{
    struct fixture *fixture = *state;
    struct policy policies[] = {{.pattern = "a", .role = ROLE_LIVE}, {.pattern = "b", .role = ROLE_BACKUP}};
    fixture->view.policies = policies;
    fixture->view.n_policies = 2;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    add_origin_user(&fixture->seen, TARGET_SNAPSHOT_ORIGIN);
    device = &fixture->seen.devices[0];
    expect_look(fixture, "");
    const struct member *member = fixture->herd.members[0];
    assert_true(member->role_forced);
    assert_true(member->origin_user == makedev(254, 50)); /* is known all the same */
    strcpy(device->name, "b");
    expect_look(fixture, "renamed b\nrole b backup\n");
    strcpy(device->name, "c");
    expect_look(fixture, "renamed c\n");
    assert_false(member->role_forced);
    dm_device_done(&fixture->seen.devices[1]);
    fixture->seen.n_devices = 1;
    expect_look(fixture, "role c live\n");
    strcpy(device->name, "b");
    expect_look(fixture, "renamed b\nrole b backup\n");
    assert_true(member->role_forced);
}

static void test_lookup_error_flips_no_role(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    add_origin_user(&fixture->seen, TARGET_SNAPSHOT_ORIGIN);
    expect_look(fixture, "found a backup\n");
    make_unreadable(&fixture->seen.devices[1]);
    expect_look(fixture, "");
    const struct member *member = fixture->herd.members[0];
    assert_int_equal(member->role, ROLE_BACKUP);
    assert_true(member->origin_user == makedev(254, 50)); /* as last seen */
    assert_int_equal(member->origin_user_disk_sequence, 150);
    dm_device_done(&fixture->seen.devices[1]);
    fixture->seen.n_devices = 1;
    expect_look(fixture, "role a live\n");
    make_unreadable(add_origin_user(&fixture->seen, TARGET_SNAPSHOT_ORIGIN));
    expect_look(fixture, "");
    assert_int_equal(member->role, ROLE_LIVE);
    assert_true(member->origin_user == 0);
    assert_string_equal(member->origin_user_name, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_number_is_reused),
        TEST(test_reuse_begins_anew),
        TEST(test_changes_that_keep_a_member),
        TEST(test_rename),
        TEST(test_names_swapped),
        TEST(test_longest_names),
        TEST(test_two_targets),
        TEST(test_two_alike_targets),
        TEST(test_a_linear_neighbour),
        TEST(test_role),
        TEST(test_merging_sibling_is_an_origin_user),
        TEST(test_role_forced),
        TEST(test_lookup_error_flips_no_role),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
