/* Numbers that a seed decides and no library can change: xoshiro256**, seeded by splitmix64. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_seed(struct random *random, uint64_t seed);

uint64_t random_next(struct random *random);

/* From low to high, both included. */
uint64_t random_between(struct random *random, uint64_t low, uint64_t high);

/* The same with every order of magnitude as likely as another; low is at least 1. */
uint64_t random_magnitude(struct random *random, uint64_t low, uint64_t high);

/* True so many times in a hundred. */
bool random_percent(struct random *random, unsigned percent);
