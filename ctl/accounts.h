/* The accounts of all snapshots, or of those that are asked for: from the daemon, or without one from the kernel.
 */
#pragma once

#include "cowherd/account.h"
#include "failure.h"
#include <systemd/sd-bus.h>

struct accounts {
    struct account *items; /* in the order of their names */
    size_t n_items;
    char *daemon;    /* who said so: a name on the bus that is never another's; NULL where nobody was asked */
    bool is_offline; /* no daemon was asked: what only it knows is not known */
    struct failure why_offline;
};

/* From the daemon, or the kernel. Returns 0, or -1 and why. */
int accounts_get(struct accounts *ret_accounts, struct failure *ret_failure);

/* From the daemon alone, over this bus. */
int accounts_ask(sd_bus *bus, struct accounts *ret_accounts, struct failure *ret_failure);

/* The answer to GetManagedObjects. Returns 0, or -1 and why. */
int accounts_read(sd_bus_message *message, struct accounts *ret_accounts, struct failure *ret_failure);

/* Keeps those that a pattern matches (names.h), all where there is none. EX_NOINPUT where one matches nobody. */
int accounts_select(struct accounts *accounts, char *const patterns[], size_t n_patterns,
                    struct failure *ret_failure);

void accounts_done(struct accounts *accounts);
