#include "cowherd/autopsy.h"
#include "cowherd/event.h"
#include "cowherd/kernel.h"
#include "cowherd/store_device.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REASON_MAX               256
#define LIKELY_FULL_CENTIPERCENT 5000 /* as store_contents_say_full(): no other likely end */

struct findings {
    int error;
    bool full;
    bool header_valid;
};

struct autopsy {
    struct member member;
    struct autopsies *autopsies;
    bool overdue;
    struct watched_child child;
};

/* The child: the store's size is read anew, for it may never have been seen while it was valid. */
static void examine(const void *argument, int result_fd)
{
    const struct target *target = argument;
    struct exception_store geometry = {
        .chunk_sectors = target->chunk_sectors,
        .persistent = target->store_type != STORE_TRANSIENT,
    };
    struct store_contents contents;
    struct findings findings = {0};
    findings.error = kernel_device_sectors(target->store, &geometry.total_sectors);
    if (findings.error == 0)
        findings.error = store_device_read(target->store, &geometry, &contents);
    if (findings.error == 0) {
        findings.full = store_contents_say_full(&geometry, &contents);
        findings.header_valid = contents.valid;
    }
    if (write(result_fd, &findings, sizeof(findings)) != sizeof(findings))
        _exit(1);
}

static const char *describe_full(const struct member *member, char reason[static REASON_MAX])
{
    char percent[EVENT_TEXT_MAX];
    if (member->has_sample)
        snprintf(reason, REASON_MAX, "filled (fast, from %s %% at the last look)",
                 event_text_percent(&member->sample, percent));
    else
        snprintf(reason, REASON_MAX, "filled (before the first look: nobody was watching)");
    return reason;
}

/* The child found nothing out: what the last look saw must do. */
static const char *describe_unexamined(const struct member *member, char reason[static REASON_MAX])
{
    char percent[EVENT_TEXT_MAX];
    if (!member->has_sample)
        snprintf(reason, REASON_MAX, "filled or I/O error: its store does not tell in time");
    else if (sample_used_centipercent(&member->sample) >= LIKELY_FULL_CENTIPERCENT)
        return describe_full(member, reason);
    else
        snprintf(reason, REASON_MAX,
                 "filled or I/O error: %s %% at the last look, and its store does not tell in time",
                 event_text_percent(&member->sample, percent));
    return reason;
}

static const char *describe(const struct member *member, const struct findings *findings,
                            char reason[static REASON_MAX])
{
    bool is_unknown = findings->error == -ETIMEDOUT || findings->error == -EPIPE ||
                      findings->error == -ENOMEM || findings->error == -EAGAIN;
    if (is_unknown)
        return describe_unexamined(member, reason);
    if (findings->error == 0 && findings->full && !findings->header_valid)
        return describe_full(member, reason);
    if (findings->error == -EBADMSG && member->has_sample)
        return describe_full(member, reason); /* nothing is recorded in a transient store */
    if (findings->error == 0)
        snprintf(reason, REASON_MAX, "I/O error on its store%s",
                 findings->header_valid ? ", which could not even be marked invalid" : ", which is not full");
    else
        snprintf(reason, REASON_MAX, "I/O error: its store cannot be read (%s)", strerror(-findings->error));
    return reason;
}

static void free_autopsy(struct autopsy *autopsy)
{
    struct autopsies *autopsies = autopsy->autopsies;
    for (size_t i = 0; i < autopsies->n_items; i++)
        if (autopsies->items[i] == autopsy) {
            autopsies->items[i] = autopsies->items[--autopsies->n_items];
            break;
        }
    watched_child_leave(&autopsy->child);
    free(autopsy);
}

static void conclude(struct autopsy *autopsy, const struct findings *findings)
{
    char reason[REASON_MAX];
    struct autopsies *autopsies = autopsy->autopsies;
    autopsies->tell(&autopsy->member, describe(&autopsy->member, findings, reason), autopsies->user);
}

static int on_exit_child(sd_event_source *source, const siginfo_t *info, void *user)
{
    struct autopsy *autopsy = user;
    struct findings findings;
    (void)source, (void)info;
    bool told = autopsy->overdue;
    if (watched_child_take_result(&autopsy->child, &findings, sizeof(findings)) < 0)
        findings = (struct findings){.error = -EPIPE};
    if (!told)
        conclude(autopsy, &findings);
    free_autopsy(autopsy);
    return 0;
}

/* The store does not answer: that is told now, and the child buried when the kernel lets go of it. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *user)
{
    struct autopsy *autopsy = user;
    (void)source, (void)usec;
    watched_child_kill(&autopsy->child);
    autopsy->overdue = true;
    conclude(autopsy, &(struct findings){.error = -ETIMEDOUT});
    return 0;
}

static int start(struct autopsy *autopsy)
{
    struct child_watch watch = {
        .deadline_usec = AUTOPSY_DEADLINE_USEC,
        .on_exit = on_exit_child,
        .on_deadline = on_deadline,
        .user = autopsy,
    };
    return watched_child_start(&autopsy->child, examine, &autopsy->member.target, autopsy->autopsies->event,
                               &watch);
}

static struct autopsy *add_autopsy(struct autopsies *autopsies, const struct member *member)
{
    struct autopsy **items = reallocarray(autopsies->items, autopsies->n_items + 1, sizeof(*items));
    if (!items)
        return NULL;
    autopsies->items = items;
    struct autopsy *autopsy = calloc(1, sizeof(*autopsy));
    if (!autopsy)
        return NULL;
    autopsy->autopsies = autopsies;
    autopsy->member = *member;
    autopsy->child = WATCHED_CHILD_NONE;
    items[autopsies->n_items++] = autopsy;
    return autopsy;
}

void autopsies_begin(struct autopsies *autopsies, const struct member *member)
{
    char reason[REASON_MAX];
    enum snapshot_state state = member->target.status.state;
    if (state == SNAPSHOT_OVERFLOW) {
        autopsies->tell(member,
                        member->target.kind == TARGET_SNAPSHOT_MERGE
                            ? "overflow: its store had filled; it is being merged, reads and writes go on"
                            : "overflow: its store filled; reads go on, all writes fail",
                        autopsies->user);
        return;
    }
    if (state == SNAPSHOT_MERGE_FAILED) {
        autopsies->tell(member, "merge failed: an I/O error stopped it halfway", autopsies->user);
        return;
    }
    struct autopsy *autopsy = add_autopsy(autopsies, member);
    int r = autopsy ? start(autopsy) : -ENOMEM;
    if (r >= 0)
        return;
    autopsies->tell(member, describe(member, &(struct findings){.error = r}, reason), autopsies->user);
    if (autopsy)
        free_autopsy(autopsy);
}

void autopsies_done(struct autopsies *autopsies)
{
    while (autopsies->n_items > 0)
        free_autopsy(autopsies->items[0]);
    free(autopsies->items);
    autopsies->items = NULL;
}
