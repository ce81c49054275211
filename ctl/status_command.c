#include "accounts.h"
#include "arguments.h"
#include "commands.h"
#include "status_json.h"
#include "status_table.h"
#include "style.h"
#include <argp.h>
#include <string.h>
#include <sysexits.h>

struct options {
    bool json;
    enum colour_choice colour;
    struct status_table_options table;
    struct argument_names names;
};

enum { KEY_JSON = 'j', KEY_BYTES = 'b', KEY_NO_HEADER = 0x100 };

static const struct argp_option argp_options[] = {
    {"json", KEY_JSON, NULL, 0, "Print JSON, as cowctl-status.schema.json says", 0},
    {"bytes", KEY_BYTES, NULL, 0, "Print bytes and seconds as plain numbers", 0},
    {"no-header", KEY_NO_HEADER, NULL, 0, "Print no line of titles", 0},
    {0},
};

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->colour;
        state->child_inputs[1] = &options->names;
        return 0;
    case KEY_JSON:
        options->json = true;
        return 0;
    case KEY_BYTES:
        options->table.bytes = true;
        return 0;
    case KEY_NO_HEADER:
        options->table.no_header = true;
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
    .doc = "Prints the snapshots of this machine, or those named.\vNAME is a dm name, as it is or with \\xNN "
           "as it is printed, a UUID, or a glob on the name. Without a running daemon the kernel is asked; "
           "that needs root.",
    .children = argp_children,
};

static int print(const struct accounts *accounts, const struct options *options)
{
    if (options->json)
        return status_json_print(accounts, stdout);
    if (accounts->n_items == 0) {
        puts("no snapshots");
        return 0;
    }
    return status_table_print(accounts, &options->table, stdout);
}

static int show(struct accounts *accounts, const struct options *options)
{
    struct failure failure;
    if (accounts_select(accounts, options->names.items, options->names.n_items, &failure) < 0)
        return failure_report(&failure);
    if (accounts->is_offline)
        fprintf(stderr, "cowctl: %s%s\n", accounts->why_offline.sentence,
                accounts->n_items ? ": fill rate, time left, guarantee and fired rungs are not known" : "");
    int r = print(accounts, options);
    if (r == 0)
        return EX_OK;
    failure_set(&failure, EX_OSERR, "the table cannot be made: %s", strerror(-r));
    return failure_report(&failure);
}

int command_status(int argc, char **argv)
{
    struct options options = {0};
    struct accounts accounts;
    struct failure failure;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    options.table.has_colour = style_has_colour(options.colour, stdout);
    options.table.is_utf8 = style_is_utf8();
    options.table.width = style_width(stdout);
    if (accounts_get(&accounts, &failure) < 0)
        return failure_report(&failure);
    int code = show(&accounts, &options);
    accounts_done(&accounts);
    return code;
}
