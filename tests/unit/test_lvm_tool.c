/* lvm_tool: what lvm says, as one line. */
#include "cowherd/lvm_tool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void expect_words(const char *text, const char *expected)
{
    struct lvm_output output = {.length = strlen(text)};
    char words[256];
    memcpy(output.text, text, output.length);
    lvm_output_words(&output, words, sizeof(words));
    assert_string_equal(words, expected);
}

static void test_lines_are_joined(void **state)
{
    (void)state;
    expect_words("", "");
    expect_words("\n \n", "");
    expect_words("  one\n", "one");
    expect_words("  Size changed.\n  Volume resized.\n\n", "Size changed.; Volume resized.");
    expect_words("a\tb\x1b[0m\n", "a b [0m");
    expect_words("  one\n  WARNING: setpriority -18 failed: no.\n  two\n", "one; two");
    expect_words("cut", "cut");
}

static int number(const char *text, uint64_t *ret_number)
{
    struct lvm_output output = {.length = strlen(text)};
    memcpy(output.text, text, output.length);
    return lvm_output_number(&output, ret_number);
}

static void test_a_number_is_found_among_warnings(void **state)
{
    (void)state;
    uint64_t is = 7;
    assert_int_equal(number("  8192\n", &is), 0);
    assert_int_equal(is, 8192);
    assert_int_equal(number("  WARNING: Device 12 is gone.\n  10240 \n", &is), 0);
    assert_int_equal(is, 10240);
    assert_true(number("", &is) < 0);
    assert_true(number("  WARNING: 5\n", &is) < 0);
    assert_true(number("  12.5m\n", &is) < 0);
    assert_true(number("  -3\n", &is) < 0);
    assert_true(number("  99999999999999999999999\n", &is) < 0);
    assert_int_equal(is, 10240);
}

static void test_what_it_has_said(void **state)
{
    (void)state;
    struct lvm_output output = {.text = "one two three", .length = 7};
    assert_true(lvm_output_has(&output, "two"));
    assert_false(lvm_output_has(&output, "three")); /* past what it said */
}

/* Whatever it says and however small the room: it ends, and nothing is written behind the room. */
static void test_it_fits(void **state)
{
    (void)state;
    struct lvm_output output = {.length = LVM_OUTPUT_MAX};
    char words[64];
    memset(output.text, 'x', sizeof(output.text));
    for (size_t i = 0; i < sizeof(output.text); i += 3)
        output.text[i] = '\n';
    for (size_t size = 1; size < sizeof(words); size++) {
        memset(words, '#', sizeof(words));
        lvm_output_words(&output, words, size);
        assert_true(strlen(words) < size);
        assert_int_equal(words[size], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_joined),
        cmocka_unit_test(test_a_number_is_found_among_warnings),
        cmocka_unit_test(test_what_it_has_said),
        cmocka_unit_test(test_it_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
