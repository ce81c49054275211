/* Orders: what an operator may have the running daemon do, whoever carries his word to it.
 *
 * An order to extend, merge or drop becomes an intent like a rung's and goes the same way (errand.h): recorded, tried again,
 * deferred, announced with the rung "order of WHO". It stands over a reload and a restart, however full the store is; a rung
 * of the ladder takes its place only where it is higher than the store was filled when the order was given. One that waits is
 * taken back by a release. What waits by a rung gives way to an order, and is decided anew when that has ended.
 * A hold keeps every action from being begun on a snapshot (cowherd/operator_hold.h).
 *
 * NAME is a dm name or a UUID; or, where none is exactly so, a name with its bytes as \xNN, as messages have it.
 * said gets one sentence: what was begun, with dry_run what would be, on failure why not. who: "root", "user alice (1000)".
 * 0, or
 *   -ENOENT     no such snapshot
 *   -EINVAL     an amount that is none
 *   -EBUSY      another action is under way, or it is held
 *   -EPERM      it cannot be done with this snapshot, or not now; what must only wait for a device to be closed is begun.
 *               Or the daemon is on a dry run, and the order asks for none
 *   -EBADMSG    a configuration that is refused
 *   -ENOMEM, -EIO …  it failed, as said
 */
#pragma once

#include "cowherd/explanation.h"
#include "cowherd/herd.h"
#include <stdbool.h>
#include <stdint.h>

#define ORDER_SAID_MAX 768

struct manager;

/* amount: as in the configuration, "20%" or "1GiB". */
int orders_extend(struct manager *manager, const char *name, const char *amount, bool dry_run,
                  const char *who, char said[static ORDER_SAID_MAX]);
int orders_merge(struct manager *manager, const char *name, bool dry_run, const char *who,
                 char said[static ORDER_SAID_MAX]);
int orders_drop(struct manager *manager, const char *name, bool dry_run, const char *who,
                char said[static ORDER_SAID_MAX]);

/* For so many seconds; 0: until it is released, or the next boot. A second hold takes the first one's place. A release ends
 * the hold; where there is none, it takes back an order that waits. */
int orders_hold(struct manager *manager, const char *name, uint64_t seconds, bool dry_run, const char *who,
                char said[static ORDER_SAID_MAX]);
int orders_release(struct manager *manager, const char *name, bool dry_run, const char *who,
                   char said[static ORDER_SAID_MAX]);

/* As SIGHUP does; -EBADMSG with the first message where it is refused. */
int orders_reload(struct manager *manager, const char *who, char said[static ORDER_SAID_MAX]);

/* What each rung would do now, as known from the last look. -ENOENT or -ENOMEM. The explanation is done by
 * explanation_done(). */
int orders_explain(struct manager *manager, const char *name, struct explanation *ret_explanation);

/* The member that a NAME means, or NULL. */
struct member *orders_find(const struct manager *manager, const char *name);

/* Until when a member is held, CLOCK_REALTIME as that clock goes now; 0: it is not; UINT64_MAX: until it is released. */
uint64_t orders_held_until_usec(const struct manager *manager, const struct member *member);
