/* brake: the rate by hand, and stores that are filled as fast as it allows until the action comes. */
#include "cowherd/brake.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define KIB    (UINT64_C(1) << 10)
#define MIB    (UINT64_C(1) << 20)
#define MSEC   UINT64_C(1000)
#define SECOND (1000 * MSEC)

#define SLICE_USEC (100 * MSEC) /* that io.max lets through at once when it is set */

/* 16 MiB left in chunks of 4 KiB, an action of 3 s. */
static const struct brake_subject usual = {
    .chunks_left = 4096,
    .chunk_bytes = 4 * KIB,
    .fastest_bytes_per_second = 256 * MIB,
    .expected_usec = 3 * SECOND,
};

/* Its first attempt has gone on for so long. */
static struct brake_rate rate_after(struct brake_subject subject, uint64_t usec)
{
    subject.elapsed_usec = subject.attempt_usec = usec;
    return brake_rate(&subject);
}

static void test_rate(void **state)
{
    (void)state;
    assert_int_equal(rate_after(usual, 0).bytes_per_second, 16 * MIB / 6);
    assert_int_equal(rate_after(usual, 0).writes_per_second, 4096 / 6);
    assert_int_equal(rate_after(usual, SECOND).bytes_per_second, 4 * MIB);
    /* past a third it is expected to take twice as long as it has */
    assert_int_equal(rate_after(usual, 2 * SECOND).bytes_per_second, 2 * MIB);
    assert_int_equal(rate_after(usual, 4 * SECOND).bytes_per_second, 1 * MIB);
    assert_int_equal(rate_after(usual, 4 * SECOND).writes_per_second, 256);
}

/* Whatever time has gone by since the action was wanted: while the next attempt is waited for all of it is still to come, and
 * then what that one has not done; but never less than twice what it has taken so far. */
static void test_failed_attempt(void **state)
{
    (void)state;
    struct brake_subject subject = usual;
    subject.elapsed_usec = SECOND;
    assert_int_equal(brake_rate(&subject).bytes_per_second, 16 * MIB / 6);
    subject.elapsed_usec = 1500 * MSEC;
    subject.attempt_usec = 500 * MSEC;
    assert_int_equal(brake_rate(&subject).bytes_per_second, 16 * MIB / 6);
    subject.expected_usec = 6 * SECOND;
    assert_int_equal(brake_rate(&subject).bytes_per_second, 16 * MIB / 11);
    subject.elapsed_usec = 4 * SECOND;
    assert_int_equal(brake_rate(&subject).bytes_per_second, 1 * MIB);
}

static void test_cautious(void **state)
{
    (void)state;
    struct brake_subject subject = usual;
    subject.expected_usec = 200 * MSEC; /* may take longer than it ever has */
    assert_int_equal(brake_rate(&subject).bytes_per_second, 16 * MIB / 6);
    subject.expected_usec = 6 * SECOND;
    assert_int_equal(brake_rate(&subject).bytes_per_second, 16 * MIB / 12);
}

static void test_floor(void **state)
{
    (void)state;
    struct brake_subject subject = usual;
    subject.chunks_left = 1;
    assert_int_equal(brake_rate(&subject).bytes_per_second, BRAKE_FLOOR_BYTES_PER_SECOND);
    assert_int_equal(brake_rate(&subject).writes_per_second, BRAKE_FLOOR_WRITES_PER_SECOND);
    subject.chunks_left = 0;
    assert_int_equal(brake_rate(&subject).bytes_per_second, BRAKE_FLOOR_BYTES_PER_SECOND);
    subject.chunk_bytes = 512 * KIB; /* many bytes, few writes */
    subject.chunks_left = 24;
    assert_int_equal(brake_rate(&subject).bytes_per_second, 2 * MIB);
    assert_int_equal(brake_rate(&subject).writes_per_second, BRAKE_FLOOR_WRITES_PER_SECOND);
}

static void test_extremes(void **state)
{
    (void)state;
    struct brake_subject subject = {.chunks_left = UINT64_MAX, .chunk_bytes = UINT64_MAX};
    assert_true(brake_rate(&subject).bytes_per_second == UINT64_MAX);
    assert_false(brake_is_needed(&subject));
    subject = (struct brake_subject){.fastest_bytes_per_second = UINT64_MAX,
                                     .elapsed_usec = UINT64_MAX,
                                     .expected_usec = UINT64_MAX,
                                     .chunks_left = 1000};
    assert_int_equal(brake_rate(&subject).bytes_per_second, BRAKE_FLOOR_BYTES_PER_SECOND);
}

static void test_needed(void **state)
{
    (void)state;
    struct brake_subject subject = usual;
    assert_true(brake_is_needed(&subject));
    subject.chunks_left = 6 * 256 * 256; /* exactly what comes in twice the time */
    assert_false(brake_is_needed(&subject));
    subject.chunks_left--;
    assert_true(brake_is_needed(&subject));
    subject.chunks_left = 10 * 256 * 256;
    assert_false(brake_is_needed(&subject));
    subject.elapsed_usec = 6 * SECOND; /* it takes longer than expected */
    assert_true(brake_is_needed(&subject));
}

static void test_expected(void **state)
{
    (void)state;
    assert_int_equal(brake_expected_usec(0, false, 50 * MSEC), BRAKE_DM_USEC);
    assert_int_equal(brake_expected_usec(0, true, 50 * MSEC), BRAKE_LVM_USEC);
    assert_int_equal(brake_expected_usec(700 * MSEC, true, 50 * MSEC), 700 * MSEC);
    assert_int_equal(brake_expected_usec(3 * MSEC, false, 50 * MSEC), 100 * MSEC);
}

static void test_differs(void **state)
{
    (void)state;
    struct brake_rate held = {1000 * KIB, 1000};
    assert_false(brake_rate_differs(held, (struct brake_rate){1000 * KIB, 1000}));
    assert_false(brake_rate_differs(held, (struct brake_rate){900 * KIB, 1100}));
    assert_true(brake_rate_differs(held, (struct brake_rate){899 * KIB, 1000}));
    assert_true(brake_rate_differs(held, (struct brake_rate){1000 * KIB, 1101}));
    assert_true(brake_rate_differs(held, BRAKE_FREE));
    assert_true(brake_rate_differs(BRAKE_FREE, held));
    assert_false(brake_rate_differs(BRAKE_FREE, BRAKE_FREE));
}

static void test_min(void **state)
{
    (void)state;
    struct brake_rate least = brake_rate_min((struct brake_rate){5, 70}, (struct brake_rate){6, 60});
    assert_int_equal(least.bytes_per_second, 5);
    assert_int_equal(least.writes_per_second, 60);
}

/* ---- a store that is filled as fast as the brake allows */

struct filling {
    struct brake_subject subject;
    unsigned groups;      /* each may write at the rate */
    unsigned write_costs; /* chunks that each write costs beside its bytes' */
    uint64_t look_usec;
    uint64_t slice_usec; /* of its rate, that comes at once when a limit is set */
};

/* In a time at that rate. */
static double filled(const struct filling *filling, struct brake_rate held, uint64_t usec)
{
    double bytes = (double)held.bytes_per_second / (double)filling->subject.chunk_bytes;
    double writes = filling->write_costs * (double)held.writes_per_second;
    return filling->groups * (bytes + writes) * (double)usec / SECOND;
}

/* The chunks that are left after that time; a rate is replaced only where it differs enough, and then a slice comes at once. */
static uint64_t left_after(struct filling filling, uint64_t usec)
{
    struct brake_subject *subject = &filling.subject;
    struct brake_rate held = BRAKE_FREE;
    double left = (double)subject->chunks_left;
    for (uint64_t now = 0; now < usec && left >= 1; now += MSEC) {
        if (now % filling.look_usec == 0) {
            subject->chunks_left = (uint64_t)left;
            subject->elapsed_usec = subject->attempt_usec = now;
            struct brake_rate rate = brake_rate(subject);
            if (brake_rate_differs(held, rate)) {
                held = rate;
                left -= filled(&filling, held, filling.slice_usec);
            }
        }
        left -= filled(&filling, held, MSEC);
    }
    return left < 1 ? 0 : (uint64_t)left;
}

static struct filling filling_of(uint64_t store_left, uint64_t chunk_bytes, uint64_t expected_usec)
{
    return (struct filling){
        .subject = {.chunks_left = store_left / chunk_bytes,
                    .chunk_bytes = chunk_bytes,
                    .expected_usec = expected_usec},
        .groups = 1,
        .look_usec = 50 * MSEC,
        .slice_usec = SLICE_USEC,
    };
}

/* Whatever the store, the chunk and the action: it survives with a third to spare, also two groups that write at the rate
 * each, and writes that cost two chunks more each; and four groups, unless all is over within a few looks or the floor
 * alone is too much. */
static void test_in_time(void **state)
{
    (void)state;
    for (uint64_t left = 16 * MIB; left <= 1024 * MIB; left *= 4)
        for (uint64_t chunk = 4 * KIB; chunk <= 64 * KIB; chunk *= 2)
            for (uint64_t expected = 200 * MSEC; expected <= 6 * SECOND; expected *= 3) {
                struct filling filling = filling_of(left, chunk, expected);
                assert_true(left_after(filling, expected) > filling.subject.chunks_left / 3);
                filling.groups = 2;
                assert_true(left_after(filling, expected) > filling.subject.chunks_left / 8);
                filling.groups = 4;
                assert_true(left_after(filling, expected) > 0 || expected < 500 * MSEC || left < 64 * MIB);
                filling.groups = 1;
                filling.write_costs = 2;
                assert_true(left_after(filling, expected) > 0);
            }
}

/* An action that was expected to take a fraction of a second and takes three; one of three that takes thirty. */
static void test_longer_than_expected(void **state)
{
    (void)state;
    assert_true(left_after(filling_of(16 * MIB, 4 * KIB, 100 * MSEC), 3 * SECOND) > 4096 / 8);
    assert_true(left_after(filling_of(16 * MIB, 64 * KIB, 200 * MSEC), 3 * SECOND) > 256 / 4);
    struct filling filling = filling_of(64 * MIB, 4 * KIB, 3 * SECOND);
    assert_true(left_after(filling, 30 * SECOND) > 16384 / 6);
    filling.slice_usec = 0;
    assert_true(left_after(filling, 30 * SECOND) > 16384 / 4);
}

/* Small writes alone: one chunk each, however few bytes. */
static void test_small_writes(void **state)
{
    (void)state;
    struct filling filling = filling_of(16 * MIB, 64 * KIB, 3 * SECOND);
    double left = (double)filling.subject.chunks_left;
    for (uint64_t now = 0; now < 3 * SECOND; now += 50 * MSEC) {
        filling.subject.elapsed_usec = filling.subject.attempt_usec = now;
        filling.subject.chunks_left = (uint64_t)left;
        left -= (double)brake_rate(&filling.subject).writes_per_second / 20;
    }
    assert_true(left > 256.0 / 3);
}

/* ---- what is in flight */

static struct pursuit pursuit_in(enum pursuit_phase phase, enum action_kind action)
{
    return (struct pursuit){.phase = phase, .intent = {.action = action, .grow_to_sectors = 2000}};
}

static struct member member_of(enum target_kind kind, enum snapshot_state snapshot_state,
                               uint64_t total_sectors)
{
    return (struct member){
        .has_sample = true,
        .target = {.kind = kind, .status = {.state = snapshot_state}},
        .sample = {.total_sectors = total_sectors},
    };
}

static bool awaits(enum pursuit_phase phase)
{
    struct pursuit pursuit = pursuit_in(phase, ACTION_DROP);
    struct member member = member_of(TARGET_SNAPSHOT, SNAPSHOT_VALID, 1000);
    return brake_awaits(&pursuit, &member);
}

static void test_phases(void **state)
{
    (void)state;
    assert_true(awaits(PURSUIT_WANTED));
    assert_true(awaits(PURSUIT_ACTING));
    assert_true(awaits(PURSUIT_RETRYING));
    assert_true(awaits(PURSUIT_DEFERRED));
    assert_false(awaits(PURSUIT_MERGING));
    assert_false(awaits(PURSUIT_ENDED));
    struct pursuit pursuit = pursuit_in(PURSUIT_DEFERRED, ACTION_DROP);
    struct member member = member_of(TARGET_SNAPSHOT, SNAPSHOT_VALID, 1000);
    pursuit.deferred_told = true;
    assert_false(brake_awaits(&pursuit, &member));
    pursuit = pursuit_in(PURSUIT_RETRYING, ACTION_EXTEND);
    pursuit.refused = true;
    assert_false(brake_awaits(&pursuit, &member));
    pursuit.phase = PURSUIT_DEFERRED; /* for a moment, between two refusals */
    assert_false(brake_awaits(&pursuit, &member));
    pursuit.phase = PURSUIT_ACTING; /* for a child that only records it */
    assert_false(brake_awaits(&pursuit, &member));
    pursuit.refused = false;
    assert_true(brake_awaits(&pursuit, &member));
    pursuit = pursuit_in(PURSUIT_ACTING, ACTION_DROP);
    pursuit.intent.cancelled = true;
    assert_false(brake_awaits(&pursuit, &member));
    pursuit = pursuit_in(PURSUIT_ACTING, ACTION_DROP);
    pursuit.intent.lost = true;
    assert_false(brake_awaits(&pursuit, &member));
}

static void test_filling_stopped(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_in(PURSUIT_ACTING, ACTION_MERGE);
    struct member member = member_of(TARGET_SNAPSHOT_MERGE, SNAPSHOT_VALID, 1000);
    assert_false(brake_awaits(&pursuit, &member));
    member = member_of(TARGET_SNAPSHOT, SNAPSHOT_INVALID, 1000);
    assert_false(brake_awaits(&pursuit, &member));
    member = member_of(TARGET_SNAPSHOT, SNAPSHOT_VALID, 1000);
    assert_true(brake_awaits(&pursuit, &member));
    member.has_sample = false;
    assert_false(brake_awaits(&pursuit, &member));
}

static void test_extended(void **state)
{
    (void)state;
    struct pursuit pursuit = pursuit_in(PURSUIT_ACTING, ACTION_EXTEND);
    struct member member = member_of(TARGET_SNAPSHOT, SNAPSHOT_VALID, 1999);
    assert_true(brake_awaits(&pursuit, &member));
    member.sample.total_sectors = 2000;
    assert_false(brake_awaits(&pursuit, &member));
    pursuit.intent.action = ACTION_DROP;
    assert_true(brake_awaits(&pursuit, &member));
    strcpy(member.uuid, "LVM-x"); /* lvremove would wait for those who are held */
    assert_false(brake_awaits(&pursuit, &member));
    pursuit.intent.action = ACTION_MERGE;
    assert_true(brake_awaits(&pursuit, &member));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_failed_attempt),
        cmocka_unit_test(test_cautious),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_needed),
        cmocka_unit_test(test_expected),
        cmocka_unit_test(test_differs),
        cmocka_unit_test(test_min),
        cmocka_unit_test(test_in_time),
        cmocka_unit_test(test_longer_than_expected),
        cmocka_unit_test(test_small_writes),
        cmocka_unit_test(test_phases),
        cmocka_unit_test(test_filling_stopped),
        cmocka_unit_test(test_extended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
