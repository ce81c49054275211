/* value: every word at its edges, what is taken and with which sentence the rest is refused. */
#include "cowherd/value.h"
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define UNTOUCHED UINT64_C(0x5555555555555555)

typedef int number_parser(const char *text, uint64_t *ret_number, const char **ret_error);

static void assert_number(number_parser *parse, const char *text, uint64_t expected)
{
    const char *error = NULL;
    uint64_t number = UNTOUCHED;

    if (parse(text, &number, &error) != 0)
        fail_msg("\"%s\" was refused: %s", text, error);
    assert_int_equal(number, expected);
}

static void assert_no_number(number_parser *parse, const char *text, const char *sentence)
{
    const char *error = NULL;
    uint64_t number = UNTOUCHED;

    if (parse(text, &number, &error) != -EINVAL)
        fail_msg("\"%s\" was taken for %" PRIu64, text, number);
    assert_int_equal(number, UNTOUCHED);
    assert_string_equal(error, sentence);
}

#define NO_SIZE_UNIT "a size needs a unit: B, KiB, MiB, GiB, TiB"
#define NO_TIME_UNIT "a time needs a unit: ms, s, min, h, d"
#define NO_NUMBER    "a number is expected"
#define NEGATIVE     "a number cannot be negative"
#define TOO_LARGE    "the number is too large"
#define TRAILING     "something follows that does not belong there"

static void test_sizes(void **state)
{
    (void)state;
    assert_number(value_parse_size, "0B", 0);
    assert_number(value_parse_size, "1B", 1);
    assert_number(value_parse_size, "3KiB", 3072);
    assert_number(value_parse_size, "256MiB", UINT64_C(268435456));
    assert_number(value_parse_size, "8GiB", UINT64_C(8589934592));
    assert_number(value_parse_size, "2TiB", UINT64_C(2199023255552));
    assert_number(value_parse_size, " \t512 \t MiB\t ", UINT64_C(536870912));
    assert_number(value_parse_size, "007KiB", 7168);
    assert_number(value_parse_size, "18446744073709551615B", UINT64_MAX);
    assert_number(value_parse_size, "18014398509481983KiB", UINT64_MAX - 1023);
    assert_number(value_parse_size, "16777215TiB", UINT64_C(0xffffff0000000000));
}

static void test_bad_sizes(void **state)
{
    (void)state;
    assert_no_number(value_parse_size, "", NO_NUMBER);
    assert_no_number(value_parse_size, "MiB", NO_NUMBER);
    assert_no_number(value_parse_size, "+1MiB", NO_NUMBER);
    assert_no_number(value_parse_size, "0x10MiB", NO_SIZE_UNIT);
    assert_no_number(value_parse_size, "-1MiB", NEGATIVE);
    assert_no_number(value_parse_size, "0", NO_SIZE_UNIT);
    assert_no_number(value_parse_size, "5", NO_SIZE_UNIT);
    assert_no_number(value_parse_size, "5M", NO_SIZE_UNIT);
    assert_no_number(value_parse_size, "5MB", NO_SIZE_UNIT);
    assert_no_number(value_parse_size, "5mib", NO_SIZE_UNIT);
    assert_no_number(value_parse_size, "5MiBs", NO_SIZE_UNIT);
    assert_no_number(value_parse_size, "5s", NO_SIZE_UNIT);
    assert_no_number(value_parse_size, "5%", NO_SIZE_UNIT);
    assert_no_number(value_parse_size, "1.5GiB", "a size is a whole number");
    assert_no_number(value_parse_size, "5MiB 5MiB", TRAILING);
    assert_no_number(value_parse_size, "5MiB,", TRAILING);
    assert_no_number(value_parse_size, "18446744073709551616B", TOO_LARGE);
    assert_no_number(value_parse_size, "99999999999999999999999999B", TOO_LARGE);
    assert_no_number(value_parse_size, "18014398509481984KiB", TOO_LARGE);
    assert_no_number(value_parse_size, "16777216TiB", TOO_LARGE);
}

static void test_times(void **state)
{
    (void)state;
    assert_number(value_parse_time, "0s", 0);
    assert_number(value_parse_time, "50ms", 50000);
    assert_number(value_parse_time, "10s", 10000000);
    assert_number(value_parse_time, "2 min", 120000000);
    assert_number(value_parse_time, "1h", UINT64_C(3600000000));
    assert_number(value_parse_time, "3d", UINT64_C(259200000000));
    assert_number(value_parse_time, "18446744073709551ms", UINT64_C(18446744073709551000));
}

static void test_bad_times(void **state)
{
    (void)state;
    assert_no_number(value_parse_time, "", NO_NUMBER);
    assert_no_number(value_parse_time, "10", NO_TIME_UNIT);
    assert_no_number(value_parse_time, "0", NO_TIME_UNIT);
    assert_no_number(value_parse_time, "10m", NO_TIME_UNIT);
    assert_no_number(value_parse_time, "10us", NO_TIME_UNIT);
    assert_no_number(value_parse_time, "10S", NO_TIME_UNIT);
    assert_no_number(value_parse_time, "10MiB", NO_TIME_UNIT);
    assert_no_number(value_parse_time, "-1s", NEGATIVE);
    assert_no_number(value_parse_time, "0.5s", "a time is a whole number");
    assert_no_number(value_parse_time, "1h 30min", TRAILING);
    assert_no_number(value_parse_time, "18446744073709552ms", TOO_LARGE);
    assert_no_number(value_parse_time, "213503983d", TOO_LARGE);
}

/* Every percentage that can be written with two decimals, up to 200%. */
static void test_percentages(void **state)
{
    char text[32];

    (void)state;
    for (unsigned centi = 0; centi <= 20000; centi++) {
        snprintf(text, sizeof(text), "%u.%02u%%", centi / 100, centi % 100);
        assert_number(value_parse_percent, text, centi);
        if (centi % 10 == 0) {
            snprintf(text, sizeof(text), "%u.%u %%", centi / 100, centi % 100 / 10);
            assert_number(value_parse_percent, text, centi);
        }
        if (centi % 100 == 0) {
            snprintf(text, sizeof(text), "%u%%", centi / 100);
            assert_number(value_parse_percent, text, centi);
        }
    }
    assert_number(value_parse_percent, "184467440737095516.15%", UINT64_MAX);
}

static void test_bad_percentages(void **state)
{
    (void)state;
    assert_no_number(value_parse_percent, "", NO_NUMBER);
    assert_no_number(value_parse_percent, "%", NO_NUMBER);
    assert_no_number(value_parse_percent, ".5%", NO_NUMBER);
    assert_no_number(value_parse_percent, "5.%", NO_NUMBER);
    assert_no_number(value_parse_percent, "-5%", NEGATIVE);
    assert_no_number(value_parse_percent, "5", "a percentage ends with %");
    assert_no_number(value_parse_percent, "5.5.5%", "a percentage ends with %");
    assert_no_number(value_parse_percent, "5,5%", "a percentage ends with %");
    assert_no_number(value_parse_percent, "5.125%", "a percentage has two decimals at most");
    assert_no_number(value_parse_percent, "5%%", TRAILING);
    assert_no_number(value_parse_percent, "5% used", TRAILING);
    assert_no_number(value_parse_percent, "184467440737095516.16%", TOO_LARGE);
    assert_no_number(value_parse_percent, "184467440737095517%", TOO_LARGE);
}

static void test_bools(void **state)
{
    static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false", "off", "0"},
                             *const neither[] = {"", "y", "Yes", "yes ", "2", "maybe", "yesno"};
    const char *error = NULL;
    bool value;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        value = false;
        assert_int_equal(value_parse_bool(yes[i], &value, &error), 0);
        assert_true(value);
        assert_int_equal(value_parse_bool(no[i], &value, &error), 0);
        assert_false(value);
    }
    for (size_t i = 0; i < sizeof(neither) / sizeof(neither[0]); i++) {
        value = true;
        assert_int_equal(value_parse_bool(neither[i], &value, &error), -EINVAL);
        assert_true(value);
        assert_string_equal(error, "yes or no is expected");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),       cmocka_unit_test(test_bad_sizes),
        cmocka_unit_test(test_times),       cmocka_unit_test(test_bad_times),
        cmocka_unit_test(test_percentages), cmocka_unit_test(test_bad_percentages),
        cmocka_unit_test(test_bools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
