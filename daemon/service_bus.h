/* The service on the bus: what the manager gives to cowherd/bus.h, and takes from it. */
#pragma once

#include "manager_state.h"

struct service_bus;

/* 0 or a negative errno; without it the daemon does all else. */
int service_bus_open(struct manager *manager, struct service_bus **ret_service);

/* After every look: whether there is something new for those who listen. Does nothing with NULL. */
void service_bus_consider(struct service_bus *service);

void service_bus_close(struct service_bus *service);
