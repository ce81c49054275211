#include "bus_manager.h"
#include "bus_name.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERFACE   BUS_NAME ".Manager"
#define ERROR(name) BUS_NAME ".Error." name

#define NAME_MAX_BYTES   (4 * 128) /* a dm name of 127 bytes, all of them as \xNN */
#define AMOUNT_MAX_BYTES 64

/* ---- properties */

static int on_property(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *data, sd_bus_error *error)
{
    const struct bus_manager *manager = data;
    struct bus_facts facts = {0};
    (void)bus, (void)path, (void)interface, (void)error;
    manager->service->facts(&facts, manager->service->user);
    int dry_run = facts.dry_run;
    if (strcmp(property, "Version") == 0)
        return sd_bus_message_append_basic(reply, 's', COWHERD_VERSION);
    if (strcmp(property, "Status") == 0)
        return bus_append_text(reply, facts.status);
    if (strcmp(property, "ConfigurationError") == 0)
        return bus_append_text(reply, facts.configuration_error);
    if (strcmp(property, "ConfigurationFile") == 0)
        return bus_append_text(reply, facts.configuration_file);
    if (strcmp(property, "Snapshots") == 0)
        return sd_bus_message_append_basic(reply, 'u', &facts.n_snapshots);
    return sd_bus_message_append_basic(reply, 'b', &dry_run);
}

/* ---- orders */

static const struct order_kind {
    const char *member;
    const char *action; /* polkit's */
    enum bus_order_kind kind;
    const char *arguments;
} order_kinds[] = {
    {"Reload", BUS_NAME ".reload", BUS_ORDER_RELOAD, ""},
    {"Extend", BUS_NAME ".extend", BUS_ORDER_EXTEND, "ssb"},
    {"Merge", BUS_NAME ".merge", BUS_ORDER_MERGE, "sb"},
    {"Drop", BUS_NAME ".drop", BUS_ORDER_DROP, "sb"},
    {"Hold", BUS_NAME ".hold", BUS_ORDER_HOLD, "stb"},
    {"Release", BUS_NAME ".hold", BUS_ORDER_RELEASE, "sb"},
};

static const struct order_kind *kind_of(sd_bus_message *call)
{
    const char *member = sd_bus_message_get_member(call);
    for (size_t i = 0; i < sizeof(order_kinds) / sizeof(order_kinds[0]); i++)
        if (strcmp(order_kinds[i].member, member) == 0)
            return &order_kinds[i];
    return NULL;
}

static int read_order(sd_bus_message *call, const struct order_kind *kind, struct bus_order *ret_order)
{
    struct bus_order order = {.kind = kind->kind, .name = "", .amount = ""};
    int dry_run = 0, r = sd_bus_message_rewind(call, true);
    for (const char *type = kind->arguments; *type && r >= 0; type++) {
        if (*type == 't')
            r = sd_bus_message_read_basic(call, 't', &order.seconds);
        else if (*type == 'b')
            r = sd_bus_message_read_basic(call, 'b', &dry_run);
        else
            r = sd_bus_message_read_basic(call, 's', type == kind->arguments ? &order.name : &order.amount);
    }
    order.dry_run = dry_run;
    if (r >= 0)
        *ret_order = order;
    return r;
}

static int reply_error(sd_bus_message *call, int error, const char *said)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {
        {-ENOENT, ERROR("NoSuchSnapshot")},
        {-EINVAL, ERROR("BadAmount")},
        {-EBUSY, ERROR("Busy")},
        {-EPERM, ERROR("Refused")},
        {-ENOMEM, SD_BUS_ERROR_NO_MEMORY},
        {-EBADMSG, ERROR("BadConfiguration")},
    };
    const char *name = SD_BUS_ERROR_FAILED;
    char *copy = NULL;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].error == error)
            name = names[i].name;
    const char *sentence = bus_utf8(*said ? said : strerror(-error), &copy);
    int r = sd_bus_reply_method_errorf(call, name, "%s", sentence ? sentence : "");
    free(copy);
    return r;
}

static int reply_said(sd_bus_message *call, const char *said)
{
    sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = bus_append_text(reply, said);
    if (r >= 0)
        r = sd_bus_message_send(reply);
    sd_bus_message_unref(reply);
    return r;
}

static void carry_out(sd_bus_message *call, const char *who, void *user)
{
    const struct bus_manager *manager = user;
    const struct order_kind *kind = kind_of(call);
    struct bus_order order;
    char said[BUS_SAID_MAX] = "";
    int r = read_order(call, kind, &order);
    if (r < 0)
        goto failed;
    order.who = who;
    r = manager->service->order(&order, said, manager->service->user);
    if (r < 0)
        goto failed;
    if (kind->kind == BUS_ORDER_RELOAD)
        sd_bus_reply_method_return(call, NULL);
    else
        reply_said(call, said);
    return;
failed:
    reply_error(call, r, said);
}

/* Also a dry run: it has the kernel asked anew, every time. */
static int on_order(sd_bus_message *call, void *user, sd_bus_error *error)
{
    struct bus_manager *manager = user;
    const struct order_kind *kind = kind_of(call);
    struct bus_order order;
    (void)error;
    int r = read_order(call, kind, &order);
    if (r < 0)
        return r;
    if (strlen(order.name) > NAME_MAX_BYTES || strlen(order.amount) > AMOUNT_MAX_BYTES)
        return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_INVALID_ARGS, "An argument is too long.");
    return bus_permissions_ask(&manager->permissions, call, kind->action, order.name);
}

/* ---- explain */

static int append_rungs(sd_bus_message *reply, const struct explanation *explanation)
{
    int r = sd_bus_message_open_container(reply, 'a', "(sssss)");
    for (size_t i = 0; i < explanation->n_rungs && r >= 0; i++) {
        const struct explanation_rung *rung = &explanation->rungs[i];
        const char *texts[] = {rung->text, rung->state, rung->would, rung->in_time, rung->reason};
        r = sd_bus_message_open_container(reply, 'r', "sssss");
        for (size_t j = 0; j < 5 && r >= 0; j++)
            r = bus_append_text(reply, texts[j]);
        if (r >= 0)
            r = sd_bus_message_close_container(reply);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int reply_explanation(sd_bus_message *call, const struct explanation *explanation)
{
    sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = bus_append_text(reply, explanation->section);
    if (r >= 0)
        r = bus_append_text(reply, explanation->guarantee);
    if (r >= 0)
        r = bus_append_text(reply, explanation->reason);
    if (r >= 0)
        r = append_rungs(reply, explanation);
    if (r >= 0)
        r = sd_bus_message_send(reply);
    sd_bus_message_unref(reply);
    return r;
}

static int reply_unknown(sd_bus_message *call, const char *name)
{
    char text[EVENT_NAME_MAX], said[BUS_SAID_MAX];
    snprintf(said, sizeof(said), "There is no snapshot %s.", event_text_name(name, text));
    return reply_error(call, -ENOENT, said);
}

static int on_explain(sd_bus_message *call, void *user, sd_bus_error *error)
{
    const struct bus_manager *manager = user;
    struct explanation explanation = {0};
    const char *name;
    (void)error;
    int r = sd_bus_message_read(call, "s", &name);
    if (r < 0)
        return r;
    if (strlen(name) > NAME_MAX_BYTES)
        return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_INVALID_ARGS, "An argument is too long.");
    r = manager->service->explain(name, &explanation, manager->service->user);
    if (r == -ENOENT)
        return reply_unknown(call, name);
    if (r < 0)
        return r;
    r = reply_explanation(call, &explanation);
    explanation_done(&explanation);
    return r < 0 ? r : 1;
}

/* ---- the vtable. Every method may be called by everybody: who may have it carried out is asked then. */

#define EVERYBODY SD_BUS_VTABLE_UNPRIVILEGED

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Version", "s", on_property, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Status", "s", on_property, 0, 0),
    SD_BUS_PROPERTY("Snapshots", "u", on_property, 0, 0),
    SD_BUS_PROPERTY("DryRun", "b", on_property, 0, 0),
    SD_BUS_PROPERTY("ConfigurationError", "s", on_property, 0, 0),
    SD_BUS_PROPERTY("ConfigurationFile", "s", on_property, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_order, EVERYBODY),
    SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("s", name),
                            SD_BUS_RESULT("s", section, "s", guarantee, "s", reason, "a(sssss)", rungs),
                            on_explain, EVERYBODY),
    SD_BUS_METHOD_WITH_ARGS("Extend", SD_BUS_ARGS("s", name, "s", amount, "b", dry_run),
                            SD_BUS_RESULT("s", said), on_order, EVERYBODY),
    SD_BUS_METHOD_WITH_ARGS("Merge", SD_BUS_ARGS("s", name, "b", dry_run), SD_BUS_RESULT("s", said), on_order,
                            EVERYBODY),
    SD_BUS_METHOD_WITH_ARGS("Drop", SD_BUS_ARGS("s", name, "b", dry_run), SD_BUS_RESULT("s", said), on_order,
                            EVERYBODY),
    SD_BUS_METHOD_WITH_ARGS("Hold", SD_BUS_ARGS("s", name, "t", seconds, "b", dry_run),
                            SD_BUS_RESULT("s", said), on_order, EVERYBODY),
    SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("s", name, "b", dry_run), SD_BUS_RESULT("s", said),
                            on_order, EVERYBODY),
    SD_BUS_SIGNAL_WITH_ARGS("RungCrossed",
                            SD_BUS_ARGS("o", snapshot, "s", name, "s", rung, "d", used_percent), 0),
    SD_BUS_SIGNAL_WITH_ARGS("ActionDone",
                            SD_BUS_ARGS("o", snapshot, "s", name, "s", action, "s", rung, "t", took_usec), 0),
    SD_BUS_SIGNAL_WITH_ARGS("ActionFailed",
                            SD_BUS_ARGS("o", snapshot, "s", name, "s", action, "s", rung, "s", reason), 0),
    SD_BUS_SIGNAL_WITH_ARGS("Lost", SD_BUS_ARGS("o", snapshot, "s", name, "s", reason), 0),
    SD_BUS_VTABLE_END,
};

int bus_manager_attach(struct bus_manager *manager, sd_bus *bus)
{
    int r = sd_bus_add_object_vtable(bus, NULL, BUS_PATH, INTERFACE, vtable, manager);
    if (r < 0)
        return r;
    manager->permissions = (struct bus_permissions){.bus = bus, .granted = carry_out, .user = manager};
    return 0;
}

void bus_manager_detach(struct bus_manager *manager)
{
    bus_permissions_done(&manager->permissions);
}

/* ---- signals */

/* Hooks are told of by the rung that runs them. */
static bool is_of_a_change(const struct event *event)
{
    const char *action = event->action ? event->action : "";
    return strcmp(action, action_kind_name(ACTION_EXTEND)) == 0 ||
           strcmp(action, action_kind_name(ACTION_MERGE)) == 0 ||
           strcmp(action, action_kind_name(ACTION_DROP)) == 0;
}

static const char *signal_of(const struct event *event)
{
    switch (event->kind) {
    case EVENT_RUNG:
        return "RungCrossed";
    case EVENT_ACTION_DONE:
        return is_of_a_change(event) ? "ActionDone" : NULL;
    case EVENT_ACTION_FAILED:
        return is_of_a_change(event) ? "ActionFailed" : NULL;
    case EVENT_LOST:
        return "Lost";
    default:
        return NULL;
    }
}

static int append_event(sd_bus_message *signal, const struct event *event)
{
    double percent = event->has_sample ? sample_used_centipercent(&event->sample) / 100.0 : -1;
    int r = 0;
    if (event->kind == EVENT_LOST)
        return bus_append_text(signal, event->result);
    if (event->kind != EVENT_RUNG)
        r = bus_append_text(signal, event->action);
    if (r >= 0)
        r = bus_append_text(signal, event->rung);
    if (r < 0)
        return r;
    if (event->kind == EVENT_RUNG)
        return sd_bus_message_append_basic(signal, 'd', &percent);
    if (event->kind == EVENT_ACTION_DONE)
        return sd_bus_message_append_basic(signal, 't', &event->took_usec);
    return bus_append_text(signal, event->result);
}

int bus_manager_signal(sd_bus *bus, const struct event *event, const char *path)
{
    const char *name = signal_of(event);
    sd_bus_message *signal = NULL;
    if (!name || !event->snapshot)
        return 0;
    int r = sd_bus_message_new_signal(bus, &signal, BUS_PATH, INTERFACE, name);
    if (r >= 0)
        r = sd_bus_message_append_basic(signal, 'o', path);
    if (r >= 0)
        r = bus_append_text(signal, event->snapshot);
    if (r >= 0)
        r = append_event(signal, event);
    if (r >= 0)
        r = sd_bus_send(bus, signal, NULL);
    sd_bus_message_unref(signal);
    return r;
}
