/* The budget: how much of a CPU clients of the bus may have. Pure; time comes in.
 *
 * A store of time that fills by a share of what passes, up to a limit; whoever has used it up waits until there is some again.
 * One `cowctl status` is far within the limit, also with a thousand snapshots; a flood gets the share.
 */
#pragma once

#include <stdint.h>

#define BUS_BUDGET_PERCENT  10
#define BUS_BUDGET_MAX_USEC INT64_C(200000)

struct bus_budget {
    int64_t left_usec; /* below 0: used up */
    uint64_t filled_usec;
};

/* Full. */
void bus_budget_begin(struct bus_budget *budget, uint64_t now_usec);

/* So much was used. */
void bus_budget_use(struct bus_budget *budget, uint64_t used_usec, uint64_t now_usec);

/* For how long nobody is to be served; 0: somebody may. */
uint64_t bus_budget_wait_usec(struct bus_budget *budget, uint64_t now_usec);
