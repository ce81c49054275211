/* counter_layout: what a kernel says of its types. The file is the test's own. */
#include "../../daemon/kernel/counter_layout.h"
#include <errno.h>
#include <linux/btf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a file of types */

static char path[] = "/tmp/test-counter-layout.XXXXXX";

static char types[4096], strings[4096];
static size_t types_length, strings_length;
static uint32_t n_types;

/* Each is there once. */
static uint32_t name(const char *text)
{
    for (size_t at = 0; at < strings_length; at += strlen(strings + at) + 1)
        if (strcmp(strings + at, text) == 0)
            return (uint32_t)at;
    uint32_t at = (uint32_t)strings_length;
    strcpy(strings + strings_length, text);
    strings_length += strlen(text) + 1;
    return at;
}

static void add(const void *bytes, size_t n)
{
    memcpy(types + types_length, bytes, n);
    types_length += n;
}

/* Of a type: the number of what is in it is in its lowest bits. Returns its number. */
static uint32_t add_type(uint32_t name_off, unsigned kind, unsigned n)
{
    add(&(struct btf_type){.name_off = name_off, .info = kind << 24 | n}, sizeof(struct btf_type));
    return ++n_types;
}

/* With a name that must be told from others. */
static void add_with(unsigned kind, unsigned n, size_t bytes)
{
    static const char nothing[256];
    add_type(name("bio"), kind, n);
    add(nothing, bytes);
}

static void add_member(const char *text, unsigned byte)
{
    struct btf_member member = {.name_off = name(text), .offset = byte * 8};
    add(&member, sizeof(member));
}

/* One of each kind, with as much behind it as the kernel's documentation has (bpf/btf.rst). */
static void add_others(void)
{
    add_with(BTF_KIND_INT, 0, 4);
    add_with(BTF_KIND_PTR, 0, 0);
    add_with(BTF_KIND_ARRAY, 0, 12);
    add_with(BTF_KIND_UNION, 3, 36);
    add_with(BTF_KIND_ENUM, 2, 16);
    add_with(BTF_KIND_FWD, 0, 0);
    add_with(BTF_KIND_VOLATILE, 0, 0);
    add_with(BTF_KIND_CONST, 0, 0);
    add_with(BTF_KIND_RESTRICT, 0, 0);
    add_with(BTF_KIND_FUNC, 1, 0);
    add_with(BTF_KIND_FUNC_PROTO, 4, 32);
    add_with(BTF_KIND_VAR, 0, 4);
    add_with(BTF_KIND_DATASEC, 2, 24);
    add_with(BTF_KIND_FLOAT, 0, 0);
    add_with(BTF_KIND_DECL_TAG, 0, 4);
    add_with(BTF_KIND_TYPE_TAG, 0, 0);
    add_with(19, 2, 24); /* ENUM64 */
}

static void begin(void)
{
    types_length = strings_length = n_types = 0;
    name("");
    add_others();
}

static void add_bio(unsigned device_byte)
{
    add_type(name("bio"), BTF_KIND_STRUCT, 3);
    add_member("bi_next", 0);
    add_member("bi_bdev", device_byte);
    add_member("bi_opf", 16);
}

static void add_device(const char *number)
{
    add_type(name("block_device"), BTF_KIND_STRUCT, 2);
    add_member("bd_start_sect", 0);
    add_member(number, 52);
}

static void write_file(const struct btf_header *header)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fwrite(header, sizeof(*header), 1, file);
    fwrite(types, types_length, 1, file);
    fwrite(strings, strings_length, 1, file);
    assert_int_equal(fclose(file), 0);
}

static struct btf_header header(void)
{
    return (struct btf_header){
        .magic = BTF_MAGIC,
        .version = BTF_VERSION,
        .hdr_len = sizeof(struct btf_header),
        .type_len = (uint32_t)types_length,
        .str_off = (uint32_t)types_length,
        .str_len = (uint32_t)strings_length,
    };
}

static int read_as(const struct btf_header *header, struct counter_layout *ret_layout)
{
    write_file(header);
    return counter_layout_read(path, ret_layout);
}

static const struct counter_layout untouched = {1, 2, 3, {4, 5}};

static void refused(const struct btf_header *header, int error)
{
    struct counter_layout layout = untouched;
    assert_int_equal(read_as(header, &layout), error);
    assert_memory_equal(&layout, &untouched, sizeof(layout));
}

/* ---- */

static void test_found(void **state)
{
    struct counter_layout layout;
    (void)state;
    begin();
    uint32_t remap = add_type(name("btf_trace_block_bio_remap"), BTF_KIND_TYPEDEF, 0);
    add_device("bd_dev");
    add_bio(8);
    uint32_t queue = add_type(name("btf_trace_block_bio_queue"), BTF_KIND_TYPEDEF, 0);
    struct btf_header as_it_is = header();
    assert_int_equal(read_as(&as_it_is, &layout), 0);
    assert_int_equal(layout.bio_device, 8);
    assert_int_equal(layout.bio_operation, 16);
    assert_int_equal(layout.device_number, 52);
    assert_int_equal(layout.tracepoints[TRACEPOINT_QUEUE], queue);
    assert_int_equal(layout.tracepoints[TRACEPOINT_REMAP], remap);
}

/* A member of a bit field's structure has its width in the upper bits. */
static void test_bit_fields(void **state)
{
    struct counter_layout layout;
    (void)state;
    begin();
    add_type(name("btf_trace_block_bio_remap"), BTF_KIND_TYPEDEF, 0);
    add_type(name("btf_trace_block_bio_queue"), BTF_KIND_TYPEDEF, 0);
    add_device("bd_dev");
    add_bio(3 << 21 | 8);
    struct btf_header as_it_is = header();
    assert_int_equal(read_as(&as_it_is, &layout), 0);
    assert_int_equal(layout.bio_device, 8);
}

static void test_not_there(void **state)
{
    (void)state;
    struct counter_layout layout;
    assert_int_equal(counter_layout_read("/nonexistent", &layout), -ENOENT);
    begin();
    add_type(name("btf_trace_block_bio_remap"), BTF_KIND_TYPEDEF, 0);
    add_bio(8);
    add_device("bd_number");
    add_type(name("btf_trace_block_bio_queue"), BTF_KIND_TYPEDEF, 0);
    struct btf_header as_it_is = header();
    refused(&as_it_is, -ENOENT);
}

/* A kernel without bi_bdev whose types have a bio twice. */
static void test_twice(void **state)
{
    (void)state;
    begin();
    add_type(name("btf_trace_block_bio_remap"), BTF_KIND_TYPEDEF, 0);
    add_type(name("btf_trace_block_bio_queue"), BTF_KIND_TYPEDEF, 0);
    add_device("bd_dev");
    for (int i = 0; i < 2; i++) {
        add_type(name("bio"), BTF_KIND_STRUCT, 1);
        add_member("bi_opf", 16);
    }
    struct btf_header as_it_is = header();
    refused(&as_it_is, -ENOENT);
    add_bio(8);
    as_it_is = header();
    refused(&as_it_is, -ENOENT);
}

static void test_not_understood(void **state)
{
    struct btf_header changed;
    (void)state;
    begin();
    add_bio(8);
    changed = header();
    changed.magic = 0x9fbe; /* of a machine of the other byte order */
    refused(&changed, -EBADMSG);
    changed = header();
    changed.version = 2;
    refused(&changed, -EBADMSG);
    changed = header();
    changed.type_len -= 4;
    refused(&changed, -EBADMSG);
    changed = header();
    changed.type_len += 4096;
    refused(&changed, -EBADMSG);
    changed = header();
    changed.str_len += 1;
    refused(&changed, -EBADMSG);
    add_type(0, 20, 0);
    changed = header();
    refused(&changed, -EBADMSG);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found), cmocka_unit_test(test_bit_fields),     cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_twice), cmocka_unit_test(test_not_understood),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
