/* kernel.h over the model kernels: what the daemon and its children see, and what they change. */
#include "children.h"
#include "cowherd/kernel.h"
#include "devices.h"
#include "loop.h"
#include "oracle.h"
#include "world.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define SAMPLE_USEC  20 /* an ioctl; sometimes a hundred times as long */
#define EVENTS_FD    999
#define COOKIE_FIRST 1

void kernel_open(void (*log)(int priority, const char *message))
{
    (void)log;
}

/* The daemon waits for its own calls. */
static void pass(uint64_t usec)
{
    if (random_percent(&world.random, 1))
        usec *= 100;
    world_advance(world.clock_usec + random_between(&world.random, 1, usec));
}

/* Whether a look of the daemon's fails, as the history wants. */
static bool is_blind(void)
{
    if (world.n_blind == 0)
        return false;
    world.n_blind--;
    world_disturb_all();
    return true;
}

int kernel_observe(struct observation *ret_observation)
{
    int r = children_call();
    if (r < 0)
        return r;
    if (children_is_daemon()) {
        pass(SAMPLE_USEC * 10);
        loop_figures.complete_looks++;
        if (is_blind())
            return oracle_look_failed(), -ENOMEM;
    }
    struct observation seen = {0};
    for (size_t i = 0; i < world.history->n_groups; i++)
        observe(&world.groups[i].machine, &seen);
    *ret_observation = seen;
    if (!children_is_daemon())
        children_look();
    return 0;
}

void kernel_recycle(struct observation *observation)
{
    observation_done(observation);
}

/* As the kernel's status lines tell: kinds and places, not what they are over. */
static bool is_same_table(const struct dm_table *a, const struct dm_table *b)
{
    if (a->n_targets != b->n_targets)
        return false;
    for (size_t i = 0; i < a->n_targets; i++)
        if (a->targets[i].kind != b->targets[i].kind ||
            a->targets[i].length_sectors != b->targets[i].length_sectors)
            return false;
    return true;
}

static void keep_identity(const struct dm_device *known, struct dm_device *fresh)
{
    strcpy(fresh->name, known->name);
    strcpy(fresh->uuid, known->uuid);
    fresh->disk_sequence = known->disk_sequence;
    for (size_t i = 0; i < fresh->active.n_targets; i++) {
        struct snapshot_status status = fresh->active.targets[i].status;
        fresh->active.targets[i] = known->active.targets[i];
        fresh->active.targets[i].status = status;
    }
}

int kernel_sample(const struct dm_device *known, struct dm_device *ret_device)
{
    struct dm_device fresh = {0};
    struct group *group;
    pass(SAMPLE_USEC);
    loop_figures.looks++;
    struct model_device *device = devices_find(known->number, &group);
    bool blind = is_blind();
    if (!device || blind || device->error) {
        oracle_asked(known->number);
        return !device ? -ENXIO : blind ? -EIO : device->error;
    }
    show_device(&group->machine, device, &fresh);
    if (!is_same_table(&known->active, &fresh.active)) {
        dm_device_done(&fresh);
        oracle_asked(known->number);
        return -ESTALE;
    }
    keep_identity(known, &fresh);
    if (known->has_inactive != fresh.has_inactive)
        oracle_shows_waiting();
    *ret_device = fresh;
    return 0;
}

int kernel_events_open(int *ret_fd)
{
    *ret_fd = EVENTS_FD;
    return 0;
}

int kernel_events_arm(int fd)
{
    (void)fd;
    world.dm_event = false;
    oracle_causes_look();
    return 0;
}

/* ---- changes */

typedef int (*change_function)(struct group *group, struct model_device *device, const void *argument);

static int change(dev_t number, change_function operation, const void *argument)
{
    struct group *group;
    int r = children_call();
    if (r < 0)
        return r;
    struct model_device *device = devices_find(number, &group);
    return device ? operation(group, device, argument) : -ENXIO;
}

static int load(struct group *group, struct model_device *device, const void *table)
{
    oracle_changes(group, device, CHANGE_LOAD);
    return model_load(&group->machine, device, table);
}

static int clear(struct group *group, struct model_device *device, const void *argument)
{
    (void)argument;
    destroy_table(&group->machine, &device->inactive);
    return 0;
}

static int suspend(struct group *group, struct model_device *device, const void *argument)
{
    (void)argument;
    oracle_changes(group, device, CHANGE_SUSPEND);
    device->suspended = true;
    return 0;
}

/* A store that is a dm device is as long as its table. */
static int resume(struct group *group, struct model_device *device, const void *argument)
{
    struct model_store *store = &group->machine.stores[C];
    (void)argument;
    oracle_changes(group, device, device->inactive.n_targets ? CHANGE_SWAP : CHANGE_RESUME);
    bool swaps = device->inactive.n_targets > 0 || device->suspended;
    unsigned own = children_hold(device->number); /* is not somebody else who has it open */
    device->open_count -= own;
    int r = model_resume(&group->machine, device);
    device->open_count += own;
    if (store->number == device->number && device->active.n_targets == 1)
        store->total_sectors = device->active.targets[0].length_sectors;
    world.dm_event = world.dm_event || swaps;
    return r;
}

static int take_away(struct group *group, struct model_device *device, const void *deferred)
{
    oracle_changes(group, device, CHANGE_REMOVE);
    int r = model_remove(&group->machine, device, *(const bool *)deferred);
    if (r == 0)
        world.dm_event = true;
    return r;
}

int kernel_load(dev_t device, const struct target *target)
{
    return change(device, load, target);
}

int kernel_load_table(dev_t device, const struct dm_table *table)
{
    return change(device, load, &table->targets[0]);
}

int kernel_clear(dev_t device)
{
    return change(device, clear, NULL);
}

int kernel_suspend(dev_t device)
{
    return change(device, suspend, NULL);
}

int kernel_resume(dev_t device, uint32_t cookie)
{
    (void)cookie;
    return change(device, resume, NULL);
}

int kernel_remove(dev_t device, bool deferred, uint32_t cookie)
{
    (void)cookie;
    return change(device, take_away, &deferred);
}

/* ---- the rest */

int kernel_open_count(dev_t device, unsigned *ret_count)
{
    const struct model_device *found = devices_find(device, NULL);
    if (!found)
        return -ENXIO;
    *ret_count = found->open_count;
    return 0;
}

/* The acting child alone does, to keep others away. */
int kernel_device_open(dev_t device, int flags)
{
    return flags & O_EXCL ? children_open(device) : -EINVAL;
}

int kernel_disk_sequence(dev_t device, uint64_t *ret_sequence)
{
    struct group *group;
    const struct model_device *found = devices_find(device, &group);
    if (!group)
        return -ENXIO;
    *ret_sequence = found ? found->disk_sequence : group->store_sequence;
    return 0;
}

/* Only the accounts want it, for people. */
int kernel_device_node(dev_t device, char path[static KERNEL_NODE_MAX])
{
    (void)device, (void)path;
    return -ENXIO;
}

void kernel_node_of_name(const char *name, char path[static KERNEL_NODE_MAX])
{
    snprintf(path, KERNEL_NODE_MAX, "/dev/mapper/%s", name);
}

int kernel_device_sectors(dev_t device, uint64_t *ret_sectors)
{
    const struct group *group = devices_group_of(device);
    if (!group)
        return -ENXIO;
    *ret_sectors = group->machine.stores[device == devices_store(group, CT) ? CT : C].total_sectors;
    return 0;
}

int kernel_cookie_choose(uint32_t *ret_cookie)
{
    *ret_cookie = COOKIE_FIRST;
    return 0;
}

int kernel_cookie_create(uint32_t cookie)
{
    (void)cookie;
    return children_call();
}

int kernel_cookie_release(uint32_t cookie, uint64_t wait_usec)
{
    (void)cookie, (void)wait_usec;
    return children_call();
}
