#include "cowherd/lvm_action.h"
#include "cowherd/exception_store.h"
#include "cowherd/kernel.h"
#include "cowherd/lvm_name.h"
#include "cowherd/lvm_tool.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    struct intent *intent;
    uint64_t store_sectors; /* when it began */
    char device[sizeof("/dev/mapper/") + DM_NAME_BYTES];
    char volume[2 * DM_NAME_BYTES]; /* "group/volume", of the device */
    char group[DM_NAME_BYTES];
    char select[sizeof("lv_uuid=") + LVM_UUID_BYTES]; /* the snapshot */
    char *words;                                      /* PLAN_REASON_MAX */
};

__attribute__((format(printf, 3, 4))) static int refuse(struct job *job, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(job->words, PLAN_REASON_MAX, format, arguments);
    va_end(arguments);
    return error;
}

static bool same_group(const char *a, const char *b)
{
    return strncmp(a, b, sizeof("LVM-") - 1 + 32) == 0;
}

/* Whether a command may be killed: no device of the group is suspended or has a table waiting, and the store
 * is as large as it was, for a larger one may not yet be in lvm's metadata. */
static bool nothing_is_half_done(void *user)
{
    const struct job *job = user;
    struct observation seen = {0};
    uint64_t sectors = 0;
    if (kernel_device_sectors(job->intent->store, &sectors) == 0 && sectors != job->store_sectors)
        return false;
    bool clean = kernel_observe(&seen) == 0 && !observation_find_unreadable(&seen);
    for (size_t i = 0; i < seen.n_devices && clean; i++)
        clean = !same_group(seen.devices[i].uuid, job->intent->uuid) ||
                (!seen.devices[i].suspended && !seen.devices[i].has_inactive);
    observation_done(&seen);
    return clean;
}

static int prepare(struct job *job, const struct step *step)
{
    struct lvm_name name;
    char uuid[LVM_UUID_BYTES];
    const char *device = step->name[0] ? step->name : job->intent->name;
    if (lvm_name_split(device, &name) < 0 || lvm_uuid_of_volume(job->intent->uuid, uuid) < 0)
        return refuse(job, -EINVAL, "lvm gives no such names or UUIDs");
    snprintf(job->device, sizeof(job->device), "/dev/mapper/%s", device);
    snprintf(job->volume, sizeof(job->volume), "%s/%s", name.group, name.volume);
    strcpy(job->group, name.group);
    snprintf(job->select, sizeof(job->select), "lv_uuid=%s", uuid);
    kernel_device_sectors(job->intent->store, &job->store_sectors);
    return 0;
}

static void describe_end(struct job *job, const struct lvm_command *command, int code, const char *said)
{
    const char *name = command->arguments[0], *colon = said[0] ? ": " : "";
    if (code == -ENOENT)
        refuse(job, code, "lvm is not installed");
    else if (code == -ETIMEDOUT)
        refuse(job, code, "%s took too long and was stopped%s%s", name, colon, said);
    else if (code == -ECANCELED)
        refuse(job, code, "%s was stopped: a later rung waits%s%s", name, colon, said);
    else if (code < 0)
        refuse(job, code, "%s: %s%s%s", name, strerror(-code), colon, said);
    else
        refuse(job, code, "%s: exit code %d%s%s", name, code, colon, said);
}

/* Runs a command. Returns 0, or a negative errno with words. ret_output may be NULL. */
static int run(struct job *job, struct lvm_command command, struct lvm_output *ret_output)
{
    char said[PLAN_REASON_MAX - 64];
    struct lvm_output output = {.length = 0};
    command.may_kill = nothing_is_half_done;
    command.user = job;
    int code = lvm_tool_run(&command, &output);
    lvm_output_words(&output, said, sizeof(said));
    if (code != 0) {
        describe_end(job, &command, code, said);
        return code < 0 ? code : -EIO;
    }
    snprintf(job->words, PLAN_REASON_MAX, "%s", said);
    if (ret_output)
        *ret_output = output;
    return 0;
}

/* A number of sectors that a report is asked for, of the volume. locking: "--readonly" asks past a command at work, whose
 * end a locked one (NULL) waits for. */
static int ask_sectors(struct job *job, const char *field, const char *locking, uint64_t *ret_sectors)
{
    struct lvm_output output;
    uint64_t sectors = 0;
    int r = run(job,
                (struct lvm_command){.arguments = {"lvs", "--noheadings", "--nosuffix", "--units", "s", "-o",
                                                   field, job->volume, locking}},
                &output);
    if (r < 0)
        return r;
    if (lvm_output_number(&output, &sectors) < 0 || sectors == 0)
        return refuse(job, -EPROTO, "lvs tells no %s", field);
    *ret_sectors = sectors;
    return 0;
}

static uint64_t sectors_ever_needed(const struct intent *intent)
{
    struct exception_store store = {
        .chunk_sectors = intent->chunk_sectors,
        .persistent = intent->store_type != STORE_TRANSIENT,
    };
    uint64_t chunks = intent->chunk_sectors ? (intent->length_sectors - 1) / intent->chunk_sectors + 1 : 0;
    uint64_t needed, sectors;
    needed = exception_store_chunks_needed(&store, chunks);
    if (needed == UINT64_MAX || __builtin_mul_overflow(needed, intent->chunk_sectors, &sectors))
        return UINT64_MAX;
    return sectors;
}

/* An lvextend takes dmeventd off all snapshots of the origin and puts it back, and waits for it each time; dmeventd, which
 * has commands of its own once they are half full, waits for the group's lock meanwhile: with five of them that took more
 * than 20 s. So it is run as dmeventd itself runs it. */
static int extend_to(struct job *job, uint64_t sectors)
{
    char size[32];
    struct lvm_command command = {.arguments = {"lvextend", "-L", size, job->device},
                                  .leaves_dmeventd = true};
    snprintf(size, sizeof(size), "%" PRIu64 "b", sectors * SECTOR_BYTES);
    return run(job, command, NULL);
}

/* An lvextend that was killed after it had enlarged the device, before its metadata was written, is repeated. */
static int confirm(struct job *job)
{
    uint64_t lvm_has = 0;
    int r = ask_sectors(job, "lv_size", NULL, &lvm_has);
    if (r < 0)
        return r;
    job->words[0] = '\0';
    return lvm_has < job->store_sectors ? extend_to(job, job->store_sectors) : 0;
}

/* The size to ask for: what is wanted, no more than it can ever need, and in whole extents, which lvm rounds up to,
 * within the limit. */
static int choose_sectors(struct job *job, uint64_t *ret_sectors)
{
    struct intent *intent = job->intent;
    uint64_t sectors = intent->grow_to_sectors, needed = sectors_ever_needed(intent), extent;
    int r = 0;
    if (needed <= job->store_sectors)
        return refuse(job, -EFBIG, "its store has room for every chunk of its origin");
    if (needed < sectors)
        sectors = needed;
    if (intent->limit_sectors) {
        r = ask_sectors(job, "vg_extent_size", "--readonly", &extent);
        if (r < 0)
            return r;
        uint64_t most = intent->limit_sectors - intent->limit_sectors % extent;
        if (sectors > most)
            sectors = most;
    }
    if (sectors <= job->store_sectors && (r = confirm(job)) < 0)
        return r;
    if (sectors <= job->store_sectors)
        return refuse(job, -EFBIG, "extend-limit leaves no room for another extent of its volume group");
    intent->grow_to_sectors = sectors;
    *ret_sectors = sectors;
    return 0;
}

static int extend(struct job *job)
{
    uint64_t sectors = 0, is = 0;
    int r = choose_sectors(job, &sectors);
    if (r == 0)
        r = extend_to(job, sectors);
    if (r < 0)
        return r;
    r = kernel_device_sectors(job->intent->store, &is);
    if (r == 0 && is < sectors)
        return refuse(job, -EIO, "lvextend ended well, but the store is no larger");
    return r;
}

/* What the plan saw must still be so: it does not wait for the volume group's lock, whose holder may just be extending it
 * (lvremove cannot select by usage itself: data_percent selects nothing there, measured with 2.03.16). A volume that is no
 * snapshot any more is not selected. */
static int remove_it(struct job *job)
{
    char select[sizeof(job->select) + 16];
    snprintf(select, sizeof(select), "%s && origin!=\"\"", job->select);
    return run(job,
               (struct lvm_command){.arguments = {"lvremove", "--yes", "-S", select, job->group},
                                    .waits_for_no_lock = true},
               NULL);
}

static int ask_of_snapshot(struct job *job, const char *field, struct lvm_output *ret_output)
{
    return run(job,
               (struct lvm_command){
                   .arguments = {"lvs", "-a", "--noheadings", "-o", field, "-S", job->select, job->group}},
               ret_output);
}

/* Who was killed after lvm had taken it on is told so by lvm. */
static int merge(struct job *job)
{
    char failure[PLAN_REASON_MAX];
    struct lvm_output output;
    int r = run(job,
                (struct lvm_command){
                    .arguments = {"lvconvert", "--merge", "--background", "--interval", "1", job->device}},
                NULL);
    if (r < 0) {
        strcpy(failure, job->words);
        if (ask_of_snapshot(job, "lv_merging", &output) == 0 && lvm_output_has(&output, "merging"))
            r = 0;
        else
            strcpy(job->words, failure);
    }
    job->intent->asked_lvm = job->intent->asked_lvm || r == 0;
    return r;
}

static int check_gone(struct job *job)
{
    struct lvm_output output;
    int r = ask_of_snapshot(job, "lv_uuid", &output);
    if (r == 0 && lvm_output_has(&output, job->select + strlen("lv_uuid=")))
        return refuse(job, -EEXIST, "it is no device any more, but lvm still has it");
    return r;
}

int lvm_action_step(const struct step *step, struct intent *intent, char words[static PLAN_REASON_MAX])
{
    struct job job = {.intent = intent, .words = words};
    int r = prepare(&job, step);
    if (r < 0)
        return r;
    switch ((int)step->kind) {
    case STEP_LVM_EXTEND:
        return extend(&job);
    case STEP_LVM_CONFIRM:
        return confirm(&job);
    case STEP_LVM_REMOVE:
    case STEP_LVM_REMOVE_REST:
        return remove_it(&job);
    case STEP_LVM_MERGE:
        return merge(&job);
    case STEP_LVM_REFRESH:
        return run(&job, (struct lvm_command){.arguments = {"lvchange", "--refresh", job.device}}, NULL);
    case STEP_LVM_FINISH:
        return run(&job,
                   (struct lvm_command){
                       .arguments = {"lvpoll", "--polloperation", "merge", "--interval", "0", job.volume}},
                   NULL);
    case STEP_LVM_CHECK_GONE:
        return check_gone(&job);
    default:
        return -EINVAL;
    }
}
