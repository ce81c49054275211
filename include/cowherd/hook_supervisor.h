/* The supervisor of a hook: runs one to its end, or to its deadline, and keeps the last of what it says.
 *
 * The hook gets a session and process group of its own, /dev/null to read from, and nothing that is not in
 * its order. It is never waited for through its output: whoever holds that open afterwards holds up nobody.
 */
#pragma once

#include "cowherd/hook_order.h"

/* From TERM to KILL, and as long again for the kernel to let go of what was killed. */
#define HOOK_GRACE_USEC UINT64_C(5000000)

/* Returns when the hook has ended. What it leaves of its process group is killed. It must be the caller's only
 * child, and SIGCHLD not ignored. */
void hook_supervise(const struct hook_order *order, struct hook_outcome *ret_outcome);
