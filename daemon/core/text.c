#include "cowherd/text.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int text_replace(char **text, const char *with)
{
    char *copy = with ? strdup(with) : NULL;
    if (with && !copy)
        return -ENOMEM;
    free(*text);
    *text = copy;
    return 0;
}
