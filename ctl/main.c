#include "commands.h"
#include <argp.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

const char *argp_program_version = "cowctl " COWHERD_VERSION;

struct command {
    const char *name;
    const char *arguments;
    const char *summary;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
    {"status", "[NAME…]", "the snapshots, how full they are, what will be done", command_status},
    {"watch", "[NAME…]", "the same, live", command_watch},
    {"check", "[NAME…]", "the same as a monitoring plugin", command_check},
    {"explain", "NAME", "its policy, and what each rung would do now", command_explain},
    {"log", "[NAME]", "what was said, from the journal", command_log},
    {"names", "", "the names of the snapshots, one a line", command_names},
    {"reload", "", "read the configuration again", command_reload},
    {"extend", "NAME AMOUNT", "make its store larger: 20%, 1GiB", command_extend},
    {"merge", "NAME", "merge it into its origin", command_merge},
    {"drop", "NAME", "remove it, keep the origin as it is", command_drop},
    {"hold", "NAME [TIME]", "begin no action on it for a while", command_hold},
    {"release", "NAME", "end that, or take back an order that waits", command_release},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static char *describe_commands(void)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return NULL;
    fprintf(stream, "Commands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        int width = fprintf(stream, "  %s %s", commands[i].name, commands[i].arguments);
        /* The ellipsis is three bytes and one column. */
        width -= strstr(commands[i].arguments, "…") ? 2 : 0;
        fprintf(stream, "%*s%s\n", 24 - width, "", commands[i].summary);
    }
    fprintf(stream, "\n\"cowctl COMMAND --help\" says more of each.");
    fclose(stream);
    return text;
}

static char *fill_in_help(int key, const char *text, void *input)
{
    (void)input;
    return key == ARGP_KEY_HELP_POST_DOC ? describe_commands() : (char *)text;
}

struct choice {
    const struct command *command;
    int first; /* index of the command's name */
};

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    struct choice *choice = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        choice->command = find_command(argument);
        choice->first = state->next - 1;
        if (!choice->command)
            argp_error(state, "there is no command \"%s\"", argument);
        state->next = state->argc; /* the rest is the command's */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a command is missing");
        return EX_USAGE;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .parser = take_option,
    .args_doc = "COMMAND [ARGUMENT...]",
    .doc = "Looks after the snapshots that cowherd watches.\v",
    .help_filter = fill_in_help,
};

int main(int argc, char **argv)
{
    struct choice choice = {0};
    char name[64];
    argp_err_exit_status = EX_USAGE;
    setlocale(LC_CTYPE, ""); /* and nothing else: numbers have a dot everywhere */
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice);
    snprintf(name, sizeof(name), "cowctl %s", choice.command->name);
    argv[choice.first] = name;
    int code = choice.command->run(argc - choice.first, argv + choice.first);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "cowctl: what was to be said could not be written\n");
        return code ? code : EX_IOERR;
    }
    return code;
}
