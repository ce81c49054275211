#include "cowherd/bytes_text.h"
#include "cowherd/guarantee.h"
#include "cowherd/usec_text.h"
#include "text_writer.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

/* What is run, by the name under which it took its time. */
static const char *action_word(const struct guarantee_rung *rung)
{
    if (rung->is_lvm && rung->action == ACTION_EXTEND)
        return "lvextend";
    if (rung->is_lvm && rung->action == ACTION_DROP)
        return "lvremove";
    if (rung->is_lvm && rung->action == ACTION_MERGE)
        return "lvconvert --merge";
    return action_kind_name(rung->action);
}

static void put_percent(struct text_writer *writer, uint32_t centipercent)
{
    if (centipercent % 100)
        text_writer_put(writer, "%" PRIu32 ".%02" PRIu32 " %%", centipercent / 100, centipercent % 100);
    else
        text_writer_put(writer, "%" PRIu32 " %%", centipercent / 100);
}

static void put_filling(struct text_writer *writer, const struct guarantee_rung *rung)
{
    char rate[BYTES_TEXT_MAX], full[USEC_TEXT_MAX];
    text_writer_put(writer, "at %s/s this store goes from ", bytes_text(rung->bytes_per_second, rate));
    put_percent(writer, rung->from_centipercent);
    text_writer_put(writer, " to full in %s", usec_text(rung->to_full_usec, full));
}

static void put_action(struct text_writer *writer, const struct guarantee_rung *rung)
{
    char seen[USEC_TEXT_MAX], took[USEC_TEXT_MAX];
    if (rung->seen_usec)
        text_writer_put(writer, ", that is seen within %s", usec_text(rung->seen_usec, seen));
    text_writer_put(writer, ", %s %s %s", action_word(rung),
                    rung->is_measured ? "took" : "is assumed to take", usec_text(rung->action_usec, took));
}

/* More than is needed rather than less: whole MiB where it is that much. */
static uint64_t round_up(uint64_t bytes)
{
    uint64_t unit = bytes >= MIB ? MIB : 1024;
    return bytes > UINT64_MAX - unit ? bytes : (bytes + unit - 1) / unit * unit;
}

static void put_suggestion(struct text_writer *writer, const struct guarantee_rung *rung)
{
    char rate[BYTES_TEXT_MAX], room[BYTES_TEXT_MAX];
    if (rung->suggested_percent)
        text_writer_put(writer, ": move this rung to %" PRIu32 " %% or lower (%s free)",
                        rung->suggested_percent, bytes_text(rung->suggested_free_bytes, room));
    else
        text_writer_put(writer, ": in time only up to %s/s", bytes_text(rung->bytes_per_second_max, rate));
}

static void put_too_little(struct text_writer *writer, const struct guarantee_rung *rung)
{
    char more[BYTES_TEXT_MAX], needed[BYTES_TEXT_MAX];
    text_writer_put(writer, ", and %s more would be gone before the next: extend by %s or more",
                    bytes_text(rung->more_bytes, more), bytes_text(round_up(rung->needed_bytes), needed));
}

static void put_figures(struct text_writer *writer, const struct guarantee_rung *rung)
{
    put_filling(writer, rung);
    put_action(writer, rung);
    switch (rung->verdict) {
    case GUARANTEE_IN_TIME:
        text_writer_put(writer, ": in time");
        break;
    case GUARANTEE_HELD:
        text_writer_put(writer, ": in time, for writers are held until then");
        break;
    case GUARANTEE_TOO_LITTLE:
        put_too_little(writer, rung);
        break;
    default:
        put_suggestion(writer, rung);
        break;
    }
}

const char *guarantee_rung_text(const struct guarantee_rung *rung, char text[static GUARANTEE_TEXT_MAX])
{
    struct text_writer writer = {.text = text, .size = GUARANTEE_TEXT_MAX};
    text[0] = '\0';
    switch (rung->verdict) {
    case GUARANTEE_NO_HEIGHT:
        text_writer_put(&writer, "a rung of time has no height to count on: only one of percent or size has");
        break;
    case GUARANTEE_CANNOT_ACT:
        text_writer_put(&writer, "%s cannot be carried out now: %s", action_word(rung), rung->reason);
        break;
    case GUARANTEE_OUTRANKED:
        text_writer_put(&writer,
                        "a rung written later may be crossed with it, takes its place, and cannot act: %s",
                        rung->reason);
        break;
    default:
        put_figures(&writer, rung);
        break;
    }
    return text;
}

/* Where it is to be mended the rung is named. */
static const char *decisive_text(const struct guarantee *guarantee, char text[static GUARANTEE_TEXT_MAX])
{
    guarantee_rung_text(&guarantee->rungs[guarantee->decisive], text);
    size_t length = strlen(text);
    if (!guarantee->holds && guarantee->text)
        snprintf(text + length, GUARANTEE_TEXT_MAX - length, "; the rung is \"%s\"", guarantee->text);
    return text;
}

const char *guarantee_text(const struct guarantee *guarantee, char text[static GUARANTEE_TEXT_MAX])
{
    switch (guarantee->verdict) {
    case GUARANTEE_UNKNOWN:
        return strcpy(text, "the state of its store is not known");
    case GUARANTEE_NEVER_FULL:
        return strcpy(text, "its store has room for the whole origin");
    case GUARANTEE_MERGING:
        return strcpy(text, "it is being merged, nothing fills it any more");
    case GUARANTEE_NOTHING_ACTS:
        return strcpy(text, "nothing acts: no rung that is still to come extends, merges or drops");
    case GUARANTEE_DRY_RUN:
        return strcpy(text, "nothing acts: this is a dry run");
    default:
        return decisive_text(guarantee, text);
    }
}
