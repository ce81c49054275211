/* Children: each runs as a coroutine in this process, its calls of the kernel take time, fail or hang, and killing it
 * means that it is not gone on with. child.h is what the daemon sees of it.
 */
#pragma once

#include "cowherd/child.h"
#include "cowherd/intent.h"
#include <stdint.h>

/* Within a child's call of the kernel or the disk: time passes, and whatever the history has in store for this call
 * happens. Returns 0, or the error that the call is to fail with. The daemon's own calls pass at once. */
int children_call(void);

/* Lets a child wait. */
void children_pause(uint64_t usec);

/* The intent that the running child acts for; NULL: it is the daemon, or no acting child. */
const struct intent *children_intent(void);
bool children_is_daemon(void);

/* The running child has seen the devices as they are; what was the latest one's number when it did. */
void children_look(void);
uint64_t children_looked_at_sequence(void);
uint64_t children_looked_usec(void); /* when that was */

/* When the next one goes on; UINT64_MAX: none. */
uint64_t children_next_usec(void);

/* Runs those that are due. */
void children_run(void);

/* Whether one has ended and was not taken leave of yet. */
bool children_has_ended(pid_t pid);

/* The running child opens a device exclusively: a descriptor for close(), or a negative errno. */
int children_open(dev_t device);

/* How often children have a device open themselves. */
unsigned children_hold(dev_t device);

/* Whether one acts for a snapshot of that group and does not extend it. */
bool children_change(unsigned group);

/* Whether one acts for a snapshot of that group. */
bool children_act_for(unsigned group);

/* What one that acts for that snapshot is to do, and since when it does; NULL: none acts for it. */
const struct intent *children_intent_for(const char *uuid, uint64_t *ret_start_usec);

/* Whether one sets the limits of that device's writers. */
bool children_brake(dev_t device);

/* The daemon is gone, and they with it. */
void children_abandon(void);
