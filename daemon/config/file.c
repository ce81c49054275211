#include "file.h"

#include "cowherd/configuration.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int refuse(char reason[static FILE_REASON_MAX], int error, const char *sentence)
{
    snprintf(reason, FILE_REASON_MAX, "%s", sentence);
    return error;
}

static int refuse_errno(char reason[static FILE_REASON_MAX], const char *what)
{
    int error = errno;

    snprintf(reason, FILE_REASON_MAX, "%s: %s", what, strerror(error));
    return -error;
}

static int refuse_size(char reason[static FILE_REASON_MAX])
{
    snprintf(reason, FILE_REASON_MAX, "the file is too large: %d KiB at most", CONFIG_FILE_BYTES_MAX / 1024);
    return -EFBIG;
}

/* Root's group is root. But where there is an access control list the group's bits are those of all whom it names. */
static bool may_others_write(int fd, const struct stat *status)
{
    bool has_list = fgetxattr(fd, "system.posix_acl_access", NULL, 0) > 0;
    return (status->st_mode & S_IWOTH) || ((status->st_mode & S_IWGRP) && (status->st_gid != 0 || has_list));
}

/* Who may change the file decides what happens to disks: its owner, and no one else. */
static int check(int fd, const struct stat *status, unsigned owner, char reason[static FILE_REASON_MAX])
{
    if (!S_ISREG(status->st_mode))
        return refuse(reason, -EINVAL, "this is not a regular file");
    if (status->st_uid != owner) {
        snprintf(reason, FILE_REASON_MAX, "the file belongs to user %u; it must be user %u's", status->st_uid,
                 owner);
        return -EPERM;
    }
    if (may_others_write(fd, status))
        return refuse(reason, -EPERM, "the file can be written by others than its owner");
    if (status->st_size > CONFIG_FILE_BYTES_MAX)
        return refuse_size(reason);
    return 0;
}

/* Reads to the end, which may have moved since the file was checked. */
static int read_all(int fd, char *bytes, size_t *ret_n_bytes, char reason[static FILE_REASON_MAX])
{
    size_t n_bytes = 0;

    while (n_bytes <= CONFIG_FILE_BYTES_MAX) {
        ssize_t n = read(fd, bytes + n_bytes, CONFIG_FILE_BYTES_MAX + 1 - n_bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return refuse_errno(reason, "the file cannot be read");
        if (n == 0) {
            *ret_n_bytes = n_bytes;
            return 0;
        }
        n_bytes += (size_t)n;
    }
    return refuse_size(reason);
}

int config_file_read(const char *path, unsigned owner, struct config_file *ret_file,
                     char reason[static FILE_REASON_MAX])
{
    /* O_NONBLOCK: the open of a fifo would wait for a writer. */
    __attribute__((cleanup(close_fd))) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    struct config_file file;
    struct stat status;
    int r;

    if (fd < 0 || fstat(fd, &status) < 0)
        return refuse_errno(reason, "the file cannot be opened");
    r = check(fd, &status, owner, reason);
    if (r < 0)
        return r;
    file.bytes = malloc(CONFIG_FILE_BYTES_MAX + 1);
    if (!file.bytes)
        return -ENOMEM;
    r = read_all(fd, file.bytes, &file.n_bytes, reason);
    if (r < 0) {
        config_file_done(&file);
        return r;
    }
    *ret_file = file;
    return 0;
}

void config_file_done(struct config_file *file)
{
    free(file->bytes);
    *file = (struct config_file){0};
}
