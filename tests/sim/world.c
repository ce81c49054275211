#include "world.h"
#include "counters.h"
#include "devices.h"
#include "oracle.h"
#include "writers.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct world world;
bool world_traces;

void world_trace(const char *format, ...)
{
    va_list arguments;
    if (!world_traces)
        return;
    printf("%12.6f ", (double)world.clock_usec / 1e6);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void world_disturb(struct group *group)
{
    group->disturbed_usec = world.clock_usec;
    oracle_forgive(group);
}

void world_disturb_all(void)
{
    for (size_t i = 0; i < world.history->n_groups; i++)
        world_disturb(&world.groups[i]);
}

/* ---- what happens */

/* Of the machine and the daemon. Returns whether it was one of these. */
static bool happen_to_daemon(const struct item *item)
{
    switch (item->kind) {
    case ITEM_RELOAD:
        world.config = item->a;
        world.config_is_bad = item->b;
        world.hang_up = world.is_up;
        return true;
    case ITEM_CRASH:
        world.crash = world.is_up;
        world.down_usec = item->a;
        return true;
    case ITEM_CRASH_AT_CALL:
        world.calls_to_crash = item->a;
        world.down_usec = item->b;
        return true;
    case ITEM_STOP:
        world.terminate = world.is_up;
        world.down_usec = item->a;
        return true;
    case ITEM_LATE:
        world.late_usec = item->a;
        return true;
    default:
        return false;
    }
}

static bool happen_to_calls(const struct item *item)
{
    switch (item->kind) {
    case ITEM_FAIL:
        world.calls_to_failure = item->a;
        world.failure = -(int)item->b;
        return true;
    case ITEM_HANG:
        world.calls_to_hang = item->a;
        world.hang_usec = item->b;
        return true;
    case ITEM_BLIND:
        world.n_blind = (unsigned)item->a;
        return true;
    case ITEM_REPLACE:
        world.calls_to_replace = item->a;
        return true;
    case ITEM_NO_SPACE:
        world.no_space = item->a;
        return true;
    case ITEM_DISK_FULL:
        world.disk_full = item->a;
        return true;
    case ITEM_CPU:
        counters_go_stale();
        return true;
    default:
        return false;
    }
}

static void happen_to_group(struct group *group, const struct item *item)
{
    struct model_device *snapshot = &group->machine.devices[S];
    switch (item->kind) {
    case ITEM_WRITE:
        writers_write_at(group, item->a);
        break;
    case ITEM_UNMOUNT:
        devices_unmount(group);
        break;
    case ITEM_OPEN:
        devices_open(group, snapshot, &group->is_read, !group->setup->is_live);
        break;
    case ITEM_CLOSE:
        devices_close(group, S, &group->is_read);
        break;
    case ITEM_CREATE:
        devices_create(group);
        break;
    case ITEM_REMOVE:
        devices_remove_snapshots(group);
        break;
    case ITEM_MERGE:
        devices_merge_by_somebody(group);
        break;
    case ITEM_IO_ERROR:
        devices_fail_io(group);
        break;
    case ITEM_UNREADABLE:
        snapshot->error = snapshot->exists && item->a ? -EIO : 0;
        break;
    default:
        break;
    }
}

/* Nothing runs meanwhile. */
static void sleep_for(uint64_t usec)
{
    world.clock_usec += usec;
    world.slept_usec += usec;
    world.sleeps[world.n_sleeps].until_usec = world.clock_usec;
    world.sleeps[world.n_sleeps++].slept_usec = world.slept_usec;
}

uint64_t world_awake_usec(uint64_t at_usec)
{
    for (size_t i = world.n_sleeps; i-- > 0;)
        if (world.sleeps[i].until_usec <= at_usec)
            return at_usec - world.sleeps[i].slept_usec;
    return at_usec;
}

static void happen(const struct item *item)
{
    static const enum item_kind peaceful[] = {ITEM_WRITE, ITEM_RELOAD, ITEM_SLEEP, ITEM_CREATE, ITEM_CPU};
    bool is_peaceful = false;
    for (size_t i = 0; i < sizeof(peaceful) / sizeof(peaceful[0]); i++)
        is_peaceful = is_peaceful || item->kind == peaceful[i];
    world_trace("item %zu: %s, group %u, %" PRIu64 ", %" PRIu64, (size_t)(item - world.history->items),
                item_kind_name(item->kind), item->group, item->a, item->b);
    if (!is_peaceful)
        world_disturb_all();
    if (item->kind == ITEM_SLEEP)
        sleep_for(item->a);
    else if (!happen_to_daemon(item) && !happen_to_calls(item))
        happen_to_group(&world.groups[item->group], item);
}

static const struct item *next_item(void)
{
    while (world.next_item < world.history->n_items && world.history->left_out[world.next_item])
        world.next_item++;
    return world.next_item < world.history->n_items ? &world.history->items[world.next_item] : NULL;
}

uint64_t world_next_usec(void)
{
    const struct item *item = next_item();
    uint64_t writing = writers_next_usec();
    return item && item->at_usec < writing ? item->at_usec : writing;
}

static void go_on(uint64_t to_usec)
{
    uint64_t usec = to_usec > world.clock_usec ? to_usec - world.clock_usec : 0;
    for (size_t i = 0; i < world.history->n_groups; i++)
        writers_advance(&world.groups[i], usec);
    world.clock_usec += usec;
}

void world_advance(uint64_t to_usec)
{
    uint64_t next;
    while (!world.crash && (next = world_next_usec()) <= to_usec) {
        const struct item *item = next_item();
        go_on(next);
        if (item && item->at_usec <= world.clock_usec) {
            world.next_item++;
            happen(item);
        }
    }
    if (!world.crash)
        go_on(to_usec);
}

void world_begin(const struct history *history)
{
    world = (struct world){.history = history, .clock_usec = UINT64_C(100000000)};
    random_seed(&world.random, ~history->seed);
    counters_begin();
    for (size_t i = 0; i < history->n_groups; i++) {
        world.groups[i] = (struct group){
            .setup = &history->groups[i], .index = (unsigned)i, .cap = BRAKE_FREE};
        devices_create(&world.groups[i]);
    }
}
