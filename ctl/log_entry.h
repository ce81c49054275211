/* One entry of the journal that the daemon has written. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <systemd/sd-journal.h>

struct log_entry {
    uint64_t realtime_usec;
    int priority;
    char *message;
};

/* Of the journal's current entry. Returns 0 or a negative errno. */
int log_entry_read(sd_journal *journal, struct log_entry *ret_entry);
void log_entry_done(struct log_entry *entry);

/* "2026-11-23 12:30:15 Watching root-backup, …", without a line end. */
void log_entry_print(const struct log_entry *entry, bool has_colour, FILE *stream);

/* The sentence alone. */
void log_entry_print_message(const struct log_entry *entry, bool has_colour, FILE *stream);

/* The current entry as one JSON object on a line, as cowctl-log.schema.json says. */
int log_entry_print_json(sd_journal *journal, FILE *stream);
