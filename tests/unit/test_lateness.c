/* lateness: what counts as late, and how it is forgotten. */
#include "cowherd/lateness.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MSEC   UINT64_C(1000)
#define SECOND (1000 * MSEC)

static void test_longest_counts(void **state)
{
    (void)state;
    struct lateness lateness = {0};
    assert_int_equal(lateness_usec(&lateness, 0), 0);
    lateness_take(&lateness, 100 * SECOND, 100 * SECOND + 7 * MSEC, 0);
    assert_int_equal(lateness_usec(&lateness, 100 * SECOND + 7 * MSEC), 7 * MSEC);
    lateness_take(&lateness, 101 * SECOND, 101 * SECOND + 2 * MSEC, 0);
    assert_in_range(lateness_usec(&lateness, 101 * SECOND + 2 * MSEC), 6900, 6999);
    lateness_take(&lateness, 102 * SECOND, 102 * SECOND + 30 * MSEC, 0);
    assert_int_equal(lateness_usec(&lateness, 102 * SECOND + 30 * MSEC), 30 * MSEC);
}

static void test_early_is_not_late(void **state)
{
    (void)state;
    struct lateness lateness = {0};
    lateness_take(&lateness, 100 * SECOND, 90 * SECOND, 0);
    lateness_take(&lateness, 100 * SECOND, 100 * SECOND, 0);
    assert_int_equal(lateness_usec(&lateness, 100 * SECOND), 0);
}

/* A machine that was suspended for an hour, whose timer fired right after. */
static void test_sleep_is_not_late(void **state)
{
    (void)state;
    struct lateness lateness = {0};
    uint64_t hour = 3600 * SECOND;
    lateness_take(&lateness, 10 * SECOND, 8 * SECOND + hour + 3 * MSEC, hour);
    assert_int_equal(lateness_usec(&lateness, 8 * SECOND + hour), 0);
    lateness_take(&lateness, 10 * SECOND, 10 * SECOND + hour + 3 * MSEC, hour);
    assert_int_equal(lateness_usec(&lateness, 10 * SECOND + hour + 3 * MSEC), 3 * MSEC);
}

/* It halves each time, never rises in between, and is gone in the end. */
static void test_forgotten(void **state)
{
    (void)state;
    struct lateness lateness = {0};
    uint64_t at = 1000 * SECOND, before = UINT64_MAX;
    lateness_take(&lateness, at - 64 * MSEC, at, 0);
    assert_int_equal(lateness_usec(&lateness, at + LATENESS_HALVING_USEC), 32 * MSEC);
    assert_int_equal(lateness_usec(&lateness, at + LATENESS_HALVING_USEC / 2), 48 * MSEC);
    assert_int_equal(lateness_usec(&lateness, at + 4 * LATENESS_HALVING_USEC), 4 * MSEC);
    for (uint64_t now = at; now < at + 20 * LATENESS_HALVING_USEC; now += 333 * MSEC) {
        uint64_t late = lateness_usec(&lateness, now);
        assert_true(late <= before);
        before = late;
    }
    assert_int_equal(lateness_usec(&lateness, at + 20 * LATENESS_HALVING_USEC), 0);
    assert_int_equal(lateness_usec(&lateness, UINT64_MAX), 0);
    assert_int_equal(lateness_usec(&lateness, 0), 64 * MSEC); /* a clock that is behind */
}

static void test_extremes(void **state)
{
    (void)state;
    struct lateness lateness = {0};
    lateness_take(&lateness, 0, UINT64_MAX, 0);
    assert_true(lateness_usec(&lateness, UINT64_MAX) == UINT64_MAX);
    assert_true(lateness_usec(&lateness, 0) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longest_counts),    cmocka_unit_test(test_early_is_not_late),
        cmocka_unit_test(test_sleep_is_not_late), cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
