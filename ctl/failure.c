#include "failure.h"
#include "printable.h"
#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

int failure_set(struct failure *failure, int code, const char *format, ...)
{
    va_list arguments;
    failure->code = code;
    failure->is_unguarded = false;
    va_start(arguments, format);
    vsnprintf(failure->sentence, sizeof(failure->sentence), format, arguments);
    va_end(arguments);
    return -1;
}

int failure_out_of_memory(struct failure *failure)
{
    return failure_set(failure, EX_OSERR, "out of memory");
}

int failure_report(const struct failure *failure)
{
    fputs("cowctl: ", stderr);
    printable_print(failure->sentence, stderr);
    fputc('\n', stderr);
    return failure->code;
}
