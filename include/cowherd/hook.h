/* One run of a hook: its environment, the child that has it run and waits, and what came of it as text.
 *
 * Where systemd manages the machine the hook runs in a transient unit of its own (cowherd-hook-….service):
 * outside of the daemon's sandbox, in a control group that ends with it, and on to its end when the daemon is
 * stopped. Elsewhere in a session of its own. In either way it is cowherd-hook that runs it (hook_order.h).
 */
#pragma once

#include "cowherd/event_fields.h"
#include "cowherd/hook_order.h"
#include <stdbool.h>

/* What a hook finds in its environment: PATH, LANG, and the facts of the event: its fields COWHERD_…, and
 * MESSAGE as COWHERD_MESSAGE. Returns 0 and a vector in one block for free(), or -ENOMEM. */
int hook_environment(const struct event_fields *facts, char ***ret_environment);

/* What a child is to do. */
struct hook_task {
    const char *name; /* of the hook */
    const char *block;
    size_t block_size;
    uint64_t timeout_usec;
};

/* The child (child.h); its result is a struct hook_outcome. argument: a struct hook_task. */
void hook_run(const void *argument, int result_fd);

/* hook_unit.c: starts the program cowherd-hook in a unit of its own with the socket as its standard input. Returns 0; a
 * negative errno and what systemd says. */
int hook_unit_start(const struct hook_task *task, const char *program, int socket_fd, char *ret_message,
                    size_t message_max);

/* The outcome for COWHERD_RESULT: what the hook wrote, with the reason before it where it failed; "done" where
 * it wrote nothing. program and timeout_usec are its order's. Returns whether it succeeded. */
bool hook_outcome_text(const struct hook_outcome *outcome, const char *program, uint64_t timeout_usec,
                       char text[static EVENT_RESULT_MAX]);
