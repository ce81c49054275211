#include "counter_table.h"
#include <errno.h>

static uint16_t *chain_of(struct counter_table *table, enum counter_tracepoint tracepoint, uint32_t number)
{
    return &table->first[tracepoint][(number ^ number >> COUNTER_HASH_SHIFT) & (COUNTER_HASHES - 1)];
}

static int check_chain(const struct counter_table *table, uint32_t slot, uint32_t number)
{
    int n = 0;
    for (; slot; slot = table->slots[slot].follower, n++)
        if (table->slots[slot].number == number)
            return -EEXIST;
    return n < COUNTER_CHAIN ? 0 : -EMFILE;
}

/* 0: none. */
static uint32_t find_free(const struct counter_table *table)
{
    for (uint32_t i = 1; i <= COUNTER_SLOTS; i++) {
        uint32_t slot = (table->latest + i) % COUNTER_SLOTS;
        if (slot && !table->slots[slot].number)
            return slot;
    }
    return 0;
}

int counter_table_add(struct counter_table *table, const struct counter_source *source, uint32_t *ret_slot)
{
    uint16_t *chain = chain_of(table, source->tracepoint, source->number);
    uint32_t slot = find_free(table);
    int r = slot ? check_chain(table, *chain, source->number) : -EMFILE;
    if (r < 0)
        return r;
    table->slots[slot] = (struct counter_slot){
        .next = UINT64_MAX, .number = source->number, .follower = *chain};
    __atomic_store_n(chain, (uint16_t)slot, __ATOMIC_RELEASE);
    table->latest = slot;
    *ret_slot = slot;
    return 0;
}

void counter_table_remove(struct counter_table *table, enum counter_tracepoint tracepoint, uint32_t slot)
{
    uint16_t *link = chain_of(table, tracepoint, table->slots[slot].number);
    while (*link != slot)
        link = &table->slots[*link].follower;
    __atomic_store_n(link, table->slots[slot].follower, __ATOMIC_RELEASE);
    __atomic_store_n(&table->slots[slot].number, 0, __ATOMIC_RELEASE);
}
