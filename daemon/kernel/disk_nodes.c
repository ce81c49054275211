#include "disk_nodes.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define DIRECTORY "/sys/devices/virtual/block"
#define FIRST     64 /* doubled from there */

static int add(struct disk_nodes *nodes, size_t *allocated, struct disk_node node)
{
    if (nodes->n_items == *allocated) {
        size_t n = *allocated ? 2 * *allocated : FIRST;
        struct disk_node *items = reallocarray(nodes->items, n, sizeof(*items));
        if (!items)
            return -ENOMEM;
        nodes->items = items;
        *allocated = n;
    }
    nodes->items[nodes->n_items++] = node;
    return 0;
}

/* "dm-MINOR": nothing else is there under such a name. */
static bool is_dm(const char *name, unsigned *ret_minor)
{
    unsigned number = 0;
    if (strncmp(name, "dm-", 3) != 0)
        return false;
    for (name += 3; *name >= '0' && *name <= '9'; name++)
        number = 10 * number + (unsigned)(*name - '0');
    *ret_minor = number;
    return *name == '\0';
}

static int read_all(DIR *directory, unsigned dm_major, struct disk_nodes *nodes)
{
    size_t allocated = 0;
    unsigned number;
    int r = 0;
    errno = 0;
    for (const struct dirent *entry; r == 0 && (entry = readdir(directory));)
        if (is_dm(entry->d_name, &number))
            r = add(nodes, &allocated, (struct disk_node){makedev(dm_major, number), entry->d_ino});
    return r < 0 ? r : -errno;
}

int disk_nodes_read(unsigned dm_major, struct disk_nodes *ret_nodes)
{
    struct disk_nodes nodes = {0};
    DIR *directory = opendir(DIRECTORY);
    if (!directory)
        return -errno;
    int r = read_all(directory, dm_major, &nodes);
    closedir(directory);
    if (r < 0) {
        disk_nodes_done(&nodes);
        return r;
    }
    *ret_nodes = nodes;
    return 0;
}
