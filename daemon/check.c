#include "check.h"
#include "boottime.h"
#include "cowherd/action_memory.h"
#include "cowherd/brake_limit.h"
#include "cowherd/event.h"
#include "cowherd/guarantee.h"
#include "cowherd/kernel.h"
#include "directories.h"
#include "waking.h"
#include <string.h>
#include <unistd.h>

/* The snapshots that a rung would come too late for. */
struct late {
    size_t n;
    const struct member *hardest;
    struct guarantee_rung rung;
};

/* What all are judged by. */
struct scene {
    struct herd herd;
    const struct action_times *times;
    struct guarantee_bounds bounds;
    bool is_counting;
};

static void keep_silent(int priority, const char *message)
{
    (void)priority, (void)message;
}

static void ignore(const struct finding *finding, void *user)
{
    (void)finding, (void)user;
}

/* As if it had just been made: it is the ladder that is judged, not how full the store is. */
static void empty(struct member *member)
{
    member->ladder = (struct ladder){0};
    member->sample.used_sectors = 0;
}

static int find_snapshots(const struct configuration *configuration, struct herd *herd,
                          uint64_t *ret_look_usec)
{
    struct observation seen = {0};
    struct herd_view view = {
        .policies = configuration->policies, .n_policies = configuration->n_policies, .tell = ignore};
    kernel_open(keep_silent);
    uint64_t asked_usec = boottime_now_usec();
    int r = kernel_observe(&seen);
    if (r >= 0)
        r = herd_look(herd, &seen, asked_usec, &view);
    *ret_look_usec = boottime_now_usec() - asked_usec;
    observation_done(&seen);
    for (size_t i = 0; i < herd->n_members; i++)
        empty(herd->members[i]);
    return r;
}

/* Whoever is due while the daemon looks at everything waits for so long: that is how late its looks will come at least. */
static struct guarantee_bounds bounds_for(const struct configuration *configuration, uint64_t look_usec)
{
    return (struct guarantee_bounds){
        .pacing = {.longest_usec = configuration->longest_poll_usec,
                   .shortest_usec = configuration->shortest_poll_usec,
                   .assumed_bytes_per_second = configuration->assumed_bytes_per_second,
                   .late_usec = look_usec},
        .brake = configuration->brake && brake_limit_is_possible(),
        .engage_usec = GUARANTEE_BRAKE_USEC,
    };
}

static struct guarantee judge(const struct scene *scene, const struct member *member)
{
    struct guarantee guarantee;
    struct guarantee_subject subject = {
        .member = member, .under_way = -1, .woken_by_counting = scene->is_counting};
    for (enum action_kind kind = ACTION_EXTEND; kind <= ACTION_DROP; kind++)
        subject.took_usec[kind] = action_times_usec(
            scene->times, kind, (struct action_subject){.name = member->name, .uuid = member->uuid});
    guarantee_judge(&subject, &scene->bounds, &guarantee);
    return guarantee;
}

static bool is_late(enum guarantee_verdict verdict)
{
    return verdict == GUARANTEE_LATE || verdict == GUARANTEE_TOO_LITTLE || verdict == GUARANTEE_NO_HEIGHT;
}

static void take(struct late *late, const struct member *member, const struct guarantee *guarantee)
{
    for (size_t i = 0; i < guarantee->n_rungs; i++) {
        const struct guarantee_rung *rung = &guarantee->rungs[i];
        struct late *of = &late[rung->rung];
        if (!is_late(rung->verdict))
            continue;
        if (of->n++ == 0 || rung->suggested_percent < of->rung.suggested_percent) {
            of->hardest = member;
            of->rung = *rung;
        }
    }
}

static void print(const struct policy *policy, const struct late *late, FILE *stream)
{
    const struct rung *rung = &policy->rungs[late->rung.rung];
    char name[EVENT_NAME_MAX], text[GUARANTEE_TEXT_MAX];
    fprintf(stream, "%s:%u: warning: \"%s\" may come too late for %s: %s", policy->file, rung->line,
            rung->text, event_text_name(late->hardest->name, name), guarantee_rung_text(&late->rung, text));
    if (late->n > 1)
        fprintf(stream, "; and for %zu more", late->n - 1);
    fprintf(stream, "\n");
}

static void check_policy(const struct scene *scene, const struct policy *policy, FILE *stream)
{
    const struct herd *herd = &scene->herd;
    struct late late[POLICY_RUNGS_MAX] = {0};
    for (size_t i = 0; i < herd->n_members; i++) {
        const struct member *member = herd->members[i];
        if (member->policy != policy)
            continue;
        struct guarantee guarantee = judge(scene, member);
        if (!guarantee.holds && is_late(guarantee.verdict))
            take(late, member, &guarantee);
    }
    for (size_t i = 0; i < policy->n_rungs; i++)
        if (late[i].n)
            print(policy, &late[i], stream);
}

void check_guarantees(const struct configuration *configuration, FILE *stream)
{
    static struct action_times times;
    struct scene scene = {.times = &times};
    uint64_t look_usec;
    if (geteuid() != 0 || access("/dev/mapper/control", R_OK | W_OK) < 0)
        return;
    action_memory_read(directory_state_path(), &times); /* what cannot be read is assumed */
    if (find_snapshots(configuration, &scene.herd, &look_usec) >= 0) {
        scene.bounds = bounds_for(configuration, look_usec);
        scene.is_counting = scene.herd.n_members > 0 && waking_can_count() == 0;
        for (size_t i = 0; i < configuration->n_policies; i++)
            check_policy(&scene, &configuration->policies[i], stream);
    }
    herd_done(&scene.herd);
}
