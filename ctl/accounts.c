#include "accounts.h"
#include "account_message.h"
#include "client.h"
#include "cowherd/event.h"
#include "names.h"
#include "offline.h"
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static int compare(const void *left, const void *right)
{
    const struct account *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    if (order == 0)
        order = (a->minor > b->minor) - (a->minor < b->minor);
    return order ? order : (a->start_sectors > b->start_sectors) - (a->start_sectors < b->start_sectors);
}

static void sort(struct accounts *accounts)
{
    if (accounts->n_items)
        qsort(accounts->items, accounts->n_items, sizeof(*accounts->items), compare);
}

int accounts_read(sd_bus_message *message, struct accounts *ret_accounts, struct failure *ret_failure)
{
    struct accounts accounts = {0};
    int r = account_message_read(message, &accounts.items, &accounts.n_items);
    if (r < 0)
        return failure_set(ret_failure, EX_SOFTWARE, "the answer of cowherd is not understood: %s",
                           strerror(-r));
    accounts.daemon = strdup(sd_bus_message_get_sender(message));
    if (!accounts.daemon) {
        accounts_done(&accounts);
        return failure_out_of_memory(ret_failure);
    }
    sort(&accounts);
    *ret_accounts = accounts;
    return 0;
}

int accounts_ask(sd_bus *bus, struct accounts *ret_accounts, struct failure *ret_failure)
{
    sd_bus_message *call = NULL, *reply = NULL;
    int r = client_new_call(bus, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &call);
    if (r < 0)
        return client_failure(NULL, r, ret_failure);
    r = client_call(bus, call, CLIENT_DEADLINE_USEC, &reply, ret_failure);
    sd_bus_message_unref(call);
    if (r < 0)
        return r;
    r = accounts_read(reply, ret_accounts, ret_failure);
    sd_bus_message_unref(reply);
    return r;
}

/* EX_UNAVAILABLE where there is no daemon to ask. */
static int ask_daemon(struct accounts *ret_accounts, struct failure *ret_failure)
{
    sd_bus *bus = NULL;
    if (client_open(&bus, ret_failure) < 0)
        return -1;
    int r = accounts_ask(bus, ret_accounts, ret_failure);
    sd_bus_flush_close_unref(bus);
    return r;
}

static int look_without_daemon(struct accounts *ret_accounts, struct failure *ret_failure)
{
    struct accounts accounts = {.is_offline = true, .why_offline = *ret_failure};
    struct failure failure;
    if (offline_accounts(&accounts.items, &accounts.n_items, &failure) < 0)
        return failure_set(ret_failure, failure.code, "%s, and %s", accounts.why_offline.sentence,
                           failure.sentence);
    sort(&accounts);
    *ret_accounts = accounts;
    return 0;
}

int accounts_get(struct accounts *ret_accounts, struct failure *ret_failure)
{
    if (ask_daemon(ret_accounts, ret_failure) == 0)
        return 0;
    if (ret_failure->code != EX_UNAVAILABLE)
        return -1;
    return look_without_daemon(ret_accounts, ret_failure);
}

static bool mark(const struct accounts *accounts, const char *pattern, bool *wanted,
                 bool (*fits)(const char *pattern, const struct account *account))
{
    bool any = false;
    for (size_t i = 0; i < accounts->n_items; i++)
        if (fits(pattern, &accounts->items[i]))
            any = wanted[i] = true;
    return any;
}

/* A name that is somebody's is no glob. */
static bool mark_meant(const struct accounts *accounts, const char *pattern, bool *wanted)
{
    return mark(accounts, pattern, wanted, names_is) || mark(accounts, pattern, wanted, names_match);
}

static void keep_wanted(struct accounts *accounts, const bool *wanted)
{
    size_t kept = 0;
    for (size_t i = 0; i < accounts->n_items; i++) {
        if (wanted[i])
            accounts->items[kept++] = accounts->items[i];
        else
            account_done(&accounts->items[i]);
    }
    accounts->n_items = kept;
}

int accounts_select(struct accounts *accounts, char *const patterns[], size_t n_patterns,
                    struct failure *ret_failure)
{
    char text[EVENT_NAME_MAX];
    if (n_patterns == 0)
        return 0;
    bool *wanted = calloc(accounts->n_items + 1, sizeof(*wanted));
    if (!wanted)
        return failure_out_of_memory(ret_failure);
    for (size_t i = 0; i < n_patterns; i++)
        if (!mark_meant(accounts, patterns[i], wanted)) {
            free(wanted);
            return failure_set(ret_failure, EX_NOINPUT, "There is no snapshot %s.",
                               event_text_name(patterns[i], text));
        }
    keep_wanted(accounts, wanted);
    free(wanted);
    return 0;
}

void accounts_done(struct accounts *accounts)
{
    accounts_free(accounts->items, accounts->n_items);
    free(accounts->daemon);
    *accounts = (struct accounts){0};
}
