/* All of a text, however many writes that takes. 0, or a negative errno with a part of it written. */
#pragma once

#include <stddef.h>

int write_all(int fd, const char *text, size_t length);
