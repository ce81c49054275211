#include "inquiry.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_BYTES 1024 /* holds the table of nearly every device; doubled where it does not */
#define BYTES_MAX   (256 * 1024 * 1024) /* the list of all the devices that a machine can have is smaller */

static int control_fd = -1; /* opened once, inherited by children */

static int open_control(void)
{
    if (control_fd < 0)
        control_fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
    return control_fd < 0 ? -errno : 0;
}

static int provide(struct inquiry *inquiry, size_t bytes)
{
    if (bytes <= inquiry->bytes)
        return 0;
    if (bytes > BYTES_MAX)
        return -EMSGSIZE;
    struct dm_ioctl *answer = realloc(inquiry->answer, bytes);
    if (!answer)
        return -ENOMEM;
    *inquiry = (struct inquiry){answer, bytes};
    return 0;
}

int inquiry_ask(struct inquiry *inquiry, unsigned long request, dev_t device, unsigned flags)
{
    /* A long table makes its own inquiry long; the list is as long as last time. */
    size_t bytes = device || !inquiry->bytes ? FIRST_BYTES : inquiry->bytes;
    int r = open_control();
    for (; r == 0; bytes *= 2) {
        if ((r = provide(inquiry, bytes)) < 0)
            break;
        *inquiry->answer = (struct dm_ioctl){
            .version = {DM_VERSION_MAJOR, 0, 0},
            .data_size = (uint32_t)bytes,
            .data_start = sizeof(*inquiry->answer),
            .flags = flags,
            .dev = device,
        };
        if (ioctl(control_fd, request, inquiry->answer) < 0)
            return -errno;
        if (!(inquiry->answer->flags & DM_BUFFER_FULL_FLAG))
            return 0;
    }
    return r;
}

static char *data(const struct inquiry *inquiry)
{
    return (char *)inquiry->answer + inquiry->answer->data_start;
}

/* `next` counts from the first line, and is that of the end in the last. The kernel leaves the last byte of a kind as it came
 * (retrieve_status() in dm-ioctl.c; measured on 6.1), and the 15 of "snapshot-origin" come up to it: where that byte was not 0
 * the origin's device was none, and a backup snapshot a live one. */
bool inquiry_next_line(const struct inquiry *inquiry, size_t *place, struct inquiry_line *ret_line)
{
    struct dm_target_spec *line = (void *)(data(inquiry) + *place);
    if (inquiry->answer->target_count == 0 ||
        data(inquiry) + *place >= (const char *)inquiry->answer + inquiry->answer->data_size)
        return false;
    line->target_type[sizeof(line->target_type) - 1] = '\0';
    *ret_line = (struct inquiry_line){
        .start_sectors = line->sector_start,
        .length_sectors = line->length,
        .kind = line->target_type,
        .text = (const char *)(line + 1),
    };
    *place = line->next;
    return true;
}

/* Where there is no device the answer ends before the first: what lies there is of the answer before, or nobody's. */
const struct dm_name_list *inquiry_first_name(const struct inquiry *inquiry)
{
    const struct dm_ioctl *answer = inquiry->answer;
    return answer->data_size > answer->data_start ? (const void *)data(inquiry) : NULL;
}

const struct dm_name_list *inquiry_next_name(const struct dm_name_list *name)
{
    return name->next ? (const void *)((const char *)name + name->next) : NULL;
}
