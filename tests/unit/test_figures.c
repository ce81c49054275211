#include "figures.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char text[FIGURES_MAX];

static void sizes_have_no_blank(void **state)
{
    (void)state;
    assert_string_equal(figures_bytes(0, text), "0B");
    assert_string_equal(figures_bytes(1536, text), "1.5KiB");
    assert_string_equal(figures_rate(76800, text), "75KiB/s");
    figures_rate(UINT64_MAX, text);
    assert_true(strlen(text) < FIGURES_MAX);
}

static void times_are_in_the_unit_that_shows_them_change(void **state)
{
    (void)state;
    assert_string_equal(figures_time(0, text), "0s");
    assert_string_equal(figures_time(119.9, text), "119s");
    assert_string_equal(figures_time(120, text), "2min");
    assert_string_equal(figures_time(2 * 3600 - 1, text), "119min");
    assert_string_equal(figures_time(2 * 3600, text), "2h");
    assert_string_equal(figures_time(2 * 86400 - 1, text), "47h");
    assert_string_equal(figures_time(12.5 * 86400, text), "12d");
}

/* Whatever hundredths went through a division come out of it again. */
static void percentages_keep_their_hundredths(void **state)
{
    (void)state;
    for (unsigned centipercent = 0; centipercent <= 10000; centipercent++) {
        char expected[32];
        snprintf(expected, sizeof(expected), "%u.%02u", centipercent / 100, centipercent % 100);
        assert_string_equal(figures_percent(centipercent / 100.0, text), expected);
    }
    assert_string_equal(figures_percent(99.999, text), "99.99");
}

static void dates_are_rfc_3339(void **state)
{
    (void)state;
    assert_string_equal(figures_date(UINT64_C(1795391403250999), text), "2026-11-22T23:50:03.250Z");
    assert_string_equal(figures_date(1, text), "1970-01-01T00:00:00.000Z");
    assert_string_equal(figures_date(UINT64_MAX, text), "9999-12-31T23:59:59.000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_have_no_blank),
        cmocka_unit_test(times_are_in_the_unit_that_shows_them_change),
        cmocka_unit_test(percentages_keep_their_hundredths),
        cmocka_unit_test(dates_are_rfc_3339),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
