#include "model_actions.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct target table_of(enum target_kind kind, dev_t store)
{
    struct target target = {.kind = kind, .length_sectors = LENGTH_SECTORS};
    if (kind != TARGET_ERROR)
        target.origin = ORIGIN;
    if (target_is_snapshot(&target)) {
        target.store = store;
        target.chunk_sectors = CHUNK_SECTORS;
    }
    return target;
}

void add_device(struct machine *machine, size_t index, enum target_kind kind, dev_t store)
{
    struct model_device *device = &machine->devices[index];
    *device = (struct model_device){
        .exists = true,
        .number = device_number(index),
        .disk_sequence = 40 + index,
        .active = {.targets = {table_of(kind, store)}, .n_targets = 1, .resumed = true, .valid = true},
    };
    strcpy(device->name, device_names[index]);
    snprintf(device->uuid, sizeof(device->uuid), "uuid-%s", device_names[index]);
}

static void add_sibling(struct machine *machine)
{
    add_device(machine, T, TARGET_SNAPSHOT, SIBLING_STORE);
    machine->stores[CT] = (struct model_store){.exceptions = 100, .total_sectors = 65536};
}

static uint32_t used_centipercent(const struct model_store *store)
{
    return (uint32_t)(chunks_needed(store->exceptions) * CHUNK_SECTORS * 10000 / store->total_sectors);
}

static void prepare(struct machine *machine, struct intent *intent, enum action_kind action, enum role role)
{
    memset(machine, 0, sizeof(*machine));
    machine->stores[C] = (struct model_store){.exceptions = EXCEPTIONS, .total_sectors = 65536};
    add_device(machine, S, TARGET_SNAPSHOT, STORE);
    if (role == ROLE_BACKUP)
        add_device(machine, D, TARGET_SNAPSHOT_ORIGIN, 0);
    *intent = (struct intent){
        .action = action,
        .role = role,
        .name = "S",
        .uuid = "uuid-S",
        .device = device_number(S),
        .disk_sequence = 40 + S,
        .origin = ORIGIN,
        .store = STORE,
        .length_sectors = LENGTH_SECTORS,
        .chunk_sectors = CHUNK_SECTORS,
        .origin_user = role == ROLE_BACKUP ? device_number(D) : 0,
        .origin_user_disk_sequence = role == ROLE_BACKUP ? 40 + D : 0,
        .used_centipercent = used_centipercent(&machine->stores[C]),
        .hysteresis_centipercent = 200,
    };
}

void prepare_live_merge(struct machine *machine, struct intent *intent)
{
    prepare(machine, intent, ACTION_MERGE, ROLE_LIVE);
}

static void prepare_live_merge_open(struct machine *machine, struct intent *intent)
{
    prepare(machine, intent, ACTION_MERGE, ROLE_LIVE);
    open_device(machine, S);
}

static void prepare_live_merge_sibling(struct machine *machine, struct intent *intent)
{
    prepare(machine, intent, ACTION_MERGE, ROLE_LIVE);
    add_sibling(machine);
}

static void prepare_live_merge_forced(struct machine *machine, struct intent *intent)
{
    prepare(machine, intent, ACTION_MERGE, ROLE_LIVE);
    add_device(machine, D, TARGET_SNAPSHOT_ORIGIN, 0);
    intent->role_forced = true;
}

void prepare_rollback(struct machine *machine, struct intent *intent)
{
    prepare(machine, intent, ACTION_MERGE, ROLE_BACKUP);
}

void prepare_rollback_sibling(struct machine *machine, struct intent *intent)
{
    prepare(machine, intent, ACTION_MERGE, ROLE_BACKUP);
    add_sibling(machine);
}

static void prepare_rollback_open(struct machine *machine, struct intent *intent)
{
    prepare(machine, intent, ACTION_MERGE, ROLE_BACKUP);
    intent->drop_open = true;
    open_device(machine, S);
}

void prepare_drop(struct machine *machine, struct intent *intent)
{
    prepare(machine, intent, ACTION_DROP, ROLE_BACKUP);
}

void prepare_drop_sibling(struct machine *machine, struct intent *intent)
{
    prepare(machine, intent, ACTION_DROP, ROLE_BACKUP);
    add_sibling(machine);
    open_device(machine, D); /* the system runs on it: a drop does not mind */
}

static void prepare_drop_open(struct machine *machine, struct intent *intent)
{
    prepare(machine, intent, ACTION_DROP, ROLE_BACKUP);
    intent->drop_open = true;
    open_device(machine, S);
}

void prepare_live_drop(struct machine *machine, struct intent *intent)
{
    prepare(machine, intent, ACTION_DROP, ROLE_LIVE);
}

static void prepare_lost_drop(struct machine *machine, struct intent *intent)
{
    prepare(machine, intent, ACTION_DROP, ROLE_BACKUP);
    intent->lost = true;
    machine->stores[C].state = SNAPSHOT_INVALID;
}

static void prepare_lost_drop_open(struct machine *machine, struct intent *intent)
{
    prepare_drop_open(machine, intent);
    intent->lost = true;
    machine->stores[C].state = SNAPSHOT_OVERFLOW;
}

#define LIVE_MERGE_STEPS(end)                                                                                \
    "load S snapshot-merge\nresume S\nload S " end "\nresume S\nzero merged store C\nforget\n"
#define ROLLBACK_STEPS(remove, end)                                                                          \
    "load D snapshot-merge\nsuspend S\nresume while closed D\nload S error\nresume S\n" remove               \
    " S\nload D " end "\nresume D\nzero merged store C\nforget\n"
#define DROP_STEPS      "remove S\nzero store C\nforget\n"
#define DROP_OPEN_STEPS "load S error\nresume S\ndeferred remove S\nzero store C\nforget\n"

const struct scenario scenarios[N_SCENARIOS] = {
    [LIVE_MERGE] = {"live merge", prepare_live_merge, 2, LIVE_MERGE_STEPS("linear"),
                    "S: linear\nC: zeroed\n"},
    [LIVE_MERGE_OPEN] = {"live merge, mounted", prepare_live_merge_open, 2, LIVE_MERGE_STEPS("linear"),
                         "S: linear, open\nC: zeroed\n"},
    [LIVE_MERGE_SIBLING] = {"live merge, sibling", prepare_live_merge_sibling, 2,
                            LIVE_MERGE_STEPS("snapshot-origin"),
                            "S: snapshot-origin\nT: snapshot\nC: zeroed\nCT: 4100\n"},
    [LIVE_MERGE_FORCED] = {"live merge by the section's word", prepare_live_merge_forced, 2,
                           LIVE_MERGE_STEPS("linear"), "S: linear\nD: snapshot-origin\nC: zeroed\n"},
    [ROLLBACK] = {"rollback", prepare_rollback, 3, ROLLBACK_STEPS("remove", "linear"),
                  "D: linear\nC: zeroed\n"},
    [ROLLBACK_SIBLING] = {"rollback, sibling", prepare_rollback_sibling, 3,
                          ROLLBACK_STEPS("remove", "snapshot-origin"),
                          "D: snapshot-origin\nT: snapshot\nC: zeroed\nCT: 4100\n"},
    [ROLLBACK_OPEN] = {"rollback, snapshot open", prepare_rollback_open, 3,
                       ROLLBACK_STEPS("deferred remove", "linear"),
                       "S: error, open, deferred\nD: linear\nC: zeroed\n"},
    [DROP] = {"drop", prepare_drop, 1, DROP_STEPS, "D: snapshot-origin\nC: zeroed\n"},
    [DROP_SIBLING] = {"drop, sibling", prepare_drop_sibling, 1, DROP_STEPS,
                      "D: snapshot-origin, open\nT: snapshot\nC: zeroed\nCT: 100\n"},
    [DROP_OPEN] = {"drop, open", prepare_drop_open, 2, DROP_OPEN_STEPS,
                   "S: error, open, deferred\nD: snapshot-origin\nC: zeroed\n"},
    [LIVE_DROP] = {"live drop", prepare_live_drop, 1, DROP_STEPS, "C: zeroed\n"},
    [LOST_DROP] = {"lost drop", prepare_lost_drop, 1, DROP_STEPS, "D: snapshot-origin\nC: zeroed\n"},
    [LOST_DROP_OPEN] = {"lost drop, open", prepare_lost_drop_open, 2, DROP_OPEN_STEPS,
                        "S: error, open, deferred\nD: snapshot-origin\nC: zeroed\n"},
};
