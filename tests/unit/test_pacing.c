/* pacing: when the next look is due, by hand and against every store that fills as fast as it may. */
#include "cowherd/pacing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static const struct pacing_bounds defaults = {
    .longest_usec = 10000000,
    .shortest_usec = 50000,
    .assumed_bytes_per_second = 256 * MIB,
};

static void test_height(void **state)
{
    (void)state;
    struct pacing_subject subject = {.bytes_to_next_rung = 512 * MIB, .bytes_left = 1024 * MIB};
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 2000000);
    subject.peak_bytes_per_second = 1024 * MIB; /* faster than assumed */
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 500000);
    subject.peak_bytes_per_second = 255 * MIB; /* not faster: the store may still */
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 2000000);
    subject.action_usec = 1500000;
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 500000);
}

static void test_bounds(void **state)
{
    (void)state;
    struct pacing_subject subject = {.bytes_to_next_rung = 4096 * MIB};
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 10000000);
    subject.bytes_to_next_rung = 0;
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 50000);
    subject.bytes_to_next_rung = 512 * MIB;
    subject.action_usec = 1949999;
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 50001);
    subject.action_usec = 1950001;
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 50000);
    subject.action_usec = 2000000;
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 50000);
    subject.action_usec = UINT64_MAX;
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 50000);
}

static void test_rounds_down(void **state)
{
    (void)state;
    struct pacing_bounds bounds = {10000000, 1, 3};
    struct pacing_subject subject = {.bytes_to_next_rung = 20};
    assert_int_equal(pacing_interval_usec(&bounds, &subject), 6666666);
}

static void test_nothing_armed(void **state)
{
    (void)state;
    struct pacing_subject subject = {.bytes_to_next_rung = UINT64_MAX, .bytes_left = 4096};
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 10000000);
    subject.action_usec = UINT64_MAX; /* belongs to no rung then */
    subject.peak_bytes_per_second = UINT64_MAX;
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 10000000);
}

static void test_time_rung(void **state)
{
    (void)state;
    struct pacing_subject subject = {
        .bytes_to_next_rung = UINT64_MAX, .bytes_left = 1024 * MIB, .waits_for_time = true};
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 2000000);
    subject.bytes_to_next_rung = 256 * MIB; /* the height comes first */
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 1000000);
    subject.bytes_to_next_rung = 768 * MIB; /* the time comes first */
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 2000000);
    subject.bytes_left = 0;
    assert_int_equal(pacing_interval_usec(&defaults, &subject), 50000);
}

static void test_no_rate_at_all(void **state)
{
    (void)state;
    struct pacing_bounds bounds = {10000000, 50000, 0};
    struct pacing_subject subject = {.bytes_to_next_rung = 1, .bytes_left = 1, .waits_for_time = true};
    assert_int_equal(pacing_interval_usec(&bounds, &subject), 10000000);
    subject.peak_bytes_per_second = 10;
    assert_int_equal(pacing_interval_usec(&bounds, &subject), 50000);
}

static void test_extremes(void **state)
{
    (void)state;
    struct pacing_bounds bounds = {UINT64_MAX, 0, 1};
    struct pacing_subject subject = {.bytes_to_next_rung = UINT64_MAX - 1, .bytes_left = UINT64_MAX - 1};
    assert_true(pacing_interval_usec(&bounds, &subject) == UINT64_MAX);
    subject.waits_for_time = true;
    assert_true(pacing_interval_usec(&bounds, &subject) == UINT64_MAX / 2);
    subject.peak_bytes_per_second = UINT64_MAX;
    assert_int_equal(pacing_interval_usec(&bounds, &subject), 499999);
    struct pacing_bounds crossed = {1000, 2000, 1};
    assert_int_equal(pacing_interval_usec(&crossed, &subject), 1000);
}

/* However fast up to the fastest rate a store fills, no look finds it beyond the next rung. */
static void test_never_late(void **state)
{
    (void)state;
    struct pacing_bounds bounds = {10000000, 0, 0};
    for (uint64_t rate = 1; rate < 2000000000; rate = rate * 7 / 3 + 1) {
        for (uint64_t bytes = 1; bytes < 400000000000; bytes = bytes * 5 / 2 + 1) {
            bounds.assumed_bytes_per_second = rate;
            struct pacing_subject subject = {.bytes_to_next_rung = bytes, .bytes_left = bytes};
            uint64_t usec = pacing_interval_usec(&bounds, &subject);
            assert_true(usec * rate / 1000000 <= bytes);
            assert_true(usec == bounds.longest_usec || (usec + 1) * rate > bytes * 1000000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_height),      cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_rounds_down), cmocka_unit_test(test_nothing_armed),
        cmocka_unit_test(test_time_rung),   cmocka_unit_test(test_no_rate_at_all),
        cmocka_unit_test(test_extremes),    cmocka_unit_test(test_never_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
