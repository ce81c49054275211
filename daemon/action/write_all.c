#include "write_all.h"
#include <errno.h>
#include <unistd.h>

int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        text += n;
        length -= (size_t)n;
    }
    return 0;
}
