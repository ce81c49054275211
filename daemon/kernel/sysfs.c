/* What sysfs says of block devices. */
#include "cowherd/kernel.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

int kernel_device_sectors(dev_t device, uint64_t *ret_sectors)
{
    char name[64];
    uint64_t sectors;
    snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/size", major(device), minor(device));
    FILE *file = fopen(name, "re");
    if (!file)
        return errno == ENOENT ? -ENXIO : -errno;
    int n = fscanf(file, "%" SCNu64, &sectors);
    fclose(file);
    if (n != 1)
        return -EIO;
    *ret_sectors = sectors;
    return 0;
}

int kernel_device_path(dev_t device, char *path, size_t size)
{
    char name[64], line[256];
    int r = -ENOENT;
    snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/uevent", major(device), minor(device));
    FILE *file = fopen(name, "re");
    if (!file)
        return errno == ENOENT ? -ENXIO : -errno;
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
