/* The brake: how fast writers may fill a store while an action is in flight that would otherwise come too late.
 *
 * Held to (room left) / (time that the action still takes x BRAKE_MARGIN). The rate is made anew at every look,
 * from the room that is left then. An attempt that failed has brought the action no nearer: the next one is expected
 * to take the whole time again. And the action is always expected to take BRAKE_OVERDUE times longer than it has so
 * far, since it was first wanted: past its time writers are held ever slower, and what is left shrinks with the
 * fourth root of the time (1 / (BRAKE_MARGIN x BRAKE_OVERDUE)), instead of running out. None gets less than
 * BRAKE_CAUTIOUS_USEC: should it take milliseconds, as it always has, then nobody was held for longer. Down to a floor
 * that leaves a system usable.
 *
 * Both bytes and writes are held, for a write of one block may cost a whole chunk: of W writes of b bytes in all
 * none touches more than its bytes' chunks and two more. Since 5.15 the kernel counts a write that is split at
 * chunks once for each piece (measured on 6.1), and there the limit on writes alone is exact. Metadata chunks are
 * not counted as room (exception_store.h).
 *
 * Every control group gets the whole rate, for which of them writes is not known: that of two that write the store
 * fills twice as fast is answered at the next look.
 */
#pragma once

#include "cowherd/herd.h"
#include "cowherd/pursuit.h"

/* Room for twice the time expected: what is held is held in slices of up to 100 ms, and expectations are means. */
#define BRAKE_MARGIN  2
#define BRAKE_OVERDUE 2

/* The floor. At 256 KiB/s logs are still written and a shell still answers, and a store with 8 MiB left outlasts an
 * action's deadline of 30 s. Eight writes a second let a small file be synced each second; more would be, at chunks of
 * 512 KiB, 4 MiB/s. */
#define BRAKE_FLOOR_BYTES_PER_SECOND  (UINT64_C(256) << 10)
#define BRAKE_FLOOR_WRITES_PER_SECOND UINT64_C(8)

/* Before an action has been measured. dm's own steps take milliseconds, 60 to 330 ms in an emulated machine; an lvm
 * command takes 1 to 3 s there (FACTS 5.2). */
#define BRAKE_DM_USEC  UINT64_C(200000)
#define BRAKE_LVM_USEC UINT64_C(3000000)

/* What any action may take when writers are held because of it. Held for 0.2 s at first, a live store of 32 MiB whose merge
 * took 3 s was lost at 52 % on a slow machine: three of its 15 MiB were left by the arithmetic, and the flusher's writes, which
 * no limit holds, took them. And held for the 0.1 s that lvextend had taken before, one was lost when that took 3 s: each time
 * io.max is set it lets a slice of 100 ms through at once. */
#define BRAKE_CAUTIOUS_USEC UINT64_C(3000000)

struct brake_rate {
    uint64_t bytes_per_second; /* UINT64_MAX: not held */
    uint64_t writes_per_second;
};

#define BRAKE_FREE ((struct brake_rate){UINT64_MAX, UINT64_MAX})

struct brake_subject {
    uint64_t chunks_left;
    uint64_t chunk_bytes;
    uint64_t fastest_bytes_per_second; /* that the store has filled at, or may */
    uint64_t expected_usec;            /* from the action's start to where it stops the filling */
    uint64_t elapsed_usec;             /* since it was first wanted */
    uint64_t attempt_usec; /* since its attempt began, when chunks_left was seen; 0: none is under way */
};

/* Whether an action that is decided has still to stop the filling, as far as the last look shows: not one that is put
 * off until somebody closes a device or that is refused, and not once it merges, is gone or has grown. */
bool brake_awaits(const struct pursuit *pursuit, const struct member *member);

/* What an action is expected to take: the longest seen, or the assumption; two looks at least, for what is shorter
 * cannot be held. */
uint64_t brake_expected_usec(uint64_t took_usec, bool is_lvm, uint64_t look_usec);

/* Whether the store could be full before the action has come, with the margin. */
bool brake_is_needed(const struct brake_subject *subject);

/* What writers are held to. */
struct brake_rate brake_rate(const struct brake_subject *subject);

/* The slower in each: two snapshots of one device. */
struct brake_rate brake_rate_min(struct brake_rate a, struct brake_rate b);

/* Whether a rate is to be replaced by another one: from a tenth of a difference on. */
bool brake_rate_differs(struct brake_rate held, struct brake_rate wanted);
