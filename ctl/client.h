/* The client: the connection to the daemon over the system bus. Every call has a deadline.
 */
#pragma once

#include "failure.h"
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define CLIENT_NAME      "org.cowherd.Herd1"
#define CLIENT_PATH      "/org/cowherd/Herd1"
#define CLIENT_MANAGER   "org.cowherd.Herd1.Manager"
#define CLIENT_SNAPSHOTS "org.cowherd.Herd1.Snapshot"

/* The daemon's loop answers in milliseconds; so long it is given on a machine that is close to standing still. */
#define CLIENT_DEADLINE_USEC UINT64_C(10000000)

/* Connects to the bus. Returns 0; or -1 and EX_UNAVAILABLE where it cannot be reached: then nobody knows whether there is a daemon. */
int client_open(sd_bus **ret_bus, struct failure *ret_failure);

/* A call of the manager object, ready for its arguments, and for client_call(). It never starts the daemon. */
int client_new_call(sd_bus *bus, const char *interface, const char *method, sd_bus_message **ret_message);

/* Calls. On an error ret_failure says why: EX_UNAVAILABLE where there is no daemon, or it does not answer. */
int client_call(sd_bus *bus, sd_bus_message *message, uint64_t deadline_usec, sd_bus_message **ret_reply,
                struct failure *ret_failure);

/* An error of the daemon's or the bus's, as exit code and sentence. */
int client_failure(const sd_bus_error *error, int r, struct failure *ret_failure);
