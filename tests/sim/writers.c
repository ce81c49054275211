#include "writers.h"
#include "counters.h"
#include "devices.h"
#include "oracle.h"

#define SECOND_USEC UINT64_C(1000000)
#define SLICE_USEC  UINT64_C(100000)

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
uint64_t writers_fill_rate(const struct group *group)
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

bool writers_may_fill(const struct group *group, size_t index)
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
    counters_write(devices_store(group, index == S ? C : CT), written * group->setup->writes_per_chunk,
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
            counters_write(devices_store(group, i),
                           (group->machine.stores[i].exceptions - before[i]) * group->setup->writes_per_chunk,
                           group->setup->writer_cpus);
}

static void write_for(struct group *group, uint64_t usec, const bool could_fill[2])
{
    uint64_t chunks = take_chunks(group, &group->fill_carried, writers_fill_rate(group), usec);
    for (size_t i = 0; i < 2 && chunks > 0; i++)
        if (could_fill[i])
            fill(group, i == 0 ? S : T, chunks);
}

void writers_advance(struct group *group, uint64_t usec)
{
    bool could_fill[2] = {writers_may_fill(group, S), writers_may_fill(group, T)};
    write_for(group, usec, could_fill);
    if (devices_are_merging(group))
        advance_merge(group, usec);
    note_losses(group, could_fill);
}

void writers_take_slice(struct group *group)
{
    bool could_fill[2] = {writers_may_fill(group, S), writers_may_fill(group, T)};
    write_for(group, SLICE_USEC, could_fill);
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
    uint64_t writes = counters_until_fired(devices_store(group, store), group->setup->writer_cpus);
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
uint64_t writers_next_usec(void)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < world.history->n_groups; i++) {
        const struct group *group = &world.groups[i];
        uint64_t rate = writers_fill_rate(group);
        if (devices_are_merging(group))
            next = min(next, merge_count_usec(group));
        for (size_t j = 0; j < 2 && rate > 0; j++) {
            size_t index = j == 0 ? S : T;
            if (writers_may_fill(group, index))
                next = min(next, min(loss_usec(group, index, rate), count_usec(group, index, rate)));
        }
    }
    return next;
}

void writers_write_at(struct group *group, uint64_t bytes_per_second)
{
    struct model_device *device = devices_written(group);
    devices_open(group, device, &group->is_mounted, true);
    group->write_bytes_per_second = bytes_per_second;
    oracle_writes(group);
}
