/* The program in the kernel that counts (program_counter.c), and the bpf system call.
 *
 * Written as instructions, and asked for by the system call: libbpf would bring libelf into a daemon whose memory is locked. It
 * finds what it counts in a table (counter_table.h). When one fires a byte comes through the ring, to wake.
 *
 * There are two of it. One reads the bios themselves, where the kernel says how they are laid out (counter_layout.h); the other
 * the tracepoint's records, which the kernel first has to write. tests/bench/cost has what either costs a writer.
 */
#pragma once

#include "counter_layout.h"
#include "counter_table.h"
#include <stdint.h>

struct counter_maps {
    int table; /* has a counter_table */
    int ring;
};

/* A descriptor or a negative errno. The maps are the program's own. */
int counter_program_load_for_bios(enum counter_tracepoint tracepoint, const struct counter_layout *layout,
                                  const struct counter_maps *maps);
int counter_program_load_for_records(enum counter_tracepoint tracepoint, const struct counter_maps *maps);

/* Has a program for bios run until the descriptor is closed. One for records is attached to an event of perf's. */
int counter_program_attach_to_bios(int program_fd);

int counter_maps_open(struct counter_maps *ret_maps);
void counter_maps_close(struct counter_maps *maps);
