/* The loop: sd-event's functions on virtual time. What the daemon runs in is what moves the world on.
 *
 * Linked in the place of libsystemd's. A crash of the daemon leaves the loop by a jump, and its heap is thrown away.
 */
#pragma once

#include <setjmp.h>
#include <stdint.h>

enum loop_end {
    LOOP_RUNS,
    LOOP_CRASHED, /* the daemon is killed */
    LOOP_OVER,    /* the history is at its end */
};

extern jmp_buf loop_ends;

/* Figures of the history so far. */
struct loop_figures {
    uint64_t wake_ups;
    uint64_t looks; /* at one snapshot */
    uint64_t complete_looks;
};

extern struct loop_figures loop_figures;

/* The daemon's allocations are counted as its own between these, and freed when it is gone. */
void loop_enter_daemon(void);
void loop_leave_daemon(void);
void loop_free_daemon(void);
