#include "cowherd/order.h"
#include "cowherd/bytes_text.h"
#include "cowherd/exception_store.h"
#include <stdio.h>
#include <string.h>

#define GROWTH_TEXT_MAX (2 * BYTES_TEXT_MAX + 16)

static bool is_merging(const struct member *member)
{
    return member->target.kind == TARGET_SNAPSHOT_MERGE;
}

/* Of no height, like a rung of time: what is used now takes its place, which says how full the store was. */
struct intent order_intent(const struct member *member, const struct action *action, const char *who,
                           const char *boot_id)
{
    static const struct policy none;
    struct action copy = *action;
    char text[INTENT_RUNG_MAX];
    struct rung rung = {.condition.kind = CONDITION_TIME, .actions = &copy, .n_actions = 1, .text = text};
    snprintf(text, sizeof(text), INTENT_ORDER "%s", who);
    struct intent intent = decision_intent(member, member->policy ? member->policy : &none, &rung, boot_id);
    if (action->kind != ACTION_MERGE || !is_merging(member))
        return intent;
    intent.role = ROLE_LIVE;
    intent.origin_user = 0;
    intent.origin_user_name[0] = intent.origin_user_uuid[0] = '\0';
    return intent;
}

bool order_outranks(const struct intent *order, const struct intent *rung)
{
    return intent_is_ordered(order) && rung->used_centipercent <= order->used_centipercent;
}

static const char *participle(enum action_kind kind)
{
    return kind == ACTION_EXTEND ? "extended" : kind == ACTION_MERGE ? "merged" : "dropped";
}

static bool has_step(const struct plan *plan, enum step_kind kind)
{
    for (size_t i = 0; i < plan->n_steps; i++)
        if (plan->steps[i].kind == kind)
            return true;
    return false;
}

static const char *describe_drop(const struct plan *plan)
{
    return has_step(plan, STEP_REMOVE_DEFERRED) ? " from under its readers" : ": it is not open";
}

static const char *describe_merge(const struct intent *intent)
{
    return intent->role == ROLE_LIVE ? ": the new data is kept, there is no way back then"
                                     : ": the old data comes back, the new data goes";
}

static const char *describe_growth(const struct intent *intent, uint64_t total_sectors,
                                   char text[static GROWTH_TEXT_MAX])
{
    char from[BYTES_TEXT_MAX], to[BYTES_TEXT_MAX];
    snprintf(text, GROWTH_TEXT_MAX, " from %s to %s", bytes_text(total_sectors * SECTOR_BYTES, from),
             bytes_text(plan_extend_goal_sectors(intent) * SECTOR_BYTES, to));
    return text;
}

static const char *describe(const struct intent *intent, const struct plan *plan, uint64_t total_sectors,
                            char text[static GROWTH_TEXT_MAX])
{
    if (intent->action == ACTION_EXTEND)
        return describe_growth(intent, total_sectors, text);
    return intent->action == ACTION_DROP ? describe_drop(plan) : describe_merge(intent);
}

const char *order_would_text(const struct intent *intent, const struct plan *plan, const char *name,
                             uint64_t total_sectors, char text[static ORDER_TEXT_MAX])
{
    const char *done = participle(intent->action);
    char more[GROWTH_TEXT_MAX];
    switch (plan->verdict) {
    case PLAN_ACT:
        snprintf(text, ORDER_TEXT_MAX, "%s would be %s%s", name, done,
                 describe(intent, plan, total_sectors, more));
        break;
    case PLAN_WAIT:
        snprintf(text, ORDER_TEXT_MAX, "%s is being merged already, and would be finished", name);
        break;
    case PLAN_DEFER:
        snprintf(text, ORDER_TEXT_MAX, "%s would not be %s yet: %s", name, done, plan->reason);
        break;
    case PLAN_REFUSE:
        snprintf(text, ORDER_TEXT_MAX, "%s cannot be %s now: %s", name, done, plan->reason);
        break;
    case PLAN_ABANDON:
        snprintf(text, ORDER_TEXT_MAX, "%s cannot be %s: %s", name, done, plan->reason);
        break;
    }
    return text;
}

const char *order_begun_text(const struct intent *intent, const struct plan *plan, const char *name,
                             char text[static ORDER_TEXT_MAX])
{
    const char *done = participle(intent->action);
    if (plan->verdict == PLAN_ACT)
        snprintf(text, ORDER_TEXT_MAX, "%s is being %s", name, done);
    else if (plan->verdict == PLAN_WAIT)
        snprintf(text, ORDER_TEXT_MAX, "%s is being merged already, and will be finished", name);
    else
        snprintf(text, ORDER_TEXT_MAX, "%s is not %s yet: %s; it follows by itself as soon as it can", name,
                 done, plan->reason);
    return text;
}
