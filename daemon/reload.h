/* Reloading: the configuration is read anew, by a signal or by order. */
#pragma once

#include "manager_state.h"

/* What was found in a configuration, an event each. */
void reload_announce(struct journal *journal, const struct config_messages *messages);

/* Takes it or leaves the former in force, tells of it, and looks at everybody. 0; -EBADMSG: it is refused, and the manager's
 * config_error is its first error. The timer is the caller's to set. */
int reload(struct manager *manager);
