/* cowherd-sim: plays histories, and says which of them the daemon has failed. */
#include "simulation.h"
#include "world.h"
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FAILURES_SHOWN 5

struct options {
    uint64_t first, count, at_most, looks_max;
    bool traces, shrinks;
    const char *without;
};

static const struct argp_option descriptions[] = {
    {"seed", 's', "N", 0, "Play history N alone", 0},
    {"from", 'f', "N", 0, "The first history (1)", 0},
    {"count", 'n', "N", 0, "So many of them (1000)", 0},
    {"looks", 'l', "N", 0, "End each when the daemon has looked so often", 0},
    {"stop-after", 'x', "N", 0, "Stop when so many have failed (5)", 0},
    {"trace", 't', NULL, 0, "Say everything that happens", 0},
    {"shrink", 'k', NULL, 0, "Shorten a history that fails, and show what is left of it", 0},
    {"without", 'w', "I,J-K", 0, "Leave these items out, as --shrink says", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 's':
        options->first = strtoull(argument, NULL, 0);
        options->count = 1;
        return 0;
    case 'f':
        options->first = strtoull(argument, NULL, 0);
        return 0;
    case 'n':
        options->count = strtoull(argument, NULL, 0);
        return 0;
    case 'l':
        options->looks_max = strtoull(argument, NULL, 0);
        return 0;
    case 'x':
        options->at_most = strtoull(argument, NULL, 0);
        return 0;
    case 't':
        options->traces = true;
        return 0;
    case 'k':
        options->shrinks = true;
        return 0;
    case 'w':
        options->without = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void leave_out(struct history *history, const char *list)
{
    while (list && *list) {
        char *end;
        uint64_t first = strtoull(list, &end, 10), last = first;
        if (*end == '-')
            last = strtoull(end + 1, &end, 10);
        for (uint64_t i = first; i <= last && i < history->n_items; i++)
            history->left_out[i] = true;
        list = *end ? end + 1 : end;
    }
}

static void print_left_out(const struct history *history)
{
    const char *separator = "";
    for (size_t i = 0; i < history->n_items; i++) {
        size_t last = i;
        if (!history->left_out[i])
            continue;
        while (last + 1 < history->n_items && history->left_out[last + 1])
            last++;
        printf(last > i ? "%s%zu-%zu" : "%s%zu", separator, i, last);
        separator = ",";
        i = last;
    }
    putchar('\n');
}

static void show_shrunk(struct history *history, const struct outcome *outcome)
{
    struct outcome again;
    bool traces = world_traces;
    world_traces = false;
    shrink(history, outcome);
    printf("  cowherd-sim --seed %" PRIu64 " --without ", history->seed);
    print_left_out(history);
    world_traces = true;
    simulate(history, &again);
    world_traces = traces;
}

static void show_failure(struct history *history, const struct outcome *outcome,
                         const struct options *options)
{
    printf("FAIL seed %" PRIu64 " after %.3f s: %s\n", history->seed, (double)outcome->at_usec / 1e6,
           outcome->verdict);
    if (options->shrinks)
        show_shrunk(history, outcome);
    fflush(stdout);
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Returns how many have failed. */
static uint64_t play_all(const struct options *options)
{
    static struct history history;
    struct outcome outcome, sum = {0};
    uint64_t failures = 0, played = 0;
    for (; played < options->count && failures < options->at_most; played++) {
        history_make(options->first + played, &history);
        history.looks_max = options->looks_max;
        leave_out(&history, options->without);
        simulate(&history, &outcome);
        sum.simulated_usec += outcome.simulated_usec;
        sum.looks += outcome.looks;
        sum.wake_ups += outcome.wake_ups;
        failures += outcome.failed;
        if (outcome.failed)
            show_failure(&history, &outcome, options);
    }
    double simulated = (double)sum.simulated_usec / 1e6, cpu = cpu_seconds();
    printf("%" PRIu64 " histories, %.1f days, %" PRIu64 " looks, %" PRIu64
           " wake-ups in %.1f s of CPU: %.0f times real time; %" PRIu64 " failed\n",
           played, simulated / 86400, sum.looks, sum.wake_ups, cpu, simulated / cpu, failures);
    return failures;
}

int main(int argc, char **argv)
{
    struct options options = {.first = 1, .count = 1000, .at_most = FAILURES_SHOWN, .looks_max = UINT64_MAX};
    static const struct argp argp = {
        descriptions, parse, NULL, "Plays histories on the real core and manager of cowherd.",
        NULL,         NULL,  NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    setenv("STATE_DIRECTORY", "/nonexistent", 1); /* storage.c stands for both */
    setenv("RUNTIME_DIRECTORY", "/nonexistent", 1);
    world_traces = options.traces;
    return play_all(&options) > 0;
}
