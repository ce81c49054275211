/* --check, beyond the files: ladders that cannot be in time for the snapshots that this machine has. */
#pragma once

#include "cowherd/configuration.h"
#include <stdio.h>

/* Prints "FILE:LINE: warning: …" for each rung that would come too late, with the snapshot that it is hardest for. Only
 * where there is a device-mapper and this may ask it; else nothing is said. Changes nothing. */
void check_guarantees(const struct configuration *configuration, FILE *stream);
