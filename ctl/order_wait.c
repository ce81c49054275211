#include "order_wait.h"
#include "accounts.h"
#include "cowherd/event.h"
#include "cowherd/intent.h"
#include "cowherd/usec_text.h"
#include "names.h"
#include "printable.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

static void end(struct order_wait *wait)
{
    wait->has_ended = true;
}

static void fail(struct order_wait *wait, const struct failure *failure)
{
    wait->is_failed = true;
    wait->failure = *failure;
    end(wait);
}

/* The bus lets anybody send a signal to anybody, and a match of a well-known name takes those of every unique one: so who
 * sent it is looked at here. */
static bool is_from(sd_bus_message *message, const char *sender)
{
    const char *is = sd_bus_message_get_sender(message);
    return is && strcmp(is, sender) == 0;
}

/* Whether the signal is the daemon's and about our order; its arguments are read up to the rung. */
static bool is_ours(const struct order_wait *wait, sd_bus_message *message, const char **ret_path,
                    const char **ret_rung)
{
    const char *name, *action;
    return !wait->has_ended && is_from(message, wait->daemon) &&
           sd_bus_message_read(message, "osss", ret_path, &name, &action, ret_rung) >= 0 &&
           strcmp(name, wait->name) == 0 && strcmp(action, wait->action) == 0 &&
           strncmp(*ret_rung, INTENT_ORDER, strlen(INTENT_ORDER)) == 0;
}

static int take_done(sd_bus_message *message, void *user, sd_bus_error *error)
{
    struct order_wait *wait = user;
    char name[EVENT_NAME_MAX], time[USEC_TEXT_MAX];
    const char *path, *rung;
    uint64_t took_usec;
    (void)error;
    if (!is_ours(wait, message, &path, &rung) || sd_bus_message_read(message, "t", &took_usec) < 0)
        return 0;
    printf("The %s of %s is done; it took %s.\n", wait->action, event_text_name(wait->name, name),
           usec_text(took_usec, time));
    end(wait);
    return 0;
}

/* 1: the order is still what is to be done with the snapshot; 0: it is not, or the snapshot has gone. */
static int ask_whether_it_stands(const struct order_wait *wait, const char *path, const char *rung,
                                 struct failure *ret_failure)
{
    const char *kind, *phase, *of, *reason;
    double progress;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    int stands = 0, r = sd_bus_get_property(wait->bus, CLIENT_NAME, path, CLIENT_SNAPSHOTS, "Action", &error,
                                            &reply, "(ssssd)");
    if (r >= 0)
        r = sd_bus_message_read(reply, "(ssssd)", &kind, &phase, &of, &reason, &progress);
    if (r >= 0)
        stands = strcmp(kind, wait->action) == 0 && strcmp(of, rung) == 0;
    else if (client_failure(&error, r, ret_failure) < 0 && ret_failure->code != EX_NOINPUT)
        stands = -1;
    sd_bus_message_unref(reply);
    sd_bus_error_free(&error);
    return stands;
}

static int take_failed(sd_bus_message *message, void *user, sd_bus_error *error)
{
    struct order_wait *wait = user;
    struct failure failure;
    char name[EVENT_NAME_MAX];
    const char *path, *rung, *reason;
    (void)error;
    if (!is_ours(wait, message, &path, &rung) || sd_bus_message_read(message, "s", &reason) < 0)
        return 0;
    event_text_name(wait->name, name);
    int stands = ask_whether_it_stands(wait, path, rung, &failure);
    if (stands > 0)
        failure_set(&failure, EX_TEMPFAIL,
                    "the %s of %s has failed: %s; cowherd tries again, until \"cowctl release %s\" takes it "
                    "back",
                    wait->action, name, reason, name);
    else if (stands == 0)
        failure_set(&failure, 1, "the %s of %s has failed: %s", wait->action, name, reason);
    fail(wait, &failure);
    return 0;
}

static int take_owner(sd_bus_message *message, void *user, sd_bus_error *error)
{
    struct failure failure;
    const char *name, *old, *new;
    (void)error;
    if (!is_from(message, "org.freedesktop.DBus") ||
        sd_bus_message_read(message, "sss", &name, &old, &new) < 0 || new[0])
        return 0;
    failure_set(&failure, EX_UNAVAILABLE,
                "cowherd has ended; it goes on with what it has begun when it is started again");
    fail(user, &failure);
    return 0;
}

/* The name that signals will have, and who sends them: a UUID or an escaped name may have been given. Nobody's: the call
 * will say so. */
static int find_name(struct order_wait *wait, const char *given, struct failure *ret_failure)
{
    struct accounts accounts;
    char text[NAMES_TEXT_MAX];
    const char *name = given;
    if (accounts_ask(wait->bus, &accounts, ret_failure) < 0)
        return -1;
    for (size_t i = 0; i < accounts.n_items; i++)
        if (names_is(given, &accounts.items[i]))
            name = accounts.items[i].name;
    wait->name = strdup(names_utf8(name, text));
    wait->daemon = accounts.daemon;
    accounts.daemon = NULL;
    accounts_done(&accounts);
    return wait->name ? 0 : failure_out_of_memory(ret_failure);
}

static int listen(struct order_wait *wait)
{
    int r = sd_bus_match_signal(wait->bus, &wait->slots[0], CLIENT_NAME, CLIENT_PATH, CLIENT_MANAGER,
                                "ActionDone", take_done, wait);
    if (r >= 0)
        r = sd_bus_match_signal(wait->bus, &wait->slots[1], CLIENT_NAME, CLIENT_PATH, CLIENT_MANAGER,
                                "ActionFailed", take_failed, wait);
    if (r >= 0)
        r = sd_bus_add_match(wait->bus, &wait->slots[2],
                             "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
                             "arg0='" CLIENT_NAME "'",
                             take_owner, wait);
    return r;
}

int order_wait_begin(struct order_wait *wait, sd_bus *bus, const char *name, const char *action,
                     struct failure *ret_failure)
{
    *wait = (struct order_wait){.bus = bus, .action = action};
    if (find_name(wait, name, ret_failure) < 0)
        return -1;
    int r = listen(wait);
    return r < 0 ? client_failure(NULL, r, ret_failure) : 0;
}

static uint64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int out_of_time(const struct order_wait *wait, uint64_t limit_usec, struct failure *ret_failure)
{
    char name[EVENT_NAME_MAX], time[USEC_TEXT_MAX];
    return failure_set(ret_failure, EX_TEMPFAIL, "the %s of %s is not done after %s; cowherd goes on with it",
                       wait->action, event_text_name(wait->name, name), usec_text(limit_usec, time));
}

/* Whatever has come by the deadline is taken. */
int order_wait_for_end(struct order_wait *wait, uint64_t limit_usec, struct failure *ret_failure)
{
    uint64_t begun_usec = now_usec();
    while (!wait->has_ended) {
        int r = sd_bus_process(wait->bus, NULL);
        uint64_t waited_usec = now_usec() - begun_usec;
        if (r == 0 && waited_usec >= limit_usec)
            return out_of_time(wait, limit_usec, ret_failure);
        if (r == 0)
            r = sd_bus_wait(wait->bus,
                            limit_usec == ORDER_WAIT_FOREVER ? UINT64_MAX : limit_usec - waited_usec);
        if (r < 0 && r != -EINTR)
            return client_failure(NULL, r, ret_failure);
    }
    if (!wait->is_failed)
        return 0;
    *ret_failure = wait->failure;
    return -1;
}

void order_wait_done(struct order_wait *wait)
{
    for (size_t i = 0; i < sizeof(wait->slots) / sizeof(wait->slots[0]); i++)
        sd_bus_slot_unref(wait->slots[i]);
    free(wait->name);
    free(wait->daemon);
    *wait = (struct order_wait){0};
}
