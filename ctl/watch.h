/* The loop of cowctl watch: asks the daemon when it has said that something is another than before, and draws.
 *
 * Nothing is asked while nothing changes, but for a look every few seconds: time goes by without a signal. Without a daemon
 * the kernel is asked each interval, where that is permitted. Every call is asynchronous: Ctrl-C is never waited for.
 */
#pragma once

#include "accounts.h"
#include "arguments.h"
#include "recent.h"
#include "style.h"

struct watch_options {
    uint64_t interval_usec;
    enum colour_choice colour;
    struct argument_names names;
};

/* Until SIGINT or SIGTERM. Returns the exit code. */
int watch_run(const struct watch_options *options);
