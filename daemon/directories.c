#include "directories.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE "/var/lib/cowherd"

static const char *find(const char *variable, const char *usual)
{
    const char *path = getenv(variable);
    return path && path[0] == '/' ? path : usual;
}

static const char *directory(const char *variable, const char *usual)
{
    const char *path = find(variable, usual);
    if (path == usual)
        mkdir(usual, 0700); /* where it cannot be made, its first use says why */
    return path;
}

const char *directory_state(void)
{
    return directory("STATE_DIRECTORY", STATE);
}

const char *directory_state_path(void)
{
    return find("STATE_DIRECTORY", STATE);
}

const char *directory_runtime(void)
{
    return directory("RUNTIME_DIRECTORY", "/run/cowherd");
}

/* Not flock(): a child would hold it too, and one that hangs in the kernel would keep every later daemon out. */
int directory_lock(void)
{
    char path[4096];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int n = snprintf(path, sizeof(path), "%s/lock", directory_runtime());
    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    if (fcntl(fd, F_SETLK, &lock) == 0)
        return 0;
    int error = errno;
    close(fd);
    return error == EACCES || error == EAGAIN ? -EWOULDBLOCK : -error;
}
