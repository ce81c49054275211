#include "commands.h"
#include "watch.h"
#include <argp.h>
#include <stdlib.h>

#define INTERVAL_MAX_SECONDS 86400.0
#define INTERVAL_MIN_SECONDS 0.1

enum { KEY_COLOUR = 0x100 };

static const struct argp_option argp_options[] = {
    {"interval", 'i', "SECONDS", 0, "Look so often (1)", 0},
    {"color", KEY_COLOUR, "WHEN", 0, "auto (on a terminal), always, never", 0},
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
    case 'i':
        take_interval(argument, options, state);
        return 0;
    case KEY_COLOUR:
        if (style_parse_colour(argument, &options->colour) < 0)
            argp_error(state, "a colour is auto, always or never");
        return 0;
    case ARGP_KEY_ARGS:
        options->names = state->argv + state->next;
        options->n_names = (size_t)(state->argc - state->next);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = argp_options,
    .parser = take_option,
    .args_doc = "[NAME...]",
    .doc = "Shows the snapshots live, until Ctrl-C, with the last words of the journal.\vWhere there is no "
           "terminal, or a "
           "dumb one, the table is printed again each time that it has changed.",
};

int command_watch(int argc, char **argv)
{
    struct watch_options options = {.interval_usec = 1000000};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    return watch_run(&options);
}
