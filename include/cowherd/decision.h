/* Decisions: what a crossed rung means for one snapshot.
 *
 * Pure: a member, its policy and a rung come in; an intent comes out, or why there can be none.
 */
#pragma once

#include "cowherd/herd.h"
#include "cowherd/intent.h"

/* What no attempt at an action would change, so that none is made: in words; or NULL, it may be tried. */
const char *decision_why_impossible(const struct member *member, enum action_kind action);

/* The intent of a rung whose action changes the device. */
struct intent decision_intent(const struct member *member, const struct policy *policy,
                              const struct rung *rung, const char *boot_id);

/* The size that an extension is to reach, in sectors: at least the amount more, whole chunks; but where there is
 * something to grow to at all no more than its limit allows, nor than the whole origin needs. */
uint64_t decision_grow_to_sectors(const struct member *member, const struct policy *policy,
                                  const struct action *action);

/* Whom an intent is for, or NULL: it has gone, and who may have its number now is another. */
struct member *decision_member(const struct herd *herd, const struct intent *intent);

/* A merge that somebody else began is finished only where the section has a merge rung. Whichever its role
 * was, the device that merges is the one that is left, as in a live merge. Returns whether it is to be
 * adopted. */
bool decision_adopts_merge(const struct member *member, const char *boot_id, struct intent *ret_intent);

/* The rung whose action a lost snapshot gets, or NULL: what `on lost` says; but a live snapshot that has overflowed is
 * merged where its section has a merge rung at all, for that saves what runs on it, and one that is being merged is
 * let finish. */
const struct rung *decision_rung_when_lost(const struct member *member, const struct policy *policy);

/* After a change of the configuration: an action that has not begun needs its rung in it, unless it was ordered, and has
 * its section's word on open snapshots, on where an extension comes from and how far it may go. policy may be NULL. */
void decision_review(struct intent *intent, const struct policy *policy);
