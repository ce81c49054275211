#include "bus_permission.h"
#include "bus_name.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_USEC   UINT64_C(10000000)  /* the bus, or polkit by its rules alone */
#define PASSWORD_USEC UINT64_C(120000000) /* a person is asked */
#define WHO_MAX       32

#define POLKIT           "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_MAY_ASK   UINT32_C(1) /* AllowUserInteraction */

static void free_request(struct bus_request *request)
{
    struct bus_permissions *permissions = request->permissions;
    for (struct bus_request **at = &permissions->requests; *at; at = &(*at)->next)
        if (*at == request) {
            *at = request->next;
            permissions->n_requests--;
            break;
        }
    sd_bus_slot_unref(request->slot);
    sd_bus_message_unref(request->call);
    free(request->about);
    free(request);
}

static void refuse(struct bus_request *request, const char *error, const char *sentence)
{
    sd_bus_reply_method_errorf(request->call, error, "%s", sentence);
    free_request(request);
}

static void grant(struct bus_request *request)
{
    char who[WHO_MAX] = "root";
    if (request->uid != 0)
        snprintf(who, sizeof(who), "user %" PRIu32, request->uid);
    request->permissions->granted(request->call, who, request->permissions->user);
    free_request(request);
}

/* ---- polkit */

static int on_polkit(sd_bus_message *reply, void *user, sd_bus_error *error)
{
    struct bus_request *request = user;
    int authorized = 0, challenge = 0;
    (void)error;
    if (sd_bus_message_is_method_error(reply, NULL))
        refuse(request, SD_BUS_ERROR_ACCESS_DENIED,
               "Only root may do this: polkit, which could let others, does not answer.");
    else if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 ||
             sd_bus_message_read(reply, "bb", &authorized, &challenge) < 0)
        refuse(request, SD_BUS_ERROR_ACCESS_DENIED,
               "Only root may do this: polkit's answer cannot be understood.");
    else if (authorized)
        grant(request);
    else if (challenge && !request->interactive)
        refuse(request, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
               "This needs to be authorised interactively.");
    else
        refuse(request, SD_BUS_ERROR_ACCESS_DENIED, "Not permitted.");
    return 0;
}

static int append_question(sd_bus_message *question, const struct bus_request *request)
{
    int r = sd_bus_message_append(question, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                                  sd_bus_message_get_sender(request->call), request->action);
    if (r < 0)
        return r;
    r = *request->about ? sd_bus_message_append(question, "a{ss}", 1, "snapshot", request->about)
                        : sd_bus_message_append(question, "a{ss}", 0);
    return r < 0 ? r : sd_bus_message_append(question, "us", request->interactive ? POLKIT_MAY_ASK : 0, "");
}

static int ask_polkit(struct bus_request *request)
{
    sd_bus *bus = request->permissions->bus;
    sd_bus_message *question = NULL;
    uint64_t usec = request->interactive ? PASSWORD_USEC : ANSWER_USEC;
    request->slot = sd_bus_slot_unref(request->slot);
    int r = sd_bus_message_new_method_call(bus, &question, POLKIT, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CheckAuthorization");
    if (r >= 0)
        r = append_question(question, request);
    if (r >= 0)
        r = sd_bus_call_async(bus, &request->slot, question, on_polkit, request, usec);
    sd_bus_message_unref(question);
    return r;
}

/* ---- the sender */

static bool has_too_many(const struct bus_request *of)
{
    size_t n = 0;
    for (const struct bus_request *request = of->permissions->requests; request; request = request->next)
        n += request->uid == of->uid;
    return n > BUS_REQUESTS_USER_MAX;
}

static int read_uid(sd_bus_message *reply, uint32_t *ret_uid)
{
    const char *key;
    int r = sd_bus_message_enter_container(reply, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
        r = sd_bus_message_read(reply, "s", &key);
        if (r >= 0 && strcmp(key, "UnixUserID") == 0)
            return sd_bus_message_read(reply, "v", "u", ret_uid);
        if (r >= 0)
            r = sd_bus_message_skip(reply, "v");
        if (r >= 0)
            r = sd_bus_message_exit_container(reply);
    }
    return r < 0 ? r : -ENODATA;
}

static int on_credentials(sd_bus_message *reply, void *user, sd_bus_error *error)
{
    struct bus_request *request = user;
    (void)error;
    if (sd_bus_message_is_method_error(reply, NULL) || read_uid(reply, &request->uid) < 0)
        refuse(request, SD_BUS_ERROR_ACCESS_DENIED, "The bus does not say who asks for this.");
    else if (request->uid == 0)
        grant(request);
    else if (has_too_many(request))
        refuse(request, SD_BUS_ERROR_LIMITS_EXCEEDED, "Too much is being asked for by this user.");
    else if (ask_polkit(request) < 0)
        refuse(request, SD_BUS_ERROR_ACCESS_DENIED, "Only root may do this: polkit cannot be asked.");
    return 0;
}

static int ask_bus(struct bus_request *request)
{
    sd_bus *bus = request->permissions->bus;
    sd_bus_message *question = NULL;
    int r = sd_bus_message_new_method_call(bus, &question, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                           "org.freedesktop.DBus", "GetConnectionCredentials");
    if (r >= 0)
        r = sd_bus_message_append(question, "s", sd_bus_message_get_sender(request->call));
    if (r >= 0)
        r = sd_bus_call_async(bus, &request->slot, question, on_credentials, request, ANSWER_USEC);
    sd_bus_message_unref(question);
    return r;
}

/* ---- the call */

/* Whatever else came with the call (header fields that nobody knows, megabytes of them) is not kept. */
static int copy_call(sd_bus *bus, sd_bus_message *call, sd_bus_message **ret_copy)
{
    sd_bus_message *copy = NULL;
    uint64_t cookie;
    int r = sd_bus_message_new_method_call(bus, &copy, BUS_NAME, sd_bus_message_get_path(call),
                                           sd_bus_message_get_interface(call),
                                           sd_bus_message_get_member(call));
    if (r >= 0)
        r = sd_bus_message_set_sender(copy, sd_bus_message_get_sender(call));
    if (r >= 0)
        r = sd_bus_message_set_expect_reply(copy, sd_bus_message_get_expect_reply(call) > 0);
    if (r >= 0)
        r = sd_bus_message_rewind(call, true);
    if (r >= 0)
        r = sd_bus_message_copy(copy, call, true);
    if (r >= 0)
        r = sd_bus_message_get_cookie(call, &cookie);
    if (r >= 0)
        r = sd_bus_message_seal(copy, cookie, 0);
    if (r < 0) {
        sd_bus_message_unref(copy);
        return r;
    }
    *ret_copy = copy;
    return 0;
}

static int add_request(struct bus_permissions *permissions, sd_bus_message *call, const char *action,
                       const char *about, struct bus_request **ret_request)
{
    struct bus_request *request = calloc(1, sizeof(*request));
    if (!request)
        return -ENOMEM;
    *request = (struct bus_request){
        .next = permissions->requests,
        .permissions = permissions,
        .action = action,
        .about = strdup(about),
        .interactive = sd_bus_message_get_allow_interactive_authorization(call) > 0,
        .uid = UINT32_MAX,
    };
    permissions->requests = request;
    permissions->n_requests++;
    int r = request->about ? copy_call(permissions->bus, call, &request->call) : -ENOMEM;
    if (r < 0)
        free_request(request);
    else
        *ret_request = request;
    return r;
}

int bus_permissions_ask(struct bus_permissions *permissions, sd_bus_message *call, const char *action,
                        const char *about)
{
    struct bus_request *request;
    if (!sd_bus_message_get_sender(call))
        return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_ACCESS_DENIED, "Not permitted.");
    if (permissions->n_requests >= BUS_REQUESTS_MAX)
        return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_LIMITS_EXCEEDED, "Too much is being asked for.");
    int r = add_request(permissions, call, action, about, &request);
    if (r < 0)
        return r;
    r = ask_bus(request);
    if (r < 0)
        free_request(request);
    return r < 0 ? r : 1;
}

void bus_permissions_done(struct bus_permissions *permissions)
{
    while (permissions->requests)
        free_request(permissions->requests);
    permissions->bus = NULL;
}
