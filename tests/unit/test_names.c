#include "cowherd/event.h"
#include "names.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const odd_names[] = {
    "plain",        "two words", "quote\"'`", "back\\slash", "\\x41", "new\nline", "tab\tbell\a",
    "\xff\xfe raw", "äöü 日本",  "\xc2\x85",  "[*]?",        "a=b|c", "\x7f",      "\xed\xa0\x80",
};

#define N_NAMES (sizeof(odd_names) / sizeof(odd_names[0]))

static void what_is_printed_may_be_typed(void **state)
{
    char text[EVENT_NAME_MAX], bytes[NAMES_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < N_NAMES; i++)
        assert_string_equal(names_unescape(event_text_name(odd_names[i], text), bytes), odd_names[i]);
}

static void so_may_every_byte(void **state)
{
    (void)state;
    for (int a = 1; a < 256; a++)
        for (int b = 1; b < 256; b++) {
            char name[] = {(char)a, (char)b, 0}, text[EVENT_NAME_MAX], bytes[NAMES_TEXT_MAX];
            assert_string_equal(names_unescape(event_text_name(name, text), bytes), name);
        }
}

static void a_long_text_is_cut(void **state)
{
    char text[2000], bytes[NAMES_TEXT_MAX];
    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(strlen(names_unescape(text, bytes)), NAMES_TEXT_MAX - 1);
    assert_true(strlen(names_utf8(text, bytes)) < NAMES_TEXT_MAX);
    memset(text, 0xff, sizeof(text) - 1);
    assert_true(strlen(names_utf8(text, bytes)) < NAMES_TEXT_MAX);
}

static void only_what_is_no_utf8_is_escaped_for_the_bus(void **state)
{
    char text[NAMES_TEXT_MAX];
    (void)state;
    assert_string_equal(names_utf8("a\n\\ \"ä", text), "a\n\\ \"ä");
    assert_string_equal(names_utf8("\xffz\xc3", text), "\\xffz\\xc3");
    assert_string_equal(names_utf8("\xc2\x85", text), "\xc2\x85");
    assert_string_equal(names_utf8("\xed\xa0\x80", text), "\\xed\\xa0\\x80");
}

static void a_name_is_itself_its_uuid_and_its_escaped_self(void **state)
{
    char text[EVENT_NAME_MAX];
    (void)state;
    for (size_t i = 0; i < N_NAMES; i++) {
        struct account account = {.name = (char *)odd_names[i], .uuid = (char *)"LVM-abc"};
        assert_true(names_is(odd_names[i], &account));
        assert_true(names_is(event_text_name(odd_names[i], text), &account));
        assert_true(names_is("LVM-abc", &account));
        assert_false(names_is("", &account));
        assert_false(names_is("LVM-*", &account));
    }
}

static void a_glob_is_on_the_name(void **state)
{
    struct account account = {.name = (char *)"vg0-root"};
    (void)state;
    assert_true(names_match("vg0-*", &account));
    assert_true(names_match("*", &account));
    assert_true(names_match("vg[0-9]-r??t", &account));
    assert_false(names_match("vg1-*", &account));
    assert_false(names_match("vg0", &account));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_may_be_typed),
        cmocka_unit_test(so_may_every_byte),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(only_what_is_no_utf8_is_escaped_for_the_bus),
        cmocka_unit_test(a_name_is_itself_its_uuid_and_its_escaped_self),
        cmocka_unit_test(a_glob_is_on_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
