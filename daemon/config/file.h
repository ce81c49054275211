/* Files: a configuration's file, trusted and read whole, or the reason why not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct config_file {
    char *bytes;
    size_t n_bytes;
};

#define FILE_REASON_MAX 160

/* Opens, checks (see configuration.h) and reads a file without ever waiting for it. Returns 0, -ENOMEM, or
 * another negative errno with the reason as a sentence. */
int config_file_read(const char *path, unsigned owner, struct config_file *ret_file,
                     char reason[static FILE_REASON_MAX]);

void config_file_done(struct config_file *file);
