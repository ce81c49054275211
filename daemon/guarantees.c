#include "guarantees.h"
#include "boottime.h"
#include "cowherd/brake.h"
#include "cowherd/brake_limit.h"
#include "holding.h"
#include "reactions.h"
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#define PROBE_USEC  UINT64_C(60000000)      /* control groups come and go, their io controller hardly ever */
#define PRINT_PRIME UINT64_C(0x100000001b3) /* of FNV-1a */

struct guarantee_bounds guarantees_bounds(const struct manager *manager)
{
    const struct configuration *configuration = &manager->configuration;
    uint64_t engage_usec = manager->brakes.engage_usec;
    return (struct guarantee_bounds){
        .pacing = {.longest_usec = configuration->longest_poll_usec,
                   .shortest_usec = configuration->shortest_poll_usec,
                   .assumed_bytes_per_second = configuration->assumed_bytes_per_second,
                   .late_usec = lateness_usec(&manager->lateness, boottime_now_usec())},
        .brake = configuration->brake && manager->can_hold && !manager->brakes.is_failing,
        .engage_usec = engage_usec ? engage_usec : GUARANTEE_BRAKE_USEC,
        .dry_run = manager->errands.dry_run,
    };
}

/* A rung that is crossed now has to wait for it. */
static void take_order(const struct errand *errand, struct guarantee_subject *subject)
{
    enum action_kind action = errand->pursuit.intent.action;
    uint64_t took_usec = subject->took_usec[action];
    uint64_t assumed_usec = dm_uuid_is_lvm(subject->member->uuid) ? BRAKE_LVM_USEC : BRAKE_DM_USEC;
    if (intent_is_ordered(&errand->pursuit.intent) && errand->acting)
        subject->order_usec = took_usec ? took_usec : assumed_usec;
}

static void take_errand(const struct errand *errand, struct guarantee_subject *subject)
{
    const struct pursuit *pursuit = &errand->pursuit;
    const struct policy *policy = subject->member->policy;
    const struct rung *rung = policy ? policy_rung_by_text(policy, pursuit->intent.rung) : NULL;
    bool waits = pursuit->phase == PURSUIT_RETRYING ||
                 (pursuit->phase == PURSUIT_DEFERRED && pursuit->deferred_told);
    bool is_held = pursuit->intent.held[0] && pursuit_may_be_overtaken(pursuit);
    if (!rung) {
        take_order(errand, subject);
        return;
    }
    subject->under_way = (int)(rung - policy->rungs);
    subject->under_way_used_sectors = errand->has_sample ? errand->sample.used_sectors
                                                         : subject->member->sample.used_sectors;
    subject->under_way_reason = is_held ? pursuit->intent.held : waits ? pursuit->reason : NULL;
}

static struct guarantee_subject subject_for(const struct manager *manager, const struct member *member)
{
    const struct errand *errand = reactions_errand_of(manager, member);
    struct guarantee_subject subject = {.member = member, .seen = &manager->seen, .under_way = -1};
    for (enum action_kind kind = ACTION_EXTEND; kind <= ACTION_DROP; kind++)
        subject.took_usec[kind] = errands_took_usec(&manager->errands, kind, member);
    subject.woken_by_counting = waking_is_counting(member);
    subject.held = holding_reason(manager, member);
    if (errand)
        take_errand(errand, &subject);
    return subject;
}

static void judge_by(const struct manager *manager, const struct guarantee_bounds *bounds,
                     const struct member *member, struct guarantee *ret_guarantee)
{
    struct guarantee_subject subject = subject_for(manager, member);
    guarantee_judge(&subject, bounds, ret_guarantee);
}

void guarantees_judge(const struct manager *manager, const struct member *member,
                      struct guarantee *ret_guarantee)
{
    struct guarantee_bounds bounds = guarantees_bounds(manager);
    judge_by(manager, &bounds, member, ret_guarantee);
}

static void tell_change(const struct manager *manager, const struct member *member,
                        const struct guarantee *guarantee)
{
    char name[EVENT_NAME_MAX], text[GUARANTEE_TEXT_MAX];
    journal_message(manager->journal, LOG_NOTICE, "The guarantee of %s is \"%s\" now: %s.",
                    event_text_name(member->name, name), guarantee->holds ? "yes" : "no",
                    guarantee_text(guarantee, text));
}

uint64_t guarantees_due_usec(const struct member *member)
{
    return guarantee_word_due_usec(&member->guarantee.word);
}

/* Figures that change with every look (how late looks come) are no news. */
static uint64_t print_of(const struct guarantee *guarantee)
{
    uint64_t print = (uint64_t)(guarantee->decisive + 1) << 8 | guarantee->verdict;
    for (size_t i = 0; i < guarantee->n_rungs; i++) {
        print = (print ^ guarantee->rungs[i].verdict) * PRINT_PRIME;
        for (const char *at = guarantee->rungs[i].reason; *at; at++)
            print = (print ^ (unsigned char)*at) * PRINT_PRIME;
    }
    return print;
}

static void judge(const struct manager *manager, const struct guarantee_bounds *bounds, struct member *member)
{
    struct guarantee guarantee;
    struct member_guarantee *known = &member->guarantee;
    judge_by(manager, bounds, member, &guarantee);
    known->judged_usec = member->asked_usec;
    known->print = print_of(&guarantee);
    known->is_known = guarantee.verdict != GUARANTEE_UNKNOWN;
    known->holds = guarantee.holds;
    if (!known->is_known)
        guarantee_word_forget(&known->word);
    else if (guarantee_word_take(&known->word, known->holds, member->asked_usec))
        tell_change(manager, member, &guarantee);
}

void guarantees_begin_anew(struct manager *manager)
{
    for (size_t i = 0; i < manager->herd.n_members; i++)
        guarantee_word_begin_anew(&manager->herd.members[i]->guarantee.word);
}

void guarantees_consider(struct manager *manager)
{
    if (boottime_now_usec() >= manager->can_hold_usec) {
        manager->can_hold = brake_limit_is_possible();
        manager->can_hold_usec = boottime_now_usec() + PROBE_USEC;
    }
    struct guarantee_bounds bounds = guarantees_bounds(manager);
    for (size_t i = 0; i < manager->herd.n_members; i++)
        if (manager->herd.members[i]->guarantee.judged_usec != manager->herd.members[i]->asked_usec)
            judge(manager, &bounds, manager->herd.members[i]);
}

/* Whoever makes a device has it suspended and open for a moment: what only that prevents is left to the looks that follow. */
const char *guarantees_found(struct manager *manager, struct member *member,
                             char text[static GUARANTEE_TEXT_MAX])
{
    struct guarantee guarantee;
    struct guarantee_subject subject = subject_for(manager, member);
    struct guarantee_bounds bounds = guarantees_bounds(manager);
    subject.seen = NULL;
    subject.woken_by_counting = waking_will_count(&manager->waking, boottime_now_usec());
    guarantee_judge(&subject, &bounds, &guarantee);
    member->guarantee.word.told = guarantee.holds;
    char reason[GUARANTEE_TEXT_MAX];
    snprintf(text, GUARANTEE_TEXT_MAX, "%s: %.*s", guarantee.holds ? "yes" : "no", GUARANTEE_TEXT_MAX - 8,
             guarantee_text(&guarantee, reason));
    return text;
}

/* How soon a member without a guarantee could be full. */
static uint64_t to_full_usec(const struct member *member, uint64_t assumed)
{
    uint64_t peak = member->sample.peak_bytes_per_second, rate = peak > assumed ? peak : assumed;
    unsigned __int128 usec = (unsigned __int128)member->sample.bytes_left * 1000000 / (rate ? rate : 1);
    return usec > UINT64_MAX ? UINT64_MAX : (uint64_t)usec;
}

static const struct member *find_worst(const struct manager *manager, size_t *ret_n_known)
{
    uint64_t assumed = manager->configuration.assumed_bytes_per_second;
    const struct member *worst = NULL;
    *ret_n_known = 0;
    for (size_t i = 0; i < manager->herd.n_members; i++) {
        const struct member *member = manager->herd.members[i];
        *ret_n_known += member->guarantee.is_known;
        if (member->guarantee.is_known && !member->guarantee.holds &&
            (!worst || to_full_usec(member, assumed) < to_full_usec(worst, assumed)))
            worst = member;
    }
    return worst;
}

void guarantees_status(const struct manager *manager, char *text, size_t size)
{
    char name[EVENT_NAME_MAX], reason[GUARANTEE_TEXT_MAX];
    size_t n_known, length = strlen(text);
    const struct member *worst = find_worst(manager, &n_known);
    struct guarantee guarantee;
    if (!n_known)
        return;
    if (!worst) {
        snprintf(text + length, size - length, "; guarantee: yes");
        return;
    }
    guarantees_judge(manager, worst, &guarantee);
    snprintf(text + length, size - length, "; guarantee: no (%.64s: %s)", event_text_name(worst->name, name),
             guarantee_text(&guarantee, reason));
}
