/* --check, beyond the files: ladders that cannot be in time for the snapshots that this machine has. */
#pragma once

#include "cowherd/configuration.h"
#include <stdio.h>

/* Prints "FILE:LINE: warning: …" for each rung that would come too late, with the snapshot that it is hardest for, reckoned
 * as the daemon would: whether writes can be counted here is tried, and looks come as late as the one made here takes. Only
 * where there is a device-mapper and this may ask it; else nothing is said. Changes nothing. */
void check_guarantees(const struct configuration *configuration, FILE *stream);
