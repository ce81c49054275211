/* The nodes of all dm disks in sysfs (disk_memory.h), in one listing. */
#pragma once

#include "cowherd/disk_memory.h"

/* Not sorted. 0 or a negative errno, and then none. */
int disk_nodes_read(unsigned dm_major, struct disk_nodes *ret_nodes);
