/* Names on the bus: object paths, and texts that a string of D-Bus can hold. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define BUS_NAME      "org.cowherd.Herd1"
#define BUS_PATH      "/org/cowherd/Herd1"
#define BUS_SNAPSHOTS BUS_PATH "/snapshot"

/* The path of a snapshot, allocated: its name, and "@" with its first sector where that is not 0, escaped. NULL without memory. */
char *bus_path_of(const char *name, uint64_t start_sectors);

/* The text as UTF-8: what is none as \xNN. The text itself where it is UTF-8 throughout, else *ret_copy, to be freed by the
 * caller (then or else NULL). NULL without memory. */
const char *bus_utf8(const char *text, char **ret_copy);

/* Appends a text (NULL: empty) as UTF-8. */
int bus_append_text(sd_bus_message *message, const char *text);
