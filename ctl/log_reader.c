#include "log_reader.h"
#include "names.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

/* By what systemd knows of the sender: anybody may write an entry that says it is cowherd's. */
#define SENDER "_SYSTEMD_UNIT=cowherd.service"

static int match(sd_journal *journal, const char *field, const char *value)
{
    char text[64 + NAMES_TEXT_MAX];
    int n = snprintf(text, sizeof(text), "%s=%s", field, value);
    if (n < 0 || (size_t)n >= sizeof(text))
        return -ENAMETOOLONG;
    int r = sd_journal_add_match(journal, SENDER, 0);
    if (r >= 0)
        r = sd_journal_add_match(journal, text, (size_t)n);
    return r < 0 ? r : sd_journal_add_disjunction(journal);
}

/* Which of them the name is, only the journal knows: snapshots that are gone are asked for, too. */
static int match_snapshot(sd_journal *journal, const char *name)
{
    char bytes[NAMES_TEXT_MAX];
    int r = match(journal, "COWHERD_SNAPSHOT", name);
    if (r >= 0)
        r = match(journal, "COWHERD_UUID", name);
    if (r >= 0 && strcmp(names_unescape(name, bytes), name) != 0)
        r = match(journal, "COWHERD_SNAPSHOT", bytes);
    return r;
}

/* sd-journal passes over files that it may not read without a word. */
static bool is_forbidden(void)
{
    static const char *const roots[] = {"/var/log/journal", "/run/log/journal"};
    sd_id128_t machine;
    char id[SD_ID128_STRING_MAX], path[128];
    if (sd_id128_get_machine(&machine) < 0)
        return false;
    sd_id128_to_string(machine, id);
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s/system.journal", roots[i], id);
        if (access(path, R_OK) < 0 && errno == EACCES)
            return true;
    }
    return false;
}

int log_reader_open(const char *name, sd_journal **ret_journal, struct failure *ret_failure)
{
    sd_journal *journal = NULL;
    if (is_forbidden())
        return failure_set(ret_failure, EX_NOPERM,
                           "the journal may be read by root and by the group systemd-journal");
    int r = sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY);
    if (r >= 0)
        r = name ? match_snapshot(journal, name) : sd_journal_add_match(journal, SENDER, 0);
    if (r < 0) {
        sd_journal_close(journal);
        return failure_set(ret_failure, EX_OSERR, "the journal cannot be read: %s", strerror(-r));
    }
    *ret_journal = journal;
    return 0;
}

/* The entry that is n_max before the end; with fewer it is the first. */
static int seek_tail(sd_journal *journal, uint64_t n_max)
{
    int r = sd_journal_seek_tail(journal);
    if (r >= 0)
        r = sd_journal_previous_skip(journal, n_max + 1);
    if (r >= 0 && (uint64_t)r <= n_max)
        r = sd_journal_seek_head(journal);
    return r < 0 ? r : 0;
}

int log_reader_seek(sd_journal *journal, uint64_t since_usec, uint64_t n_max)
{
    uint64_t at_usec;
    int r = 0;
    if (n_max == 0)
        return since_usec ? sd_journal_seek_realtime_usec(journal, since_usec)
                          : sd_journal_seek_head(journal);
    if ((r = seek_tail(journal, n_max)) < 0 || !since_usec)
        return r;
    /* Fewer than n_max are younger, where the one before them is. */
    if (sd_journal_get_realtime_usec(journal, &at_usec) < 0 || at_usec < since_usec)
        return sd_journal_seek_realtime_usec(journal, since_usec);
    return 0;
}
