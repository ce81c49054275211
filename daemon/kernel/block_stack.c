#include "cowherd/block_stack.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static inline void close_directory(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

#define _cleanup_directory_ __attribute__((cleanup(close_directory)))

static int add(struct block_list *list, dev_t number)
{
    for (size_t i = 0; i < list->n_numbers; i++)
        if (list->numbers[i] == number)
            return 0;
    if (list->n_numbers == BLOCK_STACK_MAX)
        return -E2BIG;
    list->numbers[list->n_numbers++] = number;
    return 0;
}

static int read_device_number(const char *path, dev_t *ret_number)
{
    unsigned major_number, minor_number;
    FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    int n = fscanf(file, "%u:%u", &major_number, &minor_number);
    fclose(file);
    if (n != 2)
        return -EIO;
    *ret_number = makedev(major_number, minor_number);
    return 0;
}

static void format_path(dev_t device, const char *what, char path[static PATH_MAX])
{
    snprintf(path, PATH_MAX, "/sys/dev/block/%u:%u%s%s", major(device), minor(device), what[0] ? "/" : "",
             what);
}

/* Every device that has a link in a directory such as "holders". What has gone meanwhile is passed over. */
static int add_links(dev_t device, const char *links, struct block_list *list)
{
    char path[PATH_MAX], file[PATH_MAX];
    format_path(device, links, path);
    _cleanup_directory_ DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT ? 0 : -errno; /* partitions have no slaves */
    for (const struct dirent *entry; (entry = readdir(directory));) {
        dev_t number;
        if (entry->d_name[0] == '.')
            continue;
        int n = snprintf(file, sizeof(file), "%s/%s/dev", path, entry->d_name);
        int r = n < 0 || (size_t)n >= sizeof(file) ? -ENAMETOOLONG : read_device_number(file, &number);
        if (r == 0)
            r = add(list, number);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

static int check_exists(dev_t device)
{
    char path[PATH_MAX];
    format_path(device, "", path);
    return access(path, F_OK) < 0 ? -ENXIO : 0;
}

int block_stack_holders(dev_t device, struct block_list *ret_holders)
{
    struct block_list holders = {0};
    int r = check_exists(device);
    if (r < 0 || (r = add_links(device, "holders", &holders)) < 0)
        return r;
    *ret_holders = holders;
    return 0;
}

/* The disk of a partition: its directory lies in the disk's. */
int block_stack_disk(dev_t device, dev_t *ret_disk)
{
    char path[PATH_MAX];
    int r = check_exists(device);
    if (r < 0)
        return r;
    format_path(device, "partition", path);
    if (access(path, F_OK) < 0) {
        *ret_disk = device;
        return 0;
    }
    format_path(device, "../dev", path);
    return read_device_number(path, ret_disk);
}

static int add_disk(dev_t device, struct block_list *list)
{
    dev_t disk;
    int r = block_stack_disk(device, &disk);
    return r < 0 ? r : add(list, disk);
}

/* The device with a loop device's file. A file that is not to be found adds nothing: it cannot lie on one of the
 * devices that are asked about here without being in use. */
static int add_backing(dev_t device, struct block_list *list)
{
    char path[PATH_MAX], name[PATH_MAX];
    struct stat status;
    format_path(device, "loop/backing_file", path);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    const char *line = fgets(name, sizeof(name), file);
    fclose(file);
    if (!line)
        return 0;
    name[strcspn(name, "\n")] = '\0';
    if (stat(name, &status) < 0)
        return 0;
    dev_t below = S_ISBLK(status.st_mode) ? status.st_rdev : status.st_dev;
    return major(below) ? add(list, below) : 0;
}

int block_stack_below(dev_t device, struct block_list *ret_below)
{
    struct block_list below = {0};
    int r = check_exists(device);
    if (r == 0)
        r = add(&below, device);
    for (size_t i = 0; i < below.n_numbers && r == 0; i++) {
        r = add_links(below.numbers[i], "slaves", &below);
        if (r == 0)
            r = add_disk(below.numbers[i], &below);
        if (r == 0)
            r = add_backing(below.numbers[i], &below);
    }
    if (r < 0)
        return r;
    *ret_below = below;
    return 0;
}

int block_stack_has_partitions(dev_t device, bool *ret_has)
{
    char path[PATH_MAX], file[PATH_MAX];
    bool has = false;
    format_path(device, "", path);
    _cleanup_directory_ DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT ? -ENXIO : -errno;
    for (const struct dirent *entry; !has && (entry = readdir(directory));) {
        int n = snprintf(file, sizeof(file), "%s/%s/partition", path, entry->d_name);
        has = entry->d_name[0] != '.' && n > 0 && (size_t)n < sizeof(file) && access(file, F_OK) == 0;
    }
    *ret_has = has;
    return 0;
}
