#include "cowherd/ladder.h"
#include "cowherd/exception_store.h"
#include "cowherd/fill_rate.h"
#include <string.h>

#define WHOLE_CENTIPERCENT 10000 /* hundredths of a percent in a whole */

/* Products of two 64-bit numbers, so that percentages are compared exactly and nothing overflows. */
typedef unsigned __int128 wide;

static uint64_t saturate(wide value)
{
    return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

/* Whether used / total is below that many hundredths of a percent. */
static bool used_below(const struct sample *sample, uint64_t centipercent)
{
    return (wide)sample->used_sectors * WHOLE_CENTIPERCENT < (wide)centipercent * sample->total_sectors;
}

static bool condition_is_crossed(const struct condition *condition, const struct sample *sample)
{
    switch (condition->kind) {
    case CONDITION_USED:
        return sample->chunks_left == 0 || !used_below(sample, condition->value);
    case CONDITION_FREE:
        return sample->bytes_left <= condition->value; /* 0 without a chunk left */
    case CONDITION_TIME:
        return sample->chunks_left == 0 ||
               (sample->time_left_usec != TIME_UNKNOWN_USEC && sample->time_left_usec <= condition->value);
    case CONDITION_LOST:
    case CONDITION_STALLED:
        return false;
    }
    return false;
}

static bool used_rearms(uint64_t value, uint32_t hysteresis, const struct sample *sample)
{
    return value > hysteresis && used_below(sample, value - hysteresis);
}

bool sample_is_roomier(const struct sample *sample, uint64_t bytes, uint32_t hysteresis_centipercent)
{
    wide above_bytes = (wide)sample->bytes_left - bytes;
    wide store_bytes = (wide)sample->total_sectors * SECTOR_BYTES;
    return sample->bytes_left > bytes &&
           above_bytes * WHOLE_CENTIPERCENT > store_bytes * hysteresis_centipercent;
}

static bool time_rearms(uint64_t value, uint32_t hysteresis, const struct sample *sample, uint32_t fired_at)
{
    uint32_t used = sample_used_centipercent(sample);
    bool has_fallen = used < fired_at && fired_at - used >= hysteresis;
    return has_fallen || sample->time_left_usec == TIME_UNKNOWN_USEC ||
           sample->time_left_usec > (wide)value * 2;
}

/* A store without a chunk left holds every rung crossed: re-armed, they would all fire again at each look. */
static bool mark_rearms(const struct ladder_mark *mark, const struct condition *condition,
                        uint32_t hysteresis, const struct sample *sample)
{
    if (sample->chunks_left == 0)
        return false;
    switch (condition->kind) {
    case CONDITION_USED:
        return used_rearms(condition->value, hysteresis, sample);
    case CONDITION_FREE:
        return sample_is_roomier(sample, condition->value, hysteresis);
    case CONDITION_TIME:
        return time_rearms(condition->value, hysteresis, sample, mark->fired_centipercent);
    case CONDITION_LOST:
    case CONDITION_STALLED:
        return false;
    }
    return false;
}

uint32_t sample_used_centipercent(const struct sample *sample)
{
    if (sample->total_sectors == 0)
        return 0;
    wide centipercent = (wide)sample->used_sectors * WHOLE_CENTIPERCENT / sample->total_sectors;
    return centipercent > UINT32_MAX ? UINT32_MAX : (uint32_t)centipercent;
}

uint32_t ladder_climb(struct ladder *ladder, const struct policy *policy, const struct sample *sample)
{
    uint32_t crossed = 0;
    for (size_t i = 0; i < policy->n_rungs; i++) {
        const struct condition *condition = &policy->rungs[i].condition;
        struct ladder_mark *mark = &ladder->marks[i];
        if (mark->fired && mark_rearms(mark, condition, policy->hysteresis_centipercent, sample))
            *mark = (struct ladder_mark){0};
        if (mark->fired || !condition_is_crossed(condition, sample))
            continue;
        mark->fired = true;
        mark->fired_centipercent = sample_used_centipercent(sample);
        mark->fired_total_sectors = sample->total_sectors;
        crossed |= UINT32_C(1) << i;
    }
    return crossed;
}

int ladder_rung_to_carry_out(const struct policy *policy, uint32_t crossed)
{
    for (size_t i = policy->n_rungs; i-- > 0;) {
        if ((crossed & UINT32_C(1) << i) != 0 && rung_changing_action(&policy->rungs[i]))
            return (int)i;
    }
    return -1;
}

/* The smallest used sectors with used / total >= N%, in bytes from what is used now. */
static uint64_t bytes_to_used(uint64_t centipercent, const struct sample *sample)
{
    wide share = (wide)centipercent * sample->total_sectors;
    wide height_sectors = share / WHOLE_CENTIPERCENT + (share % WHOLE_CENTIPERCENT != 0);
    if (height_sectors <= sample->used_sectors)
        return 0;
    /* Cut before the multiplication: a percentage of more than 100 could overflow even 128 bits. */
    return saturate((wide)saturate(height_sectors - sample->used_sectors) * SECTOR_BYTES);
}

/* Bytes until a condition is crossed, at the latest when no chunk is left; false for one without a height. */
static bool condition_bytes(const struct condition *condition, const struct sample *sample,
                            uint64_t *ret_bytes)
{
    uint64_t bytes;
    if (condition->kind == CONDITION_USED)
        bytes = bytes_to_used(condition->value, sample);
    else if (condition->kind == CONDITION_FREE)
        bytes = sample->bytes_left > condition->value ? sample->bytes_left - condition->value : 0;
    else
        return false;
    *ret_bytes = bytes < sample->bytes_left ? bytes : sample->bytes_left;
    return true;
}

uint64_t ladder_bytes_to_next(const struct ladder *ladder, const struct policy *policy,
                              const struct sample *sample, int *ret_rung)
{
    uint64_t next_bytes = UINT64_MAX;
    int next = -1;
    for (size_t i = 0; i < policy->n_rungs; i++) {
        const struct rung *rung = &policy->rungs[i];
        uint64_t bytes;
        if (ladder->marks[i].fired || !condition_bytes(&rung->condition, sample, &bytes))
            continue;
        /* Of several at one height the one that would be carried out: its action's time is what counts. */
        if (next >= 0 && (bytes > next_bytes || (bytes == next_bytes && !rung_changing_action(rung))))
            continue;
        next_bytes = bytes;
        next = (int)i;
    }
    *ret_rung = next;
    return next_bytes;
}

bool ladder_waits_for_time(const struct ladder *ladder, const struct policy *policy)
{
    for (size_t i = 0; i < policy->n_rungs; i++) {
        if (policy->rungs[i].condition.kind == CONDITION_TIME && !ladder->marks[i].fired)
            return true;
    }
    return false;
}

static struct ladder_mark mark_of_text(const struct ladder *ladder, const struct policy *policy,
                                       const char *text)
{
    for (size_t i = 0; i < policy->n_rungs; i++) {
        if (strcmp(policy->rungs[i].text, text) == 0)
            return ladder->marks[i];
    }
    return (struct ladder_mark){0};
}

void ladder_rearm(struct ladder *ladder, const struct policy *policy, const char *text,
                  uint64_t grown_to_sectors)
{
    const struct rung *rung = policy_rung_by_text(policy, text);
    struct ladder_mark *mark = rung ? &ladder->marks[rung - policy->rungs] : NULL;
    if (mark && mark->fired_total_sectors < grown_to_sectors)
        *mark = (struct ladder_mark){0};
}

void ladder_rearm_actions(struct ladder *ladder, const struct policy *policy)
{
    for (size_t i = 0; i < policy->n_rungs; i++)
        if (rung_changing_action(&policy->rungs[i]))
            ladder->marks[i].fired = false;
}

void ladder_carry_over(struct ladder *ladder, const struct policy *from, const struct policy *to)
{
    struct ladder carried = {0};
    for (size_t i = 0; i < to->n_rungs; i++)
        carried.marks[i] = mark_of_text(ladder, from, to->rungs[i].text);
    *ladder = carried;
}
