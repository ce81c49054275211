/* Permission: whether the sender of a call may do what it asks for. Root may; others whom polkit lets, where there is a polkit.
 *
 * Both the bus (who is it?) and polkit (may he?) are asked without waiting, with deadlines. Of what was called only a compact
 * copy is kept until then, and of those there are REQUESTS_MAX at most, and few of one user.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define BUS_REQUESTS_MAX      64
#define BUS_REQUESTS_USER_MAX 4 /* polkit may be asking these people for a password */

struct bus_request {
    struct bus_request *next;
    struct bus_permissions *permissions;
    sd_bus_message *call; /* what is answered */
    sd_bus_slot *slot;    /* of the question that is asked now */
    const char *action;
    char *about; /* the snapshot's name, for polkit's question */
    bool interactive;
    uint32_t uid; /* UINT32_MAX: not known yet */
};

struct bus_permissions {
    sd_bus *bus; /* NULL: not connected */
    struct bus_request *requests;
    size_t n_requests;
    /* The sender of this call may: carry it out and answer it. who: "root", "user 1000". */
    void (*granted)(sd_bus_message *call, const char *who, void *user);
    void *user;
};

/* Asks whether the sender may do that: action is a static text, "org.cowherd.Herd1.drop". The call is answered here where he may
 * not. 1, or a negative errno. */
int bus_permissions_ask(struct bus_permissions *permissions, sd_bus_message *call, const char *action,
                        const char *about);

/* What is still asked is forgotten, unanswered. */
void bus_permissions_done(struct bus_permissions *permissions);
