#include "fixture_configuration.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

char root[] = "/tmp/cowherd-test-configuration-XXXXXX";

const char *path_of(const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    assert_in_range(snprintf(path, sizeof(paths[0]), "%s/%s", root, name), 1, sizeof(paths[0]) - 1);
    return path;
}

void run_in_root(const char *command)
{
    char *line;

    assert_true(asprintf(&line, "cd '%s' && %s", root, command) > 0);
    assert_int_equal(system(line), 0);
    free(line);
}

int make_root(void **state)
{
    (void)state;
    umask(022);
    return mkdtemp(root) ? 0 : -1;
}

int remove_root(void **state)
{
    (void)state;
    run_in_root("rm -rf ./*");
    return rmdir(root);
}

int set_up(void **state)
{
    (void)state;
    run_in_root("rm -rf ./* && mkdir -p etc/cowherd.conf.d run/cowherd.conf.d lib/cowherd.conf.d");
    return 0;
}

void write_bytes(const char *name, const void *bytes, size_t n_bytes)
{
    FILE *file = fopen(path_of(name), "we");

    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0644), 0);
    assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
    assert_int_equal(fclose(file), 0);
}

void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

/* The messages, a line each: "NAME:LINE: text", warnings with "warning: " before the text. */
static char *render(const struct config_messages *messages)
{
    size_t size, n_errors = 0;
    char *text;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    for (size_t i = 0; i < messages->n_items; i++) {
        const struct config_message *message = &messages->items[i];

        assert_memory_equal(message->file, root, strlen(root));
        fprintf(stream, "%s:%u: %s%s\n", message->file + strlen(root) + 1, message->line,
                message->is_warning ? "warning: " : "", message->text);
        n_errors += !message->is_warning;
    }
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(messages->n_errors, n_errors);
    return text;
}

void read_places(const struct config_places *places, struct configuration *configuration, int expected,
                 const char *expected_messages)
{
    struct config_messages messages = {0};
    struct configuration before;
    char *text;
    int r;

    memset(configuration, 0x55, sizeof(*configuration));
    before = *configuration;
    r = configuration_read(places, configuration, &messages);
    text = render(&messages);
    assert_string_equal(text, expected_messages);
    assert_int_equal(r, expected);
    if (r < 0) /* untouched */
        assert_memory_equal(configuration, &before, sizeof(before));
    assert_true((r == -EINVAL) == (messages.n_errors > 0));
    free(text);
    config_messages_done(&messages);
}

struct config_places the_file(void)
{
    return (struct config_places){.file = path_of("f"), .owner = getuid()};
}

struct config_places the_directories(void)
{
    return (struct config_places){.directories = {path_of("etc"), path_of("run"), path_of("lib")},
                                  .owner = getuid()};
}

void accept_text_with(const char *text, const char *warnings, struct configuration *configuration)
{
    const struct config_places places = the_file();

    write_text("f", text);
    read_places(&places, configuration, 0, warnings);
}

void accept_text(const char *text, struct configuration *configuration)
{
    accept_text_with(text, "", configuration);
}

void refuse_bytes(const void *bytes, size_t n_bytes, const char *messages)
{
    const struct config_places places = the_file();
    struct configuration configuration;

    write_bytes("f", bytes, n_bytes);
    read_places(&places, &configuration, -EINVAL, messages);
}

void refuse_text(const char *text, const char *messages)
{
    refuse_bytes(text, strlen(text), messages);
}

void accept_directories(struct configuration *configuration)
{
    const struct config_places places = the_directories();

    read_places(&places, configuration, 0, "");
}

void refuse_directories(const char *messages)
{
    const struct config_places places = the_directories();
    struct configuration configuration;

    read_places(&places, &configuration, -EINVAL, messages);
}

static void assert_alert(const struct rung *rung, const char *text, enum condition_kind kind, uint64_t value,
                         enum alert_level level)
{
    assert_string_equal(rung->text, text);
    assert_int_equal(rung->condition.kind, kind);
    assert_int_equal(rung->condition.value, value);
    assert_int_equal(rung->n_actions, 1);
    assert_int_equal(rung->actions[0].kind, ACTION_ALERT);
    assert_int_equal(rung->actions[0].level, level);
}

void assert_default_policy(const struct policy *policy)
{
    assert_string_equal(policy->pattern, "*");
    assert_false(policy->by_uuid);
    assert_int_equal(policy->role, ROLE_UNSET);
    assert_int_equal(policy->hysteresis_centipercent, 200);
    assert_false(policy->drop_open);
    assert_int_equal(policy->extend_limit_bytes, 0);
    assert_null(policy->extend_from);
    assert_int_equal(policy->n_rungs, 4);
    assert_alert(&policy->rungs[0], "at 70% = alert", CONDITION_USED, 7000, ALERT_WARNING);
    assert_alert(&policy->rungs[1], "at 90% = alert critical", CONDITION_USED, 9000, ALERT_CRITICAL);
    assert_alert(&policy->rungs[2], "on lost = alert critical", CONDITION_LOST, 0, ALERT_CRITICAL);
    assert_alert(&policy->rungs[3], "on stalled = alert critical", CONDITION_STALLED, 0, ALERT_CRITICAL);
}
