#include "cowherd/account_member.h"
#include "cowherd/exception_store.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define USEC_PER_SEC 1e6

static char *device_text(dev_t device)
{
    char text[32];
    snprintf(text, sizeof(text), "%u:%u", major(device), minor(device));
    return strdup(text);
}

int account_take_devices(struct account *account, dev_t origin, dev_t store)
{
    account->origin = device_text(origin);
    account->origin_device = device_text(origin);
    account->store = device_text(store);
    account->store_device = device_text(store);
    bool complete = account->origin && account->origin_device && account->store && account->store_device;
    return complete ? 0 : -ENOMEM;
}

static const char *state_text(const struct target *target)
{
    if (target->status.state == SNAPSHOT_VALID && target->kind == TARGET_SNAPSHOT_MERGE)
        return "merging";
    return snapshot_state_name(target->status.state);
}

static char *section_text(const struct policy *policy)
{
    char *text;
    int n = asprintf(&text, "snapshot %s%s", policy->by_uuid ? "uuid:" : "", policy->pattern);
    return n < 0 ? NULL : text;
}

static struct exception_store store_of(const struct target *target)
{
    return (struct exception_store){
        .total_sectors = target->status.total_sectors,
        .chunk_sectors = target->chunk_sectors,
        .persistent = target->store_type != STORE_TRANSIENT,
    };
}

void account_take_usage(struct account *account, const struct target *target)
{
    const struct snapshot_status *status = &target->status;
    struct exception_store store = store_of(target);
    struct sample sample = {.used_sectors = status->used_sectors, .total_sectors = status->total_sectors};
    account->chunk_sectors = target->chunk_sectors;
    if (status->state != SNAPSHOT_VALID)
        return;
    account->has_usage = true;
    account->used_sectors = status->used_sectors;
    account->total_sectors = status->total_sectors;
    account->metadata_sectors = status->metadata_sectors;
    account->chunks_left = exception_store_chunks_left(&store, status->used_sectors);
    account->free_bytes = exception_store_bytes_left(&store, status->used_sectors);
    account->used_percent = sample_used_centipercent(&sample) / 100.0;
}

/* While it merges the kernel counts what is left as if the exceptions had been made in their order: used less metadata is
 * data that is not put back yet. */
double account_merged_percent(const struct target *target, uint64_t used_sectors)
{
    const struct snapshot_status *status = &target->status;
    struct exception_store store = store_of(target);
    uint64_t had = exception_store_exceptions(&store, used_sectors) * target->chunk_sectors;
    if (target->kind != TARGET_SNAPSHOT_MERGE)
        return 0;
    if (status->state != SNAPSHOT_VALID || !status->has_metadata ||
        status->used_sectors < status->metadata_sectors)
        return -1;
    uint64_t left = status->used_sectors - status->metadata_sectors;
    if (left == 0)
        return 100;
    return left >= had ? 0 : 100.0 * (double)(had - left) / (double)had;
}

static bool is_filled(const struct member *member)
{
    return member->target.kind == TARGET_SNAPSHOT && member->target.status.state == SNAPSHOT_VALID;
}

static void take_rate(const struct member *member, struct account *account)
{
    account->seconds_left = -1;
    if (!account->has_usage || !member->has_sample)
        return;
    account->has_rate = true;
    account->fill_rate_bytes = member->sample.rate_bytes_per_second;
    if (is_filled(member) && member->sample.time_left_usec != TIME_UNKNOWN_USEC)
        account->seconds_left = (double)member->sample.time_left_usec / USEC_PER_SEC;
}

static bool has_fired(const struct member *member, size_t i)
{
    if (member->policy->rungs[i].condition.kind == CONDITION_LOST)
        return member->lost_told;
    return member->ladder.marks[i].fired;
}

static int take_rungs(const struct member *member, struct account *account)
{
    const struct policy *policy = member->policy;
    account->rungs = calloc(policy->n_rungs + 1, sizeof(*account->rungs));
    if (!account->rungs)
        return -ENOMEM;
    account->n_rungs = policy->n_rungs;
    for (size_t i = 0; i < policy->n_rungs; i++) {
        account->rungs[i].fired = has_fired(member, i);
        account->rungs[i].text = strdup(policy->rungs[i].text);
        if (!account->rungs[i].text)
            return -ENOMEM;
    }
    return 0;
}

static int take_next_rung(const struct member *member, struct account *account)
{
    int next = -1;
    if (!is_filled(member) || !member->has_sample)
        return 0;
    ladder_bytes_to_next(&member->ladder, member->policy, &member->sample, &next);
    if (next < 0)
        return 0;
    account->next_rung = strdup(member->policy->rungs[next].text);
    return account->next_rung ? 0 : -ENOMEM;
}

static int take_policy(const struct member *member, struct account *account)
{
    if (!member->policy)
        return 0;
    account->section = section_text(member->policy);
    if (!account->section)
        return -ENOMEM;
    int r = take_rungs(member, account);
    return r < 0 ? r : take_next_rung(member, account);
}

static int take_texts(const struct member *member, struct account *account)
{
    account->name = strdup(member->name);
    account->uuid = strdup(member->uuid);
    account->role = strdup(role_name(member->role));
    account->state = strdup(state_text(&member->target));
    if (!account->name || !account->uuid || !account->role || !account->state)
        return -ENOMEM;
    return account_take_devices(account, member->target.origin, member->target.store);
}

int account_of_member(const struct member *member, uint64_t realtime_usec, struct account *ret_account)
{
    struct account account = {
        .major = major(member->device),
        .minor = minor(member->device),
        .start_sectors = member->target.start_sectors,
        .looked_usec = member->asked_usec + realtime_usec,
        .action = {.progress_percent = -1},
    };
    account_take_usage(&account, &member->target);
    take_rate(member, &account);
    int r = take_texts(member, &account);
    if (r >= 0)
        r = take_policy(member, &account);
    if (r < 0)
        account_done(&account);
    else
        *ret_account = account;
    return r;
}
