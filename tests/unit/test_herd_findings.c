/* herd: what each look tells of a member - in which order and how often. */
#include "fixture_herd.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- crossed and lost */

static void test_crossed_once(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 49);
    expect_look(fixture, "found a live\n");
    use_percent(device, 50);
    expect_look(fixture, "crossed a 1\n");
    expect_look(fixture, "");
    use_percent(device, 71);
    expect_look(fixture, "crossed a 6\n");
    use_percent(device, 69);
    expect_look(fixture, ""); /* within the hysteresis */
    use_percent(device, 71);
    expect_look(fixture, "");
    use_percent(device, 47);
    expect_look(fixture, "");
    use_percent(device, 65);
    expect_look(fixture, "crossed a 3\n");
}

static void test_lost_once(void **state)
{
    static const struct {
        enum snapshot_state state;
        const char *told;
    } states[] = {{SNAPSHOT_INVALID, "lost a Invalid\n"},
                  {SNAPSHOT_OVERFLOW, "lost a Overflow\n"},
                  {SNAPSHOT_MERGE_FAILED, "lost a Merge failed\n"}};

    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        set_state(device, states[i].state);
        expect_look(fixture, states[i].told);
        expect_look(fixture, "");
        set_state(device, SNAPSHOT_UNKNOWN);
        expect_look(fixture, ""); /* nothing is concluded from it */
        set_state(device, states[i].state);
        expect_look(fixture, "");
        set_valid(device, 10);
        expect_look(fixture, "");
    }
}

static void test_one_loss_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    set_state(device, SNAPSHOT_OVERFLOW);
    expect_look(fixture, "lost a Overflow\n");
    set_state(device, SNAPSHOT_INVALID);
    expect_look(fixture, "");
}

/* The last figures stay, for who tells of the loss. */
static void test_sample_of_a_lost_one(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 40);
    expect_look(fixture, "found a live\n");
    struct sample before = fixture->herd.members[0]->sample;
    set_state(device, SNAPSHOT_INVALID);
    expect_look(fixture, "lost a Invalid\n");
    const struct member *member = fixture->herd.members[0];
    assert_memory_equal(&member->sample, &before, sizeof(before));
    assert_int_equal(member->target.status.state, SNAPSHOT_INVALID);
    assert_int_equal(member->asked_usec, fixture->now_usec);
    set_state(device, SNAPSHOT_UNKNOWN);
    expect_look(fixture, "");
    assert_memory_equal(&member->sample, &before, sizeof(before));
}

static void test_unknown_from_the_start(void **state)
{
    struct fixture *fixture = *state;
    set_state(add_snapshot(&fixture->seen, "a", 1, 10), SNAPSHOT_UNKNOWN);
    expect_look(fixture, "found a live\n");
    assert_false(fixture->herd.members[0]->has_sample);
}

static void test_merging_climbs_no_ladder(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 80);
    device->active.targets[0].kind = TARGET_SNAPSHOT_MERGE;
    expect_look(fixture, "found a live\n");
    use_percent(device, 99);
    expect_look(fixture, "");
    set_state(device, SNAPSHOT_MERGE_FAILED);
    expect_look(fixture, "lost a Merge failed\n"); /* but it can be lost */
    set_valid(device, 80);
    device->active.targets[0].store = STORE + 1;
    device->active.targets[0].kind = TARGET_SNAPSHOT;
    expect_look(fixture, "crossed a 7\n");
}

static void test_without_policy(void **state)
{
    struct fixture *fixture = *state;
    fixture->view.n_policies = 0;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 99);
    expect_look(fixture, "found a live\n");
    assert_null(fixture->herd.members[0]->policy);
    set_state(device, SNAPSHOT_INVALID);
    expect_look(fixture, "lost a Invalid\n");
}

/* ---- between complete looks */

static void test_sample(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "b", 2, 10);
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found b live\nfound a live\n");
    use_percent(device, 62);
    uint64_t looked_usec = fixture->now_usec;
    expect_sample(fixture, device, "crossed a 3\n", false);
    expect_sample(fixture, device, "", false);
    assert_int_equal(fixture->herd.members[0]->sample.taken_usec, fixture->now_usec);
    assert_int_equal(fixture->herd.members[1]->sample.taken_usec, looked_usec); /* nobody else's */
    set_state(device, SNAPSHOT_INVALID);
    expect_sample(fixture, device, "lost a Invalid\n", false);
    expect_sample(fixture, device, "", false);
}

static void test_stale_sample(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    struct member before = *fixture->herd.members[0];
    struct dm_device another = *device;
    struct target target = snapshot_target(ORIGIN, STORE + 1, 90);
    another.active.targets = &target;
    strcpy(another.uuid, "another");
    expect_sample(fixture, &another, "", true);
    another = *device, another.active.targets = &target, another.disk_sequence++;
    expect_sample(fixture, &another, "", true);
    another = *device, another.active.targets = &target, target.store++;
    expect_sample(fixture, &another, "", true);
    target.store--, target.origin++;
    expect_sample(fixture, &another, "", true);
    target.origin--, target.kind = TARGET_LINEAR;
    expect_sample(fixture, &another, "", true);
    another.active.n_targets = 0; /* as when it could not be read */
    expect_sample(fixture, &another, "", true);
    assert_memory_equal(fixture->herd.members[0], &before, sizeof(before));
}

static void test_sample_of_nobody(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    struct observation other = {0};
    expect_sample(fixture, add_origin_user(&other, TARGET_SNAPSHOT_ORIGIN), "", false);
    observation_done(&other);
}

/* One of its two targets has changed: the other one's figures count, and a complete look is due. */
static void test_half_a_sample(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    struct target second = snapshot_target(ORIGIN, STORE + 77, 10);
    second.start_sectors = 262144;
    dm_table_add(&device->active, &second);
    expect_look(fixture, "found a live\nfound a live\n");
    use_percent(device, 55);
    expect_sample(fixture, device, "crossed a 1\n", false);
    device->active.n_targets = 1;
    use_percent(device, 62);
    expect_sample(fixture, device, "crossed a 2\n", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_crossed_once),           TEST(test_lost_once),
        TEST(test_one_loss_is_told_once),  TEST(test_sample_of_a_lost_one),
        TEST(test_unknown_from_the_start), TEST(test_merging_climbs_no_ladder),
        TEST(test_without_policy),         TEST(test_sample),
        TEST(test_stale_sample),           TEST(test_sample_of_nobody),
        TEST(test_half_a_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
