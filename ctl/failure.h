/* Why a command cannot do what it is asked: an exit code of sysexits(3), and a sentence for people. */
#pragma once

#include <stdbool.h>

#define FAILURE_MAX 1024

struct failure {
    int code;
    bool is_unguarded; /* the bus says that there is no daemon: nothing guards the snapshots */
    char sentence[FAILURE_MAX];
};

/* Fills it in. Returns -1, so that it can be returned at once. */
__attribute__((format(printf, 3, 4))) int failure_set(struct failure *failure, int code, const char *format,
                                                      ...);
int failure_out_of_memory(struct failure *failure);

/* Says it on standard error: "cowctl: sentence". Returns its code. */
int failure_report(const struct failure *failure);
