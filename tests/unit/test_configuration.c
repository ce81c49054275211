/* configuration: the defaults, the file that is shipped, and one that has everything. */
#include "../../daemon/config/section.h"
#include "cowherd/configuration.h"
#include "fixture_configuration.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_default_daemon(const struct configuration *configuration)
{
    assert_int_equal(configuration->longest_poll_usec, 10000000);
    assert_int_equal(configuration->shortest_poll_usec, 50000);
    assert_int_equal(configuration->assumed_bytes_per_second, 256 * MIB);
    assert_true(configuration->brake);
    assert_false(configuration->dry_run);
    assert_int_equal(configuration->hook_timeout_usec, 30000000);
    assert_null(configuration->metrics_file);
    assert_int_equal(configuration->n_hooks, 0);
}

static void assert_defaults(const struct configuration *configuration)
{
    assert_default_daemon(configuration);
    assert_int_equal(configuration->n_policies, 1);
    assert_default_policy(&configuration->policies[0]);
}

static void test_default(void **state)
{
    struct configuration configuration;

    (void)state;
    assert_int_equal(configuration_default(&configuration), 0);
    assert_defaults(&configuration);
    configuration_done(&configuration);
    assert_null(configuration.policies);
}

static void test_default_places(void **state)
{
    (void)state;
    assert_null(config_places_default.file);
    assert_string_equal(config_places_default.directories[0], "/etc/cowherd");
    assert_string_equal(config_places_default.directories[1], "/run/cowherd");
    assert_string_equal(config_places_default.directories[2], "/usr/lib/cowherd");
    assert_int_equal(config_places_default.owner, 0);
}

static void test_no_file_is_default(void **state)
{
    struct configuration configuration;

    (void)state;
    accept_directories(&configuration);
    assert_defaults(&configuration);
    configuration_done(&configuration);
    run_in_root("rm -r etc run lib");
    accept_directories(&configuration);
    assert_defaults(&configuration);
    configuration_done(&configuration);
    accept_text("", &configuration);
    assert_defaults(&configuration);
    configuration_done(&configuration);
}

/* ---- the file that is shipped */

/* The shipped file with the mark taken off its lines: ";" off the defaults, with examples "#" before a word
 * too. */
static char *shipped(bool defaults, bool examples)
{
    char *text, *line = NULL;
    size_t size = 0, line_size = 0;
    FILE *file = fopen(SOURCE_DIR "/conf/cowherd.conf", "re"), *stream = open_memstream(&text, &size);
    ssize_t n;

    assert_non_null(file);
    assert_non_null(stream);
    while ((n = getline(&line, &line_size, file)) > 0) {
        bool is_default = line[0] == ';', is_example = line[0] == '#' && !strchr(" \n", line[1]);

        fputs(line + ((is_default && defaults) || (is_example && examples)), stream);
    }
    free(line);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void test_shipped_file(void **state)
{
    struct configuration configuration;
    char *text = shipped(false, false);

    (void)state;
    accept_text(text, &configuration);
    assert_defaults(&configuration);
    configuration_done(&configuration);
    free(text);
}

/* What the shipped file says are the defaults are the defaults: all of them. */
static void test_shipped_defaults(void **state)
{
    struct configuration configuration;
    char *text = shipped(true, false);

    (void)state;
    accept_text(text, &configuration);
    assert_default_daemon(&configuration);
    assert_int_equal(configuration.n_policies, 2);
    assert_default_policy(&configuration.policies[0]);
    assert_default_policy(&configuration.policies[1]);
    assert_string_equal(configuration.policies[1].file, path_of("f"));
    configuration_done(&configuration);
    for (size_t i = 0; i < daemon_keys.n_keys; i++) {
        char line[64];

        snprintf(line, sizeof(line), "\n%s =", daemon_keys.keys[i].name);
        assert_non_null(strstr(text, line));
    }
    free(text);
}

static void test_shipped_examples(void **state)
{
    static const struct section_keys *const sections[] = {&daemon_keys, &snapshot_keys, &hook_keys};
    struct configuration configuration;
    char *text = shipped(true, true);

    (void)state;
    accept_text(text, &configuration);
    assert_int_equal(configuration.n_policies, 3);
    assert_string_equal(configuration.policies[2].pattern, "vg0-*");
    assert_int_equal(configuration.policies[2].role, ROLE_BACKUP);
    assert_int_equal(configuration.policies[2].n_rungs, 7);
    assert_int_equal(configuration.policies[2].extend_limit_bytes, 8 * GIB);
    assert_string_equal(configuration.policies[2].extend_from, "/dev/disk/by-id/ata-spare-part2");
    assert_int_equal(configuration.n_hooks, 3);
    assert_string_equal(configuration.hooks[0].command, "/usr/libexec/page-oncall --reason cow");
    configuration_done(&configuration);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < sections[i]->n_keys; k++) {
            char line[64];

            snprintf(line, sizeof(line), "\n%s =", sections[i]->keys[k].name);
            assert_non_null(strstr(text, line));
        }
    free(text);
}

/* ---- a good file */

static void test_everything(void **state)
{
    struct configuration configuration;
    const struct policy *policy;

    (void)state;
    accept_text(
        "[daemon]\nlongest-poll = 1h\nshortest-poll=1ms\nassumed-fill-rate = 1B ; at least\nbrake = no\n"
        "dry-run = yes\nhook-timeout = 1min\nmetrics-file = /run/cowherd.prom\n\n"
        "[snapshot uuid:CRYPT-*]\nrole = live\nhysteresis = 50%\ndrop-open = yes\nextend-limit = 3GiB\n"
        "extend-from = /dev/disk/by-id/x y\nat 2min left = merge, exec page ; now\n\n"
        "[hook page]\ncommand = /bin/page a;b 'c d' ; e\n",
        &configuration);
    assert_int_equal(configuration.longest_poll_usec, UINT64_C(3600000000));
    assert_int_equal(configuration.shortest_poll_usec, 1000);
    assert_int_equal(configuration.assumed_bytes_per_second, 1);
    assert_false(configuration.brake);
    assert_true(configuration.dry_run);
    assert_int_equal(configuration.hook_timeout_usec, 60000000);
    assert_string_equal(configuration.metrics_file, "/run/cowherd.prom");
    assert_int_equal(configuration.n_policies, 2);
    assert_default_policy(&configuration.policies[0]);
    policy = &configuration.policies[1];
    assert_string_equal(policy->pattern, "CRYPT-*");
    assert_true(policy->by_uuid);
    assert_int_equal(policy->role, ROLE_LIVE);
    assert_int_equal(policy->hysteresis_centipercent, 5000);
    assert_true(policy->drop_open);
    assert_int_equal(policy->extend_limit_bytes, 3 * GIB);
    assert_string_equal(policy->extend_from, "/dev/disk/by-id/x y");
    assert_string_equal(policy->file, path_of("f"));
    assert_int_equal(policy->line, 10);
    assert_int_equal(policy->n_rungs, 1);
    assert_string_equal(policy->rungs[0].text, "at 2min left = merge, exec page");
    assert_int_equal(policy->rungs[0].line, 16);
    assert_int_equal(policy->rungs[0].n_actions, 2);
    assert_string_equal(policy->rungs[0].actions[1].hook, "page");
    assert_int_equal(configuration.n_hooks, 1);
    assert_string_equal(configuration.hooks[0].name, "page");
    assert_string_equal(configuration.hooks[0].command, "/bin/page a;b 'c d'");
    assert_int_equal(configuration.hooks[0].line, 18);
    assert_string_equal(configuration.hooks[0].file, path_of("f"));
    configuration_done(&configuration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_default, set_up),
        cmocka_unit_test_setup(test_default_places, set_up),
        cmocka_unit_test_setup(test_no_file_is_default, set_up),
        cmocka_unit_test_setup(test_shipped_file, set_up),
        cmocka_unit_test_setup(test_shipped_defaults, set_up),
        cmocka_unit_test_setup(test_shipped_examples, set_up),
        cmocka_unit_test_setup(test_everything, set_up),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
