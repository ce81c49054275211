#include "directories.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES      30
#define LOCK_PAUSE_NSEC 100000000L

static const char *directory(const char *variable, const char *usual)
{
    const char *path = getenv(variable);
    if (path && path[0] == '/')
        return path;
    mkdir(usual, 0700); /* where it cannot be made, its first use says why */
    return usual;
}

const char *directory_state(void)
{
    return directory("STATE_DIRECTORY", "/var/lib/cowherd");
}

int directory_lock(void)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/lock", directory("RUNTIME_DIRECTORY", "/run/cowherd"));
    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            break;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NSEC}, NULL);
    }
    int error = errno;
    close(fd);
    return -error;
}
