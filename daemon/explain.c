#include "cowherd/announce.h"
#include "cowherd/order.h"
#include "guarantees.h"
#include "holding.h"
#include "looks.h"
#include "manager_state.h"
#include "orders.h"
#include "reactions.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTION_MAX 8192 /* a pattern and a path */

/* What a rung would do at this moment, but for its alerts and hooks. */
static const char *ask_plan(const struct manager *manager, const struct member *member,
                            const struct rung *rung, char text[static ORDER_TEXT_MAX])
{
    struct plan plan;
    const char *held = holding_reason(manager, member);
    struct intent intent = decision_intent(member, member->policy, rung, manager->boot_id);
    const char *impossible = decision_why_impossible(member, intent.action);
    snprintf(intent.held, sizeof(intent.held), "%s", held ? held : "");
    plan_make(&intent, &manager->seen, &plan);
    if (impossible) {
        plan.verdict = PLAN_ABANDON;
        snprintf(plan.reason, sizeof(plan.reason), "%s", impossible);
    }
    return order_would_text(&intent, &plan, "it", member->sample.total_sectors, text);
}

/* While an action is under way: how it stands with this rung's, or with another one which this rung would wait for. NULL:
 * this rung would take its place. */
static const char *ask_errand(const struct errand *errand, const struct rung *rung,
                              char text[static ORDER_TEXT_MAX])
{
    const struct pursuit *pursuit = &errand->pursuit;
    const char *phase = pursuit_phase_name(pursuit->phase), *reason = pursuit->reason;
    const char *action = action_kind_name(pursuit->intent.action);
    if (strcmp(pursuit->intent.rung, rung->text) == 0)
        snprintf(text, ORDER_TEXT_MAX, "the %s is under way: %s%s%s", action, phase, reason[0] ? ": " : "",
                 reason);
    else if (errand->acting || !pursuit_may_be_overtaken(pursuit))
        snprintf(text, ORDER_TEXT_MAX, "it would wait for the %s that is under way: %s", action,
                 pursuit->intent.rung);
    else
        return NULL;
    return text;
}

/* An extension when it is due grows by what is used then; a snapshot that is lost has no ladder to climb. */
static const char *ask_action(const struct manager *manager, const struct member *member,
                              const struct rung *rung, char text[static ORDER_TEXT_MAX])
{
    const struct errand *errand = reactions_errand_of(manager, member);
    bool is_lost = snapshot_state_is_lost(member->target.status.state);
    const char *under_way = errand ? ask_errand(errand, rung, text) : NULL;
    if (under_way)
        return under_way;
    if (rung->condition.kind == CONDITION_LOST && !is_lost)
        return strcpy(text, "it would be dropped once it is lost");
    return ask_plan(manager, member, rung, text);
}

static size_t append(char text[static ORDER_TEXT_MAX], size_t length, const char *what, const char *value)
{
    int n = snprintf(text + length, ORDER_TEXT_MAX - length, "%s%s%s", length ? "; " : "", what, value);
    return n < 0 || length + (size_t)n >= ORDER_TEXT_MAX ? ORDER_TEXT_MAX - 1 : length + (size_t)n;
}

static const char *alert_name(enum alert_level level)
{
    return level == ALERT_NOTICE ? "notice" : level == ALERT_CRITICAL ? "critical" : "warning";
}

static void describe_would(const struct manager *manager, const struct member *member,
                           const struct rung *rung, char text[static ORDER_TEXT_MAX])
{
    char action[ORDER_TEXT_MAX];
    size_t length = 0;
    text[0] = '\0';
    if (rung_changing_action(rung))
        length = append(text, length, manager->errands.dry_run ? "on a dry run: " : "",
                        ask_action(manager, member, rung, action));
    for (size_t i = 0; i < rung->n_actions; i++)
        if (rung->actions[i].kind == ACTION_EXEC)
            length = append(text, length, "it would run the hook ", rung->actions[i].hook);
    append(text, length, "it would alert: ", alert_name(rung_alert_level(rung)));
}

static bool has_fired(const struct manager *manager, const struct member *member, size_t rung)
{
    const struct errand *errand = reactions_errand_of(manager, member);
    switch (member->policy->rungs[rung].condition.kind) {
    case CONDITION_LOST:
        return member->lost_told;
    case CONDITION_STALLED:
        return errand && errand->pursuit.stalled;
    default:
        return member->ladder.marks[rung].fired;
    }
}

static const struct guarantee_rung *find_judged(const struct guarantee *guarantee, size_t rung)
{
    for (size_t i = 0; i < guarantee->n_rungs; i++)
        if (guarantee->rungs[i].rung == rung)
            return &guarantee->rungs[i];
    return NULL;
}

static int explain_rung(const struct manager *manager, const struct member *member, size_t rung,
                        const struct guarantee *guarantee, struct explanation_rung *ret_rung)
{
    char would[ORDER_TEXT_MAX], reason[GUARANTEE_TEXT_MAX] = "";
    const struct guarantee_rung *judged = find_judged(guarantee, rung);
    bool in_time = judged && guarantee_verdict_holds(judged->verdict);
    describe_would(manager, member, &member->policy->rungs[rung], would);
    *ret_rung = (struct explanation_rung){
        .text = strdup(member->policy->rungs[rung].text),
        .state = strdup(has_fired(manager, member, rung) ? "fired" : "armed"),
        .would = strdup(would),
        .in_time = strdup(!judged   ? ""
                          : in_time ? "yes"
                                    : "no"),
        .reason = strdup(judged ? guarantee_rung_text(judged, reason) : ""),
    };
    bool complete = ret_rung->text && ret_rung->state && ret_rung->would && ret_rung->in_time &&
                    ret_rung->reason;
    return complete ? 0 : -ENOMEM;
}

static int explain_rungs(const struct manager *manager, const struct member *member,
                         const struct guarantee *guarantee, struct explanation *explanation)
{
    size_t n_rungs = member->policy ? member->policy->n_rungs : 0;
    int r = 0;
    explanation->rungs = calloc(n_rungs + 1, sizeof(*explanation->rungs));
    if (!explanation->rungs)
        return -ENOMEM;
    while (explanation->n_rungs < n_rungs && r == 0) {
        r = explain_rung(manager, member, explanation->n_rungs, guarantee,
                         &explanation->rungs[explanation->n_rungs]);
        explanation->n_rungs++;
    }
    return r;
}

static void describe_section(const struct policy *policy, char text[static SECTION_MAX])
{
    text[0] = '\0';
    if (policy)
        snprintf(text, SECTION_MAX, "[snapshot %s%s] of %s:%u", policy->by_uuid ? "uuid:" : "",
                 policy->pattern, policy->file, policy->line);
}

int orders_explain(struct manager *manager, const char *name, struct explanation *ret_explanation)
{
    struct member *member = orders_find(manager, name);
    char section[SECTION_MAX], reason[GUARANTEE_TEXT_MAX];
    struct explanation explanation = {0};
    struct guarantee guarantee;
    if (!member)
        return -ENOENT;
    looks_peek(manager, member);
    guarantees_judge(manager, member, &guarantee);
    describe_section(member->policy, section);
    explanation.section = strdup(section);
    explanation.guarantee = strdup(guarantee.holds ? "yes" : "no");
    explanation.reason = strdup(guarantee_text(&guarantee, reason));
    int r = explain_rungs(manager, member, &guarantee, &explanation);
    if (r < 0 || !explanation.section || !explanation.guarantee || !explanation.reason) {
        explanation_done(&explanation);
        return -ENOMEM;
    }
    *ret_explanation = explanation;
    return 0;
}
