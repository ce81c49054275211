/* A journald of the test's own: it keeps what it gets, and stands still when it may let nobody pass. */
#pragma once

#include "../../daemon/report/journal_private.h"
#include <limits.h>
#include <pthread.h>
#include <signal.h>

#define MSEC       1000UL
#define SEC        1000000UL
#define SENT_MAX   3000
#define SENT_BYTES 5000

#define ALWAYS UINT_MAX

struct journald {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned may_pass; /* so many sends, or ALWAYS */
    int result;
    unsigned n_entered; /* sends begun */
    unsigned n_sent;    /* sends ended */
    char *sent[SENT_MAX];
    sigset_t mask; /* of the thread that sends */
};

extern struct journald journald;

/* Every test begins with one that lets all pass, and has a minute. */
int setup(void **state);
int teardown(void **state);

struct journal *open_with(int line_fd, bool line_always);

/* So many sends pass, or ALWAYS. */
void let_pass(unsigned may_pass);

/* Until one of the counts of journald is that high. */
void wait_for(const unsigned *count, unsigned at_least);

/* An event with every field, and what is to be made of it. */
extern const struct event full_event;

#define FULL_FIELDS_BEFORE_MESSAGE                                                                           \
    "PRIORITY=4|COWHERD_EVENT=action-failed|COWHERD_SNAPSHOT=vg0-root|COWHERD_UUID=LVM-abc|"                 \
    "COWHERD_ROLE=backup|COWHERD_USED_SECTORS=7142|COWHERD_TOTAL_SECTORS=10000|COWHERD_PERCENT=71.42|"       \
    "COWHERD_RATE=1048576|COWHERD_SECONDS_LEFT=125|COWHERD_RUNG=at 75% = extend 20%|"                        \
    "COWHERD_ACTION=extend 20%|COWHERD_RESULT=no space|MESSAGE_ID=2b5da71ba7614ea1a852d77b515b3794|"

#define FULL_LINE                                                                                            \
    "PRIORITY=4 COWHERD_EVENT=action-failed COWHERD_SNAPSHOT=vg0-root COWHERD_UUID=LVM-abc "                 \
    "COWHERD_ROLE=backup COWHERD_USED_SECTORS=7142 COWHERD_TOTAL_SECTORS=10000 COWHERD_PERCENT=71.42 "       \
    "COWHERD_RATE=1048576 COWHERD_SECONDS_LEFT=125 COWHERD_RUNG=\"at 75% = extend 20%\" "                    \
    "COWHERD_ACTION=\"extend 20%\" COWHERD_RESULT=\"no space\" "                                             \
    "MESSAGE_ID=2b5da71ba7614ea1a852d77b515b3794 MESSAGE=\"extending the store of vg0-root failed\"\n"

/* Of the monotonic clock. */
uint64_t now_usec(void);
