/* What is counted, in memory that the daemon and the program in the kernel (counter_program.h) share.
 *
 * The program finds a device's slot by the hash of its number: whatever passes a tracepoint pays for that, and most of it is
 * written to devices that nobody counts. So it is a table of its own, where that costs one look, and no call of the kernel's.
 * It is read while it is changed. A slot that becomes free is given away again as late as can be: a program that is at it then
 * would go on in the chain of another hash.
 */
#pragma once

#include "counter_source.h"
#include <stdint.h>

#define COUNTER_SLOTS 2048 /* a power of two */
#define COUNTER_CHAIN                                                                                        \
    4 /* of one hash, so that the program has an end: minor numbers follow each other, and lie apart here */

#define COUNTER_HASHES     4096
#define COUNTER_HASH_SHIFT 20 /* brings the major number to the lowest bits of the minor one */

/* It fires when `writes` is `next`, and not again before has_fired is 0. */
struct counter_slot {
    uint64_t writes;
    uint64_t next; /* UINT64_MAX: it does not fire */
    uint32_t has_fired;
    uint32_t number;   /* of the device; 0: it is free */
    uint16_t follower; /* in the chain of its hash; 0: none */
};

struct counter_table {
    uint16_t first[N_TRACEPOINTS][COUNTER_HASHES]; /* slot of the chain; 0: none */
    struct counter_slot slots[COUNTER_SLOTS];      /* the first one is nobody's */
    uint32_t latest;                               /* slot that was given away */
};

/* -EEXIST: it is being counted. -EMFILE: no slot is free, or its chain is full. ret_slot is untouched then. */
int counter_table_add(struct counter_table *table, const struct counter_source *source, uint32_t *ret_slot);

void counter_table_remove(struct counter_table *table, enum counter_tracepoint tracepoint, uint32_t slot);
