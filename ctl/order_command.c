/* Orders to the daemon: extend, merge, drop, hold, release. */
#include "arguments.h"
#include "client.h"
#include "commands.h"
#include "cowherd/value.h"
#include "names.h"
#include "order_wait.h"
#include "printable.h"
#include <argp.h>
#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* Somebody types a password meanwhile. */
#define AUTHORISATION_DEADLINE_USEC UINT64_C(120000000)

enum { KEY_DRY_RUN = 'n', KEY_WAIT = 'w' };

struct order {
    const char *method;
    const char *action;   /* that its end is signalled of; NULL: it has none to wait for */
    const char *argument; /* the second one's name, or NULL */
    bool needs_argument;
    bool dry_run;
    bool wait;
    uint64_t wait_usec;
    const char *name;
    const char *value;
    uint64_t seconds; /* hold */
};

static int add_argument(struct order *order, const char *argument)
{
    if (!order->name)
        order->name = argument;
    else if (!order->value && order->argument)
        order->value = argument;
    else
        return -E2BIG;
    return 0;
}

static void check_arguments(struct order *order, struct argp_state *state)
{
    const char *error;
    uint64_t usec;
    if (!order->name)
        argp_error(state, "the NAME of a snapshot is missing");
    if (order->needs_argument && !order->value)
        argp_error(state, "%s is missing", order->argument);
    if (strcmp(order->method, "Hold") != 0 || !order->value)
        return;
    if (value_parse_time(order->value, &usec, &error) < 0)
        argp_error(state, "\"%s\": %s", order->value, error);
    order->seconds = (usec + 999999) / 1000000;
    if (order->seconds == 0)
        argp_error(state, "for no time at all nothing can be held");
}

/* The time of --wait is optional: what stands behind a blank is no part of it. */
static void refuse_argument(const struct order *order, const char *argument, struct argp_state *state)
{
    const char *error;
    uint64_t usec;
    bool is_meant = order->wait && value_parse_time(order->name, &usec, &error) == 0;
    if (is_meant)
        argp_error(state, "unexpected argument \"%s\": a time is given as --wait=%s", argument, order->name);
    argp_error(state, "unexpected argument \"%s\"", argument);
}

static void take_wait(struct order *order, const char *limit, struct argp_state *state)
{
    const char *error;
    order->wait = true;
    order->wait_usec = ORDER_WAIT_FOREVER;
    if (!limit)
        return;
    if (value_parse_time(limit, &order->wait_usec, &error) < 0)
        argp_error(state, "\"%s\": %s", limit, error);
    if (order->wait_usec == 0)
        argp_error(state, "for no time at all nothing can be waited for");
}

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    struct order *order = state->input;
    switch (key) {
    case KEY_DRY_RUN:
        order->dry_run = true;
        return 0;
    case KEY_WAIT:
        take_wait(order, argument, state);
        return 0;
    case ARGP_KEY_ARG:
        if (add_argument(order, argument) < 0)
            refuse_argument(order, argument, state);
        return 0;
    case ARGP_KEY_END:
        check_arguments(order, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A hold and its release are done when they are said. */
static const struct argp_option quick_options[] = {
    {"dry-run", KEY_DRY_RUN, NULL, 0, "Say what would be done, do nothing", 0},
    {0},
};

static const struct argp_option action_options[] = {
    {"dry-run", KEY_DRY_RUN, NULL, 0, "Say what would be begun, begin nothing", 0},
    {"wait", KEY_WAIT, "TIME", OPTION_ARG_OPTIONAL,
     "Wait until it is done or has failed, but no longer than TIME (--wait=5min)", 0},
    {0},
};

static int append_arguments(sd_bus_message *call, const struct order *order)
{
    char name[NAMES_TEXT_MAX], value[NAMES_TEXT_MAX];
    int r = sd_bus_message_append(call, "s", names_argument(order->name, name));
    if (r >= 0 && strcmp(order->method, "Hold") == 0)
        r = sd_bus_message_append(call, "t", order->seconds);
    else if (r >= 0 && order->value)
        r = sd_bus_message_append(call, "s", names_utf8(order->value, value));
    return r < 0 ? r : sd_bus_message_append(call, "b", (int)order->dry_run);
}

static int new_call(sd_bus *bus, const struct order *order, sd_bus_message **ret_call)
{
    sd_bus_message *call = NULL;
    int r = client_new_call(bus, CLIENT_MANAGER, order->method, &call);
    if (r >= 0)
        r = sd_bus_message_set_allow_interactive_authorization(call, true);
    if (r >= 0)
        r = append_arguments(call, order);
    if (r < 0)
        sd_bus_message_unref(call);
    else
        *ret_call = call;
    return r;
}

static int print_answer(sd_bus_message *reply, struct failure *ret_failure)
{
    const char *said;
    int r = sd_bus_message_read(reply, "s", &said);
    if (r < 0)
        return client_failure(NULL, r, ret_failure);
    printable_print(said, stdout);
    putchar('\n');
    fflush(stdout); /* before anything is waited for */
    return 0;
}

static int give(sd_bus *bus, const struct order *order, struct failure *ret_failure)
{
    sd_bus_message *call = NULL, *reply = NULL;
    int r = new_call(bus, order, &call);
    if (r < 0)
        return client_failure(NULL, r, ret_failure);
    r = client_call(bus, call, isatty(STDIN_FILENO) ? AUTHORISATION_DEADLINE_USEC : CLIENT_DEADLINE_USEC,
                    &reply, ret_failure);
    if (r >= 0)
        r = print_answer(reply, ret_failure);
    sd_bus_message_unref(call);
    sd_bus_message_unref(reply);
    return r;
}

static int give_and_wait(sd_bus *bus, const struct order *order, struct failure *ret_failure)
{
    struct order_wait wait = {0};
    int r = order_wait_begin(&wait, bus, order->name, order->action, ret_failure);
    if (r >= 0)
        r = give(bus, order, ret_failure);
    if (r >= 0)
        r = order_wait_for_end(&wait, order->wait_usec, ret_failure);
    order_wait_done(&wait);
    return r;
}

static int run(struct order *order)
{
    struct failure failure;
    sd_bus *bus = NULL;
    if (client_open(&bus, &failure) < 0)
        return failure_report(&failure);
    int r = order->wait && !order->dry_run ? give_and_wait(bus, order, &failure) : give(bus, order, &failure);
    sd_bus_flush_close_unref(bus);
    if (r >= 0)
        return EX_OK;
    names_refuse_glob(order->name, &failure);
    return failure_report(&failure);
}

#define NAME_DOC "\v" ARGUMENTS_NAME_HELP "."

int command_extend(int argc, char **argv)
{
    static const struct argp argp = {
        .options = action_options,
        .parser = take_option,
        .args_doc = "NAME AMOUNT",
        .doc = "Makes the snapshot's store larger by AMOUNT: 20% of it, or 1GiB." NAME_DOC,
    };
    struct order order = {
        .method = "Extend", .action = "extend", .argument = "the AMOUNT", .needs_argument = true};
    argp_parse(&argp, argc, argv, 0, NULL, &order);
    return run(&order);
}

int command_merge(int argc, char **argv)
{
    static const struct argp argp = {
        .options = action_options,
        .parser = take_option,
        .args_doc = "NAME",
        .doc = "Merges the snapshot into its origin: a backup is rolled back, a live one is kept." NAME_DOC,
    };
    struct order order = {.method = "Merge", .action = "merge"};
    argp_parse(&argp, argc, argv, 0, NULL, &order);
    return run(&order);
}

int command_drop(int argc, char **argv)
{
    static const struct argp argp = {
        .options = action_options,
        .parser = take_option,
        .args_doc = "NAME",
        .doc = "Removes the snapshot and leaves its origin as it is: a backup's way back is given up, a live "
               "one's changes are." NAME_DOC,
    };
    struct order order = {.method = "Drop", .action = "drop"};
    argp_parse(&argp, argc, argv, 0, NULL, &order);
    return run(&order);
}

int command_hold(int argc, char **argv)
{
    static const struct argp argp = {
        .options = quick_options,
        .parser = take_option,
        .args_doc = "NAME [TIME]",
        .doc = "Has no action begun on the snapshot for TIME (30min, 2h), or until it is released. Alerts "
               "and hooks go on." NAME_DOC,
    };
    struct order order = {.method = "Hold", .argument = "the TIME"};
    argp_parse(&argp, argc, argv, 0, NULL, &order);
    return run(&order);
}

int command_release(int argc, char **argv)
{
    static const struct argp argp = {
        .options = quick_options,
        .parser = take_option,
        .args_doc = "NAME",
        .doc = "Ends a hold. Where there is none, takes back an order that waits or is to be tried "
               "again." NAME_DOC,
    };
    struct order order = {.method = "Release"};
    argp_parse(&argp, argc, argv, 0, NULL, &order);
    return run(&order);
}
