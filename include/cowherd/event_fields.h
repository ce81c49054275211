/* The fields of an event: its facts as "NAME=value", one behind another. The journal, its lines on standard
 * error and the environment of hooks are all made of these, so that a fact has one name and one value.
 *
 * Values are bytes as they are (a dm name may hold anything but a zero), cut at a character where they are
 * longer than event.h allows. What is empty is left out.
 */
#pragma once

#include "cowherd/event.h"
#include <stdint.h>

#define EVENT_FIELDS_MAX       15 /* of an event */
#define EVENT_FIELD_OTHERS_MAX 48 /* bytes of a name, "=" and a value that is no text: 43 at most */
#define EVENT_TEXT_FIELDS      5  /* snapshot, uuid, rung, action, result */
#define EVENT_FIELDS_BYTES_MAX                                                                               \
    (EVENT_FIELDS_MAX * EVENT_FIELD_OTHERS_MAX + EVENT_TEXT_FIELDS * EVENT_RESULT_MAX + EVENT_SENTENCE_MAX)

/* Where each field ends: they have no separators. */
struct field_sizes {
    uint16_t n;
    uint16_t sizes[EVENT_FIELDS_MAX];
    uint16_t bytes; /* of all */
};

struct event_fields {
    struct field_sizes sizes;
    char text[EVENT_FIELDS_BYTES_MAX];
};

/* Those of an event. */
void event_fields_make(const struct event *event, struct event_fields *ret_fields);

/* Of a plain message: PRIORITY and MESSAGE. */
void event_fields_make_message(int priority, const char *message, struct event_fields *ret_fields);
