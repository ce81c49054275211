#include "draft.h"

#include "message.h"
#include "reader.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HYSTERESIS_CENTIPERCENT_DEFAULT 200

#define BUILT_IN_FILE "built-in"

/* conf/cowherd.conf shows the same to people; a test compares the two. */
static const char built_in[] = "[daemon]\n"
                               "longest-poll = 10s\n"
                               "shortest-poll = 50ms\n"
                               "assumed-fill-rate = 256MiB\n"
                               "brake = yes\n"
                               "dry-run = no\n"
                               "hook-timeout = 30s\n"
                               "metrics-file =\n"
                               "[snapshot *]\n"
                               "at 70% = alert\n"
                               "at 90% = alert critical\n"
                               "on lost = alert critical\n"
                               "on stalled = alert critical\n";

static struct policy *current_policy(struct draft *draft)
{
    return &draft->configuration.policies[draft->configuration.n_policies - 1];
}

static int end_snapshot(struct draft *draft)
{
    const struct policy *policy = current_policy(draft);

    if (draft->n_height_lines > 0)
        return 0;
    return config_warning(draft->messages, draft->file, policy->line,
                          "[snapshot %s%s] has no rungs: nothing guards its snapshots",
                          policy->by_uuid ? "uuid:" : "", policy->pattern);
}

static int end_hook(struct draft *draft)
{
    const struct hook *hook = &draft->configuration.hooks[draft->hook];

    if (draft->section_lines[section_keys_find(&hook_keys, "command")] != 0)
        return 0; /* also when its value was wrong: that was told */
    return config_error(draft->messages, draft->file, hook->line, "[hook %s] has no command", hook->name);
}

/* What can be judged when a section is complete. */
static int end_section(struct draft *draft)
{
    enum section_kind section = draft->section;

    draft->section = SECTION_NONE;
    if (section == SECTION_SNAPSHOT)
        return end_snapshot(draft);
    if (section == SECTION_HOOK)
        return end_hook(draft);
    return 0;
}

static int warn_of_same_pattern(struct draft *draft, const struct policy *policy)
{
    for (size_t i = draft->first_policy; i < draft->configuration.n_policies; i++) {
        const struct policy *other = &draft->configuration.policies[i];

        if (other->by_uuid == policy->by_uuid && strcmp(other->pattern, policy->pattern) == 0)
            return config_warning(draft->messages, draft->file, policy->line,
                                  "[snapshot %s%s] hides the section of line %u",
                                  policy->by_uuid ? "uuid:" : "", policy->pattern, other->line);
    }
    return 0;
}

static int append_policy(struct draft *draft, struct policy *policy)
{
    struct configuration *configuration = &draft->configuration;
    struct policy *policies = reallocarray(configuration->policies, configuration->n_policies + 1,
                                           sizeof(*policies));

    if (!policies)
        return -ENOMEM;
    configuration->policies = policies;
    configuration->policies[configuration->n_policies++] = *policy;
    *policy = (struct policy){0};
    return 0;
}

static int begin_snapshot(struct draft *draft, unsigned line, const struct section_header *header)
{
    __attribute__((cleanup(policy_done))) struct policy policy = {
        .pattern = strdup(header->name),
        .by_uuid = header->by_uuid,
        .hysteresis_centipercent = HYSTERESIS_CENTIPERCENT_DEFAULT,
        .file = strdup(draft->file),
        .line = line,
    };
    int r;

    if (!policy.pattern || !policy.file)
        return -ENOMEM;
    r = warn_of_same_pattern(draft, &policy);
    if (r < 0)
        return r;
    r = append_policy(draft, &policy);
    if (r < 0)
        return r;
    draft->section = SECTION_SNAPSHOT;
    draft->n_rung_lines = 0;
    draft->n_height_lines = 0;
    return 0;
}

/* The place of a hook of that name, or n_hooks. */
static size_t find_hook(const struct configuration *configuration, const char *name)
{
    size_t i = 0;

    while (i < configuration->n_hooks && strcmp(configuration->hooks[i].name, name) != 0)
        i++;
    return i;
}

/* Puts a hook at its place: that of an earlier file's of the same name, or behind them all. */
static int place_hook(struct configuration *configuration, size_t place, struct hook *hook)
{
    struct hook *hooks = configuration->hooks;

    if (place == configuration->n_hooks) {
        hooks = reallocarray(hooks, configuration->n_hooks + 1, sizeof(*hooks));
        if (!hooks)
            return -ENOMEM;
        configuration->hooks = hooks;
        configuration->n_hooks++;
    } else {
        hook_done(&hooks[place]);
    }
    hooks[place] = *hook;
    *hook = (struct hook){0};
    return 0;
}

static int begin_hook(struct draft *draft, unsigned line, const char *name)
{
    __attribute__((cleanup(hook_done))) struct hook hook = {
        .name = strdup(name), .file = strdup(draft->file), .line = line};
    struct configuration *configuration = &draft->configuration;
    size_t place = find_hook(configuration, name);
    int r = 0;

    if (!hook.name || !hook.file)
        return -ENOMEM;
    if (place < configuration->n_hooks && strcmp(configuration->hooks[place].file, draft->file) == 0)
        r = config_error(draft->messages, draft->file, line, "[hook %s] is in line %u already", name,
                         configuration->hooks[place].line); /* what is wrong below it is told, too */
    if (r < 0)
        return r;
    r = place_hook(configuration, place, &hook);
    if (r < 0)
        return r;
    draft->section = SECTION_HOOK;
    draft->hook = place;
    return 0;
}

static int on_section(void *user, unsigned line, const char *text)
{
    struct draft *draft = user;
    struct section_header header;
    const char *error;
    int r;

    r = end_section(draft);
    draft->has_header = true;
    if (r < 0 || !text)
        return r;
    r = section_parse(text, &header, &error);
    if (r < 0)
        return config_error(draft->messages, draft->file, line, "[%s]: %s", text, error);
    memset(draft->section_lines, 0, sizeof(draft->section_lines));
    if (header.kind == SECTION_SNAPSHOT)
        return begin_snapshot(draft, line, &header);
    if (header.kind == SECTION_HOOK)
        return begin_hook(draft, line, header.name);
    draft->section = header.kind;
    return 0;
}

/* One "key = value" of the section being read. */
struct setting {
    unsigned line;
    const char *key;
    const char *value;
    const char *text;
};

/* Sets a key of target, or tells what hinders that. lines remembers where each was set. */
static int set_key(struct draft *draft, const struct setting *setting, const struct section_keys *keys,
                   void *target, unsigned *lines)
{
    int place = section_keys_find(keys, setting->key), r;
    const char *error;

    if (place < 0)
        return config_error(draft->messages, draft->file, setting->line, "unknown key \"%s\" in [%s]",
                            setting->key, section_kind_name(draft->section));
    if (lines[place] != 0)
        return config_error(draft->messages, draft->file, setting->line, "\"%s\" is set in line %u already",
                            setting->key, lines[place]);
    lines[place] = setting->line;
    r = keys->keys[place].set(target, setting->value, &error);
    if (r == -EINVAL)
        return config_error(draft->messages, draft->file, setting->line, "\"%s\": %s", setting->text, error);
    return r;
}

static int set_daemon_key(struct draft *draft, const struct setting *setting)
{
    const size_t n_errors_before = draft->messages->n_errors;
    int place = section_keys_find(&daemon_keys, setting->key), r;

    r = set_key(draft, setting, &daemon_keys, &draft->configuration, draft->daemon_lines);
    if (r < 0 || place < 0)
        return r;
    draft->daemon_places[place] = (struct key_place){
        .file = draft->file,
        .line = setting->line,
        .order = ++draft->n_keys_set,
        .is_wrong = draft->daemon_places[place].is_wrong || draft->messages->n_errors > n_errors_before,
    };
    return 0;
}

static int set_snapshot_key(struct draft *draft, const struct setting *setting)
{
    if (draft_is_rung(setting->key))
        return draft_add_rung(draft, setting->line, setting->key, setting->value, setting->text);
    return set_key(draft, setting, &snapshot_keys, current_policy(draft), draft->section_lines);
}

static int set_hook_key(struct draft *draft, const struct setting *setting)
{
    struct hook *hook = &draft->configuration.hooks[draft->hook];

    return set_key(draft, setting, &hook_keys, hook, draft->section_lines);
}

static int on_key(void *user, unsigned line, const char *key, const char *value, const char *text)
{
    const struct setting setting = {.line = line, .key = key, .value = value, .text = text};
    struct draft *draft = user;

    switch (draft->section) {
    case SECTION_DAEMON:
        return set_daemon_key(draft, &setting);
    case SECTION_SNAPSHOT:
        return set_snapshot_key(draft, &setting);
    case SECTION_HOOK:
        return set_hook_key(draft, &setting);
    case SECTION_NONE:
        break;
    }
    if (draft->has_header)
        return 0; /* below a header that was refused: what is wrong was told */
    return config_error(draft->messages, draft->file, line, "\"%s\" stands before any section", text);
}

static int on_bad_line(void *user, unsigned line, const char *sentence)
{
    struct draft *draft = user;

    return config_error(draft->messages, draft->file, line, "%s", sentence);
}

int draft_read(struct draft *draft, const char *file, const char *bytes, size_t n_bytes)
{
    static const struct reader_listener listener = {on_section, on_key, on_bad_line};
    int r;

    draft->file = file;
    draft->has_header = false;
    draft->first_policy = draft->configuration.n_policies;
    memset(draft->daemon_lines, 0, sizeof(draft->daemon_lines));
    r = reader_read(bytes, n_bytes, &listener, draft);
    if (r < 0)
        return r;
    return end_section(draft);
}

int draft_read_built_in(struct draft *draft)
{
    return draft_read(draft, BUILT_IN_FILE, built_in, strlen(built_in));
}

static int check_polls(struct draft *draft)
{
    const struct key_place *shortest = &draft
                                            ->daemon_places[section_keys_find(&daemon_keys, "shortest-poll")];
    const struct key_place *longest = &draft->daemon_places[section_keys_find(&daemon_keys, "longest-poll")];
    const struct key_place *later = shortest->order > longest->order ? shortest : longest;

    if (shortest->is_wrong || longest->is_wrong)
        return 0;
    if (draft->configuration.shortest_poll_usec <= draft->configuration.longest_poll_usec)
        return 0;
    return config_error(draft->messages, later->file, later->line,
                        "shortest-poll (%" PRIu64 "ms) is longer than longest-poll (%" PRIu64 "ms)",
                        draft->configuration.shortest_poll_usec / 1000,
                        draft->configuration.longest_poll_usec / 1000);
}

int draft_finish(struct draft *draft)
{
    int r;

    r = check_polls(draft);
    if (r < 0)
        return r;
    return draft_check_hooks(draft);
}
