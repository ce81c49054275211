/* Growth: the longer table of a store that is a dm linear device, from free extents of a spare device.
 *
 * Free is what no table maps, active or waiting, of the whole machine: who else uses the spare device must
 * therefore be understood, or nothing of it is given away. The first MiB is never given away: data copied there
 * could read as a filesystem's signature, and the device be taken for that filesystem after a reboot. What
 * already continues behind a store's last extent is taken first, then what is free from the front on.
 */
#pragma once

#include "cowherd/intent.h"
#include "cowherd/observation.h"

#define GROWTH_TARGETS_MAX      64   /* of a table: each costs the kernel memory and every request a search */
#define GROWTH_RESERVED_SECTORS 2048 /* lvm leaves as much before its first extent */
#define GROWTH_REASON_MAX       320  /* of a plan, too */

/* The device named by extend-from, as found right before it is used. */
struct spare {
    const char *path; /* as in the configuration */
    dev_t number;
    uint64_t size_sectors;
    bool has_partitions;
    const dev_t *holders; /* who uses it, of whatever kind */
    size_t n_holders;
    const dev_t *below; /* what it rests on, itself among them */
    size_t n_below;
};

/* Whether the spare device may give extents to the intent's store. Returns 0; or -EBUSY, with the reason, where
 * it belongs to the snapshot itself, or somebody uses it in a way that is not understood. */
int growth_check_spare(const struct observation *seen, const struct intent *intent, const struct spare *spare,
                       char reason[static GROWTH_REASON_MAX]);

/* Whether any table maps a sector of a device. */
bool growth_is_mapped(const struct observation *seen, dev_t number, uint64_t sector);

/* The store's active table, made goal_sectors long. extent_sectors: what the extents are aligned to. Returns 0,
 * -ENOSPC with the reason, or -ENOMEM. The caller frees the table. */
int growth_make_table(const struct observation *seen, const struct dm_device *store,
                      const struct spare *spare, uint64_t goal_sectors, uint32_t extent_sectors,
                      struct dm_table *ret_table, char reason[static GROWTH_REASON_MAX]);

uint64_t growth_length_sectors(const struct dm_table *table);

/* Whether a table has linear targets and no others. */
bool growth_is_linear(const struct dm_table *table);

/* Whether a longer table of that length waits in the store that goes on where its active one ends: ours. */
bool growth_waits(const struct dm_device *store, uint64_t goal_sectors);

/* A device whose table maps, too, what the waiting table adds to the store; or NULL. */
const struct dm_device *growth_find_collision(const struct observation *seen, const struct dm_device *store);
