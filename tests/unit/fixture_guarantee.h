/* A snapshot, its ladder, and what is judged of it. */
#pragma once

#include "cowherd/exception_store.h"
#include "cowherd/guarantee.h"

#define KIB    (UINT64_C(1) << 10)
#define MIB    (UINT64_C(1) << 20)
#define MSEC   UINT64_C(1000)
#define SECOND (1000 * MSEC)

struct fixture {
    struct action actions[POLICY_RUNGS_MAX];
    struct rung rungs[POLICY_RUNGS_MAX];
    struct policy policy;
    struct member member;
    struct guarantee_subject subject;
    struct guarantee_bounds bounds;
    struct guarantee guarantee;
};

/* 64 MiB in chunks of 4 KiB, before an origin of 1 TiB, 256 MiB/s, looks every 50 ms, no brake, no rungs. */
void begin(struct fixture *fixture);

/* Another store, empty. */
void set_store(struct fixture *fixture, uint64_t bytes, uint32_t chunk_sectors);

struct exception_store store_of(const struct member *member);

/* The store holds so many exceptions. */
void use(struct member *member, uint64_t exceptions);

void add_rung(struct fixture *fixture, enum condition_kind condition, uint64_t value, enum action_kind kind,
              uint64_t amount);
void only_rung(struct fixture *fixture, uint64_t centipercent, enum action_kind kind);

/* Judges; and as a sentence, which the next one overwrites. */
enum guarantee_verdict verdict(struct fixture *fixture);
const char *text(struct fixture *fixture);

/* At most, in that time. */
uint64_t chunks_filled(uint64_t rate, uint64_t usec, uint64_t chunk_bytes);
