#include "account_message.h"
#include "client.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum field_kind { TEXT, RAW_TEXT, NUMBER_32, NUMBER_64, REAL, FLAG, RUNGS, ACTION };

struct field {
    const char *property;
    enum field_kind kind;
    size_t offset;
};

static const struct field fields[] = {
    {"RawName", RAW_TEXT, offsetof(struct account, name)},
    {"UUID", TEXT, offsetof(struct account, uuid)},
    {"Major", NUMBER_32, offsetof(struct account, major)},
    {"Minor", NUMBER_32, offsetof(struct account, minor)},
    {"StartSectors", NUMBER_64, offsetof(struct account, start_sectors)},
    {"Role", TEXT, offsetof(struct account, role)},
    {"State", TEXT, offsetof(struct account, state)},
    {"Origin", TEXT, offsetof(struct account, origin)},
    {"OriginDevice", TEXT, offsetof(struct account, origin_device)},
    {"Store", TEXT, offsetof(struct account, store)},
    {"StoreDevice", TEXT, offsetof(struct account, store_device)},
    {"HasUsage", FLAG, offsetof(struct account, has_usage)},
    {"UsedSectors", NUMBER_64, offsetof(struct account, used_sectors)},
    {"TotalSectors", NUMBER_64, offsetof(struct account, total_sectors)},
    {"MetadataSectors", NUMBER_64, offsetof(struct account, metadata_sectors)},
    {"ChunkSectors", NUMBER_32, offsetof(struct account, chunk_sectors)},
    {"ChunksLeft", NUMBER_64, offsetof(struct account, chunks_left)},
    {"FreeBytes", NUMBER_64, offsetof(struct account, free_bytes)},
    {"UsedPercent", REAL, offsetof(struct account, used_percent)},
    {"FillRateBytes", NUMBER_64, offsetof(struct account, fill_rate_bytes)},
    {"SecondsLeft", REAL, offsetof(struct account, seconds_left)},
    {"Section", TEXT, offsetof(struct account, section)},
    {"Rungs", RUNGS, 0},
    {"NextRung", TEXT, offsetof(struct account, next_rung)},
    {"Guarantee", TEXT, offsetof(struct account, guarantee)},
    {"GuaranteeReason", TEXT, offsetof(struct account, guarantee_reason)},
    {"Action", ACTION, 0},
    {"HeldUntil", NUMBER_64, offsetof(struct account, held_until_usec)},
    {"LookedAt", NUMBER_64, offsetof(struct account, looked_usec)},
    {"Counted", FLAG, offsetof(struct account, is_counted)},
};

static const struct field *find_field(const char *property)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (strcmp(fields[i].property, property) == 0)
            return &fields[i];
    return NULL;
}

/* Empty is NULL: not known, or does not apply. */
static int set_text(char **text, const char *value, size_t length)
{
    free(*text);
    *text = NULL;
    if (length == 0)
        return 0;
    *text = strndup(value, length);
    return *text ? 0 : -ENOMEM;
}

static int copy_text(char **text, const char *value)
{
    return set_text(text, value, strlen(value));
}

static int read_text(sd_bus_message *message, char **text)
{
    const char *value;
    int r = sd_bus_message_read(message, "s", &value);
    return r < 0 ? r : copy_text(text, value);
}

static int read_raw_text(sd_bus_message *message, char **text)
{
    const void *bytes;
    size_t size;
    int r = sd_bus_message_read_array(message, 'y', &bytes, &size);
    return r < 0 ? r : set_text(text, bytes, size);
}

static int read_flag(sd_bus_message *message, bool *flag)
{
    int value;
    int r = sd_bus_message_read(message, "b", &value);
    if (r >= 0)
        *flag = value;
    return r;
}

static int add_rung(struct account *account, const char *text, bool fired, const char *in_time,
                    const char *reason)
{
    struct account_rung *rungs = reallocarray(account->rungs, account->n_rungs + 1, sizeof(*rungs));
    if (!rungs)
        return -ENOMEM;
    account->rungs = rungs;
    struct account_rung *rung = &rungs[account->n_rungs++];
    *rung = (struct account_rung){.fired = fired, .text = strdup(text)};
    if (!rung->text)
        return -ENOMEM;
    int r = copy_text(&rung->in_time, in_time);
    return r < 0 ? r : copy_text(&rung->reason, reason);
}

static int read_rungs(sd_bus_message *message, struct account *account)
{
    const char *text, *in_time, *reason;
    int fired;
    int r = sd_bus_message_enter_container(message, 'a', "(sbss)");
    while (r >= 0 && (r = sd_bus_message_read(message, "(sbss)", &text, &fired, &in_time, &reason)) > 0)
        r = add_rung(account, text, fired, in_time, reason);
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_action(sd_bus_message *message, struct account_action *action)
{
    const char *kind, *phase, *rung, *reason;
    double percent;
    int r = sd_bus_message_read(message, "(ssssd)", &kind, &phase, &rung, &reason, &percent);
    if (r < 0 || kind[0] == '\0')
        return r;
    if ((r = copy_text(&action->kind, kind)) < 0 || (r = copy_text(&action->phase, phase)) < 0 ||
        (r = copy_text(&action->rung, rung)) < 0 || (r = copy_text(&action->reason, reason)) < 0)
        return r;
    action->progress_percent = percent;
    return 0;
}

static int read_field(sd_bus_message *message, const struct field *field, struct account *account)
{
    void *to = (char *)account + field->offset;
    switch (field->kind) {
    case TEXT:
        return read_text(message, to);
    case RAW_TEXT:
        return read_raw_text(message, to);
    case NUMBER_32:
        return sd_bus_message_read(message, "u", to);
    case NUMBER_64:
        return sd_bus_message_read(message, "t", to);
    case REAL:
        return sd_bus_message_read(message, "d", to);
    case FLAG:
        return read_flag(message, to);
    case RUNGS:
        return read_rungs(message, account);
    case ACTION:
        return read_action(message, &account->action);
    }
    return -EINVAL;
}

/* One {sv}, entered. */
static int read_property(sd_bus_message *message, struct account *account)
{
    static const char *const signatures[] = {
        [TEXT] = "s", [RAW_TEXT] = "ay", [NUMBER_32] = "u",   [NUMBER_64] = "t",
        [REAL] = "d", [FLAG] = "b",      [RUNGS] = "a(sbss)", [ACTION] = "(ssssd)",
    };
    const char *property, *contents;
    int r = sd_bus_message_read(message, "s", &property);
    if (r < 0 || (r = sd_bus_message_peek_type(message, NULL, &contents)) < 0)
        return r;
    const struct field *field = find_field(property);
    if (!field || strcmp(contents, signatures[field->kind]) != 0)
        return sd_bus_message_skip(message, "v");
    if ((r = sd_bus_message_enter_container(message, 'v', contents)) < 0 ||
        (r = read_field(message, field, account)) < 0)
        return r;
    return sd_bus_message_exit_container(message);
}

/* The a{sv} of one interface. */
static int read_properties(sd_bus_message *message, struct account *account)
{
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0)
        if ((r = read_property(message, account)) >= 0)
            r = sd_bus_message_exit_container(message);
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_interface(sd_bus_message *message, struct account *account)
{
    const char *interface;
    int r = sd_bus_message_read(message, "s", &interface);
    if (r < 0)
        return r;
    if (strcmp(interface, CLIENT_SNAPSHOTS) != 0)
        return sd_bus_message_skip(message, "a{sv}");
    return read_properties(message, account);
}

/* The a{sa{sv}} of one object. */
static int read_interfaces(sd_bus_message *message, struct account *account)
{
    int r = sd_bus_message_enter_container(message, 'a', "{sa{sv}}");
    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sa{sv}")) > 0)
        if ((r = read_interface(message, account)) >= 0)
            r = sd_bus_message_exit_container(message);
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

struct list {
    struct account *items;
    size_t n_items;
    size_t n_allocated;
};

static int add_account(struct list *list, const struct account *account)
{
    if (list->n_items == list->n_allocated) {
        size_t n = list->n_allocated ? list->n_allocated * 2 : 16;
        struct account *items = reallocarray(list->items, n, sizeof(*items));
        if (!items)
            return -ENOMEM;
        list->items = items;
        list->n_allocated = n;
    }
    list->items[list->n_items++] = *account;
    return 0;
}

/* One {oa{sa{sv}}}, entered. What is no snapshot has no name: the manager's own object. */
static int read_object(sd_bus_message *message, struct list *list)
{
    struct account account = {.has_rate = true, .seconds_left = -1, .action.progress_percent = -1};
    const char *path;
    int r = sd_bus_message_read(message, "o", &path);
    if (r >= 0)
        r = read_interfaces(message, &account);
    if (r >= 0 && account.name && (r = add_account(list, &account)) >= 0)
        return 0;
    account_done(&account);
    return r;
}

int account_message_read(sd_bus_message *message, struct account **ret_accounts, size_t *ret_n_accounts)
{
    struct list list = {0};
    int r = sd_bus_message_enter_container(message, 'a', "{oa{sa{sv}}}");
    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "oa{sa{sv}}")) > 0)
        if ((r = read_object(message, &list)) >= 0)
            r = sd_bus_message_exit_container(message);
    if (r < 0) {
        accounts_free(list.items, list.n_items);
        return r;
    }
    *ret_accounts = list.items;
    *ret_n_accounts = list.n_items;
    return 0;
}
