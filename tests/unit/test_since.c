#include "since.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000)
#define NOW    (UINT64_C(1795391403) * SECOND) /* 2026-11-22 23:50:03 UTC */
#define TODAY  (UINT64_C(1795305600) * SECOND)

static void times_are_understood(void **state)
{
    static const struct {
        const char *text;
        uint64_t usec;
    } cases[] = {
        {"2h", NOW - 7200 * SECOND},
        {"90 s", NOW - 90 * SECOND},
        {"today", TODAY},
        {"yesterday", TODAY - 86400 * SECOND},
        {"12:30", TODAY + 45000 * SECOND},
        {"12:30:15", TODAY + 45015 * SECOND},
        {"2026-11-21", TODAY - 86400 * SECOND},
        {"2026-11-22 01:02", TODAY + 3720 * SECOND},
        {"2026-11-22 01:02:03", TODAY + 3723 * SECOND},
        {"100000d", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t usec = 1;
        assert_int_equal(since_parse(cases[i].text, NOW, &usec), 0);
        assert_int_equal(usec, cases[i].usec);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const texts[] = {"", "noon", "25:00", "2026-13-01", "12:30 x", "2h ago", "-1h"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t usec = 1;
        assert_int_equal(since_parse(texts[i], NOW, &usec), -EINVAL);
        assert_int_equal(usec, 1);
    }
}

static int take_utc(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_understood),
        cmocka_unit_test(what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, take_utc, NULL);
}
