/* Carrying out an intent: the body of the acting child.
 *
 * Level-triggered: observe, plan, carry out the first step, and again, until the plan has no step left. So
 * each destructive step has identity, tables, open count and usage read right before it, and the same loop
 * starts, goes on with, takes back and finishes an action.
 */
#pragma once

#include "cowherd/pursuit.h"

/* A suspend or a remove may never return: then the child is killed. To a child that runs lvm's commands a SIGTERM
 * says that a later rung waits for it; others ignore it. */
#define DM_ACTION_DEADLINE_USEC UINT64_C(30000000)

struct dm_action {
    struct intent intent;
    const struct intent
        *earlier; /* its record of an earlier boot, which goes when this boot's is written; or NULL */
    const char *state_directory;
};

/* A child_function (child.h): the argument is a struct dm_action, the result a struct action_result. */
void dm_action_run(const void *action, int result_fd);
