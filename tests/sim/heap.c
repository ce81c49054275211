/* The daemon's heap: what it has allocated goes when it is killed. Linked with --wrap. */
#include "loop.h"
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct block {
    alignas(max_align_t) struct block *next;
    struct block *previous;
    size_t size;
    bool is_daemons;
};

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_reallocarray(void *memory, size_t n, size_t size);
void __wrap_free(void *memory);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
int __wrap_vasprintf(char **ret_text, const char *format, va_list arguments);

static struct block *blocks; /* the daemon's */
static bool is_daemon;

void loop_enter_daemon(void)
{
    is_daemon = true;
}

void loop_leave_daemon(void)
{
    is_daemon = false;
}

static struct block *block_of(void *memory)
{
    return (struct block *)memory - 1;
}

static void take_out(struct block *block)
{
    if (!block->is_daemons)
        return;
    if (block->next)
        block->next->previous = block->previous;
    *(block->previous ? &block->previous->next : &blocks) = block->next;
}

void *__wrap_malloc(size_t size)
{
    struct block *block = __real_malloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    *block = (struct block){.size = size, .is_daemons = is_daemon};
    if (is_daemon) {
        block->next = blocks;
        if (blocks)
            blocks->previous = block;
        blocks = block;
    }
    return block + 1;
}

void __wrap_free(void *memory)
{
    if (!memory)
        return;
    take_out(block_of(memory));
    __real_free(block_of(memory));
}

void *__wrap_calloc(size_t n, size_t size)
{
    void *memory = __wrap_malloc(n * size);
    return memory ? memset(memory, 0, n * size) : NULL;
}

void *__wrap_realloc(void *memory, size_t size)
{
    void *fresh = __wrap_malloc(size);
    if (fresh && memory)
        memcpy(fresh, memory, block_of(memory)->size < size ? block_of(memory)->size : size);
    if (fresh)
        __wrap_free(memory);
    return fresh;
}

void *__wrap_reallocarray(void *memory, size_t n, size_t size)
{
    return __wrap_realloc(memory, n * size);
}

char *__wrap_strndup(const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    char *copy = __wrap_malloc(length + 1);
    if (copy)
        *(char *)mempcpy(copy, text, length) = '\0';
    return copy;
}

char *__wrap_strdup(const char *text)
{
    return __wrap_strndup(text, strlen(text));
}

int __wrap_vasprintf(char **ret_text, const char *format, va_list arguments)
{
    char text[4096];
    int n = vsnprintf(text, sizeof(text), format, arguments);
    *ret_text = __wrap_strdup(text);
    return *ret_text ? n : -1;
}

void loop_free_daemon(void)
{
    while (blocks)
        __wrap_free(blocks + 1);
}
