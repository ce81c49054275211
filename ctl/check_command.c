#include "arguments.h"
#include "commands.h"
#include "plugin.h"
#include "printable.h"
#include <argp.h>

struct options {
    struct limits warning, critical;
    struct argument_names names;
};

static const struct argp_option argp_options[] = {
    {"warning", 'w', "LIMIT", 0, "Warn from N% used, or below a TIME left (70%)", 0},
    {"critical", 'c', "LIMIT", 0, "The same for critical (90%)", 0},
    {0},
};

static void take_limit(const char *text, struct limits *limits, struct argp_state *state)
{
    const char *error;
    if (limits_parse(text, limits, &error) < 0)
        argp_error(state, "\"%s\": %s", text, error);
}

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->names;
        return 0;
    case 'w':
        take_limit(argument, &options->warning, state);
        return 0;
    case 'c':
        take_limit(argument, &options->critical, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child argp_children[] = {{.argp = &arguments_names}, {0}};

static const struct argp argp = {
    .options = argp_options,
    .parser = take_option,
    .doc = "A monitoring plugin: one line with performance data, and the exit codes 0 (ok), 1 (warning), 2 "
           "(critical) and 3 (unknown).\vA LIMIT is 70% (or 70) used, or a time left: 2h, 30min. Each option "
           "may be given twice, once of each kind. A lost snapshot is critical; without a daemon it is a "
           "warning at least.",
    .children = argp_children,
};

static int report_unknown(const struct failure *failure)
{
    printf("COWHERD UNKNOWN - ");
    printable_print(failure->sentence, stdout);
    putchar('\n');
    return PLUGIN_UNKNOWN;
}

int command_check(int argc, char **argv)
{
    struct options options = {.warning = LIMITS_NONE, .critical = LIMITS_NONE};
    struct accounts accounts;
    struct failure failure;
    argp_err_exit_status = PLUGIN_UNKNOWN;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    if (!limits_has_any(&options.warning))
        options.warning.percent = 70;
    if (!limits_has_any(&options.critical))
        options.critical.percent = 90;
    if (accounts_get(&accounts, &failure) < 0)
        return report_unknown(&failure);
    int code = accounts_select(&accounts, options.names.items, options.names.n_items, &failure) < 0
                   ? report_unknown(&failure)
                   : (int)plugin_report(&accounts, &options.warning, &options.critical, stdout);
    accounts_done(&accounts);
    return code;
}
