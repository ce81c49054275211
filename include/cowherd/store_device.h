/* The store's own blocks: zeroing its header, and reading what it tells of how a snapshot was lost.
 *
 * All of it reads or writes a device and may block: call it in a child only. 0 or a negative errno.
 */
#pragma once

#include "cowherd/exception_store.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STORE_HEADER_BYTES 4096 /* lvm zeroes as much; the kernel needs the first four bytes gone */

/* Zeroes the store's header, so that it is not activated again by mistake. A device without a snapshot's
 * magic is left as it is. only_if_merged: -ENOTEMPTY where an exception is still in it, for then no merge has
 * ended here. -EBUSY where somebody holds it. */
int store_device_zero(dev_t store, bool only_if_merged);

/* 0 when a valid persistent store of that chunk size has no exception left: while a merge runs, that it is at its end.
 * -ENOTEMPTY while there are some; -EBADMSG where it is no such store, and nothing is proven. */
int store_device_is_merged(dev_t store, uint32_t chunk_sectors);

struct store_contents {
    bool valid;          /* the header says so */
    uint64_t exceptions; /* recorded in its metadata areas */
};

/* Counts what is recorded. -EBADMSG where it is no persistent store of that chunk size. */
int store_device_read(dev_t store, const struct exception_store *geometry,
                      struct store_contents *ret_contents);

/* Whether a store with these contents was lost because it was full. The exceptions in flight when it filled
 * were never recorded, so it need not be full to the last chunk; the kernel has at most 2048 in flight
 * (dm-snap.c), and a small store that is more than half full has no other likely end either. */
bool store_contents_say_full(const struct exception_store *geometry, const struct store_contents *contents);
