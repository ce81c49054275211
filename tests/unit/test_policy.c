/* policy: names, which policy a snapshot gets, and what a rung is. */
#include "cowherd/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(role_name(ROLE_UNSET), "unset");
    assert_string_equal(role_name(ROLE_BACKUP), "backup");
    assert_string_equal(role_name(ROLE_LIVE), "live");
    assert_string_equal(action_kind_name(ACTION_ALERT), "alert");
    assert_string_equal(action_kind_name(ACTION_EXEC), "exec");
    assert_string_equal(action_kind_name(ACTION_EXTEND), "extend");
    assert_string_equal(action_kind_name(ACTION_MERGE), "merge");
    assert_string_equal(action_kind_name(ACTION_DROP), "drop");
}

static void test_what_changes(void **state)
{
    (void)state;
    assert_false(action_kind_changes(ACTION_ALERT));
    assert_false(action_kind_changes(ACTION_EXEC));
    assert_true(action_kind_changes(ACTION_EXTEND));
    assert_true(action_kind_changes(ACTION_MERGE));
    assert_true(action_kind_changes(ACTION_DROP));
}

static void test_last_match_wins(void **state)
{
    const struct policy policies[] = {
        {.pattern = "*"},
        {.pattern = "vg0-*"},
        {.pattern = "LVM-abc*", .by_uuid = true},
        {.pattern = "vg0-root"},
    };

    (void)state;
    assert_ptr_equal(policy_find(policies, 4, "other", "X"), &policies[0]);
    assert_ptr_equal(policy_find(policies, 4, "vg0-home", "X"), &policies[1]);
    assert_ptr_equal(policy_find(policies, 4, "vg0-home", "LVM-abcdef"), &policies[2]);
    assert_ptr_equal(policy_find(policies, 4, "vg0-root", "LVM-abcdef"), &policies[3]);
    assert_ptr_equal(policy_find(policies, 3, "vg0-root", NULL), &policies[1]);
    assert_ptr_equal(policy_find(policies, 1, "vg0-root", "LVM-abcdef"), &policies[0]);
    assert_null(policy_find(policies, 0, "vg0-root", ""));
    assert_null(policy_find(NULL, 0, "vg0-root", ""));
    assert_null(policy_find(&policies[2], 1, "LVM-abcdef", "")); /* a name is not a UUID */
    assert_null(policy_find(&policies[3], 1, "root", "vg0-root"));
}

/* fnmatch(3) without flags: a leading period, a slash and bytes that are no UTF-8 are as any other. */
static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } cases[] = {
        {"*", "", true},
        {"*", ".hidden", true},
        {"*", "a\nb", true},
        {"*", "\xff\xfe", true},
        {"a?c",
         "a\xff"
         "c",
         true},
        {"vg[01]-*", "vg1-x", true},
        {"vg[01]-*", "vg2-x", false},
        {"vg[!01]-*", "vg2-x", true},
        {"a\\*", "a*", true},
        {"a\\*", "ab", false},
        {"a*b", "a/x/b", true},
        {"snap", "snapshot", false},
        {"Snap", "snap", false},
        {"a;touch $(id)", "a;touch $(id)", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct policy policy = {.pattern = (char *)cases[i].pattern};

        assert_true((policy_find(&policy, 1, cases[i].name, NULL) == &policy) == cases[i].matches);
    }
}

static void test_changing_action(void **state)
{
    struct action actions[] = {{.kind = ACTION_ALERT}, {.kind = ACTION_EXEC}, {.kind = ACTION_MERGE}};
    const struct rung none = {0}, two = {.actions = actions, .n_actions = 2},
                      three = {.actions = actions, .n_actions = 3};

    (void)state;
    assert_null(rung_changing_action(&none));
    assert_null(rung_changing_action(&two));
    assert_ptr_equal(rung_changing_action(&three), &actions[2]);
}

static void test_alert_level(void **state)
{
    struct action actions[] = {{.kind = ACTION_DROP}, {.kind = ACTION_ALERT, .level = ALERT_CRITICAL}};
    struct rung rung = {.actions = actions, .n_actions = 1};

    (void)state;
    assert_int_equal(rung_alert_level(&rung), ALERT_WARNING);
    rung.n_actions = 2;
    assert_int_equal(rung_alert_level(&rung), ALERT_CRITICAL);
    actions[1].level = ALERT_NOTICE;
    assert_int_equal(rung_alert_level(&rung), ALERT_NOTICE);
}

static void test_rung_by_text(void **state)
{
    struct rung rungs[] = {{.text = "at 70% = alert"}, {.text = "at 75% = drop"}};
    const struct policy policy = {.rungs = rungs, .n_rungs = 2};

    (void)state;
    assert_ptr_equal(policy_rung_by_text(&policy, "at 70% = alert"), &rungs[0]);
    assert_ptr_equal(policy_rung_by_text(&policy, "at 75% = drop"), &rungs[1]);
    assert_null(policy_rung_by_text(&policy, "at 75%"));
    assert_null(policy_rung_by_text(&policy, ""));
}

/* The sanitizer's leak check is the other half of this test. */
static void test_done(void **state)
{
    struct policy policy = {.pattern = strdup("*"), .extend_from = strdup("/dev/x"), .file = strdup("f")};
    const struct policy empty = {0};

    (void)state;
    policy.rungs = calloc(1, sizeof(*policy.rungs));
    policy.n_rungs = 1;
    policy.rungs[0].text = strdup("on lost = exec x");
    policy.rungs[0].actions = calloc(1, sizeof(*policy.rungs[0].actions));
    policy.rungs[0].n_actions = 1;
    policy.rungs[0].actions[0] = (struct action){
        .kind = ACTION_EXEC, .hook = strdup("x"), .text = strdup("exec x")};
    policy_done(&policy);
    assert_memory_equal(&policy, &empty, sizeof(policy));
    policy_done(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),           cmocka_unit_test(test_what_changes),
        cmocka_unit_test(test_last_match_wins), cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_changing_action), cmocka_unit_test(test_alert_level),
        cmocka_unit_test(test_rung_by_text),    cmocka_unit_test(test_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
