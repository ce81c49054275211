/* The ioctls of one complete look at every dm device, and nothing else: what the daemon's look is measured against.
 *
 *     sweep ROUNDS           prints the CPU nanoseconds and the ioctls of all rounds together
 *     sweep --poke TIMES SECONDS
 *                            so often, with so long a pause behind it, an event that makes every watcher look
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dm-ioctl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES (16 * 1024) /* as libdevmapper's, which also doubles it where it is too small */

static char *buffer;
static size_t buffer_bytes;
static uint64_t n_ioctls;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void grow(void)
{
    buffer_bytes = buffer_bytes ? 2 * buffer_bytes : BUFFER_BYTES;
    free(buffer);
    buffer = malloc(buffer_bytes);
    if (!buffer)
        die("memory");
}

/* What comes back is valid until the next one. */
static const struct dm_ioctl *ask(int fd, unsigned long request, uint64_t device, unsigned flags)
{
    struct dm_ioctl *io;
    if (!buffer)
        grow();
    for (;;) {
        io = (void *)buffer;
        *io = (struct dm_ioctl){.version = {DM_VERSION_MAJOR}, .data_size = (uint32_t)buffer_bytes};
        io->data_start = sizeof(*io);
        io->dev = device;
        io->flags = flags;
        n_ioctls++;
        if (ioctl(fd, request, io) < 0)
            die("ioctl");
        if (!(io->flags & DM_BUFFER_FULL_FLAG))
            return io;
        grow();
    }
}

static bool is_snapshot(const struct dm_ioctl *io)
{
    const struct dm_target_spec *target = (const void *)((const char *)io + io->data_start);
    return io->target_count > 0 && (strcmp(target->target_type, "snapshot") == 0 ||
                                    strcmp(target->target_type, "snapshot-merge") == 0);
}

/* The devices that there are, with a zero behind the last. */
static uint64_t *list(int fd)
{
    const struct dm_ioctl *io = ask(fd, DM_LIST_DEVICES, 0, 0);
    const struct dm_name_list *entry = (const void *)((const char *)io + io->data_start);
    uint64_t *devices = calloc(buffer_bytes / sizeof(*entry) + 1, sizeof(*devices));
    if (!devices)
        die("memory");
    for (size_t n = 0; entry->dev; entry = (const void *)((const char *)entry + entry->next)) {
        devices[n++] = entry->dev;
        if (!entry->next)
            break;
    }
    return devices;
}

static void sweep(int fd)
{
    uint64_t *devices = list(fd);
    for (size_t i = 0; devices[i]; i++)
        if (is_snapshot(ask(fd, DM_TABLE_STATUS, devices[i], DM_STATUS_TABLE_FLAG | DM_NOFLUSH_FLAG)))
            ask(fd, DM_TABLE_STATUS, devices[i], DM_NOFLUSH_FLAG);
    free(devices);
}

static void poke(int fd)
{
    struct dm_ioctl io = {.version = {DM_VERSION_MAJOR}, .data_size = sizeof(io)};
    strcpy(io.name, "poked");
    if (ioctl(fd, DM_DEV_CREATE, &io) < 0)
        die("create");
    io = (struct dm_ioctl){.version = {DM_VERSION_MAJOR}, .data_size = sizeof(io)};
    strcpy(io.name, "poked");
    if (ioctl(fd, DM_DEV_REMOVE, &io) < 0)
        die("remove");
}

static uint64_t cpu_nsec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

int main(int argc, char **argv)
{
    int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        die("/dev/mapper/control");
    if (argc == 4 && strcmp(argv[1], "--poke") == 0) {
        for (int i = 0; i < atoi(argv[2]); i++) {
            poke(fd);
            usleep((useconds_t)(atof(argv[3]) * 1e6));
        }
        return 0;
    }
    if (argc != 2) {
        fprintf(stderr, "usage: sweep ROUNDS | sweep --poke TIMES SECONDS\n");
        return 2;
    }
    uint64_t before = cpu_nsec();
    for (int i = 0; i < atoi(argv[1]); i++)
        sweep(fd);
    printf("%" PRIu64 " %" PRIu64 "\n", cpu_nsec() - before, n_ioctls);
    return 0;
}
