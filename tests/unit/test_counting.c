#include "cowherd/counting.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MIB    UINT64_C(2048) /* sectors */
#define MINUTE UINT64_C(60000000)
#define SECOND UINT64_C(1000000)

static const struct exception_store p32 = {.total_sectors = 32 * MIB, .chunk_sectors = 8, .persistent = true};

static uint64_t used_with(const struct exception_store *store, uint64_t exceptions)
{
    return exception_store_chunks_needed(store, exceptions) * store->chunk_sectors;
}

static struct counting_subject subject_of(const struct exception_store *store, uint64_t exceptions,
                                          uint64_t height_sectors, unsigned cpus)
{
    uint64_t used = used_with(store, exceptions);
    return (struct counting_subject){
        .store = *store,
        .used_sectors = used,
        .bytes_to_next_rung = height_sectors > used ? (height_sectors - used) * SECTOR_BYTES : 0,
        .cpus = cpus,
        .longest_usec = 10 * SECOND,
        .heartbeat_usec = MINUTE,
    };
}

/* However the writes are spread over the CPUs, the first to fire does so before usage can be past the height: with one
 * write for each exception, C * (period - 1) + 1 of them make it fire for certain. */
static void assert_never_late(const struct exception_store *store, uint64_t height_sectors, unsigned cpus)
{
    for (uint64_t n = 0; used_with(store, n) < height_sectors; n++) {
        struct counting_subject subject = subject_of(store, n, height_sectors, cpus);
        uint64_t period = counting_plan(&subject).period;
        assert_true(period >= 1);
        uint64_t seen_at = used_with(store, n + cpus * (period - 1) + 1);
        uint64_t next = used_with(store, n + cpus);
        /* With less than a write for each CPU left, each CPU's first one wakes. */
        if (period == 1)
            assert_true(seen_at <= next);
        else if (seen_at > height_sectors)
            assert_true(used_with(store, n + cpus * (period - 1)) < height_sectors);
    }
}

static void no_rung_is_passed_unseen(void **state)
{
    (void)state;
    static const unsigned cpus[] = {1, 2, 3, 8, 64};
    const struct exception_store small_chunks = {
        .total_sectors = 8 * MIB, .chunk_sectors = 8, .persistent = true};
    const struct exception_store transient = {.total_sectors = 8 * MIB, .chunk_sectors = 16};
    for (size_t i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
        assert_never_late(&small_chunks, 4 * MIB, cpus[i]);
        assert_never_late(&small_chunks, 4 * MIB + 3, cpus[i]);
        assert_never_late(&small_chunks, 2057 * 8, cpus[i]); /* where an area of metadata begins */
        assert_never_late(&transient, 7 * MIB, cpus[i]);
    }
}

/* A look for each of them would be no better than polling: it is at least a quarter of what could be waited for. */
static void waits_for_no_fewer_than_it_must(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 4000; n += 7) {
        struct counting_subject subject = subject_of(&p32, n, 16 * MIB, 2);
        uint64_t left = exception_store_exceptions(&p32, 16 * MIB) - n;
        assert_true(counting_plan(&subject).period * 2 > left / 2);
    }
}

/* Armed anew at each halving, not at each look. */
static void periods_change_with_each_halving(void **state)
{
    (void)state;
    unsigned changes = 0;
    uint64_t former = 0;
    for (uint64_t n = 0; used_with(&p32, n) < 16 * MIB; n++) {
        struct counting_subject subject = subject_of(&p32, n, 16 * MIB, 2);
        uint64_t period = counting_plan(&subject).period;
        assert_true(former == 0 || period <= former);
        changes += period != former;
        former = period;
    }
    assert_int_equal(former, 1);
    assert_int_equal(changes, 11); /* 1024 and down to 1 */
}

static void without_a_rung_the_end_of_the_store_is_the_height(void **state)
{
    (void)state;
    struct counting_subject subject = subject_of(&p32, 0, 0, 1);
    subject.bytes_to_next_rung = UINT64_MAX;
    assert_int_equal(counting_plan(&subject).period, 4096);
    subject.bytes_to_next_rung = UINT64_C(1) << 40; /* and where the rung is higher */
    assert_int_equal(counting_plan(&subject).period, 4096);
    subject.used_sectors = p32.total_sectors;
    assert_int_equal(counting_plan(&subject).period, 1);
    subject.cpus = 0;
    assert_int_equal(counting_plan(&subject).period, 1);
}

static void who_fills_is_looked_at_at_each_hundredth(void **state)
{
    (void)state;
    struct counting_subject subject = subject_of(&p32, 10, 16 * MIB, 2);
    assert_int_equal(counting_plan(&subject).timer_usec, MINUTE);
    subject.bytes_per_second = 1;
    assert_int_equal(counting_plan(&subject).timer_usec, 10 * SECOND);
    subject.longest_usec = 2 * MINUTE;
    assert_int_equal(counting_plan(&subject).timer_usec, MINUTE);
    subject.bytes_per_second = subject.store.total_sectors * SECTOR_BYTES / 200;
    assert_in_range(counting_plan(&subject).timer_usec, 2 * SECOND - 1, 2 * SECOND + 1);
    subject.bytes_per_second = UINT64_MAX;
    assert_int_equal(counting_plan(&subject).timer_usec, SECOND);
}

static void time_left_is_woken_by_the_first_write_and_then_by_shares_of_the_room(void **state)
{
    (void)state;
    struct counting_subject subject = subject_of(&p32, 10, 16 * MIB, 1);
    subject.waits_for_time = true;
    assert_int_equal(counting_plan(&subject).period, 1);
    subject.bytes_per_second = 1;
    assert_int_equal(counting_plan(&subject).period, 256);
    assert_true(256 <= exception_store_chunks_left(&p32, subject.used_sectors) / COUNTING_TIME_SHARE);
    subject = subject_of(&p32, 4000, 16 * MIB, 1); /* a height that is nearer */
    subject.waits_for_time = true;
    subject.bytes_per_second = 1;
    assert_int_equal(counting_plan(&subject).period, 64);
}

static void nothing_overflows(void **state)
{
    (void)state;
    struct counting_subject subject = {
        .store = {.total_sectors = UINT64_MAX, .chunk_sectors = 1},
        .bytes_to_next_rung = UINT64_MAX - 1,
        .used_sectors = UINT64_MAX / 2,
        .cpus = 1,
    };
    assert_true(counting_plan(&subject).period > 1);
    subject.store.chunk_sectors = 0;
    assert_int_equal(counting_plan(&subject).period, 1);
}

static void a_budget_is_spent_and_made_up(void **state)
{
    (void)state;
    struct counting_budget budget = {0};
    uint64_t now = 1000 * SECOND, limit = 2 * COUNTING_LOOKS_PER_CPU;
    assert_true(counting_pays(&budget, 2, now));
    for (uint64_t i = 1; i < limit; i++) {
        counting_fired(&budget);
        assert_true(counting_pays(&budget, 2, now));
    }
    counting_fired(&budget);
    assert_false(counting_pays(&budget, 2, now));
    now += (limit / 2 - 1) * COUNTING_LOOK_USEC;
    assert_false(counting_pays(&budget, 2, now));
    now += COUNTING_LOOK_USEC;
    assert_true(counting_pays(&budget, 2, now));
    counting_fired(&budget); /* not spent at once again */
    assert_true(counting_pays(&budget, 2, now));
}

static void ten_looks_a_second_never_spend_it(void **state)
{
    (void)state;
    struct counting_budget budget = {0};
    for (uint64_t i = 0; i < 10000; i++) {
        counting_fired(&budget);
        assert_true(counting_pays(&budget, 1, SECOND + i * COUNTING_LOOK_USEC));
    }
}

static void a_clock_that_stands_or_goes_back_makes_nothing_up(void **state)
{
    (void)state;
    struct counting_budget budget = {0};
    counting_pays(&budget, 1, 5 * SECOND);
    for (uint64_t i = 0; i < COUNTING_LOOKS_PER_CPU; i++)
        counting_fired(&budget);
    assert_false(counting_pays(&budget, 1, 5 * SECOND));
    assert_false(counting_pays(&budget, 1, 4 * SECOND));
    assert_int_equal(budget.looks, COUNTING_LOOKS_PER_CPU);
}

static void deaf_is_who_counts_fewer_than_were_made(void **state)
{
    (void)state;
    assert_false(counting_is_deaf(0, 0));
    assert_false(counting_is_deaf(10, 20));
    assert_false(counting_is_deaf(20, 10)); /* still to be written */
    assert_false(counting_is_deaf(COUNTING_IN_FLIGHT, 0));
    assert_true(counting_is_deaf(COUNTING_IN_FLIGHT + 1, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rung_is_passed_unseen),
        cmocka_unit_test(waits_for_no_fewer_than_it_must),
        cmocka_unit_test(periods_change_with_each_halving),
        cmocka_unit_test(without_a_rung_the_end_of_the_store_is_the_height),
        cmocka_unit_test(who_fills_is_looked_at_at_each_hundredth),
        cmocka_unit_test(time_left_is_woken_by_the_first_write_and_then_by_shares_of_the_room),
        cmocka_unit_test(nothing_overflows),
        cmocka_unit_test(a_budget_is_spent_and_made_up),
        cmocka_unit_test(ten_looks_a_second_never_spend_it),
        cmocka_unit_test(a_clock_that_stands_or_goes_back_makes_nothing_up),
        cmocka_unit_test(deaf_is_who_counts_fewer_than_were_made),
    };
    return cmocka_run_group_tests_name("counting", tests, NULL, NULL);
}
