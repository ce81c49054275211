#include "reactions.h"
#include "boottime.h"
#include "cowherd/announce.h"
#include "cowherd/decision.h"
#include "cowherd/journal.h"
#include "cowherd/kernel.h"
#include "cowherd/order.h"
#include "guarantees.h"
#include <string.h>
#include <syslog.h>

static const struct policy *policy_of(const struct manager *manager, const char *name, const char *uuid)
{
    return policy_find(manager->configuration.policies, manager->configuration.n_policies, name, uuid);
}

/* What every rung brings, whatever else it does. */
static void alert(struct manager *manager, const struct subject *subject, const struct rung *rung,
                  const char *reason)
{
    struct event_fields facts;
    announce_rung(manager->journal, subject, rung, reason, &facts);
    hooks_run(&manager->hooks, &manager->configuration, subject, rung, &facts);
}

void react_to_stalled(const struct subject *subject, void *user)
{
    struct manager *manager = user;
    const struct policy *policy = policy_of(manager, subject->name, subject->uuid);
    const struct rung *rung = NULL;
    while (policy && (rung = policy_next_rung_by_kind(policy, CONDITION_STALLED, rung)))
        alert(manager, subject, rung, NULL);
}

/* A ladder is an escalation: a rung written before the one whose action waits already does not take its place, nor the
 * place of an order what had been passed when that was given. What waits for a snapshot that is lost cannot be begun any
 * more. */
static bool is_outranked(const struct manager *manager, const struct intent *intent,
                         const struct policy *policy, const struct rung *rung)
{
    const struct errand *errand = errands_find(&manager->errands, intent);
    const struct intent *latest = !errand                 ? NULL
                                  : errand->has_successor ? &errand->successor
                                                          : &errand->pursuit.intent;
    const struct rung *waiting = latest ? policy_rung_by_text(policy, latest->rung) : NULL;
    if (latest && intent_is_ordered(latest))
        return order_outranks(latest, intent);
    return waiting && waiting > rung; /* both in the policy's array, in the order they are written */
}

static void carry_out(struct manager *manager, const struct member *member, const struct policy *policy,
                      const struct rung *rung)
{
    if (manager->stopping)
        return; /* its rung is crossed again when the daemon is back */
    const struct action *action = rung_changing_action(rung);
    const char *impossible = recall_waits_for(&manager->recall, member->device)
                                 ? "what was begun before the machine went down must be finished first"
                                 : decision_why_impossible(member, action->kind);
    if (impossible) {
        struct subject subject = subject_of_member(member);
        struct stage stage = {
            .action = action_kind_name(action->kind), .rung = rung->text, .result = impossible};
        announce_failed(manager->journal, &subject, &stage);
        react_to_stalled(&subject, manager);
        return;
    }
    struct intent intent = decision_intent(member, policy, rung, manager->boot_id);
    if (!snapshot_state_is_lost(member->target.status.state) && is_outranked(manager, &intent, policy, rung))
        return;
    if (errands_begin(&manager->errands, &intent, &member->sample, false, false, boottime_now_usec()) < 0)
        journal_message(manager->journal, LOG_ERR, "Out of memory: %s is not carried out.", rung->text);
    manager_wake(manager);
}

/* Where there are two that may act on a snapshot. */
static void ask_for_dmeventd(struct manager *manager, const struct member *member)
{
    const struct policy *policy = member->policy;
    bool acts = policy &&
                (policy_rung_by_action(policy, ACTION_EXTEND) ||
                 policy_rung_by_action(policy, ACTION_MERGE) || policy_rung_by_action(policy, ACTION_DROP));
    if (acts && dm_uuid_is_lvm(member->uuid))
        dmeventd_ask(&manager->dmeventd, member->name, member->uuid);
}

void react_to_dmeventd(const char *uuid, void *user)
{
    struct manager *manager = user;
    for (size_t i = 0; i < manager->herd.n_members; i++)
        if (strcmp(manager->herd.members[i]->uuid, uuid) == 0)
            announce_second_watcher(manager->journal, manager->herd.members[i]);
}

static void on_crossed(struct manager *manager, const struct member *member, uint32_t crossed)
{
    struct subject subject = subject_of_member(member);
    for (size_t i = 0; i < member->policy->n_rungs; i++)
        if (crossed & UINT32_C(1) << i)
            alert(manager, &subject, &member->policy->rungs[i], NULL);
    int chosen = ladder_rung_to_carry_out(member->policy, crossed);
    if (chosen >= 0) {
        carry_out(manager, member, member->policy, &member->policy->rungs[chosen]);
        ask_for_dmeventd(manager, member);
    }
}

struct errand *reactions_errand_of(const struct manager *manager, const struct member *member)
{
    if (manager->errands.n_items == 0)
        return NULL; /* as at most looks, which ask for each member: nothing is compared then */
    struct intent like = {
        .device = member->device,
        .disk_sequence = member->disk_sequence,
        .origin = member->target.origin,
        .store = member->target.store,
    };
    strcpy(like.uuid, member->uuid);
    strcpy(like.boot_id, manager->boot_id);
    return errands_find(&manager->errands, &like);
}

bool reactions_present(const struct intent *intent, struct sample *ret_sample, void *user)
{
    struct manager *manager = user;
    const struct member *member = decision_member(&manager->herd, intent);
    const struct dm_device *seen = member ? observation_find(&manager->seen, member->device) : NULL;
    struct dm_device fresh;
    if (!member || !member->has_sample)
        return false;
    *ret_sample = member->sample;
    if (!seen || seen->error || kernel_sample(seen, &fresh) < 0)
        return true;
    const struct target *target = dm_device_only_target(&fresh);
    if (target && target->kind == member->target.kind)
        herd_preview(member, &target->status, boottime_now_usec(), boottime_slept_usec(), ret_sample);
    dm_device_done(&fresh);
    return true;
}

static bool is_handed_over(const struct manager *manager, const struct errand *errand)
{
    const struct dm_device *device = observation_find(&manager->seen, errand->pursuit.intent.origin_user);
    const struct target *target = device ? dm_device_only_target(device) : NULL;
    return target && target->kind == TARGET_SNAPSHOT_MERGE;
}

/* The handover of a rollback invalidates the snapshot it takes the store from: that is no loss. */
static void on_lost(struct manager *manager, struct member *member)
{
    const struct errand *errand = reactions_errand_of(manager, member);
    if (errand && errand->pursuit.intent.action == ACTION_MERGE &&
        errand->pursuit.intent.role == ROLE_BACKUP && (errand->acting || is_handed_over(manager, errand))) {
        member->lost_told = false; /* should the merge come to nothing, it is told then */
        return;
    }
    autopsies_begin(&manager->autopsies, member);
}

/* The loss is told once, with the first of its rungs. */
static void tell_loss(struct manager *manager, const struct subject *subject, const struct policy *policy,
                      const char *reason)
{
    const struct rung *rung = policy ? policy_next_rung_by_kind(policy, CONDITION_LOST, NULL) : NULL;
    struct event_fields facts;
    announce_lost(manager->journal, subject, rung, reason, &facts);
    if (rung)
        hooks_run(&manager->hooks, &manager->configuration, subject, rung, &facts);
    while (rung && (rung = policy_next_rung_by_kind(policy, CONDITION_LOST, rung)))
        alert(manager, subject, rung, reason);
}

void react_to_known_lost(const struct member *member, const char *reason, void *user)
{
    struct manager *manager = user;
    const struct policy *policy = policy_of(manager, member->name, member->uuid);
    struct subject subject = subject_of_member(member);
    tell_loss(manager, &subject, policy, reason);
    const struct rung *next = policy ? decision_rung_when_lost(member, policy) : NULL;
    if (next)
        carry_out(manager, member, policy, next);
}

static void tell_found(struct manager *manager, struct member *member)
{
    char guarantee[GUARANTEE_TEXT_MAX];
    announce_found(manager->journal, member, guarantees_found(manager, member, guarantee));
    action_memory_see(&manager->errands.memory,
                      (struct action_subject){.name = member->name, .uuid = member->uuid});
}

void react_to_finding(const struct finding *finding, void *user)
{
    struct manager *manager = user;
    switch (finding->kind) {
    case FINDING_FOUND:
        tell_found(manager, finding->member);
        ask_for_dmeventd(manager, finding->member);
        break;
    case FINDING_RENAMED:
        announce_renamed(manager->journal, finding->member);
        break;
    case FINDING_ROLE:
        announce_role(manager->journal, finding->member);
        break;
    case FINDING_GONE:
        announce_gone(manager->journal, finding->member);
        dmeventd_forget(&manager->dmeventd, finding->member->uuid);
        waking_forget(&manager->waking, finding->member);
        break;
    case FINDING_CROSSED:
        on_crossed(manager, finding->member, finding->crossed);
        break;
    case FINDING_LOST:
        on_lost(manager, finding->member);
        break;
    }
}

void reactions_adopt_merges(struct manager *manager)
{
    for (size_t i = 0; i < manager->herd.n_members; i++) {
        const struct member *member = manager->herd.members[i];
        struct intent intent;
        if (manager->errands.dry_run || reactions_errand_of(manager, member) ||
            !decision_adopts_merge(member, manager->boot_id, &intent))
            continue;
        errands_begin(&manager->errands, &intent, &member->sample, true, false, boottime_now_usec());
    }
}

void reactions_review_intent(struct intent *intent, void *user)
{
    struct manager *manager = user;
    const struct policy *policy = policy_of(manager, intent->name, intent->uuid);
    decision_review(intent, policy);
}
