#include "counter_source.h"
#include "cowherd/block_stack.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

/* Numbers of devices in the kernel, and so in its records: MKDEV() of kdev_t.h. */
#define KERNEL_MINOR_BITS 20

static const struct {
    const char *name, *field;
} tracepoints[N_TRACEPOINTS] = {
    [TRACEPOINT_QUEUE] = {"block/block_bio_queue", "dev"},
    [TRACEPOINT_REMAP] = {"block/block_bio_remap", "old_dev"}, /* the write has come with that one's number */
};

int counter_source_choose(dev_t device, bool is_linear, struct counter_source *ret_source)
{
    dev_t disk;
    int r = block_stack_disk(device, &disk);
    if (r < 0)
        return r;
    bool is_remapped = is_linear || disk != device;
    *ret_source = (struct counter_source){
        .tracepoint = is_remapped ? TRACEPOINT_REMAP : TRACEPOINT_QUEUE,
        .number = major(device) << KERNEL_MINOR_BITS | minor(device),
    };
    return 0;
}

const char *counter_tracepoint_field(enum counter_tracepoint tracepoint)
{
    return tracepoints[tracepoint].field;
}

/* A file of the tracepoint's directory: 0 or a negative errno. */
static int open_file(const char *tracepoint, const char *name, FILE **ret_file)
{
    static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
    int r = -ENOENT;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/events/%s/%s", places[i], tracepoint, name);
        *ret_file = fopen(path, "re");
        if (*ret_file)
            return 0;
        r = errno == ENOENT ? r : -errno;
    }
    return r;
}

static int read_number(const char *tracepoint, uint64_t *ret_number)
{
    uint64_t number;
    FILE *file;
    int r = open_file(tracepoint, "id", &file);
    if (r < 0)
        return r;
    int n = fscanf(file, "%" SCNu64, &number);
    fclose(file);
    if (n != 1)
        return -EIO;
    *ret_number = number;
    return 0;
}

int counter_tracepoint_number(enum counter_tracepoint tracepoint, uint64_t *ret_number)
{
    return read_number(tracepoints[tracepoint].name, ret_number);
}

int counter_cpu_tracepoint_number(uint64_t *ret_number)
{
    return read_number("cpuhp/cpuhp_exit", ret_number);
}

/* A line " field:char rwbs[8]; offset:40; size:8; signed:1;": whether it is this field's, of that size. */
static bool is_field(const char *line, const char *name, unsigned wanted_bytes, unsigned *ret_offset)
{
    char declaration[128];
    unsigned offset, bytes;
    if (sscanf(line, " field:%127[^;]; offset:%u; size:%u;", declaration, &offset, &bytes) != 3 ||
        bytes < wanted_bytes)
        return false;
    declaration[strcspn(declaration, "[")] = '\0';
    const char *last = strrchr(declaration, ' ');
    if (!last || strcmp(last + 1, name) != 0)
        return false;
    *ret_offset = offset;
    return true;
}

int counter_tracepoint_offsets(enum counter_tracepoint tracepoint, unsigned *ret_device, unsigned *ret_rwbs)
{
    char line[256];
    bool has_device = false, has_rwbs = false;
    FILE *file;
    int r = open_file(tracepoints[tracepoint].name, "format", &file);
    if (r < 0)
        return r;
    while (fgets(line, sizeof(line), file)) {
        has_device = has_device ||
                     is_field(line, tracepoints[tracepoint].field, sizeof(uint32_t), ret_device);
        has_rwbs = has_rwbs || is_field(line, "rwbs", sizeof(char), ret_rwbs);
    }
    fclose(file);
    return has_device && has_rwbs ? 0 : -EBADMSG;
}

int counter_cpus_online(char *text, int size)
{
    FILE *file = fopen("/sys/devices/system/cpu/online", "re");
    if (!file)
        return -errno;
    const char *line = fgets(text, size, file);
    fclose(file);
    return line ? 0 : -EIO;
}

bool counter_next_range(const char **list, unsigned *ret_first, unsigned *ret_last)
{
    unsigned first, last;
    int length = 0;
    if (sscanf(*list, "%u%n", &first, &length) != 1)
        return false;
    *list += length;
    last = first;
    length = 0;
    if (sscanf(*list, "-%u%n", &last, &length) == 1)
        *list += length;
    if (**list == ',')
        (*list)++;
    *ret_first = first;
    *ret_last = last;
    return last >= first;
}
