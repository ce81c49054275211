#include "model_kernel.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const char *const device_names[N_DEVICES] = {"S", "D", "T", "X"};
static const char *const store_names[] = {"C", "CT"};

dev_t device_number(size_t index)
{
    return makedev(254, (unsigned)index + 1);
}

struct model_device *find_device(struct machine *machine, dev_t number)
{
    for (size_t i = 0; i < N_DEVICES; i++)
        if (machine->devices[i].exists && machine->devices[i].number == number)
            return &machine->devices[i];
    return NULL;
}

static struct model_store *find_store(struct machine *machine, dev_t number)
{
    for (size_t i = 0; i < N_STORES; i++)
        if (machine->stores[i].number && machine->stores[i].number == number)
            return &machine->stores[i];
    if (number == STORE || number == LOOP_STORE)
        return &machine->stores[C];
    return number == SIBLING_STORE ? &machine->stores[CT] : NULL;
}

/* Those who have a store, or wait for it: the kernel lets no more than one of each be. */
struct sharing {
    struct model_table *source, *destination;
    struct model_device *source_device;
    bool merging; /* any merge table over the origin, also one that waits */
};

static void share(struct sharing *sharing, struct model_device *device, struct model_table *table,
                  const struct target *like)
{
    const struct target *target = &table->targets[0];
    if (table->n_targets != 1 || !target_is_snapshot(target) || target->origin != like->origin)
        return;
    sharing->merging = sharing->merging || target->kind == TARGET_SNAPSHOT_MERGE;
    if (target->store != like->store)
        return;
    if (table->resumed) {
        sharing->source = table;
        sharing->source_device = device;
    } else {
        sharing->destination = table;
    }
}

static struct sharing find_sharing(struct machine *machine, const struct target *like)
{
    struct sharing sharing = {0};
    for (size_t i = 0; i < N_DEVICES; i++)
        if (machine->devices[i].exists) {
            share(&sharing, &machine->devices[i], &machine->devices[i].active, like);
            share(&sharing, &machine->devices[i], &machine->devices[i].inactive, like);
        }
    return sharing;
}

static bool is_snapshot_table(const struct model_table *table)
{
    return table->n_targets == 1 && target_is_snapshot(&table->targets[0]);
}

/* Who goes while another one waits for his store takes it with him. */
void destroy_table(struct machine *machine, struct model_table *table)
{
    if (is_snapshot_table(table)) {
        struct sharing sharing = find_sharing(machine, &table->targets[0]);
        if (sharing.source == table && sharing.destination)
            sharing.destination->valid = false;
    }
    *table = (struct model_table){0};
}

int model_load(struct machine *machine, struct model_device *device, const struct target *target)
{
    struct model_table table = {.targets = {*target}, .n_targets = 1, .valid = true};
    if (target_is_snapshot(target)) {
        struct sharing sharing = find_sharing(machine, target);
        if (target->chunk_sectors == 0 || target->store_type == STORE_TRANSIENT || sharing.destination ||
            (sharing.source && sharing.merging && target->kind == TARGET_SNAPSHOT_MERGE))
            return -EINVAL;
        if (sharing.source)
            table.targets[0].chunk_sectors = 0;
    }
    destroy_table(machine, &device->inactive);
    device->inactive = table;
    return 0;
}

static int check_resume(struct machine *machine, const struct model_table *table)
{
    struct sharing sharing = find_sharing(machine, &table->targets[0]);
    if (!sharing.source || !sharing.destination)
        return 0;
    return sharing.source == table || !sharing.source_device->suspended ? -EINVAL : 0;
}

static void take_over(struct machine *machine, struct model_table *table)
{
    struct sharing sharing = find_sharing(machine, &table->targets[0]);
    if (sharing.source && sharing.destination == table) {
        table->targets[0].chunk_sectors = sharing.source->targets[0].chunk_sectors;
        table->valid = sharing.source->valid;
        sharing.source->targets[0].chunk_sectors = 0;
        sharing.source->valid = false;
    }
    table->resumed = true;
}

static int resume_active(struct machine *machine, struct model_device *device)
{
    if (is_snapshot_table(&device->active)) {
        if (check_resume(machine, &device->active) < 0)
            return -EINVAL; /* suspended it stays */
        if (device->active.targets[0].kind == TARGET_SNAPSHOT_MERGE && !device->active.resumed &&
            device == &machine->devices[D] && device->open_count > 0)
            machine->swapped_while_open = true;
        take_over(machine, &device->active);
    }
    device->suspended = false;
    return 0;
}

/* With a table that waits: suspend, swap, resume, and the old table goes, all in one. */
int model_resume(struct machine *machine, struct model_device *device)
{
    if (device->inactive.n_targets == 0)
        return device->suspended ? resume_active(machine, device) : 0;
    /* The old table is still there while the new one is resumed: it stands in the free slot so long. */
    struct model_table old = device->active;
    device->active = device->inactive;
    device->inactive = old;
    device->suspended = true;
    int r = resume_active(machine, device);
    destroy_table(machine, &device->inactive);
    return r;
}

void destroy_device(struct machine *machine, struct model_device *device)
{
    destroy_table(machine, &device->active);
    destroy_table(machine, &device->inactive);
    *device = (struct model_device){0};
}

int model_remove(struct machine *machine, struct model_device *device, bool deferred)
{
    if (device->open_count > 0 && !deferred)
        return -EBUSY;
    if (device->open_count > 0)
        device->deferred_remove = true;
    else
        destroy_device(machine, device);
    return 0;
}

void open_device(struct machine *machine, size_t index)
{
    assert_true(machine->devices[index].exists);
    machine->devices[index].open_count++;
}

void close_device(struct machine *machine, size_t index)
{
    struct model_device *device = &machine->devices[index];
    assert_true(device->open_count > 0);
    if (--device->open_count == 0 && device->deferred_remove)
        destroy_device(machine, device);
}

int model_is_merged(struct machine *machine, dev_t number)
{
    const struct model_store *store = find_store(machine, number);
    assert_non_null(store);
    return store->exceptions > 0 ? -ENOTEMPTY : 0;
}

int model_zero(struct machine *machine, dev_t number, bool only_if_merged)
{
    struct model_store *store = find_store(machine, number);
    assert_non_null(store);
    for (size_t i = 0; i < N_DEVICES; i++) {
        const struct model_device *device = &machine->devices[i];
        if (device->exists &&
            ((device->active.n_targets > 0 && device->active.targets[0].store == number) ||
             (device->inactive.n_targets > 0 && device->inactive.targets[0].store == number)))
            return -EBUSY;
    }
    if (only_if_merged && store->exceptions > 0)
        return -ENOTEMPTY;
    store->exceptions = 0;
    store->zeroed = true;
    return 0;
}

static uint32_t chunk_sectors_of(const struct model_store *store)
{
    return store->chunk_sectors ? store->chunk_sectors : CHUNK_SECTORS;
}

uint64_t model_chunks_needed(const struct model_store *store, uint64_t exceptions)
{
    return 2 + exceptions + exceptions / (chunk_sectors_of(store) * 512 / 16);
}

uint64_t chunks_needed(uint64_t exceptions)
{
    return model_chunks_needed(&(struct model_store){0}, exceptions);
}

/* By search, so that it holds whatever the daemon's inverse of F does. */
uint64_t model_capacity(const struct model_store *store)
{
    uint64_t chunks = store->total_sectors / chunk_sectors_of(store), low = 0, high = chunks;
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        if (model_chunks_needed(store, middle) <= chunks)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

struct model_store *model_store_of(struct machine *machine, const struct model_device *device)
{
    return is_snapshot_table(&device->active) ? find_store(machine, device->active.targets[0].store) : NULL;
}

/* A live snapshot whose userspace knows of overflows gets one, any other becomes invalid. */
static void lose(struct machine *machine, struct model_device *device, struct model_store *store)
{
    const struct model_device *origin_user = &machine->devices[D];
    bool is_live = !origin_user->exists || origin_user == device;
    if (is_live && device->active.targets[0].store_type == STORE_PERSISTENT_OVERFLOW)
        store->state = SNAPSHOT_OVERFLOW;
    else
        device->active.valid = false;
}

void model_fill(struct machine *machine, struct model_device *device, uint64_t exceptions)
{
    struct model_store *store = model_store_of(machine, device);
    if (!store || !device->active.valid || store->state != SNAPSHOT_VALID)
        return;
    uint64_t room = model_capacity(store) - store->exceptions;
    store->exceptions += exceptions < room ? exceptions : room;
    if (exceptions > room)
        lose(machine, device, store);
}

static bool is_merging(const struct model_device *device)
{
    return device->exists && !device->suspended && is_snapshot_table(&device->active) &&
           device->active.targets[0].kind == TARGET_SNAPSHOT_MERGE && device->active.resumed &&
           device->active.valid;
}

/* What a merge writes to the origin the siblings copy out first. */
static void fill_siblings(struct machine *machine, const struct model_device *merging, uint64_t exceptions)
{
    for (size_t i = 0; i < N_DEVICES; i++) {
        struct model_device *device = &machine->devices[i];
        if (device->exists && is_snapshot_table(&device->active) &&
            device->active.targets[0].kind == TARGET_SNAPSHOT &&
            device->active.targets[0].store != merging->active.targets[0].store)
            model_fill(machine, device, exceptions);
    }
}

void merge(struct machine *machine, uint64_t exceptions)
{
    for (size_t i = 0; i < N_DEVICES; i++) {
        struct model_store *store = is_merging(&machine->devices[i])
                                        ? model_store_of(machine, &machine->devices[i])
                                        : NULL;
        if (!store)
            continue;
        if (exceptions > store->exceptions)
            exceptions = store->exceptions;
        store->exceptions -= exceptions;
        fill_siblings(machine, &machine->devices[i], exceptions);
    }
}

/* ---- what the model shows of itself */

static struct snapshot_status read_status(struct machine *machine, const struct target *target, bool valid)
{
    const struct model_store *store = find_store(machine, target->store);
    uint64_t chunk_sectors = target->chunk_sectors; /* 0 until its first resume: then it says 0/N 0 */
    if (!valid)
        return (struct snapshot_status){.state = SNAPSHOT_INVALID};
    if (!store || store->state != SNAPSHOT_VALID)
        return (struct snapshot_status){.state = store ? store->state : SNAPSHOT_UNKNOWN};
    return (struct snapshot_status){
        .state = SNAPSHOT_VALID,
        .used_sectors = model_chunks_needed(store, store->exceptions) * chunk_sectors,
        .total_sectors = store->total_sectors,
        .metadata_sectors = (model_chunks_needed(store, store->exceptions) - store->exceptions) *
                            chunk_sectors,
        .has_metadata = true,
    };
}

static void show_table(struct machine *machine, const struct model_table *table, bool active,
                       struct dm_table *shown)
{
    for (size_t i = 0; i < table->n_targets; i++) {
        struct target target = table->targets[i];
        target.status = (struct snapshot_status){.state = SNAPSHOT_UNKNOWN};
        if (active && target_is_snapshot(&target))
            target.status = read_status(machine, &target, table->valid);
        assert_int_equal(dm_table_add(shown, &target), 0);
    }
}

bool show_device(struct machine *machine, const struct model_device *device, struct dm_device *shown)
{
    if (!device->exists)
        return false;
    strcpy(shown->name, device->name);
    shown->number = device->number;
    shown->error = device->error;
    if (device->error)
        return true;
    strcpy(shown->uuid, device->uuid);
    shown->disk_sequence = device->disk_sequence;
    shown->open_count = device->open_count;
    shown->suspended = device->suspended;
    shown->deferred_remove = device->deferred_remove;
    shown->has_inactive = device->inactive.n_targets > 0;
    show_table(machine, &device->active, true, &shown->active);
    show_table(machine, &device->inactive, false, &shown->inactive);
    return true;
}

void observe(struct machine *machine, struct observation *seen)
{
    for (size_t i = 0; i < N_DEVICES; i++) {
        if (!machine->devices[i].exists)
            continue;
        struct dm_device *shown = observation_add(seen);
        assert_non_null(shown);
        show_device(machine, &machine->devices[i], shown);
    }
}

void append(char text[TEXT_MAX], const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text + length, TEXT_MAX - length, format, arguments);
    va_end(arguments);
    assert_true(n >= 0 && (size_t)n < TEXT_MAX - length);
}

static void describe_device(const struct model_device *device, char text[TEXT_MAX])
{
    append(text, "%s:", device->name);
    for (size_t i = 0; i < device->active.n_targets; i++) {
        const struct target *target = &device->active.targets[i];
        append(text, " %s", target_kind_name(target->kind));
        if (target->length_sectors != LENGTH_SECTORS || target->offset_sectors)
            append(text, " of another part");
        if (target->origin && target->origin != ORIGIN)
            append(text, " elsewhere");
    }
    if (is_snapshot_table(&device->active) && !device->active.valid)
        append(text, " invalid");
    if (device->inactive.n_targets > 0)
        append(text, ", waits %s", target_kind_name(device->inactive.targets[0].kind));
    if (device->suspended)
        append(text, ", suspended");
    if (device->open_count > 0)
        append(text, ", open");
    if (device->deferred_remove)
        append(text, ", deferred");
    append(text, "\n");
}

void describe(const struct machine *machine, char text[TEXT_MAX])
{
    text[0] = '\0';
    for (size_t i = 0; i < N_DEVICES; i++)
        if (machine->devices[i].exists)
            describe_device(&machine->devices[i], text);
    for (size_t i = 0; i < N_STORES; i++)
        if (machine->stores[i].zeroed)
            append(text, "%s: zeroed\n", store_names[i]);
        else if (machine->stores[i].total_sectors > 0)
            append(text, "%s: %d\n", store_names[i], (int)machine->stores[i].exceptions);
}
