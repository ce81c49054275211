/* plan_rollback, and whatever else can be taken back: hindered before the point of no return, cancelled. */
#include "cowherd/plan.h"
#include "model_run.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- taken back */

static void open_origin(struct machine *machine, struct intent *intent)
{
    (void)intent;
    open_device(machine, D);
}

static void close_origin(struct machine *machine, struct intent *intent)
{
    (void)intent;
    close_device(machine, D);
}

static void open_snapshot(struct machine *machine, struct intent *intent)
{
    (void)intent;
    open_device(machine, S);
}

static void close_snapshot(struct machine *machine, struct intent *intent)
{
    (void)intent;
    close_device(machine, S);
}

static void cancel(struct machine *machine, struct intent *intent)
{
    (void)machine;
    intent->cancelled = true;
}

static void hold(struct machine *machine, struct intent *intent)
{
    (void)machine;
    strcpy(intent->held, "held by root until it is released");
}

static void release(struct machine *machine, struct intent *intent)
{
    (void)machine;
    intent->held[0] = '\0';
}

static void fall(struct machine *machine, struct intent *intent)
{
    (void)intent;
    machine->stores[C].exceptions = EXCEPTIONS - 1000;
}

static void lose(struct machine *machine, struct intent *intent)
{
    (void)intent;
    machine->stores[C].state = SNAPSHOT_INVALID;
}

static void recover(struct machine *machine, struct intent *intent)
{
    (void)intent;
    machine->stores[C].state = SNAPSHOT_VALID;
}

static void puzzle(struct machine *machine, struct intent *intent)
{
    (void)intent;
    machine->stores[C].state = SNAPSHOT_UNKNOWN;
}

struct hindrance {
    event_function event;
    event_function undo; /* NULL: it is abandoned for good */
    enum plan_verdict verdict;
    bool late; /* it also counts between the plan and the last step from which there is a way back */
};

static void assert_taken_back(const struct run *run, const struct scenario *scenario,
                              const struct hindrance *hindrance, const char *before)
{
    if (run->plan.verdict != hindrance->verdict || run->error)
        fail_msg("%s: verdict %d, error %d, %s, after\n%s", scenario->name, (int)run->plan.verdict,
                 run->error, run->plan.reason, run->machine->log);
    assert_int_equal(run->ended, hindrance->verdict == PLAN_ABANDON);
    assert_false(run->plan.begun);
    assert_state(run->machine, before, scenario->name);
}

/* The tables as they would be had nothing been begun. */
static void describe_before(const struct scenario *scenario, const struct hindrance *hindrance,
                            char text[TEXT_MAX])
{
    struct machine machine;
    struct intent intent;
    scenario->prepare(&machine, &intent);
    hindrance->event(&machine, &intent);
    describe(&machine, text);
}

static void undo_and_finish(struct machine *machine, struct intent *intent, const struct scenario *scenario,
                            const struct hindrance *hindrance)
{
    if (!hindrance->undo)
        return;
    hindrance->undo(machine, intent);
    finish_afresh(machine, intent, scenario);
}

/* It happens while the child runs, behind n steps, before or after the next plan. */
static void hinder_in_between(const struct scenario *scenario, const struct hindrance *hindrance, int n,
                              bool late)
{
    struct machine machine;
    struct intent intent;
    char before[TEXT_MAX];
    describe_before(scenario, hindrance, before);
    scenario->prepare(&machine, &intent);
    struct run run = run_of(&machine, &intent);
    run.event = hindrance->event;
    run.event_after = n;
    run.event_late = late;
    pursue_to_end(&run);
    assert_null(run.event);
    assert_taken_back(&run, scenario, hindrance, before);
    undo_and_finish(&machine, &run.intent, scenario, hindrance);
}

/* It happens while nobody runs, and what takes it back is killed too, behind m steps. */
static void hinder_after_kill(const struct scenario *scenario, const struct hindrance *hindrance, int n,
                              int m, bool undo_early)
{
    struct machine machine;
    struct intent intent;
    char before[TEXT_MAX];
    describe_before(scenario, hindrance, before);
    begin_and_kill(&machine, &intent, scenario, n);
    hindrance->event(&machine, &intent);
    struct run run = run_of(&machine, &intent);
    run.killed_after = m;
    pursue_to_end(&run);
    if (!undo_early) {
        struct run again = run_of(&machine, &intent);
        pursue_to_end(&again);
        assert_taken_back(&again, scenario, hindrance, before);
    }
    undo_and_finish(&machine, &intent, scenario, hindrance);
}

static void hinder(size_t i, const struct hindrance *hindrance)
{
    const struct scenario *scenario = &scenarios[i];
    for (int n = 0; n < scenario->no_return; n++) {
        hinder_in_between(scenario, hindrance, n, false);
        if (n < scenario->no_return - 1 || hindrance->late)
            hinder_in_between(scenario, hindrance, n, true);
        for (int m = 0; m < 5; m++) {
            hinder_after_kill(scenario, hindrance, n, m, false);
            if (hindrance->undo)
                hinder_after_kill(scenario, hindrance, n, m, true);
        }
    }
}

/* Past the point of no return it goes on to its end. */
static void ignore(size_t i, event_function event, const char *end)
{
    struct scenario scenario = scenarios[i];
    if (end)
        scenario.end = end;
    for (int n = scenario.no_return; n < count_steps(scenario.steps); n++) {
        struct machine machine;
        struct intent intent;
        begin_and_kill(&machine, &intent, &scenario, n);
        event(&machine, &intent);
        finish_afresh(&machine, &intent, &scenario);
    }
}

static void test_origin_opened(void **state)
{
    static const struct hindrance opened = {open_origin, close_origin, PLAN_DEFER, true};

    (void)state;
    hinder(ROLLBACK, &opened);
    hinder(ROLLBACK_SIBLING, &opened);
    hinder(ROLLBACK_OPEN, &opened);
    ignore(ROLLBACK, open_origin, "D: linear, open\nC: zeroed\n");
    ignore(ROLLBACK_SIBLING, open_origin, "D: snapshot-origin, open\nT: snapshot\nC: zeroed\nCT: 4100\n");
}

static void test_forced_live_origin_opened(void **state)
{
    static const struct hindrance opened = {open_origin, close_origin, PLAN_DEFER, false};

    (void)state;
    hinder(LIVE_MERGE_FORCED, &opened);
    ignore(LIVE_MERGE_FORCED, open_origin, "S: linear\nD: snapshot-origin, open\nC: zeroed\n");
}

static void test_snapshot_opened(void **state)
{
    static const struct hindrance opened = {open_snapshot, close_snapshot, PLAN_DEFER, false};
    static const struct hindrance opened_late = {open_snapshot, close_snapshot, PLAN_DEFER, true};

    (void)state;
    hinder(ROLLBACK, &opened);
    hinder(ROLLBACK_SIBLING, &opened);
    hinder(DROP, &opened_late);
    hinder(DROP_SIBLING, &opened_late);
    hinder(LIVE_DROP, &opened_late);
    hinder(LOST_DROP, &opened_late);
}

/* Behind the handover it has no store any more, but its user keeps it from going. */
static void test_snapshot_opened_behind_the_handover(void **state)
{
    (void)state;
    struct scenario scenario = scenarios[ROLLBACK];
    scenario.end = "S: error, open, deferred\nD: linear\nC: zeroed\n";
    for (int n = 3; n <= 5; n++) {
        struct machine machine;
        struct intent intent;
        begin_and_kill(&machine, &intent, &scenario, n);
        open_device(&machine, S);
        finish_afresh(&machine, &intent, &scenario);
        close_device(&machine, S);
        assert_state(&machine, scenarios[ROLLBACK].end, "closed");
    }
    struct machine machine;
    struct intent intent;
    prepare_rollback(&machine, &intent);
    struct run run = run_of(&machine, &intent);
    run.event = open_snapshot;
    run.event_after = 5;
    run.event_late = true; /* the remove that is planned finds it busy */
    pursue_to_end(&run);
    assert_done(&run, &scenario);
}

static void test_open_snapshot_closes(void **state)
{
    (void)state;
    for (int n = 0; n < count_steps(scenarios[ROLLBACK_OPEN].steps); n++) {
        struct machine machine;
        struct intent intent;
        begin_and_kill(&machine, &intent, &scenarios[ROLLBACK_OPEN], n);
        close_device(&machine, S);
        finish_afresh(&machine, &intent, &scenarios[ROLLBACK]);
    }
    for (int n = 0; n < count_steps(scenarios[DROP_OPEN].steps); n++) {
        struct machine machine;
        struct intent intent;
        begin_and_kill(&machine, &intent, &scenarios[DROP_OPEN], n);
        close_device(&machine, S);
        finish_afresh(&machine, &intent, &scenarios[DROP]);
    }
}

static void test_cancelled(void **state)
{
    static const struct hindrance cancelled = {cancel, NULL, PLAN_ABANDON, false};

    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        hinder(i, &cancelled);
        ignore(i, cancel, NULL);
    }
}

/* What has begun is finished; what has not waits, and goes on when it may. */
static void test_held(void **state)
{
    static const struct hindrance held = {hold, release, PLAN_DEFER, false};

    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        hinder(i, &held);
        ignore(i, hold, NULL);
    }
}

static void test_the_hold_is_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        struct machine machine;
        struct intent intent;
        scenarios[i].prepare(&machine, &intent);
        hold(&machine, &intent);
        open_device(&machine, S);
        struct run run = run_of(&machine, &intent);
        pursue(&run);
        assert_int_equal(run.plan.verdict, PLAN_DEFER);
        assert_string_equal(run.plan.reason, intent.held);
        assert_int_equal(run.steps, 0);
    }
}

/* Half of it may be done: a hold stops what is to be begun, not what has begun before a reboot. */
static void test_what_a_reboot_interrupted_is_not_held(void **state)
{
    struct machine machine;
    struct intent intent;

    (void)state;
    prepare_rollback(&machine, &intent);
    intent.interrupted = true;
    hold(&machine, &intent);
    struct run run = run_of(&machine, &intent);
    pursue_to_end(&run);
    assert_done(&run, &scenarios[ROLLBACK]);
}

/* Who ordered it did not do so because of how full it was, nor, of a drop, because it was not lost. */
static void test_an_order_does_not_depend_on_usage(void **state)
{
    static const event_function events[] = {fall, lose};

    (void)state;
    for (size_t i = 0; i < LOST_DROP; i++)
        for (size_t j = 0; j < 2; j++) {
            struct machine machine;
            struct intent intent;
            scenarios[i].prepare(&machine, &intent);
            strcpy(intent.rung, INTENT_ORDER "root");
            bool goes_on = events[j] == fall || intent.action == ACTION_DROP;
            events[j](&machine, &intent);
            struct run run = run_of(&machine, &intent);
            pursue(&run);
            assert_true(run.ended || run.plan.verdict == PLAN_WAIT);
            assert_int_equal(run.plan.verdict == PLAN_ABANDON, !goes_on);
        }
}

static void test_an_order_of_an_unknown_state_waits(void **state)
{
    struct machine machine;
    struct intent intent;

    (void)state;
    prepare_drop(&machine, &intent);
    strcpy(intent.rung, INTENT_ORDER "root");
    puzzle(&machine, &intent);
    struct run run = run_of(&machine, &intent);
    pursue(&run);
    assert_int_equal(run.plan.verdict, PLAN_REFUSE);
    assert_int_equal(run.steps, 0);
}

static void test_usage_fallen(void **state)
{
    static const struct hindrance fallen = {fall, NULL, PLAN_ABANDON, false};

    (void)state;
    for (size_t i = 0; i < LOST_DROP; i++)
        hinder(i, &fallen);
}

static void test_lost_before_it_began(void **state)
{
    static const struct hindrance lost = {lose, NULL, PLAN_ABANDON, false};

    (void)state;
    for (size_t i = 0; i < LOST_DROP; i++)
        hinder(i, &lost);
}

static void test_not_lost_any_more(void **state)
{
    static const struct hindrance valid = {recover, NULL, PLAN_ABANDON, false};
    static const struct hindrance unknown = {puzzle, NULL, PLAN_ABANDON, false};

    (void)state;
    hinder(LOST_DROP, &valid);
    hinder(LOST_DROP_OPEN, &valid);
    hinder(LOST_DROP, &unknown);
}

static void test_state_unknown(void **state)
{
    static const struct hindrance unknown = {puzzle, recover, PLAN_REFUSE, false};

    (void)state;
    for (size_t i = 0; i < LOST_DROP; i++)
        hinder(i, &unknown);
}

static void test_sibling_at_risk(void **state)
{
    static const struct hindrance at_risk = {shrink_sibling, grow_sibling, PLAN_REFUSE, false};

    (void)state;
    hinder(ROLLBACK_SIBLING, &at_risk);
    hinder(LIVE_MERGE_SIBLING, &at_risk);
    struct machine machine;
    struct intent intent;
    struct plan plan;
    prepare_rollback_sibling(&machine, &intent);
    shrink_sibling(&machine, &intent);
    make_plan(&machine, &intent, &plan);
    assert_string_equal(plan.reason, "it may fill the store of T, a snapshot of the same origin");
    ignore(DROP_SIBLING, shrink_sibling, NULL); /* a drop costs nobody anything */
    prepare_drop_sibling(&machine, &intent);
    shrink_sibling(&machine, &intent);
    finish_afresh(&machine, &intent, &scenarios[DROP_SIBLING]);
}

static void test_reasons(void **state)
{
    static const struct {
        size_t scenario;
        event_function event;
        const char *reason;
    } cases[] = {
        {ROLLBACK, open_origin, "the origin's device D is open"},
        {ROLLBACK, open_snapshot, "the snapshot is open"},
        {LIVE_MERGE_FORCED, open_origin, "the origin's device D is open"},
        {DROP, open_snapshot, "the snapshot is open"},
        {LIVE_DROP, cancel, "its rung is no longer in the configuration"},
        {LIVE_MERGE, fall, "its store is no longer as full as when this was decided"},
        {LIVE_MERGE, lose, "it is lost: its status is Invalid"},
        {LOST_DROP, recover, "it is not lost"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct machine machine;
        struct intent intent;
        struct plan plan;
        scenarios[cases[i].scenario].prepare(&machine, &intent);
        cases[i].event(&machine, &intent);
        make_plan(&machine, &intent, &plan);
        assert_string_equal(plan.reason, cases[i].reason);
    }
}

/* A live snapshot is broken for nobody, whatever drop-open says. */
static void test_open_live_drop(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    struct plan plan;
    prepare_live_drop(&machine, &intent);
    intent.drop_open = true;
    open_device(&machine, S);
    make_plan(&machine, &intent, &plan);
    assert_int_equal(plan.verdict, PLAN_DEFER);
    assert_int_equal(plan.n_steps, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origin_opened),
        cmocka_unit_test(test_forced_live_origin_opened),
        cmocka_unit_test(test_snapshot_opened),
        cmocka_unit_test(test_snapshot_opened_behind_the_handover),
        cmocka_unit_test(test_open_snapshot_closes),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_the_hold_is_the_reason),
        cmocka_unit_test(test_what_a_reboot_interrupted_is_not_held),
        cmocka_unit_test(test_an_order_does_not_depend_on_usage),
        cmocka_unit_test(test_an_order_of_an_unknown_state_waits),
        cmocka_unit_test(test_usage_fallen),
        cmocka_unit_test(test_lost_before_it_began),
        cmocka_unit_test(test_not_lost_any_more),
        cmocka_unit_test(test_state_unknown),
        cmocka_unit_test(test_sibling_at_risk),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_open_live_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
