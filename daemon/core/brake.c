#include "cowherd/brake.h"

#define SECOND_USEC UINT64_C(1000000)

static bool is_under_way(const struct pursuit *pursuit)
{
    if (pursuit->refused)
        return false; /* holding the writers makes it no more possible */
    switch (pursuit->phase) {
    case PURSUIT_WANTED:
    case PURSUIT_ACTING:
    case PURSUIT_RETRYING:
        return true;
    case PURSUIT_DEFERRED:
        return !pursuit->deferred_told; /* udev has every device open for a moment */
    case PURSUIT_MERGING:
    case PURSUIT_ENDED:
        return false;
    }
    return false;
}

bool brake_awaits(const struct pursuit *pursuit, const struct member *member)
{
    const struct intent *intent = &pursuit->intent;
    if (!is_under_way(pursuit) || intent->cancelled || intent->lost || !member->has_sample ||
        member->target.kind != TARGET_SNAPSHOT || member->target.status.state != SNAPSHOT_VALID)
        return false;
    if (intent->action == ACTION_DROP && dm_uuid_is_lvm(member->uuid))
        return false; /* lvremove first writes the origin's dirty pages out, and holding them holds it */
    return intent->action != ACTION_EXTEND || member->sample.total_sectors < plan_extend_goal_sectors(intent);
}

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t brake_expected_usec(uint64_t took_usec, bool is_lvm, uint64_t look_usec)
{
    uint64_t assumed_usec = is_lvm ? BRAKE_LVM_USEC : BRAKE_DM_USEC;
    return max(took_usec ? took_usec : assumed_usec, 2 * look_usec);
}

bool brake_is_needed(const struct brake_subject *subject)
{
    uint64_t usec = max(subject->expected_usec, subject->elapsed_usec);
    unsigned __int128 filled = (unsigned __int128)subject->fastest_bytes_per_second * usec * BRAKE_MARGIN;
    return filled / SECOND_USEC > (unsigned __int128)subject->chunks_left * subject->chunk_bytes;
}

static uint64_t rest(uint64_t planned_usec, uint64_t elapsed_usec)
{
    return planned_usec > elapsed_usec ? planned_usec - elapsed_usec : 1;
}

static uint64_t remaining_usec(const struct brake_subject *subject)
{
    uint64_t elapsed_usec = subject->elapsed_usec;
    uint64_t rest_usec = max(rest(subject->expected_usec, subject->attempt_usec),
                             rest(BRAKE_CAUTIOUS_USEC, elapsed_usec));
    uint64_t overdue_usec = elapsed_usec < UINT64_MAX / BRAKE_OVERDUE ? elapsed_usec * BRAKE_OVERDUE
                                                                      : UINT64_MAX;
    return max(rest_usec, overdue_usec);
}

static uint64_t spread(uint64_t amount, uint64_t unit, uint64_t usec, uint64_t floor)
{
    unsigned __int128 per_second = (unsigned __int128)amount * unit * SECOND_USEC / usec / BRAKE_MARGIN;
    if (per_second >= UINT64_MAX)
        return UINT64_MAX;
    return per_second > floor ? (uint64_t)per_second : floor;
}

struct brake_rate brake_rate(const struct brake_subject *subject)
{
    uint64_t usec = remaining_usec(subject);
    return (struct brake_rate){
        .bytes_per_second = spread(subject->chunks_left, subject->chunk_bytes, usec,
                                   BRAKE_FLOOR_BYTES_PER_SECOND),
        .writes_per_second = spread(subject->chunks_left, 1, usec, BRAKE_FLOOR_WRITES_PER_SECOND),
    };
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

struct brake_rate brake_rate_min(struct brake_rate a, struct brake_rate b)
{
    return (struct brake_rate){min(a.bytes_per_second, b.bytes_per_second),
                               min(a.writes_per_second, b.writes_per_second)};
}

static bool differs(uint64_t held, uint64_t wanted)
{
    uint64_t difference = held > wanted ? held - wanted : wanted - held;
    return difference > held / 10;
}

bool brake_rate_differs(struct brake_rate held, struct brake_rate wanted)
{
    return differs(held.bytes_per_second, wanted.bytes_per_second) ||
           differs(held.writes_per_second, wanted.writes_per_second);
}
