/* The backing file of a loop device: making it longer by space that is really there.
 *
 * It writes, and may block: call it in a child only. 0 or a negative errno.
 */
#pragma once

#include <stdint.h>

/* Makes the file goal_bytes long, every block of it from old_bytes (where its loop device ends) on allocated: a
 * sparse store would fail when its filesystem is full, and a snapshot dies of one failed write. Where there is
 * no space (-ENOSPC, -EDQUOT) nothing that was allocated here is kept. Killed halfway it goes on. Where the
 * filesystem cannot allocate, zeroes are written. */
int backing_file_grow(int fd, uint64_t old_bytes, uint64_t goal_bytes);
