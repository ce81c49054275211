/* plan: every action against a model of the kernel's dm state - to its end, stopped after every step, taken
 * back, overtaken, and beside what is none of our business.
 *
 * The executor is dm_action.c's loop: look, plan, take steps until the tables have changed, look again.
 */
#include "cowherd/plan.h"
#include "model_actions.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- the executor */

struct run;
typedef void (*event_function)(struct machine *machine, struct intent *intent);

struct run {
    struct machine *machine;
    struct intent intent;
    int steps;
    int killed_after; /* so many steps; negative: never */
    int fails_at;     /* this step fails; negative: none */
    int event_after;  /* so many steps something happens; negative: nothing */
    bool event_late;  /* between the plan and its step */
    event_function event;
    bool killed, ended;
    int error;
    struct plan plan; /* the last one */
};

static struct run run_of(struct machine *machine, const struct intent *intent)
{
    return (struct run){
        .machine = machine, .intent = *intent, .killed_after = -1, .fails_at = -1, .event_after = -1};
}

static void log_step(struct machine *machine, const struct step *step)
{
    append(machine->log, "%s", step_kind_name(step->kind));
    for (size_t i = 0; i < N_DEVICES; i++)
        if (step->kind < STEP_ZERO_MERGED && step->device == device_number(i))
            append(machine->log, " %s", device_names[i]);
    if (step->kind == STEP_ZERO || step->kind == STEP_ZERO_MERGED)
        append(machine->log, " %s", step->device == STORE ? "C" : "of somebody else");
    if (step->kind == STEP_LOAD)
        append(machine->log, " %s", target_kind_name(step->table.kind));
    append(machine->log, "\n");
}

static int carry_out_on(struct machine *machine, struct model_device *device, const struct step *step)
{
    switch (step->kind) {
    case STEP_LOAD:
        return model_load(machine, device, &step->table);
    case STEP_CLEAR:
        destroy_table(machine, &device->inactive);
        return 0;
    case STEP_SUSPEND:
        device->suspended = true;
        return 0;
    case STEP_RESUME_CLOSED:
        return device->open_count > 0 ? -EBUSY : model_resume(machine, device);
    case STEP_RESUME:
        return model_resume(machine, device);
    case STEP_REMOVE:
    case STEP_REMOVE_DEFERRED:
        return model_remove(machine, device, step->kind == STEP_REMOVE_DEFERRED);
    default:
        return -ENOTSUP;
    }
}

static int carry_out(struct run *run, const struct step *step)
{
    struct machine *machine = run->machine;
    if (step->kind == STEP_FORGET) {
        run->ended = true;
        return 0;
    }
    if (step->kind == STEP_ZERO || step->kind == STEP_ZERO_MERGED) {
        int r = model_zero(machine, step->device, step->kind == STEP_ZERO_MERGED);
        if (r != -ENOTEMPTY)
            return r;
        run->ended = true;
        run->plan.verdict = PLAN_ABANDON;
        return 0;
    }
    struct model_device *device = find_device(machine, step->device);
    return device ? carry_out_on(machine, device, step) : -ENXIO;
}

static void happen(struct run *run, bool late)
{
    if (!run->event || run->steps != run->event_after || run->event_late != late)
        return;
    run->event(run->machine, &run->intent);
    run->event = NULL;
}

static int take_step(struct run *run, const struct step *step)
{
    happen(run, true);
    if (run->steps == run->killed_after) {
        run->killed = true;
        return -EAGAIN;
    }
    if (run->steps == run->fails_at)
        return -EIO;
    run->steps++;
    log_step(run->machine, step);
    int r = carry_out(run, step);
    return r == -EBUSY && (step->kind == STEP_RESUME_CLOSED || step->kind == STEP_REMOVE) ? -EAGAIN : r;
}

static void make_plan(struct machine *machine, const struct intent *intent, struct plan *plan)
{
    struct observation seen = {0};
    observe(machine, &seen);
    memset(plan, 0xa5, sizeof(*plan));
    plan_make(intent, &seen, plan);
    observation_done(&seen);
    assert_true(plan->n_steps <= PLAN_STEPS_MAX);
    assert_true(plan->verdict == PLAN_ACT || plan->reason[0]);
    assert_true(plan->verdict != PLAN_ACT || (plan->n_steps > 0 && !plan->reason[0]));
    assert_true(plan->verdict != PLAN_WAIT || plan->n_steps == 0);
}

static void pursue(struct run *run)
{
    for (int round = 0; round < 64; round++) {
        happen(run, false);
        make_plan(run->machine, &run->intent, &run->plan);
        if (run->plan.n_steps == 0)
            return;
        int r = 0;
        for (size_t i = 0; i < run->plan.n_steps && r == 0 && !run->ended; i++) {
            r = take_step(run, &run->plan.steps[i]);
            if (step_kind_changes_tables(run->plan.steps[i].kind))
                break;
        }
        if (r < 0 && r != -EAGAIN)
            run->error = r;
        if (run->ended || run->killed || run->error)
            return;
    }
    fail_msg("in a circle:\n%s", run->machine->log);
}

/* To its end, or to where it waits for somebody; what the kernel merges meanwhile it merges in two goes. */
static void pursue_to_end(struct run *run)
{
    for (int i = 0; i < 4; i++) {
        pursue(run);
        if (run->ended || run->killed || run->error || run->plan.verdict != PLAN_WAIT)
            return;
        run->killed = run->steps == run->killed_after;
        if (run->killed)
            return;
        merge(run->machine, i == 0 ? EXCEPTIONS / 2 : EXCEPTIONS);
    }
    fail_msg("the merge never ends:\n%s", run->machine->log);
}

static bool is_merge(size_t i)
{
    return i <= ROLLBACK_OPEN;
}

static int count_steps(const char *steps)
{
    int n = 0;
    for (; *steps; steps++)
        n += *steps == '\n';
    return n;
}

static void assert_state(const struct machine *machine, const char *expected, const char *where)
{
    char text[TEXT_MAX];
    describe(machine, text);
    if (strcmp(text, expected) != 0)
        fail_msg("%s: is\n%sshould be\n%safter\n%s", where, text, expected, machine->log);
    assert_false(machine->swapped_while_open);
}

static void assert_done(const struct run *run, const struct scenario *scenario)
{
    if (!run->ended || run->plan.verdict != PLAN_ACT || run->error)
        fail_msg("%s: not done (verdict %d, error %d, %s) after\n%s", scenario->name, (int)run->plan.verdict,
                 run->error, run->plan.reason, run->machine->log);
    assert_true(run->plan.begun);
    assert_state(run->machine, scenario->end, scenario->name);
}

static void finish_afresh(struct machine *machine, const struct intent *intent,
                          const struct scenario *scenario)
{
    struct run run = run_of(machine, intent);
    pursue_to_end(&run);
    assert_done(&run, scenario);
}

/* Runs it until it is killed behind so many steps. */
static void begin_and_kill(struct machine *machine, struct intent *intent, const struct scenario *scenario,
                           int steps)
{
    scenario->prepare(machine, intent);
    struct run run = run_of(machine, intent);
    run.killed_after = steps;
    pursue_to_end(&run);
    assert_int_equal(run.steps, steps);
    assert_true(run.killed);
}

/* ---- to the end, and again after every step */

static void test_steps_and_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        struct machine machine;
        struct intent intent;
        scenarios[i].prepare(&machine, &intent);
        finish_afresh(&machine, &intent, &scenarios[i]);
        assert_string_equal(machine.log, scenarios[i].steps);
    }
}

static void test_tables_that_are_loaded(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    struct plan plan;
    prepare_rollback(&machine, &intent);
    intent.store_type = STORE_PERSISTENT_OVERFLOW;
    make_plan(&machine, &intent, &plan);
    struct target *table = &plan.steps[0].table;
    assert_int_equal(table->kind, TARGET_SNAPSHOT_MERGE);
    assert_true(table->origin == ORIGIN && table->store == STORE);
    assert_int_equal(table->start_sectors, 0);
    assert_int_equal(table->length_sectors, LENGTH_SECTORS);
    assert_int_equal(table->chunk_sectors, CHUNK_SECTORS);
    assert_int_equal(table->store_type, STORE_PERSISTENT_OVERFLOW);
    table = &plan.steps[3].table;
    assert_int_equal(table->kind, TARGET_ERROR);
    assert_int_equal(table->start_sectors, 0);
    assert_int_equal(table->length_sectors, LENGTH_SECTORS);
}

static void test_killed_after_every_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int n = 0; n < count_steps(scenarios[i].steps); n++) {
            struct machine machine;
            struct intent intent;
            begin_and_kill(&machine, &intent, &scenarios[i], n);
            finish_afresh(&machine, &intent, &scenarios[i]);
        }
}

static void test_killed_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int n = 0; n < count_steps(scenarios[i].steps); n++)
            for (int m = 0; m < count_steps(scenarios[i].steps) - n; m++) {
                struct machine machine;
                struct intent intent;
                begin_and_kill(&machine, &intent, &scenarios[i], n);
                struct run run = run_of(&machine, &intent);
                run.killed_after = m;
                pursue_to_end(&run);
                finish_afresh(&machine, &intent, &scenarios[i]);
            }
}

static void test_killed_takes_no_detour(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int n = 0; n < count_steps(scenarios[i].steps); n++) {
            struct machine machine;
            struct intent intent;
            begin_and_kill(&machine, &intent, &scenarios[i], n);
            finish_afresh(&machine, &intent, &scenarios[i]);
            /* A swap is done again from its load on: the same table twice is no harm. */
            assert_in_range(count_steps(machine.log), count_steps(scenarios[i].steps),
                            count_steps(scenarios[i].steps) + 1);
        }
}

static void test_every_step_fails_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int n = 0; n < count_steps(scenarios[i].steps); n++) {
            struct machine machine;
            struct intent intent;
            scenarios[i].prepare(&machine, &intent);
            struct run run = run_of(&machine, &intent);
            run.fails_at = n;
            pursue_to_end(&run);
            assert_int_equal(run.error, -EIO);
            assert_false(run.ended);
            finish_afresh(&machine, &intent, &scenarios[i]);
        }
}

static void test_begun(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int n = 0; n < count_steps(scenarios[i].steps); n++) {
            struct machine machine;
            struct intent intent;
            struct plan plan;
            begin_and_kill(&machine, &intent, &scenarios[i], n);
            make_plan(&machine, &intent, &plan);
            assert_int_equal(plan.begun, n >= scenarios[i].no_return);
        }
}

static void test_waits_for_the_merge(void **state)
{
    static const size_t merges[] = {LIVE_MERGE, ROLLBACK, ROLLBACK_SIBLING};

    (void)state;
    for (size_t i = 0; i < sizeof(merges) / sizeof(merges[0]); i++) {
        struct machine machine;
        struct intent intent;
        scenarios[merges[i]].prepare(&machine, &intent);
        struct run run = run_of(&machine, &intent);
        pursue(&run);
        for (int left = EXCEPTIONS; left > 0; left -= 500) {
            struct run again = run_of(&machine, &intent);
            pursue(&again);
            assert_int_equal(again.plan.verdict, PLAN_WAIT);
            assert_int_equal(again.steps, 0);
            assert_true(again.plan.begun);
            merge(&machine, 500);
        }
        finish_afresh(&machine, &intent, &scenarios[merges[i]]);
    }
}

/* Somebody resumed the origin's device before the snapshot was suspended: D has the merge table, suspended.
 */
static void test_refused_handover(void **state)
{
    static const size_t rollbacks[] = {ROLLBACK, ROLLBACK_SIBLING, ROLLBACK_OPEN};

    (void)state;
    for (size_t i = 0; i < sizeof(rollbacks) / sizeof(rollbacks[0]); i++)
        for (int n = 0; n < 8; n++) {
            const struct scenario *scenario = &scenarios[rollbacks[i]];
            struct machine machine;
            struct intent intent;
            begin_and_kill(&machine, &intent, scenario, 1);
            assert_int_equal(model_resume(&machine, &machine.devices[D]), -EINVAL);
            assert_true(machine.devices[D].suspended);
            assert_int_equal(machine.devices[D].active.targets[0].kind, TARGET_SNAPSHOT_MERGE);
            struct run run = run_of(&machine, &intent);
            run.killed_after = n;
            pursue_to_end(&run);
            if (!run.ended)
                finish_afresh(&machine, &intent, scenario);
            assert_state(&machine, scenario->end, scenario->name);
        }
}

/* Its store is lost with it, but D must not stay suspended with a table that never took over. */
static void test_refused_handover_without_snapshot(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    begin_and_kill(&machine, &intent, &scenarios[ROLLBACK], 1);
    assert_int_equal(model_resume(&machine, &machine.devices[D]), -EINVAL);
    destroy_device(&machine, &machine.devices[S]);
    struct run run = run_of(&machine, &intent);
    pursue(&run);
    assert_int_equal(run.plan.verdict, PLAN_REFUSE);
    assert_state(&machine, "D: snapshot-merge invalid\nC: 4000\n", "without snapshot");
}

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

static void shrink_sibling(struct machine *machine, struct intent *intent)
{
    (void)intent;
    machine->stores[CT].total_sectors = 16384;
}

static void grow_sibling(struct machine *machine, struct intent *intent)
{
    (void)intent;
    machine->stores[CT].total_sectors = 65536;
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

/* ---- overtaken */

static void overtake(int n, int m, bool origin_open, bool snapshot_open)
{
    struct machine machine;
    struct intent rollback, drop;
    begin_and_kill(&machine, &rollback, &scenarios[ROLLBACK], n);
    if (origin_open)
        open_device(&machine, D);
    if (snapshot_open)
        open_device(&machine, S);
    struct run run = run_of(&machine, &rollback); /* perhaps on its way back already */
    run.killed_after = m;
    if (origin_open || snapshot_open)
        pursue_to_end(&run);
    drop = rollback;
    drop.action = ACTION_DROP;
    drop.drop_open = snapshot_open;
    struct scenario scenario = scenarios[snapshot_open ? DROP_OPEN : DROP];
    if (origin_open)
        scenario.end = snapshot_open ? "S: error, open, deferred\nD: snapshot-origin, open\nC: zeroed\n"
                                     : "D: snapshot-origin, open\nC: zeroed\n";
    for (int k = 0; k < 6; k++) {
        struct machine copy = machine;
        struct run first = run_of(&copy, &drop);
        first.killed_after = k;
        pursue_to_end(&first);
        if (!first.ended)
            finish_afresh(&copy, &drop, &scenario);
        assert_state(&copy, scenario.end, "overtaken");
    }
}

static void test_drop_overtakes_rollback(void **state)
{
    (void)state;
    for (int n = 0; n < 3; n++)
        for (int m = 0; m < 4; m++) {
            overtake(n, m, false, false);
            overtake(n, m, true, false);
            overtake(n, m, false, true);
            overtake(n, m, true, true);
        }
}

/* The drop that overtook it is not carried out, but what was begun is taken back all the same. */
static void test_hindered_drop_takes_rollback_back(void **state)
{
    (void)state;
    for (int n = 0; n < 3; n++)
        for (int k = 0; k < 4; k++) {
            struct machine machine;
            struct intent intent;
            begin_and_kill(&machine, &intent, &scenarios[ROLLBACK], n);
            intent.action = ACTION_DROP;
            open_device(&machine, S);
            struct run first = run_of(&machine, &intent), run = first;
            first.killed_after = k;
            pursue_to_end(&first);
            pursue_to_end(&run);
            assert_int_equal(run.plan.verdict, PLAN_DEFER);
            assert_state(&machine, "S: snapshot, open\nD: snapshot-origin\nC: 4000\n", "hindered");
            intent.cancelled = true;
            struct run cancelled = run_of(&machine, &intent);
            pursue_to_end(&cancelled);
            assert_true(cancelled.ended);
            assert_int_equal(cancelled.plan.verdict, PLAN_ABANDON);
        }
}

/* What merges is not dropped: its store holds the origin's data. */
static void test_no_drop_of_what_merges(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++)
        for (int n = 3; n <= 7; n++) {
            struct machine machine;
            struct intent intent;
            char before[TEXT_MAX];
            begin_and_kill(&machine, &intent, &scenarios[ROLLBACK], n);
            intent.action = ACTION_DROP;
            intent.lost = lost;
            describe(&machine, before);
            struct run run = run_of(&machine, &intent);
            pursue(&run);
            assert_int_equal(run.plan.verdict, PLAN_ABANDON);
            assert_state(&machine, before, "merging");
            begin_and_kill(&machine, &intent, &scenarios[LIVE_MERGE], 2);
            intent.action = ACTION_DROP;
            intent.lost = lost;
            struct run live = run_of(&machine, &intent);
            pursue(&live);
            assert_int_equal(live.plan.verdict, PLAN_ABANDON);
            assert_state(&machine, "S: snapshot-merge\nC: 4000\n", "merging");
        }
}

/* ---- somebody else's */

static void expect_untouched(struct machine *machine, const struct intent *intent, enum plan_verdict verdict)
{
    struct plan plan;
    make_plan(machine, intent, &plan);
    if (plan.verdict != verdict || plan.n_steps != 0)
        fail_msg("verdict %d, %zu steps, %s", (int)plan.verdict, plan.n_steps, plan.reason);
}

/* Only the intent goes. */
static void expect_abandoned(struct machine *machine, const struct intent *intent)
{
    struct plan plan;
    make_plan(machine, intent, &plan);
    assert_int_equal(plan.verdict, PLAN_ABANDON);
    assert_int_equal(plan.n_steps, 1);
    assert_int_equal(plan.steps[0].kind, STEP_FORGET);
}

static void test_suspended_by_somebody(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        scenarios[i].prepare(&machine, &intent);
        machine.devices[S].suspended = true;
        expect_untouched(&machine, &intent, PLAN_DEFER);
    }
    for (size_t i = ROLLBACK; i <= ROLLBACK_OPEN; i++) {
        scenarios[i].prepare(&machine, &intent);
        machine.devices[D].suspended = true;
        expect_untouched(&machine, &intent, PLAN_DEFER);
    }
}

static void load_foreign(struct model_device *device, struct target target)
{
    device->inactive = (struct model_table){.targets = {target}, .n_targets = 1, .valid = true};
}

/* None of them is a table that an action of ours leaves behind there. */
static size_t foreign_tables(struct target tables[10])
{
    size_t n = 0;
    tables[n++] = table_of(TARGET_LINEAR, 0);
    tables[n] = table_of(TARGET_LINEAR, 0);
    tables[n++].offset_sectors = 8;
    tables[n++] = table_of(TARGET_OTHER, 0);
    tables[n++] = table_of(TARGET_SNAPSHOT_MERGE, SIBLING_STORE);
    tables[n] = table_of(TARGET_SNAPSHOT_MERGE, STORE);
    tables[n++].length_sectors *= 2;
    tables[n] = table_of(TARGET_SNAPSHOT_MERGE, STORE);
    tables[n++].origin = ELSEWHERE;
    tables[n] = table_of(TARGET_SNAPSHOT_ORIGIN, 0);
    tables[n++].length_sectors *= 2;
    tables[n] = table_of(TARGET_SNAPSHOT_ORIGIN, 0);
    tables[n++].origin = ELSEWHERE;
    tables[n] = table_of(TARGET_ERROR, 0);
    tables[n++].length_sectors *= 2;
    tables[n++] = table_of(TARGET_SNAPSHOT, STORE);
    return n;
}

static void test_table_loaded_by_somebody(void **state)
{
    (void)state;
    struct target tables[10];
    size_t n_tables = foreign_tables(tables);
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (size_t j = 0; j < n_tables; j++) {
            struct machine machine;
            struct intent intent;
            scenarios[i].prepare(&machine, &intent);
            load_foreign(&machine.devices[S], tables[j]);
            expect_untouched(&machine, &intent, PLAN_DEFER);
            if (i < ROLLBACK || i > ROLLBACK_OPEN)
                continue;
            scenarios[i].prepare(&machine, &intent);
            load_foreign(&machine.devices[D], tables[j]);
            expect_untouched(&machine, &intent, PLAN_DEFER);
            machine.devices[S].suspended = true; /* then that is his too */
            expect_untouched(&machine, &intent, PLAN_DEFER);
            scenarios[i].prepare(&machine, &intent);
            load_foreign(&machine.devices[D], table_of(TARGET_SNAPSHOT_MERGE, STORE));
            machine.devices[D].inactive.targets[1] = tables[j];
            machine.devices[D].inactive.n_targets = 2;
            expect_untouched(&machine, &intent, PLAN_DEFER);
        }
}

static void test_somebody_at_what_merges(void **state)
{
    (void)state;
    for (size_t i = 0; is_merge(i); i++)
        for (int merged = 0; merged < 2; merged++) {
            struct machine machine, copy;
            struct intent intent;
            size_t device = i < ROLLBACK ? S : D;
            int n = i < ROLLBACK ? 2 : 6;
            begin_and_kill(&machine, &intent, &scenarios[i], n);
            merge(&machine, merged ? EXCEPTIONS : EXCEPTIONS / 2);
            copy = machine;
            machine.devices[device].suspended = true;
            expect_untouched(&machine, &intent, PLAN_DEFER);
            machine = copy;
            struct target table = table_of(TARGET_LINEAR, 0);
            table.offset_sectors = 8;
            load_foreign(&machine.devices[device], table);
            expect_untouched(&machine, &intent, PLAN_DEFER);
            finish_afresh(&copy, &intent, &scenarios[i]);
        }
}

static void test_lookup_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int n = 0; n < count_steps(scenarios[i].steps); n++)
            for (size_t j = 0; j < N_DEVICES; j++) {
                struct machine machine;
                struct intent intent;
                struct plan plan;
                begin_and_kill(&machine, &intent, &scenarios[i], n);
                add_device(&machine, X, TARGET_OTHER, 0);
                if (!machine.devices[j].exists)
                    continue;
                machine.devices[j].error = -EBADMSG;
                expect_untouched(&machine, &intent, PLAN_REFUSE);
                make_plan(&machine, &intent, &plan);
                assert_non_null(strstr(plan.reason, "cannot be read: Bad message"));
                assert_int_equal(strncmp(plan.reason, device_names[j], 1), 0);
                machine.devices[j].error = 0;
                destroy_device(&machine, &machine.devices[X]);
                finish_afresh(&machine, &intent, &scenarios[i]);
            }
}

/* The number is another device's by now, of whatever kind. */
static void expect_no_step_on(struct machine *machine, const struct intent *intent, size_t index)
{
    struct machine before = *machine;
    struct run run = run_of(machine, intent);
    char line[8];
    pursue_to_end(&run);
    assert_int_equal(run.error, 0);
    snprintf(line, sizeof(line), " %s", device_names[index]);
    assert_null(strstr(machine->log, line));
    assert_memory_equal(&machine->devices[index], &before.devices[index], sizeof(before.devices[index]));
}

static void replace_device(struct machine *machine, size_t index, int how)
{
    struct model_device *device = &machine->devices[index];
    if (how == 0)
        strcpy(device->uuid, "another");
    else if (how == 1)
        strcpy(device->uuid, "");
    else
        device->disk_sequence++;
}

static void test_snapshot_is_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int how = 0; how < 3; how++)
            for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
                struct machine machine;
                struct intent intent;
                scenarios[i].prepare(&machine, &intent);
                replace_device(&machine, S, how);
                if (elsewhere)
                    machine.devices[S].active.targets[0].store = SIBLING_STORE;
                expect_no_step_on(&machine, &intent, S);
                /* The other one's store is his. */
                assert_true(elsewhere || !machine.stores[C].zeroed);
                assert_true(!is_merge(i) || !machine.stores[C].zeroed);
            }
}

/* Same number, same disk, same uuid: but its table is about something else. */
static void test_table_is_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int how = 0; how < 4; how++) {
            struct machine machine;
            struct intent intent;
            scenarios[i].prepare(&machine, &intent);
            struct target *target = &machine.devices[S].active.targets[0];
            if (how == 0)
                target->origin = ELSEWHERE;
            else if (how == 1)
                target->store = SIBLING_STORE;
            else if (how == 2)
                *target = table_of(TARGET_OTHER, 0);
            else
                machine.devices[S].active.n_targets = 0;
            expect_abandoned(&machine, &intent);
        }
}

/* Somebody swaps S's table while ours waits in D: nothing is merged, nothing of ours stays. */
static void test_table_becomes_another(void **state)
{
    (void)state;
    for (int n = 1; n <= 2; n++) {
        struct machine machine;
        struct intent intent;
        begin_and_kill(&machine, &intent, &scenarios[ROLLBACK], n);
        struct target table = table_of(TARGET_LINEAR, 0);
        assert_int_equal(model_load(&machine, &machine.devices[S], &table), 0);
        assert_int_equal(model_resume(&machine, &machine.devices[S]), 0);
        struct run run = run_of(&machine, &intent);
        pursue_to_end(&run);
        assert_true(run.ended);
        assert_int_equal(run.plan.verdict, PLAN_ABANDON);
        assert_state(&machine, "S: linear\nD: snapshot-origin\nC: 4000\n", "swapped");
    }
}

static void test_renamed(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        struct machine machine;
        struct intent intent;
        char end[TEXT_MAX];
        scenarios[i].prepare(&machine, &intent);
        strcpy(intent.name, "as it was called");
        finish_afresh(&machine, &intent, &scenarios[i]);
        describe(&machine, end);
        assert_string_equal(end, scenarios[i].end);
    }
}

static void test_name_is_reused(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        struct machine machine;
        struct intent intent;
        scenarios[i].prepare(&machine, &intent);
        machine.devices[S].exists = false;
        add_device(&machine, X, TARGET_SNAPSHOT, STORE);
        strcpy(machine.devices[X].name, "S");
        expect_no_step_on(&machine, &intent, X);
        assert_false(machine.stores[C].zeroed);
    }
}

static void test_origin_user_is_another(void **state)
{
    (void)state;
    for (size_t i = ROLLBACK; i <= ROLLBACK_OPEN; i++)
        for (int how = 0; how < 6; how++) {
            struct machine machine;
            struct intent intent;
            struct plan plan;
            scenarios[i].prepare(&machine, &intent);
            struct model_device *origin_user = &machine.devices[D];
            if (how == 0)
                origin_user->disk_sequence++;
            else if (how == 1)
                origin_user->exists = false;
            else if (how == 2)
                intent.origin_user = 0;
            else if (how == 3)
                origin_user->active.targets[0].origin = ELSEWHERE;
            else if (how == 4)
                origin_user->active.targets[0] = table_of(TARGET_LINEAR, 0);
            else
                origin_user->active.targets[0].length_sectors *= 2; /* it would be cut short */
            make_plan(&machine, &intent, &plan);
            assert_int_equal(plan.verdict, how == 3 || how == 4 ? PLAN_ABANDON : PLAN_REFUSE);
            assert_int_equal(plan.n_steps, plan.verdict == PLAN_ABANDON);
            assert_false(plan.begun);
        }
}

static void test_lvm(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    for (size_t i = ROLLBACK; i <= ROLLBACK_OPEN; i++) {
        scenarios[i].prepare(&machine, &intent);
        strcpy(machine.devices[D].uuid, "LVM-abc-real");
        expect_untouched(&machine, &intent, PLAN_REFUSE);
    }
}

static void add_second_target(struct model_device *device)
{
    device->active.targets[1] = (struct target){
        .kind = TARGET_LINEAR, .start_sectors = LENGTH_SECTORS, .length_sectors = 8, .origin = ELSEWHERE};
    device->active.n_targets = 2;
}

static void test_two_targets(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        scenarios[i].prepare(&machine, &intent);
        add_second_target(&machine.devices[S]);
        expect_abandoned(&machine, &intent);
    }
    for (size_t i = ROLLBACK; i <= ROLLBACK_OPEN; i++) {
        scenarios[i].prepare(&machine, &intent);
        add_second_target(&machine.devices[D]);
        expect_untouched(&machine, &intent, PLAN_REFUSE);
    }
}

/* A device with several targets is not changed, but its snapshot is a sibling like any other. */
static void test_sibling_with_two_targets(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    struct plan plan;
    prepare_rollback_sibling(&machine, &intent);
    struct model_table *table = &machine.devices[T].active;
    table->targets[1] = table->targets[0];
    table->targets[0] = (struct target){.kind = TARGET_LINEAR, .length_sectors = 8, .origin = ELSEWHERE};
    table->n_targets = 2;
    make_plan(&machine, &intent, &plan);
    assert_int_equal(plan.verdict, PLAN_ACT);
    shrink_sibling(&machine, &intent);
    expect_untouched(&machine, &intent, PLAN_REFUSE);
    grow_sibling(&machine, &intent);
    struct run run = run_of(&machine, &intent);
    pursue_to_end(&run);
    assert_true(run.ended);
    assert_non_null(strstr(machine.log, "load D snapshot-origin\n"));
    assert_null(strstr(machine.log, " T"));
}

/* ---- the store */

static void reuse_store(struct machine *machine, int how)
{
    add_device(machine, X, TARGET_SNAPSHOT, STORE);
    struct model_device *device = &machine->devices[X];
    device->active.targets[0].origin = ELSEWHERE;
    struct model_table table = device->active;
    if (how == 1)
        device->active.targets[0] = table_of(TARGET_LINEAR, 0), device->active.targets[0].origin = STORE;
    else if (how == 2)
        device->active.targets[0] = table_of(TARGET_ERROR, 0), device->inactive = table;
    else if (how == 3)
        device->active.targets[1] = table.targets[0], device->active.n_targets = 2,
        device->active.targets[0] = table_of(TARGET_ERROR, 0);
}

/* Behind the removal or the swap somebody uses it again: then it is not zeroed. */
static void test_store_is_reused(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (int how = 0; how < 4; how++) {
            struct machine machine;
            struct intent intent;
            struct plan plan;
            begin_and_kill(&machine, &intent, &scenarios[i], count_steps(scenarios[i].steps) - 2);
            reuse_store(&machine, how);
            make_plan(&machine, &intent, &plan);
            assert_int_equal(plan.verdict, PLAN_ACT);
            for (size_t j = 0; j < plan.n_steps; j++)
                assert_true(plan.steps[j].kind != STEP_ZERO && plan.steps[j].kind != STEP_ZERO_MERGED);
            assert_int_equal(plan.steps[plan.n_steps - 1].kind, STEP_FORGET);
            machine.devices[X].exists = false;
            finish_afresh(&machine, &intent, &scenarios[i]);
        }
}

/* The operator rolls back by hand while a drop waits: the store holds what his merge still needs. */
static void test_merged_by_hand_while_a_drop_waits(void **state)
{
    (void)state;
    struct machine machine;
    struct intent rollback, drop;
    for (int n = 3; n <= 6; n++) {
        begin_and_kill(&machine, &rollback, &scenarios[ROLLBACK], n);
        prepare_drop(&(struct machine){0}, &drop);
        struct run run = run_of(&machine, &drop);
        pursue(&run);
        assert_false(machine.stores[C].zeroed);
        assert_int_equal(run.plan.verdict, PLAN_ABANDON);
        assert_true(find_device(&machine, device_number(D))->active.valid);
    }
}

/* The snapshot was taken away with its exceptions: nothing was merged, and nothing is zeroed. */
static void test_gone_before_it_was_merged(void **state)
{
    (void)state;
    for (int n = 0; n < 3; n++) {
        struct machine machine;
        struct intent intent;
        begin_and_kill(&machine, &intent, &scenarios[ROLLBACK], n);
        destroy_device(&machine, &machine.devices[S]);
        struct run run = run_of(&machine, &intent);
        pursue_to_end(&run);
        assert_true(run.ended);
        assert_int_equal(run.plan.verdict, PLAN_ABANDON);
        assert_state(&machine, "D: snapshot-origin\nC: 4000\n", "gone");
    }
    for (int n = 0; n < 2; n++) {
        struct machine machine;
        struct intent intent;
        begin_and_kill(&machine, &intent, &scenarios[LIVE_MERGE], n);
        destroy_device(&machine, &machine.devices[S]);
        expect_abandoned(&machine, &intent);
    }
}

/* ---- before a merge */

static void test_merge_cannot_end(void **state)
{
    static const enum snapshot_state states[] = {SNAPSHOT_INVALID, SNAPSHOT_MERGE_FAILED};

    (void)state;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        for (size_t j = 0; is_merge(j); j++) {
            struct machine machine;
            struct intent intent;
            struct plan plan;
            begin_and_kill(&machine, &intent, &scenarios[j], j < ROLLBACK ? 2 : 6);
            machine.stores[C].exceptions = 0;
            machine.stores[C].state = states[i];
            expect_untouched(&machine, &intent, PLAN_REFUSE);
            make_plan(&machine, &intent, &plan);
            assert_true(plan.begun);
            machine.stores[C].state = SNAPSHOT_UNKNOWN;
            expect_untouched(&machine, &intent, PLAN_WAIT);
        }
}

static void test_one_merge_at_a_time(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    for (size_t i = LIVE_MERGE_SIBLING; i <= ROLLBACK_SIBLING; i++) {
        if (i == ROLLBACK || i == LIVE_MERGE_FORCED)
            continue;
        scenarios[i].prepare(&machine, &intent);
        intent.role_forced = true; /* else the merging one makes it no live snapshot */
        machine.devices[T].active.targets[0].kind = TARGET_SNAPSHOT_MERGE;
        expect_untouched(&machine, &intent, PLAN_DEFER);
        machine.devices[T].active.targets[0].origin = ELSEWHERE;
        struct plan plan;
        make_plan(&machine, &intent, &plan);
        assert_int_equal(plan.verdict, PLAN_ACT);
    }
}

static void test_transient_store(void **state)
{
    (void)state;
    for (size_t i = 0; is_merge(i); i++) {
        struct machine machine;
        struct intent intent;
        scenarios[i].prepare(&machine, &intent);
        machine.devices[S].active.targets[0].store_type = STORE_TRANSIENT;
        intent.store_type = STORE_TRANSIENT;
        expect_abandoned(&machine, &intent);
    }
}

/* The system runs on the origin by now: a merge would change its data beneath it. */
static void test_live_no_more(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    for (int open = 0; open < 2; open++) {
        prepare_live_merge(&machine, &intent);
        add_device(&machine, X, TARGET_SNAPSHOT_ORIGIN, 0);
        machine.devices[X].open_count = (unsigned)open;
        expect_abandoned(&machine, &intent);
        begin_and_kill(&machine, &intent, &scenarios[LIVE_MERGE], 1);
        add_device(&machine, X, TARGET_SNAPSHOT_ORIGIN, 0);
        machine.devices[X].open_count = (unsigned)open;
        struct run run = run_of(&machine, &intent);
        pursue(&run);
        assert_true(run.ended);
        assert_int_equal(run.plan.verdict, PLAN_ABANDON);
        assert_int_equal(machine.devices[S].inactive.n_targets, 0);
        assert_int_equal(machine.devices[S].active.targets[0].kind, TARGET_SNAPSHOT);
    }
}

static void test_usage_to_the_hundredth(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOST_DROP; i++) {
        struct machine machine;
        struct intent intent;
        struct plan plan;
        scenarios[i].prepare(&machine, &intent);
        uint32_t used = intent.used_centipercent;
        intent.used_centipercent = used + 200;
        make_plan(&machine, &intent, &plan);
        assert_int_equal(plan.verdict, PLAN_ACT);
        intent.used_centipercent = used + 201;
        expect_abandoned(&machine, &intent);
        intent.hysteresis_centipercent = 201;
        make_plan(&machine, &intent, &plan);
        assert_int_equal(plan.verdict, PLAN_ACT);
        intent.used_centipercent = 0;
        make_plan(&machine, &intent, &plan);
        assert_int_equal(plan.verdict, PLAN_ACT);
    }
}

/* Room for as many exceptions as the merge may cost is enough, one less is not. */
static void test_sibling_to_the_chunk(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    struct plan plan;
    prepare_rollback_sibling(&machine, &intent);
    uint64_t enough = chunks_needed(100 + EXCEPTIONS) * CHUNK_SECTORS;
    machine.stores[CT].total_sectors = enough;
    finish_afresh(&machine, &intent, &scenarios[ROLLBACK_SIBLING]); /* and the model agrees */
    prepare_rollback_sibling(&machine, &intent);
    machine.stores[CT].total_sectors = enough - CHUNK_SECTORS;
    expect_untouched(&machine, &intent, PLAN_REFUSE);
    machine.devices[T].active.targets[0].origin = ELSEWHERE; /* then it is no sibling */
    make_plan(&machine, &intent, &plan);
    assert_int_equal(plan.verdict, PLAN_ACT);
    prepare_rollback_sibling(&machine, &intent);
    shrink_sibling(&machine, &intent);
    machine.devices[T].active.valid = false; /* lost already */
    make_plan(&machine, &intent, &plan);
    assert_int_equal(plan.verdict, PLAN_ACT);
}

/* Its store has room for every chunk of the origin, whatever is left of it. */
static void test_sibling_that_cannot_fill(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    struct plan plan;
    prepare_rollback_sibling(&machine, &intent);
    machine.stores[CT] = (struct model_store){.exceptions = 0};
    machine.stores[CT].total_sectors = chunks_needed(LENGTH_SECTORS / CHUNK_SECTORS) * CHUNK_SECTORS;
    machine.stores[CT].exceptions = LENGTH_SECTORS / CHUNK_SECTORS - 10; /* all but ten are copied */
    make_plan(&machine, &intent, &plan);
    assert_int_equal(plan.verdict, PLAN_ACT);
    machine.stores[CT].total_sectors -= CHUNK_SECTORS;
    expect_untouched(&machine, &intent, PLAN_REFUSE);
}

static void test_sibling_cost(void **state)
{
    static const struct {
        uint64_t exceptions;
        uint32_t merged_chunk, sibling_chunk;
        uint64_t origin, cost;
    } cases[] = {
        {0, 8, 8, 262144, 0},
        {1, 8, 8, 262144, 1},
        {4000, 8, 8, 262144, 4000},
        {32768, 8, 8, 262144, 32768},
        {32769, 8, 8, 262144, 32768}, /* never more than the origin has */
        {1, 32, 8, 262144, 4},        /* one of its chunks is four of the sibling's */
        {100, 32, 8, 262144, 400},
        {1, 8, 32, 262144, 1}, /* the worst case: each in another one */
        {8192, 8, 32, 262144, 8192},
        {8193, 8, 32, 262144, 8192},
        {100, 8, 8, 17, 3}, /* the origin's last part is a chunk */
        {100, 8, 8, 16, 2},
        {100, 8, 8, 0, 0},
        {UINT64_MAX, 8, 8, UINT64_MAX, UINT64_MAX / 8 + 1},
        {UINT64_MAX, 16, 8, 800, 100},
        {UINT64_MAX / 2, 16, 8, UINT64_MAX, UINT64_MAX / 8 + 1},
        {UINT64_MAX / 2 + 2, 16, 8, UINT64_MAX, UINT64_MAX / 8 + 1}, /* wraps to 2 */
        {UINT64_MAX, 1, 1, UINT64_MAX, UINT64_MAX},
        {1, UINT32_C(1) << 31, 1, UINT64_MAX, UINT64_C(1) << 31},
        {UINT64_C(1) << 33, UINT32_C(1) << 31, 1, UINT64_MAX, UINT64_MAX}, /* wraps to 0 */
        {1, 0, 8, 262144, UINT64_MAX},                                     /* not known: the worst */
        {1, 8, 0, 262144, UINT64_MAX},
        {0, 0, 0, 0, UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_true(plan_sibling_cost_chunks(cases[i].exceptions, cases[i].merged_chunk,
                                             cases[i].sibling_chunk, cases[i].origin) == cases[i].cost);
}

static void test_step_kinds(void **state)
{
    static const struct {
        const char *name;
        bool changes;
    } kinds[] = {
        [STEP_LOAD] = {"load", true},
        [STEP_CLEAR] = {"clear", true},
        [STEP_SUSPEND] = {"suspend", true},
        [STEP_RESUME] = {"resume", true},
        [STEP_RESUME_CLOSED] = {"resume while closed", true},
        [STEP_REMOVE] = {"remove", true},
        [STEP_REMOVE_DEFERRED] = {"deferred remove", true},
        [STEP_PROVE_MERGED] = {"prove merged", false},
        [STEP_ZERO_MERGED] = {"zero merged store", false},
        [STEP_ZERO] = {"zero store", false},
        [STEP_FORGET] = {"forget", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        assert_string_equal(step_kind_name((enum step_kind)i), kinds[i].name);
        assert_int_equal(step_kind_changes_tables((enum step_kind)i), kinds[i].changes);
    }
}

/* ---- the model itself: what the kernel was seen to do */

static void test_model_of_a_handover(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    struct target table = table_of(TARGET_SNAPSHOT_MERGE, STORE);
    prepare_rollback(&machine, &intent);
    struct model_device *snapshot = &machine.devices[S], *origin_user = &machine.devices[D];
    assert_int_equal(model_load(&machine, origin_user, &table), 0);
    assert_int_equal(model_load(&machine, origin_user, &table), -EINVAL); /* a second one */
    assert_int_equal(origin_user->inactive.targets[0].chunk_sectors, 0);
    snapshot->suspended = true;
    assert_int_equal(model_resume(&machine, snapshot), -EINVAL); /* not while D waits */
    assert_true(snapshot->suspended);
    assert_int_equal(model_resume(&machine, origin_user), 0);
    assert_state(&machine, "S: snapshot invalid, suspended\nD: snapshot-merge\nC: 4000\n", "handover");
    assert_int_equal(origin_user->active.targets[0].chunk_sectors, CHUNK_SECTORS);
    assert_int_equal(snapshot->active.targets[0].chunk_sectors, 0);
    assert_int_equal(model_zero(&machine, STORE, false), -EBUSY);
    prepare_rollback(&machine, &intent);
    assert_int_equal(model_load(&machine, origin_user, &table), 0);
    destroy_device(&machine, snapshot);
    assert_int_equal(model_resume(&machine, origin_user), 0);
    assert_state(&machine, "D: snapshot-merge invalid\nC: 4000\n", "removed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_of_a_handover),
        cmocka_unit_test(test_steps_and_ends),
        cmocka_unit_test(test_tables_that_are_loaded),
        cmocka_unit_test(test_killed_after_every_step),
        cmocka_unit_test(test_killed_twice),
        cmocka_unit_test(test_killed_takes_no_detour),
        cmocka_unit_test(test_every_step_fails_once),
        cmocka_unit_test(test_begun),
        cmocka_unit_test(test_waits_for_the_merge),
        cmocka_unit_test(test_refused_handover),
        cmocka_unit_test(test_refused_handover_without_snapshot),
        cmocka_unit_test(test_origin_opened),
        cmocka_unit_test(test_forced_live_origin_opened),
        cmocka_unit_test(test_snapshot_opened),
        cmocka_unit_test(test_snapshot_opened_behind_the_handover),
        cmocka_unit_test(test_open_snapshot_closes),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_usage_fallen),
        cmocka_unit_test(test_lost_before_it_began),
        cmocka_unit_test(test_not_lost_any_more),
        cmocka_unit_test(test_state_unknown),
        cmocka_unit_test(test_sibling_at_risk),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_open_live_drop),
        cmocka_unit_test(test_drop_overtakes_rollback),
        cmocka_unit_test(test_hindered_drop_takes_rollback_back),
        cmocka_unit_test(test_no_drop_of_what_merges),
        cmocka_unit_test(test_suspended_by_somebody),
        cmocka_unit_test(test_table_loaded_by_somebody),
        cmocka_unit_test(test_somebody_at_what_merges),
        cmocka_unit_test(test_lookup_error),
        cmocka_unit_test(test_snapshot_is_another),
        cmocka_unit_test(test_table_is_another),
        cmocka_unit_test(test_table_becomes_another),
        cmocka_unit_test(test_renamed),
        cmocka_unit_test(test_name_is_reused),
        cmocka_unit_test(test_origin_user_is_another),
        cmocka_unit_test(test_lvm),
        cmocka_unit_test(test_two_targets),
        cmocka_unit_test(test_sibling_with_two_targets),
        cmocka_unit_test(test_store_is_reused),
        cmocka_unit_test(test_merged_by_hand_while_a_drop_waits),
        cmocka_unit_test(test_gone_before_it_was_merged),
        cmocka_unit_test(test_merge_cannot_end),
        cmocka_unit_test(test_one_merge_at_a_time),
        cmocka_unit_test(test_transient_store),
        cmocka_unit_test(test_live_no_more),
        cmocka_unit_test(test_usage_to_the_hundredth),
        cmocka_unit_test(test_sibling_to_the_chunk),
        cmocka_unit_test(test_sibling_that_cannot_fill),
        cmocka_unit_test(test_sibling_cost),
        cmocka_unit_test(test_step_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
