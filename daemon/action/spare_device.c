#include "cowherd/spare_device.h"
#include "cleanup.h"
#include "cowherd/exception_store.h"
#include "cowherd/kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_RUN 127

static inline void close_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

#define _cleanup_file_ __attribute__((cleanup(close_file)))

/* Without an order to wipe it only reads. It gets the very device that was opened. */
static _Noreturn void become_wipefs(int device_fd, int output_fd)
{
    char path[32], *environment[] = {(char *)"LC_ALL=C", NULL};
    char *arguments[] = {(char *)"wipefs",
                         (char *)"--parsable",
                         (char *)"--noheadings",
                         (char *)"--output",
                         (char *)"OFFSET,TYPE",
                         path,
                         NULL};
    snprintf(path, sizeof(path), "/dev/fd/%d", device_fd);
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null_fd >= 0 && dup2(null_fd, STDERR_FILENO) >= 0 && dup2(output_fd, STDOUT_FILENO) >= 0 &&
        fcntl(device_fd, F_SETFD, 0) >= 0) {
        execve("/usr/sbin/wipefs", arguments, environment);
        execve("/sbin/wipefs", arguments, environment);
    }
    _exit(NOT_RUN);
}

/* Returns what it says, to be read to its end, or NULL with errno. */
static FILE *start_wipefs(int device_fd, pid_t *ret_pid)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return NULL;
    pid_t pid = fork();
    if (pid == 0)
        become_wipefs(device_fd, pipe_fds[1]);
    int error = errno;
    close(pipe_fds[1]);
    FILE *output = pid < 0 ? NULL : fdopen(pipe_fds[0], "r");
    if (!output)
        close(pipe_fds[0]);
    if (pid < 0)
        errno = error;
    *ret_pid = pid;
    return output;
}

/* How it ended. A list that is cut short is no list. */
static int wait_for_wipefs(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_RUN)
        return -ENOPKG;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int spare_device_signature(dev_t device, bool (*passed_over)(uint64_t sector, const void *user),
                           const void *user, char ret_name[static SPARE_SIGNATURE_MAX])
{
    _cleanup_fd_ int fd = kernel_device_open(device, O_RDONLY);
    char line[256], name[SPARE_SIGNATURE_MAX], found[SPARE_SIGNATURE_MAX] = "";
    pid_t pid = -1;
    if (fd < 0)
        return fd;
    _cleanup_file_ FILE *output = start_wipefs(fd, &pid);
    if (!output)
        return -errno;
    bool understood = true;
    while (fgets(line, sizeof(line), output)) {
        int64_t offset_bytes;
        if (sscanf(line, "%" SCNi64 ",%63[^,\n]", &offset_bytes, name) != 2)
            understood = false;
        else if (!found[0] && !passed_over((uint64_t)offset_bytes / SECTOR_BYTES, user))
            strcpy(found, name);
    }
    int r = wait_for_wipefs(pid);
    if (r < 0)
        return r;
    if (!understood)
        return -EPROTO;
    strcpy(ret_name, found);
    return 0;
}
