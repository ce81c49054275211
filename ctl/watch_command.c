#include "commands.h"
#include "watch.h"
#include <argp.h>
#include <stdlib.h>

#define INTERVAL_MAX_SECONDS 86400.0
#define INTERVAL_MIN_SECONDS 0.1

static const struct argp_option argp_options[] = {
    {"interval", 'i', "SECONDS", 0, "Look so often (1)", 0},
    {0},
};

static void take_interval(const char *text, struct watch_options *options, struct argp_state *state)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds >= INTERVAL_MIN_SECONDS && seconds <= INTERVAL_MAX_SECONDS))
        argp_error(state, "an interval is 0.1 to 86400 seconds");
    options->interval_usec = (uint64_t)(seconds * 1e6);
}

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    struct watch_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->colour;
        state->child_inputs[1] = &options->names;
        return 0;
    case 'i':
        take_interval(argument, options, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child argp_children[] = {
    {.argp = &arguments_colour}, {.argp = &arguments_names}, {0}};

static const struct argp argp = {
    .options = argp_options,
    .parser = take_option,
    .doc = "Shows the snapshots live, until Ctrl-C, with the last words of the journal.\vWhere there is no "
           "terminal, or a dumb one, the table is printed again each time that it has changed.",
    .children = argp_children,
};

int command_watch(int argc, char **argv)
{
    struct watch_options options = {.interval_usec = 1000000};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    return watch_run(&options);
}
