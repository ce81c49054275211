#include "cowherd/recall.h"
#include "cowherd/intent_file.h"
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

static bool was_begun(const struct intent *intent)
{
    return intent->handing_over || intent->interrupted;
}

static void remove_record(const struct recall *recall, const struct intent *intent)
{
    if (!recall->errands->dry_run)
        intent_file_remove(recall->errands->state_directory, intent);
}

static void tell(const struct recall *recall, const struct intent *intent, const char *result,
                 bool is_stalled)
{
    const struct errands *errands = recall->errands;
    struct subject subject = subject_of_intent(intent);
    struct stage stage = {
        .action = action_kind_name(intent->action),
        .rung = intent->rung,
        .result = result,
        .half_done = is_stalled && intent->role == ROLE_BACKUP && was_begun(intent),
    };
    announce_failed(errands->journal, &subject, &stage);
    if (is_stalled)
        errands->stalled(&subject, errands->user);
}

/* Whatever follows from its rungs now is begun anew. */
static void forget(const struct recall *recall, const struct intent *intent)
{
    tell(recall, intent,
         intent->asked_lvm ? "the machine went down; lvm goes on with it when its origin is activated"
         : intent_is_ordered(intent)
             ? "the machine went down before it was done; order it again where it is still wanted"
             : "the machine went down before it was done; its rungs decide anew",
         false);
    remove_record(recall, intent);
}

static struct intent *find_kept(struct recall *recall, const struct intent *like)
{
    for (size_t i = 0; i < recall->n_items; i++)
        if (relocation_is_same(&recall->items[i].earlier, like))
            return &recall->items[i].earlier;
    return NULL;
}

static bool is_of_this_boot_too(const struct recall *recall, const struct intent *intent)
{
    for (size_t i = 0; i < recall->errands->n_items; i++)
        if (relocation_is_same(&recall->errands->items[i]->pursuit.intent, intent))
            return true;
    return false;
}

/* Of two records of one snapshot one is superfluous: that of the earlier boot, or the one that knows less. */
static void take_earlier(struct recall *recall, const struct intent *intent)
{
    struct intent superfluous = *intent, *kept = find_kept(recall, intent);
    if (!relocation_is_wanted(intent)) {
        forget(recall, intent);
    } else if (!kept && !is_of_this_boot_too(recall, intent)) {
        recall->items[recall->n_items++] = (struct recalled){.earlier = *intent};
    } else {
        if (kept && was_begun(intent) && !was_begun(kept)) {
            superfluous = *kept;
            *kept = *intent;
        }
        remove_record(recall, &superfluous);
    }
}

/* Its record may say that a merge was about to be begun: if it is not, that must not stand there at the next boot. How far
 * it came is seen by its first plan: until then it counts as begun, so that no rung takes its place and forgets what the
 * record knows. */
static void go_on(struct errands *errands, const struct intent *intent, uint64_t now_usec)
{
    if (errands_begin(errands, intent, NULL, true, true, now_usec) < 0)
        return;
    struct pursuit *pursuit = &errands_find(errands, intent)->pursuit;
    pursuit->outdated = intent->handing_over;
    pursuit->begun = true;
}

void recall_read(struct recall *recall, uint64_t now_usec)
{
    struct intent *intents = NULL;
    size_t n_intents = 0, n_broken = 0;
    char broken[256] = "";
    int r = intent_file_list(recall->errands->state_directory, &intents, &n_intents, &n_broken, broken);
    if (r < 0 || n_broken)
        journal_message(recall->errands->journal, LOG_ERR, "Recorded intents cannot be read: %s",
                        r < 0 ? strerror(-r) : broken);
    recall->tell_usec = now_usec + RECALL_GRACE_USEC;
    recall->items = calloc(n_intents + 1, sizeof(*recall->items));
    for (size_t i = 0; i < n_intents; i++)
        if (strcmp(intents[i].boot_id, recall->boot_id) == 0)
            go_on(recall->errands, &intents[i], now_usec);
    for (size_t i = 0; i < n_intents && recall->items; i++)
        if (strcmp(intents[i].boot_id, recall->boot_id) != 0)
            take_earlier(recall, &intents[i]);
    free(intents);
}

/* Returns whether it waits no longer. */
static bool look_for(struct recall *recall, struct recalled *item, const struct observation *seen,
                     uint64_t now_usec)
{
    struct relocation relocation;
    relocation_make(&item->earlier, seen, recall->boot_id, &relocation);
    item->snapshot = relocation.snapshot;
    if (relocation.found)
        return errands_begin_relocated(recall->errands, &relocation.intent, &item->earlier, now_usec) == 0;
    if (!item->told && now_usec >= recall->tell_usec) {
        item->told = true;
        tell(recall, &item->earlier, relocation.reason, true);
    }
    return false;
}

void recall_look(struct recall *recall, const struct observation *seen, uint64_t now_usec)
{
    for (size_t i = 0; i < recall->n_items;)
        if (look_for(recall, &recall->items[i], seen, now_usec))
            recall->items[i] = recall->items[--recall->n_items];
        else
            i++;
}

uint64_t recall_next_usec(const struct recall *recall)
{
    for (size_t i = 0; i < recall->n_items; i++)
        if (!recall->items[i].told)
            return recall->tell_usec;
    return UINT64_MAX;
}

bool recall_waits_for(const struct recall *recall, dev_t snapshot)
{
    for (size_t i = 0; i < recall->n_items; i++)
        if (recall->items[i].snapshot == snapshot && was_begun(&recall->items[i].earlier))
            return true;
    return false;
}

void recall_done(struct recall *recall)
{
    free(recall->items);
    *recall = (struct recall){0};
}
