#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cowherd/configuration.h"

/* What is said of one command, or "". */
static void expect(const char *command, const char *expected)
{
    struct hook hook = {.name = "page", .command = (char *)command, .file = "f", .line = 3};
    struct configuration configuration = {.hooks = &hook, .n_hooks = 1};
    struct config_messages messages = {0};

    assert_int_equal(configuration_check_hooks(&configuration, &messages), 0);
    assert_int_equal(messages.n_errors, 0);
    assert_int_equal(messages.n_items, *expected != '\0');
    if (messages.n_items > 0) {
        assert_true(messages.items[0].is_warning);
        assert_int_equal(messages.items[0].line, 3);
        assert_string_equal(messages.items[0].file, "f");
        assert_string_equal(messages.items[0].text, expected);
    }
    config_messages_done(&messages);
}

static void test_programs_that_can_be_run(void **state)
{
    (void)state;
    expect("/bin/sh", "");
    expect("'/bin/sh' -c /no/such", "");
    expect("\"/bin\"/sh", "");
}

static void test_programs_that_cannot(void **state)
{
    (void)state;
    expect("/no/such 'a b'", "[hook page] cannot run /no/such: No such file or directory");
    expect("'/no/such thing'", "[hook page] cannot run /no/such thing: No such file or directory");
    expect("/bin", "[hook page] cannot run /bin: it is not a regular file");
    expect("/etc/passwd", "[hook page] cannot run /etc/passwd: it is not executable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs_that_can_be_run),
        cmocka_unit_test(test_programs_that_cannot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
