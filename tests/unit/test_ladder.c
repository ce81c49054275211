/* ladder: crossings to the sector, re-arming, and that the heights told to pacing are the heights crossed. */
#include "cowherd/exception_store.h"
#include "cowherd/fill_rate.h"
#include "cowherd/ladder.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MINUTE_USEC UINT64_C(60000000)

static struct action an_alert = {.kind = ACTION_ALERT};
static struct action an_extension = {.kind = ACTION_EXTEND};
static struct action a_drop[] = {{.kind = ACTION_ALERT}, {.kind = ACTION_DROP}};

static struct rung rung_at(enum condition_kind kind, uint64_t value)
{
    return (struct rung){.condition = {kind, value}, .actions = &an_alert, .n_actions = 1};
}

static struct policy policy_of(struct rung *rungs, size_t n_rungs)
{
    return (struct policy){.rungs = rungs, .n_rungs = n_rungs, .hysteresis_centipercent = 200};
}

/* A look at a transient store of 1-sector chunks: used, total and what is left are plain. */
static struct sample look(uint64_t used_sectors, uint64_t total_sectors)
{
    uint64_t left = used_sectors < total_sectors ? total_sectors - used_sectors : 0;
    return (struct sample){.used_sectors = used_sectors,
                           .total_sectors = total_sectors,
                           .chunks_left = left,
                           .bytes_left = left * SECTOR_BYTES,
                           .time_left_usec = TIME_UNKNOWN_USEC};
}

static uint32_t climb_to(struct ladder *ladder, const struct policy *policy, uint64_t used_sectors,
                         uint64_t total_sectors)
{
    struct sample sample = look(used_sectors, total_sectors);
    return ladder_climb(ladder, policy, &sample);
}

static void test_centipercent(void **state)
{
    (void)state;
    struct sample sample = look(0, 0);
    assert_int_equal(sample_used_centipercent(&sample), 0);
    sample = look(1, 3);
    assert_int_equal(sample_used_centipercent(&sample), 3333);
    sample = look(2, 3);
    assert_int_equal(sample_used_centipercent(&sample), 6666);
    sample = look(3, 3);
    assert_int_equal(sample_used_centipercent(&sample), 10000);
    sample = look(9, 3);
    assert_int_equal(sample_used_centipercent(&sample), 30000);
    sample = look(UINT64_MAX - 1, UINT64_MAX);
    assert_int_equal(sample_used_centipercent(&sample), 9999);
    sample = look(UINT64_MAX, 1);
    assert_int_equal(sample_used_centipercent(&sample), UINT32_MAX);
}

static void test_used_is_crossed_exactly(void **state)
{
    (void)state;
    struct rung rung = rung_at(CONDITION_USED, 7000);
    struct policy policy = policy_of(&rung, 1);
    struct ladder ladder = {0};
    assert_int_equal(climb_to(&ladder, &policy, 699, 1000), 0);
    assert_int_equal(climb_to(&ladder, &policy, 700, 1000), 1);
    assert_int_equal(climb_to(&ladder, &policy, 701, 1000), 0); /* once */
    assert_int_equal(climb_to(&ladder, &policy, 700, 1000), 0);
    assert_int_equal(ladder.marks[0].fired_centipercent, 7000);
}

static void test_used_of_huge_stores(void **state)
{
    (void)state;
    struct rung rung = rung_at(CONDITION_USED, 5000);
    struct policy policy = policy_of(&rung, 1);
    struct ladder ladder = {0};
    assert_int_equal(climb_to(&ladder, &policy, UINT64_MAX / 2, UINT64_MAX), 0);
    assert_int_equal(climb_to(&ladder, &policy, UINT64_MAX / 2 + 1, UINT64_MAX), 1);
}

static void test_used_rearms_below_hysteresis(void **state)
{
    (void)state;
    struct rung rung = rung_at(CONDITION_USED, 7000);
    struct policy policy = policy_of(&rung, 1);
    struct ladder ladder = {0};
    assert_int_equal(climb_to(&ladder, &policy, 75000, 100000), 1);
    assert_int_equal(climb_to(&ladder, &policy, 68000, 100000), 0);
    assert_int_equal(climb_to(&ladder, &policy, 75000, 100000), 0); /* 68 % is not below 68 % */
    assert_int_equal(climb_to(&ladder, &policy, 67999, 100000), 0);
    assert_false(ladder.marks[0].fired);
    assert_int_equal(climb_to(&ladder, &policy, 75000, 100000), 1);
}

static void test_used_without_room_below(void **state)
{
    (void)state;
    struct rung rung = rung_at(CONDITION_USED, 200);
    struct policy policy = policy_of(&rung, 1);
    struct ladder ladder = {0};
    assert_int_equal(climb_to(&ladder, &policy, 20, 1000), 1);
    assert_int_equal(climb_to(&ladder, &policy, 0, 1000), 0);
    assert_true(ladder.marks[0].fired);
    policy.hysteresis_centipercent = 0;
    assert_int_equal(climb_to(&ladder, &policy, 20, 1000), 0);
    assert_int_equal(climb_to(&ladder, &policy, 19, 1000), 0);
    assert_int_equal(climb_to(&ladder, &policy, 20, 1000), 1);
}

static void test_room_free(void **state)
{
    (void)state;
    struct rung rung = rung_at(CONDITION_FREE, 100 * SECTOR_BYTES);
    struct policy policy = policy_of(&rung, 1); /* 2 % of 1000 sectors are 20 */
    struct ladder ladder = {0};
    assert_int_equal(climb_to(&ladder, &policy, 899, 1000), 0);
    assert_int_equal(climb_to(&ladder, &policy, 900, 1000), 1);
    assert_int_equal(climb_to(&ladder, &policy, 880, 1000), 0); /* 120 free is not above 120 */
    assert_int_equal(climb_to(&ladder, &policy, 900, 1000), 0);
    assert_int_equal(climb_to(&ladder, &policy, 879, 1000), 0);
    assert_int_equal(climb_to(&ladder, &policy, 950, 1000), 1);
}

static void test_room_free_of_huge_stores(void **state)
{
    (void)state;
    struct rung rung = rung_at(CONDITION_FREE, UINT64_MAX);
    struct policy policy = policy_of(&rung, 1);
    policy.hysteresis_centipercent = UINT32_MAX;
    struct ladder ladder = {0};
    struct sample sample = {.total_sectors = UINT64_MAX, .chunks_left = 1, .bytes_left = UINT64_MAX};
    assert_int_equal(ladder_climb(&ladder, &policy, &sample), 1);
    assert_int_equal(ladder_climb(&ladder, &policy, &sample), 0);
}

static uint32_t climb_in_time(struct ladder *ladder, const struct policy *policy, uint64_t used_sectors,
                              uint64_t time_left_usec)
{
    struct sample sample = look(used_sectors, 10000);
    sample.time_left_usec = time_left_usec;
    return ladder_climb(ladder, policy, &sample);
}

static void test_time(void **state)
{
    (void)state;
    struct rung rung = rung_at(CONDITION_TIME, 2 * MINUTE_USEC);
    struct policy policy = policy_of(&rung, 1);
    struct ladder ladder = {0};
    assert_int_equal(climb_in_time(&ladder, &policy, 5000, TIME_UNKNOWN_USEC), 0);
    assert_int_equal(climb_in_time(&ladder, &policy, 5000, 2 * MINUTE_USEC + 1), 0);
    assert_int_equal(climb_in_time(&ladder, &policy, 5000, 2 * MINUTE_USEC), 1);
    assert_int_equal(climb_in_time(&ladder, &policy, 5100, MINUTE_USEC), 0);
    assert_int_equal(climb_in_time(&ladder, &policy, 5200, 4 * MINUTE_USEC), 0);
    assert_int_equal(climb_in_time(&ladder, &policy, 5300, MINUTE_USEC),
                     0); /* twice is not more than twice */
    assert_int_equal(climb_in_time(&ladder, &policy, 5400, 4 * MINUTE_USEC + 1), 0);
    assert_int_equal(climb_in_time(&ladder, &policy, 5500, MINUTE_USEC), 1);
    assert_int_equal(climb_in_time(&ladder, &policy, 5500, TIME_UNKNOWN_USEC), 0);
    assert_int_equal(climb_in_time(&ladder, &policy, 5500, MINUTE_USEC), 1);
}

/* The look that shows the growth may come before its child is back: what it crosses is not crossed twice. */
static void test_growth_rearms_once(void **state)
{
    (void)state;
    struct rung rung = rung_at(CONDITION_TIME, 2 * MINUTE_USEC);
    struct policy policy = policy_of(&rung, 1);
    struct ladder ladder = {0};
    struct sample sample = look(5000, 10000);
    rung.text = (char *)"at 2min left = extend 100%";
    sample.time_left_usec = MINUTE_USEC;
    assert_int_equal(ladder_climb(&ladder, &policy, &sample), 1);
    ladder_rearm(&ladder, &policy, rung.text, 20000);
    assert_int_equal(ladder_climb(&ladder, &policy, &sample), 1);
    sample.total_sectors = 20000;
    assert_int_equal(ladder_climb(&ladder, &policy, &sample), 1);
    ladder_rearm(&ladder, &policy, rung.text, 20000);
    assert_int_equal(ladder_climb(&ladder, &policy, &sample), 0);
    ladder_rearm(&ladder, &policy, "at 1% = alert", 30000);
    assert_int_equal(ladder_climb(&ladder, &policy, &sample), 0);
}

static void test_time_rearms_when_usage_falls(void **state)
{
    (void)state;
    struct rung rung = rung_at(CONDITION_TIME, 2 * MINUTE_USEC);
    struct policy policy = policy_of(&rung, 1);
    struct ladder ladder = {0};
    assert_int_equal(climb_in_time(&ladder, &policy, 5000, MINUTE_USEC), 1);
    assert_int_equal(ladder.marks[0].fired_centipercent, 5000);
    assert_int_equal(climb_in_time(&ladder, &policy, 4801, MINUTE_USEC), 0);
    assert_int_equal(climb_in_time(&ladder, &policy, 4800, MINUTE_USEC),
                     1); /* the extension was not enough */
    assert_int_equal(ladder.marks[0].fired_centipercent, 4800);
    policy.hysteresis_centipercent = 0;
    assert_int_equal(climb_in_time(&ladder, &policy, 4800, MINUTE_USEC), 0); /* standing still is no fall */
    assert_int_equal(climb_in_time(&ladder, &policy, 4799, MINUTE_USEC), 1);
}

static void test_time_of_longest_rung(void **state)
{
    (void)state;
    struct rung rung = rung_at(CONDITION_TIME, UINT64_MAX);
    struct policy policy = policy_of(&rung, 1);
    struct ladder ladder = {0};
    assert_int_equal(climb_in_time(&ladder, &policy, 5000, TIME_UNKNOWN_USEC), 0);
    assert_int_equal(climb_in_time(&ladder, &policy, 5000, UINT64_MAX - 1), 1);
    assert_int_equal(climb_in_time(&ladder, &policy, 5000, UINT64_MAX - 1), 0);
    assert_int_equal(climb_in_time(&ladder, &policy, 5000, TIME_UNKNOWN_USEC), 0);
    assert_false(ladder.marks[0].fired);
    rung.condition.value = UINT64_MAX / 2 + 1; /* twice that is more than 64 bits hold */
    assert_int_equal(climb_in_time(&ladder, &policy, 5000, UINT64_MAX / 2), 1);
    assert_int_equal(climb_in_time(&ladder, &policy, 5000, UINT64_MAX / 2), 0);
}

/* A small store has no chunk left long before it is at 100 %: it has 10 chunks, and F(8) is 10. */
static void test_full_store_crosses_everything(void **state)
{
    (void)state;
    struct rung rungs[] = {rung_at(CONDITION_USED, 10000), rung_at(CONDITION_FREE, 0),
                           rung_at(CONDITION_TIME, 1), rung_at(CONDITION_LOST, 0),
                           rung_at(CONDITION_STALLED, 0)};
    struct policy policy = policy_of(rungs, 5);
    struct ladder ladder = {0};
    struct sample sample = look(80, 87);
    sample.chunks_left = 0;
    sample.bytes_left = 0;
    assert_int_equal(ladder_climb(&ladder, &policy, &sample), 7);
    assert_int_equal(ladder_climb(&ladder, &policy, &sample), 0); /* though far below 100 % less 2 % */
    assert_int_equal(climb_to(&ladder, &policy, 40, 87), 0);
    assert_int_equal(ladder_climb(&ladder, &policy, &sample), 7);
}

static void test_many_in_one_look(void **state)
{
    (void)state;
    struct rung rungs[POLICY_RUNGS_MAX];
    for (uint64_t i = 0; i < POLICY_RUNGS_MAX; i++)
        rungs[i] = rung_at(CONDITION_USED, 100 * (i + 1));
    struct policy policy = policy_of(rungs, POLICY_RUNGS_MAX);
    struct ladder ladder = {0};
    assert_int_equal(climb_to(&ladder, &policy, 35, 1000), 7);
    assert_int_equal(climb_to(&ladder, &policy, 500, 1000), UINT32_MAX - 7);
    assert_int_equal(climb_to(&ladder, &policy, 999, 1000), 0);
}

static void test_rung_to_carry_out(void **state)
{
    (void)state;
    struct rung rungs[POLICY_RUNGS_MAX];
    for (size_t i = 0; i < POLICY_RUNGS_MAX; i++)
        rungs[i] = rung_at(CONDITION_USED, 100);
    rungs[0].actions = &an_extension;
    rungs[1].actions = &an_extension;
    rungs[3].actions = a_drop;
    rungs[3].n_actions = 2;
    rungs[31].actions = &an_extension;
    struct policy policy = policy_of(rungs, POLICY_RUNGS_MAX);
    assert_int_equal(ladder_rung_to_carry_out(&policy, 0), -1);
    assert_int_equal(ladder_rung_to_carry_out(&policy, 0x04), -1);
    assert_int_equal(ladder_rung_to_carry_out(&policy, 0x05), 0);
    assert_int_equal(ladder_rung_to_carry_out(&policy, 0x07), 1);
    assert_int_equal(ladder_rung_to_carry_out(&policy, 0x1f), 3);
    assert_int_equal(ladder_rung_to_carry_out(&policy, 0x1d), 3);
    assert_int_equal(ladder_rung_to_carry_out(&policy, UINT32_MAX), 31);
    assert_int_equal(ladder_rung_to_carry_out(&policy, UINT32_MAX >> 1), 3);
}

static void expect_next(const struct ladder *ladder, const struct policy *policy, struct sample sample,
                        uint64_t bytes, int rung)
{
    int next = -2;
    assert_true(ladder_bytes_to_next(ladder, policy, &sample, &next) == bytes);
    assert_int_equal(next, rung);
}

static void test_bytes_to_next(void **state)
{
    (void)state;
    struct rung rungs[] = {rung_at(CONDITION_USED, 7000), rung_at(CONDITION_FREE, 200 * SECTOR_BYTES),
                           rung_at(CONDITION_TIME, MINUTE_USEC), rung_at(CONDITION_LOST, 0)};
    struct policy policy = policy_of(rungs, 4);
    struct ladder ladder = {0};
    expect_next(&ladder, &policy, look(100, 1000), 600 * SECTOR_BYTES, 0);
    expect_next(&ladder, &policy, look(100, 1001), 601 * SECTOR_BYTES, 0); /* 700.7: the next sector */
    ladder.marks[0].fired = true;
    expect_next(&ladder, &policy, look(750, 1000), 50 * SECTOR_BYTES, 1);
    expect_next(&ladder, &policy, look(900, 1000), 0, 1);
    ladder.marks[1].fired = true;
    expect_next(&ladder, &policy, look(900, 1000), UINT64_MAX, -1);
    struct policy none = policy_of(NULL, 0);
    expect_next(&ladder, &none, look(900, 1000), UINT64_MAX, -1);
}

static void test_next_is_never_beyond_the_end(void **state)
{
    (void)state;
    struct rung rung = rung_at(CONDITION_USED, 10000);
    struct policy policy = policy_of(&rung, 1);
    struct ladder ladder = {0};
    struct sample sample = look(800, 1000);
    sample.bytes_left = 4096; /* of 200 free sectors the metadata and the chunk size leave that */
    expect_next(&ladder, &policy, sample, 4096, 0);
    rung.condition.value = UINT64_MAX;
    sample = look(0, UINT64_MAX);
    sample.bytes_left = UINT64_MAX;
    expect_next(&ladder, &policy, sample, UINT64_MAX, 0);
}

static void test_next_of_equals_is_carried_out(void **state)
{
    (void)state;
    struct rung rungs[] = {rung_at(CONDITION_USED, 5000), rung_at(CONDITION_FREE, 500 * SECTOR_BYTES),
                           rung_at(CONDITION_USED, 5000), rung_at(CONDITION_USED, 5000)};
    struct policy policy = policy_of(rungs, 4);
    struct ladder ladder = {0};
    expect_next(&ladder, &policy, look(400, 1000), 100 * SECTOR_BYTES, 0);
    rungs[1].actions = &an_extension;
    expect_next(&ladder, &policy, look(400, 1000), 100 * SECTOR_BYTES, 1);
    rungs[2].actions = &an_extension;
    expect_next(&ladder, &policy, look(400, 1000), 100 * SECTOR_BYTES, 2);
}

/* One sector before the height that was told nothing is crossed, at the height it is. */
static void expect_height_is_crossed(const struct policy *policy, uint64_t used, uint64_t total)
{
    struct ladder ladder = {0};
    struct sample sample = look(used, total);
    int next;
    ladder_climb(&ladder, policy, &sample);
    uint64_t bytes = ladder_bytes_to_next(&ladder, policy, &sample, &next);
    if (next < 0)
        return;
    uint64_t sectors = (bytes + SECTOR_BYTES - 1) / SECTOR_BYTES;
    assert_true(sectors > 0); /* what is armed after a climb lies ahead */
    assert_int_equal(climb_to(&ladder, policy, used + sectors - 1, total), 0);
    assert_true((climb_to(&ladder, policy, used + sectors, total) & UINT32_C(1) << next) != 0);
}

static void test_heights_are_those_crossed(void **state)
{
    (void)state;
    struct rung rungs[] = {rung_at(CONDITION_USED, 1234), rung_at(CONDITION_FREE, 31 * SECTOR_BYTES + 5),
                           rung_at(CONDITION_USED, 9999), rung_at(CONDITION_FREE, 100)};
    struct policy policy = policy_of(rungs, 4);
    for (uint64_t total = 1; total < 150; total++) {
        for (uint64_t used = 0; used <= total; used++)
            expect_height_is_crossed(&policy, used, total);
    }
}

static void test_waits_for_time(void **state)
{
    (void)state;
    struct rung rungs[] = {rung_at(CONDITION_USED, 5000), rung_at(CONDITION_TIME, MINUTE_USEC),
                           rung_at(CONDITION_TIME, 1)};
    struct policy policy = policy_of(rungs, 1);
    struct ladder ladder = {0};
    assert_false(ladder_waits_for_time(&ladder, &policy));
    policy.n_rungs = 3;
    assert_true(ladder_waits_for_time(&ladder, &policy));
    ladder.marks[1].fired = true;
    assert_true(ladder_waits_for_time(&ladder, &policy));
    ladder.marks[2].fired = true;
    assert_false(ladder_waits_for_time(&ladder, &policy));
}

static void test_carry_over(void **state)
{
    (void)state;
    static char seventy[] = "at 70% = alert";
    static char ninety[] = "at 90% = drop";
    static char later[] = "at 90% = alert";
    struct rung before[] = {{.text = seventy}, {.text = ninety}};
    struct rung after[] = {{.text = later}, {.text = ninety}, {.text = seventy}};
    struct policy from = policy_of(before, 2);
    struct policy to = policy_of(after, 3);
    struct ladder ladder = {.marks = {{true, 7012}, {true, 9100}, {true, 1}, {true, 2}}};
    ladder_carry_over(&ladder, &from, &to);
    struct ladder expected = {.marks = {{0}, {true, 9100}, {true, 7012}}};
    for (size_t i = 0; i < POLICY_RUNGS_MAX; i++) {
        assert_int_equal(ladder.marks[i].fired, expected.marks[i].fired);
        assert_int_equal(ladder.marks[i].fired_centipercent, expected.marks[i].fired_centipercent);
    }
}

static void test_what_changes_the_device_is_armed_again(void **state)
{
    (void)state;
    static struct action alert = {.kind = ACTION_ALERT}, drop = {.kind = ACTION_DROP};
    struct rung rungs[] = {{.actions = &alert, .n_actions = 1}, {.actions = &drop, .n_actions = 1}};
    struct policy policy = policy_of(rungs, 2);
    struct ladder ladder = {.marks = {{true, 7012}, {true, 9100}}};
    ladder_rearm_actions(&ladder, &policy);
    assert_true(ladder.marks[0].fired);
    assert_false(ladder.marks[1].fired);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_centipercent),
        cmocka_unit_test(test_used_is_crossed_exactly),
        cmocka_unit_test(test_used_of_huge_stores),
        cmocka_unit_test(test_used_rearms_below_hysteresis),
        cmocka_unit_test(test_used_without_room_below),
        cmocka_unit_test(test_room_free),
        cmocka_unit_test(test_room_free_of_huge_stores),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_time_rearms_when_usage_falls),
        cmocka_unit_test(test_growth_rearms_once),
        cmocka_unit_test(test_time_of_longest_rung),
        cmocka_unit_test(test_full_store_crosses_everything),
        cmocka_unit_test(test_many_in_one_look),
        cmocka_unit_test(test_rung_to_carry_out),
        cmocka_unit_test(test_bytes_to_next),
        cmocka_unit_test(test_next_is_never_beyond_the_end),
        cmocka_unit_test(test_next_of_equals_is_carried_out),
        cmocka_unit_test(test_heights_are_those_crossed),
        cmocka_unit_test(test_waits_for_time),
        cmocka_unit_test(test_carry_over),
        cmocka_unit_test(test_what_changes_the_device_is_armed_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
