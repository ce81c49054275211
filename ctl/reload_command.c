#include "client.h"
#include "commands.h"
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* What a reload has the daemon look through first: files on disk. */
#define RELOAD_DEADLINE_USEC UINT64_C(60000000)

enum { KEY_DRY_RUN = 'n' };

static const struct argp_option argp_options[] = {
    {"dry-run", KEY_DRY_RUN, NULL, 0, "Check the configuration as cowherd --check does, take nothing", 0},
    {0},
};

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    bool *dry_run = state->input;
    switch (key) {
    case KEY_DRY_RUN:
        *dry_run = true;
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
    .doc = "Has the daemon read its configuration again. Where it is refused, the former stays in force.",
};

/* The daemon's program lies beside this one. */
static int find_daemon(char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    if (n < 0)
        return -errno;
    path[n] = '\0';
    char *end = strrchr(path, '/') + 1;
    if ((size_t)(end - path) + sizeof("cowherd") > size)
        return -ENAMETOOLONG;
    strcpy(end, "cowherd");
    return 0;
}

static int read_file_name(sd_bus *bus, char **ret_file, struct failure *ret_failure)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_get_property_string(bus, CLIENT_NAME, CLIENT_PATH, CLIENT_MANAGER, "ConfigurationFile",
                                       &error, ret_file);
    if (r < 0)
        client_failure(&error, r, ret_failure);
    sd_bus_error_free(&error);
    return r < 0 ? -1 : 0;
}

/* Which file the daemon reads alone; empty: the usual ones, as when there is no daemon. */
static int find_file(char **ret_file, struct failure *ret_failure)
{
    sd_bus *bus = NULL;
    int r = client_open(&bus, ret_failure);
    if (r == 0)
        r = read_file_name(bus, ret_file, ret_failure);
    sd_bus_flush_close_unref(bus);
    if (r == 0 || ret_failure->code != EX_UNAVAILABLE)
        return r;
    *ret_file = strdup("");
    return *ret_file ? 0 : failure_out_of_memory(ret_failure);
}

/* By the daemon's program itself: there is one word on what is right. */
static int check_file(char *file, struct failure *ret_failure)
{
    extern char **environ;
    char path[PATH_MAX], *arguments[] = {path, "--check", file[0] ? "--config" : NULL, file, NULL};
    int status;
    pid_t child;
    int r = find_daemon(path, sizeof(path));
    if (r == 0)
        r = -posix_spawn(&child, path, NULL, NULL, arguments, environ);
    if (r == 0 && waitpid(child, &status, 0) < 0)
        r = -errno;
    if (r < 0)
        return failure_set(ret_failure, EX_OSERR, "cowherd --check cannot be run: %s", strerror(-r));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return failure_set(ret_failure, EX_CONFIG, "the configuration would be refused");
}

static int check(struct failure *ret_failure)
{
    char *file = NULL;
    int r = find_file(&file, ret_failure);
    if (r == 0)
        r = check_file(file, ret_failure);
    free(file);
    return r;
}

static int reload(struct failure *ret_failure)
{
    sd_bus *bus = NULL;
    sd_bus_message *call = NULL, *reply = NULL;
    if (client_open(&bus, ret_failure) < 0)
        return -1;
    int r = client_new_call(bus, CLIENT_MANAGER, "Reload", &call);
    if (r >= 0)
        r = sd_bus_message_set_allow_interactive_authorization(call, true);
    if (r < 0)
        r = client_failure(NULL, r, ret_failure);
    else
        r = client_call(bus, call, RELOAD_DEADLINE_USEC, &reply, ret_failure);
    sd_bus_message_unref(reply);
    sd_bus_message_unref(call);
    sd_bus_flush_close_unref(bus);
    return r;
}

int command_reload(int argc, char **argv)
{
    struct failure failure;
    bool dry_run = false;
    argp_parse(&argp, argc, argv, 0, NULL, &dry_run);
    if ((dry_run ? check(&failure) : reload(&failure)) < 0)
        return failure_report(&failure);
    puts(dry_run ? "The configuration is right." : "The configuration was read again and is in force.");
    return EX_OK;
}
