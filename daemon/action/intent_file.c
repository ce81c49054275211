#include "cowherd/intent_file.h"
#include "cleanup.h"
#include "cowherd/text_file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SUFFIX         ".intent"
#define TEMPORARY      ".new"
#define NAME_MAX_BYTES 128 /* four numbers and a boot */

static void format_name(const struct intent *intent, const char *suffix, char *name, size_t size)
{
    snprintf(name, size, "%u:%u-%u:%u@%s%s", major(intent->origin), minor(intent->origin),
             major(intent->store), minor(intent->store), intent->boot_id, suffix);
}

static int open_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int read_one(int directory, const char *name, struct intent *ret_intent)
{
    char text[INTENT_TEXT_MAX + 1];
    int r = text_file_read(directory, name, text, sizeof(text));
    if (r < 0)
        return r;
    return intent_parse(text, ret_intent);
}

int intent_file_store(const char *directory, const struct intent *intent)
{
    struct intent recorded;
    char text[INTENT_TEXT_MAX], name[NAME_MAX_BYTES], temporary[NAME_MAX_BYTES];
    _cleanup_fd_ int fd = open_directory(directory);
    if (fd < 0)
        return fd;
    int length = intent_format(intent, text, sizeof(text));
    if (length < 0)
        return length;
    format_name(intent, SUFFIX, name, sizeof(name));
    if (read_one(fd, name, &recorded) == 0 && intent_must_yield(intent, &recorded))
        return -ESTALE;
    format_name(intent, TEMPORARY, temporary, sizeof(temporary));
    return text_file_replace(fd, name, temporary, text, (size_t)length);
}

int intent_file_remove(const char *directory, const struct intent *intent)
{
    struct intent recorded;
    char name[NAME_MAX_BYTES];
    _cleanup_fd_ int fd = open_directory(directory);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    format_name(intent, SUFFIX, name, sizeof(name));
    int r = read_one(fd, name, &recorded);
    if (r < 0)
        return r == -ENOENT || r == -EBADMSG ? 0 : r;
    if (!intent_same_snapshot(&recorded, intent))
        return 0;
    if (unlinkat(fd, name, 0) < 0)
        return errno == ENOENT ? 0 : -errno;
    return fsync(fd) < 0 ? -errno : 0;
}

int intent_file_read(const char *directory, const struct intent *intent, struct intent *ret_intent)
{
    char name[NAME_MAX_BYTES];
    _cleanup_fd_ int fd = open_directory(directory);
    if (fd < 0)
        return fd;
    format_name(intent, SUFFIX, name, sizeof(name));
    return read_one(fd, name, ret_intent);
}

static int append(struct intent **intents, size_t *n_intents, const struct intent *intent)
{
    struct intent *longer = reallocarray(*intents, *n_intents + 1, sizeof(*longer));
    if (!longer)
        return -ENOMEM;
    longer[(*n_intents)++] = *intent;
    *intents = longer;
    return 0;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name), suffix_length = strlen(suffix);
    return length > suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

int intent_file_sweep(const char *directory)
{
    int r = 0;
    DIR *entries = opendir(directory);
    if (!entries)
        return -errno;
    for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries))
        if (has_suffix(entry->d_name, TEMPORARY) && unlinkat(dirfd(entries), entry->d_name, 0) < 0)
            r = -errno;
    closedir(entries);
    return r;
}

int intent_file_list(const char *directory, struct intent **ret_intents, size_t *ret_n_intents,
                     size_t *ret_n_broken, char broken[static 256])
{
    struct intent *intents = NULL, intent;
    size_t n_intents = 0, n_broken = 0;
    int r = 0;
    DIR *entries = opendir(directory);
    if (!entries)
        return -errno;
    for (struct dirent *entry = readdir(entries); entry && r == 0; entry = readdir(entries)) {
        if (!has_suffix(entry->d_name, SUFFIX))
            continue;
        if (read_one(dirfd(entries), entry->d_name, &intent) == 0) {
            r = append(&intents, &n_intents, &intent);
            continue;
        }
        n_broken++;
        snprintf(broken, 256, "%s", entry->d_name);
    }
    closedir(entries);
    if (r < 0) {
        free(intents);
        return r;
    }
    *ret_intents = intents;
    *ret_n_intents = n_intents;
    *ret_n_broken = n_broken;
    return 0;
}

int intent_boot_id(char boot_id[static BOOT_ID_BYTES])
{
    _cleanup_fd_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (read(fd, boot_id, BOOT_ID_BYTES - 1) != BOOT_ID_BYTES - 1)
        return -EIO;
    boot_id[BOOT_ID_BYTES - 1] = '\0';
    return 0;
}
