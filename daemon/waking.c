#include "waking.h"
#include "boottime.h"
#include "cowherd/counting.h"
#include "cowherd/growth.h"
#include "cowherd/write_counter.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>

#define RETRY_USEC UINT64_C(60000000) /* a failure may pass; tracefs may be mounted later */

struct waiter {
    struct write_counter *counter;
    bool is_linear;      /* as what it was opened */
    uint64_t period;     /* it is armed with; 0: not armed */
    uint64_t timer_usec; /* from one look to the next */
    bool wanted;         /* at once, while it is armed */
    uint64_t retry_usec;
    struct counting_budget budget;
    bool has_base; /* since it was armed, against which it is checked */
    uint64_t base_usec;
    uint64_t base_exceptions;
    uint64_t base_writes;
};

static void tell(struct waking *waking, const char *why)
{
    if (!waking->told)
        journal_message(waking->journal, LOG_NOTICE,
                        "Writes to stores are not counted (%s): they are polled.", why);
    waking->told = true;
}

/* ---- the counters of all */

static void drop_counter(struct waiter *waiter)
{
    write_counter_close(waiter->counter);
    waiter->counter = NULL;
    waiter->period = 0;
}

static void close_counters(struct waking *waking)
{
    for (size_t i = 0; i < waking->n_waiters; i++)
        drop_counter(waking->waiters[i]);
    waking->source = sd_event_source_disable_unref(waking->source);
    if (waking->counters)
        write_counters_close(waking->counters);
    waking->counters = NULL;
}

/* All that have fired are looked at by woken(). A CPU came or went: all counters are opened anew after that. */
static int on_fired(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct waking *waking = user;
    (void)source, (void)fd, (void)events;
    int r = write_counters_take(waking->counters);
    for (size_t i = 0; i < waking->n_waiters; i++) {
        struct waiter *waiter = waking->waiters[i];
        if (!waiter->period || !write_counter_has_fired(waiter->counter))
            continue;
        waiter->wanted = true;
        counting_fired(&waiter->budget);
    }
    if (r < 0)
        close_counters(waking);
    waking->woken(waking->user);
    return 0;
}

static bool is_wanted(const char *way)
{
    const char *wanted = getenv("COWHERD_COUNTING");
    return wanted && strcmp(wanted, way) == 0;
}

static enum counting_way wanted_way(void)
{
    if (is_wanted("events"))
        return COUNTING_BY_EVENTS;
    return is_wanted("records") ? COUNTING_BY_RECORDS : COUNTING_AS_CAN_BE;
}

static int open_counters(struct waking *waking)
{
    struct write_counters *counters;
    int r = write_counters_open(wanted_way(), &counters);
    if (r < 0)
        return r;
    r = sd_event_add_io(waking->event, &waking->source, write_counters_fd(counters), EPOLLIN, on_fired,
                        waking);
    if (r < 0) {
        write_counters_close(counters);
        return r;
    }
    waking->counters = counters;
    return 0;
}

int waking_can_count(void)
{
    struct write_counters *counters;
    int r = is_wanted("no") ? -ECANCELED : write_counters_open(wanted_way(), &counters);
    if (r == 0)
        write_counters_close(counters);
    return r;
}

/* Returns whether there are any. */
static bool provide_counters(struct waking *waking, uint64_t now_usec)
{
    if (waking->counters)
        return true;
    if (is_wanted("no")) {
        tell(waking, "COWHERD_COUNTING=no");
        return false;
    }
    if (now_usec < waking->retry_usec)
        return false;
    int r = open_counters(waking);
    if (r >= 0)
        return true;
    waking->retry_usec = now_usec + RETRY_USEC;
    tell(waking, strerror(-r));
    return false;
}

/* ---- one member's */

static struct waiter *provide_waiter(struct waking *waking, struct member *member)
{
    if (member->waiter)
        return member->waiter;
    struct waiter **waiters = reallocarray(waking->waiters, waking->n_waiters + 1, sizeof(struct waiter *));
    if (!waiters)
        return NULL;
    waking->waiters = waiters;
    member->waiter = calloc(1, sizeof(*member->waiter));
    if (member->waiter)
        waiters[waking->n_waiters++] = member->waiter;
    return member->waiter;
}

static struct exception_store store_of(const struct member *member)
{
    return (struct exception_store){
        .total_sectors = member->sample.total_sectors,
        .chunk_sectors = member->target.chunk_sectors,
        .persistent = member->target.store_type != STORE_TRANSIENT,
    };
}

/* A merge makes no exceptions, and one that is lost none that count; an overflow writes nothing to the store. Who was asked
 * last without an answer is asked again soon. */
static bool is_countable(const struct member *member)
{
    return member->has_sample && member->target.kind == TARGET_SNAPSHOT &&
           member->target.status.state == SNAPSHOT_VALID && member->sample.chunks_left > 0 &&
           member->sample.taken_usec >= member->asked_usec;
}

static struct counting_plan plan_for(const struct waking *waking, const struct member *member,
                                     const struct waking_view *view)
{
    int rung;
    struct counting_subject subject = {
        .store = store_of(member),
        .used_sectors = member->sample.used_sectors,
        .bytes_to_next_rung = UINT64_MAX,
        .bytes_per_second = member->sample.rate_bytes_per_second,
        .cpus = write_counters_cpus(waking->counters),
        .longest_usec = view->longest_usec,
        .heartbeat_usec = view->heartbeat_usec,
    };
    if (member->policy) {
        subject.bytes_to_next_rung = ladder_bytes_to_next(&member->ladder, member->policy, &member->sample,
                                                          &rung);
        subject.waits_for_time = ladder_waits_for_time(&member->ladder, member->policy);
    }
    return counting_plan(&subject);
}

static void give_up(struct waking *waking, struct waiter *waiter, const char *why)
{
    drop_counter(waiter);
    waiter->retry_usec = boottime_now_usec() + RETRY_USEC;
    tell(waking, why);
}

static void rest(struct waking *waking, struct waiter *waiter)
{
    if (waiter->period && write_counter_disarm(waiter->counter) < 0)
        give_up(waking, waiter, "it cannot be stopped");
    waiter->period = 0;
}

static bool has_linear_store(const struct member *member, const struct observation *seen)
{
    const struct dm_device *store = observation_find(seen, member->target.store);
    return store && store->error == 0 && growth_is_linear(&store->active);
}

static int provide_counter(struct waking *waking, const struct member *member, struct waiter *waiter)
{
    return waiter->counter ? 0
                           : write_counter_open(waking->counters, member->target.store, waiter->is_linear,
                                                &waiter->counter);
}

/* Armed, it is looked at once more: what was written meanwhile was not counted. */
static int arm(struct waking *waking, const struct member *member, struct waiter *waiter, uint64_t period)
{
    int r = provide_counter(waking, member, waiter);
    if (r == 0)
        r = write_counter_read(waiter->counter, &waiter->base_writes);
    if (r == 0)
        r = write_counter_arm(waiter->counter, period);
    if (r < 0)
        return r;
    waiter->period = period;
    waiter->wanted = true;
    waiter->has_base = false;
    return 0;
}

/* Once a heartbeat, which may come a third early: whether more was filled than was counted. */
static bool is_deaf(const struct member *member, struct waiter *waiter, uint64_t heartbeat_usec)
{
    struct exception_store store = store_of(member);
    uint64_t writes, exceptions = exception_store_exceptions(&store, member->sample.used_sectors);
    if (!waiter->has_base) {
        waiter->has_base = true;
        waiter->base_exceptions = exceptions;
        waiter->base_usec = member->sample.taken_usec;
    }
    if (member->sample.taken_usec - waiter->base_usec < heartbeat_usec / 3 * 2 ||
        exceptions < waiter->base_exceptions)
        return false;
    waiter->base_usec = member->sample.taken_usec;
    return write_counter_read(waiter->counter, &writes) < 0 ||
           counting_is_deaf(exceptions - waiter->base_exceptions, writes - waiter->base_writes);
}

static void consider_counter(struct waking *waking, const struct member *member, struct waiter *waiter,
                             const struct waking_view *view)
{
    struct counting_plan plan = plan_for(waking, member, view);
    bool is_linear = has_linear_store(member, view->seen);
    if (is_linear != waiter->is_linear)
        drop_counter(waiter);
    waiter->is_linear = is_linear;
    waiter->timer_usec = plan.timer_usec;
    int r = plan.period == waiter->period ? 0 : arm(waking, member, waiter, plan.period);
    if (r < 0)
        give_up(waking, waiter, strerror(-r));
    else if (!waiter->wanted && is_deaf(member, waiter, view->heartbeat_usec))
        give_up(waking, waiter, "the kernel counts too few");
}

/* By a reload, or armed anew: the next look carries it out, and no write has to bring that about. */
static bool has_passed_a_rung(const struct member *member)
{
    int rung;
    return member->policy &&
           ladder_bytes_to_next(&member->ladder, member->policy, &member->sample, &rung) == 0;
}

static void consider_member(struct waking *waking, struct member *member, const struct waking_view *view)
{
    struct waiter *waiter = provide_waiter(waking, member);
    if (!waiter)
        return;
    waiter->wanted = false;
    if (is_countable(member) && !has_passed_a_rung(member) && view->now_usec >= waiter->retry_usec &&
        counting_pays(&waiter->budget, write_counters_cpus(waking->counters), view->now_usec))
        consider_counter(waking, member, waiter, view);
    else
        rest(waking, waiter);
}

void waking_consider(struct waking *waking, const struct waking_view *view)
{
    if (view->herd->n_members == 0) {
        close_counters(waking);
        return;
    }
    if (!provide_counters(waking, view->now_usec))
        return;
    for (size_t i = 0; i < view->herd->n_members; i++)
        consider_member(waking, view->herd->members[i], view);
}

uint64_t waking_due_usec(const struct member *member, uint64_t paced_usec, bool watched)
{
    const struct waiter *waiter = member->waiter;
    if (waiter && waiter->period && waiter->wanted)
        return 0;
    if (waiter && waiter->period && !watched && waiter->timer_usec > paced_usec)
        return member->asked_usec + waiter->timer_usec;
    return member->asked_usec + paced_usec;
}

bool waking_is_calm(const struct herd *herd, uint64_t heartbeat_usec)
{
    for (size_t i = 0; i < herd->n_members; i++) {
        const struct waiter *waiter = herd->members[i]->waiter;
        if (!waiter || !waiter->period || waiter->timer_usec < heartbeat_usec)
            return false;
    }
    return true;
}

bool waking_is_counting(const struct member *member)
{
    return member->waiter && member->waiter->period;
}

bool waking_will_count(struct waking *waking, uint64_t now_usec)
{
    return provide_counters(waking, now_usec);
}

void waking_forget(struct waking *waking, struct member *member)
{
    struct waiter *waiter = member->waiter;
    if (!waiter)
        return;
    drop_counter(waiter);
    for (size_t i = 0; i < waking->n_waiters; i++)
        if (waking->waiters[i] == waiter)
            waking->waiters[i] = waking->waiters[--waking->n_waiters];
    free(waiter);
    member->waiter = NULL;
}

void waking_done(struct waking *waking)
{
    close_counters(waking);
    for (size_t i = 0; i < waking->n_waiters; i++)
        free(waking->waiters[i]);
    free(waking->waiters);
}
