#include "cowherd/text_file.h"
#include "cleanup.h"
#include "write_all.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int write_temporary(int directory, const char *name, const char *text, size_t length)
{
    _cleanup_fd_ int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                                 0600);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, text, length);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    return r;
}

int text_file_replace(int directory, const char *name, const char *temporary, const char *text, size_t length)
{
    int r = write_temporary(directory, temporary, text, length);
    if (r == 0 && (renameat(directory, temporary, directory, name) < 0 || fsync(directory) < 0))
        r = -errno;
    if (r < 0)
        unlinkat(directory, temporary, 0);
    return r;
}

int text_file_read(int directory, const char *name, char *text, size_t size)
{
    size_t length = 0;
    _cleanup_fd_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    for (ssize_t n = 1; n > 0; length += (size_t)n) {
        if (length == size)
            return -EBADMSG;
        n = read(fd, text + length, size - length);
        if (n < 0)
            return -errno;
    }
    if (length == size || memchr(text, '\0', length))
        return -EBADMSG;
    text[length] = '\0';
    return 0;
}
