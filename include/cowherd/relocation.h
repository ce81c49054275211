/* The relocation: an intent of an earlier boot finds its devices again.
 *
 * Device numbers are another device's after a reboot, so they are looked for by UUID, where they have none by
 * name; length, chunk size and kind of store must be those of the intent as well. Whoever makes the tables at
 * boot may have made any of these of a merge that was under way:
 *
 *   S snapshot, D snapshot-origin   the store of a half-done merge still shows the old data in S; D shows a mix
 *   D snapshot-merge                the kernel has gone on with the rollback by itself; there is no S
 *   S snapshot or snapshot-merge    a live merge
 *
 * Only merges are gone on with. A drop or an extension leaves nothing half done that its rungs could not decide
 * anew: a dropped snapshot that is there again is as full as it was. What was asked of lvm lvm goes on with
 * itself.
 */
#pragma once

#include "cowherd/intent.h"
#include "cowherd/observation.h"

#define RELOCATION_REASON_MAX 320

struct relocation {
    bool found;
    struct intent intent; /* found: the same intent, of this boot; interrupted, where it had been begun */
    dev_t snapshot;       /* the snapshot is there, whether or not all is there that it needs; 0: it is not */
    char reason[RELOCATION_REASON_MAX]; /* why it is not found */
};

/* Whether it waits for its devices; else it is forgotten. */
bool relocation_is_wanted(const struct intent *earlier);

/* Looks for its devices. The observation must be complete. */
void relocation_make(const struct intent *earlier, const struct observation *seen, const char *boot_id,
                     struct relocation *ret_relocation);

/* Whether two records are of one snapshot: a crash came between writing the later and removing the former. */
bool relocation_is_same(const struct intent *a, const struct intent *b);
