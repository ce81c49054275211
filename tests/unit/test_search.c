/* search: which files of the three directories are read, in which order, and which hide others. */
#include "fixture_configuration.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* The main file: for each of the eight ways to have it in the three directories the strongest counts. */
static void test_main_file(void **state)
{
    static const char *const files[] = {"etc/cowherd.conf", "run/cowherd.conf", "lib/cowherd.conf"};
    struct configuration configuration;
    char text[64];

    (void)state;
    for (unsigned present = 1; present < 8; present++) {
        set_up(NULL);
        for (unsigned i = 0; i < 3; i++) {
            snprintf(text, sizeof(text), "[daemon]\nhook-timeout = %us\n", i + 1);
            if (present & (1U << i))
                write_text(files[i], text);
        }
        accept_directories(&configuration);
        assert_int_equal(configuration.hook_timeout_usec, (uint64_t)__builtin_ffs((int)present) * 1000000);
        configuration_done(&configuration);
    }
}

static void test_masked_main_file(void **state)
{
    struct configuration configuration;

    (void)state;
    write_text("lib/cowherd.conf", "[daemon]\nbrake = no\n");
    write_text("run/cowherd.conf.d/a.conf", "[daemon]\ndry-run = yes\n");
    run_in_root("ln -s /dev/null etc/cowherd.conf");
    accept_directories(&configuration);
    assert_true(configuration.brake);
    assert_true(configuration.dry_run);
    configuration_done(&configuration);
}

static void test_drop_ins(void **state)
{
    struct configuration configuration;

    (void)state;
    write_text("etc/cowherd.conf",
               "[daemon]\nbrake = no\nmetrics-file = /x\n[snapshot main]\nat 1% = alert\n");
    write_text("lib/cowherd.conf.d/10-a.conf", "[snapshot 10-lib]\nat 1% = alert\n");
    write_text("etc/cowherd.conf.d/20-b.conf",
               "[snapshot 20-etc]\nat 1% = alert\n[daemon]\nmetrics-file =\n");
    write_text("run/cowherd.conf.d/20-b.conf", "nonsense that is never read\n");
    write_text("lib/cowherd.conf.d/20-b.conf", "nonsense that is never read\n");
    write_text("run/cowherd.conf.d/30-c.conf", "[snapshot 30-run]\nat 1% = alert\n");
    write_text("lib/cowherd.conf.d/30-c.conf", "nonsense that is never read\n");
    write_text("run/cowherd.conf.d/40-d.conf", "nonsense that is never read\n");
    write_text("lib/cowherd.conf.d/50-e.conf", "");
    write_text("etc/cowherd.conf.d/60-f.conf~", "nonsense that is never read\n");
    write_text("etc/cowherd.conf.d/.hidden.conf", "nonsense that is never read\n");
    write_text("etc/cowherd.conf.d/.conf", "nonsense that is never read\n");
    write_text("etc/cowherd.conf.d/README", "nonsense that is never read\n");
    write_text("lib/cowherd.conf.d/05-z.conf", "[snapshot 05-lib]\nat 1% = alert\n");
    run_in_root("ln -s /dev/null etc/cowherd.conf.d/40-d.conf");
    accept_directories(&configuration);
    assert_false(configuration.brake);
    assert_null(configuration.metrics_file);
    assert_int_equal(configuration.n_policies, 6);
    assert_default_policy(&configuration.policies[0]);
    assert_string_equal(configuration.policies[1].pattern, "main");
    assert_string_equal(configuration.policies[2].pattern, "05-lib");
    assert_string_equal(configuration.policies[3].pattern, "10-lib");
    assert_string_equal(configuration.policies[4].pattern, "20-etc");
    assert_string_equal(configuration.policies[5].pattern, "30-run");
    assert_string_equal(configuration.policies[5].file, path_of("run/cowherd.conf.d/30-c.conf"));
    configuration_done(&configuration);
}

static void test_drop_ins_alone(void **state)
{
    struct configuration configuration;

    (void)state;
    write_text("lib/cowherd.conf.d/a.conf", "[daemon]\nbrake = no\n");
    run_in_root("rm -r etc");
    accept_directories(&configuration);
    assert_false(configuration.brake);
    configuration_done(&configuration);
}

/* --config is that file alone. */
static void test_explicit_file_is_alone(void **state)
{
    struct config_places places = the_directories();
    struct configuration configuration;

    (void)state;
    write_text("etc/cowherd.conf", "[daemon]\nbrake = no\n");
    write_text("etc/cowherd.conf.d/a.conf", "nonsense\n");
    write_text("f", "[daemon]\ndry-run = yes\n");
    places.file = path_of("f");
    read_places(&places, &configuration, 0, "");
    assert_true(configuration.brake);
    assert_true(configuration.dry_run);
    configuration_done(&configuration);
}

static void test_directory_that_is_none(void **state)
{
    (void)state;
    run_in_root("rmdir run/cowherd.conf.d && touch run/cowherd.conf.d");
    refuse_directories("run/cowherd.conf.d:0: the directory cannot be opened: Not a directory\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_main_file, set_up),
        cmocka_unit_test_setup(test_masked_main_file, set_up),
        cmocka_unit_test_setup(test_drop_ins, set_up),
        cmocka_unit_test_setup(test_drop_ins_alone, set_up),
        cmocka_unit_test_setup(test_explicit_file_is_alone, set_up),
        cmocka_unit_test_setup(test_directory_that_is_none, set_up),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
