/* The bus: what the daemon is on D-Bus, org.cowherd.Herd1 (conf/dbus/org.cowherd.Herd1.xml says what there is).
 *
 * The loop never waits for it. Connecting, the name, who a sender is and what polkit says are all asked for without waiting;
 * without a bus nothing is done until one appears, and after a loss it is joined again, with a back-off. It is served at the
 * end of the loop's turns, a few milliseconds at a time, and no more than a share of a CPU (bus_budget.h): looks come first,
 * whatever clients do. What a bus or a client could make grow is bounded: if the bus takes nothing, the connection is
 * dropped, and that is counted.
 *
 * It knows accounts and nothing of who makes them. They are handed over in rounds, a second apart, when something has
 * changed or a client asks; what is answered, too, is at most a second old, and the round that it is of. But whoever
 * asks when a snapshot has been seen to come or go is answered by a round of its own.
 */
#pragma once

#include "cowherd/account.h"
#include "cowherd/event.h"
#include "cowherd/explanation.h"
#include "cowherd/journal.h"
#include <limits.h>
#include <systemd/sd-event.h>

#define BUS_ROUND_USEC UINT64_C(1000000) /* from the end of a round to the next one */
#define BUS_SAID_MAX   768

enum bus_order_kind {
    BUS_ORDER_RELOAD,
    BUS_ORDER_EXTEND,
    BUS_ORDER_MERGE,
    BUS_ORDER_DROP,
    BUS_ORDER_HOLD,
    BUS_ORDER_RELEASE,
};

struct bus_order {
    enum bus_order_kind kind;
    const char *name;   /* of a snapshot; reload: empty */
    const char *amount; /* extend */
    uint64_t seconds;   /* hold */
    bool dry_run;
    const char *who; /* "root", "user 1000" */
};

/* The manager's properties. */
struct bus_facts {
    char status[1024]; /* NOTIFY_STATUS_MAX */
    char configuration_error[256];
    char configuration_file[PATH_MAX]; /* of --config; empty: the usual ones */
    uint32_t n_snapshots;
    bool dry_run;
};

/* What the bus asks of the daemon. */
struct bus_service {
    /* Carries an order out, whose sender may give it. said gets a sentence. Errors as in daemon/orders.h. */
    int (*order)(const struct bus_order *order, char said[static BUS_SAID_MAX], void *user);
    int (*explain)(const char *name, struct explanation *ret_explanation, void *user);
    void (*facts)(struct bus_facts *ret_facts, void *user);

    /* A part of a round, short enough for looks to wait for: hands accounts to bus_put(), or says by bus_keep() that one is
     * as before. Returns whether there is more of it. begins: it is the round's first; looks: a client asks, so the kernel is
     * to be asked first. */
    bool (*publish)(bool begins, bool looks, void *user);
    void *user;
};

struct bus;

/* Begins to look for a bus. service must stay. 0, or -ENOMEM and what sd-event fails with. */
int bus_open(sd_event *event, struct journal *journal, const struct bus_service *service,
             struct bus **ret_bus);

/* Whether there is somebody to publish for. */
bool bus_is_connected(const struct bus *bus);

/* Something has changed: a round is due, a second after the last one. */
void bus_changed(struct bus *bus);

/* The same at once: an order was carried out, and who gave it may ask what has come of it. */
void bus_changed_at_once(struct bus *bus);

/* In a round: an account, which is taken over; whether the account of that snapshot is one that was put with the same stamp,
 * and so may stay. The stamp is of the caller's, 0: none. */
int bus_put(struct bus *bus, struct account *account, uint64_t stamp);
bool bus_keep(struct bus *bus, const char *name, uint64_t start_sectors, uint64_t stamp);

/* What the journal hears: rungs, the ends of actions, losses become signals. Who hears that an action has failed may ask whether it
 * is tried again, and is told what is so behind that. */
void bus_event(struct bus *bus, const struct event *event);

/* Connections that were dropped because the bus took nothing. */
unsigned bus_dropped(const struct bus *bus);

void bus_close(struct bus *bus);
