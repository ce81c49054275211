#include "json.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char written[256];

static const char *text(const char *value)
{
    FILE *stream = fmemopen(written, sizeof(written), "w");
    json_put_text(stream, value);
    fclose(stream);
    return written;
}

static const char *real(double value, unsigned decimals)
{
    FILE *stream = fmemopen(written, sizeof(written), "w");
    json_put_real(stream, value, decimals);
    fclose(stream);
    return written;
}

static void a_text_is_a_json_string(void **state)
{
    (void)state;
    assert_string_equal(text("plain"), "\"plain\"");
    assert_string_equal(text(""), "\"\"");
    assert_string_equal(text(NULL), "null");
    assert_string_equal(text("a \"b\" \\ /"), "\"a \\\"b\\\" \\\\ /\"");
    assert_string_equal(text("\n\t\x01\x1f\x7f"), "\"\\n\\t\\u0001\\u001f\\u007f\"");
    assert_string_equal(text("äöü 日本 🐄"), "\"äöü 日本 🐄\"");
}

static void bytes_that_are_no_utf8_are_escaped_as_text(void **state)
{
    (void)state;
    assert_string_equal(text("\xff"), "\"\\\\xff\"");
    assert_string_equal(text("a\xc3"), "\"a\\\\xc3\"");
    assert_string_equal(text("\xc3\xa4\xc0\x80"), "\"ä\\\\xc0\\\\x80\"");
    assert_string_equal(text("\xed\xa0\x80"), "\"\\\\xed\\\\xa0\\\\x80\"");
}

static void every_byte_makes_one_line_of_utf8(void **state)
{
    (void)state;
    for (int a = 1; a < 256; a++)
        for (int b = 1; b < 256; b++) {
            char value[] = {(char)a, (char)b, 0};
            for (const char *at = text(value); *at; at++)
                assert_true((unsigned char)*at >= ' ' && *at != 0x7f);
        }
}

static void numbers_have_a_dot_and_are_rounded_down(void **state)
{
    (void)state;
    assert_string_equal(real(42.1, 2), "42.10");
    assert_string_equal(real(99.999, 2), "99.99");
    assert_string_equal(real(0, 1), "0.0");
    assert_string_equal(real(217.69, 1), "217.6");
    assert_string_equal(real(INFINITY, 1), "null");
    assert_string_equal(real(NAN, 1), "null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_a_json_string),
        cmocka_unit_test(bytes_that_are_no_utf8_are_escaped_as_text),
        cmocka_unit_test(every_byte_makes_one_line_of_utf8),
        cmocka_unit_test(numbers_have_a_dot_and_are_rounded_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
