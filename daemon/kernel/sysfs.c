/* What sysfs says of block devices, and opening them by their number. Reading sysfs never waits for the device. */
#include "cowherd/kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int open_attribute(dev_t device, const char *attribute, FILE **ret_file)
{
    char name[96];
    snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/%s", major(device), minor(device), attribute);
    FILE *file = fopen(name, "re");
    if (!file)
        return -errno;
    *ret_file = file;
    return 0;
}

static int read_number(dev_t device, const char *attribute, uint64_t *ret_number)
{
    FILE *file;
    uint64_t number;
    int r = open_attribute(device, attribute, &file);
    if (r < 0)
        return r;
    int n = fscanf(file, "%" SCNu64, &number);
    fclose(file);
    if (n != 1)
        return -EIO;
    *ret_number = number;
    return 0;
}

int kernel_device_sectors(dev_t device, uint64_t *ret_sectors)
{
    int r = read_number(device, "size", ret_sectors);
    return r == -ENOENT ? -ENXIO : r;
}

int kernel_disk_sequence(dev_t device, uint64_t *ret_sequence)
{
    uint64_t sequence = 0;
    int r = read_number(device, "diskseq", &sequence);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret_sequence = sequence;
    return 0;
}

static int read_path(dev_t device, char *path, size_t size)
{
    char line[256];
    FILE *file;
    int r = open_attribute(device, "uevent", &file);
    if (r < 0)
        return r == -ENOENT ? -ENXIO : r;
    r = -ENOENT;
    while (r == -ENOENT && fgets(line, sizeof(line), file)) {
        if (strncmp(line, "DEVNAME=", 8) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        int n = snprintf(path, size, "/dev/%s", line + 8);
        r = n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
    }
    fclose(file);
    return r;
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
