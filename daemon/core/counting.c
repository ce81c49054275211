#include "cowherd/counting.h"

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The fewest exceptions that can fill so many bytes, less one at most: what is rounded is rounded down. Bytes that leave
 * metadata out (SIZE free) are taken for bytes with it, which is fewer exceptions. */
static uint64_t exceptions_to_fill(const struct exception_store *store, uint64_t used_sectors, uint64_t bytes)
{
    uint64_t height_sectors;
    if (__builtin_add_overflow(used_sectors, bytes / SECTOR_BYTES, &height_sectors))
        height_sectors = UINT64_MAX;
    return exception_store_exceptions(store, height_sectors) -
           exception_store_exceptions(store, used_sectors);
}

/* To the next rung, at the latest to where the store is full. */
static uint64_t exceptions_to_next(const struct counting_subject *subject)
{
    uint64_t left = exception_store_chunks_left(&subject->store, subject->used_sectors);
    if (subject->bytes_to_next_rung == UINT64_MAX)
        return left;
    return min(left, exceptions_to_fill(&subject->store, subject->used_sectors, subject->bytes_to_next_rung));
}

static uint64_t period_for(uint64_t exceptions, unsigned cpus)
{
    uint64_t share = cpus ? exceptions / cpus : 0, period = 1;
    while (period <= share / 2)
        period *= 2;
    return period;
}

/* A hundredth of the store at its rate. */
static uint64_t timer_for(const struct counting_subject *subject)
{
    if (!subject->bytes_per_second)
        return subject->heartbeat_usec;
    unsigned __int128 share_bytes = (unsigned __int128)subject->store.total_sectors * SECTOR_BYTES / 100;
    unsigned __int128 usec = share_bytes * 1000000 / subject->bytes_per_second;
    uint64_t shown_usec = usec < subject->longest_usec ? (uint64_t)usec : subject->longest_usec;
    shown_usec = shown_usec > COUNTING_SHOWN_USEC ? shown_usec : COUNTING_SHOWN_USEC;
    return min(shown_usec, subject->heartbeat_usec);
}

struct counting_plan counting_plan(const struct counting_subject *subject)
{
    uint64_t exceptions = exceptions_to_next(subject);
    if (subject->waits_for_time) {
        uint64_t left = exception_store_chunks_left(&subject->store, subject->used_sectors);
        exceptions = subject->bytes_per_second ? min(exceptions, left / COUNTING_TIME_SHARE) : 0;
    }
    return (struct counting_plan){
        .period = period_for(exceptions, subject->cpus),
        .timer_usec = timer_for(subject),
    };
}

void counting_fired(struct counting_budget *budget)
{
    budget->looks++;
}

static void make_up(struct counting_budget *budget, uint64_t now_usec)
{
    if (budget->looks == 0 || now_usec < budget->since_usec)
        budget->since_usec = now_usec;
    uint64_t made_up = (now_usec - budget->since_usec) / COUNTING_LOOK_USEC;
    budget->looks -= min(budget->looks, made_up);
    budget->since_usec += made_up * COUNTING_LOOK_USEC;
}

bool counting_pays(struct counting_budget *budget, unsigned cpus, uint64_t now_usec)
{
    uint64_t limit = cpus * COUNTING_LOOKS_PER_CPU;
    make_up(budget, now_usec);
    if (budget->looks >= limit)
        budget->spent = true;
    else if (budget->looks <= limit / 2)
        budget->spent = false;
    return !budget->spent;
}

bool counting_is_deaf(uint64_t exceptions, uint64_t writes)
{
    return exceptions > writes && exceptions - writes > COUNTING_IN_FLIGHT;
}
