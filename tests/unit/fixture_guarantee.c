#include "fixture_guarantee.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

struct exception_store store_of(const struct member *member)
{
    return (struct exception_store){
        .total_sectors = member->sample.total_sectors,
        .chunk_sectors = member->target.chunk_sectors,
        .persistent = member->target.store_type != STORE_TRANSIENT,
    };
}

void use(struct member *member, uint64_t exceptions)
{
    struct exception_store store = store_of(member);
    member->sample.used_sectors = exception_store_chunks_needed(&store, exceptions) * store.chunk_sectors;
    member->sample.chunks_left = exception_store_chunks_left(&store, member->sample.used_sectors);
    member->sample.bytes_left = exception_store_bytes_left(&store, member->sample.used_sectors);
}

void set_store(struct fixture *fixture, uint64_t bytes, uint32_t chunk_sectors)
{
    fixture->member.sample.total_sectors = bytes / SECTOR_BYTES;
    fixture->member.target.chunk_sectors = chunk_sectors;
    use(&fixture->member, 0);
}

void begin(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    fixture->policy = (struct policy){.pattern = (char *)"*", .rungs = fixture->rungs};
    fixture->member = (struct member){
        .name = "s",
        .device = makedev(254, 1),
        .alone = true,
        .role = ROLE_BACKUP,
        .origin_user = makedev(254, 2),
        .policy = &fixture->policy,
        .has_sample = true,
        .target = {.kind = TARGET_SNAPSHOT,
                   .origin = makedev(8, 1),
                   .store = makedev(8, 2),
                   .length_sectors = UINT64_C(1) << 31,
                   .status = {.state = SNAPSHOT_VALID}},
    };
    fixture->subject = (struct guarantee_subject){.member = &fixture->member, .under_way = -1};
    fixture->bounds = (struct guarantee_bounds){
        .pacing = {.longest_usec = 10 * SECOND,
                   .shortest_usec = 50 * MSEC,
                   .assumed_bytes_per_second = 256 * MIB},
        .engage_usec = GUARANTEE_BRAKE_USEC,
    };
    set_store(fixture, 64 * MIB, 8);
}

void add_rung(struct fixture *fixture, enum condition_kind condition, uint64_t value, enum action_kind kind,
              uint64_t amount)
{
    size_t i = fixture->policy.n_rungs++;
    fixture->actions[i] = (struct action){.kind = kind, .amount = amount};
    fixture->rungs[i] = (struct rung){
        .condition = {condition, value},
        .actions = &fixture->actions[i],
        .n_actions = 1,
        .text = (char *)"a rung",
    };
}

void only_rung(struct fixture *fixture, uint64_t centipercent, enum action_kind kind)
{
    fixture->policy.n_rungs = 0;
    add_rung(fixture, CONDITION_USED, centipercent, kind, 0);
}

enum guarantee_verdict verdict(struct fixture *fixture)
{
    guarantee_judge(&fixture->subject, &fixture->bounds, &fixture->guarantee);
    assert_int_equal(fixture->guarantee.holds, guarantee_verdict_holds(fixture->guarantee.verdict));
    return fixture->guarantee.verdict;
}

const char *text(struct fixture *fixture)
{
    static char said[GUARANTEE_TEXT_MAX];
    verdict(fixture);
    return guarantee_text(&fixture->guarantee, said);
}

uint64_t chunks_filled(uint64_t rate, uint64_t usec, uint64_t chunk_bytes)
{
    uint64_t bytes = (rate * usec + SECOND - 1) / SECOND;
    return (bytes + chunk_bytes - 1) / chunk_bytes;
}
