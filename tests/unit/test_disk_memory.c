/* disk_memory: against a model machine whose disks come and go between and during looks. */
#include "cowherd/disk_memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define DISKS   6
#define LOOKS   20000
#define CHANGES 3

/* Nodes and sequence numbers are the machine's own, given once. */
struct machine {
    struct {
        bool is_there;
        uint64_t node, sequence;
    } disks[DISKS];
    uint64_t last;
};

static unsigned seed = 1;

static unsigned dice(unsigned sides)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 16) % sides;
}

/* A disk comes, goes, or is replaced by another of the same number. */
static void change(struct machine *machine)
{
    unsigned i = dice(DISKS);
    machine->disks[i].is_there = dice(3) > 0;
    machine->disks[i].node = 1000 + ++machine->last;
    machine->disks[i].sequence = machine->last;
}

static struct disk_nodes list(const struct machine *machine)
{
    struct disk_nodes nodes = {.items = calloc(DISKS, sizeof(*nodes.items))};
    for (unsigned i = DISKS; i-- > 0;) /* not in order */
        if (machine->disks[i].is_there)
            nodes.items[nodes.n_items++] = (struct disk_node){makedev(254, i), machine->disks[i].node};
    return nodes;
}

static unsigned n_read, n_remembered, n_confirmed;

static void read_disk(const struct machine *machine, unsigned i, struct dm_device *device)
{
    n_read++;
    device->disk_sequence = machine->disks[i].sequence;
}

/* With the listing that ends a look. */
static void verify(const struct machine *machine, struct disk_memory *memory, struct observation *seen)
{
    struct disk_nodes nodes = list(machine);
    if (disk_memory_is_confirmed(memory, &nodes)) {
        n_confirmed++;
        disk_nodes_done(&nodes);
        return;
    }
    assert_int_equal(disk_nodes_sort(&nodes), 0);
    for (size_t i = 0; i < seen->n_devices; i++)
        if (disk_memory_is_refuted(memory, &nodes, seen->devices[i].number))
            read_disk(machine, minor(seen->devices[i].number), &seen->devices[i]);
    assert_int_equal(disk_memory_take(memory, &nodes, seen), 0);
    assert_null(nodes.items);
}

/* As kernel_observe() does it, with changes in the midst of it. Counts what was true of its disk at no moment of the look. */
static unsigned look(struct machine *machine, struct disk_memory *memory, bool calm)
{
    struct observation seen = {0};
    uint64_t oldest[DISKS];
    unsigned n_wrong = 0;
    for (unsigned i = 0; i < DISKS; i++)
        oldest[i] = machine->disks[i].sequence;
    for (unsigned i = 0; i < DISKS; i++) {
        if (!calm && dice(8) == 0)
            change(machine);
        if (!machine->disks[i].is_there)
            continue;
        struct dm_device *device = observation_add(&seen);
        device->number = makedev(254, i);
        if (disk_memory_find(memory, device->number, &device->disk_sequence))
            n_remembered++;
        else
            read_disk(machine, i, device);
    }
    verify(machine, memory, &seen);
    for (size_t i = 0; i < seen.n_devices; i++)
        n_wrong += seen.devices[i].disk_sequence < oldest[minor(seen.devices[i].number)];
    observation_done(&seen);
    return n_wrong;
}

static void test_never_another_disks(void **state)
{
    (void)state;
    struct machine machine = {0};
    struct disk_memory memory = {0};
    n_remembered = n_confirmed = 0;
    for (unsigned i = 0; i < LOOKS; i++) {
        for (unsigned j = dice(CHANGES); j > 0; j--)
            change(&machine);
        assert_int_equal(look(&machine, &memory, dice(2)), 0);
    }
    assert_true(n_remembered > LOOKS / 2);
    assert_true(n_confirmed > LOOKS / 20);
    disk_memory_done(&memory);
}

static void test_read_twice_and_never_again(void **state)
{
    (void)state;
    struct machine machine = {0};
    struct disk_memory memory = {0};
    for (unsigned i = 0; i < DISKS; i++)
        machine.disks[i].is_there = true, machine.disks[i].node = machine.disks[i].sequence = 10 + i;
    for (unsigned i = 0; i < 5; i++) {
        n_read = n_confirmed = 0;
        assert_int_equal(look(&machine, &memory, true), 0);
        assert_int_equal(n_read, i < 2 ? DISKS : 0);
        assert_int_equal(n_confirmed, i >= 2);
    }
    /* One that is replaced is read in the look that sees it, and once more. */
    machine.disks[3].node++, machine.disks[3].sequence += 100;
    for (unsigned i = 0; i < 4; i++) {
        n_read = n_confirmed = 0;
        assert_int_equal(look(&machine, &memory, true), 0);
        assert_int_equal(n_read, i < 2);
        assert_int_equal(n_confirmed, i >= 2);
    }
    disk_memory_done(&memory);
}

/* Without a listing nothing that was remembered is believed, and nothing is remembered. */
static void test_no_listing(void **state)
{
    (void)state;
    struct machine machine = {.disks[2] = {.is_there = true, .node = 7, .sequence = 70}};
    struct disk_memory memory = {0};
    struct disk_nodes none = {0};
    struct observation seen = {0};
    uint64_t sequence = 1;
    for (unsigned i = 0; i < 2; i++)
        look(&machine, &memory, true);
    assert_true(disk_memory_find(&memory, makedev(254, 2), &sequence));
    assert_int_equal(sequence, 70);
    assert_true(disk_memory_is_refuted(&memory, &none, makedev(254, 2)));
    assert_false(disk_memory_is_refuted(&memory, &none, makedev(254, 1)));
    assert_int_equal(disk_memory_take(&memory, &none, &seen), 0);
    sequence = 1;
    assert_false(disk_memory_find(&memory, makedev(254, 2), &sequence));
    assert_int_equal(sequence, 1);
    disk_memory_done(&memory);
}

/* A device that could not be looked at has taught nothing. */
static void test_unreadable(void **state)
{
    (void)state;
    struct machine machine = {.disks[2] = {.is_there = true, .node = 7, .sequence = 70}};
    struct disk_memory memory = {0};
    struct observation seen = {0};
    struct dm_device *device = observation_add(&seen);
    uint64_t sequence;
    device->number = makedev(254, 2);
    device->error = -5;
    for (unsigned i = 0; i < 3; i++) {
        verify(&machine, &memory, &seen);
        assert_false(disk_memory_find(&memory, device->number, &sequence));
    }
    observation_done(&seen);
    disk_memory_done(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_another_disks),
        cmocka_unit_test(test_read_twice_and_never_again),
        cmocka_unit_test(test_no_listing),
        cmocka_unit_test(test_unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
