/* The explanation of a snapshot: which section is its policy, and what each rung of it would do at this moment, as plain
 * data that owns its texts. Texts are raw bytes as the kernel and the configuration have them: whoever prints one escapes
 * it. None of them is NULL; one that does not apply is empty.
 */
#pragma once

#include <stddef.h>

struct explanation_rung {
    char *text;    /* as written: "at 75% = extend 20%" */
    char *state;   /* "armed", "fired" */
    char *would;   /* what it would do now, or why it cannot: "it would be dropped", "it would wait: …" */
    char *in_time; /* "yes", "no" of one that changes the device, else "" */
    char *reason;  /* of in_time, in figures; or "" */
};

struct explanation {
    char *section;   /* "[snapshot root-*] of /etc/cowherd/cowherd.conf:12"; "": no section matches */
    char *guarantee; /* "yes", "no"; "": not known */
    char *reason;    /* of the guarantee */
    struct explanation_rung *rungs;
    size_t n_rungs;
};

/* Frees what it owns and leaves it empty. */
void explanation_done(struct explanation *explanation);
