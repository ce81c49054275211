/* lvm's steps of a plan (plan.h), each one command of lvm's, run by the acting child.
 *
 * A command names its volume by what the step saw a moment ago, a removal by UUID. What counts afterwards is
 * what the kernel's tables show, not what lvm said.
 */
#pragma once

#include "cowherd/plan.h"

/* Carries out a step. Returns 0; or a negative errno, with why in words, lvm's own where it has said any. On
 * success words are what lvm said, or empty. May change in the intent: asked_lvm (lvm has taken on the merge), and
 * grow_to_sectors (the size that it can be given, in whole extents within its limit). */
int lvm_action_step(const struct step *step, struct intent *intent, char words[static PLAN_REASON_MAX]);
