/* Text of others', as a terminal may get it: what is no character of the locale or would act on it as \xNN. */
#pragma once

#include <stdio.h>

void printable_print(const char *text, FILE *stream);
