/* Hook orders: what a hook is to be run with, and what came of it, as they go between the daemon and the
 * program cowherd-hook that runs it.
 *
 * The daemon's sandbox is not for hooks (an umount in it would change nothing outside), so cowherd-hook runs
 * apart from it. It gets its order over a socket as a block of strings, each with a zero behind it: any byte
 * that a device's name may hold arrives as it is, where systemd's own properties would expand or refuse it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of a block: far more than facts and a line of the configuration can be, and a socket takes it at once. */
#define HOOK_ORDER_BYTES_MAX ((size_t)32 * 1024)

struct hook_order {
    uint64_t timeout_usec;
    char **environment; /* "NAME=value", NULL behind the last */
    char **arguments;   /* the program's path first */
};

/* The order as a block for free(). Returns 0, -ENOMEM, or -E2BIG. */
int hook_order_encode(const struct hook_order *order, char **ret_block, size_t *ret_size);

/* The order of a block, whose strings it points to; its two vectors are one memory: free(order.environment).
 * Returns 0, -ENOMEM, or -EBADMSG where the block is not one whole order of this version. */
int hook_order_decode(char *block, size_t size, struct hook_order *ret_order);

enum hook_end {
    HOOK_EXITED,      /* number: the exit code */
    HOOK_KILLED,      /* number: the signal */
    HOOK_OVERDUE,     /* it took too long, and was stopped */
    HOOK_NOT_STARTED, /* number: the errno */
    HOOK_REFUSED,     /* cowherd-hook could not be started; the output says why */
    HOOK_NO_WORD,     /* cowherd-hook was killed or could not be run */
};

#define HOOK_OUTPUT_MAX 400 /* bytes that are kept: with the reason before them they fit COWHERD_RESULT */

struct hook_outcome {
    uint32_t version; /* HOOK_OUTCOME_VERSION: the program may be of another build than the daemon */
    int32_t end;
    int32_t number;
    uint32_t n_output;
    uint32_t is_cut;              /* there was more before it */
    char output[HOOK_OUTPUT_MAX]; /* the last of what it wrote, standard error with standard output */
};

#define HOOK_OUTCOME_VERSION 1
