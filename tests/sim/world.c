#include "world.h"
#include "children.h"
#include "counters.h"
#include "oracle.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECOND_USEC UINT64_C(1000000)

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

/* ---- devices */

static dev_t group_device(const struct group *group, size_t index)
{
    return makedev(254, group->index * 8 + (unsigned)index + 1);
}

dev_t world_origin(const struct group *group)
{
    return makedev(8, group->index * 16 + 1);
}

dev_t world_store(const struct group *group, size_t store)
{
    if (store == CT)
        return makedev(8, group->index * 16 + 2);
    return group->setup->is_linear ? group_device(group, X) : makedev(7, group->index);
}

struct group *world_group_of(dev_t number)
{
    for (size_t i = 0; i < world.history->n_groups; i++) {
        struct group *group = &world.groups[i];
        bool is_device = major(number) == 254 && minor(number) / 8 == group->index;
        if (is_device || number == world_store(group, C) || number == world_store(group, CT))
            return group;
    }
    return NULL;
}

struct model_device *world_device(dev_t number, struct group **ret_group)
{
    struct group *group = world_group_of(number);
    if (ret_group)
        *ret_group = group;
    return group ? find_device(&group->machine, number) : NULL;
}

static struct target table_for(const struct group *group, size_t index)
{
    const struct group_setup *setup = group->setup;
    struct target target = {.length_sectors = setup->origin_sectors, .origin = world_origin(group)};
    if (index == X)
        return (struct target){.kind = TARGET_LINEAR,
                               .length_sectors = setup->store_sectors,
                               .origin = makedev(8, group->index * 16 + 3)};
    if (index == D) {
        target.kind = TARGET_SNAPSHOT_ORIGIN;
        return target;
    }
    target.kind = TARGET_SNAPSHOT;
    target.store = world_store(group, index == S ? C : CT);
    target.store_type = setup->store_type;
    target.chunk_sectors = setup->chunk_sectors;
    return target;
}

static void make_device(struct group *group, size_t index)
{
    struct model_device *device = &group->machine.devices[index];
    if (device->exists || world.n_uuids >= UUIDS_MAX)
        return;
    *device = (struct model_device){
        .exists = true,
        .number = group_device(group, index),
        .disk_sequence = ++world.n_sequences,
        .active = {.targets = {table_for(group, index)}, .n_targets = 1, .resumed = true, .valid = true},
    };
    snprintf(device->name, sizeof(device->name), "%c%u", "sdtx"[index], group -> index);
    snprintf(device->uuid, sizeof(device->uuid), "u%u", world.n_uuids++);
    world.dm_event = true;
}

static void make_store(struct group *group, size_t store, uint64_t sectors)
{
    group->machine.stores[store] = (struct model_store){
        .number = world_store(group, store),
        .chunk_sectors = group->setup->chunk_sectors,
        .total_sectors = sectors,
    };
    group->store_sequence = ++world.n_sequences;
}

static bool is_merging(const struct group *group)
{
    for (size_t i = 0; i < N_DEVICES; i++) {
        const struct model_device *device = &group->machine.devices[i];
        if (device->exists && device->active.n_targets == 1 &&
            device->active.targets[0].kind == TARGET_SNAPSHOT_MERGE)
            return true;
    }
    return false;
}

static bool has_snapshot(const struct group *group)
{
    const struct model_device *snapshot = &group->machine.devices[S];
    return snapshot->exists && snapshot->active.n_targets == 1 &&
           snapshot->active.targets[0].kind == TARGET_SNAPSHOT;
}

static void destroy_all(struct group *group)
{
    for (size_t i = 0; i < N_DEVICES; i++)
        if (group->machine.devices[i].exists) {
            destroy_device(&group->machine, &group->machine.devices[i]);
            world.dm_event = true;
        }
}

static void create(struct group *group)
{
    if (has_snapshot(group) || is_merging(group))
        return;
    bool was_mounted = group->is_mounted;
    destroy_all(group);
    make_store(group, C, group->setup->store_sectors);
    make_store(group, CT, group->setup->sibling_sectors);
    if (group->setup->is_linear)
        make_device(group, X);
    if (!group->setup->is_live)
        make_device(group, D);
    make_device(group, S);
    if (group->setup->has_sibling)
        make_device(group, T);
    group->fill_carried = group->merge_carried = 0;
    group->is_mounted = group->is_read = false;
    group->cap = BRAKE_FREE; /* it went with the device */
    group->write_bytes_per_second = was_mounted ? group->write_bytes_per_second : 0;
    world_disturb(group);
    world_trace("group %u is made anew", group->index);
}

/* ---- writers */

static void set_open(struct model_device *device, bool *is_open, bool wanted)
{
    if (!device->exists || *is_open == wanted || children_hold(device->number) > 0)
        return; /* … or a child has it for itself */
    *is_open = wanted;
    if (wanted)
        device->open_count++;
}

struct model_device *world_written(struct group *group)
{
    return &group->machine.devices[group->setup->is_live ? S : D];
}

static void release(struct group *group, size_t index, bool *is_open)
{
    if (*is_open && group->machine.devices[index].exists && group->machine.devices[index].open_count > 0) {
        bool goes = group->machine.devices[index].deferred_remove;
        close_device(&group->machine, index);
        world.dm_event = world.dm_event || (goes && !group->machine.devices[index].exists);
    }
    *is_open = false;
}

static void unmount(struct group *group)
{
    group->write_bytes_per_second = 0;
    release(group, group->setup->is_live ? S : D, &group->is_mounted);
}

static uint64_t writes_per_second_times(const struct group *group, uint64_t bytes_each)
{
    uint64_t bytes = group->write_bytes_per_second, each = group->setup->write_bytes;
    if (group->cap.bytes_per_second < bytes)
        bytes = group->cap.bytes_per_second;
    uint64_t uncapped = (uint64_t)((unsigned __int128)bytes * bytes_each / each);
    if (group->cap.writes_per_second == UINT64_MAX || group->cap.writes_per_second > bytes / each)
        return uncapped;
    return group->cap.writes_per_second * bytes_each;
}

/* A small write costs a whole chunk. */
uint64_t world_fill_rate(const struct group *group)
{
    const struct model_device *written = &group->machine.devices[group->setup->is_live ? S : D];
    uint64_t chunk_bytes = group->setup->chunk_sectors * UINT64_C(512), write = group->setup->write_bytes;
    bool fills = written->exists && !written->suspended && group->is_mounted &&
                 group->write_bytes_per_second > 0 && written->active.n_targets == 1;
    enum target_kind wanted = group->setup->is_live ? TARGET_SNAPSHOT : TARGET_SNAPSHOT_ORIGIN;
    if (!fills || written->active.targets[0].kind != wanted)
        return 0;
    return writes_per_second_times(group, write > chunk_bytes ? write : chunk_bytes);
}

/* Other snapshots need not be empty ones. */
static void refill(struct group *group, size_t index, uint64_t exceptions)
{
    struct model_device *device = &group->machine.devices[index];
    uint64_t most = model_capacity(&group->machine.stores[index == S ? C : CT]);
    if (device->exists)
        model_fill(&group->machine, device, exceptions < most ? exceptions : most);
}

void world_replace(struct group *group)
{
    bool is_busy = !has_snapshot(group) || is_merging(group);
    for (size_t i = 0; i < N_DEVICES; i++) {
        const struct model_device *device = &group->machine.devices[i];
        is_busy = is_busy || (device->exists && (device->suspended || device->inactive.n_targets > 0 ||
                                                 children_hold(device->number) > 0));
    }
    if (is_busy)
        return;
    unmount(group);
    release(group, S, &group->is_read);
    uint64_t exceptions[N_STORES];
    for (size_t i = 0; i < N_STORES; i++)
        exceptions[i] = group->machine.stores[i].exceptions;
    destroy_all(group);
    create(group);
    if (random_percent(&world.random, 50))
        return;
    refill(group, S, exceptions[C]);
    refill(group, T, exceptions[CT]);
}

/* ---- filling and merging */

static bool may_fill(const struct group *group, size_t index)
{
    const struct model_device *device = &group->machine.devices[index];
    return device->exists && device->active.n_targets == 1 &&
           device->active.targets[0].kind == TARGET_SNAPSHOT && device->active.valid &&
           group->machine.stores[index == S ? C : CT].state == SNAPSHOT_VALID &&
           (index == S || !group->setup->is_live);
}

static void note_losses(struct group *group, const bool could_fill[2])
{
    for (size_t i = 0; i < 2; i++) {
        size_t index = i == 0 ? S : T;
        const struct model_device *device = &group->machine.devices[index];
        bool invalid = device->exists && !device->active.valid;
        bool overflowed = device->exists && group->machine.stores[i == 0 ? C : CT].state != SNAPSHOT_VALID;
        if (!could_fill[i] || (!invalid && !overflowed))
            continue;
        world.dm_event = world.dm_event || invalid; /* an overflow raises none */
        world_trace("%s is lost: its store has filled", device->name);
        oracle_lost(group, index);
    }
}

/* No chunk of the origin is copied twice. */
static uint64_t not_copied_yet(const struct group *group, size_t index)
{
    uint64_t chunks = group->setup->origin_sectors / group->setup->chunk_sectors;
    uint64_t copied = group->machine.stores[index == S ? C : CT].exceptions;
    return chunks > copied ? chunks - copied : 0;
}

static uint64_t take_chunks(const struct group *group, unsigned __int128 *carried, uint64_t bytes_per_second,
                            uint64_t usec)
{
    uint64_t unit = group->setup->chunk_sectors * UINT64_C(512) * SECOND_USEC;
    *carried += (unsigned __int128)bytes_per_second * usec;
    uint64_t chunks = (uint64_t)(*carried / unit);
    *carried %= unit;
    return chunks;
}

/* An exception costs its store at least one write. */
static void fill(struct group *group, size_t index, uint64_t chunks)
{
    uint64_t left = not_copied_yet(group, index), copied = chunks < left ? chunks : left;
    uint64_t written = group->setup->rewrites ? chunks : copied;
    if (copied > 0)
        model_fill(&group->machine, &group->machine.devices[index], copied);
    counters_write(world_store(group, index == S ? C : CT), written * group->setup->writes_per_chunk,
                   group->setup->writer_cpus);
}

/* What it writes to the origin the siblings copy out first. */
static void advance_merge(struct group *group, uint64_t usec)
{
    uint64_t before[N_STORES], rate = group->setup->merge_bytes_per_second;
    for (size_t i = 0; i < N_STORES; i++)
        before[i] = group->machine.stores[i].exceptions;
    merge(&group->machine, take_chunks(group, &group->merge_carried, rate, usec));
    for (size_t i = 0; i < N_STORES; i++)
        if (group->machine.stores[i].exceptions > before[i])
            counters_write(world_store(group, i),
                           (group->machine.stores[i].exceptions - before[i]) * group->setup->writes_per_chunk,
                           group->setup->writer_cpus);
}

static void advance_group(struct group *group, uint64_t usec)
{
    bool could_fill[2] = {may_fill(group, S), may_fill(group, T)};
    uint64_t chunks = take_chunks(group, &group->fill_carried, world_fill_rate(group), usec);
    for (size_t i = 0; i < 2 && chunks > 0; i++)
        if (could_fill[i])
            fill(group, i == 0 ? S : T, chunks);
    if (is_merging(group))
        advance_merge(group, usec);
    note_losses(group, could_fill);
}

/* When so many chunks more have come, less than one of which has come already. */
static uint64_t come_usec(const struct group *group, uint64_t chunks, unsigned __int128 carried,
                          uint64_t rate)
{
    unsigned __int128 unit = group->setup->chunk_sectors * UINT64_C(512) * SECOND_USEC;
    unsigned __int128 missing = chunks * unit - carried;
    return world.clock_usec + (uint64_t)((missing + rate - 1) / rate);
}

/* When a snapshot's store has no room for what comes next. */
static uint64_t loss_usec(const struct group *group, size_t index, uint64_t rate)
{
    const struct model_store *store = &group->machine.stores[index == S ? C : CT];
    uint64_t chunks = model_capacity(store) - store->exceptions + 1;
    return chunks > not_copied_yet(group, index) ? UINT64_MAX
                                                 : come_usec(group, chunks, group->fill_carried, rate);
}

/* Chunks until a counter of the writes to a store fires; UINT64_MAX: none is armed. */
static uint64_t chunks_until_fired(const struct group *group, size_t store)
{
    uint64_t each = group->setup->writes_per_chunk;
    uint64_t writes = counters_until_fired(world_store(group, store), group->setup->writer_cpus);
    return writes > UINT64_MAX - each ? UINT64_MAX : (writes + each - 1) / each;
}

static uint64_t count_usec(const struct group *group, size_t index, uint64_t rate)
{
    uint64_t chunks = chunks_until_fired(group, index == S ? C : CT);
    if (chunks == UINT64_MAX)
        return UINT64_MAX;
    bool comes = group->setup->rewrites || chunks <= not_copied_yet(group, index);
    return comes ? come_usec(group, chunks, group->fill_carried, rate) : UINT64_MAX;
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A merge's writes are counted in its siblings' stores. */
static uint64_t merge_count_usec(const struct group *group)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < N_STORES; i++) {
        uint64_t chunks = chunks_until_fired(group, i);
        if (chunks != UINT64_MAX)
            next = min(next,
                       come_usec(group, chunks, group->merge_carried, group->setup->merge_bytes_per_second));
    }
    return next;
}

/* Of what comes of writing alone. */
static uint64_t next_writing_usec(void)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < world.history->n_groups; i++) {
        const struct group *group = &world.groups[i];
        uint64_t rate = world_fill_rate(group);
        if (is_merging(group))
            next = min(next, merge_count_usec(group));
        for (size_t j = 0; j < 2 && rate > 0; j++) {
            size_t index = j == 0 ? S : T;
            if (may_fill(group, index))
                next = min(next, min(loss_usec(group, index, rate), count_usec(group, index, rate)));
        }
    }
    return next;
}

/* ---- what happens */

static void write_at(struct group *group, uint64_t bytes_per_second)
{
    struct model_device *device = world_written(group);
    set_open(device, &group->is_mounted, true);
    group->write_bytes_per_second = bytes_per_second;
    oracle_writes(group);
}

static void remove_snapshots(struct group *group)
{
    static const size_t indexes[] = {S, T};
    if (is_merging(group))
        return;
    if (group->setup->is_live)
        unmount(group);
    release(group, S, &group->is_read);
    for (size_t i = 0; i < 2; i++) {
        struct model_device *device = &group->machine.devices[indexes[i]];
        if (device->exists && device->open_count == 0 && !device->suspended) {
            destroy_device(&group->machine, device);
            world.dm_event = true;
        }
    }
}

static void merge_by_somebody(struct group *group)
{
    struct model_device *snapshot = &group->machine.devices[S];
    if (!group->setup->is_live || !has_snapshot(group) || snapshot->inactive.n_targets > 0 ||
        snapshot->suspended || is_merging(group) || group->machine.devices[T].exists)
        return;
    struct target target = snapshot->active.targets[0];
    target.kind = TARGET_SNAPSHOT_MERGE;
    if (model_load(&group->machine, snapshot, &target) == 0)
        model_resume(&group->machine, snapshot);
    snapshot->suspended = false;
    world.dm_event = true;
    oracle_merged_by_somebody(group);
}

static void fail_io(struct group *group)
{
    struct model_device *snapshot = &group->machine.devices[S];
    if (!may_fill(group, S))
        return;
    snapshot->active.valid = false;
    world.dm_event = true;
    world_disturb(group);
}

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
        write_at(group, item->a);
        break;
    case ITEM_UNMOUNT:
        unmount(group);
        break;
    case ITEM_OPEN:
        set_open(snapshot, &group->is_read, !group->setup->is_live);
        break;
    case ITEM_CLOSE:
        release(group, S, &group->is_read);
        break;
    case ITEM_CREATE:
        create(group);
        break;
    case ITEM_REMOVE:
        remove_snapshots(group);
        break;
    case ITEM_MERGE:
        merge_by_somebody(group);
        break;
    case ITEM_IO_ERROR:
        fail_io(group);
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
    uint64_t writing = next_writing_usec();
    return item ? min(item->at_usec, writing) : writing;
}

static void go_on(uint64_t to_usec)
{
    uint64_t usec = to_usec > world.clock_usec ? to_usec - world.clock_usec : 0;
    for (size_t i = 0; i < world.history->n_groups; i++)
        advance_group(&world.groups[i], usec);
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
        create(&world.groups[i]);
    }
}
