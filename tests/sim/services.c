/* What the daemon says, and the parts of it that are no part of a simulated machine: hooks, lvm, dmeventd, D-Bus. */
#include "../../daemon/boottime.h"
#include "../../daemon/service_bus.h"
#include "cowherd/dmeventd.h"
#include "cowherd/hooks.h"
#include "cowherd/journal.h"
#include "cowherd/lvm_action.h"
#include "cowherd/lvm_tool.h"
#include "cowherd/notify.h"
#include "oracle.h"
#include "world.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

uint64_t boottime_now_usec(void)
{
    return world.clock_usec;
}

uint64_t boottime_slept_usec(void)
{
    return world.slept_usec;
}

void journal_event(struct journal *journal, const struct event *event)
{
    (void)journal;
    world_trace("says %s: %s", event_kind_name(event->kind), event->sentence);
    oracle_event(event);
}

int journal_listen(struct journal *journal, void (*listener)(const struct event *event, void *user),
                   void *user)
{
    (void)journal, (void)listener, (void)user;
    return 0;
}

void journal_message(struct journal *journal, int priority, const char *format, ...)
{
    va_list arguments;
    char text[512];
    (void)journal, (void)priority;
    if (!world_traces)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    world_trace("says %s", text);
}

int notify_ready(const char *status)
{
    (void)status;
    return 0;
}

int notify_status(const char *status)
{
    (void)status;
    return 0;
}

int notify_reloading(void)
{
    return 0;
}

int notify_stopping(void)
{
    return 0;
}

int notify_watchdog(void)
{
    return 0;
}

int notify_watchdog_period(uint64_t usec)
{
    (void)usec;
    return 0;
}

uint64_t notify_watchdog_usec(void)
{
    return 0;
}

void hooks_run(struct hooks *hooks, const struct configuration *configuration, const struct subject *subject,
               const struct rung *rung, const struct event_fields *facts)
{
    (void)hooks, (void)configuration, (void)subject, (void)rung, (void)facts;
}

void hooks_done(struct hooks *hooks)
{
    (void)hooks;
}

void dmeventd_ask(struct dmeventd_questions *questions, const char *name, const char *uuid)
{
    (void)questions, (void)name, (void)uuid;
}

void dmeventd_forget(struct dmeventd_questions *questions, const char *uuid)
{
    (void)questions, (void)uuid;
}

void dmeventd_done(struct dmeventd_questions *questions)
{
    (void)questions;
}

int lvm_action_step(const struct step *step, struct intent *intent, char words[static PLAN_REASON_MAX])
{
    (void)step, (void)intent, (void)words;
    oracle_fails("a command of lvm's for a snapshot that is not lvm's");
    return -EINVAL;
}

void lvm_tool_heed_hurry(void)
{
    oracle_fails("a command of lvm's for a snapshot that is not lvm's");
}

int service_bus_open(struct manager *manager, struct service_bus **ret_service)
{
    (void)manager, (void)ret_service;
    return 0;
}

void service_bus_consider(struct service_bus *service)
{
    (void)service;
}

void service_bus_close(struct service_bus *service)
{
    (void)service;
}
