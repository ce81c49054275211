#include "cowherd/herd.h"
#include "cowherd/exception_store.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One complete look. */
struct look {
    const struct observation *seen;
    struct origin_users users;
    bool unreadable; /* some device is */
    uint64_t now_usec;
    const struct herd_view *view;
};

static bool is_same(const struct member *member, const struct dm_device *device, const struct target *target)
{
    return member->device == device->number && member->disk_sequence == device->disk_sequence &&
           member->target.origin == target->origin && member->target.store == target->store &&
           member->target.start_sectors == target->start_sectors && strcmp(member->uuid, device->uuid) == 0;
}

/* The place of the first member on that device, or of whom it would be put before: they are in the devices' order. */
static size_t first_on(const struct herd *herd, dev_t device)
{
    size_t low = 0, high = herd->n_members;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (herd->members[middle]->device < device)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_on(const struct herd *herd, size_t i, dev_t device)
{
    return i < herd->n_members && herd->members[i]->device == device;
}

static struct member *find_member(const struct herd *herd, const struct dm_device *device,
                                  const struct target *target)
{
    for (size_t i = first_on(herd, device->number); is_on(herd, i, device->number); i++)
        if (is_same(herd->members[i], device, target))
            return herd->members[i];
    return NULL;
}

static struct member *add_member(struct herd *herd, dev_t device)
{
    if (herd->n_members == herd->n_allocated) {
        size_t n = herd->n_allocated ? herd->n_allocated * 2 : 16;
        struct member **members = reallocarray(herd->members, n, sizeof(*members));
        if (!members)
            return NULL;
        herd->members = members;
        herd->n_allocated = n;
    }
    struct member *member = calloc(1, sizeof(*member));
    if (!member)
        return NULL;
    size_t i = first_on(herd, device);
    while (is_on(herd, i, device))
        i++;
    struct member **place = herd->members + i;
    memmove(place + 1, place, (size_t)(herd->members + herd->n_members - place) * sizeof(*place));
    herd->n_members++;
    member->device = device;
    return *place = member;
}

static void tell(const struct herd_view *view, enum finding_kind kind, struct member *member,
                 uint32_t crossed)
{
    view->tell(&(struct finding){.kind = kind, .member = member, .crossed = crossed}, view->user);
}

/* The role: as the section says, else backup where the system uses the origin through another device. What
 * could not be read may be that device: a role that was known is kept. */
static void read_role(struct member *member, const struct look *look)
{
    const struct dm_device *user = origin_users_find(&look->users, member->target.origin, member->device);
    if (!user && member->role != ROLE_UNSET && look->unreadable)
        return;
    member->origin_user = user ? user->number : 0;
    member->origin_user_disk_sequence = user ? user->disk_sequence : 0;
    strcpy(member->origin_user_name, user ? user->name : "");
    strcpy(member->origin_user_uuid, user ? user->uuid : "");
    member->role_forced = member->policy && member->policy->role != ROLE_UNSET;
    if (member->role_forced)
        member->role = member->policy->role;
    else
        member->role = user ? ROLE_BACKUP : ROLE_LIVE;
}

static struct sample sample_of(const struct target *target, const struct fill_rate *rate, uint64_t now_usec)
{
    const struct snapshot_status *status = &target->status;
    struct exception_store store = {
        .total_sectors = status->total_sectors,
        .chunk_sectors = target->chunk_sectors,
        .persistent = target->store_type != STORE_TRANSIENT,
    };
    uint64_t bytes_left = exception_store_bytes_left(&store, status->used_sectors);
    return (struct sample){
        .taken_usec = now_usec,
        .used_sectors = status->used_sectors,
        .total_sectors = status->total_sectors,
        .chunks_left = exception_store_chunks_left(&store, status->used_sectors),
        .bytes_left = bytes_left,
        .rate_bytes_per_second = fill_rate_bytes_per_second(rate),
        .peak_bytes_per_second = fill_rate_peak_bytes_per_second(rate),
        .time_left_usec = fill_rate_time_left_usec(rate, bytes_left),
    };
}

static void measure(struct member *member, uint64_t now_usec, uint64_t slept_usec)
{
    fill_rate_update(&member->rate, now_usec - slept_usec, member->target.status.used_sectors * SECTOR_BYTES);
    member->sample = sample_of(&member->target, &member->rate, now_usec);
    member->has_sample = true;
}

bool herd_preview(const struct member *member, const struct snapshot_status *status, uint64_t now_usec,
                  uint64_t slept_usec, struct sample *ret_sample)
{
    struct target target = member->target;
    struct fill_rate rate = member->rate;
    if (status->state != SNAPSHOT_VALID)
        return false;
    target.status = *status;
    fill_rate_update(&rate, now_usec - slept_usec, status->used_sectors * SECTOR_BYTES);
    *ret_sample = sample_of(&target, &rate, now_usec);
    return true;
}

static void take_status(struct member *member, const struct target *target, uint64_t now_usec,
                        const struct herd_view *view)
{
    member->target = *target;
    member->asked_usec = now_usec;
    if (target->status.state == SNAPSHOT_VALID)
        measure(member, now_usec, view->slept_usec);
}

static void judge_valid(struct member *member, const struct herd_view *view)
{
    member->lost_told = false;
    /* A merge empties its store: there is nothing to climb. */
    if (!member->policy || member->target.kind != TARGET_SNAPSHOT)
        return;
    uint32_t crossed = ladder_climb(&member->ladder, member->policy, &member->sample);
    if (crossed)
        tell(view, FINDING_CROSSED, member, crossed);
}

static void judge(struct member *member, const struct herd_view *view)
{
    enum snapshot_state state = member->target.status.state;
    if (state == SNAPSHOT_VALID) {
        judge_valid(member, view);
    } else if (snapshot_state_is_lost(state) && !member->lost_told) {
        member->lost_told = true;
        tell(view, FINDING_LOST, member, 0);
    }
}

/* Nothing is known of a device whose lookup failed, but that it exists: nobody on it is forgotten. */
static void keep_unreadable(struct herd *herd, const struct dm_device *device)
{
    for (size_t i = first_on(herd, device->number); is_on(herd, i, device->number); i++)
        herd->members[i]->seen = true;
}

static bool is_watched(const struct dm_device *device, const struct target *target,
                       const struct herd_view *view)
{
    return target_is_snapshot(target) && !(view->is_ours && view->is_ours(device, target, view->user));
}

static void mark_seen(struct herd *herd, const struct observation *seen, const struct herd_view *view)
{
    for (size_t i = 0; i < herd->n_members; i++)
        herd->members[i]->seen = false;
    for (size_t i = 0; i < seen->n_devices; i++) {
        const struct dm_device *device = &seen->devices[i];
        if (device->error)
            keep_unreadable(herd, device);
        for (size_t j = 0; !device->error && j < device->active.n_targets; j++) {
            const struct target *target = &device->active.targets[j];
            struct member *member = is_watched(device, target, view) ? find_member(herd, device, target)
                                                                     : NULL;
            if (member)
                member->seen = true;
        }
    }
}

static void forget_unseen(struct herd *herd, const struct herd_view *view)
{
    size_t kept = 0;
    for (size_t i = 0; i < herd->n_members; i++) {
        struct member *member = herd->members[i];
        if (member->seen) {
            herd->members[kept++] = member;
            continue;
        }
        tell(view, FINDING_GONE, member, 0);
        free(member);
    }
    herd->n_members = kept;
}

static void set_policy(struct member *member, const struct policy *policy)
{
    if (member->policy && policy)
        ladder_carry_over(&member->ladder, member->policy, policy);
    else
        member->ladder = (struct ladder){0};
    member->policy = policy;
}

/* A device may be renamed: then it is still the same snapshot, but another section may match it. Returns whether. */
static bool update_name(struct member *member, const struct dm_device *device, const struct herd_view *view)
{
    if (strcmp(member->name, device->name) == 0)
        return false;
    strcpy(member->name, device->name);
    set_policy(member, policy_find(view->policies, view->n_policies, member->name, member->uuid));
    return true;
}

static struct member *welcome(struct herd *herd, const struct dm_device *device, const struct target *target,
                              const struct herd_view *view)
{
    struct member *member = add_member(herd, device->number);
    if (!member)
        return NULL;
    strcpy(member->name, device->name);
    strcpy(member->uuid, device->uuid);
    member->disk_sequence = device->disk_sequence;
    member->target = *target; /* its origin and store are part of the identity */
    member->policy = policy_find(view->policies, view->n_policies, member->name, member->uuid);
    return member;
}

static int look_at(struct herd *herd, const struct dm_device *device, const struct target *target,
                   const struct look *look)
{
    const struct herd_view *view = look->view;
    struct member *member = find_member(herd, device, target);
    bool is_new = !member;
    if (is_new)
        member = welcome(herd, device, target, view);
    if (!member)
        return -ENOMEM;
    enum role role = member->role;
    bool is_renamed = update_name(member, device, view);
    member->alone = device->active.n_targets == 1;
    read_role(member, look);
    take_status(member, target, look->now_usec,
                view); /* before the word: found is said with the first figures */
    if (is_new)
        tell(view, FINDING_FOUND, member, 0);
    else if (is_renamed)
        tell(view, FINDING_RENAMED, member, 0);
    if (!is_new && member->role != role)
        tell(view, FINDING_ROLE, member, 0);
    judge(member, view);
    return 0;
}

static int look_at_all(struct herd *herd, const struct look *look)
{
    int result = 0;
    mark_seen(herd, look->seen, look->view);
    forget_unseen(herd, look->view);
    for (size_t i = 0; i < look->seen->n_devices; i++) {
        const struct dm_device *device = &look->seen->devices[i];
        for (size_t j = 0; !device->error && j < device->active.n_targets; j++) {
            const struct target *target = &device->active.targets[j];
            if (is_watched(device, target, look->view) && look_at(herd, device, target, look) < 0)
                result = -ENOMEM;
        }
    }
    return result;
}

int herd_look(struct herd *herd, const struct observation *seen, uint64_t now_usec,
              const struct herd_view *view)
{
    struct look look = {.seen = seen, .now_usec = now_usec, .view = view};
    int r = observation_list_origin_users(seen, &look.users);
    if (r < 0)
        return r;
    look.unreadable = observation_find_unreadable(seen);
    r = look_at_all(herd, &look);
    origin_users_done(&look.users);
    return r;
}

void herd_sample(struct herd *herd, const struct dm_device *device, uint64_t now_usec,
                 const struct herd_view *view, bool *ret_stale)
{
    size_t fitting = 0, members = 0;
    for (size_t i = first_on(herd, device->number); is_on(herd, i, device->number); i++) {
        struct member *member = herd->members[i];
        members++;
        for (size_t j = 0; j < device->active.n_targets; j++) {
            const struct target *target = &device->active.targets[j];
            if (!target_is_snapshot(target) || !is_same(member, device, target))
                continue;
            take_status(member, target, now_usec, view);
            judge(member, view);
            fitting++;
        }
    }
    *ret_stale = fitting != members;
}

void herd_set_policies(struct herd *herd, const struct policy *policies, size_t n_policies)
{
    for (size_t i = 0; i < herd->n_members; i++)
        set_policy(herd->members[i],
                   policy_find(policies, n_policies, herd->members[i]->name, herd->members[i]->uuid));
}

const struct member *herd_fullest(const struct herd *herd)
{
    const struct member *fullest = NULL;
    for (size_t i = 0; i < herd->n_members; i++) {
        const struct member *member = herd->members[i];
        if (!member->has_sample || member->target.status.state != SNAPSHOT_VALID)
            continue;
        if (!fullest ||
            sample_used_centipercent(&member->sample) > sample_used_centipercent(&fullest->sample))
            fullest = member;
    }
    return fullest;
}

void herd_done(struct herd *herd)
{
    for (size_t i = 0; i < herd->n_members; i++)
        free(herd->members[i]);
    free(herd->members);
    *herd = (struct herd){0};
}
