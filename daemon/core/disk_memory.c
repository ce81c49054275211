#include "cowherd/disk_memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct disk_node) == sizeof(dev_t) + sizeof(uint64_t),
               "nodes are compared byte by byte");

static int compare_numbers(const void *one, const void *other)
{
    const struct disk_node *a = one, *b = other;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* Inline: bsearch() calls back for each of the dozen comparisons, for each of thousands of devices. */
static const struct disk_node *find_node(const struct disk_nodes *nodes, dev_t number)
{
    size_t low = 0, high = nodes->sorted ? nodes->n_items : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (nodes->sorted[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return nodes->sorted && low < nodes->n_items && nodes->sorted[low].number == number ? &nodes->sorted[low]
                                                                                        : NULL;
}

static const struct known_disk *find_known(const struct disk_memory *memory, const struct disk_node *node)
{
    const struct known_disk *known = node ? &memory->known[node - memory->nodes.sorted] : NULL;
    return known && known->has_sequence ? known : NULL;
}

bool disk_memory_find(const struct disk_memory *memory, dev_t number, uint64_t *ret_sequence)
{
    const struct known_disk *known = find_known(memory, find_node(&memory->nodes, number));
    if (!known)
        return false;
    *ret_sequence = known->sequence;
    return true;
}

bool disk_memory_is_confirmed(const struct disk_memory *memory, const struct disk_nodes *nodes)
{
    return memory->n_unknown == 0 && nodes->n_items > 0 && nodes->n_items == memory->nodes.n_items &&
           memcmp(nodes->items, memory->nodes.items, nodes->n_items * sizeof(*nodes->items)) == 0;
}

bool disk_memory_is_refuted(const struct disk_memory *memory, const struct disk_nodes *nodes, dev_t number)
{
    const struct disk_node *before = find_node(&memory->nodes, number), *now = find_node(nodes, number);
    return find_known(memory, before) && (!now || now->node != before->node);
}

/* Its number is its own where the disk was there at the last listing already. */
static void learn(struct disk_memory *memory, const struct disk_nodes *before, const struct dm_device *device)
{
    const struct disk_node *was = find_node(before, device->number);
    const struct disk_node *is = find_node(&memory->nodes, device->number);
    if (device->error || !was || !is || was->node != is->node)
        return;
    memory->known[is - memory->nodes.sorted] = (struct known_disk){true, device->disk_sequence};
    memory->n_unknown--;
}

int disk_memory_take(struct disk_memory *memory, struct disk_nodes *nodes, const struct observation *seen)
{
    struct disk_memory fresh = {.nodes = *nodes, .n_unknown = nodes->n_items};
    *nodes = (struct disk_nodes){0};
    fresh.known = calloc(fresh.nodes.n_items + 1, sizeof(*fresh.known));
    if (!fresh.known) {
        disk_memory_done(&fresh);
        disk_memory_done(memory);
        return -ENOMEM;
    }
    for (size_t i = 0; i < seen->n_devices; i++)
        learn(&fresh, &memory->nodes, &seen->devices[i]);
    disk_memory_done(memory);
    *memory = fresh;
    return 0;
}

void disk_memory_done(struct disk_memory *memory)
{
    disk_nodes_done(&memory->nodes);
    free(memory->known);
    *memory = (struct disk_memory){0};
}

int disk_nodes_sort(struct disk_nodes *nodes)
{
    struct disk_node *sorted = calloc(nodes->n_items + 1, sizeof(*sorted));
    if (!sorted)
        return -ENOMEM;
    if (nodes->n_items) {
        memcpy(sorted, nodes->items, nodes->n_items * sizeof(*sorted));
        qsort(sorted, nodes->n_items, sizeof(*sorted), compare_numbers);
    }
    free(nodes->sorted);
    nodes->sorted = sorted;
    return 0;
}

void disk_nodes_done(struct disk_nodes *nodes)
{
    free(nodes->items);
    free(nodes->sorted);
    *nodes = (struct disk_nodes){0};
}
