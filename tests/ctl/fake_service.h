/* The service: the fake herd's snapshots on the bus, as conf/dbus/org.cowherd.Herd1.xml has them, and its methods, which do
 * nothing.
 *
 * An order of a snapshot ends at once: ActionFailed where its name begins with "fail" or "retry" (then the order still stands),
 * else ActionDone, none with "slow". "fail-gone" is removed by it. With "busy" and "denied" it is refused, also that of "limited". Each call is printed:
 * "call …".
 */
#pragma once

#include "fake_snapshots.h"
#include <stdbool.h>
#include <systemd/sd-bus.h>

/* Puts all on this bus. */
void service_publish(sd_bus *bus);

/* Answers nothing any more; answers what nobody understands where all snapshots are asked for. */
void service_hang(void);
void service_garble(void);

/* As if it was started with this configuration. */
void service_read_file(const char *path);

/* Sets a property by its name: a number, yes or no, or a text; and signals it. False: there is none. */
bool service_set(struct snapshot *snapshot, const char *property, const char *value);

/* Signals: a property is another than before; the snapshot is going; an action of a rung, or without one of
 * an order, has ended. */
void service_changed(const struct snapshot *snapshot, const char *property);
void service_removed(const struct snapshot *snapshot);
int service_signal_end(const struct snapshot *snapshot, const char *action, const char *rung, bool failed);
