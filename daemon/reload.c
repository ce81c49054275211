#include "reload.h"
#include "boottime.h"
#include "cowherd/announce.h"
#include "cowherd/notify.h"
#include "guarantees.h"
#include "looks.h"
#include "reactions.h"
#include <errno.h>
#include <stdio.h>
#include <syslog.h>

static void describe(const struct config_message *message, char sentence[static EVENT_SENTENCE_MAX])
{
    snprintf(sentence, EVENT_SENTENCE_MAX, "%s:%u: %s%s", message->file, message->line,
             message->is_warning ? "warning: " : "", message->text);
}

void reload_announce(struct journal *journal, const struct config_messages *messages)
{
    for (size_t i = 0; i < messages->n_items; i++) {
        char sentence[EVENT_SENTENCE_MAX];
        bool is_warning = messages->items[i].is_warning;
        describe(&messages->items[i], sentence);
        announce_config(journal, is_warning ? LOG_WARNING : LOG_ERR, is_warning ? "warning" : "error",
                        sentence);
    }
}

/* The first is shown for as long as the configuration on disk is not the one in force. */
static void keep_error(struct manager *manager, const struct config_messages *messages)
{
    char sentence[EVENT_SENTENCE_MAX];
    manager->config_error[0] = '\0';
    for (size_t i = 0; i < messages->n_items && !manager->config_error[0]; i++) {
        if (messages->items[i].is_warning)
            continue;
        describe(&messages->items[i], sentence);
        snprintf(manager->config_error, sizeof(manager->config_error), "%.250s", sentence);
    }
}

/* What a dry run has only decided is still to be done. */
static void climb_anew(struct herd *herd)
{
    for (size_t i = 0; i < herd->n_members; i++)
        herd->members[i]->ladder = (struct ladder){0};
}

static void take_configuration(struct manager *manager, struct configuration *configuration)
{
    struct configuration old = manager->configuration;
    manager->configuration = *configuration;
    herd_set_policies(&manager->herd, manager->configuration.policies, manager->configuration.n_policies);
    guarantees_begin_anew(manager);
    if (old.dry_run && !manager->configuration.dry_run)
        climb_anew(&manager->herd);
    configuration_done(&old);
    manager->errands.dry_run = manager->options->dry_run || manager->configuration.dry_run;
    manager->hooks.dry_run = manager->errands.dry_run;
    errands_review(&manager->errands, reactions_review_intent, manager);
}

static int read_anew(struct manager *manager, struct configuration *ret_configuration)
{
    struct config_messages messages = {0};
    int r = configuration_read(manager->options->places, ret_configuration, &messages);
    reload_announce(manager->journal, &messages);
    keep_error(manager, &messages);
    config_messages_done(&messages);
    return r;
}

int reload(struct manager *manager)
{
    struct configuration configuration = {0};
    notify_reloading();
    int r = read_anew(manager, &configuration);
    if (r >= 0) {
        take_configuration(manager, &configuration);
        announce_config(manager->journal, LOG_INFO, "taken",
                        "The configuration was read again and is in force.");
    } else {
        announce_config(manager->journal, LOG_ERR, "refused",
                        "The configuration is refused as a whole: the former one stays in force.");
    }
    manager->ready = false;
    manager->ready_by_usec = boottime_now_usec() + SETTLE_USEC;
    if (manager->dm_fd >= 0 || manager->blind) /* else there is no device-mapper to look at yet */
        looks_complete(manager);
    return r == -EINVAL ? -EBADMSG : r < 0 ? r : 0;
}
