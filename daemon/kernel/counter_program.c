#include "counter_program.h"
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INSTRUCTIONS_MAX 128
#define TO_END           INT16_MIN /* of a jump, until the end is known */
#define TO_COUNT         INT16_MAX /* the same, to where its slot has been found */
#define RECORD_AT        (-8)      /* on the program's stack, below its frame pointer */

static int bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
    long r = syscall(SYS_bpf, command, attributes, sizeof(*attributes));
    return r < 0 ? -errno : (int)r;
}

/* ---- its instructions */

struct program {
    struct bpf_insn instructions[INSTRUCTIONS_MAX];
    unsigned n;
};

static void put(struct program *program, unsigned code, unsigned to, unsigned from, int offset, int value)
{
    program->instructions[program->n++] = (struct bpf_insn){
        .code = (uint8_t)code,
        .dst_reg = to & 0xf,
        .src_reg = from & 0xf,
        .off = (int16_t)offset,
        .imm = value,
    };
}

static void set(struct program *program, unsigned to, int value)
{
    put(program, BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}

static void copy(struct program *program, unsigned to, unsigned from)
{
    put(program, BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}

static void load(struct program *program, unsigned size, unsigned to, unsigned from, int offset)
{
    put(program, BPF_LDX | BPF_MEM | size, to, from, offset, 0);
}

static void store(struct program *program, unsigned size, unsigned to, int offset, unsigned from)
{
    put(program, BPF_STX | BPF_MEM | size, to, from, offset, 0);
}

/* An address takes two instructions. */
static void load_map(struct program *program, unsigned to, int fd)
{
    put(program, BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_FD, 0, fd);
    put(program, 0, 0, 0, 0, 0);
}

static void load_table(struct program *program, unsigned to, int fd, size_t offset)
{
    put(program, BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_VALUE, 0, fd);
    put(program, 0, 0, 0, 0, (int)offset);
}

static void call(struct program *program, enum bpf_func_id function)
{
    put(program, BPF_JMP | BPF_CALL, 0, 0, 0, function);
}

static void load_stack_address(struct program *program, unsigned to, int offset)
{
    copy(program, to, BPF_REG_10);
    put(program, BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, offset);
}

/* What jumps there jumps to the instruction that comes next. */
static void resolve(struct program *program, int16_t target)
{
    for (unsigned i = 0; i < program->n; i++)
        if (program->instructions[i].off == target)
            program->instructions[i].off = (int16_t)(program->n - i - 1);
}

/* ---- what it does: with the device's number in register 2 and its slot in register 6. */

#define OPERATION_MASK 0xff /* of bio.bi_opf: REQ_OP_MASK of blk_types.h */
#define OPERATION_READ 0    /* REQ_OP_READ */

/* All that is no read counts: writes of zeroes, by which the kernel may empty a chunk, have no W on most kernels. */
static void put_number_of_record(struct program *program, unsigned device_at, unsigned rwbs_at)
{
    load(program, BPF_B, BPF_REG_2, BPF_REG_1, (int)rwbs_at);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_2, 0, TO_END, 'R');
    load(program, BPF_W, BPF_REG_2, BPF_REG_1, (int)device_at);
}

/* The same of the tracepoint's arguments: the bio, and at the remapping the number that it came with. */
static void put_number_of_bio(struct program *program, enum counter_tracepoint tracepoint,
                              const struct counter_layout *layout)
{
    load(program, BPF_DW, BPF_REG_3, BPF_REG_1, 0);
    load(program, BPF_W, BPF_REG_2, BPF_REG_3, (int)layout->bio_operation);
    put(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, OPERATION_MASK);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_2, 0, TO_END, OPERATION_READ);
    if (tracepoint == TRACEPOINT_REMAP) {
        load(program, BPF_DW, BPF_REG_2, BPF_REG_1, 8);
    } else {
        load(program, BPF_DW, BPF_REG_3, BPF_REG_3, (int)layout->bio_device);
        load(program, BPF_W, BPF_REG_2, BPF_REG_3, (int)layout->device_number);
    }
}

/* The first slot of its hash, in register 3. */
static void put_hash(struct program *program, enum counter_tracepoint tracepoint, int table)
{
    put(program, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_2, 0, 0); /* 32 bits */
    copy(program, BPF_REG_3, BPF_REG_2);
    put(program, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, COUNTER_HASH_SHIFT);
    put(program, BPF_ALU64 | BPF_XOR | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
    put(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_3, 0, 0, COUNTER_HASHES - 1);
    put(program, BPF_ALU64 | BPF_MUL | BPF_K, BPF_REG_3, 0, 0, sizeof(uint16_t));
    load_table(program, BPF_REG_6, table, offsetof(struct counter_table, first[tracepoint]));
    put(program, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_6, BPF_REG_3, 0, 0);
    load(program, BPF_H, BPF_REG_3, BPF_REG_6, 0);
}

/* The mask is for the kernel's verifier, which must see that it stays in the table. */
static void put_search(struct program *program, int table)
{
    for (unsigned i = 0; i < COUNTER_CHAIN; i++) {
        put(program, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_3, 0, TO_END, 0);
        put(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_3, 0, 0, COUNTER_SLOTS - 1);
        put(program, BPF_ALU64 | BPF_MUL | BPF_K, BPF_REG_3, 0, 0, sizeof(struct counter_slot));
        load_table(program, BPF_REG_6, table, offsetof(struct counter_table, slots));
        put(program, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_6, BPF_REG_3, 0, 0);
        load(program, BPF_W, BPF_REG_4, BPF_REG_6, offsetof(struct counter_slot, number));
        put(program, BPF_JMP | BPF_JEQ | BPF_X, BPF_REG_4, BPF_REG_2, TO_COUNT, 0);
        load(program, BPF_H, BPF_REG_3, BPF_REG_6, offsetof(struct counter_slot, follower));
    }
    put(program, BPF_JMP | BPF_JA, 0, 0, TO_END, 0);
    resolve(program, TO_COUNT);
}

/* Two CPUs may find their writes to be one and the same last one: then it fires twice, which does no harm. */
static void put_count(struct program *program)
{
    set(program, BPF_REG_1, 1);
    put(program, BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_6, BPF_REG_1, offsetof(struct counter_slot, writes),
        BPF_ADD);
    load(program, BPF_DW, BPF_REG_1, BPF_REG_6, offsetof(struct counter_slot, writes));
    load(program, BPF_DW, BPF_REG_2, BPF_REG_6, offsetof(struct counter_slot, next));
    put(program, BPF_JMP | BPF_JLT | BPF_X, BPF_REG_1, BPF_REG_2, TO_END, 0);
    load(program, BPF_W, BPF_REG_1, BPF_REG_6, offsetof(struct counter_slot, has_fired));
    put(program, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_1, 0, TO_END, 0);
}

/* The ring has room for it, and the slot says who. */
static void put_firing(struct program *program, int ring)
{
    set(program, BPF_REG_1, 1);
    store(program, BPF_W, BPF_REG_6, offsetof(struct counter_slot, has_fired), BPF_REG_1);
    store(program, BPF_DW, BPF_REG_10, RECORD_AT, BPF_REG_1);
    load_map(program, BPF_REG_1, ring);
    load_stack_address(program, BPF_REG_2, RECORD_AT);
    set(program, BPF_REG_3, 1);
    set(program, BPF_REG_4, BPF_RB_FORCE_WAKEUP);
    call(program, BPF_FUNC_ringbuf_output);
}

/* Not 0, which at a record would keep the event from everybody else's perf. */
static void put_end(struct program *program)
{
    resolve(program, TO_END);
    set(program, BPF_REG_0, 1);
    put(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* From the number on it is the same program. */
static void put_counting(struct program *program, enum counter_tracepoint tracepoint,
                         const struct counter_maps *maps)
{
    put_hash(program, tracepoint, maps->table);
    put_search(program, maps->table);
    put_count(program);
    put_firing(program, maps->ring);
    put_end(program);
}

/* The kernel refuses what is not zero behind a command's own part of the union: so here and below it is cleared as a whole, which
 * an initialiser need not do. */
static int load_program(const struct program *program, enum bpf_prog_type type, uint32_t traced_type)
{
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.prog_type = type;
    attributes.expected_attach_type = traced_type ? BPF_TRACE_RAW_TP : 0;
    attributes.attach_btf_id = traced_type;
    attributes.insns = (uintptr_t)program->instructions;
    attributes.insn_cnt = program->n;
    attributes.license = (uintptr_t) "Dual MIT/GPL"; /* without GPL a program may read no bio (6.2) */
    strcpy(attributes.prog_name, "cowherd_count");
    return bpf(BPF_PROG_LOAD, &attributes);
}

int counter_program_load_for_bios(enum counter_tracepoint tracepoint, const struct counter_layout *layout,
                                  const struct counter_maps *maps)
{
    struct program program = {0};
    put_number_of_bio(&program, tracepoint, layout);
    put_counting(&program, tracepoint, maps);
    return load_program(&program, BPF_PROG_TYPE_TRACING, layout->tracepoints[tracepoint]);
}

int counter_program_load_for_records(enum counter_tracepoint tracepoint, const struct counter_maps *maps)
{
    struct program program = {0};
    unsigned device_at, rwbs_at;
    int r = counter_tracepoint_offsets(tracepoint, &device_at, &rwbs_at);
    if (r < 0)
        return r;
    put_number_of_record(&program, device_at, rwbs_at);
    put_counting(&program, tracepoint, maps);
    return load_program(&program, BPF_PROG_TYPE_TRACEPOINT, 0);
}

int counter_program_attach_to_bios(int program_fd)
{
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.raw_tracepoint.prog_fd = (uint32_t)program_fd;
    return bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes);
}

/* ---- its maps */

#define RECORD_BYTES 16 /* a word and the ring's own header */
#define RING_BYTES                                                                                           \
    (2 * COUNTER_SLOTS * RECORD_BYTES) /* a power of two: each may fire once more while it is being read */

static int open_map(enum bpf_map_type type, uint32_t key_bytes, uint32_t value_bytes, uint32_t n,
                    uint32_t flags)
{
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.map_type = type;
    attributes.key_size = key_bytes;
    attributes.value_size = value_bytes;
    attributes.max_entries = n;
    attributes.map_flags = flags;
    strcpy(attributes.map_name, "cowherd");
    return bpf(BPF_MAP_CREATE, &attributes);
}

int counter_maps_open(struct counter_maps *ret_maps)
{
    struct counter_maps maps = {.ring = -1};
    int r = maps.table = open_map(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct counter_table), 1,
                                  BPF_F_MMAPABLE);
    if (r >= 0)
        r = maps.ring = open_map(BPF_MAP_TYPE_RINGBUF, 0, 0, RING_BYTES, 0);
    if (r < 0) {
        counter_maps_close(&maps);
        return r;
    }
    *ret_maps = maps;
    return 0;
}

void counter_maps_close(struct counter_maps *maps)
{
    int *fds[] = {&maps->table, &maps->ring};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}
