/* A live snapshot (PO) whose store has overflowed: reads go on, all writes fail, and everything that was ever written
 * successfully is still there. A merge saves it, and lets writes succeed again.
 *
 * The status stays "Overflow" for good, also of the snapshot-merge, so the end of the merge cannot be read from it
 * ("Merge failed" and "Invalid" still can: the kernel names them first). The store tells instead: the kernel clears the
 * entries of its metadata from the last to the first, each only when its chunk has been written to the origin and
 * flushed (dm-snap.c: merge_callback; dm-snap-persistent.c: persistent_commit_merge). With the first entry free nothing
 * is left in it. Measured on 6.1: tests/vm/scenarios/44-overflow.sh.
 */
#pragma once

#include "plan_scene.h"

/* Whether a lost snapshot can still be saved by what the intent wants: a live merge out of an overflowed store. */
bool overflow_can_be_saved(const struct intent *intent, const struct snapshot_status *status);

/* Before anything that ends an overflowed merge: its store must be seen to be empty. Adds nothing to another one. */
void overflow_add_proof(struct scene *scene, const struct snapshot_status *status);
