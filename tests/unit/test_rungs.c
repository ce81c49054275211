/* rungs: which a section may have, one beside the other. */
#include "fixture_configuration.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_impossible_rungs(void **state)
{
    (void)state;
    refuse_text(
        "[snapshot a]\nat 120% = drop\nat 0% = alert\nat -1MiB free = alert\nat 0s left = alert\n"
        "at 99999999999999999999% = alert\nat 5 = alert\nat 5% = explode\non fire = alert\non lost = merge\n"
        "on stalled = drop\nat 5% = extend 0%\nat 5% = merge, drop\non lost = alert, extend 1GiB\nat 5% =\n",
        "f:2: \"at 120%\": a percentage is at most 100%\n"
        "f:3: \"at 0%\": every store has passed 0% from the start\n"
        "f:4: \"at -1MiB free\": a number cannot be negative\n"
        "f:5: \"at 0s left\": with no time left it is too late\n"
        "f:6: \"at 99999999999999999999%\": the number is too large\n"
        "f:7: \"at 5\": after \"at\" comes N%, SIZE free or TIME left\n"
        "f:8: \"explode\": an action is alert, exec, extend, merge or drop\n"
        "f:9: \"on fire\": after \"on\" comes lost or stalled\n"
        "f:10: \"merge\": on lost can only alert, exec and drop\n"
        "f:11: \"drop\": on stalled can only alert and exec\n"
        "f:12: \"extend 0%\": extend by nothing changes nothing\n"
        "f:13: \"merge, drop\": a rung changes the device in one way at most\n"
        "f:14: \"alert, extend 1GiB\": on lost can only alert, exec and drop\n"
        "f:15: \"\": an action is missing\n");
}

static void test_rung_at_100(void **state)
{
    struct configuration configuration;

    (void)state;
    accept_text("[snapshot a]\nat 100% = drop\n", &configuration);
    assert_int_equal(configuration.policies[1].rungs[0].condition.value, 10000);
    configuration_done(&configuration);
}

static void warn_of(const char *text, size_t n_rungs, const char *warnings)
{
    struct configuration configuration;

    accept_text_with(text, warnings, &configuration);
    assert_int_equal(configuration.policies[1].n_rungs, n_rungs);
    configuration_done(&configuration);
}

static void test_rungs_at_one_height(void **state)
{
    struct configuration configuration;

    (void)state;
    refuse_text("[snapshot a]\nat 90% = merge\nat 90.0% = drop\n",
                "f:3: \"at 90.0% = drop\": line 2 changes the device at the same height already\n");
    refuse_text("[snapshot a]\nat 1GiB free = merge\nat 5% = alert\nat 1024MiB free = extend 5%, alert\n",
                "f:4: \"at 1024MiB free = extend 5%, alert\": line 2 changes the device at the same height "
                "already\n");
    refuse_text("[snapshot a]\non lost = drop\non lost = alert, drop\nat 99% = alert\n",
                "f:3: \"on lost = alert, drop\": line 2 changes the device at the same height already\n");
    /* What says the same counts once. */
    warn_of("[snapshot a]\nat 60s left = extend 1GiB\nat 1min left = extend 1GiB\n", 1,
            "f:3: warning: \"at 1min left = extend 1GiB\": line 2 says the same already\n");
    warn_of("[snapshot a]\nat 5% = alert\nat 5% = alert warning\n", 1,
            "f:3: warning: \"at 5% = alert warning\": line 2 says the same already\n");
    /* The same numbers of another kind, another section, and an alert beside an action are no conflict. */
    accept_text("[snapshot a]\nat 1s left = merge\nat 1000KiB free = drop\nat 1% = drop\n"
                "on lost = alert\non lost = drop\nat 1s left = alert\n[snapshot b]\nat 1% = merge\n",
                &configuration);
    assert_int_equal(configuration.policies[1].n_rungs, 6);
    configuration_done(&configuration);
    accept_text(
        "[snapshot a]\nat 99% = alert\non lost = alert\non lost = alert critical\non lost = exec x\non "
        "lost = exec y\n"
        "[hook x]\ncommand = /x\n[hook y]\ncommand = /y\n",
        &configuration);
    assert_int_equal(configuration.policies[1].n_rungs, 5);
    configuration_done(&configuration);
}

static void test_unknown_hook(void **state)
{
    struct configuration configuration;

    (void)state;
    refuse_text("[snapshot a]\nat 5% = exec page\nat 6% = alert, exec mail, exec sms\n[hook mail]\ncommand = "
                "/m\n[snapshot b]\n"
                "brake = no\nat 9% = exec Mail\n",
                "f:2: \"exec page\": there is no [hook page]\nf:3: \"exec sms\": there is no [hook sms]\n"
                "f:7: unknown key \"brake\" in [snapshot]\nf:8: \"exec Mail\": there is no [hook Mail]\n");
    accept_text("[snapshot a]\nat 5% = exec page\n[hook page]\ncommand = /p\n",
                &configuration); /* defined below */
    configuration_done(&configuration);
    write_text("lib/cowherd.conf", "[snapshot a]\nat 5% = exec page\n");
    refuse_directories("lib/cowherd.conf:2: \"exec page\": there is no [hook page]\n");
    write_text("run/cowherd.conf.d/z.conf", "[hook page]\ncommand = /p\n");
    accept_directories(&configuration);
    configuration_done(&configuration);
}

static void test_rung_limit(void **state)
{
    struct configuration configuration;
    char text[4096] = "[snapshot a]\n";
    size_t n = strlen(text);

    (void)state;
    for (unsigned i = 1; i <= POLICY_RUNGS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "at %u%% = alert\n", i);
    accept_text(text, &configuration);
    assert_int_equal(configuration.policies[1].n_rungs, 32);
    configuration_done(&configuration);
    strcat(text, "at 33% = alert\nat 34% = alert\nat 35% = boom\n");
    refuse_text(text, "f:34: \"at 33% = alert\": a section has at most 32 rungs\n"
                      "f:36: \"boom\": an action is alert, exec, extend, merge or drop\n");
}

static void test_ladder_that_does_not_rise(void **state)
{
    static const char order[] = "a ladder is written in order of escalation";
    struct configuration configuration;
    char expected[1024];

    (void)state;
    snprintf(expected, sizeof(expected),
             "f:4: warning: \"at 75%% = drop\" is not higher than line 2, \"at 80%% = alert\": %s\n"
             "f:6: warning: \"at 75%% = alert\" is not higher than line 4, \"at 75%% = drop\": %s\n",
             order, order);
    accept_text_with(
        "[snapshot a]\nat 80% = alert\nat 1GiB free = alert\nat 75% = drop\non lost = alert\nat 75% = alert\n"
        "at 76% = alert\n[snapshot b]\nat 5% = alert\n",
        expected, &configuration);
    assert_int_equal(configuration.policies[1].n_rungs, 6);
    configuration_done(&configuration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_impossible_rungs, set_up),
        cmocka_unit_test_setup(test_rung_at_100, set_up),
        cmocka_unit_test_setup(test_rungs_at_one_height, set_up),
        cmocka_unit_test_setup(test_unknown_hook, set_up),
        cmocka_unit_test_setup(test_rung_limit, set_up),
        cmocka_unit_test_setup(test_ladder_that_does_not_rise, set_up),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
