/* A number of bytes for people: "512 B", "1.5 GiB". */
#pragma once

#include <stdint.h>

#define BYTES_TEXT_MAX 32 /* "16777215.9 TiB" and room */

/* In the largest unit up to TiB that leaves a whole part, with one decimal, rounded down. Returns text. */
const char *bytes_text(uint64_t bytes, char text[static BYTES_TEXT_MAX]);
