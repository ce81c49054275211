#include "recent.h"
#include "log_reader.h"
#include <string.h>

static void add(struct recent *recent)
{
    struct log_entry entry;
    if (log_entry_read(recent->journal, &entry) < 0)
        return;
    if (recent->n_entries == RECENT_MAX) {
        log_entry_done(&recent->entries[0]);
        memmove(&recent->entries[0], &recent->entries[1], (RECENT_MAX - 1) * sizeof(recent->entries[0]));
        recent->n_entries--;
    }
    recent->entries[recent->n_entries++] = entry;
}

bool recent_update(struct recent *recent)
{
    bool any = false;
    if (!recent->journal)
        return false;
    sd_journal_process(recent->journal);
    for (; sd_journal_next(recent->journal) > 0; any = true)
        add(recent);
    return any;
}

void recent_open(struct recent *recent)
{
    if (log_reader_open(NULL, &recent->journal, &recent->failure) < 0)
        return;
    if (log_reader_seek(recent->journal, 0, RECENT_MAX) >= 0)
        recent_update(recent);
}

void recent_close(struct recent *recent)
{
    for (size_t i = 0; i < recent->n_entries; i++)
        log_entry_done(&recent->entries[i]);
    sd_journal_close(recent->journal);
    *recent = (struct recent){0};
}
