/* Holds on disk: one file in the runtime directory, so that they outlast the daemon and not the boot.
 *
 * That directory is a tmpfs: the file is written in the event loop, and waits for no disk. 0 or a negative errno.
 */
#pragma once

#include "cowherd/operator_hold.h"

int operator_hold_file_store(const char *directory, const struct operator_holds *holds, const char *boot_id);

/* None there is no hold. */
int operator_hold_file_read(const char *directory, const char *boot_id, struct operator_holds *ret_holds);
