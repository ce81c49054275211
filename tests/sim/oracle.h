/* The oracle: holds the daemon against the contract (DESIGN 3 and 4), after every event.
 *
 *   rungs       each crossing is alerted once, in the look that shows it, and nothing else is; which of several is
 *               carried out; what a reload and an extension do to them
 *   figures     what is said of chunks left, roles and losses is true
 *   looks       no look later than the pacing bound or than the counter of its store fires, none without need, no loop that
 *               spins or wakes while nothing happens; what pacing goes by is what happened (oracle_pace.c)
 *   actions     nothing destructive below its rung, twice, on another device, without a rung, unrecorded, or on what
 *               somebody has open; retries with back-off
 *   promises    what the guarantee said would be in time is not lost (oracle_promise.c)
 *   brake       writers are held when they must be, slowly enough, and let go (oracle_brake.c)
 */
#pragma once

#include "cowherd/errand.h"
#include "cowherd/event.h"
#include "cowherd/herd.h"
#include "world.h"

enum change { CHANGE_LOAD, CHANGE_SUSPEND, CHANGE_RESUME, CHANGE_SWAP, CHANGE_REMOVE };

void oracle_begin(const struct history *history);
void oracle_daemon_starts(void);
void oracle_daemon_is_gone(void);

/* What is wrong; NULL: nothing so far. The first finding counts. */
const char *oracle_verdict(void);
__attribute__((format(printf, 1, 2))) void oracle_fails(const char *format, ...);

/* ---- what the world and the daemon tell */

void oracle_look_failed(void); /* the daemon at everything, in vain */
void oracle_asked(dev_t device);
void oracle_shows_waiting(void);
void oracle_event(const struct event *event);
void oracle_config_read(size_t config);
void oracle_lost(struct group *group, size_t index);
void oracle_merged_by_somebody(struct group *group);
void oracle_grows(struct group *group, uint64_t to_sectors);
void oracle_changes(struct group *group, struct model_device *device, enum change change);
void oracle_child_starts(const struct intent *intent);
void oracle_child_ended(const struct intent *intent, const void *result);
void oracle_result_taken(void);
void oracle_brake_ended(dev_t device, const void *result);
void oracle_forgive(struct group *group);
void oracle_writes(struct group *group);
void oracle_causes_look(void); /* something that a complete look must follow */
void oracle_wakes_late(uint64_t due_usec, uint64_t late_usec);
void oracle_dispatches(bool is_look);
void oracle_memory_is_lost(void); /* what actions took could not be written */
void oracle_after_dispatch(void);
void oracle_before_sleep(uint64_t timer_usec);
