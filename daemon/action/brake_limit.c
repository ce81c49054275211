#include "cowherd/brake_limit.h"
#include "cleanup.h"
#include "cowherd/brake_record.h"
#include "cowherd/kernel.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define GROUPS   "/sys/fs/cgroup"
#define THROTTLE "/sys/module/dm_snapshot/parameters/snapshot_copy_throttle"

/* Of 0 to 2, which all hold copying at 2 to 3 MB/s (FACTS 6.2). */
#define THROTTLE_ON 1

/* The slice of the unit: its children write the intent and lvm's metadata, maybe to the very device that is held, and
 * must not queue behind those that fill it. */
#define OWN_SLICE "cowherd.slice"

#define DEVICES_MAX 256

static inline void close_directory(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

static inline void close_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

#define _cleanup_dir_  __attribute__((cleanup(close_directory)))
#define _cleanup_file_ __attribute__((cleanup(close_file)))

static int read_text(int directory, const char *name, char *text, size_t size)
{
    size_t length = 0;
    _cleanup_fd_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    for (ssize_t n = 1; n > 0; length += (size_t)n) {
        if (length == size - 1)
            return -EFBIG;
        n = read(fd, text + length, size - 1 - length);
        if (n < 0)
            return -errno;
    }
    text[length] = '\0';
    return 0;
}

static int write_text(int directory, const char *name, int flags, const char *text)
{
    _cleanup_fd_ int fd = openat(directory, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, strlen(text));
    if (n < 0)
        return -errno;
    return (size_t)n == strlen(text) ? 0 : -EIO;
}

/* ---- the record */

struct job {
    const struct brake_limit *limit;
    int records; /* the directory */
    char name[32];
    struct brake_record record;
    bool is_recorded;
    struct brake_limit_result result;
};

static int open_records(const char *directory)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/brakes", directory);
    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

static int read_record(int records, const char *name, struct brake_record *ret_record)
{
    char text[BRAKE_RECORD_MAX];
    int r = read_text(records, name, text, sizeof(text));
    return r < 0 ? r : brake_record_parse(text, ret_record);
}

/* The runtime directory is memory: whole or not at all is enough, it need not outlast the machine. */
static int write_record(struct job *job)
{
    char text[BRAKE_RECORD_MAX], temporary[sizeof(job->name) + 8];
    int length = brake_record_format(&job->record, text, sizeof(text));
    if (length < 0)
        return length;
    snprintf(temporary, sizeof(temporary), ".%s", job->name);
    int r = write_text(job->records, temporary, O_CREAT | O_TRUNC, text);
    if (r == 0 && renameat(job->records, temporary, job->records, job->name) < 0)
        r = -errno;
    job->is_recorded = job->is_recorded || r == 0;
    return r;
}

static int remove_record(const struct job *job)
{
    return unlinkat(job->records, job->name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* What is recorded of another device that had the number has gone with it, but for the throttle, which is of no
 * device. */
static int take_up_record(struct job *job, bool is_release)
{
    const struct brake_limit *limit = job->limit;
    int r = read_record(job->records, job->name, &job->record);
    job->is_recorded = r == 0;
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        return r;
    if (r < 0)
        job->record = (struct brake_record){.device = limit->device};
    if (!is_release && job->record.disk_sequence != limit->disk_sequence) {
        job->record.disk_sequence = limit->disk_sequence;
        job->record.n_groups = 0;
    }
    return 0;
}

/* ---- control groups */

static void format_limit(uint64_t limit, uint64_t max, char text[static 24])
{
    if (limit >= max)
        strcpy(text, "max");
    else
        snprintf(text, 24, "%" PRIu64, limit);
}

static int write_limits(int groups, const char *group, dev_t device, struct brake_rate rate)
{
    char path[BRAKE_GROUP_BYTES + 16], bytes[24], writes[24], text[128];
    format_limit(rate.bytes_per_second, UINT64_MAX, bytes);
    format_limit(rate.writes_per_second, UINT32_MAX, writes); /* the kernel keeps 32 bits of it */
    snprintf(text, sizeof(text), "%u:%u wbps=%s wiops=%s", major(device), minor(device), bytes, writes);
    snprintf(path, sizeof(path), "%s/io.max", group);
    return write_text(groups, path, 0, text);
}

/* Its text has a line for each limited device of the machine, however many. */
static int read_limits(int groups, const char *group, dev_t device, struct brake_rate *ret_rate)
{
    char path[BRAKE_GROUP_BYTES + 16];
    size_t size = 0;
    snprintf(path, sizeof(path), "%s/io.max", group);
    int fd = openat(groups, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_file_ FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    _cleanup_text_ char *text = NULL;
    if (!file)
        return -errno;
    ssize_t length = getdelim(&text, &size, '\0', file);
    if (length < 0 && !feof(file))
        return -errno;
    *ret_rate = length > 0 ? brake_record_parse_limits(text, device) : BRAKE_FREE;
    return 0;
}

/* The group, or the device, and the limit with it. Whatever else fails is told, and the record is kept. */
static bool is_gone(int error)
{
    return error == -ENOENT || error == -ENODEV;
}

static bool is_same(struct brake_rate a, struct brake_rate b)
{
    return a.bytes_per_second == b.bytes_per_second && a.writes_per_second == b.writes_per_second;
}

/* Takes every group at the top into the record. A group may go while it is looked at. */
static int see_groups(struct job *job, int groups)
{
    struct brake_rate present;
    _cleanup_dir_ DIR *entries = fdopendir(dup(groups));
    if (!entries)
        return -errno;
    for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries)) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || strcmp(entry->d_name, OWN_SLICE) == 0)
            continue;
        int r = read_limits(groups, entry->d_name, job->limit->device, &present);
        if (is_gone(r))
            continue;
        if (r < 0)
            return r;
        if (!brake_record_see(&job->record, entry->d_name, present))
            return -E2BIG;
    }
    return job->record.n_groups > 0 ? 0 : -EOPNOTSUPP;
}

static int hold_groups(struct job *job, int groups)
{
    int r = 0;
    for (size_t i = 0; i < job->record.n_groups; i++) {
        const struct brake_group *group = &job->record.groups[i];
        struct brake_rate present, held = brake_record_held(&job->record, group);
        int q = read_limits(groups, group->name, job->limit->device, &present);
        if (q == 0 && !is_same(present, held))
            q = write_limits(groups, group->name, job->limit->device, held);
        if (q == 0)
            job->result.n_groups++;
        else if (q != -ENOENT)
            r = q;
    }
    return r;
}

static int release_groups(struct job *job, int groups)
{
    int r = 0;
    for (size_t i = 0; i < job->record.n_groups; i++) {
        const struct brake_group *group = &job->record.groups[i];
        struct brake_rate present, rate;
        int q = read_limits(groups, group->name, job->record.device, &present);
        if (q == 0) {
            rate = brake_record_released(&job->record, group, present);
            q = is_same(present, rate) ? 0 : write_limits(groups, group->name, job->record.device, rate);
        }
        if (q < 0 && !is_gone(q))
            r = q;
    }
    return r;
}

/* ---- the throttle of all copying */

static int read_throttle(int *ret_value)
{
    char text[32];
    int r = read_text(AT_FDCWD, THROTTLE, text, sizeof(text));
    if (r == 0)
        *ret_value = atoi(text);
    return r;
}

static int write_throttle(int value)
{
    char text[32];
    snprintf(text, sizeof(text), "%d", value);
    return write_text(AT_FDCWD, THROTTLE, 0, text);
}

/* Another device's record that has the throttle too: it knows what it was before both. */
static bool find_throttle(const struct job *job, int *ret_value)
{
    dev_t devices[DEVICES_MAX];
    int n = brake_limit_list(job->limit->directory, devices, DEVICES_MAX);
    for (int i = 0; i < n; i++) {
        char name[32];
        struct brake_record record;
        snprintf(name, sizeof(name), "%u:%u", major(devices[i]), minor(devices[i]));
        if (devices[i] == job->limit->device || read_record(job->records, name, &record) < 0 ||
            !record.has_throttle)
            continue;
        *ret_value = record.throttle;
        return true;
    }
    return false;
}

static int hold_throttle(struct job *job)
{
    if (flock(job->records, LOCK_EX) < 0)
        return -errno;
    int present, r = read_throttle(&present);
    if (r == 0 && !job->record.has_throttle && !find_throttle(job, &job->record.throttle))
        job->record.throttle = present;
    job->record.has_throttle = r == 0;
    if (r == 0)
        r = write_record(job);
    if (r == 0 && present > THROTTLE_ON)
        r = write_throttle(THROTTLE_ON);
    job->result.by_throttle = true;
    return r;
}

static int release_throttle(struct job *job)
{
    int present, others;
    if (flock(job->records, LOCK_EX) < 0)
        return -errno;
    if (find_throttle(job, &others))
        return 0;
    int r = read_throttle(&present);
    if (r == 0 && present == THROTTLE_ON)
        r = write_throttle(job->record.throttle);
    return r == -ENOENT ? 0 : r; /* the module has gone, and the throttle with it */
}

/* ---- both */

static int hold(struct job *job, int groups)
{
    int r = groups < 0 ? groups : see_groups(job, groups);
    if (r < 0)
        return hold_throttle(job);
    if (job->record.is_unsettled && (r = hold_groups(job, groups)) < 0)
        return r;
    job->result.n_groups = 0;
    brake_record_want(&job->record, job->limit->rate);
    r = write_record(job);
    if (r < 0)
        return r;
    r = hold_groups(job, groups);
    return job->result.n_groups == 0 ? hold_throttle(job) : r;
}

/* The limits of a device go with it: what has its number now is none of our business. */
static int release_limits(struct job *job, int groups)
{
    uint64_t sequence;
    int r = kernel_disk_sequence(job->record.device, &sequence);
    if (r < 0 || sequence != job->record.disk_sequence)
        return r;
    return groups < 0 ? groups : release_groups(job, groups);
}

static int release(struct job *job, int groups)
{
    int r = 0, q = 0;
    if (job->is_recorded && job->record.n_groups > 0)
        r = release_limits(job, groups);
    if (job->is_recorded && job->record.has_throttle)
        q = release_throttle(job);
    if (r == 0)
        r = q;
    return r == 0 ? remove_record(job) : r;
}

/* 0 where the device is the one that is meant; -ESTALE where it has gone. */
static int check_identity(const struct brake_limit *limit)
{
    uint64_t sequence = 0, sectors;
    int r = kernel_device_sectors(limit->device, &sectors);
    if (r == 0)
        r = kernel_disk_sequence(limit->device, &sequence);
    if (r < 0)
        return r == -ENXIO ? -ESTALE : r;
    return limit->disk_sequence && sequence != limit->disk_sequence ? -ESTALE : 0;
}

int brake_limit_set(const struct brake_limit *limit, struct brake_limit_result *ret_result)
{
    struct job job = {.limit = limit};
    bool is_release = is_same(limit->rate, BRAKE_FREE);
    snprintf(job.name, sizeof(job.name), "%u:%u", major(limit->device), minor(limit->device));
    _cleanup_fd_ int records = open_records(limit->directory);
    if (records < 0)
        return records;
    _cleanup_fd_ int directory = open(GROUPS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int groups = directory < 0 ? -errno : directory;
    job.records = records;
    int r = take_up_record(&job, is_release);
    if (r < 0)
        return r;
    if (!is_release)
        r = check_identity(limit);
    if (r == 0)
        r = is_release ? release(&job, groups) : hold(&job, groups);
    if (r == 0 && ret_result)
        *ret_result = job.result;
    return r;
}

bool brake_limit_is_possible(void)
{
    char path[NAME_MAX + sizeof("/io.max")];
    bool found = false;
    _cleanup_dir_ DIR *entries = opendir(GROUPS);
    for (struct dirent *entry; entries && !found && (entry = readdir(entries));) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || strcmp(entry->d_name, OWN_SLICE) == 0)
            continue;
        snprintf(path, sizeof(path), "%s/io.max", entry->d_name);
        found = faccessat(dirfd(entries), path, W_OK, 0) == 0;
    }
    return found;
}

void brake_limit_run(const void *argument, int result_fd)
{
    struct brake_limit_result result = {0};
    int r = brake_limit_set(argument, &result);
    result.error = r;
    if (write(result_fd, &result, sizeof(result)) != sizeof(result))
        _exit(1);
}

int brake_limit_list(const char *directory, dev_t *devices, size_t max)
{
    size_t n = 0;
    int fd = open_records(directory);
    _cleanup_dir_ DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries)
        return fd < 0 ? fd : -errno;
    for (struct dirent *entry = readdir(entries); entry && n < max; entry = readdir(entries)) {
        unsigned device_major, device_minor;
        int end = 0;
        if (sscanf(entry->d_name, "%u:%u%n", &device_major, &device_minor, &end) == 2 && !entry->d_name[end])
            devices[n++] = makedev(device_major, device_minor);
    }
    return (int)n;
}

int brake_limit_release_all(const char *directory)
{
    dev_t devices[DEVICES_MAX];
    int n = brake_limit_list(directory, devices, DEVICES_MAX), failed = 0;
    for (int i = 0; i < n; i++) {
        struct brake_limit limit = {.directory = directory, .device = devices[i], .rate = BRAKE_FREE};
        if (brake_limit_set(&limit, NULL) < 0)
            failed++;
    }
    return n < 0 ? n : failed;
}
