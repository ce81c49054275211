/* Which disk sequence numbers need not be read again at every look: reading one attribute costs as much as asking for the
 * table, but one listing of a directory gives the nodes of all disks.
 *
 * A node is the inode number of a disk's directory in sysfs. The kernel gives them in turn (fs/kernfs/dir.c): none comes
 * again before 2^31 others have been made, on 64 bits never; of a device that was made anew four times each was higher
 * (6.1). So whatever was seen of a device number between two listings that show the same node there was seen of one and
 * the same disk, and its sequence number is its own as long as its node is listed.
 *
 * Pure: listings and observations come in.
 */
#pragma once

#include "cowherd/observation.h"

struct disk_node {
    dev_t number;
    uint64_t node;
};

/* A listing: as the kernel gave it, and the same in the order of the numbers once it is sorted. */
struct disk_nodes {
    struct disk_node *items, *sorted;
    size_t n_items;
};

/* What the last listing showed, and what is known by it. */
struct disk_memory {
    struct disk_nodes nodes;
    struct known_disk {
        bool has_sequence;
        uint64_t sequence;
    } * known; /* of each of its sorted nodes */
    size_t n_unknown;
};

/* During a look: the sequence number that this device had at the last one. Returns whether it is known. */
bool disk_memory_find(const struct disk_memory *memory, dev_t number, uint64_t *ret_sequence);

/* After it, with a listing made since: whether it is the last one word for word, and every disk in it is known. Then
 * nothing is refuted and nothing learnt, and what follows may be left out; it is what all looks but a few find. */
bool disk_memory_is_confirmed(const struct disk_memory *memory, const struct disk_nodes *nodes);

/* Else, of a listing that is sorted: whether that number was another disk's. What was never known is not refuted. */
bool disk_memory_is_refuted(const struct disk_memory *memory, const struct disk_nodes *nodes, dev_t number);

/* Then: takes the sorted listing away, and from the observation the numbers of the disks that are still the same. 0, or
 * -ENOMEM and nothing is known any more. */
int disk_memory_take(struct disk_memory *memory, struct disk_nodes *nodes, const struct observation *seen);

void disk_memory_done(struct disk_memory *memory);

/* 0 or -ENOMEM. */
int disk_nodes_sort(struct disk_nodes *nodes);
void disk_nodes_done(struct disk_nodes *nodes);
