#include "cowherd/metrics_file.h"
#include "cleanup.h"
#include "write_all.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE 0644 /* node_exporter is another user */

/* Who else may write to the directory must not be able to lead us to another file: so it is a new one. */
static int write_temporary(int directory, const char *name, const char *text, size_t length)
{
    if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
        return -errno;
    _cleanup_fd_ int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, MODE);
    if (fd < 0 || fchmod(fd, MODE) < 0) /* whatever the umask is */
        return -errno;
    return write_all(fd, text, length);
}

/* A device or a pipe is a mistake in the configuration; a link only leads to what is not touched. */
static bool may_be_replaced(int directory, const char *name)
{
    struct stat status;
    return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || S_ISREG(status.st_mode) ||
           S_ISLNK(status.st_mode) || S_ISDIR(status.st_mode); /* which a rename refuses itself */
}

static int open_directory(const char *path, const char *name)
{
    char directory[PATH_MAX];
    size_t length = (size_t)(name - path);
    if (length >= sizeof(directory))
        return -ENAMETOOLONG;
    memcpy(directory, path, length);
    directory[length] = '\0';
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int metrics_file_replace(const char *path, const char *text, size_t length)
{
    const char *slash = strrchr(path, '/');
    char temporary[NAME_MAX + 1];
    if (!slash || slash[1] == '\0')
        return -EISDIR;
    int n = snprintf(temporary, sizeof(temporary), ".%s.new", slash + 1);
    if ((size_t)n >= sizeof(temporary))
        return -ENAMETOOLONG;
    _cleanup_fd_ int directory = open_directory(path, slash + 1);
    if (directory < 0)
        return directory;
    if (!may_be_replaced(directory, slash + 1))
        return -EEXIST;
    int r = write_temporary(directory, temporary, text, length);
    if (r == 0 && renameat(directory, temporary, directory, slash + 1) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(directory, temporary, 0);
    return r;
}

int metrics_file_remove(const char *path)
{
    if (!may_be_replaced(AT_FDCWD, path))
        return -EEXIST;
    return unlinkat(AT_FDCWD, path, 0) < 0 ? -errno : 0;
}
