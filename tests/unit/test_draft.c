/* draft: sections and keys, their values, and what they say of each other over all files. */
#include "fixture_configuration.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_bad_headers(void **state)
{
    static const char unknown[] = "a section is [daemon], [snapshot GLOB] or [hook NAME]",
                      pattern[] = "a pattern is missing: [snapshot GLOB] or [snapshot uuid:GLOB]";
    char expected[1024];

    (void)state;
    snprintf(expected, sizeof(expected),
             "f:1: []: %s\nf:3: [deamon]: %s\nf:4: [Daemon]: %s\nf:5: [snapshots a]: %s\n", unknown, unknown,
             unknown, unknown);
    refuse_text("[]\nx = 1\n[deamon]\n[Daemon]\n[snapshots a]\nat 1% = drop\n", expected);
    snprintf(expected, sizeof(expected),
             "f:1: [snapshot]: %s\nf:2: [snapshot]: %s\nf:3: [snapshot uuid:]: %s\n", pattern, pattern,
             pattern);
    refuse_text("[snapshot]\n[snapshot  ]\n[snapshot uuid:]\nat 1% = drop\n", expected);
    refuse_text("[daemon x]\nbrake = no\n",
                "f:1: [daemon x]: there is one daemon: its section has no name\n");
    refuse_text("[hook]\ncommand = /a\n", "f:1: [hook]: a name is missing: [hook NAME]\n");
    refuse_text("[hook a,b]\n", "f:1: [hook a,b]: a hook's name has no commas\n");
}

static void test_no_section(void **state)
{
    (void)state;
    refuse_text("brake = no\n\n[daemon]\n", "f:1: \"brake = no\" stands before any section\n");
}

static void test_unknown_keys(void **state)
{
    (void)state;
    refuse_text("[daemon]\nfoo = bar\nBrake = no\nat 70% = alert\nrole = live\n",
                "f:2: unknown key \"foo\" in [daemon]\nf:3: unknown key \"Brake\" in [daemon]\n"
                "f:4: unknown key \"at 70%\" in [daemon]\nf:5: unknown key \"role\" in [daemon]\n");
    refuse_text("[snapshot a]\nat 1% = alert\nbrake = no\natt 5% = drop\nat\t\x7f = drop\n",
                "f:3: unknown key \"brake\" in [snapshot]\nf:4: unknown key \"att 5%\" in [snapshot]\n"
                "f:5: byte 0x7f has no place in a text file\n");
    refuse_text("[hook a]\ncommand = /a\nfoo\tbar = /b\n", "f:3: unknown key \"foo bar\" in [hook]\n");
}

static void test_same_key_twice(void **state)
{
    (void)state;
    refuse_text(
        "[daemon]\nbrake = no\n[snapshot a]\nat 1% = alert\nrole = live\nrole = live\n[snapshot b]\nat 1% "
        "= alert\n"
        "role = live\n[daemon]\nbrake = yes\nbrake = yes\n",
        "f:6: \"role\" is set in line 5 already\nf:11: \"brake\" is set in line 2 already\n"
        "f:12: \"brake\" is set in line 2 already\n");
    refuse_text("[hook a]\ncommand = /a\ncommand = /b\n", "f:3: \"command\" is set in line 2 already\n");
}

static void test_keys_and_hooks_over_files(void **state)
{
    struct configuration configuration;

    (void)state;
    write_text("etc/cowherd.conf",
               "[daemon]\nbrake = no\n[hook a]\ncommand = /one\n[hook b]\ncommand = /b\n");
    write_text("etc/cowherd.conf.d/x.conf", "\n[daemon]\nbrake = yes\n[hook a]\ncommand = /two\n");
    accept_directories(&configuration);
    assert_true(configuration.brake);
    assert_int_equal(configuration.n_hooks, 2);
    assert_string_equal(configuration.hooks[0].name, "a");
    assert_string_equal(configuration.hooks[0].command, "/two");
    assert_int_equal(configuration.hooks[0].line, 4);
    assert_string_equal(configuration.hooks[0].file, path_of("etc/cowherd.conf.d/x.conf"));
    assert_string_equal(configuration.hooks[1].command, "/b");
    configuration_done(&configuration);
    refuse_text("[hook a]\ncommand = /one\n[hook a]\ncommand = /two\n",
                "f:3: [hook a] is in line 1 already\n");
    write_text("etc/cowherd.conf.d/x.conf", "[hook a]\n");
    refuse_directories("etc/cowherd.conf.d/x.conf:1: [hook a] has no command\n");
}

/* ---- values */

static void test_bad_daemon_values(void **state)
{
    (void)state;
    refuse_text("[daemon]\nlongest-poll = 61min\nshortest-poll = 0ms\nassumed-fill-rate = 0B\nbrake = "
                "perhaps\ndry-run =\n"
                "hook-timeout = 0s\nmetrics-file = relative\n",
                "f:2: \"longest-poll = 61min\": longest-poll is at most 1h\n"
                "f:3: \"shortest-poll = 0ms\": shortest-poll is at least 1ms\n"
                "f:4: \"assumed-fill-rate = 0B\": assumed-fill-rate is more than 0\n"
                "f:5: \"brake = perhaps\": yes or no is expected\n"
                "f:6: \"dry-run =\": yes or no is expected\n"
                "f:7: \"hook-timeout = 0s\": hook-timeout is more than 0\n"
                "f:8: \"metrics-file = relative\": an absolute path is expected\n");
    refuse_text(
        "[daemon]\nlongest-poll = 10\nshortest-poll = 50 us\nassumed-fill-rate = 256\nhook-timeout = -1s\n",
        "f:2: \"longest-poll = 10\": a time needs a unit: ms, s, min, h, d\n"
        "f:3: \"shortest-poll = 50 us\": a time needs a unit: ms, s, min, h, d\n"
        "f:4: \"assumed-fill-rate = 256\": a size needs a unit: B, KiB, MiB, GiB, TiB\n"
        "f:5: \"hook-timeout = -1s\": a number cannot be negative\n");
    refuse_text("[daemon]\nlongest-poll = 0s\n",
                "f:2: \"longest-poll = 0s\": longest-poll is at least 1ms\n");
}

static void test_bad_snapshot_values(void **state)
{
    (void)state;
    refuse_text(
        "[snapshot a]\nat 1% = alert\nrole = none\nhysteresis = 50.01%\ndrop-open = 2\nextend-limit = 0GiB\n"
        "extend-from =\n",
        "f:3: \"role = none\": a role is backup or live\nf:4: \"hysteresis = 50.01%\": hysteresis is at most "
        "50%\n"
        "f:5: \"drop-open = 2\": yes or no is expected\n"
        "f:6: \"extend-limit = 0GiB\": extend-limit is more than 0; leave it out for no limit\n"
        "f:7: \"extend-from =\": an absolute path is expected\n");
    refuse_text("[snapshot a]\nat 1% = alert\nhysteresis = 2\nextend-limit = 8\n",
                "f:3: \"hysteresis = 2\": a percentage ends with %\n"
                "f:4: \"extend-limit = 8\": a size needs a unit: B, KiB, MiB, GiB, TiB\n");
    refuse_text(
        "[hook a]\ncommand = page\n[hook b]\ncommand =\n[hook c]\n[daemon]\n",
        "f:2: \"command = page\": an absolute path is expected\nf:4: \"command =\": an absolute path is "
        "expected\n"
        "f:5: [hook c] has no command\n");
    refuse_text("[hook a]\ncommand = /a \"b ; c\"\n[hook b]\ncommand = '/b\n[hook c]\ncommand = /c \\\n"
                "[hook d]\ncommand = '' /d\n",
                "f:2: \"command = /a \"b\": a quote is not closed (a comment begins at a blank and \";\")\n"
                "f:4: \"command = '/b\": a quote is not closed (a comment begins at a blank and \";\")\n"
                "f:6: \"command = /c \\\": nothing follows the backslash\n"
                "f:8: \"command = '' /d\": an absolute path is expected\n");
}

static void test_hysteresis_bounds(void **state)
{
    struct configuration configuration;

    (void)state;
    accept_text(
        "[snapshot a]\nhysteresis = 0%\nat 1% = alert\n[snapshot b]\nat 1% = alert\nhysteresis = 50%\n",
        &configuration);
    assert_int_equal(configuration.policies[1].hysteresis_centipercent, 0);
    assert_int_equal(configuration.policies[2].hysteresis_centipercent, 5000);
    configuration_done(&configuration);
}

static void test_polls_against_each_other(void **state)
{
    struct configuration configuration;

    (void)state;
    accept_text("[daemon]\nshortest-poll = 10s\n", &configuration); /* as long as the longest */
    assert_int_equal(configuration.shortest_poll_usec, configuration.longest_poll_usec);
    configuration_done(&configuration);
    refuse_text("[daemon]\nshortest-poll = 11s\n",
                "f:2: shortest-poll (11000ms) is longer than longest-poll (10000ms)\n");
    refuse_text("[daemon]\nlongest-poll = 49ms\n",
                "f:2: shortest-poll (50ms) is longer than longest-poll (49ms)\n");
    refuse_text("[daemon]\nshortest-poll = 3s\nbrake = no\nlongest-poll = 2s\ndry-run = no\n",
                "f:4: shortest-poll (3000ms) is longer than longest-poll (2000ms)\n");
    refuse_text("[daemon]\nlongest-poll = 2s\nshortest-poll = 3s\n",
                "f:3: shortest-poll (3000ms) is longer than longest-poll (2000ms)\n");
    /* Nothing is concluded from a value that was refused. */
    refuse_text("[daemon]\nlongest-poll = 20ms\nshortest-poll = 5\n",
                "f:3: \"shortest-poll = 5\": a time needs a unit: ms, s, min, h, d\n");
}

static void test_polls_of_two_files(void **state)
{
    struct configuration configuration;

    (void)state;
    write_text("etc/cowherd.conf", "[daemon]\nshortest-poll = 20s\nlongest-poll = 30s\n");
    write_text("etc/cowherd.conf.d/a.conf", "\n[daemon]\nlongest-poll = 15s\n");
    refuse_directories(
        "etc/cowherd.conf.d/a.conf:3: shortest-poll (20000ms) is longer than longest-poll (15000ms)\n");
    write_text("etc/cowherd.conf.d/b.conf", "[daemon]\nshortest-poll = 1s\n");
    accept_directories(&configuration);
    assert_int_equal(configuration.shortest_poll_usec, 1000000);
    assert_int_equal(configuration.longest_poll_usec, 15000000);
    configuration_done(&configuration);
}

/* ---- warnings */

static void test_sections_without_rungs(void **state)
{
    struct configuration configuration;

    (void)state;
    accept_text_with("[snapshot a]\n[snapshot uuid:b]\nrole = live\n[snapshot c]\non lost = alert\n",
                     "f:1: warning: [snapshot a] has no rungs: nothing guards its snapshots\n"
                     "f:2: warning: [snapshot uuid:b] has no rungs: nothing guards its snapshots\n"
                     "f:4: warning: [snapshot c] has no rungs: nothing guards its snapshots\n",
                     &configuration);
    assert_int_equal(configuration.n_policies, 4);
    assert_int_equal(configuration.policies[1].n_rungs, 0);
    configuration_done(&configuration);
}

static void test_same_pattern_twice(void **state)
{
    struct configuration configuration;

    (void)state;
    accept_text_with(
        "[snapshot a]\nat 1% = alert\n[snapshot uuid:a]\nat 1% = alert\n[snapshot  a]\nat 2% = alert\n"
        "[snapshot *]\nat 1% = alert\n",
        "f:5: warning: [snapshot a] hides the section of line 1\n", &configuration);
    assert_int_equal(configuration.n_policies, 5);
    configuration_done(&configuration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bad_headers, set_up),
        cmocka_unit_test_setup(test_no_section, set_up),
        cmocka_unit_test_setup(test_unknown_keys, set_up),
        cmocka_unit_test_setup(test_same_key_twice, set_up),
        cmocka_unit_test_setup(test_keys_and_hooks_over_files, set_up),
        cmocka_unit_test_setup(test_bad_daemon_values, set_up),
        cmocka_unit_test_setup(test_bad_snapshot_values, set_up),
        cmocka_unit_test_setup(test_hysteresis_bounds, set_up),
        cmocka_unit_test_setup(test_polls_against_each_other, set_up),
        cmocka_unit_test_setup(test_polls_of_two_files, set_up),
        cmocka_unit_test_setup(test_sections_without_rungs, set_up),
        cmocka_unit_test_setup(test_same_pattern_twice, set_up),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
