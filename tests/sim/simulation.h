/* One history, played to its end or to the first finding of the oracle. */
#pragma once

#include "history.h"

struct outcome {
    bool failed;
    char verdict[512];
    uint64_t at_usec;
    uint64_t simulated_usec;
    uint64_t looks, wake_ups;
    uint64_t items; /* that happened */
};

void simulate(const struct history *history, struct outcome *ret_outcome);

/* Leaves out of a history that fails whatever can be left out of it while it fails in the same way. */
void shrink(struct history *history, const struct outcome *outcome);
