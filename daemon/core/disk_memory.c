#include "cowherd/disk_memory.h"
#include <errno.h>
#include <stdlib.h>

static int compare_numbers(const void *one, const void *other)
{
    const struct disk_node *a = one, *b = other;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* A known disk begins with its node, so that both are found by their number. */
static const void *find(const void *items, size_t n_items, size_t size, dev_t number)
{
    struct disk_node wanted = {.number = number};
    return n_items ? bsearch(&wanted, items, n_items, size, compare_numbers) : NULL;
}

static const struct known_disk *find_known(const struct disk_memory *memory, dev_t number)
{
    return find(memory->items, memory->n_items, sizeof(*memory->items), number);
}

static const struct disk_node *find_node(const struct disk_nodes *nodes, dev_t number)
{
    return find(nodes->items, nodes->n_items, sizeof(*nodes->items), number);
}

bool disk_memory_find(const struct disk_memory *memory, dev_t number, uint64_t *ret_sequence)
{
    const struct known_disk *known = find_known(memory, number);
    if (!known || !known->has_sequence)
        return false;
    *ret_sequence = known->sequence;
    return true;
}

bool disk_memory_is_refuted(const struct disk_memory *memory, const struct disk_nodes *nodes, dev_t number)
{
    const struct known_disk *known = find_known(memory, number);
    const struct disk_node *node = find_node(nodes, number);
    return known && known->has_sequence && (!node || node->node != known->node.node);
}

static struct known_disk *find_listed(struct known_disk *items, const struct disk_nodes *nodes, dev_t number)
{
    const struct disk_node *node = find_node(nodes, number);
    return node ? &items[node - nodes->items] : NULL;
}

int disk_memory_take(struct disk_memory *memory, const struct disk_nodes *nodes,
                     const struct observation *seen)
{
    struct known_disk *items = calloc(nodes->n_items + 1, sizeof(*items));
    if (!items) {
        disk_memory_done(memory);
        return -ENOMEM;
    }
    for (size_t i = 0; i < nodes->n_items; i++)
        items[i].node = nodes->items[i];
    for (size_t i = 0; i < seen->n_devices; i++) {
        const struct dm_device *device = &seen->devices[i];
        const struct known_disk *before = find_known(memory, device->number);
        struct known_disk *now = find_listed(items, nodes, device->number);
        if (device->error || !before || !now || before->node.node != now->node.node)
            continue;
        now->has_sequence = true;
        now->sequence = device->disk_sequence;
    }
    disk_memory_done(memory);
    *memory = (struct disk_memory){items, nodes->n_items};
    return 0;
}

void disk_memory_done(struct disk_memory *memory)
{
    free(memory->items);
    *memory = (struct disk_memory){0};
}

void disk_nodes_sort(struct disk_nodes *nodes)
{
    if (nodes->n_items)
        qsort(nodes->items, nodes->n_items, sizeof(*nodes->items), compare_numbers);
}

void disk_nodes_done(struct disk_nodes *nodes)
{
    free(nodes->items);
    *nodes = (struct disk_nodes){0};
}
