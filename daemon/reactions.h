/* Reactions: what a finding leads to. Words in the journal, hooks, and errands for the rungs that change something.
 *
 * Those that take a void pointer are callbacks; it is the manager.
 */
#pragma once

#include "manager_state.h"

/* Everything that a look has shown of one member. */
void react_to_finding(const struct finding *finding, void *user);

/* What is used of a snapshot's store at this moment, read again: what is said of an action is of now, not of when it was
 * decided. False: it is not watched. */
bool reactions_present(const struct intent *intent, struct sample *ret_sample, void *user);

/* An action or a hook has failed or cannot run: `on stalled`. */
void react_to_stalled(const struct subject *subject, void *user);

/* Why a snapshot was lost is known now: `on lost`. */
void react_to_known_lost(const struct member *member, const char *reason, void *user);

/* dmeventd watches the snapshot of this UUID too. */
void react_to_dmeventd(const char *uuid, void *user);

/* Merges that somebody else began, where a section has a merge rung. */
void reactions_adopt_merges(struct manager *manager);

/* An intent after a change of the configuration. */
void reactions_review_intent(struct intent *intent, void *user);

/* The errand of a member, or NULL. */
struct errand *reactions_errand_of(const struct manager *manager, const struct member *member);
