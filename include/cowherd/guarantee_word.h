/* The guarantee's word: when people are told that it has changed.
 *
 * A change is told once it has lasted for GUARANTEE_LASTING_USEC, and the more often it was told lately the longer it must
 * last: doubled each time, up to GUARANTEE_LASTING_MAX_USEC. A guarantee on the verge of its times (it hangs on how late
 * looks come, which is measured anew at each) would else be told at each heartbeat. A day in which nothing is told, and a
 * new configuration, begin anew. Pure: times are arguments, microseconds of CLOCK_BOOTTIME.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GUARANTEE_LASTING_USEC     UINT64_C(1000000)
#define GUARANTEE_LASTING_MAX_USEC (GUARANTEE_LASTING_USEC << 9) /* 8.5 minutes: eleven heartbeats */
#define GUARANTEE_CALM_USEC        UINT64_C(86400000000)

struct guarantee_word {
    bool told;             /* the last word was yes */
    uint64_t changed_usec; /* since when it is another; 0: it is not */
    uint64_t told_usec;    /* when a change was told last; 0: none was */
    unsigned n_told;       /* that count for how long the next one must last */
};

/* Takes what was judged in a look of that time. Returns whether the change is to be told now, and counts it as told. */
bool guarantee_word_take(struct guarantee_word *word, bool holds, uint64_t now_usec);

/* When to look once more, for the change will have lasted; UINT64_MAX: there is none. */
uint64_t guarantee_word_due_usec(const struct guarantee_word *word);

/* Nothing is known: what has changed is forgotten. */
void guarantee_word_forget(struct guarantee_word *word);

/* The next change is told as soon as the first. */
void guarantee_word_begin_anew(struct guarantee_word *word);
