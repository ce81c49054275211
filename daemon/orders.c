#include "orders.h"
#include "boottime.h"
#include "cowherd/announce.h"
#include "cowherd/grammar.h"
#include "cowherd/order.h"
#include "holding.h"
#include "looks.h"
#include "manager_state.h"
#include "reactions.h"
#include "reload.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#define DAY_USEC UINT64_C(86400000000)

__attribute__((format(printf, 3, 4))) static int answer(int r, char said[static ORDER_SAID_MAX],
                                                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(said, ORDER_SAID_MAX, format, arguments);
    va_end(arguments);
    return r;
}

/* What a dry run comes to: the client's own is done with its answer; but nobody may believe that the daemon, on one, has done what
 * it was ordered, or wait for its end. */
static bool is_dry(const struct manager *manager, bool dry_run)
{
    return dry_run || manager->errands.dry_run;
}

static int dry_result(bool dry_run)
{
    return dry_run ? 0 : -EPERM;
}

static const char *dry_prefix(const struct manager *manager)
{
    return manager->errands.dry_run ? "Nothing is changed, for cowherd is on a dry run: " : "";
}

/* ---- whom */

struct member *orders_find(const struct manager *manager, const char *name)
{
    const struct herd *herd = &manager->herd;
    char text[EVENT_NAME_MAX];
    for (size_t i = 0; i < herd->n_members; i++)
        if (strcmp(herd->members[i]->name, name) == 0)
            return herd->members[i];
    for (size_t i = 0; i < herd->n_members; i++)
        if (herd->members[i]->uuid[0] && strcmp(herd->members[i]->uuid, name) == 0)
            return herd->members[i];
    for (size_t i = 0; i < herd->n_members; i++)
        if (strcmp(event_text_name(herd->members[i]->name, text), name) == 0)
            return herd->members[i];
    return NULL;
}

static int look_again(struct manager *manager, char said[static ORDER_SAID_MAX])
{
    if (manager->stopping)
        return answer(-EBUSY, said, "cowherd is being stopped.");
    if (manager->dm_fd < 0 && !manager->blind)
        return 0; /* no device-mapper yet, and nobody to be found */
    int r = looks_complete(manager);
    manager_wake(manager);
    return r < 0 ? answer(r, said, "The devices cannot be looked at: %s.", strerror(-r)) : 0;
}

static int find_fresh(struct manager *manager, const char *name, struct member **ret_member,
                      char said[static ORDER_SAID_MAX])
{
    int r = look_again(manager, said);
    if (r < 0)
        return r;
    struct member *member = orders_find(manager, name);
    char text[EVENT_NAME_MAX];
    if (!member)
        return answer(-ENOENT, said, "There is no snapshot %s.", event_text_name(name, text));
    *ret_member = member;
    return 0;
}

/* ---- extend, merge, drop */

/* What waits by a rung gives way to an order; what an operator has ordered before does not. */
static int why_busy(const struct manager *manager, const struct member *member, const char *name,
                    char said[static ORDER_SAID_MAX])
{
    const struct errand *errand = reactions_errand_of(manager, member);
    const char *held = holding_reason(manager, member);
    if (held)
        return answer(-EBUSY, said, "%s is %s: no action is begun on it until it is released.", name, held);
    if (recall_waits_for(&manager->recall, member->device))
        return answer(-EBUSY, said,
                      "What was begun on %s before the machine went down must be finished first.", name);
    if (!errand)
        return 0;
    const struct intent *intent = &errand->pursuit.intent;
    const char *action = action_kind_name(intent->action);
    if (errand->acting || !pursuit_may_be_overtaken(&errand->pursuit))
        return answer(-EBUSY, said, "The %s of %s is under way: %s.", action, name, intent->rung);
    if (intent_is_ordered(intent))
        return answer(-EBUSY, said, "The %s of %s waits already, by %s: %s. A release takes it back.", action,
                      name, intent->rung, errand->pursuit.reason);
    return 0;
}

/* What is being merged can only be finished; lvm finishes its merges itself. */
static int why_merging(const struct member *member, enum action_kind action, const char *name,
                       char said[static ORDER_SAID_MAX])
{
    bool is_ours = action == ACTION_MERGE && !dm_uuid_is_lvm(member->uuid);
    if (member->target.kind != TARGET_SNAPSHOT_MERGE || is_ours)
        return 0;
    return answer(-EBUSY, said, "%s is being merged.", name);
}

static int begin(struct manager *manager, const struct member *member, const struct intent *intent,
                 char said[static ORDER_SAID_MAX])
{
    uint64_t now_usec = boottime_now_usec();
    int r = errands_begin(&manager->errands, intent, &member->sample, false, false, now_usec);
    if (r < 0)
        return answer(r, said, "Out of memory: nothing is begun.");
    errands_consider(&manager->errands, &manager->seen, true, now_usec);
    manager_wake(manager);
    return 0;
}

/* The plan is made of the look that was just had; the child looks once more. */
static int decide(struct manager *manager, const struct member *member, const struct intent *intent,
                  bool dry_run, char said[static ORDER_SAID_MAX])
{
    char name[EVENT_NAME_MAX], text[ORDER_TEXT_MAX];
    struct plan plan;
    event_text_name(member->name, name);
    plan_make(intent, &manager->seen, &plan);
    order_would_text(intent, &plan, name, member->sample.total_sectors, text);
    if (plan.verdict == PLAN_REFUSE || plan.verdict == PLAN_ABANDON)
        return answer(-EPERM, said, "%s.", text);
    if (is_dry(manager, dry_run))
        return answer(dry_result(dry_run), said, "%s%s.", dry_prefix(manager), text);
    answer(0, said, "%s.", order_begun_text(intent, &plan, name, text));
    return begin(manager, member, intent, said);
}

static int order(struct manager *manager, const char *name, const struct action *action, bool dry_run,
                 const char *who, char said[static ORDER_SAID_MAX])
{
    struct member *member;
    char shown[EVENT_NAME_MAX];
    int r = find_fresh(manager, name, &member, said);
    if (r < 0)
        return r;
    event_text_name(member->name, shown);
    const char *impossible = decision_why_impossible(member, action->kind);
    if (impossible)
        return answer(-EPERM, said, "The %s of %s is impossible: %s.", action_kind_name(action->kind), shown,
                      impossible);
    if ((r = why_busy(manager, member, shown, said)) < 0 ||
        (r = why_merging(member, action->kind, shown, said)) < 0)
        return r;
    struct intent intent = order_intent(member, action, who, manager->boot_id);
    return decide(manager, member, &intent, dry_run, said);
}

int orders_extend(struct manager *manager, const char *name, const char *amount, bool dry_run,
                  const char *who, char said[static ORDER_SAID_MAX])
{
    char text[64];
    const char *error = strchr(amount, ',') ? "one is enough" : "it is too long";
    struct action *actions = NULL;
    size_t n_actions = 0;
    int n = snprintf(text, sizeof(text), "extend %s", amount), r = -EINVAL;
    if (n > 0 && (size_t)n < sizeof(text))
        r = strchr(amount, ',') ? -EINVAL
                                : grammar_parse_actions(text, CONDITION_USED, &actions, &n_actions, &error);
    if (r < 0)
        return answer(r, said, "This is no amount: %s.", r == -ENOMEM ? strerror(ENOMEM) : error);
    r = order(manager, name, &actions[0], dry_run, who, said);
    for (size_t i = 0; i < n_actions; i++)
        action_done(&actions[i]);
    free(actions);
    return r;
}

int orders_merge(struct manager *manager, const char *name, bool dry_run, const char *who,
                 char said[static ORDER_SAID_MAX])
{
    return order(manager, name, &(struct action){.kind = ACTION_MERGE}, dry_run, who, said);
}

int orders_drop(struct manager *manager, const char *name, bool dry_run, const char *who,
                char said[static ORDER_SAID_MAX])
{
    return order(manager, name, &(struct action){.kind = ACTION_DROP}, dry_run, who, said);
}

/* ---- hold, release */

static uint64_t realtime_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* "held by root until 12:30:00", with the day where it is not within one. */
static const char *describe_hold(const char *who, uint64_t seconds, char text[static INTENT_HELD_MAX])
{
    char until[64] = "it is released";
    uint64_t usec, now_usec = realtime_usec();
    struct tm parts;
    bool ends = seconds && !__builtin_mul_overflow(seconds, 1000000, &usec) &&
                !__builtin_add_overflow(usec, now_usec, &usec);
    time_t end = ends ? (time_t)(usec / 1000000) : 0;
    if (ends && localtime_r(&end, &parts))
        strftime(until, sizeof(until), usec - now_usec < DAY_USEC ? "%H:%M:%S" : "%Y-%m-%d %H:%M", &parts);
    snprintf(text, INTENT_HELD_MAX, "held by %.96s until %s", who, until);
    return text;
}

/* What is past its start goes on, and that is said. */
static const char *describe_under_way(const struct manager *manager, const struct member *member,
                                      char text[static ORDER_TEXT_MAX])
{
    const struct errand *errand = reactions_errand_of(manager, member);
    text[0] = '\0';
    if (errand && (errand->acting || !pursuit_may_be_overtaken(&errand->pursuit)))
        snprintf(text, ORDER_TEXT_MAX, " The %s that is under way is finished.",
                 action_kind_name(errand->pursuit.intent.action));
    return text;
}

int orders_hold(struct manager *manager, const char *name, uint64_t seconds, bool dry_run, const char *who,
                char said[static ORDER_SAID_MAX])
{
    struct member *member;
    char reason[INTENT_HELD_MAX], shown[EVENT_NAME_MAX], more[ORDER_TEXT_MAX];
    int r = find_fresh(manager, name, &member, said);
    if (r < 0)
        return r;
    event_text_name(member->name, shown);
    describe_hold(who, seconds, reason);
    describe_under_way(manager, member, more);
    if (is_dry(manager, dry_run))
        return answer(dry_result(dry_run), said, "%s%s would be %s.%s", dry_prefix(manager), shown, reason,
                      more);
    r = holding_begin(manager, member, seconds, reason);
    manager_wake(manager);
    if (r == -ENOMEM)
        return answer(r, said, "Out of memory: it is not held.");
    return answer(0, said, "%s is %s.%s%s%s", shown, reason, more,
                  r < 0 ? " A restart of cowherd ends that, for it cannot be kept: " : "",
                  r < 0 ? strerror(-r) : "");
}

/* An order that waits, which may be taken back. */
static struct errand *waiting_order(const struct manager *manager, const struct member *member)
{
    struct errand *errand = reactions_errand_of(manager, member);
    bool waits = errand && !errand->acting && pursuit_may_be_overtaken(&errand->pursuit) &&
                 intent_is_ordered(&errand->pursuit.intent);
    return waits ? errand : NULL;
}

static int release_hold(struct manager *manager, const struct member *member, bool dry_run, const char *who,
                        const char *shown, char said[static ORDER_SAID_MAX])
{
    if (is_dry(manager, dry_run))
        return answer(dry_result(dry_run), said, "%s%s would be released: it is %s.", dry_prefix(manager),
                      shown, holding_reason(manager, member));
    int r = holding_release(manager, member, who);
    manager_wake(manager);
    return answer(0, said, "%s is released.%s%s", shown,
                  r < 0 ? " After a restart of cowherd it may be held again, for that cannot be kept: " : "",
                  r < 0 ? strerror(-r) : "");
}

static int take_back(struct manager *manager, struct errand *errand, bool dry_run, const char *shown,
                     char said[static ORDER_SAID_MAX])
{
    struct pursuit *pursuit = &errand->pursuit;
    const char *action = action_kind_name(pursuit->intent.action);
    if (dry_run)
        return answer(0, said, "The %s of %s, which waits, would be taken back.", action, shown);
    answer(0, said, "%s is not held; the %s that waited is taken back.", shown, action);
    pursuit->intent.cancelled = true;
    pursuit->next_usec = 0;
    manager_wake(manager);
    return 0;
}

int orders_release(struct manager *manager, const char *name, bool dry_run, const char *who,
                   char said[static ORDER_SAID_MAX])
{
    struct member *member;
    char shown[EVENT_NAME_MAX];
    int r = find_fresh(manager, name, &member, said);
    if (r < 0)
        return r;
    event_text_name(member->name, shown);
    if (holding_reason(manager, member))
        return release_hold(manager, member, dry_run, who, shown, said);
    struct errand *errand = waiting_order(manager, member);
    if (errand)
        return take_back(manager, errand, dry_run, shown, said);
    return answer(0, said, "%s is not held.", shown);
}

uint64_t orders_held_until_usec(const struct manager *manager, const struct member *member)
{
    uint64_t until_usec = holding_until_usec(manager, member), now_usec = boottime_now_usec();
    if (until_usec == 0 || until_usec == UINT64_MAX)
        return until_usec;
    return realtime_usec() + (until_usec > now_usec ? until_usec - now_usec : 0);
}

/* ---- reload */

int orders_reload(struct manager *manager, const char *who, char said[static ORDER_SAID_MAX])
{
    if (manager->stopping)
        return answer(-EBUSY, said, "cowherd is being stopped.");
    journal_message(manager->journal, LOG_INFO, "The configuration is read again by order of %s.", who);
    int r = reload(manager);
    manager_wake(manager);
    if (r == -EBADMSG)
        return answer(r, said, "%s", manager->config_error);
    if (r < 0)
        return answer(r, said, "The configuration cannot be read: %s.", strerror(-r));
    return answer(0, said, "The configuration was read again and is in force.");
}
