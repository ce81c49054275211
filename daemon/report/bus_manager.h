/* The manager object: methods, properties and signals of org.cowherd.Herd1.Manager (cowherd/bus.h). */
#pragma once

#include "bus_permission.h"
#include "cowherd/bus.h"

struct bus_manager {
    const struct bus_service *service;
    struct bus_permissions permissions;
};

int bus_manager_attach(struct bus_manager *manager, sd_bus *bus);
void bus_manager_detach(struct bus_manager *manager);

/* Emits the signal that an event is, if it is one. path: of its snapshot. */
int bus_manager_signal(sd_bus *bus, const struct event *event, const char *path);
