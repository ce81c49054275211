/* A draft: a configuration in the making, file by file, until draft_finish() has found nothing wrong.
 *
 * What is wrong with the text goes to the messages; functions here only fail for want of memory.
 */
#pragma once

#include "section.h"

/* Where a key of [daemon] got its value. order counts the keys set: the higher was read later. */
struct key_place {
    const char *file;
    unsigned line;
    unsigned order;
    bool is_wrong; /* some file's value was refused: nothing further is concluded from the key */
};

struct draft {
    struct configuration configuration;
    struct config_messages *messages;

    const char *file;                        /* that is being read; lives as long as the draft */
    bool has_header;                         /* one was seen in it, if only a bad one */
    size_t first_policy;                     /* of this file */
    unsigned daemon_lines[SECTION_KEYS_MAX]; /* of this file's keys of [daemon], 0: not yet */

    enum section_kind section;
    unsigned section_lines[SECTION_KEYS_MAX]; /* of this section's keys, where it is not [daemon] */
    size_t hook;                              /* SECTION_HOOK: which */
    unsigned n_rung_lines;                    /* SECTION_SNAPSHOT: also those with errors */
    unsigned n_height_lines;                  /* SECTION_SNAPSHOT: of these those that begin with "at" */

    unsigned n_keys_set;
    struct key_place daemon_places[SECTION_KEYS_MAX];
};

/* Takes in a file's bytes. Returns 0 or -ENOMEM. */
int draft_read(struct draft *draft, const char *file, const char *bytes, size_t n_bytes);

/* The same of the defaults that are compiled in. */
int draft_read_built_in(struct draft *draft);

/* What can only be judged when all files are read. Returns 0 or -ENOMEM. */
int draft_finish(struct draft *draft);

/* rungs.c: one line "at … = …" or "on … = …" of the section being read. */
bool draft_is_rung(const char *key);
int draft_add_rung(struct draft *draft, unsigned line, const char *key, const char *value, const char *text);

/* rungs.c: the exec actions of all policies name hooks that exist. */
int draft_check_hooks(struct draft *draft);
