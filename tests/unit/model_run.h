/* Plans carried out on the model kernel as dm_action.c does it: look, plan, take steps until the tables have changed, look
 * again; killed, failing, or with something that happens in between.
 */
#pragma once

#include "cowherd/plan.h"
#include "model_actions.h"

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

struct run run_of(struct machine *machine, const struct intent *intent);

/* The plan of this moment, its invariants checked. */
void make_plan(struct machine *machine, const struct intent *intent, struct plan *plan);

/* To its end, its failure, its killing, or where it waits. */
void pursue(struct run *run);

/* The same, past every wait for a merge: what the kernel merges meanwhile it merges in two goes. */
void pursue_to_end(struct run *run);

/* Of the scenarios: it is not a drop. */
bool is_merge(size_t i);
int count_steps(const char *steps);

/* where: for whoever reads the failure. */
void assert_state(const struct machine *machine, const char *expected, const char *where);
void assert_done(const struct run *run, const struct scenario *scenario);

/* By another daemon, from whatever state it is in. */
void finish_afresh(struct machine *machine, const struct intent *intent, const struct scenario *scenario);

/* Runs it until it is killed behind so many steps. */
void begin_and_kill(struct machine *machine, struct intent *intent, const struct scenario *scenario,
                    int steps);

/* A sibling without room for what the merge may cost it, and with it again. */
void shrink_sibling(struct machine *machine, struct intent *intent);
void grow_sibling(struct machine *machine, struct intent *intent);

/* The plan of this moment has that verdict and changes nothing; the whole of it comes to nothing. */
void expect_untouched(struct machine *machine, const struct intent *intent, enum plan_verdict verdict);
void expect_abandoned(struct machine *machine, const struct intent *intent);
