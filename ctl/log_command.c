#include "arguments.h"
#include "commands.h"
#include "log_entry.h"
#include "log_reader.h"
#include "since.h"
#include "style.h"
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

/* With -f alone, as journalctl does. */
#define FOLLOW_ENTRIES 10

struct options {
    uint64_t n_max;
    uint64_t since_usec;
    bool follow;
    bool json;
    enum colour_choice colour;
    bool has_colour;
    const char *name;
};

enum { KEY_JSON = 0x100, KEY_SINCE };

static const struct argp_option argp_options[] = {
    {"lines", 'n', "N", 0, "The last N entries", 0},
    {"follow", 'f', NULL, 0, "Go on with what is said from now on", 0},
    {"since", KEY_SINCE, "TIME", 0, "Not what was said before: 2h (ago), today, 12:30, 2026-11-23 12:30", 0},
    {"json", KEY_JSON, NULL, 0, "One JSON object a line, as cowctl-log.schema.json says", 0},
    {0},
};

static void take_number(const char *text, struct options *options, struct argp_state *state)
{
    char *end;
    errno = 0;
    options->n_max = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || options->n_max == 0 || options->n_max > UINT32_MAX)
        argp_error(state, "\"%s\" is no number of entries", text);
}

static void take_since(const char *text, struct options *options, struct argp_state *state)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (since_parse(text, (uint64_t)now.tv_sec * 1000000, &options->since_usec) < 0)
        argp_error(state, "\"%s\" is no time: 2h, today, 12:30, 2026-11-23 12:30", text);
}

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->colour;
        state->child_inputs[1] = &options->name;
        return 0;
    case 'n':
        take_number(argument, options, state);
        return 0;
    case 'f':
        options->follow = true;
        return 0;
    case KEY_SINCE:
        take_since(argument, options, state);
        return 0;
    case KEY_JSON:
        options->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child argp_children[] = {
    {.argp = &arguments_colour}, {.argp = &arguments_name}, {0}};

static const struct argp argp = {
    .options = argp_options,
    .parser = take_option,
    .args_doc = "[NAME]",
    .doc = "Prints what cowherd has said, of all snapshots or of one, from the journal.\v" ARGUMENTS_NAME_HELP
           "; the snapshot may be gone.",
    .children = argp_children,
};

static int print_entry(sd_journal *journal, const struct options *options)
{
    struct log_entry entry;
    if (options->json)
        return log_entry_print_json(journal, stdout);
    int r = log_entry_read(journal, &entry);
    if (r < 0)
        return r;
    log_entry_print(&entry, options->has_colour, stdout);
    putchar('\n');
    log_entry_done(&entry);
    return 0;
}

/* What there is by now. */
static int print_entries(sd_journal *journal, const struct options *options, bool *any)
{
    int r;
    while ((r = sd_journal_next(journal)) > 0) {
        *any = true;
        r = print_entry(journal, options);
        if (r < 0 && r != -EBADMSG) /* one that is damaged hides no other */
            return r;
    }
    if (fflush(stdout) != 0)
        return -EPIPE;
    return r == -EBADMSG ? 0 : r;
}

static int print(sd_journal *journal, const struct options *options)
{
    bool any = false;
    int r = log_reader_seek(journal, options->since_usec, options->n_max);
    if (r >= 0)
        r = print_entries(journal, options, &any);
    if (r >= 0 && !any)
        fputs("cowctl: no entries\n", stderr);
    while (r >= 0 && options->follow) {
        r = sd_journal_wait(journal, UINT64_MAX);
        if (r >= 0)
            r = print_entries(journal, options, &any);
    }
    return r;
}

int command_log(int argc, char **argv)
{
    struct options options = {0};
    struct failure failure;
    sd_journal *journal;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    options.has_colour = style_has_colour(options.colour, stdout);
    if (options.follow && options.n_max == 0 && options.since_usec == 0)
        options.n_max = FOLLOW_ENTRIES;
    if (log_reader_open(options.name, &journal, &failure) < 0)
        return failure_report(&failure);
    int r = print(journal, &options);
    sd_journal_close(journal);
    if (r >= 0 || r == -EPIPE)
        return EX_OK;
    failure_set(&failure, EX_OSERR, "the journal cannot be read: %s", strerror(-r));
    return failure_report(&failure);
}
