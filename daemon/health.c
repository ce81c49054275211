#include "health.h"
#include "boottime.h"
#include "cowherd/announce.h"
#include "cowherd/notify.h"
#include "guarantees.h"
#include <stdio.h>

#define STATUS_USEC        UINT64_C(1000000)  /* between two STATUS lines */
#define PATIENT_USEC       UINT64_C(30000000) /* as systemd/cowherd.service has it */
#define CALM_WATCHDOG_USEC (HEARTBEAT_USEC / 3 * 4)

/* While a store fills every look has another text: the service manager hears one a second. */
static bool may_tell_status(struct manager *manager)
{
    manager->status_waits = manager->ready && boottime_now_usec() < manager->status_usec;
    if (!manager->status_waits)
        manager->status_usec = boottime_now_usec() + STATUS_USEC;
    return !manager->status_waits;
}

/* Who is ordered after this service may mount the origin of a rollback: the first stretch of what is under way comes
 * before. */
static bool may_be_ready(const struct manager *manager)
{
    if (manager->missing_told)
        return true;
    return manager->looked &&
           (errands_settled(&manager->errands) || boottime_now_usec() >= manager->ready_by_usec);
}

void health_status(const struct manager *manager, char text[static NOTIFY_STATUS_MAX])
{
    const char *error = manager->config_error[0] ? manager->config_error : NULL;
    announce_status(manager->missing_told ? NULL : &manager->herd, manager->errands.n_items, error, text);
    if (!manager->missing_told)
        guarantees_status(manager, text, NOTIFY_STATUS_MAX);
}

static void tell_status(struct manager *manager)
{
    char text[NOTIFY_STATUS_MAX];
    if (!may_tell_status(manager))
        return;
    health_status(manager, text);
    if (manager->ready)
        notify_status(text);
    else if (may_be_ready(manager))
        manager->ready = notify_ready(text) >= 0; /* else again at the next look */
}

/* Nobody needs a look before the next heartbeat, so the watchdog need not hear more often. Who has given it less than the
 * shipped time wants to know sooner. */
static bool may_be_patient(const struct manager *manager)
{
    return manager->watchdog_usec >= PATIENT_USEC && manager->looked && !manager->blind &&
           !manager->stopping && manager->errands.n_items == 0 &&
           waking_is_calm(&manager->herd, HEARTBEAT_USEC);
}

static void set_watchdog(struct manager *manager)
{
    bool calm = may_be_patient(manager);
    uint64_t usec = manager->watchdog_usec;
    if (calm && usec < CALM_WATCHDOG_USEC)
        usec = CALM_WATCHDOG_USEC;
    if (calm == manager->watchdog_is_long || notify_watchdog_period(usec) < 0)
        return;
    manager->watchdog_is_long = calm;
    manager->keep_alive_usec = 0;
}

/* The watchdog hears only of a loop that has just looked at everybody who was due. */
static void keep_alive(struct manager *manager)
{
    uint64_t interval = manager->watchdog_is_long ? HEARTBEAT_USEC : manager->watchdog_usec / 3;
    uint64_t now = boottime_now_usec();
    /* A little too soon is no harm, and one wake-up less: the heartbeat's look has its own time. */
    if (!manager->watchdog_usec || now + interval / 16 < manager->keep_alive_usec)
        return;
    manager->keep_alive_usec = now + interval;
    if (manager->looked || manager->missing_told)
        notify_watchdog();
}

void health_tell(struct manager *manager)
{
    tell_status(manager);
    set_watchdog(manager);
    keep_alive(manager);
}

uint64_t health_next_usec(const struct manager *manager)
{
    uint64_t next = UINT64_MAX;
    if (manager->watchdog_usec && manager->keep_alive_usec < next)
        next = manager->keep_alive_usec;
    if (manager->status_waits && manager->status_usec < next)
        next = manager->status_usec;
    if (!manager->ready && manager->ready_by_usec > boottime_now_usec() && manager->ready_by_usec < next)
        next = manager->ready_by_usec;
    return next;
}
