#include "arguments.h"
#include "client.h"
#include "commands.h"
#include "names.h"
#include "printable.h"
#include <argp.h>
#include <sysexits.h>

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    const char **name = state->input;
    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = name;
        return 0;
    case ARGP_KEY_END:
        if (!*name)
            argp_error(state, "the NAME of a snapshot is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child argp_children[] = {{.argp = &arguments_name}, {0}};

static const struct argp argp = {
    .parser = take_option,
    .args_doc = "NAME",
    .doc = "Says which section of the configuration is the snapshot's policy, and what each of its rungs "
           "would do now.\v" ARGUMENTS_NAME_HELP ".",
    .children = argp_children,
};

static void print_line(const char *indent, const char *title, const char *text)
{
    printf("%s%s", indent, title);
    printable_print(text, stdout);
    putchar('\n');
}

static void print_rung(const char *text, const char *state, const char *would, const char *in_time,
                       const char *reason)
{
    print_line("\n  ", "", text);
    print_line("    ", "state    ", state);
    if (would[0])
        print_line("    ", "now      ", would);
    if (in_time[0])
        print_line("    ", "in time  ", in_time);
    if (reason[0])
        print_line("    ", "         ", reason);
}

static int print_rungs(sd_bus_message *reply)
{
    const char *text, *state, *would, *in_time, *reason;
    int r = sd_bus_message_enter_container(reply, 'a', "(sssss)");
    while (r >= 0 &&
           (r = sd_bus_message_read(reply, "(sssss)", &text, &state, &would, &in_time, &reason)) > 0)
        print_rung(text, state, would, in_time, reason);
    return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int print(const char *name, sd_bus_message *reply)
{
    const char *section, *guarantee, *reason;
    int r = sd_bus_message_read(reply, "sss", &section, &guarantee, &reason);
    if (r < 0)
        return r;
    print_line("", "", name);
    print_line("  ", "policy     ", section[0] ? section : "none: no section matches, nothing guards it");
    print_line("  ", "guarantee  ", guarantee[0] ? guarantee : "not known");
    if (reason[0])
        print_line("  ", "           ", reason);
    return print_rungs(reply);
}

static int ask(sd_bus *bus, const char *name, struct failure *ret_failure)
{
    char text[NAMES_TEXT_MAX];
    sd_bus_message *call = NULL, *reply = NULL;
    int r = client_new_call(bus, CLIENT_MANAGER, "Explain", &call);
    if (r >= 0)
        r = sd_bus_message_append(call, "s", names_argument(name, text));
    if (r < 0)
        r = client_failure(NULL, r, ret_failure);
    else
        r = client_call(bus, call, CLIENT_DEADLINE_USEC, &reply, ret_failure);
    if (r >= 0 && (r = print(name, reply)) < 0)
        r = client_failure(NULL, r, ret_failure);
    sd_bus_message_unref(reply);
    sd_bus_message_unref(call);
    return r;
}

int command_explain(int argc, char **argv)
{
    struct failure failure;
    const char *name = NULL;
    sd_bus *bus = NULL;
    argp_parse(&argp, argc, argv, 0, NULL, &name);
    if (client_open(&bus, &failure) < 0)
        return failure_report(&failure);
    int r = ask(bus, name, &failure);
    sd_bus_flush_close_unref(bus);
    if (r >= 0)
        return EX_OK;
    names_refuse_glob(name, &failure);
    return failure_report(&failure);
}
