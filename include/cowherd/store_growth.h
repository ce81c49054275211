/* Making a raw snapshot's store longer: what is behind the steps STEP_GROW_TABLE and STEP_GROW_LOOP.
 *
 * Everything is read again here, right before it is acted on, and each can be killed at any point and run again.
 * Call them in a child only. 0 or a negative errno with the reason in words (empty where the errno says it all).
 */
#pragma once

#include "cowherd/growth.h"

/* From looking for extents until they are in an active table one child at a time may be at it: the kernel takes a
 * loaded table out of its slot before it waits for the requests in flight and swaps it in, and in between nobody
 * can see whose the extents are. The lock is the descriptor's; -1: not held yet. -EBUSY where another child hangs. */
int store_growth_lock(const char *state_directory, int *lock_fd, char reason[static GROWTH_REASON_MAX]);

/* Loads a longer table, with extents of the intent's spare device, into the store's inactive slot. Takes the lock,
 * and leaves it held until the table is swapped in. */
int store_growth_load(const struct intent *intent, const char *state_directory, int *lock_fd,
                      char reason[static GROWTH_REASON_MAX]);

/* Allocates what is missing in the backing file of the store's loop device, and has the loop device take it. Where
 * there is no space the file is left as long as it was. */
int store_growth_loop(const struct intent *intent, char reason[static GROWTH_REASON_MAX]);
