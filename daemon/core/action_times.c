#include "cowherd/action_times.h"
#include "text_writer.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEADER "cowherd action times 1\n"
#define END    "end\n"

static bool is_of(const struct action_time *item, struct action_subject subject)
{
    return strcmp(item->subject, item->by_uuid ? subject.uuid : subject.name) == 0;
}

static struct action_time *find(const struct action_times *times, enum action_kind action,
                                struct action_subject subject)
{
    for (size_t i = 0; i < times->n_items; i++) {
        const struct action_time *item = &times->items[i];
        if (item->action == action && item->by_uuid == (subject.uuid[0] != '\0') && is_of(item, subject))
            return (struct action_time *)item;
    }
    return NULL;
}

/* A place for a new one: that of the one unseen for longest where there is none left. */
static struct action_time *add(struct action_times *times)
{
    if (times->n_items < ACTION_TIMES_MAX)
        return &times->items[times->n_items++];
    struct action_time *oldest = &times->items[0];
    for (size_t i = 1; i < times->n_items; i++)
        if (times->items[i].seen_day < oldest->seen_day)
            oldest = &times->items[i];
    return oldest;
}

static void append(struct action_time *item, uint64_t took_usec)
{
    if (item->n_took == ACTION_TIMES_KEPT)
        memmove(&item->took_usec[0], &item->took_usec[1], --item->n_took * sizeof(item->took_usec[0]));
    item->took_usec[item->n_took++] = took_usec;
}

void action_times_take(struct action_times *times, enum action_kind action, struct action_subject subject,
                       uint64_t took_usec, uint32_t day)
{
    bool by_uuid = subject.uuid[0] != '\0';
    const char *text = by_uuid ? subject.uuid : subject.name;
    struct action_time *item = find(times, action, subject);
    if (!text[0])
        return;
    if (!item) {
        item = add(times);
        *item = (struct action_time){.action = action, .by_uuid = by_uuid};
        snprintf(item->subject, sizeof(item->subject), "%s", text);
    }
    if (took_usec == 0)
        took_usec = 1; /* 0 says that nothing is known */
    append(item, took_usec < ACTION_TIME_USEC_MAX ? took_usec : ACTION_TIME_USEC_MAX);
    item->seen_day = day > item->seen_day ? day : item->seen_day;
}

bool action_times_see(struct action_times *times, struct action_subject subject, uint32_t day)
{
    bool changed = false;
    for (size_t i = 0; i < times->n_items; i++) {
        struct action_time *item = &times->items[i];
        if (!is_of(item, subject) || item->seen_day >= day)
            continue;
        item->seen_day = day;
        changed = true;
    }
    return changed;
}

static uint64_t longest(const struct action_time *item)
{
    uint64_t usec = 0;
    for (unsigned i = 0; i < item->n_took; i++)
        usec = item->took_usec[i] > usec ? item->took_usec[i] : usec;
    return usec;
}

uint64_t action_times_usec(const struct action_times *times, enum action_kind action,
                           struct action_subject subject)
{
    const struct action_time *own = find(times, action, subject);
    uint64_t usec = 0;
    if (own)
        return longest(own);
    bool is_lvm = dm_uuid_is_lvm(subject.uuid);
    for (size_t i = 0; i < times->n_items; i++) {
        const struct action_time *item = &times->items[i];
        bool is_kin = item->action == action && (item->by_uuid && dm_uuid_is_lvm(item->subject)) == is_lvm;
        if (is_kin && longest(item) > usec)
            usec = longest(item);
    }
    return usec;
}

/* ---- as text: "extend 20454 1900000,850000 uuid LVM-…", a line each */

static void put(struct text_writer *writer, const struct action_time *item)
{
    text_writer_put(writer, "%s %" PRIu32 " ", action_kind_name(item->action), item->seen_day);
    for (unsigned i = 0; i < item->n_took; i++)
        text_writer_put(writer, "%s%" PRIu64, i ? "," : "", item->took_usec[i]);
    text_writer_put(writer, " %s ", item->by_uuid ? "uuid" : "name");
    text_writer_put_escaped(writer, item->subject);
    text_writer_put(writer, "\n");
}

int action_times_format(const struct action_times *times, uint32_t day, char *text, size_t size)
{
    struct text_writer writer = {.text = text, .size = size};
    text_writer_put(&writer, HEADER);
    for (size_t i = 0; i < times->n_items; i++)
        if (day <= times->items[i].seen_day || day - times->items[i].seen_day <= ACTION_TIMES_DAYS)
            put(&writer, &times->items[i]);
    text_writer_put(&writer, END);
    return writer.full ? -ENOBUFS : (int)writer.length;
}

/* Digits up to `until`, which is skipped. Returns what follows, or NULL. */
static const char *get_number(const char *at, const char *until, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *begin = at;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number) || number > max)
            return NULL;
    if (at == begin || !*at || !strchr(until, *at))
        return NULL;
    *ret_number = number;
    return at + 1;
}

static const char *get_word(const char *at, const char *word)
{
    size_t length = strlen(word);
    return strncmp(at, word, length) == 0 && at[length] == ' ' ? at + length + 1 : NULL;
}

static const char *get_action(const char *at, enum action_kind *ret_action)
{
    for (enum action_kind action = ACTION_EXTEND; action <= ACTION_DROP; action++) {
        const char *rest = get_word(at, action_kind_name(action));
        if (rest) {
            *ret_action = action;
            return rest;
        }
    }
    return NULL;
}

static const char *get_times(const char *at, struct action_time *item)
{
    do {
        uint64_t usec;
        if (item->n_took == ACTION_TIMES_KEPT)
            return NULL;
        at = get_number(at, ", ", ACTION_TIME_USEC_MAX, &usec);
        if (!at || usec == 0)
            return NULL;
        item->took_usec[item->n_took++] = usec;
    } while (at[-1] == ',');
    return at;
}

static int parse_line(const char *at, const char *end, struct action_time *ret_item)
{
    struct action_time item = {0};
    const char *rest;
    uint64_t day;
    if (!(at = get_action(at, &item.action)) || !(at = get_number(at, " ", UINT32_MAX, &day)) ||
        !(at = get_times(at, &item)))
        return -EBADMSG;
    item.seen_day = (uint32_t)day;
    if ((rest = get_word(at, "uuid")))
        item.by_uuid = true;
    else if (!(rest = get_word(at, "name")))
        return -EBADMSG;
    if (rest >= end || text_unescape(rest, (size_t)(end - rest), item.subject, sizeof(item.subject)) < 0)
        return -EBADMSG;
    *ret_item = item;
    return 0;
}

int action_times_parse(const char *text, struct action_times *ret_times)
{
    struct action_times times = {0};
    if (strncmp(text, HEADER, strlen(HEADER)) != 0)
        return -EBADMSG;
    for (text += strlen(HEADER); strcmp(text, END) != 0;) {
        const char *end = strchr(text, '\n');
        if (!end || times.n_items == ACTION_TIMES_MAX ||
            parse_line(text, end, &times.items[times.n_items]) < 0)
            return -EBADMSG;
        times.n_items++;
        text = end + 1;
    }
    *ret_times = times;
    return 0;
}
