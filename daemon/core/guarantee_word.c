#include "cowherd/guarantee_word.h"

/* How many of those that were told count for the one that has come now. */
static unsigned counted(const struct guarantee_word *word)
{
    return word->changed_usec - word->told_usec < GUARANTEE_CALM_USEC ? word->n_told : 0;
}

static uint64_t lasting_usec(const struct guarantee_word *word)
{
    uint64_t usec = GUARANTEE_LASTING_USEC;
    for (unsigned i = 0; i < counted(word) && usec < GUARANTEE_LASTING_MAX_USEC; i++)
        usec *= 2;
    return usec;
}

uint64_t guarantee_word_due_usec(const struct guarantee_word *word)
{
    return word->changed_usec ? word->changed_usec + lasting_usec(word) : UINT64_MAX;
}

bool guarantee_word_take(struct guarantee_word *word, bool holds, uint64_t now_usec)
{
    if (holds == word->told) {
        guarantee_word_forget(word);
        return false;
    }
    if (!word->changed_usec)
        word->changed_usec = now_usec;
    if (now_usec < guarantee_word_due_usec(word))
        return false;
    word->n_told = counted(word) + 1;
    word->told = holds;
    word->told_usec = now_usec;
    word->changed_usec = 0;
    return true;
}

void guarantee_word_forget(struct guarantee_word *word)
{
    word->changed_usec = 0;
}

void guarantee_word_begin_anew(struct guarantee_word *word)
{
    word->n_told = 0;
}
