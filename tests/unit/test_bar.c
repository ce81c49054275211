#include "bar.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static unsigned characters(const char *text)
{
    unsigned n = 0;
    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

static void a_bar_is_as_wide_as_asked(void **state)
{
    char text[BAR_MAX];
    (void)state;
    for (unsigned columns = 3; columns <= BAR_COLUMNS_MAX; columns++)
        for (double percent = -10; percent <= 130; percent += 3.7) {
            assert_int_equal(characters(bar_text(percent, columns, true, text)), columns);
            assert_int_equal(strlen(bar_text(percent, columns, false, text)), columns);
        }
}

static void it_is_rounded_down_in_eighths(void **state)
{
    char text[BAR_MAX];
    (void)state;
    assert_string_equal(bar_text(50, 6, true, text), "▕██  ▏");
    assert_string_equal(bar_text(50 + 3.1, 6, true, text), "▕██  ▏");
    assert_string_equal(bar_text(50 + 3.2, 6, true, text), "▕██▏ ▏");
    assert_string_equal(bar_text(99.9, 6, true, text), "▕███▉▏");
    assert_string_equal(bar_text(74.9, 6, false, text), "[##  ]");
    assert_string_equal(bar_text(75, 6, false, text), "[### ]");
}

static void something_is_never_nothing_nor_less_than_all_all(void **state)
{
    char text[BAR_MAX];
    (void)state;
    assert_string_equal(bar_text(0, 6, true, text), "▕    ▏");
    assert_string_equal(bar_text(0.0001, 6, true, text), "▕▏   ▏");
    assert_string_equal(bar_text(0.0001, 6, false, text), "[#   ]");
    assert_string_equal(bar_text(99.9999, 6, false, text), "[### ]");
    assert_string_equal(bar_text(100, 6, false, text), "[####]");
    assert_string_equal(bar_text(140, 6, true, text), "▕████▏");
}

static void no_number_is_empty(void **state)
{
    char text[BAR_MAX];
    (void)state;
    assert_string_equal(bar_text(__builtin_nan(""), 6, false, text), "[    ]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bar_is_as_wide_as_asked),
        cmocka_unit_test(it_is_rounded_down_in_eighths),
        cmocka_unit_test(something_is_never_nothing_nor_less_than_all_all),
        cmocka_unit_test(no_number_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
