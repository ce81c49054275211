#include "accounts.h"
#include "boottime.h"
#include "cowherd/account_member.h"
#include "cowherd/account_nodes.h"
#include "cowherd/text.h"
#include "guarantees.h"
#include "holding.h"
#include "reactions.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#define STEP_USEC UINT64_C(10000) /* of CLOCK_REALTIME: somebody has set it */

/* What CLOCK_REALTIME was when CLOCK_BOOTTIME was 0. Read one after the other they seem to differ by a little more or less each
 * time, and a time that stands must not tremble. */
static uint64_t realtime_usec(void)
{
    static uint64_t steady_usec;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 - boottime_now_usec();
    if (usec > steady_usec + STEP_USEC || usec + STEP_USEC < steady_usec)
        steady_usec = usec;
    return steady_usec;
}

static uint64_t held_until_usec(const struct manager *manager, const struct member *member)
{
    uint64_t until_usec = holding_until_usec(manager, member);
    return until_usec && until_usec != UINT64_MAX ? until_usec + realtime_usec() : until_usec;
}

static int take_rung_guarantee(const struct guarantee_rung *rung, struct account_rung *account)
{
    char text[GUARANTEE_TEXT_MAX];
    int r = text_replace(&account->in_time, guarantee_verdict_holds(rung->verdict) ? "yes" : "no");
    return r < 0 ? r : text_replace(&account->reason, guarantee_rung_text(rung, text));
}

static int take_guarantee(const struct manager *manager, const struct member *member, struct account *account)
{
    struct guarantee guarantee;
    char text[GUARANTEE_TEXT_MAX];
    int r = 0;
    guarantees_judge(manager, member, &guarantee);
    if (guarantee.verdict == GUARANTEE_UNKNOWN)
        return 0;
    for (size_t i = 0; i < guarantee.n_rungs && r >= 0; i++)
        r = take_rung_guarantee(&guarantee.rungs[i], &account->rungs[guarantee.rungs[i].rung]);
    if (r >= 0)
        r = text_replace(&account->guarantee, guarantee.holds ? "yes" : "no");
    return r < 0 ? r : text_replace(&account->guarantee_reason, guarantee_text(&guarantee, text));
}

/* Why an errand waits or has failed; not what it waited for before. */
static const char *reason_of(const struct pursuit *pursuit)
{
    bool waits = pursuit->phase == PURSUIT_DEFERRED || pursuit->phase == PURSUIT_RETRYING;
    return waits && pursuit->reason[0] ? pursuit->reason : NULL;
}

static int take_action(const struct errand *errand, const struct target *target, struct account *account)
{
    const struct pursuit *pursuit = &errand->pursuit;
    struct account_action *action = &account->action;
    bool has_progress = pursuit->intent.action == ACTION_MERGE && errand->has_sample && target;
    action->progress_percent = has_progress ? account_merged_percent(target, errand->sample.used_sectors)
                                            : -1;
    int r = text_replace(&action->kind, action_kind_name(pursuit->intent.action));
    if (r >= 0)
        r = text_replace(&action->phase,
                         pursuit_phase_name(errand->acting ? PURSUIT_ACTING : pursuit->phase));
    if (r >= 0)
        r = text_replace(&action->rung, pursuit->intent.rung);
    if (r >= 0 && reason_of(pursuit))
        r = text_replace(&action->reason, reason_of(pursuit));
    return r;
}

/* `on stalled` has fired as long as what it is about lasts. */
static void take_stalled(const struct member *member, const struct errand *errand, struct account *account)
{
    for (size_t i = 0; i < account->n_rungs; i++)
        if (member->policy->rungs[i].condition.kind == CONDITION_STALLED)
            account->rungs[i].fired = errand->pursuit.stalled;
}

static int take_errand(const struct manager *manager, const struct member *member, struct account *account)
{
    const struct errand *errand = reactions_errand_of(manager, member);
    if (!errand)
        return 0;
    take_stalled(member, errand, account);
    return take_action(errand, &member->target, account);
}

int accounts_take(const struct manager *manager, const struct member *member, struct account *ret_account)
{
    struct account account = {0};
    int r = account_of_member(member, realtime_usec(), &account);
    if (r < 0)
        return r;
    account.held_until_usec = held_until_usec(manager, member);
    account.is_counted = waking_is_counting(member);
    r = account_take_nodes(&account, &manager->seen, member->target.origin, member->target.store);
    if (r >= 0)
        r = take_guarantee(manager, member, &account);
    if (r >= 0)
        r = take_errand(manager, member, &account);
    if (r < 0)
        account_done(&account);
    else
        *ret_account = account;
    return r;
}

bool accounts_has_member(const struct manager *manager, const struct errand *errand)
{
    for (size_t i = 0; i < manager->herd.n_members; i++)
        if (reactions_errand_of(manager, manager->herd.members[i]) == errand)
            return true;
    return false;
}

/* The merge that an errand waits for, by its devices: lvm's volume has another number when it was activated anew. */
static const struct target *merge_of(const struct manager *manager, const struct intent *intent)
{
    for (size_t i = 0; i < manager->seen.n_devices; i++) {
        const struct dm_device *device = &manager->seen.devices[i];
        const struct target *target = dm_device_only_target(device);
        if (target && target->kind == TARGET_SNAPSHOT_MERGE && target->origin == intent->origin &&
            target->store == intent->store)
            return target;
    }
    return NULL;
}

static int take_intent(const struct manager *manager, const struct intent *intent, struct account *account)
{
    account->name = strdup(intent->name);
    account->uuid = strdup(intent->uuid);
    account->role = strdup(role_name(intent->role));
    account->state = strdup(intent->action == ACTION_MERGE ? "merging"
                                                           : snapshot_state_name(SNAPSHOT_UNKNOWN));
    if (!account->name || !account->uuid || !account->role || !account->state)
        return -ENOMEM;
    int r = account_take_devices(account, intent->origin, intent->store);
    return r < 0 ? r : account_take_nodes(account, &manager->seen, intent->origin, intent->store);
}

static int take_merge(const struct errand *errand, const struct target *target, struct account *account)
{
    int r = 0;
    if (target) {
        account_take_usage(account, target);
        account->looked_usec = realtime_usec() +
                               boottime_now_usec(); /* as long as it merges: four times a second */
    }
    if (target && target->status.state != SNAPSHOT_VALID)
        r = text_replace(&account->state, snapshot_state_name(target->status.state));
    return r < 0 ? r : take_action(errand, target, account);
}

int accounts_take_errand(const struct manager *manager, const struct errand *errand,
                         struct account *ret_account)
{
    const struct intent *intent = &errand->pursuit.intent;
    struct account account = {
        .major = major(intent->device),
        .minor = minor(intent->device),
        .seconds_left = -1,
        .chunk_sectors = intent->chunk_sectors,
    };
    int r = take_intent(manager, intent, &account);
    if (r >= 0)
        r = take_merge(errand, merge_of(manager, intent), &account);
    if (r < 0)
        account_done(&account);
    else
        *ret_account = account;
    return r;
}

static int take_members(const struct manager *manager, struct account *accounts, size_t *n_accounts)
{
    int r = 0;
    for (size_t i = 0; i < manager->herd.n_members && r >= 0; i++) {
        r = accounts_take(manager, manager->herd.members[i], &accounts[*n_accounts]);
        *n_accounts += r >= 0;
    }
    return r;
}

static int take_errands(const struct manager *manager, struct account *accounts, size_t *n_accounts)
{
    int r = 0;
    for (size_t i = 0; i < manager->errands.n_items && r >= 0; i++) {
        const struct errand *errand = manager->errands.items[i];
        if (accounts_has_member(manager, errand))
            continue;
        r = accounts_take_errand(manager, errand, &accounts[*n_accounts]);
        *n_accounts += r >= 0;
    }
    return r;
}

int accounts_take_all(const struct manager *manager, struct account **ret_accounts, size_t *ret_n_accounts)
{
    size_t n_accounts = 0;
    struct account *accounts = calloc(manager->herd.n_members + manager->errands.n_items + 1,
                                      sizeof(*accounts));
    if (!accounts)
        return -ENOMEM;
    int r = take_members(manager, accounts, &n_accounts);
    if (r >= 0)
        r = take_errands(manager, accounts, &n_accounts);
    if (r < 0) {
        accounts_free(accounts, n_accounts);
        return r;
    }
    *ret_accounts = accounts;
    *ret_n_accounts = n_accounts;
    return 0;
}
