/* Health: what the service manager hears. READY, one STATUS line for people, and the watchdog's word. */
#pragma once

#include "cowherd/notify.h"
#include "manager_state.h"

/* After every look. */
void health_tell(struct manager *manager);

/* The line for people. */
void health_status(const struct manager *manager, char text[static NOTIFY_STATUS_MAX]);

/* When something is due to be told, CLOCK_BOOTTIME; UINT64_MAX: nothing. */
uint64_t health_next_usec(const struct manager *manager);
