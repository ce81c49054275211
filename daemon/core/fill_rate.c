#include "cowherd/fill_rate.h"

#define SECOND_USEC UINT64_C(1000000)

static uint64_t saturate(unsigned __int128 value)
{
    return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

static uint64_t bytes_per_second(uint64_t bytes, uint64_t usec)
{
    return saturate((unsigned __int128)bytes * SECOND_USEC / usec);
}

/* dt / (dt + window) follows 1 - exp(-dt / window) closely where looks are frequent, and stays below it where
 * they are rare; it needs no libm. */
static void smooth(struct fill_rate *rate, uint64_t elapsed_usec, uint64_t filled_bytes)
{
    double elapsed = (double)elapsed_usec;
    double interval_rate = (double)filled_bytes * (double)SECOND_USEC / elapsed;
    double weight = elapsed / (elapsed + (double)FILL_RATE_WINDOW_USEC);
    rate->smoothed_bytes_per_second += weight * (interval_rate - rate->smoothed_bytes_per_second);
}

static void take_in(struct fill_rate *rate, uint64_t elapsed_usec, uint64_t filled_bytes)
{
    uint64_t interval_rate = bytes_per_second(filled_bytes, elapsed_usec);
    if (interval_rate > rate->peak_bytes_per_second)
        rate->peak_bytes_per_second = interval_rate;
    smooth(rate, elapsed_usec, filled_bytes);
}

void fill_rate_update(struct fill_rate *rate, uint64_t now_usec, uint64_t used_bytes)
{
    if (rate->started) {
        if (now_usec < rate->last_usec || now_usec - rate->last_usec < FILL_RATE_INTERVAL_MIN_USEC)
            return; /* the last look stays, so that what came since is part of the next interval */
        uint64_t filled_bytes = used_bytes > rate->last_used_bytes ? used_bytes - rate->last_used_bytes : 0;
        take_in(rate, now_usec - rate->last_usec, filled_bytes);
    }
    rate->started = true;
    rate->last_usec = now_usec;
    rate->last_used_bytes = used_bytes;
}

uint64_t fill_rate_bytes_per_second(const struct fill_rate *rate)
{
    /* 2^64, the first double that no uint64_t holds: converting it would be undefined. */
    if (rate->smoothed_bytes_per_second >= 0x1p64)
        return UINT64_MAX;
    return (uint64_t)rate->smoothed_bytes_per_second;
}

uint64_t fill_rate_peak_bytes_per_second(const struct fill_rate *rate)
{
    return rate->peak_bytes_per_second;
}

uint64_t fill_rate_time_left_usec(const struct fill_rate *rate, uint64_t bytes_left)
{
    uint64_t smoothed = fill_rate_bytes_per_second(rate);
    if (smoothed == 0)
        return TIME_UNKNOWN_USEC;
    return saturate((unsigned __int128)bytes_left * SECOND_USEC / smoothed);
}
