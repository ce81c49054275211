/* The spare device's own blocks: what it says that it is.
 *
 * wipefs(8) of util-linux looks for signatures: nobody knows more of them. It reads the device and may block: call it in
 * a child only. 0 or a negative errno: -ENOPKG where there is no wipefs, -ETIMEDOUT where the device does not answer,
 * -ECANCELED where the child gets a SIGTERM meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPARE_SIGNATURE_MAX 64

/* The first signature (of a filesystem, swap, lvm, RAID, a partition table …) that is found on a device at a
 * place that `passed_over` does not claim: there it is the data of somebody who is known. *ret_name is its
 * name ("ext4"), empty where there is none. */
int spare_device_signature(dev_t device, bool (*passed_over)(uint64_t sector, const void *user),
                           const void *user, char ret_name[static SPARE_SIGNATURE_MAX]);
