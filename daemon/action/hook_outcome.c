#include "cowherd/hook.h"
#include <stdio.h>
#include <string.h>

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* What the hook wrote, as a string: without blank ends, without half a character where the front is cut off. */
static void take_output(const struct hook_outcome *outcome, char text[static HOOK_OUTPUT_MAX + 8])
{
    const char *from = outcome->output, *end = from + outcome->n_output;
    while (outcome->is_cut && from < end && ((unsigned char)*from & 0xc0) == 0x80)
        from++;
    while (from < end && is_blank(*from))
        from++;
    while (from < end && is_blank(end[-1]))
        end--;
    char *at = stpcpy(text, outcome->is_cut ? "…" : "");
    for (; from < end; from++)
        *at++ = *from ? *from : '?';
    *at = '\0';
}

static void describe_end(const struct hook_outcome *outcome, const char *program, uint64_t timeout_usec,
                         char text[static EVENT_RESULT_MAX])
{
    char time[EVENT_TEXT_MAX];
    const char *signal = sigabbrev_np(outcome->number);
    switch (outcome->end) {
    case HOOK_EXITED:
        snprintf(text, EVENT_RESULT_MAX, "exit code %d", outcome->number);
        break;
    case HOOK_KILLED:
        snprintf(text, EVENT_RESULT_MAX, "killed by SIG%s", signal ? signal : "");
        break;
    case HOOK_OVERDUE:
        snprintf(text, EVENT_RESULT_MAX, "took longer than %s and was stopped",
                 event_text_time(timeout_usec, time));
        break;
    case HOOK_NOT_STARTED:
        snprintf(text, EVENT_RESULT_MAX, "%s cannot be run: %s", program, strerror(outcome->number));
        break;
    case HOOK_REFUSED:
        snprintf(text, EVENT_RESULT_MAX, "not run");
        break;
    default:
        snprintf(text, EVENT_RESULT_MAX, "no word of it: cowherd-hook was killed or not run");
        break;
    }
}

bool hook_outcome_text(const struct hook_outcome *outcome, const char *program, uint64_t timeout_usec,
                       char text[static EVENT_RESULT_MAX])
{
    char output[HOOK_OUTPUT_MAX + 8];
    take_output(outcome, output);
    if (outcome->end == HOOK_EXITED && outcome->number == 0) {
        snprintf(text, EVENT_RESULT_MAX, "%s", *output ? output : "done");
        return true;
    }
    describe_end(outcome, program, timeout_usec, text);
    size_t length = strlen(text);
    if (*output)
        snprintf(text + length, EVENT_RESULT_MAX - length, ": %s", output);
    return false;
}
