#include "cowherd/loop_device.h"
#include "cowherd/kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Nothing is asked of the device itself but its size: reading is all that opening it needs. */
#define LOOP_OPEN_FLAGS (O_RDONLY | O_NONBLOCK)

static int read_path(dev_t loop, char path[static LOOP_PATH_MAX])
{
    char name[96];
    snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/loop/backing_file", major(loop), minor(loop));
    FILE *file = fopen(name, "re");
    if (!file)
        return errno == ENOENT ? -ENXIO : -errno;
    const char *line = fgets(path, LOOP_PATH_MAX, file);
    fclose(file);
    if (!line)
        return -EIO;
    path[strcspn(path, "\n")] = '\0';
    return 0;
}

/* The kernel's encoding of a device number (new_encode_dev). */
static dev_t decode_device(uint64_t encoded)
{
    return makedev((unsigned)(encoded >> 8 & 0xfff),
                   (unsigned)((encoded & 0xff) | (encoded >> 12 & 0xfff00)));
}

int loop_device_read(dev_t loop, struct loop_device *ret_device)
{
    struct loop_device device = {0};
    struct loop_info64 info;
    int fd = kernel_device_open(loop, LOOP_OPEN_FLAGS);
    if (fd < 0)
        return fd;
    int r = ioctl(fd, LOOP_GET_STATUS64, &info) < 0 ? -errno : read_path(loop, device.path);
    close(fd);
    if (r < 0)
        return r;
    device.file_device = decode_device(info.lo_device);
    device.file_inode = info.lo_inode;
    device.offset_bytes = info.lo_offset;
    device.limit_bytes = info.lo_sizelimit;
    *ret_device = device;
    return 0;
}

int loop_device_take_size(dev_t loop)
{
    int fd = kernel_device_open(loop, LOOP_OPEN_FLAGS);
    if (fd < 0)
        return fd;
    int r = ioctl(fd, LOOP_SET_CAPACITY, 0) < 0 ? -errno : 0;
    close(fd);
    return r;
}
