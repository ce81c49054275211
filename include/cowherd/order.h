/* The order: what an operator wants of one snapshot, as an intent, and what a plan means for it in words.
 *
 * Pure. An ordered intent is a rung's but for this: it needs no rung, does not end when usage falls, and what it drops may be
 * lost. The section's drop-open, extend-limit, extend-from and role hold for it as well.
 */
#pragma once

#include "cowherd/decision.h"
#include "cowherd/plan.h"

/* The intent of an order; who: "root", "user alice (1000)". A merge that somebody else began is only to be finished. */
struct intent order_intent(const struct member *member, const struct action *action, const char *who,
                           const char *boot_id);

/* Whether a rung's intent must leave an order its place: what is reached only above where the store was when the order was
 * given takes it, for a ladder is an escalation. What was passed then is passed again whenever the daemon starts. */
bool order_outranks(const struct intent *order, const struct intent *rung);

/* What this plan would make of an intent, or makes of it now: "it would be dropped: it is not open", without a full stop.
 * name: whom it is said of, or "it". total_sectors: of its store now. */
#define ORDER_TEXT_MAX 768
const char *order_would_text(const struct intent *intent, const struct plan *plan, const char *name,
                             uint64_t total_sectors, char text[static ORDER_TEXT_MAX]);
const char *order_begun_text(const struct intent *intent, const struct plan *plan, const char *name,
                             char text[static ORDER_TEXT_MAX]);
