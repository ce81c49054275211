/* Loop devices: what is behind one, and taking over its backing file's new size.
 *
 * 0 or a negative errno. It opens the loop device, which may block: call it in a child only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LOOP_PATH_MAX 4096

struct loop_device {
    char path[LOOP_PATH_MAX]; /* of the backing file, as sysfs says */
    dev_t file_device;        /* the file's st_dev and st_ino */
    ino_t file_inode;
    uint64_t offset_bytes;
    uint64_t limit_bytes; /* 0: none */
};

int loop_device_read(dev_t loop, struct loop_device *ret_device);

/* The device gets as long as its file is. */
int loop_device_take_size(dev_t loop);
