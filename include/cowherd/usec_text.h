/* A time for people, as short as a figure may be: "12 ms", "1.9 s", "2 min 5 s". Rounded down. */
#pragma once

#include <stdint.h>

#define USEC_TEXT_MAX 48

const char *usec_text(uint64_t usec, char text[static USEC_TEXT_MAX]);
