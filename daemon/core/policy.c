#include "cowherd/policy.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

const char *role_name(enum role role)
{
    switch (role) {
    case ROLE_BACKUP:
        return "backup";
    case ROLE_LIVE:
        return "live";
    case ROLE_UNSET:
        break;
    }
    return "unset";
}

const char *action_kind_name(enum action_kind kind)
{
    switch (kind) {
    case ACTION_EXEC:
        return "exec";
    case ACTION_EXTEND:
        return "extend";
    case ACTION_MERGE:
        return "merge";
    case ACTION_DROP:
        return "drop";
    case ACTION_ALERT:
        break;
    }
    return "alert";
}

bool action_kind_changes(enum action_kind kind)
{
    return kind == ACTION_EXTEND || kind == ACTION_MERGE || kind == ACTION_DROP;
}

const struct policy *policy_find(const struct policy *policies, size_t n_policies, const char *name,
                                 const char *uuid)
{
    for (size_t i = n_policies; i-- > 0;) {
        const char *subject = policies[i].by_uuid ? uuid : name;

        if (fnmatch(policies[i].pattern, subject ? subject : "", 0) == 0)
            return &policies[i];
    }
    return NULL;
}

const struct action *rung_changing_action(const struct rung *rung)
{
    for (size_t i = 0; i < rung->n_actions; i++)
        if (action_kind_changes(rung->actions[i].kind))
            return &rung->actions[i];
    return NULL;
}

enum alert_level rung_alert_level(const struct rung *rung)
{
    for (size_t i = 0; i < rung->n_actions; i++)
        if (rung->actions[i].kind == ACTION_ALERT)
            return rung->actions[i].level;
    return ALERT_WARNING;
}

const struct rung *policy_next_rung_by_kind(const struct policy *policy, enum condition_kind kind,
                                            const struct rung *after)
{
    for (size_t i = after ? (size_t)(after - policy->rungs) + 1 : 0; i < policy->n_rungs; i++)
        if (policy->rungs[i].condition.kind == kind)
            return &policy->rungs[i];
    return NULL;
}

const struct rung *policy_rung_by_action(const struct policy *policy, enum action_kind kind)
{
    for (size_t i = 0; i < policy->n_rungs; i++) {
        const struct action *action = rung_changing_action(&policy->rungs[i]);
        if (action && action->kind == kind)
            return &policy->rungs[i];
    }
    return NULL;
}

const struct rung *policy_rung_by_text(const struct policy *policy, const char *text)
{
    for (size_t i = 0; i < policy->n_rungs; i++)
        if (strcmp(policy->rungs[i].text, text) == 0)
            return &policy->rungs[i];
    return NULL;
}

void action_done(struct action *action)
{
    free(action->hook);
    free(action->text);
    *action = (struct action){0};
}

void rung_done(struct rung *rung)
{
    for (size_t i = 0; i < rung->n_actions; i++)
        action_done(&rung->actions[i]);
    free(rung->actions);
    free(rung->text);
    *rung = (struct rung){0};
}

void policy_done(struct policy *policy)
{
    for (size_t i = 0; i < policy->n_rungs; i++)
        rung_done(&policy->rungs[i]);
    free(policy->rungs);
    free(policy->pattern);
    free(policy->extend_from);
    free(policy->file);
    *policy = (struct policy){0};
}
