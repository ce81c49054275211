#include "metrics_feed.h"
#include "accounts.h"
#include "boottime.h"
#include "cowherd/metrics.h"
#include "cowherd/metrics_file.h"
#include "cowherd/text.h"
#include "manager_state.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* Half a heartbeat less than two: the second heartbeat's look itself is a little early or late. */
#define IDLE_USEC (2 * HEARTBEAT_USEC - HEARTBEAT_USEC / 2)

static const char *path_of(const struct manager *manager)
{
    return manager->options->dry_run ? NULL : manager->configuration.metrics_file;
}

/* ---- what changes */

/* As FNV-1a, a word at a time, whose high bits come down: two different states hardly ever have the same mark. */
static void mix(uint64_t *mark, uint64_t value)
{
    *mark = (*mark ^ value) * UINT64_C(0x100000001b3);
    *mark ^= *mark >> 32;
}

static void mix_member(uint64_t *mark, const struct member *member)
{
    const struct snapshot_status *status = &member->target.status;
    mix(mark, member->device);
    mix(mark, member->disk_sequence);
    mix(mark, member->role);
    mix(mark, member->target.kind);
    mix(mark, status->state);
    mix(mark, status->used_sectors);
    mix(mark, status->total_sectors);
    mix(mark, status->metadata_sectors);
    mix(mark, member->guarantee.is_known + 2U * member->guarantee.holds);
    mix(mark, (uintptr_t)member->policy);
}

/* Of what people want to know soon. Rates and times left change without any of it, slowly. */
static uint64_t mark_of(const struct manager *manager)
{
    uint64_t mark = UINT64_C(0xcbf29ce484222325);
    mix(&mark, manager->metrics.tally.n_events);
    mix(&mark, manager->config_error[0] != '\0');
    mix(&mark, manager->errands.n_items);
    for (size_t i = 0; i < manager->herd.n_members; i++)
        mix_member(&mark, manager->herd.members[i]);
    return mark;
}

static bool has_changed(const struct manager *manager)
{
    return mark_of(manager) != manager->metrics.written_mark;
}

/* ---- the child */

static int write_metrics(const struct manager *manager)
{
    struct metrics metrics = {
        .tally = &manager->metrics.tally,
        .looked_usec = manager->metrics.looked_usec,
        .configuration_error = manager->config_error[0] != '\0',
        .version = COWHERD_VERSION,
    };
    struct account *accounts;
    char *text;
    size_t length;
    int r = accounts_take_all(manager, &accounts, &metrics.n_accounts);
    if (r < 0)
        return r;
    metrics.accounts = accounts;
    r = metrics_format(&metrics, &text, &length);
    return r < 0 ? r : metrics_file_replace(manager->metrics.path, text, length);
}

/* A child_function (child.h). What it has allocated ends with it. */
static void run(const void *argument, int result_fd)
{
    const struct manager *manager = argument;
    if (manager->metrics.former_path)
        metrics_file_remove(manager->metrics.former_path);
    int r = manager->metrics.path ? write_metrics(manager) : 0;
    if (write(result_fd, &r, sizeof(r)) != sizeof(r))
        _exit(1);
}

static const char *describe(int error)
{
    if (error == -ETIMEDOUT)
        return "it takes too long";
    return error == -EEXIST ? "something that is no file has that name" : strerror(-error);
}

static void tell(struct manager *manager, int error)
{
    struct metrics_feed *feed = &manager->metrics;
    if (error < 0 && !feed->failure_told)
        journal_message(manager->journal, LOG_WARNING, "The metrics cannot be written to %s: %s.", feed->path,
                        describe(error));
    if (error == 0 && feed->failure_told)
        journal_message(manager->journal, LOG_NOTICE, "The metrics are written to %s again.", feed->path);
    feed->failure_told = error < 0;
}

static int on_exit_child(sd_event_source *source, const siginfo_t *info, void *user)
{
    struct manager *manager = user;
    struct metrics_feed *feed = &manager->metrics;
    int result;
    (void)source, (void)info;
    int r = watched_child_take_result(&feed->child, &result, sizeof(result));
    if (r == 0)
        r = result;
    if (!feed->overdue) /* else it is told */
        tell(manager, r);
    feed->has_file = feed->has_file || (r == 0 && feed->path);
    feed->writing = feed->overdue = false;
    if (has_changed(manager))
        manager_wake(manager); /* the timer does not know of it yet */
    return 0;
}

/* It may hang in the kernel for ever, then not even the kill ends it: so this is told now. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *user)
{
    struct manager *manager = user;
    struct metrics_feed *feed = &manager->metrics;
    (void)source, (void)usec;
    watched_child_kill(&feed->child);
    feed->overdue = true;
    tell(manager, -ETIMEDOUT);
    return 0;
}

static int start_child(struct manager *manager)
{
    struct metrics_feed *feed = &manager->metrics;
    struct child_watch watch = {
        .deadline_usec = METRICS_DEADLINE_USEC,
        .on_exit = on_exit_child,
        .on_deadline = on_deadline,
        .user = manager,
    };
    int r = watched_child_start(&feed->child, run, manager, manager->event, &watch);
    feed->writing = r >= 0;
    return r;
}

/* ---- when */

/* Another file is written at once, and its failure is another. Returns whether there is something to do. */
static bool take_path(struct metrics_feed *feed, const char *path)
{
    if (feed->path && path && strcmp(feed->path, path) == 0)
        return true;
    char *copy = path ? strdup(path) : NULL;
    if (path && !copy)
        return false;
    free(feed->has_file ? feed->former_path : feed->path);
    if (feed->has_file)
        feed->former_path = feed->path;
    feed->path = copy;
    feed->has_file = false;
    feed->begun_usec = 0;
    feed->written_mark = 0;
    feed->failure_told = false;
    return feed->path || feed->former_path;
}

static uint64_t due_usec(const struct manager *manager)
{
    const struct metrics_feed *feed = &manager->metrics;
    if (feed->begun_usec == 0)
        return 0;
    return feed->begun_usec + (has_changed(manager) ? METRICS_SOON_USEC : IDLE_USEC);
}

static void begin_write(struct manager *manager)
{
    struct metrics_feed *feed = &manager->metrics;
    feed->begun_usec = boottime_now_usec();
    feed->written_mark = mark_of(manager);
    int r = start_child(manager);
    if (r < 0) {
        tell(manager, r);
        return;
    }
    free(feed->former_path); /* the child has its own */
    feed->former_path = NULL;
}

static uint64_t realtime_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void metrics_feed_consider(struct manager *manager)
{
    struct metrics_feed *feed = &manager->metrics;
    bool looked = manager->looked || manager->missing_told; /* then there is nothing to look at */
    if (!looked)
        return;
    feed->looked_usec = realtime_usec();
    if (feed->writing || manager->stopping || !take_path(feed, path_of(manager)))
        return;
    if (boottime_now_usec() >= due_usec(manager))
        begin_write(manager);
}

uint64_t metrics_feed_next_usec(const struct manager *manager)
{
    const struct metrics_feed *feed = &manager->metrics;
    bool waits = path_of(manager) && feed->begun_usec && !feed->writing && !manager->stopping;
    return waits && has_changed(manager) ? feed->begun_usec + METRICS_SOON_USEC : UINT64_MAX;
}

static void on_event(const struct event *event, void *user)
{
    struct metrics_feed *feed = user;
    tally_take(&feed->tally, event, boottime_now_usec());
}

void metrics_feed_begin(struct manager *manager)
{
    if (journal_listen(manager->journal, on_event, &manager->metrics) < 0)
        journal_message(manager->journal, LOG_WARNING, "What happens is not counted for the metrics.");
}

void metrics_feed_done(struct manager *manager)
{
    struct metrics_feed *feed = &manager->metrics;
    if (feed->writing)
        watched_child_leave(&feed->child);
    tally_done(&feed->tally);
    free(feed->path);
    free(feed->former_path);
}
