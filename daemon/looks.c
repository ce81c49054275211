#include "looks.h"
#include "boottime.h"
#include "cowherd/journal.h"
#include "cowherd/kernel.h"
#include "cowherd/pacing.h"
#include "guarantees.h"
#include "holding.h"
#include "reactions.h"
#include <errno.h>
#include <string.h>
#include <syslog.h>

#define PEEK_USEC       UINT64_C(1000000)
#define BLIND_POLL_USEC UINT64_C(500000) /* no dm events before driver 4.38: listed twice a second */

static bool is_ours(const struct dm_device *device, const struct target *target, void *user)
{
    struct manager *manager = user;
    return errands_own(&manager->errands, device, target);
}

static struct herd_view view_of(struct manager *manager)
{
    return (struct herd_view){
        .policies = manager->configuration.policies,
        .n_policies = manager->configuration.n_policies,
        .slept_usec = boottime_slept_usec(),
        .is_ours = is_ours,
        .tell = react_to_finding,
        .user = manager,
    };
}

static void consider_errands(struct manager *manager, bool complete)
{
    holding_consider(manager);
    if (!manager->stopping && manager->looked)
        errands_consider(&manager->errands, &manager->seen, complete, boottime_now_usec());
}

/* Before the herd's look, so that no rung is carried out on a device whose merge was under way. */
static void look_for_recalled(struct manager *manager)
{
    size_t n_waiting = manager->recall.n_items;
    recall_look(&manager->recall, &manager->seen, boottime_now_usec());
    if (manager->recall.n_items < n_waiting)
        errands_review(&manager->errands, reactions_review_intent, manager);
}

/* Nothing raises an event when the time to tell what is not there has come. From when it was begun, as for those who were looked
 * at in it: so that one wake-up is for all of them. */
static uint64_t next_look_usec(const struct manager *manager)
{
    uint64_t due = recall_next_usec(&manager->recall), now = boottime_now_usec();
    uint64_t next = manager->complete_usec + (manager->blind ? BLIND_POLL_USEC : COMPLETE_LOOK_USEC);
    return due > now && due < next ? due : next;
}

/* Where nobody is to be looked at, or something is done to them, others matter as much. */
static uint64_t complete_due_usec(const struct manager *manager)
{
    bool is_quiet = manager->herd.n_members > 0 && manager->errands.n_items == 0;
    uint64_t heartbeat_usec = manager->complete_usec + HEARTBEAT_USEC;
    bool may_wait = is_quiet || !manager->looked || manager->look_usec < heartbeat_usec;
    return may_wait ? manager->look_usec : heartbeat_usec;
}

static bool is_complete_due(const struct manager *manager)
{
    return boottime_now_usec() >= complete_due_usec(manager);
}

int looks_complete(struct manager *manager)
{
    struct observation seen = {0};
    struct herd_view view = view_of(manager);
    manager->complete_usec = boottime_now_usec(); /* what is asked for last is no newer than what is first */
    int r = kernel_observe(&seen);
    manager->looked = r >= 0;
    manager->look_usec = next_look_usec(manager);
    if (r < 0) {
        manager->look_usec = boottime_now_usec() + MISSING_POLL_USEC;
        journal_message(manager->journal, LOG_ERR, "Cannot list the dm devices: %s", strerror(-r));
        return r;
    }
    if (observation_find_unreadable(&seen))
        manager->look_usec = boottime_now_usec() +
                             BLIND_POLL_USEC; /* all must be read before anything is done */
    kernel_recycle(&manager->seen);
    manager->seen = seen;
    look_for_recalled(manager);
    r = herd_look(&manager->herd, &manager->seen, manager->complete_usec, &view);
    reactions_adopt_merges(manager);
    consider_errands(manager, true);
    return r;
}

/* For a pass over all: the clock is not read for each. */
static struct pacing_bounds bounds_now(const struct manager *manager)
{
    const struct configuration *configuration = &manager->configuration;
    uint64_t longest_usec = configuration->longest_poll_usec;
    return (struct pacing_bounds){
        .longest_usec = longest_usec < HEARTBEAT_USEC ? longest_usec : HEARTBEAT_USEC,
        .shortest_usec = configuration->shortest_poll_usec,
        .assumed_bytes_per_second = configuration->assumed_bytes_per_second,
        .late_usec = lateness_usec(&manager->lateness, boottime_now_usec()),
    };
}

static uint64_t interval_usec(const struct manager *manager, const struct pacing_bounds *bounds,
                              const struct member *member)
{
    int rung = -1;
    if (brakes_watch(&manager->brakes, member))
        return bounds->shortest_usec;
    if (!member->policy || !member->has_sample || member->target.kind != TARGET_SNAPSHOT ||
        member->target.status.state != SNAPSHOT_VALID)
        return bounds->longest_usec;
    struct pacing_subject subject = {
        .bytes_to_next_rung = ladder_bytes_to_next(&member->ladder, member->policy, &member->sample, &rung),
        .bytes_left = member->sample.bytes_left,
        .waits_for_time = ladder_waits_for_time(&member->ladder, member->policy),
        .peak_bytes_per_second = member->sample.peak_bytes_per_second,
    };
    const struct action *action = rung >= 0 ? rung_changing_action(&member->policy->rungs[rung]) : NULL;
    subject.action_usec = action ? errands_took_usec(&manager->errands, action->kind, member) : 0;
    return pacing_interval_usec(bounds, &subject);
}

static uint64_t due_usec(const struct manager *manager, const struct pacing_bounds *bounds,
                         const struct member *member)
{
    uint64_t told_usec = guarantees_due_usec(member);
    uint64_t due = waking_due_usec(member, interval_usec(manager, bounds, member),
                                   brakes_watch(&manager->brakes, member));
    return told_usec < due ? told_usec : due;
}

/* NULL: it was not seen, or could not be read. It is looked for at this place first. */
static struct dm_device *find_seen(const struct manager *manager, dev_t number, size_t *place)
{
    const struct observation *seen = &manager->seen;
    if (*place >= seen->n_devices || seen->devices[*place].number != number) {
        const struct dm_device *found = observation_find(seen, number);
        if (!found)
            return NULL;
        *place = (size_t)(found - seen->devices);
    }
    return seen->devices[*place].error ? NULL : &seen->devices[*place];
}

/* Takes a fresh sample of a device into what was seen. 0; else a complete look is due: 1 where a table waits in it, or does not
 * any more, which raises no event. */
static int sample(struct manager *manager, dev_t number, size_t *place)
{
    struct dm_device *device = find_seen(manager, number, place), fresh;
    int r = device ? kernel_sample(device, &fresh) : -ESTALE;
    if (r < 0)
        return r;
    bool is_stale = device->has_inactive != fresh.has_inactive;
    dm_device_done(device);
    *device = fresh;
    return is_stale;
}

/* Of one that may not be a dm device. Returns whether a complete look is due. */
static bool sample_if_seen(struct manager *manager, dev_t number)
{
    size_t place = 0;
    return number && observation_find(&manager->seen, number) && sample(manager, number, &place) != 0;
}

/* What a guarantee rests on besides, and what raises no event: whether somebody has a rollback's origin open, or has suspended what
 * is to be extended. Once a heartbeat. Returns whether a complete look is due. */
static bool look_around(struct manager *manager, struct member *member)
{
    uint64_t around_usec = member->around_usec, complete_usec = manager->complete_usec;
    uint64_t seen_usec = around_usec > complete_usec ? around_usec : complete_usec;
    bool extends = member->policy && policy_rung_by_action(member->policy, ACTION_EXTEND);
    if (member->asked_usec < seen_usec + HEARTBEAT_USEC / 3 * 2)
        return false;
    member->around_usec = member->asked_usec;
    bool stale = sample_if_seen(manager, member->origin_user);
    return (extends && sample_if_seen(manager, member->target.store)) || stale;
}

bool looks_at(struct manager *manager, struct member *member)
{
    struct herd_view view = view_of(manager);
    bool stale = false;
    member->asked_usec = boottime_now_usec();
    int r = sample(manager, member->device, &member->seen_at);
    if (r >= 0)
        herd_sample(&manager->herd, &manager->seen.devices[member->seen_at], member->asked_usec, &view,
                    &stale);
    else if (r != -ESTALE && r != -ENXIO)
        journal_message(manager->journal, LOG_WARNING, "Cannot read the status of %s: %s", member->name,
                        strerror(-r));
    stale = look_around(manager, member) || stale;
    return stale || r != 0; /* what was seen must say so: no action and no guarantee relies on it any more */
}

/* An action that is tried again is not put off for longer than its store allows. */
static void hurry_errands(struct manager *manager)
{
    for (size_t i = 0; i < manager->herd.n_members; i++) {
        const struct member *member = manager->herd.members[i];
        struct errand *errand = reactions_errand_of(manager, member);
        if (errand && member->has_sample)
            pursuit_hurry(&errand->pursuit, member->sample.time_left_usec, boottime_now_usec());
    }
}

void looks_peek(struct manager *manager, struct member *member)
{
    uint64_t now_usec = boottime_now_usec();
    if (member->peeked_usec && now_usec - member->peeked_usec < PEEK_USEC)
        return;
    member->peeked_usec = now_usec;
    dev_t devices[] = {member->device, member->origin_user, member->target.store};
    size_t places[] = {member->seen_at, 0, 0};
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
        if (devices[i])
            sample(manager, devices[i], &places[i]);
}

/* Whoever stands still is looked at with others who do: a wake-up less. */
static bool may_come_early(const struct member *member, uint64_t due_usec, uint64_t now_usec)
{
    return due_usec >= member->asked_usec + HEARTBEAT_USEC && due_usec <= now_usec + HEARTBEAT_USEC / 3;
}

/* The next look counts from when the first of those who were due was looked at, as after a complete look, unless that is long
 * ago: else their times drift apart, and each has a wake-up of its own. */
static void keep_step(struct member *member, uint64_t interval_usec, uint64_t begun_usec)
{
    if (member->asked_usec - begun_usec <= interval_usec / 16)
        member->asked_usec = begun_usec;
}

static bool look_at_due_members(struct manager *manager)
{
    struct pacing_bounds bounds = bounds_now(manager);
    uint64_t begun_usec = boottime_now_usec(), now_usec = begun_usec;
    bool stale = false;
    for (size_t i = 0; i < manager->herd.n_members; i++) {
        struct member *member = manager->herd.members[i];
        uint64_t due = due_usec(manager, &bounds, member);
        bool is_early = may_come_early(member, due, begun_usec);
        if (due > now_usec && !is_early)
            continue;
        stale = looks_at(manager, member) || stale;
        if (due <= begun_usec || is_early)
            keep_step(member, interval_usec(manager, &bounds, member), begun_usec);
        now_usec = boottime_now_usec();
    }
    return stale;
}

/* lvm's volume has another number when it was activated anew. */
static dev_t origin_user_now(const struct manager *manager, const struct intent *intent)
{
    for (size_t i = 0; intent->asked_lvm && i < manager->seen.n_devices; i++)
        if (strcmp(manager->seen.devices[i].uuid, intent->origin_user_uuid) == 0)
            return manager->seen.devices[i].number;
    return intent->origin_user;
}

/* The devices of the errands that are due, whose open counts and merges raise no event. */
static bool look_at_due_errands(struct manager *manager)
{
    bool stale = false;
    for (size_t i = 0; i < manager->errands.n_items; i++) {
        const struct pursuit *pursuit = &manager->errands.items[i]->pursuit;
        if (manager->errands.items[i]->acting || pursuit->next_usec > boottime_now_usec())
            continue;
        dev_t devices[] = {pursuit->intent.device, origin_user_now(manager, &pursuit->intent),
                           pursuit->intent.store};
        for (size_t j = 0; j < sizeof(devices) / sizeof(devices[0]); j++)
            stale = sample_if_seen(manager, devices[j]) || stale;
    }
    return stale;
}

/* Behind the last of those who were due: the others were late by less. */
static void measure_lateness(struct manager *manager)
{
    if (manager->due_usec)
        lateness_take(&manager->lateness, manager->due_usec, boottime_now_usec(),
                      boottime_slept_usec() - manager->due_slept_usec);
}

void looks_due(struct manager *manager)
{
    bool stale = look_at_due_members(manager);
    measure_lateness(manager);
    hurry_errands(manager);
    stale = look_at_due_errands(manager) || stale;
    bool is_unsure = stale || (is_complete_due(manager) && observation_find_unreadable(&manager->seen));
    if (!is_unsure) /* what has just been decided does not wait until all devices have been looked at */
        consider_errands(manager, false);
    if (is_unsure || is_complete_due(manager))
        looks_complete(manager);
}

uint64_t looks_next_usec(const struct manager *manager)
{
    struct pacing_bounds bounds = bounds_now(manager);
    uint64_t next = complete_due_usec(manager), errands = errands_next_usec(&manager->errands);
    uint64_t hold = operator_holds_next_usec(&manager->holds);
    if (manager->looked && !manager->stopping && errands < next)
        next = errands;
    if (hold < next)
        next = hold;
    for (size_t i = 0; i < manager->herd.n_members; i++) {
        uint64_t due = due_usec(manager, &bounds, manager->herd.members[i]);
        if (due < next)
            next = due;
    }
    return next;
}
