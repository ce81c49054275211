#include "holding.h"
#include "boottime.h"
#include "cowherd/announce.h"
#include "cowherd/operator_hold_file.h"
#include "directories.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

static struct held_device device_of(const struct member *member)
{
    return (struct held_device){
        .name = member->name, .uuid = member->uuid, .disk_sequence = member->disk_sequence};
}

static struct operator_hold *find(const struct manager *manager, const struct member *member)
{
    return operator_holds_find(&manager->holds, device_of(member));
}

const char *holding_reason(const struct manager *manager, const struct member *member)
{
    const struct operator_hold *hold = find(manager, member);
    return hold ? hold->reason : NULL;
}

uint64_t holding_until_usec(const struct manager *manager, const struct member *member)
{
    const struct operator_hold *hold = find(manager, member);
    return hold ? hold->until_usec : 0;
}

/* Another daemon's where this one changes nothing. */
static int keep(const struct manager *manager)
{
    if (manager->options->dry_run)
        return 0;
    return operator_hold_file_store(directory_runtime(), &manager->holds, manager->boot_id);
}

static void keep_or_tell(const struct manager *manager)
{
    int r = keep(manager);
    if (r < 0)
        journal_message(manager->journal, LOG_WARNING, "Holds cannot be kept over a restart: %s",
                        strerror(-r));
}

void holding_recall(struct manager *manager)
{
    int r = operator_hold_file_read(directory_runtime(), manager->boot_id, &manager->holds);
    if (r < 0)
        journal_message(manager->journal, LOG_WARNING, "The holds of operators cannot be read: %s",
                        strerror(-r));
}

static const struct member *find_member(const struct manager *manager, const struct operator_hold *hold)
{
    for (size_t i = 0; i < manager->herd.n_members; i++)
        if (find(manager, manager->herd.members[i]) == hold)
            return manager->herd.members[i];
    return NULL;
}

/* Whether it is no more. While a device cannot be read, nobody is taken for gone before its time. */
static bool is_over(const struct manager *manager, const struct operator_hold *hold)
{
    const struct member *member = find_member(manager, hold);
    bool is_due = boottime_now_usec() >= hold->until_usec;
    if (!member)
        return is_due || (manager->looked && !observation_find_unreadable(&manager->seen));
    if (!is_due)
        return false;
    struct subject subject = subject_of_member(member);
    announce_hold_end(manager->journal, &subject, "its time is over");
    return true;
}

static const char *reason_of(const struct intent *intent, void *user)
{
    const struct manager *manager = user;
    struct held_device device = {
        .name = intent->name, .uuid = intent->uuid, .disk_sequence = intent->disk_sequence};
    const struct operator_hold *hold = operator_holds_find(&manager->holds, device);
    return hold ? hold->reason : "";
}

static void tell_errands(struct manager *manager)
{
    errands_hold(&manager->errands, reason_of, manager);
}

void holding_consider(struct manager *manager)
{
    size_t n_before = manager->holds.n_items;
    for (size_t i = 0; i < manager->holds.n_items;)
        if (is_over(manager, &manager->holds.items[i]))
            operator_holds_remove(&manager->holds, &manager->holds.items[i]);
        else
            i++;
    if (manager->holds.n_items != n_before)
        keep_or_tell(manager);
    tell_errands(manager);
}

int holding_begin(struct manager *manager, const struct member *member, uint64_t seconds, const char *reason)
{
    uint64_t until_usec, now_usec = boottime_now_usec();
    if (!seconds || __builtin_mul_overflow(seconds, 1000000, &until_usec) ||
        __builtin_add_overflow(until_usec, now_usec, &until_usec))
        until_usec = UINT64_MAX;
    int r = operator_holds_set(&manager->holds, device_of(member), until_usec, reason);
    if (r < 0)
        return r;
    struct subject subject = subject_of_member(member);
    announce_hold(manager->journal, &subject, reason);
    tell_errands(manager);
    r = keep(manager);
    return r == -ENOMEM ? -EIO : r;
}

int holding_release(struct manager *manager, const struct member *member, const char *who)
{
    char result[INTENT_HELD_MAX];
    struct operator_hold *hold = find(manager, member);
    struct subject subject = subject_of_member(member);
    if (!hold)
        return 0;
    operator_holds_remove(&manager->holds, hold);
    snprintf(result, sizeof(result), "released by %s", who);
    announce_hold_end(manager->journal, &subject, result);
    tell_errands(manager);
    return keep(manager);
}
