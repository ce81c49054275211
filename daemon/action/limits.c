#include "limits.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <syslog.h>

uint64_t limits_now_usec(const struct brakes *brakes)
{
    uint64_t now = 0;
    sd_event_now(brakes->event, CLOCK_MONOTONIC, &now);
    return now;
}

bool limit_is_free(struct brake_rate rate)
{
    return rate.bytes_per_second == UINT64_MAX && rate.writes_per_second == UINT64_MAX;
}

static void learn_engaging(const struct limit *limit, const struct brake_limit_result *result,
                           uint64_t now_usec)
{
    struct brakes *brakes = limit->brakes;
    uint64_t took_usec = now_usec - limit->start_usec;
    if (limit_is_free(limit->asked) || result->error == -ESTALE)
        return;
    brakes->is_failing = result->error < 0 || result->by_throttle;
    if (!brakes->is_failing && limit_is_free(limit->set) && took_usec > brakes->engage_usec)
        brakes->engage_usec = took_usec;
}

static void conclude(struct limit *limit, const struct brake_limit_result *result, uint64_t now_usec)
{
    if (result->error == 0 || result->error == -ESTALE) { /* stale: its limits have gone with the device */
        if (limit->left && limit_is_free(limit->asked))
            journal_message(limit->brakes->journal, LOG_NOTICE,
                            "The limits on %u:%u that an earlier cowherd had set are put back.",
                            major(limit->device), minor(limit->device));
        limit->left = limit->uncertain = false;
        limit->set = limit->asked;
        limit->by_throttle = result->by_throttle;
        limit->next_usec = now_usec;
        if (!limit_is_free(limit->set))
            brakes_tell(limit, now_usec);
    } else {
        limit->uncertain = true; /* some of it may be set */
        limit->next_usec = now_usec + LIMIT_REFRESH_USEC;
        brakes_tell_failure(limit, result->error, now_usec);
    }
    limit_drive(limit, now_usec);
    brakes_tell(limit, now_usec);
}

static bool is_other_than_wanted(const struct limit *limit)
{
    return limit->left || limit->uncertain || brake_rate_differs(limit->set, limit->wanted);
}

static int on_exit_child(sd_event_source *source, const siginfo_t *info, void *user)
{
    struct limit *limit = user;
    struct brake_limit_result result;
    (void)source, (void)info;
    if (watched_child_take_result(&limit->child, &result, sizeof(result)) < 0)
        result = (struct brake_limit_result){.error = -EPIPE};
    limit->busy = false;
    learn_engaging(limit, &result, limits_now_usec(limit->brakes));
    conclude(limit, &result, limits_now_usec(limit->brakes));
    if (!limit->busy && is_other_than_wanted(limit)) /* between two looks: the next one may be far off */
        limit->brakes->failed(limit->brakes->user);
    return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *user)
{
    struct limit *limit = user;
    (void)source, (void)usec;
    watched_child_kill(&limit->child);
    brakes_tell_failure(limit, -ETIMEDOUT, limits_now_usec(limit->brakes));
    return 0;
}

static struct brake_limit order_of(const struct limit *limit, struct brake_rate rate)
{
    return (struct brake_limit){
        .directory = limit->brakes->runtime_directory,
        .device = limit->device,
        .disk_sequence = limit->disk_sequence,
        .rate = rate,
    };
}

static void start(struct limit *limit, uint64_t now_usec)
{
    struct brake_limit order = order_of(limit, limit->wanted);
    limit->asked = limit->wanted;
    limit->start_usec = now_usec;
    struct child_watch watch = {
        .deadline_usec = LIMIT_CHILD_USEC,
        .on_exit = on_exit_child,
        .on_deadline = on_deadline,
        .user = limit,
    };
    int r = watched_child_start(&limit->child, brake_limit_run, &order, limit->brakes->event, &watch);
    limit->busy = r >= 0;
    limit->next_usec = now_usec + LIMIT_REFRESH_USEC;
    if (r < 0)
        brakes_tell_failure(limit, r, now_usec);
}

void limit_drive(struct limit *limit, uint64_t now_usec)
{
    bool is_other = is_other_than_wanted(limit);
    bool is_failed = is_other && now_usec < limit->next_usec;
    bool is_refresh = !limit_is_free(limit->wanted) && now_usec >= limit->next_usec + LIMIT_REFRESH_USEC;
    if (!limit->busy && !is_failed && (is_other || is_refresh))
        start(limit, now_usec);
}

struct limit *limits_find(const struct brakes *brakes, dev_t device)
{
    for (size_t i = 0; i < brakes->n_limits; i++)
        if (brakes->limits[i]->device == device)
            return brakes->limits[i];
    return NULL;
}

struct limit *limits_add(struct brakes *brakes, dev_t device)
{
    struct limit **limits = reallocarray(brakes->limits, brakes->n_limits + 1, sizeof(*limits));
    if (!limits)
        return NULL;
    brakes->limits = limits;
    struct limit *limit = calloc(1, sizeof(*limit));
    if (!limit)
        return NULL;
    *limit = (struct limit){.device = device,
                            .wanted = BRAKE_FREE,
                            .set = BRAKE_FREE,
                            .child = WATCHED_CHILD_NONE,
                            .brakes = brakes};
    return limits[brakes->n_limits++] = limit;
}

struct limit *limits_take(struct brakes *brakes, dev_t device, uint64_t disk_sequence)
{
    struct limit *limit = limits_find(brakes, device);
    if (!limit && !(limit = limits_add(brakes, device)))
        return NULL;
    if (limit->disk_sequence != disk_sequence)
        limit->set = BRAKE_FREE; /* another device has the number now, without limits of ours */
    limit->disk_sequence = disk_sequence;
    return limit;
}

static bool is_idle(const struct limit *limit)
{
    return !limit->busy && !limit->left && !limit->uncertain && limit_is_free(limit->set) &&
           limit_is_free(limit->wanted);
}

void limits_drop_idle(struct brakes *brakes)
{
    for (size_t i = 0; i < brakes->n_limits;)
        if (is_idle(brakes->limits[i])) {
            free(brakes->limits[i]);
            brakes->limits[i] = brakes->limits[--brakes->n_limits];
        } else
            i++;
}

void limit_put_back(struct limit *limit)
{
    if (limit->busy)
        watched_child_abandon(&limit->child);
    limit->busy = false;
    struct brake_limit order = order_of(limit, BRAKE_FREE);
    int r = brake_limit_set(&order, NULL);
    limit->wanted = limit->asked = BRAKE_FREE;
    if (r < 0) {
        brakes_tell_failure(limit, r, limits_now_usec(limit->brakes));
        return;
    }
    limit->set = BRAKE_FREE;
    brakes_tell(limit, limits_now_usec(limit->brakes));
}

uint64_t brakes_next_usec(const struct brakes *brakes)
{
    uint64_t next_usec = UINT64_MAX;
    for (size_t i = 0; i < brakes->n_limits; i++) {
        const struct limit *limit = brakes->limits[i];
        if (!limit->busy && is_other_than_wanted(limit) && limit->next_usec < next_usec)
            next_usec = limit->next_usec;
    }
    return next_usec;
}
