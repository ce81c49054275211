/* Where the daemon keeps what must outlive it: systemd's directories, or the usual places without it. */
#pragma once

/* The recorded intents: $STATE_DIRECTORY, or /var/lib/cowherd, made where it is missing. */
const char *directory_state(void);

/* The same, and nothing is made. */
const char *directory_state_path(void);

/* What need not outlast the machine: $RUNTIME_DIRECTORY, or /run/cowherd, made where it is missing. */
const char *directory_runtime(void);

/* Takes the lock of the one daemon that may change devices, in $RUNTIME_DIRECTORY or /run/cowherd. Returns 0,
 * -EWOULDBLOCK where another daemon runs, or another negative errno. The lock is held until the process ends. */
int directory_lock(void);
