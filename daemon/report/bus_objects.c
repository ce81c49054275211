#include "bus_objects.h"
#include "bus_name.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INTERFACE BUS_NAME ".Snapshot"

/* ---- properties */

#define GETTER(name)                                                                                         \
    static int name(sd_bus *bus, const char *path, const char *interface, const char *property,              \
                    sd_bus_message *reply, void *data, sd_bus_error *error)

GETTER(get_text)
{
    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    return bus_append_text(reply, *(char **)data);
}

GETTER(get_bytes)
{
    const char *text = *(char **)data;
    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append_array(reply, 'y', text, strlen(text));
}

GETTER(get_bool)
{
    int value = *(bool *)data;
    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append_basic(reply, 'b', &value);
}

static int append_rung(sd_bus_message *reply, const struct account_rung *rung)
{
    int fired = rung->fired, r = sd_bus_message_open_container(reply, 'r', "sbss");
    if (r >= 0)
        r = bus_append_text(reply, rung->text);
    if (r >= 0)
        r = sd_bus_message_append_basic(reply, 'b', &fired);
    if (r >= 0)
        r = bus_append_text(reply, rung->in_time);
    if (r >= 0)
        r = bus_append_text(reply, rung->reason);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_rungs)
{
    const struct account *account = data;
    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    int r = sd_bus_message_open_container(reply, 'a', "(sbss)");
    for (size_t i = 0; i < account->n_rungs && r >= 0; i++)
        r = append_rung(reply, &account->rungs[i]);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_action)
{
    const struct account_action *action = data;
    const char *texts[] = {action->kind, action->phase, action->rung, action->reason};
    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    int r = sd_bus_message_open_container(reply, 'r', "ssssd");
    for (size_t i = 0; i < 4 && r >= 0; i++)
        r = bus_append_text(reply, texts[i]);
    if (r >= 0)
        r = sd_bus_message_append_basic(reply, 'd', &action->progress_percent);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

#define PROPERTY(name, signature, get, member)                                                               \
    SD_BUS_PROPERTY(name, signature, get, offsetof(struct account, member),                                  \
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
#define WHOLE_PROPERTY(name, signature, get)                                                                 \
    SD_BUS_PROPERTY(name, signature, get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    PROPERTY("Name", "s", get_text, name),
    PROPERTY("RawName", "ay", get_bytes, name),
    PROPERTY("UUID", "s", get_text, uuid),
    PROPERTY("Major", "u", NULL, major),
    PROPERTY("Minor", "u", NULL, minor),
    PROPERTY("StartSectors", "t", NULL, start_sectors),
    PROPERTY("Role", "s", get_text, role),
    PROPERTY("State", "s", get_text, state),
    PROPERTY("Origin", "s", get_text, origin),
    PROPERTY("OriginDevice", "s", get_text, origin_device),
    PROPERTY("Store", "s", get_text, store),
    PROPERTY("StoreDevice", "s", get_text, store_device),
    PROPERTY("HasUsage", "b", get_bool, has_usage),
    PROPERTY("UsedSectors", "t", NULL, used_sectors),
    PROPERTY("TotalSectors", "t", NULL, total_sectors),
    PROPERTY("MetadataSectors", "t", NULL, metadata_sectors),
    PROPERTY("ChunkSectors", "u", NULL, chunk_sectors),
    PROPERTY("ChunksLeft", "t", NULL, chunks_left),
    PROPERTY("FreeBytes", "t", NULL, free_bytes),
    PROPERTY("UsedPercent", "d", NULL, used_percent),
    PROPERTY("FillRateBytes", "t", NULL, fill_rate_bytes),
    PROPERTY("SecondsLeft", "d", NULL, seconds_left),
    PROPERTY("Section", "s", get_text, section),
    WHOLE_PROPERTY("Rungs", "a(sbss)", get_rungs),
    PROPERTY("NextRung", "s", get_text, next_rung),
    PROPERTY("Guarantee", "s", get_text, guarantee),
    PROPERTY("GuaranteeReason", "s", get_text, guarantee_reason),
    PROPERTY("Action", "(ssssd)", get_action, action),
    PROPERTY("HeldUntil", "t", NULL, held_until_usec),
    /* Another one at each look: asked for, never told. */
    SD_BUS_PROPERTY("LookedAt", "t", NULL, offsetof(struct account, looked_usec), 0),
    PROPERTY("Counted", "b", get_bool, is_counted),
    SD_BUS_VTABLE_END,
};

#define PROPERTIES_MAX (sizeof(vtable) / sizeof(vtable[0]))

/* ---- what has changed */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_rungs(const struct account *a, const struct account *b)
{
    if (a->n_rungs != b->n_rungs)
        return false;
    for (size_t i = 0; i < a->n_rungs; i++)
        if (a->rungs[i].fired != b->rungs[i].fired || !same_text(a->rungs[i].text, b->rungs[i].text) ||
            !same_text(a->rungs[i].in_time, b->rungs[i].in_time) ||
            !same_text(a->rungs[i].reason, b->rungs[i].reason))
            return false;
    return true;
}

static bool same_action(const struct account_action *a, const struct account_action *b)
{
    return same_text(a->kind, b->kind) && same_text(a->phase, b->phase) && same_text(a->rung, b->rung) &&
           same_text(a->reason, b->reason) && a->progress_percent == b->progress_percent;
}

static bool same_value(const sd_bus_vtable *entry, const struct account *a, const struct account *b)
{
    const void *left = (const char *)a + entry->x.property.offset;
    const void *right = (const char *)b + entry->x.property.offset;
    switch (entry->x.property.signature[0]) {
    case 's':
        return same_text(*(char *const *)left, *(char *const *)right);
    case 'b':
        return *(const bool *)left == *(const bool *)right;
    case 'u':
        return *(const uint32_t *)left == *(const uint32_t *)right;
    case 't':
        return *(const uint64_t *)left == *(const uint64_t *)right;
    case 'd':
        return *(const double *)left == *(const double *)right;
    case '(':
        return same_action(left, right);
    default: /* the arrays: RawName, which is in the path, and the rungs */
        return entry->x.property.get != get_rungs || same_rungs(left, right);
    }
}

/* The names of what is another, ended by NULL. */
static size_t list_changed(const struct account *a, const struct account *b,
                           char *names[static PROPERTIES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < PROPERTIES_MAX; i++)
        if (vtable[i].type == _SD_BUS_VTABLE_PROPERTY &&
            vtable[i].flags & SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE && !same_value(&vtable[i], a, b))
            names[n++] = (char *)vtable[i].x.property.member;
    names[n] = NULL;
    return n;
}

/* ---- the objects */

static size_t place_of(const struct bus_objects *objects, const char *path)
{
    size_t low = 0, high = objects->n_items;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(objects->items[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct bus_object *find(const struct bus_objects *objects, const char *path)
{
    size_t i = place_of(objects, path);
    bool is_there = i < objects->n_items && strcmp(objects->items[i].path, path) == 0;
    return is_there ? &objects->items[i] : NULL;
}

static int on_find(sd_bus *bus, const char *path, const char *interface, void *user, void **ret_found,
                   sd_bus_error *error)
{
    struct bus_object *object = find(user, path);
    (void)bus, (void)interface, (void)error;
    if (!object)
        return 0;
    *ret_found = &object->account;
    return 1;
}

static int on_list(sd_bus *bus, const char *prefix, void *user, char ***ret_nodes, sd_bus_error *error)
{
    const struct bus_objects *objects = user;
    (void)bus, (void)prefix, (void)error;
    char **nodes = calloc(objects->n_items + 1, sizeof(*nodes));
    if (!nodes)
        return -ENOMEM;
    for (size_t i = 0; i < objects->n_items; i++) {
        nodes[i] = strdup(objects->items[i].path);
        if (nodes[i])
            continue;
        while (i-- > 0)
            free(nodes[i]);
        free(nodes);
        return -ENOMEM;
    }
    *ret_nodes = nodes;
    return 0;
}

int bus_objects_attach(struct bus_objects *objects, sd_bus *bus)
{
    int r = sd_bus_add_fallback_vtable(bus, NULL, BUS_SNAPSHOTS, INTERFACE, vtable, on_find, objects);
    if (r >= 0)
        r = sd_bus_add_node_enumerator(bus, NULL, BUS_SNAPSHOTS, on_list, objects);
    if (r >= 0)
        r = sd_bus_add_object_manager(bus, NULL, BUS_PATH);
    if (r < 0)
        return r;
    objects->bus = bus;
    objects->told = false;
    return 0;
}

void bus_objects_detach(struct bus_objects *objects)
{
    objects->bus = NULL;
}

static bool tells(const struct bus_objects *objects)
{
    return objects->bus && objects->told;
}

static void object_done(struct bus_object *object)
{
    account_done(&object->account);
    free(object->path);
}

static struct bus_object *add(struct bus_objects *objects, char *path)
{
    size_t place = place_of(objects, path);
    if (objects->n_items == objects->n_allocated) {
        size_t n = objects->n_allocated ? 2 * objects->n_allocated : 16;
        struct bus_object *items = reallocarray(objects->items, n, sizeof(*items));
        if (!items)
            return NULL;
        objects->items = items;
        objects->n_allocated = n;
    }
    struct bus_object *object = &objects->items[place];
    memmove(object + 1, object, (objects->n_items - place) * sizeof(*object));
    objects->n_items++;
    *object = (struct bus_object){.path = path, .seen = true};
    return object;
}

static int put_new(struct bus_objects *objects, char *path, struct account *account, uint64_t stamp)
{
    struct bus_object *object = add(objects, path);
    if (!object) {
        free(path);
        account_done(account);
        return -ENOMEM;
    }
    object->account = *account;
    object->stamp = stamp;
    return tells(objects) ? sd_bus_emit_object_added(objects->bus, path) : 0;
}

static int put_known(struct bus_objects *objects, struct bus_object *object, struct account *account,
                     uint64_t stamp)
{
    char *names[PROPERTIES_MAX];
    size_t n = list_changed(&object->account, account, names);
    account_done(&object->account);
    object->account = *account;
    object->stamp = stamp;
    object->seen = true;
    if (n == 0 || !tells(objects))
        return 0;
    return sd_bus_emit_properties_changed_strv(objects->bus, object->path, INTERFACE, names);
}

/* Of two that would have one path (a device is called "x@64", and there is a target at 64 of "x") the first is seen. */
int bus_objects_put(struct bus_objects *objects, struct account *account, uint64_t stamp)
{
    char *path = bus_path_of(account->name, account->start_sectors);
    struct bus_object *object = path ? find(objects, path) : NULL;
    int r = path ? 0 : -ENOMEM;
    if (path && !object) {
        r = put_new(objects, path, account, stamp);
    } else if (object && !object->seen) {
        r = put_known(objects, object, account, stamp);
        free(path);
    } else {
        account_done(account);
        free(path);
    }
    *account = (struct account){0};
    return r;
}

bool bus_objects_keep(struct bus_objects *objects, const char *name, uint64_t start_sectors, uint64_t stamp)
{
    char *path = bus_path_of(name, start_sectors);
    struct bus_object *object = path ? find(objects, path) : NULL;
    bool is_current = object && stamp && object->stamp == stamp;
    if (is_current)
        object->seen = true;
    free(path);
    return is_current;
}

/* The one before may not have come to its end. */
void bus_objects_begin_round(struct bus_objects *objects)
{
    for (size_t i = 0; i < objects->n_items; i++)
        objects->items[i].seen = false;
}

/* It is told of while it can still be found. */
void bus_objects_end_round(struct bus_objects *objects)
{
    for (size_t i = 0; i < objects->n_items; i++)
        if (!objects->items[i].seen && tells(objects))
            sd_bus_emit_object_removed(objects->bus, objects->items[i].path);
    size_t kept = 0;
    for (size_t i = 0; i < objects->n_items; i++) {
        struct bus_object *object = &objects->items[i];
        if (object->seen)
            objects->items[kept++] = *object;
        else
            object_done(object);
    }
    objects->n_items = kept;
    objects->told = true;
}

const char *bus_objects_path_of(const struct bus_objects *objects, const char *name)
{
    for (size_t i = 0; i < objects->n_items; i++)
        if (strcmp(objects->items[i].account.name, name) == 0)
            return objects->items[i].path;
    return NULL;
}

void bus_objects_done(struct bus_objects *objects)
{
    for (size_t i = 0; i < objects->n_items; i++)
        object_done(&objects->items[i]);
    free(objects->items);
    *objects = (struct bus_objects){0};
}
