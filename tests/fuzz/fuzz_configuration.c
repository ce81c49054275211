/* Fuzzes the reader of the configuration with the bytes of one file.
 *
 * Whatever is in it: it is taken or refused with messages, never both; what is taken holds to what the rest
 * of the daemon relies on. For libFuzzer; with -DFUZZ_STANDALONE a program that runs the files it is given.
 */
#include "cowherd/configuration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

/* A file in memory, at a path, as trusted as the reader wants it. */
static int make_file(const uint8_t *bytes, size_t n_bytes, char path[static 64])
{
    int fd = memfd_create("configuration", MFD_CLOEXEC);

    require(fd >= 0 && fchmod(fd, 0600) == 0, "a file can be made");
    for (size_t n_written = 0; n_written < n_bytes;) {
        ssize_t n = write(fd, bytes + n_written, n_bytes - n_written);

        require(n > 0, "the file can be written");
        n_written += (size_t)n;
    }
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void check_rung(const struct rung *rung)
{
    size_t n_changing = 0;

    require(rung->text && rung->line > 0 && rung->n_actions > 0, "a rung has text, line and action");
    require(!strchr(rung->text, '\n'), "a rung is one line");
    require(rung->condition.kind != CONDITION_USED ||
                (rung->condition.value > 0 && rung->condition.value <= 10000),
            "a percentage is within the store");
    for (size_t i = 0; i < rung->n_actions; i++) {
        const struct action *action = &rung->actions[i];

        n_changing += action_kind_changes(action->kind);
        require((action->kind == ACTION_EXEC) == (action->hook != NULL), "exec has a hook");
        require((action->kind == ACTION_EXTEND) == (action->amount > 0), "extend has an amount");
    }
    require(n_changing <= 1, "a rung changes the device in one way");
}

static void check_configuration(const struct configuration *configuration)
{
    require(configuration->shortest_poll_usec >= 1000, "shortest-poll is long enough");
    require(configuration->shortest_poll_usec <= configuration->longest_poll_usec, "the polls are in order");
    require(configuration->longest_poll_usec <= UINT64_C(3600000000), "longest-poll is short enough");
    require(configuration->assumed_bytes_per_second > 0, "a fill rate is assumed");
    require(configuration->hook_timeout_usec > 0, "hooks have time");
    require(!configuration->metrics_file || configuration->metrics_file[0] == '/', "the path is absolute");
    require(policy_find(configuration->policies, configuration->n_policies, "a", "b") != NULL,
            "every snapshot has a policy");
    for (size_t i = 0; i < configuration->n_policies; i++) {
        const struct policy *policy = &configuration->policies[i];

        require(policy->n_rungs <= POLICY_RUNGS_MAX, "rungs fit into a set");
        require(policy->hysteresis_centipercent <= 5000, "hysteresis is small enough");
        for (size_t k = 0; k < policy->n_rungs; k++)
            check_rung(&policy->rungs[k]);
    }
    for (size_t i = 0; i < configuration->n_hooks; i++)
        require(configuration->hooks[i].command && configuration->hooks[i].command[0] == '/',
                "a hook has a command");
}

static void check_messages(const struct config_messages *messages)
{
    size_t n_errors = 0;

    for (size_t i = 0; i < messages->n_items; i++) {
        n_errors += !messages->items[i].is_warning;
        for (const char *at = messages->items[i].text; *at; at++)
            require((unsigned char)*at >= ' ' && *at != 0x7f, "messages can be printed");
    }
    require(n_errors == messages->n_errors, "errors are counted");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct config_messages messages = {0};
    struct configuration configuration;
    char path[64];
    int fd = make_file(bytes, n_bytes, path);
    const struct config_places places = {.file = path, .owner = getuid()};
    int r = configuration_read(&places, &configuration, &messages);

    require(r == 0 || r == -EINVAL, "it is taken or refused");
    require((r == 0) == (messages.n_errors == 0), "it is refused with an error, and only then");
    check_messages(&messages);
    if (r == 0) {
        check_configuration(&configuration);
        configuration_done(&configuration);
    }
    config_messages_done(&messages);
    close(fd);
    return 0;
}

#ifdef FUZZ_STANDALONE
int main(int argc, char **argv)
{
    static uint8_t bytes[2 * CONFIG_FILE_BYTES_MAX];

    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "re");

        require(file != NULL, "the input can be opened");
        LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof(bytes), file));
        fclose(file);
    }
    return 0;
}
#endif
