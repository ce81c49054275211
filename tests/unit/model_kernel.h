/* A model of the kernel's dm state, for tests: the devices S, D, T and X over one origin, and the stores C and CT.
 *
 * Its rules were measured on Linux 6.1 (snapshot_ctr, _preresume, _resume and _dtr of dm-snap.c; how a store fills: FACTS
 * in tests/vm). Every operation returns 0 or the kernel's negative errno. The simulator has several such machines side by
 * side, with numbers of their own.
 */
#pragma once

#include "cowherd/observation.h"
#include <sys/sysmacros.h>

#define ORIGIN         makedev(1, 0)
#define STORE          makedev(1, 1)
#define SIBLING_STORE  makedev(1, 2)
#define LOOP_STORE     makedev(7, 3) /* C again, as a loop device */
#define ELSEWHERE      makedev(1, 9)
#define LENGTH_SECTORS 262144
#define CHUNK_SECTORS  8
#define EXCEPTIONS     4000
#define TEXT_MAX       2048

enum { S, D, T, X, N_DEVICES }; /* snapshot, origin's device, sibling, somebody else's */
enum { C, CT, N_STORES };       /* their stores */

extern const char *const device_names[N_DEVICES];

struct model_table {
    struct target targets[2];
    size_t n_targets;
    bool resumed; /* a snapshot's: it has its store; until then it waits to take it over */
    bool valid;
};

struct model_device {
    bool exists;
    char name[8];
    char uuid[16];
    dev_t number;
    uint64_t disk_sequence;
    int error;
    unsigned open_count;
    bool suspended;
    bool deferred_remove;
    struct model_table active;
    struct model_table inactive; /* without targets: none */
};

struct model_store {
    dev_t number;           /* 0: the one above */
    uint32_t chunk_sectors; /* 0: CHUNK_SECTORS */
    uint64_t exceptions;
    uint64_t total_sectors;
    enum snapshot_state state; /* of the snapshot that holds it */
    bool zeroed;
};

struct machine {
    struct model_device devices[N_DEVICES];
    struct model_store stores[N_STORES];
    bool swapped_while_open; /* the origin's data changed beneath somebody */
    char log[TEXT_MAX];
};

dev_t device_number(size_t index);
struct model_device *find_device(struct machine *machine, dev_t number);
int model_load(struct machine *machine, struct model_device *device, const struct target *target);
int model_resume(struct machine *machine, struct model_device *device);
int model_remove(struct machine *machine, struct model_device *device, bool deferred);
/* Zeroing a store's header, as the daemon does it. */
int model_zero(struct machine *machine, dev_t number, bool only_if_merged);
/* What a store's own metadata tells: 0, or -ENOTEMPTY. */
int model_is_merged(struct machine *machine, dev_t number);

/* What goes while another one waits for its store takes it with it. */
void destroy_table(struct machine *machine, struct model_table *table);
void destroy_device(struct machine *machine, struct model_device *device);
void open_device(struct machine *machine, size_t index);
void close_device(struct machine *machine, size_t index);

/* The kernel merges so many exceptions of the snapshot that is being merged, where there is one. */
void merge(struct machine *machine, uint64_t exceptions);

/* So many chunks of a device's store are copied to; one that does not fit loses the snapshot, as FACTS 2 says. */
void model_fill(struct machine *machine, struct model_device *device, uint64_t exceptions);

/* The store of a device that holds one in its active table (a snapshot, or one that merges); NULL: none. */
struct model_store *model_store_of(struct machine *machine, const struct model_device *device);

/* Exceptions to chunks of a store: F(n) of FACTS 1.3, not computed as the daemon does it. */
uint64_t chunks_needed(uint64_t exceptions);
uint64_t model_chunks_needed(const struct model_store *store, uint64_t exceptions);
uint64_t model_capacity(const struct model_store *store);

/* One device as the daemon would see it; false where it does not exist. */
bool show_device(struct machine *machine, const struct model_device *device, struct dm_device *shown);

/* What the daemon would see of it. */
void observe(struct machine *machine, struct observation *seen);

/* One line a device and a store. */
void describe(const struct machine *machine, char text[TEXT_MAX]);

__attribute__((format(printf, 2, 3))) void append(char text[TEXT_MAX], const char *format, ...);
