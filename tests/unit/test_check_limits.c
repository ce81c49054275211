#include "check_limits.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_percentage_and_a_time_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        double percent, seconds;
    } cases[] = {
        {"70%", 70, -1},     {"70", 70, -1},   {"99.95", 99.95, -1}, {"0.5%", 0.5, -1}, {"2h", -1, 7200},
        {"30min", -1, 1800}, {"90 s", -1, 90}, {"500ms", -1, 0.5},   {"1d", -1, 86400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct limits limits = LIMITS_NONE;
        const char *error;
        assert_int_equal(limits_parse(cases[i].text, &limits, &error), 0);
        assert_float_equal(limits.percent, cases[i].percent, 1e-9);
        assert_float_equal(limits.seconds, cases[i].seconds, 1e-9);
    }
}

static void both_kinds_stand_beside_each_other(void **state)
{
    struct limits limits = LIMITS_NONE;
    const char *error;
    (void)state;
    assert_false(limits_has_any(&limits));
    assert_int_equal(limits_parse("80", &limits, &error), 0);
    assert_int_equal(limits_parse("1h", &limits, &error), 0);
    assert_true(limits_has_any(&limits));
    assert_float_equal(limits.percent, 80, 1e-9);
    assert_float_equal(limits.seconds, 3600, 1e-9);
}

static void there_is_one_of_each_kind(void **state)
{
    struct limits limits = {.percent = 80, .seconds = 3600};
    const char *error = NULL;
    (void)state;
    assert_int_equal(limits_parse("80", &limits, &error), -EINVAL);
    assert_string_equal(error, "there is a percentage already");
    assert_int_equal(limits_parse("1h", &limits, &error), -EINVAL);
    assert_string_equal(error, "there is a time already");
}

/* Below 0: not given. */
static void a_warning_comes_first_and_a_default_gives_way(void **state)
{
    static const struct {
        struct limits warning, critical;
        double warning_percent, critical_percent;
        int r;
    } cases[] = {
        {{-1, -1}, {-1, -1}, 70, 90, 0},     {{95, -1}, {-1, -1}, 95, 95, 0},
        {{-1, -1}, {50, -1}, 50, 50, 0},     {{-1, -1}, {95, -1}, 70, 95, 0},
        {{-1, 60}, {-1, -1}, -1, 90, 0},     {{-1, -1}, {-1, 60}, 70, -1, 0},
        {{80, -1}, {80, -1}, 80, 80, 0},     {{81, -1}, {80, -1}, 81, 80, -EINVAL},
        {{-1, 60}, {-1, 60}, -1, -1, 0},     {{-1, 59}, {-1, 60}, -1, -1, -EINVAL},
        {{60, 3600}, {90, 1800}, 60, 90, 0}, {{60, 60}, {90, 3600}, 60, 90, -EINVAL},
        {{99, 3600}, {-1, 1800}, 99, -1, 0}, {{-1, 10}, {50, 3600}, -1, 50, -EINVAL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct limits warning = cases[i].warning, critical = cases[i].critical;
        const char *error;
        assert_int_equal(limits_complete(&warning, &critical, &error), cases[i].r);
        assert_float_equal(warning.percent, cases[i].warning_percent, 1e-9);
        assert_float_equal(critical.percent, cases[i].critical_percent, 1e-9);
    }
}

static void what_is_no_limit_is_refused_and_changes_nothing(void **state)
{
    static const char *const texts[] = {
        "",
        "%",
        "101%",
        "-1",
        "1e3",
        "2 hours",
        "half",
        "70%%",
        "70 %x",
        "1GiB",
        "1.5h",
        " ",
        "99999999999999999999999999999999999999999999999999999999999999999999"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct limits limits = LIMITS_NONE;
        const char *error = NULL;
        assert_int_equal(limits_parse(texts[i], &limits, &error), -EINVAL);
        assert_non_null(error);
        assert_false(limits_has_any(&limits));
    }
}

static void they_are_reached_at_and_beyond(void **state)
{
    struct limits limits = {.percent = 70, .seconds = 600};
    struct limits none = LIMITS_NONE;
    (void)state;
    assert_false(limits_are_reached(&limits, 69.99, -1));
    assert_true(limits_are_reached(&limits, 70, -1));
    assert_false(limits_are_reached(&limits, 0, 600.5));
    assert_true(limits_are_reached(&limits, 0, 600));
    assert_true(limits_are_reached(&limits, 0, 0));
    assert_false(limits_are_reached(&none, 100, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_percentage_and_a_time_are_told_apart),
        cmocka_unit_test(both_kinds_stand_beside_each_other),
        cmocka_unit_test(there_is_one_of_each_kind),
        cmocka_unit_test(a_warning_comes_first_and_a_default_gives_way),
        cmocka_unit_test(what_is_no_limit_is_refused_and_changes_nothing),
        cmocka_unit_test(they_are_reached_at_and_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
