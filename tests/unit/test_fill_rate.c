/* fill_rate: exact values of the mean, the peak and the time left, and what must not count. */
#include "cowherd/fill_rate.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND_USEC UINT64_C(1000000)

static void test_first_look_tells_nothing(void **state)
{
    (void)state;
    struct fill_rate rate = {0};
    fill_rate_update(&rate, 0, 123456); /* the clock of a machine that has just booted */
    assert_true(rate.started);
    assert_int_equal(fill_rate_bytes_per_second(&rate), 0);
    assert_int_equal(fill_rate_peak_bytes_per_second(&rate), 0);
    assert_true(fill_rate_time_left_usec(&rate, 0) == TIME_UNKNOWN_USEC);
    fill_rate_update(&rate, SECOND_USEC, 123456 + 600);
    assert_int_equal(fill_rate_peak_bytes_per_second(&rate), 600);
}

static void test_weights(void **state)
{
    (void)state;
    struct fill_rate rate = {0};
    fill_rate_update(&rate, 0, 0);
    fill_rate_update(&rate, FILL_RATE_WINDOW_USEC, 50000); /* 10000 B/s, weight 1/2 */
    assert_int_equal(fill_rate_bytes_per_second(&rate), 5000);
    fill_rate_update(&rate, 2 * FILL_RATE_WINDOW_USEC, 50000); /* nothing, weight 1/2 */
    assert_int_equal(fill_rate_bytes_per_second(&rate), 2500);
    fill_rate_update(&rate, 5 * FILL_RATE_WINDOW_USEC, 350000); /* 20000 B/s, weight 3/4 */
    assert_int_equal(fill_rate_bytes_per_second(&rate), 15625);
    assert_int_equal(fill_rate_peak_bytes_per_second(&rate), 20000);
    assert_int_equal(fill_rate_time_left_usec(&rate, 15625), SECOND_USEC);
    assert_int_equal(fill_rate_time_left_usec(&rate, 1), 64);
    assert_int_equal(fill_rate_time_left_usec(&rate, 0), 0);
}

static void test_steady_rate_is_found(void **state)
{
    (void)state;
    struct fill_rate rate = {0};
    for (uint64_t i = 0; i <= 600; i++)
        fill_rate_update(&rate, i * SECOND_USEC / 10, i * 1000000);
    assert_in_range(fill_rate_bytes_per_second(&rate), 9999900, 10000000);
    assert_int_equal(fill_rate_peak_bytes_per_second(&rate), 10000000);
}

static void test_peace_is_believed_in_the_end(void **state)
{
    (void)state;
    struct fill_rate rate = {0};
    fill_rate_update(&rate, 0, 0);
    fill_rate_update(&rate, SECOND_USEC, UINT64_C(1) << 30);
    uint64_t now_usec = SECOND_USEC;
    for (int i = 0; i < 30; i++)
        fill_rate_update(&rate, now_usec += 10 * SECOND_USEC, UINT64_C(1) << 30);
    assert_int_equal(fill_rate_bytes_per_second(&rate), 0);
    assert_true(fill_rate_time_left_usec(&rate, 4096) == TIME_UNKNOWN_USEC);
    assert_int_equal(fill_rate_peak_bytes_per_second(&rate), UINT64_C(1) << 30);
}

static void test_falling_stands_still(void **state)
{
    (void)state;
    struct fill_rate rate = {0};
    fill_rate_update(&rate, 0, 1000000);
    fill_rate_update(&rate, SECOND_USEC, 4000);
    assert_int_equal(fill_rate_bytes_per_second(&rate), 0);
    assert_int_equal(fill_rate_peak_bytes_per_second(&rate), 0);
    fill_rate_update(&rate, 2 * SECOND_USEC, 10000); /* counted from where it fell to */
    assert_int_equal(fill_rate_peak_bytes_per_second(&rate), 6000);
    assert_int_equal(fill_rate_bytes_per_second(&rate), 1000);
}

static void test_time_must_advance(void **state)
{
    (void)state;
    struct fill_rate rate = {0};
    fill_rate_update(&rate, SECOND_USEC, 1000);
    fill_rate_update(&rate, SECOND_USEC, 500000);
    fill_rate_update(&rate, SECOND_USEC - 1, 500000);
    fill_rate_update(&rate, 0, 500000);
    assert_int_equal(rate.last_usec, SECOND_USEC);
    assert_int_equal(rate.last_used_bytes, 1000);
    assert_int_equal(fill_rate_bytes_per_second(&rate), 0);
    assert_int_equal(fill_rate_peak_bytes_per_second(&rate), 0);
}

static void test_short_intervals_are_joined(void **state)
{
    (void)state;
    struct fill_rate rate = {0};
    fill_rate_update(&rate, 0, 0);
    fill_rate_update(&rate, 500, 4096);
    fill_rate_update(&rate, FILL_RATE_INTERVAL_MIN_USEC - 1, 8192);
    assert_int_equal(fill_rate_peak_bytes_per_second(&rate), 0);
    assert_int_equal(fill_rate_bytes_per_second(&rate), 0);
    fill_rate_update(&rate, FILL_RATE_INTERVAL_MIN_USEC, 8192);
    assert_int_equal(fill_rate_peak_bytes_per_second(&rate), 163840);
}

static void test_extremes(void **state)
{
    (void)state;
    struct fill_rate rate = {0};
    fill_rate_update(&rate, 0, 0);
    fill_rate_update(&rate, FILL_RATE_INTERVAL_MIN_USEC, UINT64_MAX);
    assert_true(fill_rate_peak_bytes_per_second(&rate) == UINT64_MAX);
    fill_rate_update(&rate, UINT64_MAX, UINT64_MAX);
    fill_rate_update(&rate, UINT64_MAX, 0);
    assert_true(fill_rate_peak_bytes_per_second(&rate) == UINT64_MAX);

    struct fill_rate flood = {.started = true, .smoothed_bytes_per_second = 0x1p64};
    assert_true(fill_rate_bytes_per_second(&flood) == UINT64_MAX);
    assert_int_equal(fill_rate_time_left_usec(&flood, UINT64_MAX), SECOND_USEC);

    struct fill_rate drip = {.started = true, .smoothed_bytes_per_second = 1};
    assert_true(fill_rate_time_left_usec(&drip, UINT64_MAX) == UINT64_MAX);
    drip.smoothed_bytes_per_second = 0.999;
    assert_true(fill_rate_time_left_usec(&drip, 1) == TIME_UNKNOWN_USEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_look_tells_nothing),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_steady_rate_is_found),
        cmocka_unit_test(test_peace_is_believed_in_the_end),
        cmocka_unit_test(test_falling_stands_still),
        cmocka_unit_test(test_time_must_advance),
        cmocka_unit_test(test_short_intervals_are_joined),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
