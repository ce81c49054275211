/* lvm's tool: one command of lvm run to its end, with a deadline. Only in a child (child.h): it waits.
 *
 * The tool gets arguments, never a shell; LC_ALL=C; no standard input; what it says is kept, within bounds. It
 * looks past suspended devices. It waits for another command's lock, unless it must not, so that of several each goes on
 * at once when its turn comes, but no longer than its deadline.
 *
 * Its deadline is SIGTERM, and SIGKILL some seconds later. lvm blocks signals while it holds the volume group,
 * so the first ends nothing halfway. The second would: a command killed between suspend and resume leaves the
 * origin suspended (measured). So it comes only where the caller sees nothing half-done.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LVM_ARGUMENTS_MAX 16
#define LVM_OUTPUT_MAX    1024

struct lvm_command {
    const char *arguments[LVM_ARGUMENTS_MAX]; /* "lvextend", …; NULL ends them */
    bool (*may_kill)(void *user);             /* NULL: it may */
    void *user;
    bool waits_for_no_lock; /* another command's: it fails instead */
    bool leaves_dmeventd;   /* what dmeventd watches stays as it is, and it is not waited for */
};

struct lvm_output {
    char text[LVM_OUTPUT_MAX]; /* standard output and error; the rest is dropped */
    size_t length;
};

/* From now on a SIGTERM to this process hurries: a command has HURRY seconds from its start, not its deadline. */
void lvm_tool_heed_hurry(void);

/* Runs a command. Returns its exit code; or a negative errno: -ENOENT no lvm here, -ETIMEDOUT stopped at its
 * deadline, -ECANCELED stopped because it was hurried, -EINTR killed by somebody else. */
int lvm_tool_run(const struct lvm_command *command, struct lvm_output *ret_output);

/* Whether it said that, among whatever warnings; and the first line that is a number, of a report of one. Returns 0
 * or -EPROTO. */
bool lvm_output_has(const struct lvm_output *output, const char *text);
int lvm_output_number(const struct lvm_output *output, uint64_t *ret_number);

/* What it said as one line: lines joined, other control characters made blanks, noise left out. */
void lvm_output_words(const struct lvm_output *output, char *words, size_t size);
