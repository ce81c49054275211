#include "columns.h"
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 3

/* A name that is never dropped, a figure that goes first, a text that goes second; the name grows first. */
static const struct column_need needs[N] = {
    {.least = 4, .natural = 10, .dropped = 0, .grown = 0},
    {.least = 5, .natural = 5, .dropped = 1, .grown = 0},
    {.least = 8, .natural = 20, .dropped = 2, .grown = 1},
};

static unsigned total(const unsigned *widths)
{
    unsigned sum = 0, n = 0;
    for (size_t i = 0; i < N; i++)
        sum += widths[i], n += widths[i] > 0;
    return sum + n - 1;
}

static void without_a_limit_nothing_is_cut(void **state)
{
    unsigned widths[N];
    (void)state;
    columns_fit(needs, N, 0, widths);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(widths[i], needs[i].natural);
}

static void it_fits_into_every_width(void **state)
{
    unsigned widths[N];
    (void)state;
    for (unsigned width = 4; width < 60; width++) {
        columns_fit(needs, N, width, widths);
        assert_true(total(widths) <= width);
        for (size_t i = 0; i < N; i++)
            assert_true(widths[i] == 0 || (widths[i] >= needs[i].least && widths[i] <= needs[i].natural));
        /* No room is left that somebody could use. */
        for (size_t i = 0; i < N; i++)
            assert_true(widths[i] == 0 || widths[i] == needs[i].natural || total(widths) == width);
    }
}

static void the_least_important_goes_first(void **state)
{
    unsigned widths[N];
    (void)state;
    columns_fit(needs, N, 4 + 1 + 5 + 1 + 8, widths);
    assert_true(widths[0] == 4 && widths[1] == 5 && widths[2] == 8);
    columns_fit(needs, N, 4 + 1 + 5 + 1 + 8 - 1, widths);
    assert_true(widths[0] == 9 && widths[1] == 0 && widths[2] == 8);
    columns_fit(needs, N, 12, widths);
    assert_true(widths[0] == 10 && widths[1] == 0 && widths[2] == 0);
}

static void the_first_in_order_grows_first(void **state)
{
    unsigned widths[N];
    (void)state;
    columns_fit(needs, N, 4 + 1 + 5 + 1 + 8 + 9, widths);
    assert_true(widths[0] == 10 && widths[1] == 5 && widths[2] == 11);
}

static void odd_characters_count_as_they_are_escaped(void **state)
{
    (void)state;
    assert_int_equal(columns_of_text("plain"), 5);
    assert_int_equal(columns_of_text("a\nb\xff"), 10);
    assert_int_equal(columns_of_text("back\\slash"), 10);
    assert_int_equal(columns_of_text("\\x41"), 4 + 3);
    assert_int_equal(columns_of_text("äö"), 2);
    assert_int_equal(columns_of_text("日本"), 4);
}

static void a_cut_text_is_no_wider_and_says_so(void **state)
{
    static const char text[] = "a\nb日\xff\\x41ende";
    (void)state;
    for (unsigned width = 0; width < 30; width++) {
        char *cut = columns_cut(text, width, "…");
        assert_non_null(cut);
        assert_true(columns_of_text(cut) <= width);
        if (columns_of_text(text) <= width)
            assert_string_equal(cut, text);
        else
            assert_true(width < 2 || strstr(cut, "…"));
        free(cut);
    }
}

static int take_locale(void **state)
{
    (void)state;
    return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_limit_nothing_is_cut),
        cmocka_unit_test(it_fits_into_every_width),
        cmocka_unit_test(the_least_important_goes_first),
        cmocka_unit_test(the_first_in_order_grows_first),
        cmocka_unit_test(odd_characters_count_as_they_are_escaped),
        cmocka_unit_test(a_cut_text_is_no_wider_and_says_so),
    };
    return cmocka_run_group_tests(tests, take_locale, NULL);
}
