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

#define DEVICE_BYTES                                                                                         \
    1024 /* as the daemon's: what is handed to the kernel is copied, and costs more than all the rest */

/* What comes back from one is valid until its next one. */
struct buffer {
    struct dm_ioctl *io;
    size_t bytes;
};

static struct buffer all_devices, one_device;
static uint64_t n_ioctls;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void grow(struct buffer *buffer)
{
    buffer->bytes = buffer->bytes ? 2 * buffer->bytes : DEVICE_BYTES;
    free(buffer->io);
    buffer->io = malloc(buffer->bytes);
    if (!buffer->io)
        die("memory");
}

static const struct dm_ioctl *ask(int fd, struct buffer *buffer, unsigned long request, uint64_t device,
                                  unsigned flags)
{
    if (!buffer->io)
        grow(buffer);
    for (;;) {
        *buffer->io = (struct dm_ioctl){.version = {DM_VERSION_MAJOR}, .data_size = (uint32_t)buffer->bytes};
        buffer->io->data_start = sizeof(*buffer->io);
        buffer->io->dev = device;
        buffer->io->flags = flags;
        n_ioctls++;
        if (ioctl(fd, request, buffer->io) < 0)
            die("ioctl");
        if (!(buffer->io->flags & DM_BUFFER_FULL_FLAG))
            return buffer->io;
        grow(buffer);
    }
}

static bool is_snapshot(const struct dm_ioctl *io)
{
    const struct dm_target_spec *target = (const void *)((const char *)io + io->data_start);
    return io->target_count > 0 && (strcmp(target->target_type, "snapshot") == 0 ||
                                    strcmp(target->target_type, "snapshot-merge") == 0);
}

static void look_at(int fd, uint64_t device)
{
    if (is_snapshot(ask(fd, &one_device, DM_TABLE_STATUS, device, DM_STATUS_TABLE_FLAG | DM_NOFLUSH_FLAG)))
        ask(fd, &one_device, DM_TABLE_STATUS, device, DM_NOFLUSH_FLAG);
}

static void sweep(int fd)
{
    const struct dm_ioctl *io = ask(fd, &all_devices, DM_LIST_DEVICES, 0, 0);
    const struct dm_name_list *entry = (const void *)((const char *)io + io->data_start);
    for (; entry->dev; entry = (const void *)((const char *)entry + entry->next)) {
        look_at(fd, entry->dev);
        if (!entry->next)
            break;
    }
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
    sweep(fd); /* its buffers are there, as the daemon's are */
    n_ioctls = 0;
    uint64_t before = cpu_nsec();
    for (int i = 0; i < atoi(argv[1]); i++)
        sweep(fd);
    printf("%" PRIu64 " %" PRIu64 "\n", cpu_nsec() - before, n_ioctls);
    return 0;
}
