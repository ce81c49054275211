#include "cowherd/lvm_name.h"
#include <errno.h>
#include <string.h>

#define UUID_PREFIX     "LVM-"
#define UUID_CHARACTERS 32

static bool is_alphanumeric(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9');
}

static bool is_allowed(char character)
{
    return is_alphanumeric(character) || (character && strchr("+_.-", character));
}

/* One of the two names, up to a single hyphen or the end. Returns what follows it, or NULL. */
static const char *take_name(const char *text, char *name, size_t size)
{
    size_t length = 0;
    while (*text && !(text[0] == '-' && text[1] != '-')) {
        if (!is_allowed(*text) || length + 1 >= size)
            return NULL;
        name[length++] = *text;
        text += *text == '-' ? 2 : 1;
    }
    name[length] = '\0';
    if (length == 0 || name[0] == '-' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return NULL;
    return text;
}

int lvm_name_split(const char *dm_name, struct lvm_name *ret_name)
{
    struct lvm_name name;
    const char *rest = take_name(dm_name, name.group, sizeof(name.group));
    if (!rest || *rest != '-')
        return -EINVAL;
    rest = take_name(rest + 1, name.volume, sizeof(name.volume));
    if (!rest || *rest)
        return -EINVAL;
    *ret_name = name;
    return 0;
}

/* Hyphens follow the 6th, 10th, 14th, 18th, 22nd and 26th character. */
static bool ends_group(size_t position)
{
    return position >= 6 && position <= 26 && (position - 6) % 4 == 0;
}

int lvm_uuid_of_volume(const char *dm_uuid, char ret_uuid[static LVM_UUID_BYTES])
{
    size_t prefix = strlen(UUID_PREFIX), length = 0;
    if (!dm_uuid_is_lvm(dm_uuid) || strlen(dm_uuid) != prefix + 2 * UUID_CHARACTERS)
        return -EINVAL;
    for (const char *at = dm_uuid + prefix; *at; at++)
        if (!is_alphanumeric(*at))
            return -EINVAL;
    const char *volume = dm_uuid + prefix + UUID_CHARACTERS;
    for (size_t i = 0; i < UUID_CHARACTERS; i++) {
        if (ends_group(i))
            ret_uuid[length++] = '-';
        ret_uuid[length++] = volume[i];
    }
    ret_uuid[length] = '\0';
    return 0;
}
