#include "cowherd/decision.h"
#include "cowherd/exception_store.h"
#include "cowherd/lvm_name.h"
#include "cowherd/plan.h"
#include <stdio.h>
#include <string.h>

const char *decision_why_impossible(const struct member *member, enum action_kind action)
{
    struct lvm_name name;
    if (!member->alone)
        return "its device has other targets beside the snapshot and is never changed";
    if (dm_uuid_is_lvm(member->uuid) && lvm_name_split(member->name, &name) < 0)
        return "its UUID is one of lvm's, but lvm gives no such names";
    if (action == ACTION_MERGE && member->target.store_type == STORE_TRANSIENT)
        return "a transient store (N) cannot be merged";
    if (action == ACTION_DROP && member->target.kind == TARGET_SNAPSHOT_MERGE &&
        member->target.status.state == SNAPSHOT_MERGE_FAILED)
        return "its merge has failed, and its store still holds what was not merged";
    return NULL;
}

/* How full the store is at the rung's height: when usage has fallen by the hysteresis below it the rung is armed
 * again, and what it wanted is not begun any more. A rung of time has no height: what was seen then takes its
 * place; so it does where not all of the store can be used (metadata, less than a chunk at its end), for then the rung is
 * crossed below its height. */
static uint32_t height_centipercent(const struct rung *rung, const struct sample *sample)
{
    struct sample free = *sample;
    uint64_t free_sectors = rung->condition.value / SECTOR_BYTES;
    uint32_t used = sample_used_centipercent(sample), height = used;
    free.used_sectors = free_sectors < sample->total_sectors ? sample->total_sectors - free_sectors : 0;
    if (rung->condition.kind == CONDITION_USED)
        height = (uint32_t)rung->condition.value;
    else if (rung->condition.kind == CONDITION_FREE)
        height = sample_used_centipercent(&free);
    return height < used ? height : used;
}

/* What the store must have to never fill; UINT64_MAX where that is not representable. */
static uint64_t enough_sectors(const struct member *member)
{
    struct exception_store store = {
        .chunk_sectors = member->target.chunk_sectors,
        .persistent = member->target.store_type != STORE_TRANSIENT,
    };
    uint64_t length = member->target.length_sectors, chunk = store.chunk_sectors, sectors;
    if (chunk == 0 ||
        __builtin_mul_overflow(exception_store_chunks_needed(&store, length / chunk + (length % chunk != 0)),
                               chunk, &sectors))
        return UINT64_MAX;
    return sectors;
}

static uint64_t no_more_than(uint64_t grown, uint64_t most, uint64_t total)
{
    return most > total && most < grown ? most : grown;
}

static uint64_t grown_sectors(const struct member *member, const struct action *action)
{
    uint64_t total = member->sample.total_sectors, chunk = member->target.chunk_sectors, more, grown;
    if (action->is_percent) /* both parts, for a total times a percentage may not fit */
        more = total / 10000 * action->amount + total % 10000 * action->amount / 10000;
    else
        more = action->amount / SECTOR_BYTES;
    uint64_t short_of_chunk = chunk && more % chunk ? chunk - more % chunk : 0;
    if (__builtin_add_overflow(more, short_of_chunk, &more) || __builtin_add_overflow(total, more, &grown))
        return UINT64_MAX;
    return grown;
}

uint64_t decision_grow_to_sectors(const struct member *member, const struct policy *policy,
                                  const struct action *action)
{
    uint64_t total = member->sample.total_sectors, limit = policy->extend_limit_bytes / SECTOR_BYTES;
    uint64_t chunk = member->target.chunk_sectors, grown = grown_sectors(member, action);
    grown = no_more_than(grown, enough_sectors(member), total);
    return no_more_than(grown, chunk ? limit - limit % chunk : limit, total);
}

/* No policy: none of them. */
static void take_settings(struct intent *intent, const struct policy *policy)
{
    const char *extend_from = policy && policy->extend_from ? policy->extend_from : "";
    intent->drop_open = policy && policy->drop_open;
    intent->limit_sectors = policy ? policy->extend_limit_bytes / SECTOR_BYTES : 0;
    snprintf(intent->extend_from, sizeof(intent->extend_from), "%s", extend_from);
}

struct intent decision_intent(const struct member *member, const struct policy *policy,
                              const struct rung *rung, const char *boot_id)
{
    const struct action *action = rung_changing_action(rung);
    bool extends = action->kind == ACTION_EXTEND;
    struct intent intent = {
        .action = action->kind,
        .role = member->role,
        .role_forced = member->role_forced,
        .lost = rung->condition.kind == CONDITION_LOST,
        .device = member->device,
        .disk_sequence = member->disk_sequence,
        .origin = member->target.origin,
        .store = member->target.store,
        .length_sectors = member->target.length_sectors,
        .chunk_sectors = member->target.chunk_sectors,
        .store_type = member->target.store_type,
        .origin_user = member->origin_user,
        .origin_user_disk_sequence = member->origin_user_disk_sequence,
        .from_sectors = extends ? member->sample.total_sectors : 0,
        .grow_to_sectors = extends ? decision_grow_to_sectors(member, policy, action) : 0,
        .used_centipercent = height_centipercent(rung, &member->sample),
        .hysteresis_centipercent = policy->hysteresis_centipercent,
        .free_bytes = rung->condition.kind == CONDITION_FREE ? rung->condition.value : 0,
    };
    take_settings(&intent, policy);
    snprintf(intent.rung, sizeof(intent.rung), "%s", rung->text);
    strcpy(intent.name, member->name);
    strcpy(intent.uuid, member->uuid);
    strcpy(intent.origin_user_name, member->origin_user_name);
    strcpy(intent.origin_user_uuid, member->origin_user_uuid);
    snprintf(intent.boot_id, sizeof(intent.boot_id), "%s", boot_id);
    return intent;
}

bool decision_adopts_merge(const struct member *member, const char *boot_id, struct intent *ret_intent)
{
    const struct rung *rung = member->policy ? policy_rung_by_action(member->policy, ACTION_MERGE) : NULL;
    if (member->target.kind != TARGET_SNAPSHOT_MERGE || !rung || !member->alone ||
        dm_uuid_is_lvm(member->uuid))
        return false;
    *ret_intent = decision_intent(member, member->policy, rung, boot_id);
    ret_intent->role = ROLE_LIVE;
    ret_intent->origin_user = 0;
    ret_intent->origin_user_name[0] = ret_intent->origin_user_uuid[0] = '\0';
    return true;
}

struct member *decision_member(const struct herd *herd, const struct intent *intent)
{
    for (size_t i = 0; i < herd->n_members; i++) {
        struct member *member = herd->members[i];
        if (member->device == intent->device && member->disk_sequence == intent->disk_sequence &&
            member->target.origin == intent->origin && member->target.store == intent->store &&
            strcmp(member->uuid, intent->uuid) == 0)
            return member;
    }
    return NULL;
}

/* The one written last, as of several rungs that are crossed. */
static const struct rung *changing_rung_of_loss(const struct policy *policy)
{
    const struct rung *rung = NULL, *found = NULL;
    while ((rung = policy_next_rung_by_kind(policy, CONDITION_LOST, rung)))
        found = rung_changing_action(rung) ? rung : found;
    return found;
}

const struct rung *decision_rung_when_lost(const struct member *member, const struct policy *policy)
{
    const struct rung *merge = policy_rung_by_action(policy, ACTION_MERGE);
    const struct target *target = &member->target;
    if (target->status.state == SNAPSHOT_OVERFLOW && target->kind == TARGET_SNAPSHOT_MERGE)
        return NULL;
    if (target->status.state == SNAPSHOT_OVERFLOW && member->role == ROLE_LIVE && merge)
        return merge;
    return changing_rung_of_loss(policy);
}

void decision_review(struct intent *intent, const struct policy *policy)
{
    const struct rung *rung = policy ? policy_rung_by_text(policy, intent->rung) : NULL;
    const struct action *action = rung ? rung_changing_action(rung) : NULL;
    bool stands = action && action->kind == intent->action;
    if (!intent_is_ordered(intent))
        intent->cancelled = !stands;
    if (!intent->cancelled)
        take_settings(intent, policy);
}
