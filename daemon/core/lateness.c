#include "cowherd/lateness.h"

#define HALVINGS_MAX 63 /* of 64 bits */

uint64_t lateness_usec(const struct lateness *lateness, uint64_t now_usec)
{
    uint64_t age_usec = now_usec > lateness->at_usec ? now_usec - lateness->at_usec : 0;
    uint64_t halvings = age_usec / LATENESS_HALVING_USEC;
    if (halvings > HALVINGS_MAX)
        return 0;
    uint64_t whole_usec = lateness->longest_usec >> halvings;
    /* Straight between two halvings, so that it does not jump. */
    uint64_t part_usec = age_usec % LATENESS_HALVING_USEC;
    return whole_usec - (uint64_t)((unsigned __int128)(whole_usec / 2) * part_usec / LATENESS_HALVING_USEC);
}

void lateness_take(struct lateness *lateness, uint64_t due_usec, uint64_t came_usec, uint64_t slept_usec)
{
    uint64_t late_usec = came_usec > due_usec ? came_usec - due_usec : 0;
    late_usec = late_usec > slept_usec ? late_usec - slept_usec : 0;
    if (late_usec >= lateness_usec(lateness, came_usec))
        *lateness = (struct lateness){.longest_usec = late_usec, .at_usec = came_usec};
}
