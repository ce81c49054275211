#include "bus_budget.h"

static void fill(struct bus_budget *budget, uint64_t now_usec)
{
    uint64_t passed = now_usec > budget->filled_usec ? now_usec - budget->filled_usec : 0;
    uint64_t earned = passed / 100 * BUS_BUDGET_PERCENT;
    budget->filled_usec += passed / 100 * 100; /* what is left of it counts the next time */
    if (earned >= (uint64_t)(BUS_BUDGET_MAX_USEC - budget->left_usec))
        budget->left_usec = BUS_BUDGET_MAX_USEC;
    else
        budget->left_usec += (int64_t)earned;
}

void bus_budget_begin(struct bus_budget *budget, uint64_t now_usec)
{
    *budget = (struct bus_budget){.left_usec = BUS_BUDGET_MAX_USEC, .filled_usec = now_usec};
}

/* Nobody is made to wait longer than it takes to fill it once. */
void bus_budget_use(struct bus_budget *budget, uint64_t used_usec, uint64_t now_usec)
{
    fill(budget, now_usec);
    if (used_usec >= (uint64_t)(budget->left_usec + BUS_BUDGET_MAX_USEC))
        budget->left_usec = -BUS_BUDGET_MAX_USEC;
    else
        budget->left_usec -= (int64_t)used_usec;
}

uint64_t bus_budget_wait_usec(struct bus_budget *budget, uint64_t now_usec)
{
    fill(budget, now_usec);
    if (budget->left_usec > 0)
        return 0;
    return (uint64_t)(1 - budget->left_usec) * 100 / BUS_BUDGET_PERCENT + 100;
}
