/* usec_text: one figure for each range, and what is at its edges. */
#include "cowherd/usec_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        uint64_t usec;
        const char *text;
    } cases[] = {
        {0, "0 ms"},
        {99, "0 ms"},
        {100, "0.1 ms"},
        {9999, "9.9 ms"},
        {10000, "10 ms"},
        {999999, "999 ms"},
        {1000000, "1 s"},
        {1999999, "1.9 s"},
        {59999999, "59.9 s"},
        {60000000, "1 min 0 s"},
        {UINT64_C(3599999999), "59 min 59 s"},
        {UINT64_C(3600000000), "1 h 0 min"},
        {UINT64_C(86399999999), "23 h 59 min"},
        {UINT64_C(86400000000), "1 d 0 h"},
        {UINT64_MAX, "213503982 d 8 h"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[USEC_TEXT_MAX];
        assert_string_equal(usec_text(cases[i].usec, text), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ranges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
