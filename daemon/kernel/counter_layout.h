/* Where a program in the kernel finds what it counts by: what the kernel says of its own types (BTF: since 5.8 or so with
 * CONFIG_DEBUG_INFO_BTF, as distributions' kernels have it and those of small devices often have not).
 *
 * The file has some megabytes. It is read piece by piece, once for its strings and once for its types, so that little memory is
 * needed; that takes some 20 ms (6.18, 5.5 MB).
 */
#pragma once

#include "counter_source.h"
#include <stdint.h>

#define COUNTER_LAYOUT_FILE "/sys/kernel/btf/vmlinux"

struct counter_layout {
    unsigned bio_device, bio_operation;  /* of a bio, bytes: bi_bdev (5.12), bi_opf */
    unsigned device_number;              /* of a block_device, bytes: bd_dev */
    uint32_t tracepoints[N_TRACEPOINTS]; /* the types of what they are called with */
};

/* -ENOENT: no such file, or it has not all of these, or one twice. -EBADMSG: it is not understood. Or a negative errno. */
int counter_layout_read(const char *path, struct counter_layout *ret_layout);
