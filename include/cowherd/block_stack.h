/* Who is above and below a block device, from sysfs. Reading it never waits for the device.
 *
 * 0 or a negative errno (-ENXIO: no such device); ret_ arguments are untouched on failure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define BLOCK_STACK_MAX 128 /* more users of one device are refused (-E2BIG), not overlooked */

struct block_list {
    dev_t numbers[BLOCK_STACK_MAX];
    size_t n_numbers;
};

/* Devices made from this one: dm, md, bcache, whatever holds it by the kernel's rules. Not its partitions. */
int block_stack_holders(dev_t device, struct block_list *ret_holders);

/* This device and all that it rests on: what it is made from, the disk of a partition, the device with the
 * backing file of a loop device. Not below a filesystem of several devices. */
int block_stack_below(dev_t device, struct block_list *ret_below);

int block_stack_has_partitions(dev_t device, bool *ret_has);

/* The whole disk of a partition; any other device itself. */
int block_stack_disk(dev_t device, dev_t *ret_disk);
