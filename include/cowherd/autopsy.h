/* Autopsies: why a snapshot has become Invalid, found out before it is announced.
 *
 * The kernel says no more than "Invalid". A child reads the store's own metadata: a store that filled has its
 * last chunks recorded, one that failed has not, or cannot be read. That may block on the very device that
 * failed, so the child has a deadline; then what the last look saw must do.
 */
#pragma once

#include "cowherd/herd.h"
#include "cowherd/watched_child.h"
#include <systemd/sd-event.h>

#define AUTOPSY_DEADLINE_USEC UINT64_C(2000000) /* the news must not wait longer for its reason */

struct autopsy;

struct autopsies {
    struct autopsy **items;
    size_t n_items;
    sd_event *event;
    /* The lost snapshot as it was (a copy; its policy is not to be used) and why it was lost. */
    void (*tell)(const struct member *member, const char *reason, void *user);
    void *user;
};

/* Finds out about one member and tells; at once where the status says it all (Overflow, Merge failed). */
void autopsies_begin(struct autopsies *autopsies, const struct member *member);

void autopsies_done(struct autopsies *autopsies);
