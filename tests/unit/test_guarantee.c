/* guarantee: each verdict, and what turns it. */
#include "fixture_guarantee.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- what is not a matter of time */

static void test_states(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    assert_int_equal(verdict(&fixture), GUARANTEE_NOTHING_ACTS);
    only_rung(&fixture, 5000, ACTION_ALERT);
    assert_int_equal(verdict(&fixture), GUARANTEE_NOTHING_ACTS);
    add_rung(&fixture, CONDITION_LOST, 0, ACTION_DROP, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_NOTHING_ACTS);
    add_rung(&fixture, CONDITION_TIME, 3600 * SECOND, ACTION_DROP, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_NO_HEIGHT);
    add_rung(&fixture, CONDITION_USED, 100, ACTION_DROP, 0);
    fixture.subject.took_usec[ACTION_DROP] = 2 * MSEC;
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.member.policy = NULL;
    assert_int_equal(verdict(&fixture), GUARANTEE_NOTHING_ACTS);
    fixture.member.policy = &fixture.policy;
    fixture.bounds.dry_run = true;
    assert_int_equal(verdict(&fixture), GUARANTEE_DRY_RUN);
    fixture.member.target.length_sectors = 60 * MIB / SECTOR_BYTES;
    assert_int_equal(verdict(&fixture), GUARANTEE_NEVER_FULL);
    fixture.member.target.kind = TARGET_SNAPSHOT_MERGE;
    assert_int_equal(verdict(&fixture), GUARANTEE_MERGING);
    fixture.member.target.status.state = SNAPSHOT_INVALID;
    assert_int_equal(verdict(&fixture), GUARANTEE_UNKNOWN);
    fixture.member.target.status.state = SNAPSHOT_VALID;
    fixture.member.has_sample = false;
    assert_int_equal(verdict(&fixture), GUARANTEE_UNKNOWN);
}

/* Exactly F(origin chunks): one chunk less, and it can fill. */
static void test_never_full_is_exact(void **state)
{
    (void)state;
    struct fixture fixture;
    for (uint64_t chunks = 1; chunks < 3000; chunks += 13) {
        begin(&fixture);
        struct exception_store store = store_of(&fixture.member);
        uint64_t bytes = exception_store_chunks_needed(&store, chunks) * 4 * KIB;
        fixture.member.target.length_sectors = chunks * 8;
        set_store(&fixture, bytes, 8);
        assert_int_equal(verdict(&fixture), GUARANTEE_NEVER_FULL);
        set_store(&fixture, bytes - SECTOR_BYTES, 8);
        assert_int_equal(verdict(&fixture), GUARANTEE_NOTHING_ACTS);
    }
}

/* What was measured counts where it is faster than what is assumed. */
static void test_peak_counts(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    only_rung(&fixture, 1000, ACTION_DROP);
    fixture.bounds.pacing.assumed_bytes_per_second = MIB;
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.member.sample.peak_bytes_per_second = 1024 * MIB;
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    assert_int_equal(fixture.guarantee.rungs[0].bytes_per_second, 1024 * MIB);
}

/* Of the lowest, not of the best: those above wait for its child. */
static void test_the_lowest_decides(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    set_store(&fixture, 1024 * MIB, 8);
    fixture.subject.took_usec[ACTION_EXTEND] = 3 * SECOND;
    fixture.subject.took_usec[ACTION_DROP] = MSEC;
    add_rung(&fixture, CONDITION_USED, 6000, ACTION_EXTEND, 1024 * MIB);
    add_rung(&fixture, CONDITION_USED, 8500, ACTION_DROP, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    assert_int_equal(fixture.guarantee.decisive, 0);
    assert_int_equal(fixture.guarantee.rungs[1].verdict, GUARANTEE_IN_TIME);
    fixture.member.ladder.marks[0].fired = true; /* it has come to nothing */
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    assert_int_equal(fixture.guarantee.n_rungs, 1);
}

/* Two within one look's reach: the later written is carried out, and its time counts. */
static void test_crossed_together(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.subject.took_usec[ACTION_DROP] = MSEC;
    fixture.subject.took_usec[ACTION_MERGE] = 2 * SECOND;
    add_rung(&fixture, CONDITION_USED, 5000, ACTION_DROP, 0);
    add_rung(&fixture, CONDITION_USED, 6000, ACTION_MERGE, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    fixture.rungs[1].condition.value = 9500; /* 28 MiB further: not in 50 ms */
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.rungs[1].condition = (struct condition){CONDITION_TIME, 1000 * SECOND}; /* at any moment */
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
}

/* A rung of "TIME left" may have its child at work when a later one is crossed, which then waits for it. */
static void test_waits_for_a_time_rung(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.subject.took_usec[ACTION_DROP] = MSEC;
    fixture.subject.took_usec[ACTION_MERGE] = 2 * SECOND;
    add_rung(&fixture, CONDITION_TIME, 1000 * SECOND, ACTION_MERGE, 0);
    add_rung(&fixture, CONDITION_USED, 5000, ACTION_DROP, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    assert_int_equal(fixture.guarantee.decisive, 1);
    assert_int_equal(fixture.guarantee.rungs[1].action_usec, 2001 * MSEC);
    fixture.subject.took_usec[ACTION_MERGE] = MSEC;
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
}

/* ---- with the brake */

static void test_who_can_be_held(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.bounds.brake = true;
    fixture.bounds.pacing.assumed_bytes_per_second = 64 * MIB;
    fixture.subject.took_usec[ACTION_DROP] = fixture.subject.took_usec[ACTION_MERGE] = 2 * SECOND;
    only_rung(&fixture, 5000, ACTION_DROP);
    assert_int_equal(verdict(&fixture), GUARANTEE_HELD);
    fixture.member.origin_user = 0; /* nobody to hold */
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    fixture.member.role = ROLE_LIVE;
    assert_int_equal(verdict(&fixture), GUARANTEE_HELD);
    strcpy(fixture.member.uuid, "LVM-x"); /* lvremove would wait for those who are held */
    strcpy(fixture.member.name, "vg-s");
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    fixture.actions[0].kind = ACTION_MERGE;
    assert_int_equal(verdict(&fixture), GUARANTEE_HELD);
    fixture.bounds.brake = false;
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
}

/* ---- extensions */

static void test_extension_must_gain(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    set_store(&fixture, 1024 * MIB, 8);
    fixture.subject.took_usec[ACTION_EXTEND] = 350 * MSEC; /* with the look: 100 MiB at 250 MiB/s */
    fixture.bounds.pacing.assumed_bytes_per_second = 250 * MIB;
    add_rung(&fixture, CONDITION_USED, 5000, ACTION_EXTEND, 100 * MIB);
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.actions[0].amount = 99 * MIB;
    assert_int_equal(verdict(&fixture), GUARANTEE_TOO_LITTLE);
    assert_non_null(strstr(text(&fixture), "extend by 100 MiB or more"));
    fixture.actions[0] = (struct action){.kind = ACTION_EXTEND, .is_percent = true, .amount = 1000};
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.policy.extend_limit_bytes = 1100 * MIB;
    assert_int_equal(verdict(&fixture), GUARANTEE_TOO_LITTLE);
    fixture.member.target.length_sectors = 1060 * MIB / SECTOR_BYTES; /* then it can never fill */
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
}

/* 8.4 MiB go until it has come: 6.4 until the writers are held, 2 while they are. */
static void test_held_extension_must_gain(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.bounds.brake = true;
    fixture.bounds.pacing.assumed_bytes_per_second = 64 * MIB;
    fixture.subject.took_usec[ACTION_EXTEND] = 2 * SECOND;
    add_rung(&fixture, CONDITION_USED, 5000, ACTION_EXTEND, 9 * MIB);
    assert_int_equal(verdict(&fixture), GUARANTEE_HELD);
    fixture.actions[0].amount = 8 * MIB;
    assert_int_equal(verdict(&fixture), GUARANTEE_TOO_LITTLE);
}

/* ---- whether it can act at all: as the plan says of the tables */

static void see(struct observation *seen, struct fixture *fixture, unsigned open_count,
                unsigned origin_open_count)
{
    struct dm_device *snapshot = observation_add(seen);
    strcpy(snapshot->name, "s");
    snapshot->number = fixture->member.device;
    snapshot->open_count = open_count;
    fixture->member.target.status.used_sectors = fixture->member.sample.used_sectors;
    fixture->member.target.status.total_sectors = fixture->member.sample.total_sectors;
    assert_int_equal(dm_table_add(&snapshot->active, &fixture->member.target), 0);
    struct dm_device *origin = observation_add(seen);
    strcpy(origin->name, "o");
    origin->number = fixture->member.origin_user;
    origin->open_count = origin_open_count;
    struct target target = {.kind = TARGET_SNAPSHOT_ORIGIN,
                            .origin = fixture->member.target.origin,
                            .length_sectors = fixture->member.target.length_sectors};
    assert_int_equal(dm_table_add(&origin->active, &target), 0);
    fixture->subject.seen = seen;
}

static void test_can_it_act(void **state)
{
    (void)state;
    struct fixture fixture;
    struct observation closed = {0}, open = {0}, mounted = {0};
    begin(&fixture);
    only_rung(&fixture, 1000, ACTION_DROP);
    fixture.subject.took_usec[ACTION_DROP] = fixture.subject.took_usec[ACTION_MERGE] = MSEC;
    see(&closed, &fixture, 0, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    see(&open, &fixture, 1, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_CANNOT_ACT);
    assert_string_equal(text(&fixture),
                        "drop cannot be carried out now: the snapshot is open; the rung is \"a rung\"");
    fixture.policy.drop_open = true;
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    see(&mounted, &fixture, 0, 1);
    only_rung(&fixture, 1000, ACTION_MERGE);
    assert_int_equal(verdict(&fixture), GUARANTEE_CANNOT_ACT);
    add_rung(&fixture, CONDITION_USED, 2000, ACTION_DROP, 0); /* while that one cannot, this one does */
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    assert_int_equal(fixture.guarantee.decisive, 1);
    fixture.actions[0].kind = ACTION_DROP; /* the other way round the merge would take its place */
    fixture.actions[1].kind = ACTION_MERGE;
    assert_int_equal(verdict(&fixture), GUARANTEE_OUTRANKED);
    fixture.rungs[1].condition.value = 9900;
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.member.alone = false;
    assert_int_equal(verdict(&fixture), GUARANTEE_CANNOT_ACT);
    observation_done(&closed);
    observation_done(&open);
    observation_done(&mounted);
}

/* ---- on the way */

static void test_passed(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    only_rung(&fixture, 2000, ACTION_DROP);
    fixture.subject.took_usec[ACTION_DROP] = 50 * MSEC; /* with the look 25.6 MiB of 64 */
    struct exception_store store = store_of(&fixture.member);
    uint64_t capacity = exception_store_capacity(&store);
    use(&fixture.member, capacity - 6600);
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    use(&fixture.member, capacity - 6500);
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    assert_int_equal(fixture.guarantee.rungs[0].suggested_percent, 0);
}

static void test_under_way(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    only_rung(&fixture, 2000, ACTION_DROP);
    fixture.subject.took_usec[ACTION_DROP] = 50 * MSEC;
    fixture.member.ladder.marks[0].fired = true;
    assert_int_equal(verdict(&fixture), GUARANTEE_NOTHING_ACTS);
    fixture.subject.under_way = 0;
    fixture.subject.under_way_used_sectors = fixture.member.sample.total_sectors / 2;
    struct exception_store store = store_of(&fixture.member);
    use(&fixture.member, exception_store_capacity(&store)); /* while it comes */
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.subject.under_way_reason = "no space";
    assert_string_equal(text(&fixture), "drop cannot be carried out now: no space; the rung is \"a rung\"");
    add_rung(&fixture, CONDITION_USED, 3000, ACTION_DROP, 0); /* a later one may have to wait for its child */
    use(&fixture.member, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    assert_int_equal(fixture.guarantee.rungs[1].action_usec, 100 * MSEC);
}

/* No rung may begin anything then; what is under way has its own word. */
static void test_held_by_an_operator(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    only_rung(&fixture, 6000, ACTION_DROP);
    fixture.subject.took_usec[ACTION_DROP] = 12 * MSEC;
    assert_true(guarantee_verdict_holds(verdict(&fixture)));
    fixture.subject.held = "held by root until 12:30:00";
    assert_string_equal(
        text(&fixture),
        "drop cannot be carried out now: held by root until 12:30:00; the rung is \"a rung\"");
    assert_int_equal(verdict(&fixture), GUARANTEE_CANNOT_ACT);
    fixture.subject.under_way = 0;
    assert_true(guarantee_verdict_holds(verdict(&fixture)));
}

/* An order at work is waited for by every rung: at 60 % there are 99 ms. */
static void test_an_order_at_work(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    only_rung(&fixture, 6000, ACTION_DROP);
    fixture.subject.took_usec[ACTION_DROP] = 12 * MSEC;
    fixture.subject.order_usec = 30 * MSEC;
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.subject.order_usec = 60 * MSEC;
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
}

/* Nothing overflows, whatever the figures. */
static void test_extremes(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 511, 4096, MIB, UINT64_MAX / 512, UINT64_MAX};
    for (unsigned i = 0; i < 7 * 7 * 7 * 7; i++) {
        struct fixture fixture;
        begin(&fixture);
        only_rung(&fixture, 5000, i % 2 ? ACTION_EXTEND : ACTION_DROP);
        add_rung(&fixture, CONDITION_FREE, values[i % 7], ACTION_EXTEND, values[i % 7]);
        fixture.bounds.brake = true;
        fixture.bounds.engage_usec = values[i / 7 % 7];
        fixture.bounds.pacing.late_usec = values[i / 49 % 7];
        fixture.bounds.pacing.assumed_bytes_per_second = values[i / 343];
        fixture.subject.took_usec[ACTION_EXTEND] = values[i % 5];
        fixture.member.sample.total_sectors = values[i / 7 % 7];
        fixture.member.target.chunk_sectors = (uint32_t)values[i % 3];
        fixture.member.target.length_sectors = UINT64_MAX;
        assert_in_range(strlen(text(&fixture)), 1, GUARANTEE_TEXT_MAX - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_never_full_is_exact),
        cmocka_unit_test(test_peak_counts),
        cmocka_unit_test(test_the_lowest_decides),
        cmocka_unit_test(test_crossed_together),
        cmocka_unit_test(test_waits_for_a_time_rung),
        cmocka_unit_test(test_who_can_be_held),
        cmocka_unit_test(test_extension_must_gain),
        cmocka_unit_test(test_held_extension_must_gain),
        cmocka_unit_test(test_can_it_act),
        cmocka_unit_test(test_passed),
        cmocka_unit_test(test_under_way),
        cmocka_unit_test(test_held_by_an_operator),
        cmocka_unit_test(test_an_order_at_work),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
