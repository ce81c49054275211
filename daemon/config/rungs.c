#include "draft.h"

#include "cowherd/grammar.h"
#include "message.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void free_rung(struct rung *rung)
{
    rung_done(rung);
}

bool draft_is_rung(const char *key)
{
    size_t length = strcspn(key, " \t");

    return length == 2 && (memcmp(key, "at", 2) == 0 || memcmp(key, "on", 2) == 0);
}

static bool same_condition(const struct condition *a, const struct condition *b)
{
    return a->kind == b->kind && a->value == b->value;
}

static bool same_action(const struct action *a, const struct action *b)
{
    if (a->kind != b->kind || a->level != b->level || a->is_percent != b->is_percent ||
        a->amount != b->amount)
        return false;
    return a->kind != ACTION_EXEC || strcmp(a->hook, b->hook) == 0;
}

static bool same_actions(const struct rung *a, const struct rung *b)
{
    if (a->n_actions != b->n_actions)
        return false;
    for (size_t i = 0; i < a->n_actions; i++)
        if (!same_action(&a->actions[i], &b->actions[i]))
            return false;
    return true;
}

enum twin { TWIN_NONE, TWIN_SAME, TWIN_RIVAL };

/* What an earlier rung of the section is to one at its height: a second one may well add an alert or a hook. */
static enum twin twin_of(const struct rung *other, const struct rung *rung)
{
    if (!same_condition(&other->condition, &rung->condition))
        return TWIN_NONE;
    if (same_actions(other, rung))
        return TWIN_SAME;
    return rung_changing_action(other) && rung_changing_action(rung) ? TWIN_RIVAL : TWIN_NONE;
}

/* Of two that change the device at one height only the last would be carried out, so one of them is a mistake; what says the
 * same counts once. */
static int check_twins(struct draft *draft, const struct policy *policy, const struct rung *rung,
                       enum twin *ret_twin)
{
    for (size_t i = 0; i < policy->n_rungs; i++) {
        const struct rung *other = &policy->rungs[i];

        *ret_twin = twin_of(other, rung);
        if (*ret_twin == TWIN_SAME)
            return config_warning(draft->messages, draft->file, rung->line,
                                  "\"%s\": line %u says the same already", rung->text, other->line);
        if (*ret_twin == TWIN_RIVAL)
            return config_error(draft->messages, draft->file, rung->line,
                                "\"%s\": line %u changes the device at the same height already", rung->text,
                                other->line);
    }
    *ret_twin = TWIN_NONE;
    return 0;
}

/* Of several rungs crossed in one look the last written is carried out, so a ladder should rise. */
static int warn_unless_rising(struct draft *draft, const struct policy *policy, const struct rung *rung)
{
    if (rung->condition.kind != CONDITION_USED)
        return 0;
    for (size_t i = policy->n_rungs; i-- > 0;) {
        const struct rung *other = &policy->rungs[i];

        if (other->condition.kind != CONDITION_USED)
            continue;
        if (rung->condition.value > other->condition.value)
            return 0;
        return config_warning(draft->messages, draft->file, rung->line,
                              "\"%s\" is not higher than line %u, \"%s\": a ladder is written in order of "
                              "escalation",
                              rung->text, other->line, other->text);
    }
    return 0;
}

static int append(struct policy *policy, struct rung *rung)
{
    struct rung *rungs = reallocarray(policy->rungs, policy->n_rungs + 1, sizeof(*rungs));

    if (!rungs)
        return -ENOMEM;
    policy->rungs = rungs;
    policy->rungs[policy->n_rungs++] = *rung;
    *rung = (struct rung){0};
    return 0;
}

/* Returns 0, -ENOMEM, or -EINVAL when an error was told. */
static int parse(struct draft *draft, unsigned line, const char *key, const char *value, struct rung *rung)
{
    const char *error, *culprit = key;
    int r;

    r = grammar_parse_condition(key, &rung->condition, &error);
    if (r == 0) {
        culprit = value;
        r = grammar_parse_actions(value, rung->condition.kind, &rung->actions, &rung->n_actions, &error);
    }
    if (r == -EINVAL && config_error(draft->messages, draft->file, line, "\"%s\": %s", culprit, error) < 0)
        return -ENOMEM;
    return r;
}

static int add(struct draft *draft, struct policy *policy, struct rung *rung)
{
    enum twin twin;
    int r;

    r = check_twins(draft, policy, rung, &twin);
    if (r < 0 || twin != TWIN_NONE)
        return r;
    r = warn_unless_rising(draft, policy, rung);
    return r < 0 ? r : append(policy, rung);
}

int draft_add_rung(struct draft *draft, unsigned line, const char *key, const char *value, const char *text)
{
    struct policy *policy = &draft->configuration.policies[draft->configuration.n_policies - 1];
    __attribute__((cleanup(free_rung))) struct rung rung = {.line = line};
    bool is_surplus = draft->n_rung_lines++ >= POLICY_RUNGS_MAX;
    int r = 0;

    draft->n_height_lines += strncmp(key, "at", 2) == 0;
    if (draft->n_rung_lines == POLICY_RUNGS_MAX + 1) /* one error for all that follow */
        r = config_error(draft->messages, draft->file, line, "\"%s\": a section has at most %d rungs", text,
                         POLICY_RUNGS_MAX);
    if (r < 0)
        return r;
    r = parse(draft, line, key, value, &rung);
    if (r < 0 || is_surplus)
        return r == -EINVAL ? 0 : r;
    rung.text = strdup(text);
    return rung.text ? add(draft, policy, &rung) : -ENOMEM;
}

static bool has_hook(const struct configuration *configuration, const char *name)
{
    for (size_t i = 0; i < configuration->n_hooks; i++)
        if (strcmp(configuration->hooks[i].name, name) == 0)
            return true;
    return false;
}

static int check_hooks_of(struct draft *draft, const struct policy *policy, const struct rung *rung)
{
    int r;

    for (size_t i = 0; i < rung->n_actions; i++) {
        const char *hook = rung->actions[i].hook;

        if (!hook || has_hook(&draft->configuration, hook))
            continue;
        r = config_error(draft->messages, policy->file, rung->line, "\"%s\": there is no [hook %s]",
                         rung->actions[i].text, hook);
        if (r < 0)
            return r;
    }
    return 0;
}

int draft_check_hooks(struct draft *draft)
{
    for (size_t i = 0; i < draft->configuration.n_policies; i++) {
        const struct policy *policy = &draft->configuration.policies[i];

        for (size_t k = 0; k < policy->n_rungs; k++) {
            int r = check_hooks_of(draft, policy, &policy->rungs[k]);

            if (r < 0)
                return r;
        }
    }
    return 0;
}
