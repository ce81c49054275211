#include "cowherd/spare_device.h"
#include "cowherd/exception_store.h"
#include "cowherd/kernel.h"
#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static inline void free_probe(blkid_probe *probe)
{
    if (*probe)
        blkid_free_probe(*probe);
}

static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define _cleanup_probe_ __attribute__((cleanup(free_probe)))
#define _cleanup_fd_    __attribute__((cleanup(close_fd)))

static int open_device(dev_t device)
{
    char path[256];
    struct stat status;
    int r = kernel_device_path(device, path, sizeof(path));
    if (r < 0)
        return r;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0 || !S_ISBLK(status.st_mode) || status.st_rdev != device) {
        close(fd);
        return -ENXIO;
    }
    return fd;
}

/* One with a wrong checksum is somebody's data, too. */
static int set_up(blkid_probe probe, int fd)
{
    if (blkid_probe_set_device(probe, fd, 0, 0) != 0 || blkid_probe_enable_superblocks(probe, 1) != 0 ||
        blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_TYPE |
                                                     BLKID_SUBLKS_BADCSUM) != 0 ||
        blkid_probe_enable_partitions(probe, 1) != 0 ||
        blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC) != 0)
        return -EIO;
    return 0;
}

static const char *value_of(blkid_probe probe, const char *name)
{
    const char *value;
    return blkid_probe_lookup_value(probe, name, &value, NULL) == 0 ? value : NULL;
}

/* Of the signature just found: its name and place, or false where libblkid does not say them. */
static bool describe(blkid_probe probe, const char **ret_name, uint64_t *ret_sector)
{
    const char *name = value_of(probe, "TYPE"), *offset = value_of(probe, "SBMAGIC_OFFSET");
    if (!name || !offset) {
        name = value_of(probe, "PTTYPE");
        offset = value_of(probe, "PTMAGIC_OFFSET");
    }
    if (!name || !offset)
        return false;
    *ret_name = name;
    *ret_sector = strtoull(offset, NULL, 10) / SECTOR_BYTES;
    return true;
}

int spare_device_signature(dev_t device, bool (*passed_over)(uint64_t sector, const void *user),
                           const void *user, char ret_name[static SPARE_SIGNATURE_MAX])
{
    _cleanup_fd_ int fd = open_device(device);
    _cleanup_probe_ blkid_probe probe = blkid_new_probe();
    const char *name;
    uint64_t sector;
    if (fd < 0)
        return fd;
    if (!probe)
        return -ENOMEM;
    int r = set_up(probe, fd);
    if (r < 0)
        return r;
    while ((r = blkid_do_probe(probe)) == 0)
        if (describe(probe, &name, &sector) && !passed_over(sector, user)) {
            snprintf(ret_name, SPARE_SIGNATURE_MAX, "%s", name);
            return 0;
        }
    if (r < 0)
        return -EIO;
    ret_name[0] = '\0';
    return 0;
}
