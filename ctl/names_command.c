#include "accounts.h"
#include "commands.h"
#include "cowherd/event.h"
#include <argp.h>
#include <stdio.h>
#include <sysexits.h>

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    argp_error(state, "unexpected argument \"%s\"", argument);
    return EX_USAGE;
}

static const struct argp argp = {
    .parser = take_option,
    .doc = "Prints the names of the snapshots, one a line, odd bytes as \\xNN: as every command takes them.",
};

int command_names(int argc, char **argv)
{
    struct accounts accounts;
    struct failure failure;
    char text[EVENT_NAME_MAX];
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    if (accounts_get(&accounts, &failure) < 0)
        return failure_report(&failure);
    for (size_t i = 0; i < accounts.n_items; i++)
        puts(event_text_name(accounts.items[i].name, text));
    accounts_done(&accounts);
    return EX_OK;
}
