#include "arguments.h"
#include "style.h"

enum { KEY_COLOUR = 0x100 };

static error_t take_colour(int key, char *argument, struct argp_state *state)
{
    if (key != KEY_COLOUR)
        return ARGP_ERR_UNKNOWN;
    if (style_parse_colour(argument, state->input) < 0)
        argp_error(state, "a colour is auto, always or never");
    return 0;
}

static const struct argp_option colour_options[] = {
    {"color", KEY_COLOUR, "WHEN", 0, "auto (on a terminal), always, never", 0},
    {0},
};

const struct argp arguments_colour = {.options = colour_options, .parser = take_colour};

static error_t take_names(int key, char *argument, struct argp_state *state)
{
    struct argument_names *names = state->input;
    (void)argument;
    if (key != ARGP_KEY_ARGS)
        return ARGP_ERR_UNKNOWN;
    names->items = state->argv + state->next;
    names->n_items = (size_t)(state->argc - state->next);
    return 0;
}

const struct argp arguments_names = {.parser = take_names, .args_doc = "[NAME...]"};

static error_t take_name(int key, char *argument, struct argp_state *state)
{
    const char **name = state->input;
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (*name)
        argp_error(state, "unexpected argument \"%s\"", argument);
    *name = argument;
    return 0;
}

const struct argp arguments_name = {.parser = take_name};
