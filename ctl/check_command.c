#include "arguments.h"
#include "commands.h"
#include "plugin.h"
#include "printable.h"
#include <argp.h>
#include <errno.h>

struct options {
    struct limits warning, critical;
    struct argument_names names;
    struct failure failure; /* what is wrong with them */
};

#define OPTIONS_NONE ((struct options){.warning = LIMITS_NONE, .critical = LIMITS_NONE})

static const struct argp_option argp_options[] = {
    {"warning", 'w', "LIMIT", 0, "Warn from N% used, or below a TIME left (70%)", 0},
    {"critical", 'c', "LIMIT", 0, "The same for critical (90%)", 0},
    {0},
};

static error_t refuse(struct options *options, const char *what, const char *error)
{
    failure_set(&options->failure, PLUGIN_UNKNOWN, "%s%s", what, error);
    return EINVAL;
}

static error_t take_limit(const char *text, struct limits *limits, struct options *options)
{
    const char *error;
    char what[80];
    if (limits_parse(text, limits, &error) == 0)
        return 0;
    snprintf(what, sizeof(what), "\"%.70s\": ", text);
    return refuse(options, what, error);
}

static error_t complete(struct options *options)
{
    const char *error;
    return limits_complete(&options->warning, &options->critical, &error) < 0 ? refuse(options, "", error)
                                                                              : 0;
}

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->names;
        return 0;
    case 'w':
        return take_limit(argument, &options->warning, options);
    case 'c':
        return take_limit(argument, &options->critical, options);
    case ARGP_KEY_END:
        return complete(options);
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

/* argp tells errors on standard error, which a monitoring system does not read: so it is silent at first, which takes --help with
 * it. */
static int parse(int argc, char **argv, struct options *options)
{
    struct options again = OPTIONS_NONE;
    if (argp_parse(&argp, argc, argv, ARGP_NO_ERRS, NULL, options) == 0)
        return argp_parse(&argp, argc, argv, 0, NULL, &again);
    if (!options->failure.code)
        refuse(options, "a wrong command line: see \"cowctl check --help\"", "");
    return -1;
}

int command_check(int argc, char **argv)
{
    struct options options = OPTIONS_NONE;
    struct accounts accounts;
    struct failure failure;
    argp_err_exit_status = PLUGIN_UNKNOWN;
    if (parse(argc, argv, &options) < 0)
        return report_unknown(&options.failure);
    if (accounts_get(&accounts, &failure) < 0)
        return report_unknown(&failure);
    int code = accounts_select(&accounts, options.names.items, options.names.n_items, &failure) < 0
                   ? report_unknown(&failure)
                   : (int)plugin_report(&accounts, &options.warning, &options.critical, stdout);
    accounts_done(&accounts);
    return code;
}
