/* Objects: the snapshots on the bus, one object each, kept between rounds (cowherd/bus.h).
 *
 * An account that is put is compared with the one before it: what is another goes out as one PropertiesChanged. Objects that
 * a round does not bring go out as InterfacesRemoved, new ones as InterfacesAdded. They outlive a connection; the first round
 * of the next one is silent, for nobody has seen any of them.
 */
#pragma once

#include "cowherd/account.h"
#include <systemd/sd-bus.h>

struct bus_object {
    char *path;
    struct account account;
    uint64_t stamp;
    bool seen; /* in this round */
};

struct bus_objects {
    struct bus_object *items; /* by path */
    size_t n_items;
    size_t n_allocated;
    sd_bus *bus; /* NULL: not connected */
    bool told;   /* a round has been complete since then */
};

/* Registers them with a connection. */
int bus_objects_attach(struct bus_objects *objects, sd_bus *bus);
void bus_objects_detach(struct bus_objects *objects);

/* A round: every account is put or kept between these two. */
void bus_objects_begin_round(struct bus_objects *objects);
void bus_objects_end_round(struct bus_objects *objects);

/* Takes the account over. 0 or a negative errno: it is freed then. */
int bus_objects_put(struct bus_objects *objects, struct account *account, uint64_t stamp);
bool bus_objects_keep(struct bus_objects *objects, const char *name, uint64_t start_sectors, uint64_t stamp);

/* The path of the first object with this raw name, or NULL. */
const char *bus_objects_path_of(const struct bus_objects *objects, const char *name);

void bus_objects_done(struct bus_objects *objects);
