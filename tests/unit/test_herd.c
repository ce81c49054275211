/* herd: who is watched and for how long, and by which policy. */
#include "fixture_herd.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool without_memory;

/* Stand in for libc's, so that the lack of memory can be tried. */
void *reallocarray(void *memory, size_t n, size_t size)
{
    return without_memory ? NULL : realloc(memory, n * size);
}

/* ---- found and gone */

static void test_found_and_gone(void **state)
{
    struct fixture *fixture = *state;
    expect_look(fixture, "");
    add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 1);
    observation_done(&fixture->seen);
    expect_look(fixture, "gone a\n");
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 0);
}

static void test_only_snapshots_are_watched(void **state)
{
    struct fixture *fixture = *state;
    static const enum target_kind kinds[] = {TARGET_OTHER, TARGET_LINEAR, TARGET_ERROR,
                                             TARGET_SNAPSHOT_ORIGIN};
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct target target = {.kind = kinds[i], .origin = ORIGIN};
        dm_table_add(&add_device(&fixture->seen, "other", i)->active, &target);
    }
    struct target waiting = snapshot_target(ORIGIN, STORE, 10);
    dm_table_add(&add_device(&fixture->seen, "waiting", 9)->inactive, &waiting);
    expect_look(fixture, "");
}

/* The gone first, then the others in the order they are seen. */
static void test_order(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    add_snapshot(&fixture->seen, "b", 2, 10);
    add_snapshot(&fixture->seen, "c", 3, 10);
    expect_look(fixture, "found a live\nfound b live\nfound c live\n");
    observation_done(&fixture->seen);
    add_snapshot(&fixture->seen, "d", 4, 75);
    add_snapshot(&fixture->seen, "b", 2, 55);
    set_state(add_snapshot(&fixture->seen, "e", 5, 10), SNAPSHOT_OVERFLOW);
    expect_look(fixture, "gone a\ngone c\nfound d live\ncrossed d 7\ncrossed b 1\nfound e live\n"
                         "lost e Overflow\n");
}

static void test_many(void **state)
{
    struct fixture *fixture = *state;
    char name[16];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "s%u", i);
        add_snapshot(&fixture->seen, name, i, 10);
    }
    assert_int_equal(herd_look(&fixture->herd, &fixture->seen, SECOND, &fixture->view), 0);
    assert_int_equal(fixture->herd.n_members, 100);
    for (unsigned i = 0; i < 100; i += 2)
        fixture->seen.devices[i].active.targets[0].kind = TARGET_LINEAR;
    assert_int_equal(herd_look(&fixture->herd, &fixture->seen, 2 * SECOND, &fixture->view), 0);
    assert_int_equal(fixture->herd.n_members, 50);
    for (unsigned i = 0; i < 50; i++)
        assert_true(fixture->herd.members[i]->device == makedev(254, 2 * i + 1));
}

/* Found in any order, each is known again, and gone alone. */
static void test_many_in_disorder(void **state)
{
    struct fixture *fixture = *state;
    char name[16];
    for (unsigned i = 0; i < 101; i++) {
        unsigned number = i * 37 % 101;
        snprintf(name, sizeof(name), "s%u", number);
        add_snapshot(&fixture->seen, name, number, 10);
    }
    assert_int_equal(herd_look(&fixture->herd, &fixture->seen, SECOND, &fixture->view), 0);
    assert_int_equal(fixture->herd.n_members, 101);
    expect_look(fixture, "");
    for (unsigned i = 0; i < 101; i++)
        assert_true(fixture->herd.members[i]->device == makedev(254, i));
    fixture->seen.devices[7].active.targets[0].kind = TARGET_LINEAR;
    snprintf(name, sizeof(name), "gone s%u\n", 7 * 37 % 101);
    expect_look(fixture, name);
}

static void test_what_a_member_knows(void **state)
{
    struct fixture *fixture = *state;
    add_origin_user(&fixture->seen, TARGET_SNAPSHOT_ORIGIN);
    add_snapshot(&fixture->seen, "a", 1, 25);
    expect_look(fixture, "found a backup\n");
    const struct member *member = fixture->herd.members[0];
    assert_string_equal(member->name, "a");
    assert_string_equal(member->uuid, "uuid-1");
    assert_true(member->device == makedev(254, 1));
    assert_int_equal(member->disk_sequence, 101);
    assert_true(member->target.origin == ORIGIN && member->target.store == STORE + 1);
    assert_true(member->alone);
    assert_false(member->role_forced);
    assert_true(member->origin_user == makedev(254, 50));
    assert_int_equal(member->origin_user_disk_sequence, 150);
    assert_string_equal(member->origin_user_name, "origin");
    assert_string_equal(member->origin_user_uuid, "uuid-50");
    assert_ptr_equal(member->policy, &any_policy);
    assert_int_equal(member->asked_usec, fixture->now_usec);
    assert_true(member->has_sample);
    assert_int_equal(member->sample.taken_usec, fixture->now_usec);
    assert_int_equal(member->sample.used_sectors, TOTAL / 4);
    assert_int_equal(member->sample.total_sectors, TOTAL);
    assert_int_equal(member->sample.bytes_left, member->sample.chunks_left * 4096);
    /* 8192 chunks: 2 for header and first area, 31 areas of 256 more; 2048 are used, 8 of them metadata */
    assert_int_equal(member->sample.chunks_left, 8159 - 2039);
    assert_true(member->sample.time_left_usec == TIME_UNKNOWN_USEC);
}

static void test_rate(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    device->active.targets[0].status.used_sectors += 2048; /* a MiB in a second */
    expect_look(fixture, "");
    const struct member *member = fixture->herd.members[0];
    assert_int_equal(member->sample.peak_bytes_per_second, 1048576);
    assert_int_equal(member->sample.rate_bytes_per_second, 1048576 / 6); /* dt / (dt + window) */
    assert_true(member->sample.time_left_usec != TIME_UNKNOWN_USEC);
}

/* What is said between two looks takes nothing into the member. */
static void test_preview(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    struct snapshot_status status = device->active.targets[0].status;
    expect_look(fixture, "found a live\n");
    const struct member *member = fixture->herd.members[0];
    struct sample before = member->sample, sample = {0};
    uint64_t now_usec = before.taken_usec + 1000000;
    status.used_sectors += 2048;
    status.total_sectors += 8192;
    assert_true(herd_preview(member, &status, now_usec, 0, &sample));
    assert_int_equal(sample.taken_usec, now_usec);
    assert_int_equal(sample.used_sectors, before.used_sectors + 2048);
    assert_int_equal(sample.total_sectors, before.total_sectors + 8192);
    assert_int_equal(sample.peak_bytes_per_second, 1048576);
    assert_memory_equal(&member->sample, &before, sizeof(before));
    assert_int_equal(member->rate.peak_bytes_per_second, 0);
    status.state = SNAPSHOT_INVALID;
    sample.taken_usec = 7;
    assert_false(herd_preview(member, &status, now_usec, 0, &sample));
    assert_int_equal(sample.taken_usec, 7);
}

/* ---- lookup errors */

static void test_lookup_error_forgets_nobody(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 55);
    add_snapshot(&fixture->seen, "b", 2, 10);
    expect_look(fixture, "found a live\ncrossed a 1\nfound b live\n");
    uint64_t asked_usec = fixture->now_usec;
    make_unreadable(&fixture->seen.devices[0]);
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 2);
    assert_int_equal(fixture->herd.members[0]->asked_usec, asked_usec); /* nobody was asked */
    assert_int_equal(fixture->herd.members[1]->asked_usec, fixture->now_usec);
    observation_done(&fixture->seen);
    add_snapshot(&fixture->seen, "a", 1, 55);
    expect_look(fixture, "gone b\n"); /* and a has not been forgotten: at 50% has fired */
}

static void test_lookup_error_of_another_keeps_nobody(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    add_snapshot(&fixture->seen, "b", 2, 10);
    expect_look(fixture, "found a live\nfound b live\n");
    observation_done(&fixture->seen);
    make_unreadable(add_snapshot(&fixture->seen, "a", 1, 10));
    expect_look(fixture, "gone b\n"); /* the kernel does not list it */
}

/* ---- ours */

static bool owns(const struct dm_device *device, const struct target *target, void *user)
{
    assert_non_null(user);
    return strcmp(device->name, "origin") == 0 && target->kind == TARGET_SNAPSHOT_MERGE;
}

static void test_ours_is_no_member(void **state)
{
    struct fixture *fixture = *state;
    fixture->view.is_ours = owns;
    add_snapshot(&fixture->seen, "a", 1, 10);
    add_origin_user(&fixture->seen, TARGET_SNAPSHOT_MERGE);
    expect_look(fixture, "found a backup\n"); /* it uses the origin all the same */
    fixture->view.is_ours = NULL;
    expect_look(fixture, "found origin live\n");
    fixture->view.is_ours = owns;
    expect_look(fixture, "gone origin\n");
}

/* ---- policies */

static void test_set_policies(void **state)
{
    struct fixture *fixture = *state;
    struct rung changed[] = {
        RUNG(40, alert_action, "at 40% = alert"),
        RUNG(70, drop_action, "at 70% = drop"),
        RUNG(50, alert_action, "at 50% = alert"),
    };
    struct policy policy = {.pattern = "*", .rungs = changed, .n_rungs = 3, .hysteresis_centipercent = 200};
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 55);
    expect_look(fixture, "found a live\ncrossed a 1\n");
    herd_set_policies(&fixture->herd, &policy, 1);
    fixture->view.policies = &policy;
    assert_ptr_equal(fixture->herd.members[0]->policy, &policy);
    expect_look(fixture, "crossed a 1\n"); /* the new one alone */
    use_percent(device, 71);
    expect_look(fixture, "crossed a 2\n");
    herd_set_policies(&fixture->herd, NULL, 0);
    assert_null(fixture->herd.members[0]->policy);
    fixture->view.n_policies = 0;
    expect_look(fixture, "");
    herd_set_policies(&fixture->herd, &any_policy, 1);
    fixture->view = (struct herd_view){
        .policies = &any_policy, .n_policies = 1, .tell = take_finding, .user = fixture};
    expect_look(fixture, "crossed a 7\n");
}

static void test_policies_by_uuid(void **state)
{
    struct fixture *fixture = *state;
    struct policy policies[] = {{.pattern = "*"}, {.pattern = "uuid-2", .by_uuid = true}};
    fixture->view.policies = policies;
    fixture->view.n_policies = 2;
    add_snapshot(&fixture->seen, "a", 1, 10);
    add_snapshot(&fixture->seen, "b", 2, 10);
    expect_look(fixture, "found a live\nfound b live\n");
    assert_ptr_equal(fixture->herd.members[0]->policy, &policies[0]);
    assert_ptr_equal(fixture->herd.members[1]->policy, &policies[1]);
}

/* ---- the fullest */

static void test_fullest(void **state)
{
    struct fixture *fixture = *state;
    assert_null(herd_fullest(&fixture->herd));
    add_snapshot(&fixture->seen, "a", 1, 20);
    add_snapshot(&fixture->seen, "b", 2, 45);
    set_state(add_snapshot(&fixture->seen, "c", 3, 10), SNAPSHOT_INVALID);
    add_snapshot(&fixture->seen, "d", 4, 45);
    expect_look(fixture, "found a live\nfound b live\nfound c live\nlost c Invalid\nfound d live\n");
    assert_ptr_equal(herd_fullest(&fixture->herd), fixture->herd.members[1]);
    set_state(&fixture->seen.devices[1], SNAPSHOT_INVALID); /* its last sample stays the fullest */
    set_state(&fixture->seen.devices[3], SNAPSHOT_UNKNOWN);
    expect_look(fixture, "lost b Invalid\n");
    assert_ptr_equal(herd_fullest(&fixture->herd), fixture->herd.members[0]);
    set_state(&fixture->seen.devices[0], SNAPSHOT_INVALID);
    expect_look(fixture, "lost a Invalid\n");
    assert_null(herd_fullest(&fixture->herd));
}

/* ---- without memory */

static void test_without_memory(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    without_memory = true;
    int r = herd_look(&fixture->herd, &fixture->seen, SECOND, &fixture->view);
    without_memory = false;
    assert_int_equal(r, -ENOMEM);
    assert_string_equal(fixture->told, "");
    assert_int_equal(fixture->herd.n_members, 0);
    expect_look(fixture, "found a live\n"); /* the next look finds it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_found_and_gone),
        TEST(test_only_snapshots_are_watched),
        TEST(test_order),
        TEST(test_many),
        TEST(test_many_in_disorder),
        TEST(test_what_a_member_knows),
        TEST(test_rate),
        TEST(test_preview),
        TEST(test_lookup_error_forgets_nobody),
        TEST(test_lookup_error_of_another_keeps_nobody),
        TEST(test_ours_is_no_member),
        TEST(test_set_policies),
        TEST(test_policies_by_uuid),
        TEST(test_fullest),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
