#include "cowherd/configuration.h"

#include "draft.h"
#include "file.h"
#include "message.h"
#include "search.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct config_places config_places_default = {
    .directories = {"/etc/cowherd", "/run/cowherd", "/usr/lib/cowherd"},
};

static void draft_done(struct draft *draft)
{
    configuration_done(&draft->configuration);
}

/* Hands the configuration over to the caller. */
static void draft_take(struct draft *draft, struct configuration *ret_configuration)
{
    *ret_configuration = draft->configuration;
    draft->configuration = (struct configuration){0};
}

int configuration_default(struct configuration *ret_configuration)
{
    __attribute__((cleanup(config_messages_done))) struct config_messages messages = {0};
    __attribute__((cleanup(draft_done))) struct draft draft = {.messages = &messages};
    int r;

    r = draft_read_built_in(&draft);
    if (r < 0)
        return r;
    draft_take(&draft, ret_configuration);
    return 0;
}

/* The file of --config, or those that are found. */
static int find_paths(const struct config_places *places, struct config_paths *ret_paths,
                      struct config_messages *messages)
{
    char **items;

    if (!places->file)
        return config_paths_find(places, ret_paths, messages);
    items = calloc(1, sizeof(*items));
    if (!items)
        return -ENOMEM;
    items[0] = strdup(places->file);
    if (!items[0]) {
        free(items);
        return -ENOMEM;
    }
    *ret_paths = (struct config_paths){.items = items, .n_items = 1};
    return 0;
}

static int read_file(struct draft *draft, const char *path, unsigned owner)
{
    __attribute__((cleanup(config_file_done))) struct config_file file = {0};
    char reason[FILE_REASON_MAX];
    int r;

    r = config_file_read(path, owner, &file, reason);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return config_error(draft->messages, path, 0, "%s", reason);
    return draft_read(draft, path, file.bytes, file.n_bytes);
}

int configuration_read(const struct config_places *places, struct configuration *ret_configuration,
                       struct config_messages *messages)
{
    __attribute__((cleanup(config_paths_done))) struct config_paths paths = {0};
    __attribute__((cleanup(draft_done))) struct draft draft = {.messages = messages};
    const size_t n_errors_before = messages->n_errors;
    int r;

    r = find_paths(places, &paths, messages);
    if (r < 0)
        return r;
    r = draft_read_built_in(&draft);
    if (r < 0)
        return r;
    for (size_t i = 0; i < paths.n_items; i++) {
        r = read_file(&draft, paths.items[i], places->owner);
        if (r < 0)
            return r;
    }
    r = draft_finish(&draft);
    if (r < 0)
        return r;
    if (messages->n_errors > n_errors_before)
        return -EINVAL;
    draft_take(&draft, ret_configuration);
    return 0;
}

void hook_done(struct hook *hook)
{
    free(hook->name);
    free(hook->command);
    free(hook->file);
    *hook = (struct hook){0};
}

void configuration_done(struct configuration *configuration)
{
    for (size_t i = 0; i < configuration->n_policies; i++)
        policy_done(&configuration->policies[i]);
    for (size_t i = 0; i < configuration->n_hooks; i++)
        hook_done(&configuration->hooks[i]);
    free(configuration->policies);
    free(configuration->hooks);
    free(configuration->metrics_file);
    *configuration = (struct configuration){0};
}
