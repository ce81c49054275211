/* What sysfs says of block devices, and opening them by their number. Reading sysfs never waits for the device. */
#include "cowherd/kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A dm device's directory is known: the link that stands for any number costs as much as all the rest of opening. */
static void attribute_path(dev_t device, const char *attribute, char *path, size_t size)
{
    if (dm_is_dm_major(major(device)))
        snprintf(path, size, "/sys/devices/virtual/block/dm-%u/%s", minor(device), attribute);
    else
        snprintf(path, size, "/sys/dev/block/%u:%u/%s", major(device), minor(device), attribute);
}

/* The attribute's text, cut to the buffer. */
static int read_attribute(dev_t device, const char *attribute, char *text, size_t size)
{
    char path[96];
    attribute_path(device, attribute, path, sizeof(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, text, size - 1);
    int r = n < 0 ? -errno : 0;
    close(fd);
    if (r == 0)
        text[n] = '\0';
    return r;
}

static int read_number(dev_t device, const char *attribute, uint64_t *ret_number)
{
    char text[32];
    uint64_t number;
    int r = read_attribute(device, attribute, text, sizeof(text));
    if (r < 0)
        return r;
    if (sscanf(text, "%" SCNu64, &number) != 1)
        return -EIO;
    *ret_number = number;
    return 0;
}

int kernel_device_sectors(dev_t device, uint64_t *ret_sectors)
{
    int r = read_number(device, "size", ret_sectors);
    return r == -ENOENT ? -ENXIO : r;
}

/* A partition has its disk's: the directory above its own. */
int kernel_disk_sequence(dev_t device, uint64_t *ret_sequence)
{
    uint64_t sequence = 0;
    int r = read_number(device, "diskseq", &sequence);
    if (r == -ENOENT && !dm_is_dm_major(major(device)))
        r = read_number(device, "../diskseq", &sequence);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret_sequence = sequence;
    return 0;
}

static int read_path(dev_t device, char *path, size_t size)
{
    char text[1024];
    int r = read_attribute(device, "uevent", text, sizeof(text));
    if (r < 0)
        return r == -ENOENT ? -ENXIO : r;
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        if (strncmp(line, "DEVNAME=", 8) != 0)
            continue;
        int n = snprintf(path, size, "/dev/%s", line + 8);
        return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
    }
    return -ENOENT;
}

int kernel_device_open(dev_t device, int flags)
{
    char path[256];
    struct stat status;
    int r = read_path(device, path, sizeof(path));
    if (r < 0)
        return r;
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0 || !S_ISBLK(status.st_mode) || status.st_rdev != device) {
        close(fd);
        return -ENXIO;
    }
    return fd;
}

/* As libdevmapper names nodes (dm_mangle_string): other bytes would break udev's rules and shells. */
static bool may_stand_in_node(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           (byte && strchr("#+-.:=@_", byte));
}

void kernel_node_of_name(const char *name, char path[static KERNEL_NODE_MAX])
{
    size_t at = (size_t)snprintf(path, KERNEL_NODE_MAX, "/dev/mapper/");
    for (; *name && at + 5 < KERNEL_NODE_MAX; name++) {
        if (may_stand_in_node(*name))
            at += (size_t)snprintf(path + at, KERNEL_NODE_MAX - at, "%c", *name);
        else
            at += (size_t)snprintf(path + at, KERNEL_NODE_MAX - at, "\\x%02x", (unsigned char)*name);
    }
}

int kernel_device_node(dev_t device, char path[static KERNEL_NODE_MAX])
{
    char name[DM_NAME_BYTES + 1]; /* and the newline behind it */
    int r = dm_is_dm_major(major(device)) ? read_attribute(device, "dm/name", name, sizeof(name)) : -ENOENT;
    if (r == -ENOENT)
        return read_path(device, path, KERNEL_NODE_MAX);
    if (r < 0)
        return r;
    size_t length = strlen(name);
    if (length > 0 && name[length - 1] == '\n')
        name[length - 1] = '\0';
    kernel_node_of_name(name, path);
    return 0;
}
