#include "cowherd/growth.h"
#include "cowherd/bytes_text.h"
#include "cowherd/exception_store.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

__attribute__((format(printf, 2, 3))) static int refuse(char *reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, GROWTH_REASON_MAX, format, arguments);
    va_end(arguments);
    return -EBUSY;
}

/* ---- who uses a device */

static uint64_t end_sector(const struct target *target)
{
    uint64_t end;
    return __builtin_add_overflow(target->offset_sectors, target->length_sectors, &end) ? UINT64_MAX : end;
}

static bool maps(const struct target *target, dev_t number)
{
    return target->kind == TARGET_LINEAR && target->origin == number;
}

static bool has_target_beside_linear(const struct dm_table *table, dev_t number)
{
    for (size_t i = 0; i < table->n_targets; i++) {
        const struct target *target = &table->targets[i];
        if (target->kind != TARGET_LINEAR && (target->origin == number || target->store == number))
            return true;
    }
    return false;
}

static bool has_unknown_target(const struct dm_table *table)
{
    for (size_t i = 0; i < table->n_targets; i++)
        if (table->targets[i].kind == TARGET_OTHER)
            return true;
    return false;
}

static int check_holder(const struct observation *seen, const struct spare *spare, dev_t number, char *reason)
{
    const struct dm_device *holder = observation_find(seen, number);
    if (!holder)
        return refuse(reason, "%s is in use by another device (%u:%u)", spare->path, major(number),
                      minor(number));
    if (dm_device_is_lvm(holder))
        return refuse(reason, "%s is lvm's: it holds %s", spare->path, holder->name);
    if (has_unknown_target(&holder->active) || has_unknown_target(&holder->inactive))
        return refuse(reason, "%s is used by %s, in a way that is not known", spare->path, holder->name);
    return 0;
}

static int check_users(const struct observation *seen, const struct spare *spare, char *reason)
{
    for (size_t i = 0; i < seen->n_devices; i++) {
        const struct dm_device *device = &seen->devices[i];
        if (device->error)
            return refuse(reason, "%s cannot be read: %s", device->name, strerror(-device->error));
        if (has_target_beside_linear(&device->active, spare->number) ||
            has_target_beside_linear(&device->inactive, spare->number))
            return refuse(reason, "%s belongs to the snapshot device %s", spare->path, device->name);
    }
    return 0;
}

/* Extents of a device that writes through the snapshot would have to be copied into themselves. */
static int check_stack(const struct intent *intent, const struct spare *spare, char *reason)
{
    const struct {
        dev_t number;
        const char *what;
    } stack[] = {{intent->device, "the snapshot itself"},
                 {intent->store, "the store itself"},
                 {intent->origin, "the snapshot's origin"},
                 {intent->origin_user, "the snapshot's origin"}};
    for (size_t i = 0; i < sizeof(stack) / sizeof(stack[0]); i++)
        for (size_t j = 0; j < spare->n_below && stack[i].number; j++)
            if (spare->below[j] == stack[i].number)
                return refuse(reason, "extend-from = %s %s %s", spare->path,
                              spare->number == stack[i].number ? "is" : "lies on", stack[i].what);
    return 0;
}

int growth_check_spare(const struct observation *seen, const struct intent *intent, const struct spare *spare,
                       char reason[static GROWTH_REASON_MAX])
{
    int r = check_stack(intent, spare, reason);
    if (r == 0 && spare->has_partitions)
        r = refuse(reason, "%s has partitions: name one of them", spare->path);
    for (size_t i = 0; i < spare->n_holders && r == 0; i++)
        r = check_holder(seen, spare, spare->holders[i], reason);
    return r < 0 ? r : check_users(seen, spare, reason);
}

/* ---- free extents */

/* What a growing table is made from: everybody's tables, and its own as far as it has come. */
struct pool {
    const struct observation *seen;
    const struct dm_device *growing; /* its waiting table is replaced; NULL: nobody's */
    const struct dm_table *taken;
    dev_t number;
    uint64_t size_sectors;
    uint64_t align_sectors;
};

/* The run of sectors, all mapped or all free, that begins at `sector`, narrowed down by one table. */
struct run {
    uint64_t sector;
    uint64_t mapped_end; /* 0: free */
    uint64_t next_mapped;
};

static void narrow(struct run *run, const struct dm_table *table, dev_t number)
{
    for (size_t i = 0; i < table->n_targets; i++) {
        const struct target *target = &table->targets[i];
        uint64_t end = end_sector(target);
        if (!maps(target, number) || end <= run->sector)
            continue;
        if (target->offset_sectors > run->sector && target->offset_sectors < run->next_mapped)
            run->next_mapped = target->offset_sectors;
        if (target->offset_sectors <= run->sector && end > run->mapped_end)
            run->mapped_end = end;
    }
}

static struct run look_at(const struct pool *pool, uint64_t sector)
{
    struct run run = {.sector = sector, .next_mapped = pool->size_sectors};
    for (size_t i = 0; i < pool->seen->n_devices; i++) {
        const struct dm_device *device = &pool->seen->devices[i];
        narrow(&run, &device->active, pool->number);
        if (device != pool->growing)
            narrow(&run, &device->inactive, pool->number);
    }
    if (pool->taken)
        narrow(&run, pool->taken, pool->number);
    return run;
}

bool growth_is_mapped(const struct observation *seen, dev_t number, uint64_t sector)
{
    struct pool pool = {.seen = seen, .number = number};
    return look_at(&pool, sector).mapped_end != 0;
}

/* The sectors that are free at exactly this place. */
static uint64_t free_at(const struct pool *pool, uint64_t sector)
{
    struct run run = look_at(pool, sector);
    return run.mapped_end || run.next_mapped <= sector ? 0 : run.next_mapped - sector;
}

/* The first aligned free place from there on, and how much is free there; false: none. */
static bool find_free(const struct pool *pool, uint64_t from, uint64_t *ret_sector, uint64_t *ret_sectors)
{
    while (from < pool->size_sectors) {
        uint64_t past = from % pool->align_sectors;
        uint64_t sector = past ? from + pool->align_sectors - past : from;
        struct run run = look_at(pool, sector);
        uint64_t sectors = free_at(pool, sector);
        sectors -= sectors % pool->align_sectors;
        if (sectors > 0) {
            *ret_sector = sector;
            *ret_sectors = sectors;
            return true;
        }
        from = run.mapped_end ? run.mapped_end : run.next_mapped > sector ? run.next_mapped : sector + 1;
    }
    return false;
}

/* ---- the longer table */

static int copy_table(const struct dm_table *from, struct dm_table *to)
{
    for (size_t i = 0; i < from->n_targets; i++)
        if (dm_table_add(to, &from->targets[i]) < 0)
            return -ENOMEM;
    return 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The last target, where what lies behind it on the same device is free. Returns what it got longer by. */
static uint64_t lengthen_last(const struct pool *pool, struct dm_table *table, uint64_t missing)
{
    struct target *last = &table->targets[table->n_targets - 1];
    if (!maps(last, pool->number))
        return 0;
    uint64_t sectors = free_at(pool, end_sector(last));
    sectors = sectors >= missing ? missing : sectors - sectors % pool->align_sectors;
    last->length_sectors += sectors;
    return sectors;
}

static int add_extents(const struct pool *pool, struct dm_table *table, uint64_t *missing)
{
    uint64_t sector = GROWTH_RESERVED_SECTORS, sectors;
    while (*missing > 0 && table->n_targets < GROWTH_TARGETS_MAX &&
           find_free(pool, sector, &sector, &sectors)) {
        struct target target = {
            .kind = TARGET_LINEAR,
            .start_sectors = growth_length_sectors(table),
            .length_sectors = least(sectors, *missing),
            .origin = pool->number,
            .offset_sectors = sector,
            .status.state = SNAPSHOT_UNKNOWN,
        };
        if (dm_table_add(table, &target) < 0)
            return -ENOMEM;
        *missing -= target.length_sectors;
        sector += target.length_sectors;
    }
    return 0;
}

static int tell_shortage(const struct spare *spare, uint64_t wanted, uint64_t missing, size_t n_targets,
                         char *reason)
{
    char free_text[BYTES_TEXT_MAX], wanted_text[BYTES_TEXT_MAX];
    uint64_t limit = UINT64_MAX / SECTOR_BYTES;
    bytes_text(least(wanted - missing, limit) * SECTOR_BYTES, free_text);
    bytes_text(least(wanted, limit) * SECTOR_BYTES, wanted_text);
    if (n_targets >= GROWTH_TARGETS_MAX)
        refuse(reason, "no space: the store would be in more than %d pieces; on %s %s are free in few enough",
               GROWTH_TARGETS_MAX, spare->path, free_text);
    else
        refuse(reason, "no space: %s are wanted, and %s are free on %s", wanted_text, free_text, spare->path);
    return -ENOSPC;
}

int growth_make_table(const struct observation *seen, const struct dm_device *store,
                      const struct spare *spare, uint64_t goal_sectors, uint32_t extent_sectors,
                      struct dm_table *ret_table, char reason[static GROWTH_REASON_MAX])
{
    struct dm_table table = {0};
    struct pool pool = {
        .seen = seen,
        .growing = store,
        .taken = &table,
        .number = spare->number,
        .size_sectors = spare->size_sectors,
        .align_sectors = extent_sectors,
    };
    uint64_t wanted = goal_sectors - growth_length_sectors(&store->active), missing = wanted;
    int r = copy_table(&store->active, &table);
    if (r == 0) {
        missing -= lengthen_last(&pool, &table, missing);
        r = add_extents(&pool, &table, &missing);
    }
    if (r == 0 && missing > 0)
        r = tell_shortage(spare, wanted, missing, table.n_targets, reason);
    if (r < 0)
        free(table.targets);
    else
        *ret_table = table;
    return r;
}

/* ---- a table that waits */

uint64_t growth_length_sectors(const struct dm_table *table)
{
    const struct target *last = table->n_targets ? &table->targets[table->n_targets - 1] : NULL;
    return last ? last->start_sectors + last->length_sectors : 0;
}

bool growth_is_linear(const struct dm_table *table)
{
    for (size_t i = 0; i < table->n_targets; i++)
        if (table->targets[i].kind != TARGET_LINEAR)
            return false;
    return table->n_targets > 0;
}

/* The last one alone can be longer: the next one's start is compared, too. */
static bool goes_on(const struct target *longer, const struct target *target)
{
    return longer->start_sectors == target->start_sectors && maps(longer, target->origin) &&
           longer->offset_sectors == target->offset_sectors &&
           longer->length_sectors >= target->length_sectors;
}

bool growth_waits(const struct dm_device *store, uint64_t goal_sectors)
{
    const struct dm_table *active = &store->active, *waiting = &store->inactive;
    if (!store->has_inactive || waiting->n_targets < active->n_targets || !growth_is_linear(active) ||
        !growth_is_linear(waiting) || growth_length_sectors(active) >= goal_sectors ||
        growth_length_sectors(waiting) != goal_sectors)
        return false;
    for (size_t i = 0; i < active->n_targets; i++)
        if (!goes_on(&waiting->targets[i], &active->targets[i]))
            return false;
    return true;
}

static bool table_maps_range(const struct dm_table *table, dev_t number, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < table->n_targets; i++)
        if (maps(&table->targets[i], number) && table->targets[i].offset_sectors < to &&
            end_sector(&table->targets[i]) > from)
            return true;
    return false;
}

const struct dm_device *growth_find_collision(const struct observation *seen, const struct dm_device *store)
{
    for (size_t i = store->active.n_targets - 1; i < store->inactive.n_targets; i++) {
        const struct target *added = &store->inactive.targets[i];
        uint64_t old = i < store->active.n_targets ? store->active.targets[i].length_sectors : 0;
        for (size_t j = 0; j < seen->n_devices && added->length_sectors > old; j++) {
            const struct dm_device *device = &seen->devices[j];
            uint64_t from = added->offset_sectors + old;
            if (table_maps_range(&device->active, added->origin, from, end_sector(added)) ||
                (device != store &&
                 table_maps_range(&device->inactive, added->origin, from, end_sector(added))))
                return device;
        }
    }
    return NULL;
}
