#include "offline.h"
#include "cowherd/account_member.h"
#include "cowherd/account_nodes.h"
#include "cowherd/configuration.h"
#include "cowherd/kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static void keep_silent(int priority, const char *message)
{
    (void)priority, (void)message;
}

static void ignore(const struct finding *finding, void *user)
{
    (void)finding, (void)user;
}

static uint64_t clock_usec(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void tell_errors(const struct config_messages *messages)
{
    for (size_t i = 0; i < messages->n_items; i++)
        if (!messages->items[i].is_warning)
            fprintf(stderr, "%s:%u: %s\n", messages->items[i].file, messages->items[i].line,
                    messages->items[i].text);
    fprintf(stderr, "cowctl: the configuration is refused: no section is shown\n");
}

static int read_configuration(struct configuration *configuration)
{
    struct config_messages messages = {0};
    int r = configuration_read(&config_places_default, configuration, &messages);
    if (r == -EINVAL)
        tell_errors(&messages);
    config_messages_done(&messages);
    return r == -EINVAL ? 0 : r;
}

static int take_member(const struct member *member, const struct observation *seen,
                       struct account *ret_account)
{
    struct account account;
    int r = account_of_member(member, clock_usec(CLOCK_REALTIME) - clock_usec(CLOCK_BOOTTIME), &account);
    if (r < 0)
        return r;
    account.has_rate = false;
    r = account_take_nodes(&account, seen, member->target.origin, member->target.store);
    if (r < 0)
        account_done(&account);
    else
        *ret_account = account;
    return r;
}

static int take_members(const struct herd *herd, const struct observation *seen,
                        struct account **ret_accounts)
{
    struct account *accounts = calloc(herd->n_members + 1, sizeof(*accounts));
    int r = accounts ? 0 : -ENOMEM;
    for (size_t i = 0; i < herd->n_members && r >= 0; i++)
        r = take_member(herd->members[i], seen, &accounts[i]);
    if (r < 0 && accounts)
        accounts_free(accounts, herd->n_members);
    if (r >= 0)
        *ret_accounts = accounts;
    return r;
}

static int look(const struct configuration *configuration, struct account **ret_accounts,
                size_t *ret_n_accounts)
{
    struct observation seen = {0};
    struct herd herd = {0};
    struct herd_view view = {
        .policies = configuration->policies, .n_policies = configuration->n_policies, .tell = ignore};
    kernel_open(keep_silent);
    int r = kernel_observe(&seen);
    /* A section's pattern matches bytes, as the daemon matches it. */
    uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
    if (r >= 0)
        r = herd_look(&herd, &seen, clock_usec(CLOCK_BOOTTIME), &view);
    freelocale(uselocale(LC_GLOBAL_LOCALE));
    if (r >= 0)
        r = take_members(&herd, &seen, ret_accounts);
    if (r >= 0)
        *ret_n_accounts = herd.n_members;
    herd_done(&herd);
    observation_done(&seen);
    return r;
}

/* Then the kernel has no snapshots. */
static bool has_no_device_mapper(void)
{
    int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno == ENODEV;
    close(fd);
    return false;
}

int offline_accounts(struct account **ret_accounts, size_t *ret_n_accounts, struct failure *ret_failure)
{
    struct configuration configuration = {0};
    if (geteuid() != 0)
        return failure_set(ret_failure, EX_NOPERM,
                           "only root may ask the kernel itself: see \"systemctl status cowherd\", or ask as "
                           "root");
    if (has_no_device_mapper()) {
        *ret_accounts = NULL;
        *ret_n_accounts = 0;
        return 0;
    }
    int r = read_configuration(&configuration);
    if (r >= 0)
        r = look(&configuration, ret_accounts, ret_n_accounts);
    configuration_done(&configuration);
    if (r < 0 && access("/dev/mapper/control", F_OK) < 0)
        return failure_set(ret_failure, EX_OSERR,
                           "there is no device-mapper here: /dev/mapper/control is missing");
    if (r < 0)
        return failure_set(ret_failure, EX_OSERR, "device-mapper cannot be asked: %s", strerror(-r));
    return 0;
}
