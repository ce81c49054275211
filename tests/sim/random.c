#include "random.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void random_seed(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix(&seed);
}

static uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t random_between(struct random *random, uint64_t low, uint64_t high)
{
    return low + random_next(random) % (high - low + 1);
}

uint64_t random_magnitude(struct random *random, uint64_t low, uint64_t high)
{
    unsigned lowest = 63 - (unsigned)__builtin_clzll(low), highest = 63 - (unsigned)__builtin_clzll(high);
    unsigned bits = (unsigned)random_between(random, lowest, highest);
    uint64_t value = (UINT64_C(1) << bits) | (random_next(random) & ((UINT64_C(1) << bits) - 1));
    return value < low ? low : value > high ? high : value;
}

bool random_percent(struct random *random, unsigned percent)
{
    return random_next(random) % 100 < percent;
}
