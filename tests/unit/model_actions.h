/* The actions on the model kernel: what each begins with, the steps it takes there, and how it ends. */
#pragma once

#include "cowherd/intent.h"
#include "model_kernel.h"

struct scenario {
    const char *name;
    void (*prepare)(struct machine *machine, struct intent *intent);
    int no_return; /* with this step, counted from 1, there is no way back */
    const char *steps;
    const char *end;
};

enum {
    LIVE_MERGE,
    LIVE_MERGE_OPEN,
    LIVE_MERGE_SIBLING,
    LIVE_MERGE_FORCED,
    ROLLBACK,
    ROLLBACK_SIBLING,
    ROLLBACK_OPEN,
    DROP,
    DROP_SIBLING,
    DROP_OPEN,
    LIVE_DROP,
    LOST_DROP,
    LOST_DROP_OPEN,
    N_SCENARIOS,
};

extern const struct scenario scenarios[N_SCENARIOS];

struct target table_of(enum target_kind kind, dev_t store);
void add_device(struct machine *machine, size_t index, enum target_kind kind, dev_t store);

void prepare_drop(struct machine *machine, struct intent *intent);
void prepare_drop_sibling(struct machine *machine, struct intent *intent);
void prepare_live_drop(struct machine *machine, struct intent *intent);
void prepare_live_merge(struct machine *machine, struct intent *intent);
void prepare_rollback(struct machine *machine, struct intent *intent);
void prepare_rollback_sibling(struct machine *machine, struct intent *intent);
