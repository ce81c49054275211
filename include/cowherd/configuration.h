/* The configuration as plain data, and the reader that fills it.
 *
 * Files: the one of --config alone; else /etc/cowherd/cowherd.conf (or, where it is missing, the same name
 * under /run/cowherd and /usr/lib/cowherd), then cowherd.conf.d/NAME.conf of the three directories in the
 * order of their names: of files with one name the one in /etc hides the one in /run, that the one in
 * /usr/lib; a symlink to /dev/null hides it altogether. No file at all: the built-in defaults, which only
 * alert.
 *
 * A later file's [daemon] keys and hooks replace an earlier one's; [snapshot …] sections follow one another,
 * the built-in [snapshot *] before them all, so that what no section matches still gets its alerts.
 *
 * A file must be a regular file of root's, not writable by others, of CONFIG_FILE_BYTES_MAX at most.
 * A configuration is taken whole or not at all; every error of every file is reported, each with file and
 * line.
 */
#pragma once

#include "cowherd/policy.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A thousand times the usual; noise is refused before it is read. */
#define CONFIG_FILE_BYTES_MAX (256 * 1024)

struct hook {
    char *name;
    char *command; /* as written: one or more words (words.h), the first an absolute path */
    char *file;
    unsigned line;
};

struct configuration {
    uint64_t longest_poll_usec;
    uint64_t shortest_poll_usec;
    uint64_t assumed_bytes_per_second;
    bool brake;
    bool dry_run;
    uint64_t hook_timeout_usec;
    char *metrics_file; /* NULL: none */
    struct policy *policies;
    size_t n_policies;
    struct hook *hooks;
    size_t n_hooks;
};

/* One finding about the configuration's text. line is 0 where it is about the file as a whole. */
struct config_message {
    char *file;
    unsigned line;
    bool is_warning;
    char *text;
};

struct config_messages {
    struct config_message *items;
    size_t n_items;
    size_t n_errors;
};

/* Where configurations live; a test may name other places. */
struct config_places {
    const char *file;           /* of --config, or NULL: search the directories */
    const char *directories[3]; /* strongest first: /etc/cowherd, /run/cowherd, /usr/lib/cowherd */
    unsigned owner;             /* files must belong to this user: 0 */
};

extern const struct config_places config_places_default;

/* The built-in defaults: all of [daemon], and [snapshot *] with alerts only. Returns 0 or -ENOMEM. */
int configuration_default(struct configuration *ret_configuration);

/* Reads everything. Returns 0 and the configuration; -EINVAL where there was an error in a file (then the
 * messages say all of them) or -ENOMEM. Messages (warnings too) are appended in either case. */
int configuration_read(const struct config_places *places, struct configuration *ret_configuration,
                       struct config_messages *messages);

/* Warns of hooks whose program is not there or cannot be run. Reads the disk; for --check, not for the daemon,
 * whose sandbox does not see what a hook will. Returns 0 or -ENOMEM. */
int configuration_check_hooks(const struct configuration *configuration, struct config_messages *messages);

/* Free what they own and leave it empty. */
void hook_done(struct hook *hook);
void configuration_done(struct configuration *configuration);
void config_messages_done(struct config_messages *messages);
