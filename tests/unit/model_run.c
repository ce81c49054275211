#include "model_run.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct run run_of(struct machine *machine, const struct intent *intent)
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

void make_plan(struct machine *machine, const struct intent *intent, struct plan *plan)
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

void pursue(struct run *run)
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
void pursue_to_end(struct run *run)
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

bool is_merge(size_t i)
{
    return i <= ROLLBACK_OPEN;
}

int count_steps(const char *steps)
{
    int n = 0;
    for (; *steps; steps++)
        n += *steps == '\n';
    return n;
}

void assert_state(const struct machine *machine, const char *expected, const char *where)
{
    char text[TEXT_MAX];
    describe(machine, text);
    if (strcmp(text, expected) != 0)
        fail_msg("%s: is\n%sshould be\n%safter\n%s", where, text, expected, machine->log);
    assert_false(machine->swapped_while_open);
}

void assert_done(const struct run *run, const struct scenario *scenario)
{
    if (!run->ended || run->plan.verdict != PLAN_ACT || run->error)
        fail_msg("%s: not done (verdict %d, error %d, %s) after\n%s", scenario->name, (int)run->plan.verdict,
                 run->error, run->plan.reason, run->machine->log);
    assert_true(run->plan.begun);
    assert_state(run->machine, scenario->end, scenario->name);
}

void finish_afresh(struct machine *machine, const struct intent *intent, const struct scenario *scenario)
{
    struct run run = run_of(machine, intent);
    pursue_to_end(&run);
    assert_done(&run, scenario);
}

/* Runs it until it is killed behind so many steps. */
void begin_and_kill(struct machine *machine, struct intent *intent, const struct scenario *scenario,
                    int steps)
{
    scenario->prepare(machine, intent);
    struct run run = run_of(machine, intent);
    run.killed_after = steps;
    pursue_to_end(&run);
    assert_int_equal(run.steps, steps);
    assert_true(run.killed);
}

void shrink_sibling(struct machine *machine, struct intent *intent)
{
    (void)intent;
    machine->stores[CT].total_sectors = 16384;
}

void grow_sibling(struct machine *machine, struct intent *intent)
{
    (void)intent;
    machine->stores[CT].total_sectors = 65536;
}

void expect_untouched(struct machine *machine, const struct intent *intent, enum plan_verdict verdict)
{
    struct plan plan;
    make_plan(machine, intent, &plan);
    if (plan.verdict != verdict || plan.n_steps != 0)
        fail_msg("verdict %d, %zu steps, %s", (int)plan.verdict, plan.n_steps, plan.reason);
}

/* Only the intent goes. */
void expect_abandoned(struct machine *machine, const struct intent *intent)
{
    struct plan plan;
    make_plan(machine, intent, &plan);
    assert_int_equal(plan.verdict, PLAN_ABANDON);
    assert_int_equal(plan.n_steps, 1);
    assert_int_equal(plan.steps[0].kind, STEP_FORGET);
}
