#include "cowherd/lvm_tool.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A command takes 0.1 to 0.3 s, emulated 1 to 4 s; the whole child has 30 s (dm_action.h). */
#define DEADLINE_USEC UINT64_C(20000000)
#define HURRY_USEC    UINT64_C(3000000)
#define KILL_USEC     UINT64_C(5000000) /* after the SIGTERM */
#define ASK_USEC      UINT64_C(500000)  /* whether it may be killed by now */
#define PAUSE_MSEC    20
#define TOOL_PATH_MAX 64

#define CONFIG         "devices/ignore_suspended_devices=1"
#define CONFIG_NO_WAIT CONFIG " global/wait_for_locks=0"

/* The sandbox lets nobody change priorities; the daemon's own, which lvm has from it, is high enough. */
#define NOISE "WARNING: setpriority"

static volatile sig_atomic_t is_hurried;

static void on_hurry(int number)
{
    (void)number;
    is_hurried = 1;
}

/* A child begins with it blocked: what has come since then comes now. */
static void take_sigterm(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void lvm_tool_heed_hurry(void)
{
    struct sigaction action = {.sa_handler = on_hurry};
    sigaction(SIGTERM, &action, NULL);
    take_sigterm();
}

static uint64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* By the command's own name, as an administrator calls it; lvpoll is only to be had as lvm's word. */
static int find_tool(const char *name, char path[static TOOL_PATH_MAX])
{
    static const char *const places[] = {"/usr/sbin", "/sbin"};
    const char *const names[] = {name, "lvm"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, TOOL_PATH_MAX, "%s/%s", places[i % 2], names[i / 2]);
        if (access(path, X_OK) == 0)
            return 0;
    }
    return -ENOENT;
}

/* It is asked to end with its parent, and heeds that when it holds nothing. */
static void become_tool(const char *tool, const struct lvm_command *command, int output, pid_t parent)
{
    char *environment[] = {"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LVM_SUPPRESS_FD_WARNINGS=1",
                           command->leaves_dmeventd ? "LVM_RUN_BY_DMEVENTD=1" : NULL, NULL};
    const char *name = strrchr(tool, '/') + 1;
    bool is_word = strcmp(name, command->arguments[0]) != 0; /* a word of lvm's */
    char *arguments[LVM_ARGUMENTS_MAX + 4] = {"lvm"};
    size_t n = is_word;
    for (size_t i = 0; command->arguments[i]; i++) {
        arguments[n++] = (char *)command->arguments[i];
        if (i == 0) {
            arguments[n++] = "--config";
            arguments[n++] = command->waits_for_no_lock ? CONFIG_NO_WAIT : CONFIG;
        }
    }
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    take_sigterm();
    setpgid(0, 0);
    if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ||
        close_range(3, ~0U, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
        _exit(127);
    execve(tool, arguments, environment);
    _exit(127);
}

static int start(const char *tool, const struct lvm_command *command, pid_t *ret_pid, int *ret_output)
{
    int pipe_fds[2];
    pid_t parent = getpid();
    if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        fcntl(pipe_fds[1], F_SETFL, 0); /* the tool expects its writes to block */
        become_tool(tool, command, pipe_fds[1], parent);
    }
    int error = errno;
    close(pipe_fds[1]);
    if (pid < 0) {
        close(pipe_fds[0]);
        return -error;
    }
    *ret_pid = pid;
    *ret_output = pipe_fds[0];
    return 0;
}

/* Takes what there is; what does not fit is read too, so that the tool never waits for us. */
static void take_output(int fd, struct lvm_output *output)
{
    char piece[512];
    ssize_t n;
    while ((n = read(fd, piece, sizeof(piece))) > 0) {
        size_t room = sizeof(output->text) - output->length;
        size_t taken = (size_t)n < room ? (size_t)n : room;
        memcpy(output->text + output->length, piece, taken);
        output->length += taken;
    }
}

struct deadline {
    uint64_t start_usec;
    uint64_t kill_usec; /* it was told to end, and is killed then; 0: not yet */
    int reason;
};

static void signal_all(pid_t pid, int number)
{
    kill(-pid, number);
    kill(pid, number); /* before it has a group of its own */
}

static void enforce(struct deadline *deadline, const struct lvm_command *command, pid_t pid)
{
    uint64_t now = now_usec(), age_usec = now - deadline->start_usec;
    if (!deadline->kill_usec && (age_usec > DEADLINE_USEC || (is_hurried && age_usec > HURRY_USEC))) {
        deadline->kill_usec = now + KILL_USEC;
        deadline->reason = age_usec > DEADLINE_USEC ? -ETIMEDOUT : -ECANCELED;
        signal_all(pid, SIGTERM);
    } else if (deadline->kill_usec && now >= deadline->kill_usec) {
        deadline->kill_usec = now + ASK_USEC;
        if (!command->may_kill || command->may_kill(command->user))
            signal_all(pid, SIGKILL);
    }
}

static int wait_for_end(const struct lvm_command *command, pid_t pid, int fd, struct lvm_output *output)
{
    struct deadline deadline = {.start_usec = now_usec()};
    int status;
    pid_t ended;
    while ((ended = waitpid(pid, &status, WNOHANG)) == 0 || (ended < 0 && errno == EINTR)) {
        struct timespec pause = {.tv_nsec = PAUSE_MSEC * 1000000L};
        take_output(fd, output);
        enforce(&deadline, command, pid);
        nanosleep(&pause, NULL);
    }
    take_output(fd, output);
    if (ended < 0)
        return -errno;
    if (WIFEXITED(status))
        return WEXITSTATUS(status) && deadline.reason ? deadline.reason : WEXITSTATUS(status);
    return deadline.reason ? deadline.reason : -EINTR;
}

int lvm_tool_run(const struct lvm_command *command, struct lvm_output *ret_output)
{
    struct lvm_output output = {.length = 0};
    char tool[TOOL_PATH_MAX];
    pid_t pid = -1;
    int fd = -1;
    int r = find_tool(command->arguments[0], tool);
    if (r == 0)
        r = start(tool, command, &pid, &fd);
    if (r < 0)
        return r;
    r = wait_for_end(command, pid, fd, &output);
    close(fd);
    *ret_output = output;
    return r;
}

bool lvm_output_has(const struct lvm_output *output, const char *text)
{
    return memmem(output->text, output->length, text, strlen(text)) != NULL;
}

int lvm_output_number(const struct lvm_output *output, uint64_t *ret_number)
{
    char text[LVM_OUTPUT_MAX + 1], *end;
    memcpy(text, output->text, output->length);
    text[output->length] = '\0';
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *digits = line + strspn(line, " \t");
        errno = 0;
        unsigned long long number = strtoull(digits, &end, 10);
        if (*digits < '0' || *digits > '9' || errno || !strchr(" \n", *end))
            continue;
        *ret_number = number;
        return 0;
    }
    return -EPROTO;
}

static bool is_blank(char byte)
{
    return (unsigned char)byte <= ' ' || byte == 0x7f;
}

/* One line, without the blanks around it. */
static size_t add_line(const char *line, size_t length, char *words, size_t n, size_t size)
{
    while (length > 0 && is_blank(line[0])) {
        line++;
        length--;
    }
    while (length > 0 && is_blank(line[length - 1]))
        length--;
    if (length == 0 || (length >= strlen(NOISE) && memcmp(line, NOISE, strlen(NOISE)) == 0))
        return n;
    if (n > 0 && n + 2 < size) {
        words[n++] = ';';
        words[n++] = ' ';
    }
    for (size_t i = 0; i < length && n + 1 < size; i++)
        words[n++] = is_blank(line[i]) ? ' ' : line[i];
    return n;
}

void lvm_output_words(const struct lvm_output *output, char *words, size_t size)
{
    size_t n = 0;
    for (size_t at = 0; at < output->length;) {
        const char *line = output->text + at;
        const char *end = memchr(line, '\n', output->length - at);
        size_t length = end ? (size_t)(end - line) : output->length - at;
        n = add_line(line, length, words, n, size);
        at += length + 1;
    }
    words[n] = '\0';
}
