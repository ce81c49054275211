/* The memory of action times (action_times.h): in the daemon, and over its restarts.
 *
 * Kept in one hidden file of the state directory, hidden because what else is there are intents: an operator's list of what
 * is under way. Written by a child, a while after something was learned, so that the disk is left alone while an action has
 * just needed it; one child at a time. What cannot be read is told, ignored, and replaced at the next write.
 */
#pragma once

#include "cowherd/action_times.h"
#include "cowherd/journal.h"
#include "cowherd/watched_child.h"
#include <systemd/sd-event.h>

#define ACTION_MEMORY_FILE "/.action-times" /* in the state directory */

/* Until what was learned is written. */
#define ACTION_MEMORY_DELAY_USEC UINT64_C(10000000)

/* At the end the last write is waited for so long. */
#define ACTION_MEMORY_LAST_USEC UINT64_C(5000000)

struct action_memory {
    struct action_times times;
    sd_event *event;
    struct journal *journal;
    const char *state_directory; /* NULL: nothing is written */
    bool changed;                /* since the last write was begun */
    bool writing;
    bool failure_told;
    struct watched_child child;
    sd_event_source *delay_source;
};

/* Reads the file of a state directory. 0, also where there is none; -EBADMSG or another negative errno. */
int action_memory_read(const char *state_directory, struct action_times *ret_times);

/* Begins with what is kept. May block on the disk: before the daemon is ready. */
void action_memory_recall(struct action_memory *memory);

/* Takes in what one action has taken; it is written later. */
void action_memory_learn(struct action_memory *memory, enum action_kind action, struct action_subject subject,
                         uint64_t took_usec);

/* The snapshot is there: what is known of it stays. */
void action_memory_see(struct action_memory *memory, struct action_subject subject);

/* Writes what is not written yet, waiting for it a little, and frees. */
void action_memory_done(struct action_memory *memory);
