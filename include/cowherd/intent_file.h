/* Intents on disk: one file each in the state directory, there from before the first step until after the
 * last.
 *
 * A file is named by origin, store and boot: device numbers are another device's after the next one.
 *
 * Written to a temporary file, synced, renamed, and the directory synced: a reader finds a whole intent or
 * none. All of it may block on the disk: call it in a child, or before the daemon is ready. 0 or a negative
 * errno.
 */
#pragma once

#include "cowherd/intent.h"

/* Keeps it, in place of one of the same boot for the same origin and store; -ESTALE where that is a newer snapshot's
 * (intent_must_yield), which is left as it is. */
int intent_file_store(const char *directory, const struct intent *intent);

/* Reads the one that is kept for the same boot, origin and store. -ENOENT where there is none. */
int intent_file_read(const char *directory, const struct intent *intent, struct intent *ret_intent);

/* Removes it: what is in its place of another snapshot, or cannot be told whose it is, is left. None there is no
 * error. */
int intent_file_remove(const char *directory, const struct intent *intent);

/* Removes what a writer that was killed has left half-written. Only for the one daemon, while no child of it writes. */
int intent_file_sweep(const char *directory);

/* Reads all of them; the list is the caller's to free(). Files that are not whole intents are left alone,
 * counted in *ret_n_broken, and the last one's name is copied to broken. */
int intent_file_list(const char *directory, struct intent **ret_intents, size_t *ret_n_intents,
                     size_t *ret_n_broken, char broken[static 256]);

/* The kernel's identifier of this boot. */
int intent_boot_id(char boot_id[static BOOT_ID_BYTES]);
