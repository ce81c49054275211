/* The kernel's device-mapper: the only module that knows libdevmapper. Everything else sees observations.
 *
 * Devices are addressed by number, never by name: a name may hold any byte and may be another device's by
 * now. Every function returns 0 or a negative errno (-ENXIO: no such device); ret_ arguments are untouched on
 * failure. Listing, looking, loading and clearing return at once, also on a suspended device. Suspending,
 * resuming and removing may block for ever: call them only in a child with a deadline.
 */
#pragma once

#include "cowherd/observation.h"
#include <stdbool.h>
#include <stdint.h>

/* Sets the library up: no name mangling, its complaints to this function (priority of syslog) instead of
 * stderr. */
void kernel_open(void (*log)(int priority, const char *message));

/* Every dm device with its tables and the status of its snapshots. A device that went while it was being
 * looked at is left out; one whose lookup failed otherwise is in it with its error. */
int kernel_observe(struct observation *ret_observation);

/* Takes one back, for the next one to be made in its memory; it is empty then. For who looks again and again: else
 * observation_done(). */
void kernel_recycle(struct observation *observation);

/* One device anew: numbers, open count and the status of its snapshot targets; the tables are those of
 * `known`, a device of an earlier observation, for a table swap raises an event of its own. -ESTALE where the
 * targets are no longer the ones of `known`. */
int kernel_sample(const struct dm_device *known, struct dm_device *ret_device);

/* A descriptor that polls readable on create, remove, rename, table swap and Invalid of any dm device.
 * -EOPNOTSUPP before driver version 4.38. */
int kernel_events_open(int *ret_fd);

/* Acknowledges what has happened so far. Order on a wake-up: arm, then observe; not armed it stays readable. */
int kernel_events_arm(int fd);

/* udev's answer to table changes. A cookie is a SysV semaphore that outlives its process: choose one, record
 * it, make it before anything is suspended (there may be none left), and release it whether the steps
 * succeeded or not. Choosing: -EOPNOTSUPP where no udev runs. Making: -EEXIST where somebody else has it,
 * -ENOSPC where there is none. */
int kernel_cookie_choose(uint32_t *ret_cookie);
int kernel_cookie_create(uint32_t cookie);

/* Waits for udev to have processed every step made with the cookie, at most that long, then destroys it:
 * -ETIMEDOUT where udev did not answer. A cookie that is gone already is no error. */
int kernel_cookie_release(uint32_t cookie, uint64_t wait_usec);

/* The steps. cookie 0: udev does its part, and nobody waits for it. */
int kernel_load(dev_t device, const struct target *target); /* a table of one target */
int kernel_load_table(dev_t device, const struct dm_table *table);
int kernel_clear(dev_t device);
int kernel_suspend(dev_t device);
int kernel_resume(dev_t device, uint32_t cookie);
int kernel_remove(dev_t device, bool deferred, uint32_t cookie);

/* How many users a device has right now. */
int kernel_open_count(dev_t device, unsigned *ret_count);

/* Opens a block device by its number, with the flags of open(2) and O_CLOEXEC. May block. A descriptor; -ENXIO: there is
 * none, or the node of its name in /dev is another device's. */
int kernel_device_open(dev_t device, int flags);

/* The kernel's number of this very disk since boot (dm, loop, any other): a device number that is reused gets another
 * one. A partition has its disk's. 0: there is no such device, or the kernel is older than 5.15. */
int kernel_disk_sequence(dev_t device, uint64_t *ret_sequence);

/* A block device's size, read from sysfs. */
int kernel_device_sectors(dev_t device, uint64_t *ret_sectors);

/* The node in /dev of a block device as people know it: "/dev/mapper/NAME" of a dm device (its name as udev writes it, odd
 * bytes as \xNN), else "/dev/NAME". Read from sysfs. -ENXIO: there is no such device. */
#define KERNEL_NODE_MAX 576
int kernel_device_node(dev_t device, char path[static KERNEL_NODE_MAX]);

/* The same of a dm device whose name is known; nothing is read. */
void kernel_node_of_name(const char *name, char path[static KERNEL_NODE_MAX]);
