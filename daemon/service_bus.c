#include "service_bus.h"
#include "accounts.h"
#include "boottime.h"
#include "cowherd/bus.h"
#include "health.h"
#include "holding.h"
#include "looks.h"
#include "orders.h"
#include "reactions.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(BUS_SAID_MAX >= ORDER_SAID_MAX, "what an order says fits");

/* Of a round: then looks that are due have their turn. */
#define PART_MIN_USEC UINT64_C(2000)
#define PART_MAX_USEC UINT64_C(20000)

struct service_bus {
    struct manager *manager;
    struct bus_service calls;
    struct bus *bus;
    dev_t at; /* the members up to this device have had their part of the round */
    uint64_t part_ended_usec;
    bool is_stale;
    bool has_news;
    bool has_looked; /* and the manager has not settled it yet */
    uint64_t print;  /* of what was known when a round was last asked for */
};

/* ---- what is known of a member, as a number */

static uint64_t mix(uint64_t print, uint64_t value)
{
    return (print ^ value) * UINT64_C(0x9e3779b97f4a7c15) + (print >> 29);
}

static uint64_t mix_text(uint64_t print, const char *text)
{
    for (; *text; text++)
        print = mix(print, (unsigned char)*text);
    return print;
}

static uint64_t mix_member(uint64_t print, const struct member *member)
{
    const struct snapshot_status *status = &member->target.status;
    uint64_t kinds = (uint64_t)status->state << 32 | (uint64_t)member->target.kind << 16 |
                     (uint64_t)member->role << 8 | (uint64_t)member->guarantee.holds << 1 |
                     (uint64_t)waking_is_counting(member);
    print = mix(mix(mix(print, member->device), kinds), member->guarantee.print);
    print = mix(mix(print, status->used_sectors), status->total_sectors);
    print = mix(mix(print, status->metadata_sectors), member->sample.rate_bytes_per_second);
    for (size_t i = 0; member->policy && i < member->policy->n_rungs; i++)
        print = mix(print, member->ladder.marks[i].fired);
    return mix_text(mix(print, (uintptr_t)member->policy), member->name);
}

/* ---- what is published */

/* An account stays as it is until the next look, unless somebody holds the snapshot meanwhile. */
static uint64_t stamp_of(const struct manager *manager, const struct member *member)
{
    if (reactions_errand_of(manager, member))
        return 0;
    return member->asked_usec * 3 + holding_until_usec(manager, member);
}

static void publish_member(struct service_bus *service, struct member *member)
{
    uint64_t stamp = stamp_of(service->manager, member);
    struct account account;
    if (bus_keep(service->bus, member->name, member->target.start_sectors, stamp))
        return;
    if (accounts_take(service->manager, member, &account) >= 0)
        bus_put(service->bus, &account, stamp);
}

static void publish_errands(struct service_bus *service)
{
    const struct manager *manager = service->manager;
    for (size_t i = 0; i < manager->errands.n_items; i++) {
        struct account account;
        if (!accounts_has_member(manager, manager->errands.items[i]) &&
            accounts_take_errand(manager, manager->errands.items[i], &account) >= 0)
            bus_put(service->bus, &account, 0);
    }
}

static void look_at(struct service_bus *service, struct member *member)
{
    if (boottime_now_usec() - member->asked_usec < BUS_ROUND_USEC)
        return;
    uint64_t before = mix_member(0, member);
    service->is_stale = looks_at(service->manager, member) || service->is_stale;
    service->has_news = service->has_news || mix_member(0, member) != before;
    service->has_looked = true;
}

/* As long as the loop has had since the last one: what it settles between two grows with the herd, as their number does, and with
 * parts of a fixed length a round would take as long as the square of it. */
static uint64_t part_usec(const struct service_bus *service, uint64_t now_usec)
{
    uint64_t between_usec = service->at ? now_usec - service->part_ended_usec : 0;
    if (between_usec > PART_MAX_USEC)
        return PART_MAX_USEC;
    return between_usec > PART_MIN_USEC ? between_usec : PART_MIN_USEC;
}

/* Members of one device come together: the place in the round is a device, for between two parts some may go. Returns whether
 * there are more. */
static bool publish_members(struct service_bus *service, bool looks)
{
    const struct herd *herd = &service->manager->herd;
    uint64_t now_usec = boottime_now_usec(), until = now_usec + part_usec(service, now_usec);
    for (size_t i = 0; i < herd->n_members; i++) {
        struct member *member = herd->members[i];
        if (member->device <= service->at && service->at)
            continue;
        if (looks)
            look_at(service, member);
        publish_member(service, member);
        bool is_last = i + 1 == herd->n_members || herd->members[i + 1]->device != member->device;
        if (is_last && boottime_now_usec() >= until) {
            service->at = member->device;
            return i + 1 < herd->n_members;
        }
    }
    return false;
}

/* The manager settles what the looks have shown as soon as the loop is back; that costs it a pass over all, so where they have
 * shown nothing new it is done once, behind the last of them. */
static void settle(struct service_bus *service, bool has_more)
{
    if (service->is_stale)
        looks_complete(service->manager);
    if (service->is_stale || service->has_news || (service->has_looked && !has_more)) {
        manager_wake(service->manager);
        service->has_looked = false;
    }
    service->is_stale = service->has_news = false;
}

static bool publish(bool begins, bool looks, void *user)
{
    struct service_bus *service = user;
    if (begins)
        service->at = 0;
    bool has_more = publish_members(service, looks);
    settle(service, has_more);
    if (!has_more)
        publish_errands(service);
    service->part_ended_usec = boottime_now_usec();
    return has_more;
}

/* ---- what is asked for */

static int give_order(struct manager *manager, const struct bus_order *order, char said[static BUS_SAID_MAX])
{
    switch (order->kind) {
    case BUS_ORDER_RELOAD:
        return orders_reload(manager, order->who, said);
    case BUS_ORDER_EXTEND:
        return orders_extend(manager, order->name, order->amount, order->dry_run, order->who, said);
    case BUS_ORDER_MERGE:
        return orders_merge(manager, order->name, order->dry_run, order->who, said);
    case BUS_ORDER_DROP:
        return orders_drop(manager, order->name, order->dry_run, order->who, said);
    case BUS_ORDER_HOLD:
        return orders_hold(manager, order->name, order->seconds, order->dry_run, order->who, said);
    case BUS_ORDER_RELEASE:
        return orders_release(manager, order->name, order->dry_run, order->who, said);
    }
    return -EINVAL;
}

static int carry_out(const struct bus_order *order, char said[static BUS_SAID_MAX], void *user)
{
    struct service_bus *service = user;
    int r = give_order(service->manager, order, said);
    if (r >= 0)
        bus_changed_at_once(service->bus);
    return r;
}

static int explain(const char *name, struct explanation *ret_explanation, void *user)
{
    return orders_explain(((struct service_bus *)user)->manager, name, ret_explanation);
}

/* For somebody in another directory. */
static void name_configuration(const char *file, char path[static PATH_MAX])
{
    char here[PATH_MAX];
    bool is_relative = file && file[0] != '/' && getcwd(here, sizeof(here));
    if (!is_relative || snprintf(path, PATH_MAX, "%s/%s", here, file) >= PATH_MAX)
        snprintf(path, PATH_MAX, "%s", file ? file : "");
}

static void tell_facts(struct bus_facts *ret_facts, void *user)
{
    const struct service_bus *service = user;
    const struct manager *manager = service->manager;
    *ret_facts = (struct bus_facts){.n_snapshots = (uint32_t)manager->herd.n_members,
                                    .dry_run = manager->errands.dry_run};
    health_status(manager, ret_facts->status);
    snprintf(ret_facts->configuration_error, sizeof(ret_facts->configuration_error), "%s",
             manager->config_error);
    name_configuration(manager->options->places->file, ret_facts->configuration_file);
}

/* ---- whether there is something new to publish */

static uint64_t mix_errand(uint64_t print, const struct errand *errand)
{
    print = mix(print, (uint64_t)errand->pursuit.phase << 1 | errand->acting);
    return mix_text(mix_text(print, errand->pursuit.intent.rung), errand->pursuit.reason);
}

/* A number that is another when something has changed that people are told of: cheap, for it is asked for after each look. */
static uint64_t print_of(const struct manager *manager)
{
    uint64_t print = manager->herd.n_members;
    for (size_t i = 0; i < manager->herd.n_members; i++)
        print = mix_member(print, manager->herd.members[i]);
    for (size_t i = 0; i < manager->errands.n_items; i++)
        print = mix_errand(print, manager->errands.items[i]);
    return print;
}

void service_bus_consider(struct service_bus *service)
{
    if (!service || !bus_is_connected(service->bus))
        return;
    uint64_t print = print_of(service->manager);
    if (print == service->print)
        return;
    service->print = print;
    bus_changed(service->bus);
}

static void on_event(const struct event *event, void *user)
{
    struct service_bus *service = user;
    bus_event(service->bus, event);
}

/* ---- its life */

int service_bus_open(struct manager *manager, struct service_bus **ret_service)
{
    struct service_bus *service = calloc(1, sizeof(*service));
    if (!service)
        return -ENOMEM;
    service->manager = manager;
    service->calls = (struct bus_service){
        .order = carry_out,
        .explain = explain,
        .facts = tell_facts,
        .publish = publish,
        .user = service,
    };
    int r = bus_open(manager->event, manager->journal, &service->calls, &service->bus);
    if (r >= 0)
        r = journal_listen(manager->journal, on_event, service);
    if (r < 0) {
        bus_close(service->bus);
        free(service);
        return r;
    }
    *ret_service = service;
    return 0;
}

void service_bus_close(struct service_bus *service)
{
    if (!service)
        return;
    bus_close(service->bus);
    free(service);
}
