/* The service: the fake herd's snapshots on the bus, as conf/dbus/org.cowherd.Herd1.xml has them, and its methods, which do
 * nothing.
 *
 * An order of a snapshot ends at once: ActionFailed where its name begins with "fail", else ActionDone, none with "slow". With
 * "busy" and "denied" it is refused. Each call is printed: "call …".
 */
#pragma once

#include "fake_snapshots.h"
#include <stdbool.h>
#include <systemd/sd-bus.h>

/* Puts all on this bus. */
void service_publish(sd_bus *bus);

/* Answers nothing any more. */
void service_hang(void);

/* Sets a property by its name: a number, yes or no, or a text; and signals it. False: there is none. */
bool service_set(struct snapshot *snapshot, const char *property, const char *value);

/* Signals: a property is another than before; the snapshot is going; an action has ended. */
void service_changed(const struct snapshot *snapshot, const char *property);
void service_removed(const struct snapshot *snapshot);
int service_signal_end(const struct snapshot *snapshot, const char *action, bool failed);
