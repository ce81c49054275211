/* bus_budget: whatever is asked for, the share is kept; who asks little never waits. */
#include "../../daemon/report/bus_budget.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000)

static void test_little_is_served_at_once(void **state)
{
    (void)state;
    struct bus_budget budget;
    bus_budget_begin(&budget, SECOND);
    for (uint64_t now = SECOND; now < 100 * SECOND; now += SECOND) {
        assert_int_equal(bus_budget_wait_usec(&budget, now), 0);
        bus_budget_use(&budget, 90000, now);
    }
}

/* Served whenever it may be, by pieces of any size: it gets the share of a minute, and what was saved up before. */
static void test_a_flood_gets_its_share(void **state)
{
    (void)state;
    for (uint64_t piece = 7; piece <= 40000; piece = piece * 3 + 1) {
        struct bus_budget budget;
        uint64_t now = SECOND, used = 0, wait;
        bus_budget_begin(&budget, now);
        while (now < 61 * SECOND) {
            wait = bus_budget_wait_usec(&budget, now);
            now += wait;
            if (wait)
                continue;
            used += piece;
            now += piece;
            bus_budget_use(&budget, piece, now);
        }
        uint64_t share = 60 * SECOND * BUS_BUDGET_PERCENT / 100;
        assert_in_range(used, share * 9 / 10, share + BUS_BUDGET_MAX_USEC + piece);
    }
}

/* One answer that takes for ever does not close the door for ever. */
static void test_a_wait_ends(void **state)
{
    (void)state;
    struct bus_budget budget;
    bus_budget_begin(&budget, SECOND);
    bus_budget_use(&budget, UINT64_C(1) << 60, SECOND);
    uint64_t wait = bus_budget_wait_usec(&budget, SECOND);
    assert_in_range(wait, 1, 3 * SECOND);
    assert_int_equal(bus_budget_wait_usec(&budget, SECOND + wait), 0);
}

static void test_a_clock_that_goes_back(void **state)
{
    (void)state;
    struct bus_budget budget;
    bus_budget_begin(&budget, 10 * SECOND);
    bus_budget_use(&budget, 1000, 5 * SECOND);
    assert_int_equal(bus_budget_wait_usec(&budget, 5 * SECOND), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_little_is_served_at_once),
        cmocka_unit_test(test_a_flood_gets_its_share),
        cmocka_unit_test(test_a_wait_ends),
        cmocka_unit_test(test_a_clock_that_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
