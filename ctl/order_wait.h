/* Waiting for the end of an order: the daemon's signals ActionDone and ActionFailed, listened for before it is given. A failure is
 * not always the end: the snapshot's account says whether the order still stands. */
#pragma once

#include "client.h"

#define ORDER_WAIT_FOREVER UINT64_MAX

struct order_wait {
    sd_bus *bus;
    sd_bus_slot *slots[3];
    char *name;   /* as the signals have it */
    char *daemon; /* who sends them: its unique name on the bus */
    const char *action;
    bool has_ended;
    bool is_failed;
    struct failure failure;
};

/* name: as given by the operator. Returns 0, or -1 and why. */
int order_wait_begin(struct order_wait *wait, sd_bus *bus, const char *name, const char *action,
                     struct failure *ret_failure);

/* Says on standard output that it is done; -1 and why where it has failed, the daemon has gone, or limit_usec have passed
 * (EX_TEMPFAIL: the order stands, also after a failure). */
int order_wait_for_end(struct order_wait *wait, uint64_t limit_usec, struct failure *ret_failure);

void order_wait_done(struct order_wait *wait);
