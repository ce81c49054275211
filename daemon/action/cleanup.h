/* What is given back when a variable's scope is left, however it is left. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void free_text(char **text)
{
    free(*text);
}

#define _cleanup_fd_   __attribute__((cleanup(close_fd)))
#define _cleanup_text_ __attribute__((cleanup(free_text)))
