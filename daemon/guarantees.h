/* Guarantees: the guarantee of every snapshot (cowherd/guarantee.h), kept and told.
 *
 * Each member is judged anew after each look at it. What is told: the STATUS line says of the worst snapshot why it has
 * none; the sentence with which a snapshot is found ends with its guarantee, by time alone; a change is a line in the
 * journal once it has lasted (cowherd/guarantee_word.h).
 */
#pragma once

#include "cowherd/guarantee.h"
#include "manager_state.h"

/* The bounds that are in force. */
struct guarantee_bounds guarantees_bounds(const struct manager *manager);

/* The guarantee of one member at this moment. */
void guarantees_judge(const struct manager *manager, const struct member *member,
                      struct guarantee *ret_guarantee);

/* With a new configuration: what was told before makes no change wait. */
void guarantees_begin_anew(struct manager *manager);

/* After every look. */
void guarantees_consider(struct manager *manager);

/* When a member is to be looked at once more, because its guarantee seems to have changed; UINT64_MAX: it has not. */
uint64_t guarantees_due_usec(const struct member *member);

/* What the found entry ends with: "yes: at 256 MiB/s …"; the member is taken to have been told. */
const char *guarantees_found(struct manager *manager, struct member *member,
                             char text[static GUARANTEE_TEXT_MAX]);

/* Appends "; guarantee: no (NAME: why)" or "; guarantee: yes" to the STATUS line. */
void guarantees_status(const struct manager *manager, char *text, size_t size);
