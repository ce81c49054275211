/* dm events on a descriptor of our own: libdevmapper does not hand its out. */
#include "cowherd/kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* DM_DEV_ARM_POLL came with driver version 4.38 (kernel 4.14). */
#define POLL_VERSION_MINOR 38

static struct dm_ioctl request(void)
{
    return (struct dm_ioctl){
        .version = {DM_VERSION_MAJOR, 0, 0},
        .data_size = sizeof(struct dm_ioctl),
    };
}

static int check_version(int fd)
{
    struct dm_ioctl io = request();
    if (ioctl(fd, DM_VERSION, &io) < 0)
        return -errno;
    if (io.version[0] < DM_VERSION_MAJOR ||
        (io.version[0] == DM_VERSION_MAJOR && io.version[1] < POLL_VERSION_MINOR))
        return -EOPNOTSUPP;
    return 0;
}

int kernel_events_arm(int fd)
{
    struct dm_ioctl io = request();
    return ioctl(fd, DM_DEV_ARM_POLL, &io) < 0 ? -errno : 0;
}

int kernel_events_open(int *ret_fd)
{
    int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = check_version(fd);
    if (r == 0)
        r = kernel_events_arm(fd);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}
