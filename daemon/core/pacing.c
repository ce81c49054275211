#include "cowherd/pacing.h"

#define SECOND_USEC UINT64_C(1000000)
#define NEVER_USEC  UINT64_MAX

/* How long that many bytes take at a rate, rounded down so that a look is never late. */
static uint64_t fill_usec(uint64_t bytes, uint64_t bytes_per_second)
{
    if (bytes == UINT64_MAX || bytes_per_second == 0)
        return NEVER_USEC;
    unsigned __int128 usec = (unsigned __int128)bytes * SECOND_USEC / bytes_per_second;
    return usec > NEVER_USEC ? NEVER_USEC : (uint64_t)usec;
}

/* Until the next rung of a known height, less what its action takes. */
static uint64_t height_usec(const struct pacing_subject *subject, uint64_t bytes_per_second)
{
    uint64_t usec = fill_usec(subject->bytes_to_next_rung, bytes_per_second);
    if (usec == NEVER_USEC)
        return NEVER_USEC;
    return usec > subject->action_usec ? usec - subject->action_usec : 0;
}

/* When the smoothed rate will call for a rung of "TIME left" cannot be said beforehand. Looking at half the
 * time in which the store could be full leaves the other half to act in. */
static uint64_t time_rung_usec(const struct pacing_subject *subject, uint64_t bytes_per_second)
{
    if (!subject->waits_for_time)
        return NEVER_USEC;
    return fill_usec(subject->bytes_left, bytes_per_second) / 2;
}

uint64_t pacing_interval_usec(const struct pacing_bounds *bounds, const struct pacing_subject *subject)
{
    uint64_t fastest = bounds->assumed_bytes_per_second;
    if (subject->peak_bytes_per_second > fastest)
        fastest = subject->peak_bytes_per_second;
    uint64_t interval_usec = height_usec(subject, fastest);
    uint64_t half_usec = time_rung_usec(subject, fastest);
    if (half_usec < interval_usec)
        interval_usec = half_usec;
    if (interval_usec != NEVER_USEC)
        interval_usec -= bounds->late_usec < interval_usec ? bounds->late_usec : interval_usec;
    if (interval_usec < bounds->shortest_usec)
        interval_usec = bounds->shortest_usec;
    /* Last, so that it wins over a shortest poll that exceeds it: a look too many harms less than one too
     * late. */
    return interval_usec < bounds->longest_usec ? interval_usec : bounds->longest_usec;
}
