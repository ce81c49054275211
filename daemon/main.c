#include "check.h"
#include "cowherd/configuration.h"
#include "cowherd/journal.h"
#include "cowherd/manager.h"
#include "directories.h"
#include "reload.h"
#include <argp.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

/* The last words may take so long; a stuck journal does not hold us up longer. */
#define JOURNAL_CLOSE_USEC 2000000UL

const char *argp_program_version = "cowherd " COWHERD_VERSION;

struct options {
    const char *config;
    bool check;
    bool dry_run;
};

enum { KEY_CONFIG = 'c', KEY_CHECK = 0x100, KEY_DRY_RUN };

static const struct argp_option argp_options[] = {
    {"config", KEY_CONFIG, "FILE", 0, "Read this file alone", 0},
    {"check", KEY_CHECK, NULL, 0, "Check the configuration, print every error, and exit", 0},
    {"dry-run", KEY_DRY_RUN, NULL, 0, "Decide and log, change nothing", 0},
    {0},
};

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case KEY_CONFIG:
        options->config = argument;
        return 0;
    case KEY_CHECK:
        options->check = true;
        return 0;
    case KEY_DRY_RUN:
        options->dry_run = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument \"%s\"", argument);
        return EX_USAGE;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = argp_options,
    .parser = take_option,
    .doc = "Keeps dm-snapshot COW stores from overflowing: watches every snapshot of the machine and alerts, "
           "extends, merges or drops as the configuration says, before the store is full.\v"
           "Runs in the foreground; systemd runs it as cowherd.service. Exit codes are those of sysexits(3).",
};

static void print_messages(const struct config_messages *messages)
{
    for (size_t i = 0; i < messages->n_items; i++) {
        const struct config_message *message = &messages->items[i];
        printf("%s:%u: %s%s\n", message->file, message->line, message->is_warning ? "warning: " : "",
               message->text);
    }
}

static int check(const struct config_places *places)
{
    struct configuration configuration = {0};
    struct config_messages messages = {0};
    int r = configuration_read(places, &configuration, &messages);
    if (r >= 0)
        r = configuration_check_hooks(&configuration, &messages);
    print_messages(&messages);
    if (r >= 0)
        check_guarantees(&configuration, stdout);
    if (r == -ENOMEM)
        fprintf(stderr, "cowherd: out of memory\n");
    configuration_done(&configuration);
    config_messages_done(&messages);
    return r < 0 ? 1 : 0;
}

static int read_configuration(const struct config_places *places, struct journal *journal,
                              struct configuration *ret_configuration)
{
    struct config_messages messages = {0};
    int r = configuration_read(places, ret_configuration, &messages);
    reload_announce(journal, &messages);
    config_messages_done(&messages);
    if (r == -EINVAL)
        return EX_CONFIG;
    return r < 0 ? EX_OSERR : EX_OK;
}

/* The loop must go on while the disk with the program on it does not: none of it is left to be paged in.
 * Pages are locked as they come into use; where that is forbidden the daemon does its work all the same. */
static void lock_memory(struct journal *journal)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
        journal_message(journal, LOG_WARNING, "Memory cannot be locked: %s", strerror(errno));
}

/* One heap: glibc gives a second thread one of its own, 64 MiB of address space that would be counted as
 * locked. What is large is mapped by itself and given back at once: else glibc keeps as much as the largest message that
 * a client of the bus has ever sent. */
static void set_up_heap(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

static int serve(const struct manager_options *options, struct configuration *configuration,
                 struct journal *journal)
{
    /* Not for the configuration's dry-run: a reload may end that. */
    int r = options->dry_run ? 0 : directory_lock();
    if (r < 0) {
        fprintf(stderr, "cowherd: %s\n", r == -EWOULDBLOCK ? "another cowherd runs already" : strerror(-r));
        return r == -EWOULDBLOCK ? EX_TEMPFAIL : EX_CANTCREAT;
    }
    lock_memory(journal);
    r = manager_run(options, configuration, journal);
    if (r < 0)
        fprintf(stderr, "cowherd: %s\n", strerror(-r));
    return r < 0 ? EX_OSERR : EX_OK;
}

static int run(const struct manager_options *options)
{
    struct configuration configuration = {0};
    struct journal *journal;
    set_up_heap();
    int r = journal_open("cowherd", &journal);
    if (r < 0) {
        fprintf(stderr, "cowherd: %s\n", strerror(-r));
        return EX_OSERR;
    }
    int code = read_configuration(options->places, journal, &configuration);
    if (code == EX_OK)
        code = serve(options, &configuration, journal);
    configuration_done(&configuration);
    journal_close(journal, JOURNAL_CLOSE_USEC);
    return code;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    argp_err_exit_status = EX_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    struct config_places places = config_places_default;
    places.file = options.config;
    if (options.check)
        return check(&places);
    if (geteuid() != 0) {
        fprintf(stderr, "cowherd: device-mapper is root's: this needs to be run as root\n");
        return EX_NOPERM;
    }
    return run(&(struct manager_options){.places = &places, .dry_run = options.dry_run});
}
