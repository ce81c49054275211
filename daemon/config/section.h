/* Sections: which there are, and the keys that each knows. Rungs ("at …", "on …") are not keys: see draft.h.
 */
#pragma once

#include "cowherd/configuration.h"

enum section_kind {
    SECTION_NONE, /* before the first header, or below one that cannot be used */
    SECTION_DAEMON,
    SECTION_SNAPSHOT,
    SECTION_HOOK,
};

#define SECTION_KEYS_MAX 8 /* of the section that has the most */

struct section_key {
    const char *name;
    /* Sets the key in a struct configuration, policy or hook. Returns 0, -ENOMEM, or -EINVAL with a sentence
     * that says what is wrong with the value; then nothing was set. */
    int (*set)(void *target, const char *value, const char **ret_error);
};

struct section_keys {
    const struct section_key *keys;
    size_t n_keys;
};

extern const struct section_keys daemon_keys;   /* target: struct configuration */
extern const struct section_keys snapshot_keys; /* struct policy */
extern const struct section_keys hook_keys;     /* struct hook */

/* The place of a key among them, or -1. */
int section_keys_find(const struct section_keys *keys, const char *name);

/* What a header says: "snapshot uuid:LVM-*" is SECTION_SNAPSHOT, "LVM-*", by UUID. */
struct section_header {
    enum section_kind kind;
    const char *name; /* within the text that was parsed */
    bool by_uuid;
};

/* Parses what stands between the brackets. Returns 0 or -EINVAL with a sentence. */
int section_parse(const char *text, struct section_header *ret_header, const char **ret_error);

/* "daemon", "snapshot" or "hook". */
const char *section_kind_name(enum section_kind kind);
