#include "cowherd/value.h"
#include <errno.h>
#include <string.h>

#define BLANKS         " \t"
#define LETTERS        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define PERCENT_DIGITS 2 /* decimals; the smallest step is then a hundredth of a percent */
#define CENTI          100

struct unit {
    const char *name;
    uint64_t factor;
};

struct quantity {
    const struct unit *units;
    size_t n_units;
    const char *no_unit;
    const char *not_whole;
};

static const struct unit size_units[] = {
    {"B", 1},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
};

static const struct unit time_units[] = {
    {"ms", UINT64_C(1000)},          {"s", UINT64_C(1000000)},         {"min", UINT64_C(60) * 1000000},
    {"h", UINT64_C(3600) * 1000000}, {"d", UINT64_C(86400) * 1000000},
};

static const struct quantity size_quantity = {
    .units = size_units,
    .n_units = sizeof(size_units) / sizeof(size_units[0]),
    .no_unit = "a size needs a unit: B, KiB, MiB, GiB, TiB",
    .not_whole = "a size is a whole number",
};

static const struct quantity time_quantity = {
    .units = time_units,
    .n_units = sizeof(time_units) / sizeof(time_units[0]),
    .no_unit = "a time needs a unit: ms, s, min, h, d",
    .not_whole = "a time is a whole number",
};

static int refuse(const char **ret_error, const char *sentence)
{
    *ret_error = sentence;
    return -EINVAL;
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, BLANKS);
}

/* The parsers below read from *text and leave it behind what they took; on -EINVAL it stays. */

static int take_number(const char **text, uint64_t *ret_number, const char **ret_error)
{
    const char *at = *text;
    uint64_t number = 0;

    if (*at == '-')
        return refuse(ret_error, "a number cannot be negative");
    if (*at < '0' || *at > '9')
        return refuse(ret_error, "a number is expected");
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return refuse(ret_error, "the number is too large");
    *text = at;
    *ret_number = number;
    return 0;
}

static const struct unit *find_unit(const struct quantity *quantity, const char *name, size_t length)
{
    for (size_t i = 0; i < quantity->n_units; i++)
        if (strlen(quantity->units[i].name) == length && memcmp(quantity->units[i].name, name, length) == 0)
            return &quantity->units[i];
    return NULL;
}

static int take_quantity(const struct quantity *quantity, const char **text, uint64_t *ret_value,
                         const char **ret_error)
{
    const char *at = skip_blanks(*text);
    const struct unit *unit;
    uint64_t value;
    size_t length;
    int r;

    r = take_number(&at, &value, ret_error);
    if (r < 0)
        return r;
    if (*at == '.')
        return refuse(ret_error, quantity->not_whole);
    at = skip_blanks(at);
    length = strspn(at, LETTERS);
    unit = find_unit(quantity, at, length);
    if (!unit)
        return refuse(ret_error, quantity->no_unit);
    if (__builtin_mul_overflow(value, unit->factor, &value))
        return refuse(ret_error, "the number is too large");
    *text = at + length;
    *ret_value = value;
    return 0;
}

/* The digits behind the point as hundredths: "5" is 50. */
static int take_decimals(const char **text, uint64_t *ret_centi, const char **ret_error)
{
    size_t digits = strspn(*text, "0123456789");
    uint64_t centi;

    if (digits == 0)
        return refuse(ret_error, "a number is expected");
    if (digits > PERCENT_DIGITS)
        return refuse(ret_error, "a percentage has two decimals at most");
    centi = (uint64_t)((*text)[0] - '0') * 10;
    if (digits == PERCENT_DIGITS)
        centi += (uint64_t)((*text)[1] - '0');
    *text += digits;
    *ret_centi = centi;
    return 0;
}

static int take_percent(const char **text, uint64_t *ret_centipercent, const char **ret_error)
{
    const char *at = skip_blanks(*text);
    uint64_t whole, centi = 0;
    int r;

    r = take_number(&at, &whole, ret_error);
    if (r < 0)
        return r;
    if (*at == '.') {
        at++;
        r = take_decimals(&at, &centi, ret_error);
        if (r < 0)
            return r;
    }
    at = skip_blanks(at);
    if (*at != '%')
        return refuse(ret_error, "a percentage ends with %");
    if (__builtin_mul_overflow(whole, CENTI, &whole) || __builtin_add_overflow(whole, centi, &whole))
        return refuse(ret_error, "the number is too large");
    *text = at + 1;
    *ret_centipercent = whole;
    return 0;
}

typedef int value_taker(const char **text, uint64_t *ret_value, const char **ret_error);

/* Nothing but blanks may follow. */
static int expect_end(const char *text, const char **ret_error)
{
    if (*skip_blanks(text) != '\0')
        return refuse(ret_error, "something follows that does not belong there");
    return 0;
}

/* The whole text is one, blanks around it allowed. */
static int parse_whole(value_taker *take, const char *text, uint64_t *ret_value, const char **ret_error)
{
    uint64_t value;
    int r = take(&text, &value, ret_error);

    if (r >= 0)
        r = expect_end(text, ret_error);
    if (r >= 0)
        *ret_value = value;
    return r;
}

int value_take_size(const char **text, uint64_t *ret_bytes, const char **ret_error)
{
    return take_quantity(&size_quantity, text, ret_bytes, ret_error);
}

int value_take_time(const char **text, uint64_t *ret_usec, const char **ret_error)
{
    return take_quantity(&time_quantity, text, ret_usec, ret_error);
}

int value_parse_size(const char *text, uint64_t *ret_bytes, const char **ret_error)
{
    return parse_whole(value_take_size, text, ret_bytes, ret_error);
}

int value_parse_time(const char *text, uint64_t *ret_usec, const char **ret_error)
{
    return parse_whole(value_take_time, text, ret_usec, ret_error);
}

int value_parse_percent(const char *text, uint64_t *ret_centipercent, const char **ret_error)
{
    return parse_whole(take_percent, text, ret_centipercent, ret_error);
}

int value_parse_bool(const char *text, bool *ret_bool, const char **ret_error)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"no", false},  {"true", true}, {"false", false},
                 {"on", true},  {"off", false}, {"1", true},    {"0", false}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i].word) == 0) {
            *ret_bool = words[i].value;
            return 0;
        }
    return refuse(ret_error, "yes or no is expected");
}
