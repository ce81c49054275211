/* What the configuration says of snapshots, as plain data: shared by the parser, the core and the printers.
 *
 * policy: one [snapshot …] section, the whole policy of the snapshots it matches last. rung: one line
 * "at … = …" or "on … = …". ladder: a policy's rungs in the order they are written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_RUNGS_MAX 32 /* a ladder that a person can still read; lets a set of rungs be a uint32_t */

enum role {
    ROLE_UNSET,  /* in a policy: read it from the tables */
    ROLE_BACKUP, /* the system runs on the origin, the snapshot keeps the old data */
    ROLE_LIVE,   /* the system runs on the snapshot, the origin keeps the old data */
};

/* "backup", "live" or "unset". */
const char *role_name(enum role role);

enum alert_level { ALERT_NOTICE, ALERT_WARNING, ALERT_CRITICAL };

enum condition_kind {
    CONDITION_USED,    /* "at N%":        value in hundredths of a percent of the store */
    CONDITION_FREE,    /* "at SIZE free": value in bytes */
    CONDITION_TIME,    /* "at TIME left": value in microseconds */
    CONDITION_LOST,    /* "on lost" */
    CONDITION_STALLED, /* "on stalled" */
};

struct condition {
    enum condition_kind kind;
    uint64_t value;
};

enum action_kind { ACTION_ALERT, ACTION_EXEC, ACTION_EXTEND, ACTION_MERGE, ACTION_DROP };

/* "alert", "exec", "extend", "merge" or "drop". */
const char *action_kind_name(enum action_kind kind);

/* extend, merge and drop change the device; alert and exec do not. */
bool action_kind_changes(enum action_kind kind);

struct action {
    enum action_kind kind;
    enum alert_level level; /* alert */
    bool is_percent; /* extend: amount is in hundredths of a percent of the store's size, else in bytes */
    uint64_t amount; /* extend */
    char *hook;      /* exec: a [hook …] section's name */
    char *text;      /* as written: "extend 20%" */
};

struct rung {
    struct condition condition;
    struct action *actions;
    size_t n_actions;
    char *text;    /* the whole line as written, without its comment: "at 75% = extend 20%" */
    unsigned line; /* where it is written, in the file of its policy */
};

struct policy {
    char *pattern; /* glob on the dm name or UUID */
    bool by_uuid;
    enum role role;
    struct rung *rungs;
    size_t n_rungs;
    uint32_t hysteresis_centipercent; /* hundredths of a percent of the store */
    bool drop_open;
    uint64_t extend_limit_bytes; /* 0: no limit */
    char *extend_from;           /* or NULL */
    char *file;
    unsigned line;
};

/* The policy of a snapshot: the last one that matches its name or UUID, or NULL. Patterns are fnmatch(3)'s
 * with no flags, on the raw bytes; a name or UUID that is NULL counts as empty. */
const struct policy *policy_find(const struct policy *policies, size_t n_policies, const char *name,
                                 const char *uuid);

/* The rung's one action that changes the device, or NULL: the grammar lets a rung have one at most. */
const struct action *rung_changing_action(const struct rung *rung);

/* The severity of a rung: its alert's level; warning where it has none, for every action also alerts. */
enum alert_level rung_alert_level(const struct rung *rung);

/* The next rung with a condition of this kind after another one of the policy, the first after NULL; NULL: none. Each "on
 * lost" and "on stalled" counts, as each of several rungs that are crossed alerts. */
const struct rung *policy_next_rung_by_kind(const struct policy *policy, enum condition_kind kind,
                                            const struct rung *after);

/* The first rung whose action is of this kind, or NULL. */
const struct rung *policy_rung_by_action(const struct policy *policy, enum action_kind kind);

/* The rung with this text, or NULL. */
const struct rung *policy_rung_by_text(const struct policy *policy, const char *text);

/* Free what they own and leave it empty. */
void action_done(struct action *action);
void rung_done(struct rung *rung);
void policy_done(struct policy *policy);
