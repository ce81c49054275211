#include "cowherd/pursuit.h"
#include <stdio.h>
#include <string.h>

const char *pursuit_phase_name(enum pursuit_phase phase)
{
    static const char *const names[] = {
        [PURSUIT_WANTED] = "wanted",     [PURSUIT_ACTING] = "acting",     [PURSUIT_MERGING] = "merging",
        [PURSUIT_DEFERRED] = "deferred", [PURSUIT_RETRYING] = "retrying", [PURSUIT_ENDED] = "ended",
    };
    return names[phase];
}

void pursuit_begin(struct pursuit *pursuit, const struct intent *intent, bool recorded, uint64_t now_usec)
{
    *pursuit = (struct pursuit){
        .intent = *intent, .recorded = recorded, .outdated = !recorded, .next_usec = now_usec};
}

bool pursuit_may_be_overtaken(const struct pursuit *pursuit)
{
    return pursuit->phase != PURSUIT_ACTING && !pursuit->begun && !pursuit->intent.interrupted;
}

static unsigned stall(struct pursuit *pursuit)
{
    if (pursuit->stalled)
        return 0;
    pursuit->stalled = true;
    return TELL_STALLED;
}

static uint64_t retry_usec(unsigned failures, uint64_t max_usec)
{
    uint64_t wait = PURSUIT_RETRY_MIN_USEC;
    for (unsigned i = 1; i < failures && wait < max_usec; i++)
        wait *= 2;
    return wait < max_usec ? wait : max_usec;
}

/* However often it is tried, one reason is told with a back-off of its own. */
static unsigned tell_failure(struct pursuit *pursuit, bool same, uint64_t now_usec)
{
    if (same && now_usec < pursuit->tell_usec)
        return 0;
    pursuit->failures_told = same ? pursuit->failures_told + 1 : 1;
    pursuit->tell_usec = now_usec + retry_usec(pursuit->failures_told, PURSUIT_RETRY_MAX_USEC);
    return TELL_FAILED;
}

static unsigned fail(struct pursuit *pursuit, const char *reason, uint64_t now_usec)
{
    bool extends = pursuit->intent.action == ACTION_EXTEND;
    bool same = extends && pursuit->failures > 0 && strcmp(pursuit->reason, reason) == 0;
    pursuit->refused = false;
    pursuit->failures++;
    pursuit->phase = PURSUIT_RETRYING;
    pursuit->next_usec = now_usec + retry_usec(pursuit->failures, extends ? PURSUIT_EXTEND_RETRY_MAX_USEC
                                                                          : PURSUIT_RETRY_MAX_USEC);
    snprintf(pursuit->reason, sizeof(pursuit->reason), "%s", reason);
    return tell_failure(pursuit, same, now_usec) | stall(pursuit);
}

void pursuit_hurry(struct pursuit *pursuit, uint64_t time_left_usec, uint64_t now_usec)
{
    uint64_t wait = time_left_usec / PURSUIT_EXTEND_TRIES_LEFT;
    if (pursuit->phase != PURSUIT_RETRYING || pursuit->intent.action != ACTION_EXTEND)
        return;
    if (wait < PURSUIT_EXTEND_RETRY_MIN_USEC)
        wait = PURSUIT_EXTEND_RETRY_MIN_USEC;
    if (wait < PURSUIT_EXTEND_RETRY_MAX_USEC && now_usec + wait < pursuit->next_usec)
        pursuit->next_usec = now_usec + wait;
}

/* Told once it has lasted (udev's blkid has a device open for a moment after everybody else), and again only
 * when it waits for something else. */
static unsigned defer(struct pursuit *pursuit, const char *reason, uint64_t now_usec)
{
    bool same = pursuit->deferred_usec && strcmp(pursuit->reason, reason) == 0;
    if (!same) {
        pursuit->deferred_usec = now_usec;
        pursuit->deferred_told = false;
    }
    pursuit->phase = PURSUIT_DEFERRED;
    snprintf(pursuit->reason, sizeof(pursuit->reason), "%s", reason);
    bool lasts = now_usec - pursuit->deferred_usec >= PURSUIT_GRACE_USEC;
    pursuit->next_usec = now_usec + (lasts ? PURSUIT_DEFERRED_USEC : PURSUIT_GRACE_USEC / 3);
    if (!lasts || pursuit->deferred_told)
        return 0;
    pursuit->deferred_told = true;
    return TELL_DEFERRED | stall(pursuit);
}

void pursuit_put_off(struct pursuit *pursuit, const char *reason, uint64_t now_usec)
{
    pursuit->phase = PURSUIT_RETRYING;
    pursuit->next_usec = now_usec + PURSUIT_RETRY_MAX_USEC;
    snprintf(pursuit->reason, sizeof(pursuit->reason), "%s", reason);
}

static unsigned wait_for_merge(struct pursuit *pursuit, uint64_t now_usec)
{
    pursuit->phase = PURSUIT_MERGING;
    pursuit->next_usec = now_usec + PURSUIT_MERGING_USEC;
    pursuit->deferred_usec = 0;
    pursuit->failures = 0;
    pursuit->stalled = false;
    pursuit->reason[0] = '\0';
    return 0;
}

static unsigned end(struct pursuit *pursuit, const char *reason, bool done)
{
    pursuit->phase = PURSUIT_ENDED;
    pursuit->done = done;
    snprintf(pursuit->reason, sizeof(pursuit->reason), "%s", reason);
    return done ? TELL_DONE : TELL_FAILED;
}

/* Every child's end brings a complete look: a failure, and a merge whose end only a child can see, have their time. */
static bool has_to_wait(const struct pursuit *pursuit, uint64_t now_usec)
{
    bool paced = pursuit->phase == PURSUIT_RETRYING || pursuit->phase == PURSUIT_MERGING;
    return paced && now_usec < pursuit->next_usec;
}

/* One start is told, before the first child that is to bring the action forward (not take it back). */
static bool act(struct pursuit *pursuit, enum plan_verdict verdict, uint64_t now_usec, unsigned *ret_tell)
{
    if (has_to_wait(pursuit, now_usec))
        return false;
    if (verdict == PLAN_ACT && !pursuit->started) {
        pursuit->started = true;
        pursuit->start_usec = now_usec;
        *ret_tell |= TELL_START;
    }
    pursuit->phase = PURSUIT_ACTING;
    pursuit->refused = false;
    pursuit->recorded = true;
    pursuit->outdated = false;
    return true;
}

/* Somebody removed the snapshot before anything was done here: what he means to do with the store is his business. */
static bool went_without_us(const struct pursuit *pursuit, const struct plan *plan)
{
    return pursuit->intent.action == ACTION_DROP && !pursuit->recorded && plan->verdict == PLAN_ACT &&
           plan->begun;
}

bool pursuit_consider(struct pursuit *pursuit, const struct plan *plan, uint64_t now_usec, unsigned *ret_tell)
{
    *ret_tell = 0;
    pursuit->begun = plan->begun;
    if (went_without_us(pursuit, plan)) {
        *ret_tell = end(pursuit, "it went before it could be dropped; its store is left as it is", false);
        return false;
    }
    bool nothing_to_take_back = plan->n_steps == 1 &&
                                !pursuit->recorded; /* only the intent, and it is not kept */
    if (plan->verdict == PLAN_ABANDON && nothing_to_take_back)
        *ret_tell = end(pursuit, plan->reason, false);
    else if (plan->n_steps > 0)
        return act(pursuit, plan->verdict, now_usec, ret_tell);
    else if (plan->verdict == PLAN_WAIT)
        *ret_tell = wait_for_merge(pursuit, now_usec);
    else if (plan->verdict == PLAN_DEFER)
        *ret_tell = defer(pursuit, plan->reason, now_usec);
    else if (pursuit->phase != PURSUIT_RETRYING || now_usec >= pursuit->next_usec) {
        *ret_tell = fail(pursuit, plan->reason, now_usec);
        pursuit->refused = true;
    }
    return false;
}

bool pursuit_stands_back(const struct pursuit *pursuit, const struct pursuit *acting)
{
    bool shares_record = pursuit->intent.store && pursuit->intent.store == acting->intent.store &&
                         pursuit->intent.origin == acting->intent.origin;
    if (shares_record)
        return true;
    return pursuit->intent.action == ACTION_MERGE && acting->intent.action != ACTION_EXTEND &&
           pursuit->intent.origin == acting->intent.origin;
}

/* Nobody decides an order anew: one that could not be begun at once is kept whatever it waits for. */
static bool must_be_kept(const struct pursuit *pursuit)
{
    bool waits = pursuit->phase == PURSUIT_DEFERRED && pursuit->deferred_told;
    bool merges = pursuit->phase == PURSUIT_MERGING && pursuit->recorded;
    bool is_order = intent_is_ordered(&pursuit->intent) &&
                    (pursuit->phase == PURSUIT_DEFERRED || pursuit->phase == PURSUIT_RETRYING);
    return is_order || (pursuit->intent.action == ACTION_MERGE && (waits || merges));
}

bool pursuit_must_be_recorded(struct pursuit *pursuit)
{
    if (!pursuit->outdated || !must_be_kept(pursuit))
        return false;
    pursuit->recording = pursuit->phase == PURSUIT_RETRYING;
    pursuit->phase = PURSUIT_ACTING;
    pursuit->recorded = true;
    pursuit->outdated = false;
    return true;
}

/* The child has found what was known and told before it was started to record it. */
static bool is_nothing_new(struct pursuit *pursuit, const struct action_result *result)
{
    bool is_same = pursuit->recording && !result->ended && !result->error && result->verdict == PLAN_REFUSE &&
                   strcmp(pursuit->reason, result->reason) == 0;
    pursuit->recording = false;
    return is_same;
}

unsigned pursuit_take_result(struct pursuit *pursuit, const struct action_result *result, uint64_t now_usec)
{
    bool nothing_new = is_nothing_new(pursuit, result);
    pursuit->begun = result->begun;
    pursuit->intent.asked_lvm = pursuit->intent.asked_lvm || result->asked_lvm;
    if (result->grow_to_sectors)
        pursuit->intent.grow_to_sectors = result->grow_to_sectors;
    if (nothing_new) {
        pursuit->phase = PURSUIT_RETRYING;
        return 0;
    }
    if (result->ended) {
        bool done = result->verdict == PLAN_ACT;
        return end(pursuit, result->reason, done);
    }
    if (result->error)
        return fail(pursuit, result->reason, now_usec);
    if (result->verdict == PLAN_WAIT)
        return wait_for_merge(pursuit, now_usec);
    if (result->verdict == PLAN_DEFER)
        return defer(pursuit, result->reason, now_usec);
    unsigned tell = fail(pursuit, result->reason, now_usec);
    pursuit->refused = result->verdict == PLAN_REFUSE;
    return tell;
}
