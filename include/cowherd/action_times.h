/* Action times: how long the actions of each snapshot took, from the look that crossed the rung to where the filling was
 * stopped; kept as text over restarts (action_memory.h).
 *
 * A snapshot is known by its UUID, or by its name where it has none: device numbers are another device's after the next
 * boot. Of each of its actions the last ACTION_TIMES_KEPT times are remembered, and the longest of them counts: so what
 * took long for a reason that has passed (somebody held lvm's lock) is forgotten in the end. A snapshot of which nothing is
 * known gets the longest of its kind, lvm's or not.
 *
 * There are at most ACTION_TIMES_MAX records; one that nobody has seen for ACTION_TIMES_DAYS goes, and so does the one
 * unseen for longest where there is no room. Days are those of CLOCK_REALTIME since 1970; a clock that is behind does no
 * harm.
 */
#pragma once

#include "cowherd/observation.h"
#include "cowherd/policy.h"

#define ACTION_TIMES_MAX      128
#define ACTION_TIMES_KEPT     4
#define ACTION_TIMES_DAYS     90
#define ACTION_TIME_USEC_MAX  UINT64_C(3600000000) /* an hour: what takes longer is no time to reckon with */
#define ACTION_TIMES_TEXT_MAX (96 * 1024) /* all records with names escaped to four times their length */

struct action_time {
    enum action_kind action;
    bool by_uuid;
    char subject[DM_UUID_BYTES]; /* UUID or name */
    uint64_t took_usec[ACTION_TIMES_KEPT];
    unsigned n_took; /* the newest is the last */
    uint32_t seen_day;
};

struct action_times {
    struct action_time items[ACTION_TIMES_MAX];
    size_t n_items;
};

/* Whose: uuid may be empty. */
struct action_subject {
    const char *name;
    const char *uuid;
};

/* Takes in what one action has taken. Nothing of a snapshot without name and UUID. */
void action_times_take(struct action_times *times, enum action_kind action, struct action_subject subject,
                       uint64_t took_usec, uint32_t day);

/* The snapshot is there: its records stay. Returns whether that has changed any of them. */
bool action_times_see(struct action_times *times, struct action_subject subject, uint32_t day);

/* What the action of this snapshot is to be reckoned with, or 0: nothing is known. */
uint64_t action_times_usec(const struct action_times *times, enum action_kind action,
                           struct action_subject subject);

/* Writes them as text, without those that have not been seen for long. Returns the length without the end, or -ENOBUFS. */
int action_times_format(const struct action_times *times, uint32_t day, char *text, size_t size);

/* Reads them from text. Returns 0, or -EBADMSG where anything is not of its form: then ret_times stays as it is. */
int action_times_parse(const char *text, struct action_times *ret_times);
