#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cowherd/hook.h"
#include <errno.h>
#include <signal.h>

static void expect(int end, int number, const char *output, bool is_cut, bool succeeded, const char *expected)
{
    struct hook_outcome outcome = {.end = end, .number = number, .is_cut = is_cut};
    char text[EVENT_RESULT_MAX];

    outcome.n_output = (uint32_t)strlen(output);
    memcpy(outcome.output, output, outcome.n_output);
    assert_int_equal(hook_outcome_text(&outcome, "/bin/page", 30000000, text), succeeded);
    assert_string_equal(text, expected);
}

static void test_success(void **state)
{
    (void)state;
    expect(HOOK_EXITED, 0, "", false, true, "done");
    expect(HOOK_EXITED, 0, " \r\n\t", false, true, "done");
    expect(HOOK_EXITED, 0, "\nsent\nto a\n\n", false, true, "sent\nto a");
}

static void test_failure_says_why(void **state)
{
    (void)state;
    expect(HOOK_EXITED, 3, "", false, false, "exit code 3");
    expect(HOOK_EXITED, 3, "no route\n", false, false, "exit code 3: no route");
    expect(HOOK_KILLED, SIGSEGV, "", false, false, "killed by SIGSEGV");
    expect(HOOK_OVERDUE, 0, "x", false, false, "took longer than 30 s and was stopped: x");
    expect(HOOK_NOT_STARTED, ENOENT, "", false, false, "/bin/page cannot be run: No such file or directory");
    expect(HOOK_REFUSED, 0, "no socket", false, false, "not run: no socket");
}

static void test_cut_output_begins_with_a_character(void **state)
{
    (void)state;
    expect(HOOK_EXITED, 1, "\xa4 b", true, false, "exit code 1: …b");
    expect(HOOK_EXITED, 1, "\xa4\xff b", true, false, "exit code 1: …\xff b");
    expect(HOOK_EXITED, 1, "\xff b", false, false, "exit code 1: \xff b");
}

/* All that is kept of the output fits, with the longest reason. */
static void test_the_largest(void **state)
{
    struct hook_outcome outcome = {.end = HOOK_OVERDUE, .n_output = HOOK_OUTPUT_MAX, .is_cut = true};
    char text[EVENT_RESULT_MAX];

    (void)state;
    memset(outcome.output, 'x', HOOK_OUTPUT_MAX);
    outcome.output[HOOK_OUTPUT_MAX - 2] = '\0';
    assert_false(hook_outcome_text(&outcome, "/a", UINT64_MAX - 1, text));
    assert_string_equal(text + strlen(text) - 3, "x?x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_failure_says_why),
        cmocka_unit_test(test_cut_output_begins_with_a_character),
        cmocka_unit_test(test_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
