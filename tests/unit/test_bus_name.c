/* bus_name: every name has a path of its own and a text that is UTF-8. */
#include "../../daemon/report/bus_name.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_paths_round_trip(void **state)
{
    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        char name[] = {'a', (char)byte, '/', '\0'}, *decoded = NULL;
        char *path = bus_path_of(name, 0);
        assert_non_null(path);
        assert_true(sd_bus_object_path_is_valid(path));
        assert_int_equal(sd_bus_path_decode(path, BUS_SNAPSHOTS, &decoded), 1);
        assert_string_equal(decoded, name);
        free(decoded);
        free(path);
    }
}

static void test_further_targets(void **state)
{
    (void)state;
    char longest[128], *decoded = NULL;
    memset(longest, 0xff, sizeof(longest) - 1);
    longest[127] = '\0';
    char *path = bus_path_of("x", 2048);
    assert_string_equal(path, BUS_SNAPSHOTS "/x_402048");
    free(path);
    path = bus_path_of(longest, UINT64_MAX);
    assert_int_equal(sd_bus_path_decode(path, BUS_SNAPSHOTS, &decoded), 1);
    assert_int_equal(strncmp(decoded, longest, 127), 0);
    assert_string_equal(decoded + 127, "@18446744073709551615");
    free(decoded);
    free(path);
}

static void expect(const char *text, const char *utf8)
{
    char *copy;
    const char *is = bus_utf8(text, &copy);
    assert_string_equal(is, utf8);
    assert_true(copy ? is == copy : is == text);
    free(copy);
}

static void test_only_what_is_no_utf8_is_escaped(void **state)
{
    (void)state;
    expect("", "");
    expect("a \"b'\\\n\t\x7f", "a \"b'\\\n\t\x7f");
    expect("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x84", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x84");
    expect("\xc2\x85", "\xc2\x85"); /* a control character all the same */
    expect("\xff", "\\xff");
    expect("a\xc3", "a\\xc3");                 /* cut short */
    expect("\xc0\xaf", "\\xc0\\xaf");          /* longer than it need be */
    expect("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* a surrogate */
    expect("\xc2z\xc3\xa9", "\\xc2z\xc3\xa9");
}

/* What sd-bus takes for UTF-8 is what we take for it: any three bytes go into a message. */
static void test_a_message_takes_every_text(void **state)
{
    sd_bus *bus = *state;
    for (unsigned bytes = 1; bytes < 1U << 16; bytes += 7) {
        char text[] = {(char)(bytes >> 8), (char)bytes, (char)(bytes * 31), '\0'};
        sd_bus_message *message = NULL;
        assert_true(sd_bus_message_new_signal(bus, &message, "/x", "x.y", "Z") >= 0);
        assert_true(bus_append_text(message, text) >= 0);
        sd_bus_message_unref(message);
    }
}

static int set_up(void **state)
{
    sd_bus *bus = NULL;
    int r = sd_bus_new(&bus);
    if (r >= 0)
        r = sd_bus_set_address(bus, "unix:path=/nonexistent/cowherd-test");
    if (r >= 0)
        r = sd_bus_set_watch_bind(bus, true);
    if (r >= 0)
        r = sd_bus_start(bus);
    *state = bus;
    return r < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    sd_bus_close_unref(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_round_trip),
        cmocka_unit_test(test_further_targets),
        cmocka_unit_test(test_only_what_is_no_utf8_is_escaped),
        cmocka_unit_test_setup_teardown(test_a_message_takes_every_text, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
