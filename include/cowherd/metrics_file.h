/* The file of the metrics: replaced whole, never half written, readable for everybody.
 *
 * Written beside it under another name, which a collector of *.prom does not take, and renamed. Not synced: after a power
 * cut its next version comes before anybody could ask. The directory must let root write: the daemon may not override
 * permissions. It may block on the disk: for a child (child.h).
 */
#pragma once

#include <stddef.h>

/* Returns 0 or a negative errno. path is absolute. */
int metrics_file_replace(const char *path, const char *text, size_t length);

/* Removes one that is no longer wanted. 0 or a negative errno. */
int metrics_file_remove(const char *path);
