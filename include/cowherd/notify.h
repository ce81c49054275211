/* What the service manager is told: readiness, one line of status, the watchdog, reload and stop.
 *
 * The protocol of sd_notify(3), but never waiting: sd_notify() itself blocks once the manager has stopped
 * reading (its disk may be the one on a suspended device), and these are called from the daemon's loop. What
 * cannot be sent at once is -EAGAIN. Without NOTIFY_SOCKET every function does nothing and returns 0. Only
 * for one thread.
 */
#pragma once

#include <stdint.h>

#define NOTIFY_STATUS_MAX 1024 /* bytes of a status with its end; longer is cut at a character */

/* READY=1 with a STATUS line. Returns 0 or a negative errno, as all here. */
int notify_ready(const char *status);

/* STATUS=…; sent only when it differs from the last one that was sent. Here and in notify_ready() control
 * characters become blanks and what is not UTF-8 "?": the manager refuses either. */
int notify_status(const char *status);

/* RELOADING=1 with MONOTONIC_USEC=; follow it by notify_ready(). */
int notify_reloading(void);

/* STOPPING=1. */
int notify_stopping(void);

/* WATCHDOG=1. Call it only from a loop that has looked at every snapshot in time. */
int notify_watchdog(void);

/* WATCHDOG_USEC=: from now on the manager expects a keep-alive within that time. */
int notify_watchdog_period(uint64_t usec);

/* Microseconds in which the manager expects a keep-alive (send them twice as often), or 0 where it expects
 * none. */
uint64_t notify_watchdog_usec(void);
