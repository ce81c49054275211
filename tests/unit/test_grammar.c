/* grammar: the words of a rung at their edges, what is taken and with which sentence the rest is refused. */
#include "cowherd/grammar.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NO_SIZE_UNIT "a size needs a unit: B, KiB, MiB, GiB, TiB"
#define NO_TIME_UNIT "a time needs a unit: ms, s, min, h, d"
#define NO_NUMBER    "a number is expected"
#define NEGATIVE     "a number cannot be negative"
#define TOO_LARGE    "the number is too large"
#define TRAILING     "something follows that does not belong there"
#define UNTOUCHED    UINT64_C(0x5555555555555555)

static void assert_condition(const char *text, enum condition_kind kind, uint64_t value)
{
    struct condition condition = {.value = UNTOUCHED};
    const char *error = NULL;

    if (grammar_parse_condition(text, &condition, &error) != 0)
        fail_msg("\"%s\" was refused: %s", text, error);
    assert_int_equal(condition.kind, kind);
    assert_int_equal(condition.value, value);
}

static void test_conditions(void **state)
{
    (void)state;
    assert_condition("at 70%", CONDITION_USED, 7000);
    assert_condition("at 0.01%", CONDITION_USED, 1);
    assert_condition("at 99.99%", CONDITION_USED, 9999);
    assert_condition("at 100%", CONDITION_USED, 10000);
    assert_condition("at 100.00%", CONDITION_USED, 10000);
    assert_condition("at\t \t70 % ", CONDITION_USED, 7000);
    assert_condition("at 512MiB free", CONDITION_FREE, UINT64_C(536870912));
    assert_condition("at  512 MiB\tfree ", CONDITION_FREE, UINT64_C(536870912));
    assert_condition("at 0B free", CONDITION_FREE, 0); /* the store is full, as at 100% */
    assert_condition("at 2min left", CONDITION_TIME, 120000000);
    assert_condition("at 1 ms left", CONDITION_TIME, 1000);
    assert_condition("on lost", CONDITION_LOST, 0);
    assert_condition("on\tstalled ", CONDITION_STALLED, 0);
}

static void assert_no_condition(const char *text, const char *sentence)
{
    struct condition condition = {.kind = CONDITION_STALLED, .value = UNTOUCHED};
    const char *error = NULL;

    if (grammar_parse_condition(text, &condition, &error) != -EINVAL)
        fail_msg("\"%s\" was taken", text);
    assert_int_equal(condition.kind, CONDITION_STALLED);
    assert_int_equal(condition.value, UNTOUCHED);
    assert_string_equal(error, sentence);
}

static void test_impossible_conditions(void **state)
{
    (void)state;
    assert_no_condition("at 120%", "a percentage is at most 100%");
    assert_no_condition("at 100.01%", "a percentage is at most 100%");
    assert_no_condition("at 0%", "every store has passed 0% from the start");
    assert_no_condition("at 0.00%", "every store has passed 0% from the start");
    assert_no_condition("at -5%", NEGATIVE);
    assert_no_condition("at -1MiB free", NEGATIVE);
    assert_no_condition("at -1s left", NEGATIVE);
    assert_no_condition("at 0s left", "with no time left it is too late");
    assert_no_condition("at 99999999999TiB free", TOO_LARGE);
    assert_no_condition("at 99999999999999999d left", TOO_LARGE);
    assert_no_condition("at 18446744073709551617%", TOO_LARGE);
}

static void test_bad_conditions(void **state)
{
    static const char at[] = "after \"at\" comes N%, SIZE free or TIME left",
                      on[] = "after \"on\" comes lost or stalled",
                      start[] = "a rung starts with \"at\" or \"on\"";

    (void)state;
    assert_no_condition("", start);
    assert_no_condition("70%", start);
    assert_no_condition("at70%", start);
    assert_no_condition("At 70%", start);
    assert_no_condition("onlost", start);
    assert_no_condition("at", at);
    assert_no_condition("at 70", at);
    assert_no_condition("at 512MiB", at);
    assert_no_condition("at free", at);
    assert_no_condition("at left", at);
    assert_no_condition("at 512MiBfree", at);
    assert_no_condition("at 512MiB Free", at);
    assert_no_condition("at 70% used", TRAILING);
    assert_no_condition("at 512 free", NO_SIZE_UNIT);
    assert_no_condition("at 70% free", NO_SIZE_UNIT);
    assert_no_condition("at 2min free", NO_SIZE_UNIT);
    assert_no_condition("at 1MiB left", NO_TIME_UNIT);
    assert_no_condition("at 2 left", NO_TIME_UNIT);
    assert_no_condition("at x free", NO_NUMBER);
    assert_no_condition("at 1MiB 1MiB free", "one size is expected before \"free\"");
    assert_no_condition("at 1MiB free free", "one size is expected before \"free\"");
    assert_no_condition("at 1s left left", "one time is expected before \"left\"");
    assert_no_condition("on", on);
    assert_no_condition("on fire", on);
    assert_no_condition("on lost stalled", on);
    assert_no_condition("on losti", on);
}

static void parse_actions(const char *text, enum condition_kind condition, struct rung *ret_rung)
{
    const char *error = NULL;

    *ret_rung = (struct rung){0};
    if (grammar_parse_actions(text, condition, &ret_rung->actions, &ret_rung->n_actions, &error) != 0)
        fail_msg("\"%s\" was refused: %s", text, error);
}

static void test_alerts(void **state)
{
    static const struct {
        const char *text;
        enum alert_level level;
    } cases[] = {{"alert", ALERT_WARNING},
                 {"alert notice", ALERT_NOTICE},
                 {"alert warning", ALERT_WARNING},
                 {"alert\t critical", ALERT_CRITICAL}};
    struct rung rung;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        parse_actions(cases[i].text, CONDITION_USED, &rung);
        assert_int_equal(rung.n_actions, 1);
        assert_int_equal(rung.actions[0].kind, ACTION_ALERT);
        assert_int_equal(rung.actions[0].level, cases[i].level);
        assert_string_equal(rung.actions[0].text, cases[i].text);
        assert_null(rung.actions[0].hook);
        rung_done(&rung);
    }
}

static void test_extends(void **state)
{
    struct rung rung;

    (void)state;
    parse_actions("extend 20%", CONDITION_USED, &rung);
    assert_int_equal(rung.actions[0].kind, ACTION_EXTEND);
    assert_true(rung.actions[0].is_percent);
    assert_int_equal(rung.actions[0].amount, 2000);
    rung_done(&rung);
    parse_actions("extend 250 %", CONDITION_TIME, &rung);
    assert_true(rung.actions[0].is_percent);
    assert_int_equal(rung.actions[0].amount, 25000);
    rung_done(&rung);
    parse_actions("extend  1 GiB", CONDITION_FREE, &rung);
    assert_false(rung.actions[0].is_percent);
    assert_int_equal(rung.actions[0].amount, UINT64_C(1073741824));
    assert_string_equal(rung.actions[0].text, "extend  1 GiB");
    rung_done(&rung);
}

static void test_several_actions(void **state)
{
    struct rung rung;

    (void)state;
    parse_actions(" alert critical ,exec page $( \"a\" )\t, exec mail,merge ", CONDITION_USED, &rung);
    assert_int_equal(rung.n_actions, 4);
    assert_int_equal(rung.actions[0].kind, ACTION_ALERT);
    assert_string_equal(rung.actions[0].text, "alert critical");
    assert_int_equal(rung.actions[1].kind, ACTION_EXEC);
    assert_string_equal(rung.actions[1].hook, "page $( \"a\" )");
    assert_string_equal(rung.actions[1].text, "exec page $( \"a\" )");
    assert_string_equal(rung.actions[2].hook, "mail");
    assert_int_equal(rung.actions[3].kind, ACTION_MERGE);
    assert_string_equal(rung.actions[3].text, "merge");
    rung_done(&rung);
}

static void assert_no_actions(const char *text, enum condition_kind condition, const char *sentence)
{
    struct action *actions = (struct action *)-1;
    const char *error = NULL;
    size_t n_actions = 77;

    if (grammar_parse_actions(text, condition, &actions, &n_actions, &error) != -EINVAL)
        fail_msg("\"%s\" was taken", text);
    assert_ptr_equal(actions, (struct action *)-1);
    assert_int_equal(n_actions, 77);
    assert_string_equal(error, sentence);
}

static void test_bad_actions(void **state)
{
    static const char unknown[] = "an action is alert, exec, extend, merge or drop",
                      missing[] = "an action is missing", no_hook[] = "exec takes the name of a hook",
                      nothing[] = "nothing may follow merge and drop",
                      zero[] = "extend by nothing changes nothing";

    (void)state;
    assert_no_actions("", CONDITION_USED, missing);
    assert_no_actions("  ", CONDITION_USED, missing);
    assert_no_actions("alert,", CONDITION_USED, missing);
    assert_no_actions(",alert", CONDITION_USED, missing);
    assert_no_actions("alert,,drop", CONDITION_USED, missing);
    assert_no_actions("explode", CONDITION_USED, unknown);
    assert_no_actions("Alert", CONDITION_USED, unknown);
    assert_no_actions("alerts", CONDITION_USED, unknown);
    assert_no_actions("alert; drop", CONDITION_USED, unknown);
    assert_no_actions("alert loudly", CONDITION_USED, "an alert is notice, warning or critical");
    assert_no_actions("alert notice critical", CONDITION_USED, "an alert is notice, warning or critical");
    assert_no_actions("exec", CONDITION_USED, no_hook);
    assert_no_actions("exec \t, alert", CONDITION_USED, no_hook);
    assert_no_actions("merge now", CONDITION_USED, nothing);
    assert_no_actions("drop 5%", CONDITION_USED, nothing);
    assert_no_actions("extend", CONDITION_USED, "extend takes N% or a SIZE");
    assert_no_actions("extend 0%", CONDITION_USED, zero);
    assert_no_actions("extend 0MiB", CONDITION_USED, zero);
    assert_no_actions("extend -1GiB", CONDITION_USED, NEGATIVE);
    assert_no_actions("extend 20", CONDITION_USED, NO_SIZE_UNIT);
    assert_no_actions("extend 20% 1GiB", CONDITION_USED, TRAILING);
}

static void test_one_change_a_rung(void **state)
{
    static const char *const changes[] = {"extend 1GiB", "merge", "drop"};
    char text[64];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            snprintf(text, sizeof(text), "%s, alert, %s", changes[i], changes[k]);
            assert_no_actions(text, CONDITION_USED, "a rung changes the device in one way at most");
        }
    assert_no_actions("alert, exec a, alert critical", CONDITION_USED, "a rung alerts once");
    assert_no_actions("exec a, exec b, exec a", CONDITION_USED, "a rung runs a hook once");
}

/* Every action at every condition. */
static void test_what_conditions_may_do(void **state)
{
    static const char *const texts[] = {"alert", "exec a", "extend 1GiB", "merge", "drop"};
    static const bool lost[] = {true, true, false, false, true},
                      stalled[] = {true, true, false, false, false};
    struct rung rung;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        for (enum condition_kind kind = CONDITION_USED; kind <= CONDITION_TIME; kind++) {
            parse_actions(texts[i], kind, &rung);
            rung_done(&rung);
        }
        if (lost[i]) {
            parse_actions(texts[i], CONDITION_LOST, &rung);
            rung_done(&rung);
        } else {
            assert_no_actions(texts[i], CONDITION_LOST, "on lost can only alert, exec and drop");
        }
        if (stalled[i]) {
            parse_actions(texts[i], CONDITION_STALLED, &rung);
            rung_done(&rung);
        } else {
            assert_no_actions(texts[i], CONDITION_STALLED, "on stalled can only alert and exec");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_impossible_conditions),
        cmocka_unit_test(test_bad_conditions),
        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_extends),
        cmocka_unit_test(test_several_actions),
        cmocka_unit_test(test_bad_actions),
        cmocka_unit_test(test_one_change_a_rung),
        cmocka_unit_test(test_what_conditions_may_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
