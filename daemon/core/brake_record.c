#include "cowherd/brake_record.h"
#include "text_writer.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

void brake_record_want(struct brake_record *record, struct brake_rate rate)
{
    record->before = record->ours;
    record->ours = rate;
}

/* One of the two numbers: what is not ours replaces theirs. */
static void see(uint64_t *theirs, uint64_t present, uint64_t ours, uint64_t before)
{
    if (present != ours && present != before)
        *theirs = present;
}

/* A rate that did not reach the group would be taken for somebody else's after the next one. */
static bool is_behind(const struct brake_record *record, const struct brake_group *group,
                      struct brake_rate present)
{
    struct brake_rate before = brake_rate_min(record->before, group->theirs);
    struct brake_rate ours = brake_rate_min(record->ours, group->theirs);
    return (present.bytes_per_second == before.bytes_per_second &&
            before.bytes_per_second != ours.bytes_per_second) ||
           (present.writes_per_second == before.writes_per_second &&
            before.writes_per_second != ours.writes_per_second);
}

struct brake_group *brake_record_see(struct brake_record *record, const char *name, struct brake_rate present)
{
    struct brake_group *group = record->groups;
    while (group < record->groups + record->n_groups && strcmp(group->name, name) != 0)
        group++;
    if (group < record->groups + record->n_groups) {
        record->is_unsettled = record->is_unsettled || is_behind(record, group, present);
        see(&group->theirs.bytes_per_second, present.bytes_per_second, record->ours.bytes_per_second,
            record->before.bytes_per_second);
        see(&group->theirs.writes_per_second, present.writes_per_second, record->ours.writes_per_second,
            record->before.writes_per_second);
        return group;
    }
    if (record->n_groups == BRAKE_GROUPS_MAX || strlen(name) >= BRAKE_GROUP_BYTES)
        return NULL;
    strcpy(group->name, name);
    group->theirs = present;
    record->n_groups++;
    return group;
}

struct brake_rate brake_record_held(const struct brake_record *record, const struct brake_group *group)
{
    return brake_rate_min(record->ours, group->theirs);
}

static uint64_t released(uint64_t theirs, uint64_t present, uint64_t ours, uint64_t before)
{
    return present == ours || present == before ? theirs : present;
}

struct brake_rate brake_record_released(const struct brake_record *record, const struct brake_group *group,
                                        struct brake_rate present)
{
    return (struct brake_rate){
        released(group->theirs.bytes_per_second, present.bytes_per_second, record->ours.bytes_per_second,
                 record->before.bytes_per_second),
        released(group->theirs.writes_per_second, present.writes_per_second, record->ours.writes_per_second,
                 record->before.writes_per_second),
    };
}

static uint64_t parse_limit(const char *line, size_t length, const char *key)
{
    const char *found = memmem(line, length, key, strlen(key));
    uint64_t number;
    if (!found || sscanf(found + strlen(key), "%" SCNu64, &number) != 1)
        return UINT64_MAX; /* "max" */
    return number;
}

struct brake_rate brake_record_parse_limits(const char *text, dev_t device)
{
    char start[32];
    int n = snprintf(start, sizeof(start), "%u:%u ", major(device), minor(device));
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        if (strncmp(line, start, (size_t)n) == 0)
            return (struct brake_rate){parse_limit(line, length, " wbps="),
                                       parse_limit(line, length, " wiops=")};
        line += length + (line[length] == '\n');
    }
    return BRAKE_FREE;
}

int brake_record_format(const struct brake_record *record, char *text, size_t size)
{
    struct text_writer writer = {.text = text, .size = size};
    const struct brake_rate *ours = &record->ours, *before = &record->before;
    text_writer_put(&writer, "device %u:%u %" PRIu64 "\n", major(record->device), minor(record->device),
                    record->disk_sequence);
    text_writer_put(&writer, "ours %" PRIu64 " %" PRIu64 " before %" PRIu64 " %" PRIu64 "\n",
                    ours->bytes_per_second, ours->writes_per_second, before->bytes_per_second,
                    before->writes_per_second);
    if (record->has_throttle)
        text_writer_put(&writer, "throttle %d\n", record->throttle);
    for (size_t i = 0; i < record->n_groups; i++)
        text_writer_put(&writer, "group %" PRIu64 " %" PRIu64 " %s\n",
                        record->groups[i].theirs.bytes_per_second, record->groups[i].theirs.writes_per_second,
                        record->groups[i].name);
    text_writer_put(&writer, "end\n");
    return writer.full ? -ENOBUFS : (int)writer.length;
}

static int parse_head(const char **text, struct brake_record *record)
{
    unsigned device_major, device_minor;
    int n = 0;
    if (sscanf(*text,
               "device %u:%u %" SCNu64 " ours %" SCNu64 " %" SCNu64 " before %" SCNu64 " %" SCNu64 "%n",
               &device_major, &device_minor, &record->disk_sequence, &record->ours.bytes_per_second,
               &record->ours.writes_per_second, &record->before.bytes_per_second,
               &record->before.writes_per_second, &n) != 7 ||
        (*text)[n] != '\n')
        return -EBADMSG;
    record->device = makedev(device_major, device_minor);
    *text += n + 1;
    return 0;
}

/* One line behind the head, up to its end. */
static int parse_line(const char *line, size_t length, struct brake_record *record)
{
    struct brake_group *group = &record->groups[record->n_groups];
    int n = 0;
    if (sscanf(line, "throttle %d%n", &record->throttle, &n) == 1 && (size_t)n == length) {
        record->has_throttle = true;
        return 0;
    }
    if (record->n_groups == BRAKE_GROUPS_MAX ||
        sscanf(line, "group %" SCNu64 " %" SCNu64 "%n", &group->theirs.bytes_per_second,
               &group->theirs.writes_per_second, &n) != 2 ||
        line[n] != ' ')
        return -EBADMSG;
    size_t name_length = length - (size_t)n - 1;
    const char *name = line + n + 1;
    /* It becomes a path below the control groups: it must not leave them. */
    if (name_length == 0 || name_length >= BRAKE_GROUP_BYTES || name[0] == '.' ||
        memchr(name, '/', name_length))
        return -EBADMSG;
    memcpy(group->name, name, name_length);
    group->name[name_length] = '\0';
    record->n_groups++;
    return 0;
}

int brake_record_parse(const char *text, struct brake_record *ret_record)
{
    struct brake_record record = {0};
    int r = parse_head(&text, &record);
    while (r == 0 && strcmp(text, "end\n") != 0) {
        size_t length = strcspn(text, "\n");
        r = text[length] == '\n' ? parse_line(text, length, &record) : -EBADMSG;
        text += length + 1;
    }
    if (r == 0)
        *ret_record = record;
    return r;
}
