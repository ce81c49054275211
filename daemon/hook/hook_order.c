#include "cowherd/hook_order.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The block: version, timeout, how many of each, then the environment and the arguments. */
#define VERSION    "cowherd-hook 1"
#define NUMBER_MAX 24

static size_t count(char *const *strings)
{
    size_t n = 0;
    while (strings[n])
        n++;
    return n;
}

static size_t size_of(char *const *strings)
{
    size_t size = 0;
    for (; *strings; strings++)
        size += strlen(*strings) + 1;
    return size;
}

static void add(char **end, const char *string)
{
    size_t size = strlen(string) + 1;
    memcpy(*end, string, size);
    *end += size;
}

static void add_number(char **end, uint64_t number)
{
    *end += snprintf(*end, NUMBER_MAX, "%" PRIu64, number) + 1;
}

int hook_order_encode(const struct hook_order *order, char **ret_block, size_t *ret_size)
{
    size_t size_max = sizeof(VERSION) + (size_t)3 * NUMBER_MAX + size_of(order->environment) +
                      size_of(order->arguments);
    if (size_max > HOOK_ORDER_BYTES_MAX)
        return -E2BIG;
    char *block = malloc(size_max), *end = block;
    if (!block)
        return -ENOMEM;
    add(&end, VERSION);
    add_number(&end, order->timeout_usec);
    add_number(&end, count(order->environment));
    add_number(&end, count(order->arguments));
    for (char **string = order->environment; *string; string++)
        add(&end, *string);
    for (char **string = order->arguments; *string; string++)
        add(&end, *string);
    *ret_block = block;
    *ret_size = (size_t)(end - block);
    return 0;
}

/* The next string of a block, or NULL where no zero ends one. */
static char *take(char **at, const char *end)
{
    char *string = *at, *zero = memchr(string, '\0', (size_t)(end - string));
    if (!zero)
        return NULL;
    *at = zero + 1;
    return string;
}

static int take_number(char **at, const char *end, uint64_t *ret_number)
{
    char *rest;
    const char *string = take(at, end);
    if (!string || *string < '0' || *string > '9')
        return -EBADMSG;
    errno = 0;
    *ret_number = strtoull(string, &rest, 10);
    return errno != 0 || *rest != '\0' ? -EBADMSG : 0;
}

static int take_strings(char **at, const char *end, char **strings, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        strings[i] = take(at, end);
        if (!strings[i])
            return -EBADMSG;
    }
    return 0;
}

int hook_order_decode(char *block, size_t size, struct hook_order *ret_order)
{
    char *at = block;
    const char *end = block + size, *version = take(&at, end);
    uint64_t timeout_usec, n_environment, n_arguments;
    if (!version || strcmp(version, VERSION) != 0 || take_number(&at, end, &timeout_usec) < 0 ||
        take_number(&at, end, &n_environment) < 0 || take_number(&at, end, &n_arguments) < 0 ||
        n_environment > size || n_arguments > size || n_arguments == 0)
        return -EBADMSG;
    char **strings = calloc(n_environment + n_arguments + 2, sizeof(*strings));
    if (!strings)
        return -ENOMEM;
    char **arguments = strings + n_environment + 1;
    if (take_strings(&at, end, strings, n_environment) < 0 ||
        take_strings(&at, end, arguments, n_arguments) < 0 || at != end) {
        free(strings);
        return -EBADMSG;
    }
    *ret_order = (struct hook_order){
        .timeout_usec = timeout_usec, .environment = strings, .arguments = arguments};
    return 0;
}
