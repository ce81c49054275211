/* JSON values as text. libsmartcols lays documents out, but takes an empty text for null and passes on bytes that are not
 * UTF-8: so each value is written here, and handed to it as it is.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

/* A string. Bytes that are not UTF-8 become \xNN in it; NULL becomes null. */
void json_put_text(FILE *stream, const char *text);

/* A number with so many decimals, a dot before them; rounded down. Not finite: null. */
void json_put_real(FILE *stream, double number, unsigned decimals);
void json_put_number(FILE *stream, uint64_t number);
