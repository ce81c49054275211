#include "fake_service.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE  "org.cowherd.Herd1"
#define ROOT     "/org/cowherd/Herd1"
#define PREFIX   ROOT "/snapshot"
#define MANAGER  SERVICE ".Manager"
#define SNAPSHOT SERVICE ".Snapshot"
#define ORDER    "order of root"

static sd_bus *bus;
static bool hangs, garbles;
static char configuration_file[TEXT_MAX];

/* As the property Name has it: what is not UTF-8 as \xNN. Good enough for names of tests: any byte from 0xf5 on. */
static const char *bus_name(const char *name)
{
    static char text[4 * TEXT_MAX];
    size_t n = 0;
    for (; *name; name++) {
        if ((unsigned char)*name >= 0xf5)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "\\x%02x", (unsigned char)*name);
        else
            text[n++] = *name;
    }
    text[n] = '\0';
    return text;
}

static char *path_of(const struct snapshot *snapshot)
{
    char *path;
    int r = sd_bus_path_encode(PREFIX, snapshot->name, &path);
    if (r < 0)
        die("path", r);
    return path;
}

/* ---- properties */

static int get_name(sd_bus *b, const char *p, const char *i, const char *property, sd_bus_message *reply,
                    void *user, sd_bus_error *e)
{
    struct snapshot *snapshot = user;
    (void)b, (void)p, (void)i, (void)property, (void)e;
    return sd_bus_message_append(reply, "s", bus_name(snapshot->name));
}

static int get_raw_name(sd_bus *b, const char *p, const char *i, const char *property, sd_bus_message *reply,
                        void *user, sd_bus_error *e)
{
    struct snapshot *snapshot = user;
    (void)b, (void)p, (void)i, (void)property, (void)e;
    return sd_bus_message_append_array(reply, 'y', snapshot->name, strlen(snapshot->name));
}

static int get_text(sd_bus *b, const char *p, const char *i, const char *property, sd_bus_message *reply,
                    void *user, sd_bus_error *e)
{
    (void)b, (void)p, (void)i, (void)property, (void)e;
    return sd_bus_message_append(reply, "s", (const char *)user);
}

static int get_rungs(sd_bus *b, const char *p, const char *i, const char *property, sd_bus_message *reply,
                     void *user, sd_bus_error *e)
{
    struct snapshot *snapshot = user;
    (void)b, (void)p, (void)i, (void)property, (void)e;
    int r = sd_bus_message_open_container(reply, 'a', "(sbss)");
    for (size_t j = 0; j < snapshot->n_rungs && r >= 0; j++)
        r = sd_bus_message_append(reply, "(sbss)", snapshot->rungs[j].text, snapshot->rungs[j].fired,
                                  snapshot->rungs[j].in_time, snapshot->rungs[j].reason);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_action(sd_bus *b, const char *p, const char *i, const char *property, sd_bus_message *reply,
                      void *user, sd_bus_error *e)
{
    struct snapshot *s = user;
    (void)b, (void)p, (void)i, (void)property, (void)e;
    return sd_bus_message_append(reply, "(ssssd)", s->action, s->phase, s->action_rung, s->action_reason,
                                 s->progress);
}

static int get_count(sd_bus *b, const char *p, const char *i, const char *property, sd_bus_message *reply,
                     void *user, sd_bus_error *e)
{
    (void)b, (void)p, (void)i, (void)property, (void)user, (void)e;
    return sd_bus_message_append(reply, "u", (uint32_t)n_snapshots);
}

static int get_constant(sd_bus *b, const char *p, const char *i, const char *property, sd_bus_message *reply,
                        void *user, sd_bus_error *e)
{
    (void)b, (void)p, (void)i, (void)user, (void)e;
    return sd_bus_message_append(reply, "s", strcmp(property, "Version") == 0 ? "fake" : "");
}

static int get_configuration_file(sd_bus *b, const char *p, const char *i, const char *property,
                                  sd_bus_message *reply, void *user, sd_bus_error *e)
{
    (void)b, (void)p, (void)i, (void)property, (void)user, (void)e;
    return sd_bus_message_append(reply, "s", configuration_file);
}

void service_read_file(const char *path)
{
    snprintf(configuration_file, sizeof(configuration_file), "%s", path);
}

static int get_dry_run(sd_bus *b, const char *p, const char *i, const char *property, sd_bus_message *reply,
                       void *user, sd_bus_error *e)
{
    (void)b, (void)p, (void)i, (void)property, (void)user, (void)e;
    return sd_bus_message_append(reply, "b", 0);
}

#define PROPERTY_TEXT(name, member)                                                                          \
    SD_BUS_PROPERTY(name, "s", get_text, offsetof(struct snapshot, member),                                  \
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
#define PROPERTY(name, type, member)                                                                         \
    SD_BUS_PROPERTY(name, type, NULL, offsetof(struct snapshot, member), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

static const sd_bus_vtable snapshot_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Name", "s", get_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("RawName", "ay", get_raw_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    PROPERTY_TEXT("UUID", uuid),
    PROPERTY("Major", "u", major),
    PROPERTY("Minor", "u", minor),
    PROPERTY("StartSectors", "t", start_sectors),
    PROPERTY_TEXT("Role", role),
    PROPERTY_TEXT("State", state),
    PROPERTY_TEXT("Origin", origin),
    PROPERTY_TEXT("OriginDevice", origin_device),
    PROPERTY_TEXT("Store", store),
    PROPERTY_TEXT("StoreDevice", store_device),
    PROPERTY("HasUsage", "b", has_usage),
    PROPERTY("UsedSectors", "t", used_sectors),
    PROPERTY("TotalSectors", "t", total_sectors),
    PROPERTY("MetadataSectors", "t", metadata_sectors),
    PROPERTY("ChunkSectors", "u", chunk_sectors),
    PROPERTY("ChunksLeft", "t", chunks_left),
    PROPERTY("FreeBytes", "t", free_bytes),
    PROPERTY("UsedPercent", "d", used_percent),
    PROPERTY("FillRateBytes", "t", fill_rate_bytes),
    PROPERTY("SecondsLeft", "d", seconds_left),
    PROPERTY_TEXT("Section", section),
    SD_BUS_PROPERTY("Rungs", "a(sbss)", get_rungs, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    PROPERTY_TEXT("NextRung", next_rung),
    PROPERTY_TEXT("Guarantee", guarantee),
    PROPERTY_TEXT("GuaranteeReason", guarantee_reason),
    SD_BUS_PROPERTY("Action", "(ssssd)", get_action, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    PROPERTY("HeldUntil", "t", held_until),
    PROPERTY("LookedAt", "t", looked_at),
    PROPERTY("Counted", "b", counted),
    /* What a newer daemon may say. */
    SD_BUS_PROPERTY("Colour", "s", get_constant, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END,
};

void service_changed(const struct snapshot *snapshot, const char *property)
{
    char *path = path_of(snapshot);
    sd_bus_emit_properties_changed(bus, path, SNAPSHOT, property, NULL);
    free(path);
}

static const sd_bus_vtable *find_property(const char *name)
{
    for (const sd_bus_vtable *v = snapshot_vtable; v->type != _SD_BUS_VTABLE_END; v++)
        if (v->type == _SD_BUS_VTABLE_PROPERTY && strcmp(v->x.property.member, name) == 0)
            return v;
    return NULL;
}

static bool set_value(struct snapshot *snapshot, const char *property, const char *value)
{
    const sd_bus_vtable *entry = find_property(property);
    if (!entry)
        return false;
    char *to = (char *)snapshot + entry->x.property.offset;
    switch (entry->x.property.signature[0]) {
    case 's':
        snprintf(to, TEXT_MAX, "%s", value);
        return true;
    case 'u':
        *(uint32_t *)to = (uint32_t)strtoul(value, NULL, 10);
        return true;
    case 't':
        *(uint64_t *)to = strtoull(value, NULL, 10);
        return true;
    case 'd':
        *(double *)to = strtod(value, NULL);
        return true;
    case 'b':
        *(int *)to = strcmp(value, "yes") == 0;
        return true;
    default:
        return false;
    }
}

bool service_set(struct snapshot *snapshot, const char *property, const char *value)
{
    if (!set_value(snapshot, property, value))
        return false;
    service_changed(snapshot, property);
    return true;
}

/* ---- methods */

static int disturb(sd_bus_message *message, void *user, sd_bus_error *error)
{
    (void)user, (void)error;
    if (garbles && sd_bus_message_is_method_call(message, NULL, "GetManagedObjects"))
        return sd_bus_reply_method_return(message, "s", "garbled");
    return hangs; /* handled, and never answered */
}

void service_garble(void)
{
    garbles = true;
}

void service_hang(void)
{
    hangs = true;
}

int service_signal_end(const struct snapshot *snapshot, const char *action, const char *rung, bool failed)
{
    char *path = path_of(snapshot);
    rung = rung ? rung : ORDER;
    int r = failed ? sd_bus_emit_signal(bus, ROOT, MANAGER, "ActionFailed", "ossss", path,
                                        bus_name(snapshot->name), action, rung, "the volume group is full")
                   : sd_bus_emit_signal(bus, ROOT, MANAGER, "ActionDone", "ossst", path,
                                        bus_name(snapshot->name), action, rung, UINT64_C(1250000));
    free(path);
    return r;
}

static struct snapshot *find_by_bus_name(const char *name)
{
    for (size_t i = 0; i < n_snapshots; i++)
        if (strcmp(bus_name(snapshots[i]->name), name) == 0 || strcmp(snapshots[i]->uuid, name) == 0)
            return snapshots[i];
    return NULL;
}

static int refuse(const char *name, sd_bus_error *error)
{
    if (!find_by_bus_name(name))
        return sd_bus_error_setf(error, SERVICE ".Error.NoSuchSnapshot", "There is no snapshot %s.", name);
    if (strncmp(name, "busy", 4) == 0)
        return sd_bus_error_setf(error, SERVICE ".Error.Busy", "a merge of %s is under way", name);
    if (strncmp(name, "denied", 6) == 0)
        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED, "Permission denied");
    if (strcmp(name, "limited") == 0)
        return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "Too much is being asked for.");
    return 0;
}

static int answer(sd_bus_message *message, const char *name, const char *action, bool is_action, bool dry_run)
{
    char text[2 * TEXT_MAX];
    struct snapshot *snapshot = find_by_bus_name(name);
    snprintf(text, sizeof(text), "%s %s of %s.", dry_run ? "Would begin the" : "Began the", action, name);
    int r = sd_bus_reply_method_return(message, "s", text);
    if (r < 0 || dry_run || !is_action || strncmp(name, "slow", 4) == 0)
        return r;
    bool stands = strncmp(name, "retry", 5) == 0, fails = stands || strncmp(name, "fail", 4) == 0;
    snprintf(snapshot->action, TEXT_MAX, "%s", stands ? action : "");
    snprintf(snapshot->action_rung, TEXT_MAX, ORDER);
    r = service_signal_end(snapshot, action, NULL, fails);
    if (strcmp(name, "fail-gone") == 0)
        snapshots_remove(snapshot);
    return r;
}

static int extend(sd_bus_message *message, void *user, sd_bus_error *error)
{
    const char *name, *amount;
    int dry_run, r = sd_bus_message_read(message, "ssb", &name, &amount, &dry_run);
    (void)user;
    printf("call Extend %s %s %d\n", name, amount, dry_run);
    if (r >= 0 && (r = refuse(name, error)) == 0 && !strpbrk(amount, "%B"))
        r = sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "a size needs a unit: B, KiB, MiB, GiB, TiB");
    return r < 0 ? r : answer(message, name, "extend", true, dry_run);
}

static int merge_or_drop(sd_bus_message *message, void *user, sd_bus_error *error)
{
    const char *name, *member = sd_bus_message_get_member(message);
    int dry_run, r = sd_bus_message_read(message, "sb", &name, &dry_run);
    (void)user;
    printf("call %s %s %d\n", member, name, dry_run);
    if (r >= 0)
        r = refuse(name, error);
    return r < 0 ? r : answer(message, name, strcmp(member, "Merge") == 0 ? "merge" : "drop", true, dry_run);
}

static int hold(sd_bus_message *message, void *user, sd_bus_error *error)
{
    const char *name;
    uint64_t seconds;
    int dry_run, r = sd_bus_message_read(message, "stb", &name, &seconds, &dry_run);
    (void)user;
    printf("call Hold %s %llu %d\n", name, (unsigned long long)seconds, dry_run);
    if (r >= 0)
        r = refuse(name, error);
    return r < 0 ? r : answer(message, name, "hold", false, dry_run);
}

static int release(sd_bus_message *message, void *user, sd_bus_error *error)
{
    const char *name;
    int dry_run, r = sd_bus_message_read(message, "sb", &name, &dry_run);
    (void)user;
    printf("call Release %s %d\n", name, dry_run);
    if (r >= 0)
        r = refuse(name, error);
    return r < 0 ? r : answer(message, name, "release", false, dry_run);
}

/* Refused where a snapshot is called so. */
static int reload(sd_bus_message *message, void *user, sd_bus_error *error)
{
    (void)user;
    printf("call Reload\n");
    if (snapshots_find("bad-configuration"))
        return sd_bus_error_setf(error, SERVICE ".Error.BadConfiguration",
                                 "/etc/cowherd/cowherd.conf:3: a size needs a unit");
    return sd_bus_reply_method_return(message, "");
}

static int explain(sd_bus_message *message, void *user, sd_bus_error *error)
{
    const char *name;
    sd_bus_message *reply = NULL;
    int r = sd_bus_message_read(message, "s", &name);
    (void)user;
    if (r < 0 || (r = refuse(name, error)) < 0)
        return r;
    struct snapshot *snapshot = find_by_bus_name(name);
    bool guarded = snapshot->section[0];
    if ((r = sd_bus_message_new_method_return(message, &reply)) < 0 ||
        (r = sd_bus_message_append(reply, "sss",
                                   guarded ? "[snapshot *] of /etc/cowherd/cowherd.conf:12" : "",
                                   snapshot->guarantee, snapshot->guarantee_reason)) < 0 ||
        (r = sd_bus_message_open_container(reply, 'a', "(sssss)")) < 0)
        return r;
    for (size_t i = 0; i < snapshot->n_rungs && r >= 0; i++)
        r = sd_bus_message_append(reply, "(sssss)", snapshot->rungs[i].text,
                                  snapshot->rungs[i].fired ? "fired" : "armed", "it would do something",
                                  snapshot->rungs[i].in_time, snapshot->rungs[i].reason);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    if (r >= 0)
        r = sd_bus_send(bus, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

static const sd_bus_vtable manager_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Version", "s", get_constant, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Status", "s", get_constant, 0, 0),
    SD_BUS_PROPERTY("Snapshots", "u", get_count, 0, 0),
    SD_BUS_PROPERTY("DryRun", "b", get_dry_run, 0, 0),
    SD_BUS_PROPERTY("ConfigurationError", "s", get_constant, 0, 0),
    SD_BUS_PROPERTY("ConfigurationFile", "s", get_configuration_file, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_METHOD("Reload", "", "", reload, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Explain", "s", "sssa(sssss)", explain, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Extend", "ssb", "s", extend, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Merge", "sb", "s", merge_or_drop, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Drop", "sb", "s", merge_or_drop, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Hold", "stb", "s", hold, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Release", "sb", "s", release, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("RungCrossed", "ossd", 0),
    SD_BUS_SIGNAL("ActionDone", "ossst", 0),
    SD_BUS_SIGNAL("ActionFailed", "ossss", 0),
    SD_BUS_SIGNAL("Lost", "oss", 0),
    SD_BUS_VTABLE_END,
};

/* ---- objects */

void service_removed(const struct snapshot *snapshot)
{
    char *path = path_of(snapshot);
    sd_bus_emit_interfaces_removed(bus, path, SNAPSHOT, NULL);
    free(path);
}

static int find_object(sd_bus *b, const char *path, const char *interface, void *user, void **ret_found,
                       sd_bus_error *error)
{
    char *name = NULL;
    (void)b, (void)interface, (void)user, (void)error;
    int r = sd_bus_path_decode(path, PREFIX, &name);
    if (r <= 0)
        return r;
    /* By the number in it where there is one, so that a thousand are not searched a thousand times. */
    size_t hint = strncmp(name, "snap", 4) == 0 ? strtoul(name + 4, NULL, 10) : n_snapshots;
    struct snapshot *snapshot = hint < n_snapshots && strcmp(snapshots[hint]->name, name) == 0
                                    ? snapshots[hint]
                                    : snapshots_find(name);
    free(name);
    *ret_found = snapshot;
    return snapshot != NULL;
}

static int enumerate(sd_bus *b, const char *prefix, void *user, char ***ret_nodes, sd_bus_error *error)
{
    char **nodes = calloc(n_snapshots + 1, sizeof(*nodes));
    (void)b, (void)prefix, (void)user, (void)error;
    if (!nodes)
        return -ENOMEM;
    for (size_t i = 0; i < n_snapshots; i++)
        nodes[i] = path_of(snapshots[i]);
    *ret_nodes = nodes;
    return 0;
}

void service_publish(sd_bus *on_bus)
{
    int r;
    bus = on_bus;
    if ((r = sd_bus_add_filter(bus, NULL, disturb, NULL)) < 0 ||
        (r = sd_bus_add_object_vtable(bus, NULL, ROOT, MANAGER, manager_vtable, NULL)) < 0 ||
        (r = sd_bus_add_object_manager(bus, NULL, ROOT)) < 0 ||
        (r = sd_bus_add_fallback_vtable(bus, NULL, PREFIX, SNAPSHOT, snapshot_vtable, find_object, NULL)) <
            0 ||
        (r = sd_bus_add_node_enumerator(bus, NULL, PREFIX, enumerate, NULL)) < 0 ||
        (r = sd_bus_request_name(bus, SERVICE, 0)) < 0)
        die("publish", r);
}
