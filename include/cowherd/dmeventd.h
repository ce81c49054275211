/* dmeventd: whether lvm's own daemon watches a snapshot too, found out beside the loop and told once.
 *
 * Both may then extend it. lvm knows: one child at a time asks it, and only while a dmeventd runs; once more after
 * some seconds, for what is found may just be made. Whoever was not watched when he was asked for may be by the next
 * time.
 */
#pragma once

#include "cowherd/observation.h"
#include "cowherd/watched_child.h"
#include <systemd/sd-event.h>

struct dmeventd_question {
    char name[DM_NAME_BYTES];
    char uuid[DM_UUID_BYTES];
    bool waits; /* to be asked */
    bool told;
};

struct dmeventd_questions {
    struct dmeventd_question *items;
    size_t n_items;
    sd_event *event;
    bool asking; /* a child is at it */
    char asked_uuid[DM_UUID_BYTES];
    struct watched_child child;
    void (*tell)(const char *uuid, void *user); /* dmeventd watches this snapshot */
    void *user;
};

/* Finds out about a snapshot of lvm's; at once, or when those before it have been asked for. */
void dmeventd_ask(struct dmeventd_questions *questions, const char *name, const char *uuid);

/* It is gone. */
void dmeventd_forget(struct dmeventd_questions *questions, const char *uuid);

void dmeventd_done(struct dmeventd_questions *questions);
