/* lvm's names: what a dm name and a dm UUID say of the logical volume behind them.
 *
 * The dm name of vg-a/lv is "vg--a-lv": hyphens of the names are doubled, a single one is between them. The
 * dm UUID is "LVM-", the volume group's UUID and the volume's, 32 characters each, without their hyphens.
 */
#pragma once

#include "cowherd/observation.h"

#define LVM_UUID_BYTES 39 /* 32 characters, 6 hyphens and the end */

struct lvm_name {
    char group[DM_NAME_BYTES];
    char volume[DM_NAME_BYTES];
};

/* Volume group and volume of a dm name. Returns 0, or -EINVAL where lvm does not make such names: a command
 * is never given one. */
int lvm_name_split(const char *dm_name, struct lvm_name *ret_name);

/* The volume's UUID as lvm writes it, "wQdQ5P-…". Returns 0, or -EINVAL where the dm UUID is not that of a
 * volume (a layer beneath one has a suffix). */
int lvm_uuid_of_volume(const char *dm_uuid, char ret_uuid[static LVM_UUID_BYTES]);
