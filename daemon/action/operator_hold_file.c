#include "cowherd/operator_hold_file.h"
#include "cleanup.h"
#include "cowherd/text_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME      "holds"
#define TEMPORARY ".holds.new"

int operator_hold_file_store(const char *directory, const struct operator_holds *holds, const char *boot_id)
{
    _cleanup_text_ char *text = malloc(OPERATOR_HOLDS_TEXT_MAX);
    _cleanup_fd_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!text)
        return -ENOMEM;
    if (fd < 0)
        return -errno;
    int length = operator_holds_format(holds, boot_id, text, OPERATOR_HOLDS_TEXT_MAX);
    return length < 0 ? length : text_file_replace(fd, NAME, TEMPORARY, text, (size_t)length);
}

int operator_hold_file_read(const char *directory, const char *boot_id, struct operator_holds *ret_holds)
{
    _cleanup_text_ char *text = malloc(OPERATOR_HOLDS_TEXT_MAX + 1);
    _cleanup_fd_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!text)
        return -ENOMEM;
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int r = text_file_read(fd, NAME, text, OPERATOR_HOLDS_TEXT_MAX + 1);
    if (r == -ENOENT)
        return 0;
    return r < 0 ? r : operator_holds_parse(text, boot_id, ret_holds);
}
