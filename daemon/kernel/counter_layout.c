#include "counter_layout.h"
#include <errno.h>
#include <linux/btf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND_ENUM64 19 /* not in every libc's headers (6.0) */

enum name {
    NAME_BIO,
    NAME_BIO_DEVICE,
    NAME_BIO_OPERATION,
    NAME_DEVICE,
    NAME_DEVICE_NUMBER,
    NAME_QUEUE,
    NAME_REMAP,
    N_NAMES,
};

static const char *const texts[N_NAMES] = {
    [NAME_BIO] = "bio",
    [NAME_BIO_DEVICE] = "bi_bdev",
    [NAME_BIO_OPERATION] = "bi_opf",
    [NAME_DEVICE] = "block_device",
    [NAME_DEVICE_NUMBER] = "bd_dev",
    [NAME_QUEUE] = "btf_trace_block_bio_queue",
    [NAME_REMAP] = "btf_trace_block_bio_remap",
};

#define WANTED                                                                                               \
    (1U << NAME_BIO_DEVICE | 1U << NAME_BIO_OPERATION | 1U << NAME_DEVICE_NUMBER | 1U << NAME_QUEUE |        \
     1U << NAME_REMAP)

struct reading {
    FILE *file;
    struct btf_header header;
    uint32_t names[N_NAMES]; /* where they are among the strings; 0: nowhere */
    uint32_t left;           /* bytes of the types that are still to be read */
    struct counter_layout layout;
    unsigned found; /* one bit for each name that is in it */
    bool is_ambiguous;
};

static int read_bytes(FILE *file, void *ret_bytes, size_t n)
{
    if (fread(ret_bytes, 1, n, file) == n)
        return 0;
    return ferror(file) ? -EIO : -EBADMSG;
}

static int go_to(const struct reading *reading, uint32_t offset)
{
    return fseek(reading->file, (long)reading->header.hdr_len + (long)offset, SEEK_SET) < 0 ? -errno : 0;
}

/* Each string is there once, so that names are compared by their places from now on. */
static int find_names(struct reading *reading)
{
    char *text = NULL;
    size_t allocated = 0;
    int r = go_to(reading, reading->header.str_off);
    for (uint32_t at = 0; r >= 0 && at < reading->header.str_len;) {
        ssize_t n = getdelim(&text, &allocated, '\0', reading->file);
        for (enum name i = 0; n > 0 && i < N_NAMES; i++)
            if (strcmp(text, texts[i]) == 0)
                reading->names[i] = at;
        at += (uint32_t)n;
        r = n > 0 ? 0 : -EBADMSG;
    }
    free(text);
    return r;
}

/* Of the types. */
static int take(struct reading *reading, void *ret_bytes, size_t n)
{
    if (n > reading->left)
        return -EBADMSG;
    reading->left -= (uint32_t)n;
    return read_bytes(reading->file, ret_bytes, n);
}

static bool is_named(const struct reading *reading, uint32_t name_off, enum name name)
{
    return name_off && name_off == reading->names[name];
}

static void take_found(struct reading *reading, enum name name, unsigned *field, unsigned value)
{
    reading->is_ambiguous = reading->is_ambiguous || reading->found & 1U << name;
    reading->found |= 1U << name;
    *field = value;
}

static int read_members(struct reading *reading, const struct btf_type *type)
{
    struct counter_layout *layout = &reading->layout;
    bool is_bio = is_named(reading, type->name_off, NAME_BIO);
    bool is_device = is_named(reading, type->name_off, NAME_DEVICE);
    for (unsigned i = BTF_INFO_VLEN(type->info); i > 0; i--) {
        struct btf_member member;
        int r = take(reading, &member, sizeof(member));
        if (r < 0)
            return r;
        unsigned at = BTF_MEMBER_BIT_OFFSET(member.offset) / 8;
        if (is_bio && is_named(reading, member.name_off, NAME_BIO_DEVICE))
            take_found(reading, NAME_BIO_DEVICE, &layout->bio_device, at);
        else if (is_bio && is_named(reading, member.name_off, NAME_BIO_OPERATION))
            take_found(reading, NAME_BIO_OPERATION, &layout->bio_operation, at);
        else if (is_device && is_named(reading, member.name_off, NAME_DEVICE_NUMBER))
            take_found(reading, NAME_DEVICE_NUMBER, &layout->device_number, at);
    }
    return 0;
}

/* What follows a type of this kind, bytes; -EBADMSG: nobody knows. */
static int trailing_bytes(const struct btf_type *type)
{
    int n = BTF_INFO_VLEN(type->info);
    switch (BTF_INFO_KIND(type->info)) {
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case BTF_KIND_DECL_TAG:
        return sizeof(uint32_t);
    case BTF_KIND_ARRAY:
        return sizeof(struct btf_array);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
        return n * (int)sizeof(struct btf_member);
    case BTF_KIND_ENUM:
        return n * (int)sizeof(struct btf_enum);
    case BTF_KIND_FUNC_PROTO:
        return n * (int)sizeof(struct btf_param);
    case BTF_KIND_DATASEC:
        return n * (int)sizeof(struct btf_var_secinfo);
    case KIND_ENUM64:
        return n * 3 * (int)sizeof(uint32_t);
    default:
        return BTF_INFO_KIND(type->info) > KIND_ENUM64 ? -EBADMSG : 0;
    }
}

static int skip(struct reading *reading, int bytes)
{
    char ignored[512];
    int r = bytes < 0 ? bytes : 0;
    for (int n; r >= 0 && bytes > 0; bytes -= n) {
        n = bytes < (int)sizeof(ignored) ? bytes : (int)sizeof(ignored);
        r = take(reading, ignored, (size_t)n);
    }
    return r;
}

/* The first one is number 1. */
static int read_type(struct reading *reading, uint32_t number)
{
    struct btf_type type;
    int r = take(reading, &type, sizeof(type));
    if (r < 0)
        return r;
    bool is_struct = BTF_INFO_KIND(type.info) == BTF_KIND_STRUCT,
         is_typedef = BTF_INFO_KIND(type.info) == BTF_KIND_TYPEDEF;
    if (is_struct &&
        (is_named(reading, type.name_off, NAME_BIO) || is_named(reading, type.name_off, NAME_DEVICE)))
        return read_members(reading, &type);
    if (is_typedef && is_named(reading, type.name_off, NAME_QUEUE))
        take_found(reading, NAME_QUEUE, &reading->layout.tracepoints[TRACEPOINT_QUEUE], number);
    if (is_typedef && is_named(reading, type.name_off, NAME_REMAP))
        take_found(reading, NAME_REMAP, &reading->layout.tracepoints[TRACEPOINT_REMAP], number);
    return skip(reading, trailing_bytes(&type));
}

static int read_types(struct reading *reading)
{
    int r = go_to(reading, reading->header.type_off);
    reading->left = reading->header.type_len;
    for (uint32_t number = 1; r >= 0 && reading->left > 0; number++)
        r = read_type(reading, number);
    return r;
}

static int read_all(struct reading *reading)
{
    const struct btf_header *header = &reading->header;
    int r = read_bytes(reading->file, &reading->header, sizeof(reading->header));
    if (r >= 0 && (header->magic != BTF_MAGIC || header->version != BTF_VERSION))
        r = -EBADMSG;
    if (r >= 0)
        r = find_names(reading);
    return r < 0 ? r : read_types(reading);
}

int counter_layout_read(const char *path, struct counter_layout *ret_layout)
{
    struct reading reading = {.file = fopen(path, "re")};
    if (!reading.file)
        return -errno;
    int r = read_all(&reading);
    fclose(reading.file);
    if (r >= 0 && (reading.found != WANTED || reading.is_ambiguous))
        r = -ENOENT;
    if (r >= 0)
        *ret_layout = reading.layout;
    return r;
}
