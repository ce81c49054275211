#include "section.h"

#include "cowherd/text.h"
#include "cowherd/value.h"
#include "cowherd/words.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS      " \t"
#define UUID_PREFIX "uuid:"

#define SHORTEST_POLL_USEC_MIN UINT64_C(1000)       /* a look costs the snapshot's I/O a stall (FACTS 3.3) */
#define LONGEST_POLL_USEC_MAX  UINT64_C(3600000000) /* more is not watching; a slip of the unit is likely */
#define HYSTERESIS_MAX         5000                 /* half the store: beyond, rungs hardly ever re-arm */

static int refuse(const char **ret_error, const char *sentence)
{
    *ret_error = sentence;
    return -EINVAL;
}

static int replace_path(char **string, const char *value, const char **ret_error)
{
    if (*value != '/')
        return refuse(ret_error, "an absolute path is expected");
    return text_replace(string, value);
}

/* A value that is more than nothing, or the sentence. */
static int parse_positive(int (*parse)(const char *, uint64_t *, const char **), const char *value,
                          const char *sentence, uint64_t *ret_value, const char **ret_error)
{
    uint64_t parsed;
    int r = parse(value, &parsed, ret_error);

    if (r < 0)
        return r;
    if (parsed == 0)
        return refuse(ret_error, sentence);
    *ret_value = parsed;
    return 0;
}

static int set_longest_poll(void *target, const char *value, const char **ret_error)
{
    struct configuration *configuration = target;
    uint64_t usec;
    int r;

    r = value_parse_time(value, &usec, ret_error);
    if (r < 0)
        return r;
    if (usec < SHORTEST_POLL_USEC_MIN)
        return refuse(ret_error, "longest-poll is at least 1ms");
    if (usec > LONGEST_POLL_USEC_MAX)
        return refuse(ret_error, "longest-poll is at most 1h");
    configuration->longest_poll_usec = usec;
    return 0;
}

static int set_shortest_poll(void *target, const char *value, const char **ret_error)
{
    struct configuration *configuration = target;
    uint64_t usec;
    int r;

    r = value_parse_time(value, &usec, ret_error);
    if (r < 0)
        return r;
    if (usec < SHORTEST_POLL_USEC_MIN)
        return refuse(ret_error, "shortest-poll is at least 1ms");
    configuration->shortest_poll_usec = usec;
    return 0;
}

static int set_assumed_fill_rate(void *target, const char *value, const char **ret_error)
{
    struct configuration *configuration = target;

    return parse_positive(value_parse_size, value, "assumed-fill-rate is more than 0",
                          &configuration->assumed_bytes_per_second, ret_error);
}

static int set_brake(void *target, const char *value, const char **ret_error)
{
    struct configuration *configuration = target;

    return value_parse_bool(value, &configuration->brake, ret_error);
}

static int set_dry_run(void *target, const char *value, const char **ret_error)
{
    struct configuration *configuration = target;

    return value_parse_bool(value, &configuration->dry_run, ret_error);
}

static int set_hook_timeout(void *target, const char *value, const char **ret_error)
{
    struct configuration *configuration = target;

    return parse_positive(value_parse_time, value, "hook-timeout is more than 0",
                          &configuration->hook_timeout_usec, ret_error);
}

static int set_metrics_file(void *target, const char *value, const char **ret_error)
{
    struct configuration *configuration = target;

    if (*value == '\0')
        return text_replace(&configuration->metrics_file, NULL);
    return replace_path(&configuration->metrics_file, value, ret_error);
}

static int set_role(void *target, const char *value, const char **ret_error)
{
    struct policy *policy = target;

    if (strcmp(value, role_name(ROLE_BACKUP)) == 0)
        policy->role = ROLE_BACKUP;
    else if (strcmp(value, role_name(ROLE_LIVE)) == 0)
        policy->role = ROLE_LIVE;
    else
        return refuse(ret_error, "a role is backup or live");
    return 0;
}

static int set_hysteresis(void *target, const char *value, const char **ret_error)
{
    struct policy *policy = target;
    uint64_t centipercent;
    int r;

    r = value_parse_percent(value, &centipercent, ret_error);
    if (r < 0)
        return r;
    if (centipercent > HYSTERESIS_MAX)
        return refuse(ret_error, "hysteresis is at most 50%");
    policy->hysteresis_centipercent = (uint32_t)centipercent;
    return 0;
}

static int set_drop_open(void *target, const char *value, const char **ret_error)
{
    struct policy *policy = target;

    return value_parse_bool(value, &policy->drop_open, ret_error);
}

static int set_extend_limit(void *target, const char *value, const char **ret_error)
{
    struct policy *policy = target;

    return parse_positive(value_parse_size, value, "extend-limit is more than 0; leave it out for no limit",
                          &policy->extend_limit_bytes, ret_error);
}

static int set_extend_from(void *target, const char *value, const char **ret_error)
{
    struct policy *policy = target;

    return replace_path(&policy->extend_from, value, ret_error);
}

static int set_command(void *target, const char *value, const char **ret_error)
{
    struct hook *hook = target;
    char **words;
    size_t n_words;
    int r = words_split(value, &words, &n_words, ret_error);

    if (r < 0)
        return r;
    r = n_words > 0 && words[0][0] == '/' ? text_replace(&hook->command, value)
                                          : refuse(ret_error, "an absolute path is expected");
    free(words);
    return r;
}

static const struct section_key keys_of_daemon[] = {
    {"longest-poll", set_longest_poll},
    {"shortest-poll", set_shortest_poll},
    {"assumed-fill-rate", set_assumed_fill_rate},
    {"brake", set_brake},
    {"dry-run", set_dry_run},
    {"hook-timeout", set_hook_timeout},
    {"metrics-file", set_metrics_file},
};

static const struct section_key keys_of_snapshot[] = {
    {"role", set_role},
    {"hysteresis", set_hysteresis},
    {"drop-open", set_drop_open},
    {"extend-limit", set_extend_limit},
    {"extend-from", set_extend_from},
};

static const struct section_key keys_of_hook[] = {
    {"command", set_command},
};

const struct section_keys daemon_keys = {keys_of_daemon, sizeof(keys_of_daemon) / sizeof(keys_of_daemon[0])};
const struct section_keys snapshot_keys = {keys_of_snapshot,
                                           sizeof(keys_of_snapshot) / sizeof(keys_of_snapshot[0])};
const struct section_keys hook_keys = {keys_of_hook, sizeof(keys_of_hook) / sizeof(keys_of_hook[0])};

_Static_assert(sizeof(keys_of_daemon) / sizeof(keys_of_daemon[0]) <= SECTION_KEYS_MAX, "too many keys");
_Static_assert(sizeof(keys_of_snapshot) / sizeof(keys_of_snapshot[0]) <= SECTION_KEYS_MAX, "too many keys");

int section_keys_find(const struct section_keys *keys, const char *name)
{
    for (size_t i = 0; i < keys->n_keys; i++)
        if (strcmp(keys->keys[i].name, name) == 0)
            return (int)i;
    return -1;
}

const char *section_kind_name(enum section_kind kind)
{
    if (kind == SECTION_SNAPSHOT)
        return "snapshot";
    return kind == SECTION_HOOK ? "hook" : "daemon";
}

/* The kind that a header's first word names, or SECTION_NONE. */
static enum section_kind find_kind(const char *word, size_t length)
{
    for (enum section_kind kind = SECTION_DAEMON; kind <= SECTION_HOOK; kind++)
        if (strlen(section_kind_name(kind)) == length && memcmp(section_kind_name(kind), word, length) == 0)
            return kind;
    return SECTION_NONE;
}

/* What is wrong with a header, or NULL. */
static const char *find_problem(const struct section_header *header)
{
    switch (header->kind) {
    case SECTION_DAEMON:
        return *header->name ? "there is one daemon: its section has no name" : NULL;
    case SECTION_SNAPSHOT:
        return *header->name ? NULL : "a pattern is missing: [snapshot GLOB] or [snapshot uuid:GLOB]";
    case SECTION_HOOK:
        if (*header->name == '\0')
            return "a name is missing: [hook NAME]";
        /* "exec NAME, alert" could not name it. */
        return strchr(header->name, ',') ? "a hook's name has no commas" : NULL;
    case SECTION_NONE:
        break;
    }
    return "a section is [daemon], [snapshot GLOB] or [hook NAME]";
}

int section_parse(const char *text, struct section_header *ret_header, const char **ret_error)
{
    size_t length = strcspn(text, BLANKS);
    struct section_header header = {
        .kind = find_kind(text, length),
        .name = text + length + strspn(text + length, BLANKS),
    };
    const char *problem;

    if (header.kind == SECTION_SNAPSHOT && strncmp(header.name, UUID_PREFIX, strlen(UUID_PREFIX)) == 0) {
        header.by_uuid = true;
        header.name += strlen(UUID_PREFIX);
        header.name += strspn(header.name, BLANKS);
    }
    problem = find_problem(&header);
    if (problem)
        return refuse(ret_error, problem);
    *ret_header = header;
    return 0;
}
