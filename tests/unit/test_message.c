/* message: every error is said, in the order of files and lines. */
#include "fixture_configuration.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Warnings and errors of one file stand in the order of its lines. */
static void test_order_of_messages(void **state)
{
    (void)state;
    refuse_text("[snapshot a]\nfoo = 1\n[hook h]\nbar = 1\n[daemon]\nbaz = 1\n",
                "f:1: warning: [snapshot a] has no rungs: nothing guards its snapshots\n"
                "f:2: unknown key \"foo\" in [snapshot]\n"
                "f:3: [hook h] has no command\nf:4: unknown key \"bar\" in [hook]\n"
                "f:6: unknown key \"baz\" in [daemon]\n");
}

/* Messages are appended, and earlier ones are not taken for errors of this reading. */
static void test_messages_are_appended(void **state)
{
    const struct config_places places = the_file();
    struct config_messages messages = {0};
    struct configuration configuration;

    (void)state;
    write_text("f", "[daemon]\nfoo = 1\n");
    assert_int_equal(configuration_read(&places, &configuration, &messages), -EINVAL);
    assert_int_equal(messages.n_errors, 1);
    write_text("f", "[daemon]\n");
    assert_int_equal(configuration_read(&places, &configuration, &messages), 0);
    assert_int_equal(messages.n_items, 1);
    configuration_done(&configuration);
    config_messages_done(&messages);
    assert_int_equal(messages.n_items, 0);
}

/* A message a line, and all of them. */
static void test_many_errors(void **state)
{
    const struct config_places places = the_file();
    struct config_messages messages = {0};
    char *text = malloc(CONFIG_FILE_BYTES_MAX);
    struct configuration configuration;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < CONFIG_FILE_BYTES_MAX; i++)
        text[i] = i % 2 ? '\n' : 'x';
    write_bytes("f", text, CONFIG_FILE_BYTES_MAX);
    assert_int_equal(configuration_read(&places, &configuration, &messages), -EINVAL);
    assert_int_equal(messages.n_items, CONFIG_FILE_BYTES_MAX / 2);
    for (unsigned i = 0; i < CONFIG_FILE_BYTES_MAX / 2; i++)
        assert_int_equal(messages.items[i].line, i + 1);
    config_messages_done(&messages);
    free(text);
}

static void test_errors_of_all_files(void **state)
{
    (void)state;
    write_text("etc/cowherd.conf", "[daemon]\nfoo = 1\n[snapshot a]\nat 1% = exec page\n");
    write_text("run/cowherd.conf.d/a.conf", "\n[daemon]\nbar = 1\n");
    run_in_root("mkdir lib/cowherd.conf.d/b.conf");
    write_text("etc/cowherd.conf.d/c.conf", "baz = 1\n");
    run_in_root("chmod 666 etc/cowherd.conf.d/c.conf");
    write_text("etc/cowherd.conf.d/d.conf", "[daemon]\nbaz = 1\n");
    refuse_directories("etc/cowherd.conf:2: unknown key \"foo\" in [daemon]\n"
                       "run/cowherd.conf.d/a.conf:3: unknown key \"bar\" in [daemon]\n"
                       "lib/cowherd.conf.d/b.conf:0: this is not a regular file\n"
                       "etc/cowherd.conf.d/c.conf:0: the file can be written by others than its owner\n"
                       "etc/cowherd.conf.d/d.conf:2: unknown key \"baz\" in [daemon]\n"
                       "etc/cowherd.conf:4: \"exec page\": there is no [hook page]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_order_of_messages, set_up),
        cmocka_unit_test_setup(test_messages_are_appended, set_up),
        cmocka_unit_test_setup(test_many_errors, set_up),
        cmocka_unit_test_setup(test_errors_of_all_files, set_up),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
