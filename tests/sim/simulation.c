#include "simulation.h"
#include "children.h"
#include "counters.h"
#include "cowherd/manager.h"
#include "loop.h"
#include "oracle.h"
#include "storage.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct config_places places = {.file = "simulated"};

/* The daemon from its start until it stops by itself. */
static void live(void)
{
    struct configuration configuration = {0};
    struct config_messages messages = {0};
    struct manager_options options = {.places = &places};
    loop_enter_daemon();
    if (configuration_read(&places, &configuration, &messages) < 0) {
        world.config_is_bad = false; /* somebody mends it */
        world.config = 0;
        if (configuration_read(&places, &configuration, &messages) < 0)
            oracle_fails("the configuration is refused: %s", messages.items[messages.n_items - 1].text);
    }
    oracle_daemon_starts();
    if (!oracle_verdict())
        manager_run(&options, &configuration, NULL);
}

static void bury(void)
{
    loop_leave_daemon();
    oracle_daemon_is_gone();
    children_abandon();
    counters_abandon();
    loop_free_daemon();
    world.is_up = world.crash = world.hang_up = world.terminate = false;
    world.calls_to_crash = 0;
    world_trace("the daemon is gone");
}

/* Returns whether the history goes on. */
static bool stay_down(void)
{
    uint64_t until = world.clock_usec + world.down_usec;
    if (until > world.history->length_usec)
        until = world.history->length_usec;
    world_advance(until);
    return world.clock_usec < world.history->length_usec;
}

static void play(void)
{
    /* Both outlive a jump. */
    static volatile bool goes_on;
    goes_on = true;
    while (goes_on && !oracle_verdict()) {
        int end = setjmp(loop_ends);
        if (end == LOOP_RUNS) {
            world.is_up = true;
            world.dm_event = true; /* nothing is armed yet */
            live();
        }
        bury();
        goes_on = end != LOOP_OVER && !oracle_verdict() && stay_down();
    }
}

void simulate(const struct history *history, struct outcome *ret_outcome)
{
    oracle_begin(history);
    storage_clear();
    loop_figures = (struct loop_figures){0};
    world_begin(history);
    uint64_t start_usec = world.clock_usec;
    play();
    *ret_outcome = (struct outcome){
        .failed = oracle_verdict() != NULL,
        .at_usec = world.clock_usec,
        .simulated_usec = world.clock_usec - start_usec,
        .looks = loop_figures.looks,
        .wake_ups = loop_figures.wake_ups,
        .items = world.next_item,
    };
    if (oracle_verdict())
        snprintf(ret_outcome->verdict, sizeof(ret_outcome->verdict), "%s", oracle_verdict());
}

/* ---- shrinking */

/* Findings are the same when they differ in nothing but names and figures. */
static bool is_alike(const char *a, const char *b)
{
    while (*a && *b) {
        if ((*a >= '0' && *a <= '9') || (*b >= '0' && *b <= '9')) {
            a += strspn(a, "0123456789");
            b += strspn(b, "0123456789");
        } else if (*a++ != *b++) {
            return false;
        }
    }
    return *a == *b;
}

static bool still_fails(const struct history *history, const struct outcome *outcome)
{
    struct outcome now;
    simulate(history, &now);
    return now.failed && is_alike(now.verdict, outcome->verdict);
}

/* Tries to do without a stretch of items; returns whether it can be. */
static bool leave_out(struct history *history, const struct outcome *outcome, size_t first, size_t n)
{
    bool kept[ITEMS_MAX], any = false;
    memcpy(kept, history->left_out, sizeof(kept));
    for (size_t i = first; i < first + n && i < history->n_items; i++) {
        any = any || !history->left_out[i];
        history->left_out[i] = true;
    }
    if (any && still_fails(history, outcome))
        return true;
    memcpy(history->left_out, kept, sizeof(kept));
    return false;
}

void shrink(struct history *history, const struct outcome *outcome)
{
    history->length_usec = outcome->at_usec + 1000000;
    for (size_t i = outcome->items; i < history->n_items; i++)
        history->left_out[i] = true;
    if (!still_fails(history, outcome))
        return;
    for (size_t n = history->n_items; n > 0; n /= 2)
        for (size_t first = 0; first < history->n_items; first += n)
            leave_out(history, outcome, first, n);
}
