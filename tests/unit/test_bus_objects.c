/* bus_objects, bus_manager: over a connection of its own, what is there is what the document says, what has changed is told and
 * nothing else, and what is called reaches the daemon only from who may.
 */
#include "../../daemon/report/bus_manager.h"
#include "../../daemon/report/bus_name.h"
#include "../../daemon/report/bus_objects.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define DOCUMENT SOURCE_DIR "/conf/dbus/org.cowherd.Herd1.xml"
#define TURNS    2000

/* ---- the daemon at one end, a client at the other, who is also the bus and polkit */

struct fixture {
    sd_bus *server;
    sd_bus *client;
    struct bus_objects objects;
    struct bus_manager manager;
    struct bus_service service;
    struct bus_order order; /* the last that was carried out */
    char who[32];
    unsigned n_orders;
    int order_result;
    uint32_t uid; /* of the sender, as the bus says */
    bool authorized;
    bool no_polkit;
    char polkit_action[64];
    unsigned n_changed, n_added, n_removed;
    char changed[512]; /* the names of the last PropertiesChanged */
    sd_bus_message *reply;
};

static void turn(struct fixture *fixture)
{
    for (int i = 0; i < 20; i++) {
        sd_bus_process(fixture->server, NULL);
        sd_bus_process(fixture->client, NULL);
    }
}

static int take_order(const struct bus_order *order, char said[static BUS_SAID_MAX], void *user)
{
    struct fixture *fixture = user;
    fixture->order = *order;
    fixture->n_orders++;
    snprintf(fixture->who, sizeof(fixture->who), "%s", order->who);
    assert_string_equal(order->name, order->kind == BUS_ORDER_RELOAD ? "" : "snap");
    snprintf(said, BUS_SAID_MAX, "said \xff");
    return fixture->order_result;
}

static int take_explain(const char *name, struct explanation *ret_explanation, void *user)
{
    (void)name, (void)ret_explanation, (void)user;
    return -ENOENT;
}

static void take_facts(struct bus_facts *ret_facts, void *user)
{
    (void)user;
    *ret_facts = (struct bus_facts){.status = "fine", .n_snapshots = 3, .dry_run = true};
}

static void list_names(sd_bus_message *message, char *text, size_t size)
{
    const char *name;
    text[0] = '\0';
    assert_true(sd_bus_message_skip(message, "s") > 0);
    assert_true(sd_bus_message_enter_container(message, 'a', "{sv}") > 0);
    while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        assert_true(sd_bus_message_read(message, "s", &name) > 0);
        snprintf(text + strlen(text), size - strlen(text), "%s ", name);
        assert_true(sd_bus_message_skip(message, "v") > 0);
        sd_bus_message_exit_container(message);
    }
}

/* What the client hears, and what it answers in the place of the bus and of polkit. */
static int on_message(sd_bus_message *message, void *user, sd_bus_error *error)
{
    struct fixture *fixture = user;
    const char *text = "";
    (void)error;
    if (sd_bus_message_is_signal(message, NULL, "PropertiesChanged")) {
        fixture->n_changed++;
        list_names(message, fixture->changed, sizeof(fixture->changed));
    } else if (sd_bus_message_is_signal(message, NULL, "InterfacesAdded")) {
        fixture->n_added++;
    } else if (sd_bus_message_is_signal(message, NULL, "InterfacesRemoved")) {
        fixture->n_removed++;
    } else if (sd_bus_message_is_method_call(message, NULL, "GetConnectionCredentials")) {
        sd_bus_message_read(message, "s", &text);
        assert_string_equal(text, ":1.7");
        return sd_bus_reply_method_return(message, "a{sv}", 2, "ProcessID", "u", 1, "UnixUserID", "u",
                                          fixture->uid);
    } else if (sd_bus_message_is_method_call(message, NULL, "CheckAuthorization")) {
        if (fixture->no_polkit)
            return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_SERVICE_UNKNOWN, "none");
        sd_bus_message_skip(message, "(sa{sv})");
        sd_bus_message_read(message, "s", &text);
        snprintf(fixture->polkit_action, sizeof(fixture->polkit_action), "%s", text);
        return sd_bus_reply_method_return(message, "(bba{ss})", fixture->authorized, 0, 0);
    }
    return 0;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    int sockets[2];
    sd_id128_t id = SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, a, b, c, d, e, f, 10);
    fixture->service = (struct bus_service){
        .order = take_order, .explain = take_explain, .facts = take_facts, .user = fixture};
    fixture->manager.service = &fixture->service;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
    assert_true(sd_bus_new(&fixture->server) >= 0 && sd_bus_new(&fixture->client) >= 0);
    assert_true(sd_bus_set_fd(fixture->server, sockets[0], sockets[0]) >= 0);
    assert_true(sd_bus_set_server(fixture->server, true, id) >= 0);
    assert_true(sd_bus_set_fd(fixture->client, sockets[1], sockets[1]) >= 0);
    assert_true(bus_objects_attach(&fixture->objects, fixture->server) >= 0);
    assert_true(bus_manager_attach(&fixture->manager, fixture->server) >= 0);
    assert_true(sd_bus_add_filter(fixture->client, NULL, on_message, fixture) >= 0);
    assert_true(sd_bus_start(fixture->server) >= 0 && sd_bus_start(fixture->client) >= 0);
    for (int i = 0; i < TURNS && sd_bus_is_ready(fixture->client) <= 0; i++)
        turn(fixture);
    assert_true(sd_bus_is_ready(fixture->client) > 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sd_bus_message_unref(fixture->reply);
    bus_manager_detach(&fixture->manager);
    bus_objects_done(&fixture->objects);
    sd_bus_close_unref(fixture->server);
    sd_bus_close_unref(fixture->client);
    free(fixture);
    return 0;
}

static int on_reply(sd_bus_message *reply, void *user, sd_bus_error *error)
{
    struct fixture *fixture = user;
    (void)error;
    fixture->reply = sd_bus_message_ref(reply);
    return 0;
}

/* Sends, and takes turns until there is an answer. */
static sd_bus_message *send_call(struct fixture *fixture, sd_bus_message *call)
{
    fixture->reply = sd_bus_message_unref(fixture->reply);
    assert_true(sd_bus_message_set_sender(call, ":1.7") >= 0);
    assert_true(sd_bus_call_async(fixture->client, NULL, call, on_reply, fixture, 5000000) >= 0);
    sd_bus_message_unref(call);
    for (int i = 0; i < TURNS && !fixture->reply; i++)
        turn(fixture);
    assert_non_null(fixture->reply);
    return fixture->reply;
}

static sd_bus_message *new_call(struct fixture *fixture, const char *path, const char *interface,
                                const char *member)
{
    sd_bus_message *call = NULL;
    assert_true(sd_bus_message_new_method_call(fixture->client, &call, BUS_NAME, path, interface, member) >=
                0);
    return call;
}

static const char *error_of(sd_bus_message *reply)
{
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    return error ? error->name : "";
}

/* ---- accounts */

static struct account account_of(const char *name)
{
    return (struct account){
        .name = strdup(name), .role = strdup("live"), .total_sectors = 100, .seconds_left = -1};
}

static void put(struct fixture *fixture, struct account account, uint64_t stamp)
{
    assert_true(bus_objects_put(&fixture->objects, &account, stamp) >= 0);
}

static void put_round(struct fixture *fixture, struct account account)
{
    bus_objects_begin_round(&fixture->objects);
    put(fixture, account, 1);
    bus_objects_end_round(&fixture->objects);
    turn(fixture);
}

/* ---- the document */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One tag as its name and its attributes in their order of the alphabet. */
static void write_tag(char *tag, FILE *out)
{
    char *words[16], *rest = tag;
    size_t n = 0;
    for (char *word; (word = strsep(&rest, " \n")) && n < 16;)
        if (*word)
            words[n++] = word;
    qsort(words + 1, n - 1, sizeof(*words), by_text);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s ", words[i]);
    fprintf(out, "\n");
}

/* The tags of one interface, one a line, without what is no difference: layout, comments, ends. */
static char *tags_of(const char *document, const char *interface)
{
    char begin[128], *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    snprintf(begin, sizeof(begin), "<interface name=\"%s\">", interface);
    const char *at = strstr(document, begin);
    assert_non_null(at);
    while ((at = strchr(at, '<')) && strncmp(at, "</interface", 11) != 0) {
        const char *end = strncmp(at, "<!--", 4) == 0 ? strstr(at, "-->") : strchr(at, '>');
        char *tag = strndup(at + 1, (size_t)(end - at) - 1);
        if (tag[strlen(tag) - 1] == '/')
            tag[strlen(tag) - 1] = '\0';
        if (tag[0] != '/' && tag[0] != '!')
            write_tag(tag, out);
        free(tag);
        at = end;
    }
    fclose(out);
    return text;
}

static char *read_document(void)
{
    static char text[65536];
    FILE *file = fopen(DOCUMENT, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void compare(struct fixture *fixture, const char *path, const char *interface)
{
    const char *introspection;
    sd_bus_message *reply = send_call(
        fixture, new_call(fixture, path, "org.freedesktop.DBus.Introspectable", "Introspect"));
    assert_true(sd_bus_message_read(reply, "s", &introspection) > 0);
    char *is = tags_of(introspection, interface), *should_be = tags_of(read_document(), interface);
    assert_true(strlen(is) > 500);
    assert_string_equal(is, should_be);
    free(is);
    free(should_be);
}

static void test_introspection_is_the_document(void **state)
{
    struct fixture *fixture = *state;
    put_round(fixture, account_of("snap"));
    compare(fixture, BUS_PATH, BUS_NAME ".Manager");
    compare(fixture, BUS_SNAPSHOTS "/snap", BUS_NAME ".Snapshot");
}

/* ---- what is told */

static void test_only_what_has_changed_is_told(void **state)
{
    struct fixture *fixture = *state;
    put_round(fixture, account_of("snap"));
    assert_int_equal(fixture->n_added, 0); /* nobody has seen any of them */
    struct account account = account_of("snap");
    account.looked_usec = 7; /* asked for, never told */
    put_round(fixture, account);
    assert_int_equal(fixture->n_changed, 0);
    account = account_of("snap");
    account.used_percent = 1.5;
    account.is_counted = true;
    account.section = strdup("snapshot *");
    account.action.kind = strdup("merge");
    account.rungs = calloc(1, sizeof(*account.rungs));
    account.rungs[0].text = strdup("at 1% = alert");
    account.n_rungs = 1;
    put_round(fixture, account);
    assert_int_equal(fixture->n_changed, 1);
    assert_string_equal(fixture->changed, "UsedPercent Section Rungs Action Counted ");
    put_round(fixture, account_of("other"));
    assert_int_equal(fixture->n_added, 1);
    assert_int_equal(fixture->n_removed, 1);
}

static void test_what_is_kept_stays(void **state)
{
    struct fixture *fixture = *state;
    put_round(fixture, account_of("snap"));
    bus_objects_begin_round(&fixture->objects);
    assert_true(bus_objects_keep(&fixture->objects, "snap", 0, 1));
    assert_false(bus_objects_keep(&fixture->objects, "snap", 0, 2));
    assert_false(bus_objects_keep(&fixture->objects, "snap", 0, 0));
    assert_false(bus_objects_keep(&fixture->objects, "snap", 8, 1));
    bus_objects_end_round(&fixture->objects);
    assert_int_equal(fixture->objects.n_items, 1);
    bus_objects_begin_round(&fixture->objects); /* one that does not come to its end */
    put(fixture, account_of("snap"), 1);
    put_round(fixture, account_of("snap"));
    assert_int_equal(fixture->objects.n_items, 1);
}

/* ---- who may */

static sd_bus_message *drop(struct fixture *fixture)
{
    sd_bus_message *call = new_call(fixture, BUS_PATH, BUS_NAME ".Manager", "Drop");
    assert_true(sd_bus_message_append(call, "sb", "snap", false) >= 0);
    return send_call(fixture, call);
}

static void test_root_may(void **state)
{
    struct fixture *fixture = *state;
    const char *said;
    assert_int_equal(sd_bus_message_read(drop(fixture), "s", &said), 1);
    assert_string_equal(said, "said \\xff");
    assert_int_equal(fixture->n_orders, 1);
    assert_int_equal(fixture->order.kind, BUS_ORDER_DROP);
    assert_string_equal(fixture->who, "root");
    assert_string_equal(fixture->polkit_action, ""); /* is not asked */
    fixture->order_result = -EBUSY;
    assert_string_equal(error_of(drop(fixture)), BUS_NAME ".Error.Busy");
}

static void test_others_need_polkit(void **state)
{
    struct fixture *fixture = *state;
    fixture->uid = 1000;
    assert_string_equal(error_of(drop(fixture)), SD_BUS_ERROR_ACCESS_DENIED);
    assert_string_equal(fixture->polkit_action, BUS_NAME ".drop");
    fixture->no_polkit = true;
    assert_string_equal(error_of(drop(fixture)), SD_BUS_ERROR_ACCESS_DENIED);
    assert_int_equal(fixture->n_orders, 0);
    fixture->no_polkit = false;
    fixture->authorized = true;
    assert_string_equal(error_of(drop(fixture)), "");
    assert_int_equal(fixture->n_orders, 1);
    assert_string_equal(fixture->who, "user 1000");
    assert_int_equal(fixture->manager.permissions.n_requests, 0);
}

static void test_long_arguments_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static char name[100000];
    memset(name, 'x', sizeof(name) - 1);
    sd_bus_message *call = new_call(fixture, BUS_PATH, BUS_NAME ".Manager", "Drop");
    assert_true(sd_bus_message_append(call, "sb", name, false) >= 0);
    assert_string_equal(error_of(send_call(fixture, call)), SD_BUS_ERROR_INVALID_ARGS);
    call = new_call(fixture, BUS_PATH, BUS_NAME ".Manager", "Explain");
    assert_true(sd_bus_message_append(call, "s", name) >= 0);
    assert_string_equal(error_of(send_call(fixture, call)), SD_BUS_ERROR_INVALID_ARGS);
    assert_int_equal(fixture->n_orders, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_introspection_is_the_document),
        CASE(test_only_what_has_changed_is_told),
        CASE(test_what_is_kept_stays),
        CASE(test_root_may),
        CASE(test_others_need_polkit),
        CASE(test_long_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
