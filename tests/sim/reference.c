#include "reference.h"
#include "model_kernel.h"

typedef unsigned __int128 wide;

struct level reference_level(uint32_t chunk_sectors, uint64_t used_sectors, uint64_t total_sectors)
{
    struct model_store whole = {.chunk_sectors = chunk_sectors, .total_sectors = total_sectors};
    struct model_store used = {.chunk_sectors = chunk_sectors, .total_sectors = used_sectors};
    uint64_t capacity = model_capacity(&whole), exceptions = model_capacity(&used);
    struct level level = {.used_sectors = used_sectors, .total_sectors = total_sectors};
    level.chunks_left = capacity > exceptions ? capacity - exceptions : 0;
    level.bytes_left = level.chunks_left * chunk_sectors * 512;
    return level;
}

static bool is_below(const struct level *level, uint64_t centipercent)
{
    return (wide)level->used_sectors * 10000 < (wide)level->total_sectors * centipercent;
}

bool reference_is_crossed(const struct rung_setup *rung, const struct level *level)
{
    if (rung->condition == CONDITION_TIME)
        return false;
    if (level->chunks_left == 0)
        return true;
    return rung->condition == CONDITION_USED ? !is_below(level, rung->value)
                                             : level->bytes_left <= rung->value;
}

bool reference_rearms(const struct rung_setup *rung, uint32_t hysteresis, const struct level *level)
{
    wide margin = (wide)level->total_sectors * 512 * hysteresis;
    if (level->chunks_left == 0)
        return false;
    if (rung->condition == CONDITION_USED)
        return rung->value > hysteresis && is_below(level, rung->value - hysteresis);
    return rung->condition == CONDITION_FREE && level->bytes_left > rung->value &&
           (wide)(level->bytes_left - rung->value) * 10000 > margin;
}

uint64_t reference_bytes_to(const struct rung_setup *rung, const struct level *level)
{
    uint64_t bytes = 0;
    if (rung->condition == CONDITION_TIME)
        return UINT64_MAX;
    if (rung->condition == CONDITION_USED) {
        uint64_t height = (uint64_t)(((wide)rung->value * level->total_sectors + 9999) / 10000);
        bytes = height > level->used_sectors ? (height - level->used_sectors) * 512 : 0;
    } else if (level->bytes_left > rung->value) {
        bytes = level->bytes_left - rung->value;
    }
    return bytes < level->bytes_left ? bytes : level->bytes_left;
}

uint64_t reference_fill_usec(uint64_t bytes, uint64_t bytes_per_second)
{
    wide usec = (wide)bytes * 1000000 / bytes_per_second;
    return bytes == UINT64_MAX || usec > UINT64_MAX ? UINT64_MAX : (uint64_t)usec;
}
