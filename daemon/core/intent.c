#include "cowherd/intent.h"
#include "text_writer.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* Every key of an intent's text, once. One table serves writer and reader, so that they cannot disagree. */
enum value_kind { VALUE_TEXT, VALUE_NUMBER64, VALUE_NUMBER32, VALUE_BOOL, VALUE_DEVICE, VALUE_ENUM };

struct key {
    const char *name;
    enum value_kind kind;
    size_t offset;
    size_t limit; /* text: bytes; enum: number of values */
};

#define TEXT(field)         VALUE_TEXT, offsetof(struct intent, field), sizeof(((struct intent *)0)->field)
#define FIELD(kind, field)  VALUE_##kind, offsetof(struct intent, field), 0
#define CHOICE(field, last) VALUE_ENUM, offsetof(struct intent, field), (last) + 1

static const struct key keys[] = {
    {"action", CHOICE(action, ACTION_DROP)},
    {"role", CHOICE(role, ROLE_LIVE)},
    {"role-forced", FIELD(BOOL, role_forced)},
    {"drop-open", FIELD(BOOL, drop_open)},
    {"lost", FIELD(BOOL, lost)},
    {"rung", TEXT(rung)},
    {"name", TEXT(name)},
    {"uuid", TEXT(uuid)},
    {"device", FIELD(DEVICE, device)},
    {"disk-sequence", FIELD(NUMBER64, disk_sequence)},
    {"origin", FIELD(DEVICE, origin)},
    {"store", FIELD(DEVICE, store)},
    {"store-disk-sequence", FIELD(NUMBER64, store_disk_sequence)},
    {"length-sectors", FIELD(NUMBER64, length_sectors)},
    {"chunk-sectors", FIELD(NUMBER32, chunk_sectors)},
    {"store-type", CHOICE(store_type, STORE_TRANSIENT)},
    {"origin-user", FIELD(DEVICE, origin_user)},
    {"origin-user-disk-sequence", FIELD(NUMBER64, origin_user_disk_sequence)},
    {"origin-user-name", TEXT(origin_user_name)},
    {"origin-user-uuid", TEXT(origin_user_uuid)},
    {"handing-over", FIELD(BOOL, handing_over)},
    {"interrupted", FIELD(BOOL, interrupted)},
    {"grow-to-sectors", FIELD(NUMBER64, grow_to_sectors)},
    {"limit-sectors", FIELD(NUMBER64, limit_sectors)},
    {"extend-from", TEXT(extend_from)},
    {"asked-lvm", FIELD(BOOL, asked_lvm)},
    {"used-centipercent", FIELD(NUMBER32, used_centipercent)},
    {"hysteresis-centipercent", FIELD(NUMBER32, hysteresis_centipercent)},
    {"cookie", FIELD(NUMBER32, cookie)},
    {"boot-id", TEXT(boot_id)},
    /* From here on: what records of the first daemons have not. */
    {"free-bytes", FIELD(NUMBER64, free_bytes)},
    {"from-sectors", FIELD(NUMBER64, from_sectors)},
};

#define N_KEYS   (sizeof(keys) / sizeof(keys[0]))
#define N_NEEDED (N_KEYS - 2)

static void put_value(struct text_writer *writer, const struct key *key, const void *field)
{
    switch (key->kind) {
    case VALUE_TEXT:
        text_writer_put_escaped(writer, field);
        break;
    case VALUE_NUMBER64:
        text_writer_put(writer, "%" PRIu64, *(const uint64_t *)field);
        break;
    case VALUE_NUMBER32:
        text_writer_put(writer, "%" PRIu32, *(const uint32_t *)field);
        break;
    case VALUE_BOOL:
        text_writer_put(writer, "%d", *(const bool *)field);
        break;
    case VALUE_DEVICE:
        text_writer_put(writer, "%u:%u", major(*(const dev_t *)field), minor(*(const dev_t *)field));
        break;
    case VALUE_ENUM:
        text_writer_put(writer, "%u", *(const unsigned *)field);
        break;
    }
}

int intent_format(const struct intent *intent, char *text, size_t size)
{
    struct text_writer writer = {.text = text, .size = size};
    if (size == 0)
        return -ENOBUFS;
    for (size_t i = 0; i < N_KEYS; i++) {
        text_writer_put(&writer, "%s=", keys[i].name);
        put_value(&writer, &keys[i], (const char *)intent + keys[i].offset);
        text_writer_put(&writer, "\n");
    }
    text_writer_put(&writer, "end\n");
    return writer.full ? -ENOBUFS : (int)writer.length;
}

/* Digits and nothing else, up to a limit, ending at `end`. */
static int get_number(const char *value, const char *end, uint64_t limit, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (value == end)
        return -EBADMSG;
    for (; value < end; value++) {
        if (*value < '0' || *value > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*value - '0'), &number) || number > limit)
            return -EBADMSG;
    }
    *ret_number = number;
    return 0;
}

static int get_device(const char *value, const char *end, dev_t *ret_device)
{
    uint64_t major_number, minor_number;
    const char *colon = memchr(value, ':', (size_t)(end - value));
    if (!colon || get_number(value, colon, UINT32_MAX, &major_number) < 0 ||
        get_number(colon + 1, end, UINT32_MAX, &minor_number) < 0)
        return -EBADMSG;
    *ret_device = makedev((unsigned)major_number, (unsigned)minor_number);
    return 0;
}

static int get_value(const struct key *key, const char *value, const char *end, void *field)
{
    uint64_t number;
    if (key->kind == VALUE_TEXT)
        return text_unescape(value, (size_t)(end - value), field, key->limit);
    if (key->kind == VALUE_DEVICE)
        return get_device(value, end, field);
    uint64_t limit = key->kind == VALUE_NUMBER64   ? UINT64_MAX
                     : key->kind == VALUE_NUMBER32 ? UINT32_MAX
                     : key->kind == VALUE_BOOL     ? 1
                                                   : key->limit - 1;
    if (get_number(value, end, limit, &number) < 0)
        return -EBADMSG;
    if (key->kind == VALUE_NUMBER64)
        *(uint64_t *)field = number;
    else if (key->kind == VALUE_BOOL)
        *(bool *)field = number;
    else
        *(uint32_t *)field = (uint32_t)number; /* enums of these headers are unsigned int */
    return 0;
}

static const struct key *find_key(const char *line, size_t length)
{
    for (size_t i = 0; i < N_KEYS; i++)
        if (strlen(keys[i].name) == length && memcmp(keys[i].name, line, length) == 0)
            return &keys[i];
    return NULL;
}

int intent_parse(const char *text, struct intent *ret_intent)
{
    struct intent intent = {0};
    uint64_t seen = 0;
    while (strcmp(text, "end\n") != 0) {
        const char *end = strchr(text, '\n');
        const char *equals = end ? memchr(text, '=', (size_t)(end - text)) : NULL;
        const struct key *key = equals ? find_key(text, (size_t)(equals - text)) : NULL;
        if (!key || seen & UINT64_C(1) << (key - keys) ||
            get_value(key, equals + 1, end, (char *)&intent + key->offset) < 0)
            return -EBADMSG;
        seen |= UINT64_C(1) << (key - keys);
        text = end + 1;
    }
    uint64_t needed = (UINT64_C(1) << N_NEEDED) - 1;
    if ((seen & needed) != needed || !action_kind_changes(intent.action))
        return -EBADMSG;
    *ret_intent = intent;
    return 0;
}

bool intent_is_ordered(const struct intent *intent)
{
    return strncmp(intent->rung, INTENT_ORDER, strlen(INTENT_ORDER)) == 0;
}

bool intent_same_snapshot(const struct intent *a, const struct intent *b)
{
    return a->device == b->device && a->disk_sequence == b->disk_sequence && a->origin == b->origin &&
           a->store == b->store && strcmp(a->uuid, b->uuid) == 0 && strcmp(a->boot_id, b->boot_id) == 0;
}

/* The kernel never gives a sequence number twice, and counts up; 0: none is known. */
bool intent_must_yield(const struct intent *intent, const struct intent *recorded)
{
    return !intent_same_snapshot(intent, recorded) && intent->disk_sequence &&
           intent->disk_sequence < recorded->disk_sequence;
}
