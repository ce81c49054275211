/* Asking the kernel, for the files of this room: one ioctl that only looks, and its answer.
 *
 * Not through libdevmapper: it makes 16 KiB for each question anew, and the kernel copies all of it. Measured (6.1,
 * emulated): a table's ioctl takes 39 us with 1 KiB, 219 us with 16 KiB, and clearing those another 75 us.
 */
#pragma once

#include <linux/dm-ioctl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h> /* of which dm-ioctl.h makes its requests */
#include <sys/types.h>

/* Kept from one question to the next, zero at first. What was answered is valid until the next question. */
struct inquiry {
    struct dm_ioctl *answer;
    size_t bytes;
};

/* Asks about a device by its number, or about all (0). Returns 0 or the ioctl's negative errno (-ENXIO: no such device). */
int inquiry_ask(struct inquiry *inquiry, unsigned long request, dev_t device, unsigned flags);

/* One line of a table's or status's answer. */
struct inquiry_line {
    uint64_t start_sectors;
    uint64_t length_sectors;
    const char *kind;
    const char *text;
};

/* Walks them: starts with *place = 0. Returns false behind the last. */
bool inquiry_next_line(const struct inquiry *inquiry, size_t *place, struct inquiry_line *ret_line);

/* The first device of a list's answer, or NULL; the one behind another, or NULL. */
const struct dm_name_list *inquiry_first_name(const struct inquiry *inquiry);
const struct dm_name_list *inquiry_next_name(const struct dm_name_list *name);
