#include "children.h"
#include "cowherd/brake_limit.h"
#include "cowherd/dm_action.h"
#include "devices.h"
#include "loop.h"
#include "oracle.h"
#include "world.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#define CHILDREN_MAX 32
#define STACK_BYTES  (256 * 1024)
#define RESULT_FD    1000000 /* of the first; no descriptor of ours is so high */
#define DEVICE_FD    2000000
#define STATE_FD     3000000 /* the directory of what is kept (storage.c) */
#define FIRST_PID    1000000
#define LIVELY_USEC  10         /* the shortest call */
#define FIRST_SECOND 1700000000 /* of CLOCK_REALTIME */

struct sim_child {
    pid_t pid; /* 0: a free place */
    ucontext_t context;
    void *stack;
    child_function function;
    const void *argument;
    bool acts, is_begun;
    struct intent intent;
    dev_t brakes; /* sets the limits of that device's writers; 0: does something else */
    uint64_t start_usec, wake_usec;
    bool ended, killed, has_result;
    dev_t held; /* a device that it has open */
    uint64_t held_sequence;
    uint64_t seen_sequence, seen_usec;
    size_t size;
    char result[4096]; /* PIPE_BUF */
};

static struct sim_child children[CHILDREN_MAX];
static struct sim_child *running;
static ucontext_t daemon_context;
static pid_t last_pid = FIRST_PID;

bool children_is_daemon(void)
{
    return !running;
}

const struct intent *children_intent(void)
{
    return running && running->acts ? &running->intent : NULL;
}

static void close_held(struct sim_child *child)
{
    struct model_device *device = child->held ? devices_find(child->held, NULL) : NULL;
    if (device && device->disk_sequence == child->held_sequence && device->open_count > 0)
        device->open_count--;
    child->held = 0;
}

static void end(struct sim_child *child)
{
    close_held(child);
    child->ended = true;
    child->wake_usec = UINT64_MAX;
}

static void free_place(struct sim_child *child)
{
    void *stack = child->stack;
    close_held(child);
    memset(child, 0, offsetof(struct sim_child, result));
    child->stack = stack;
}

static void run(struct sim_child *child)
{
    running = child;
    loop_leave_daemon();
    swapcontext(&daemon_context, &child->context);
    loop_enter_daemon();
    running = NULL;
    if (child->ended && child->acts)
        oracle_child_ended(&child->intent, child->has_result ? child->result : NULL);
    if (child->ended && child->brakes)
        oracle_brake_ended(child->brakes, child->has_result ? child->result : NULL);
}

static void leave(void)
{
    end(running);
    swapcontext(&running->context, &daemon_context);
}

static void begin(void)
{
    running->function(running->argument, RESULT_FD + (int)(running - children));
    leave();
}

static struct sim_child *find_place(void)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (!children[i].pid)
            return &children[i];
    return NULL;
}

static struct sim_child *find(pid_t pid)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (children[i].pid == pid)
            return &children[i];
    return NULL;
}

int child_start(child_function function, const void *argument, struct child *ret_child)
{
    struct sim_child *child = find_place();
    if (!child)
        return -EAGAIN;
    if (!child->stack)
        child->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    child->pid = ++last_pid;
    child->start_usec = world.clock_usec;
    child->function = function;
    child->argument = argument;
    child->acts = function == dm_action_run;
    if (child->acts) {
        child->intent = ((const struct dm_action *)argument)->intent;
        oracle_child_starts(&child->intent);
    }
    child->brakes = function == brake_limit_run ? ((const struct brake_limit *)argument)->device : 0;
    getcontext(&child->context);
    child->context.uc_stack.ss_sp = child->stack;
    child->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&child->context, begin, 0);
    *ret_child = (struct child){.pid = child->pid, .result_fd = RESULT_FD + (int)(child - children)};
    child->is_begun = true;
    run(child); /* up to its first call: it has its own copy of its argument by then */
    return 0;
}

int child_take_result(struct child *child, void *ret_result, size_t size)
{
    struct sim_child *of = &children[child->result_fd - RESULT_FD];
    bool whole = of->has_result && of->size == size && !of->killed;
    if (of->acts)
        oracle_result_taken();
    if (whole)
        memcpy(ret_result, of->result, size);
    child->result_fd = -1;
    free_place(of);
    return whole ? 0 : -EPIPE;
}

void children_pause(uint64_t usec)
{
    running->wake_usec = world.clock_usec + usec;
    swapcontext(&running->context, &daemon_context);
    if (running->killed)
        leave();
}

static bool is_due(uint64_t *calls)
{
    return *calls > 0 && --*calls == 0;
}

int children_call(void)
{
    bool hangs, fails;
    if (!running)
        return 0;
    hangs = is_due(&world.calls_to_hang);
    fails = is_due(&world.calls_to_failure);
    if (is_due(&world.calls_to_crash)) {
        world_disturb_all();
        world.crash = world.is_up;
    }
    if (running->acts && is_due(&world.calls_to_replace))
        devices_replace(devices_group_of(running->intent.device));
    if (hangs || fails)
        world_disturb_all();
    for (size_t i = 0; hangs && i < GROUPS_MAX; i++)
        world.groups[i].disturbed_usec += world.hang_usec;
    children_pause(hangs ? world.hang_usec
                         : random_between(&world.random, LIVELY_USEC, world.history->call_usec));
    return fails ? world.failure : 0;
}

void children_look(void)
{
    running->seen_sequence = world.n_sequences;
    running->seen_usec = world.clock_usec;
}

uint64_t children_looked_at_sequence(void)
{
    return running->seen_sequence;
}

uint64_t children_looked_usec(void)
{
    return running->seen_usec;
}

uint64_t children_next_usec(void)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (children[i].pid && children[i].wake_usec < next)
            next = children[i].wake_usec;
    return next;
}

void children_run(void)
{
    for (size_t i = 0; i < CHILDREN_MAX && !world.crash; i++)
        if (children[i].pid && children[i].wake_usec <= world.clock_usec)
            run(&children[i]);
}

bool children_has_ended(pid_t pid)
{
    const struct sim_child *child = find(pid);
    return child && child->ended;
}

int children_open(dev_t number)
{
    struct model_device *device = devices_find(number, NULL);
    if (!device)
        return -ENXIO;
    if (device->open_count > 0)
        return -EBUSY;
    device->open_count++;
    running->held = number;
    running->held_sequence = device->disk_sequence;
    return DEVICE_FD + (int)(running - children);
}

unsigned children_hold(dev_t device)
{
    unsigned n = 0;
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        n += children[i].pid && children[i].held == device;
    return n;
}

static bool acts_for(const struct sim_child *child, unsigned group)
{
    const struct group *its = child->pid && child->acts ? devices_group_of(child->intent.device) : NULL;
    return its && its->index == group;
}

bool children_change(unsigned group)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (acts_for(&children[i], group) && !children[i].ended && children[i].is_begun &&
            children[i].intent.action != ACTION_EXTEND)
            return true;
    return false;
}

bool children_act_for(unsigned group)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (acts_for(&children[i], group))
            return true;
    return false;
}

const struct intent *children_intent_for(const char *uuid, uint64_t *ret_start_usec)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (children[i].pid && children[i].acts && strcmp(children[i].intent.uuid, uuid) == 0) {
            *ret_start_usec = children[i].start_usec;
            return &children[i].intent;
        }
    return NULL;
}

bool children_brake(dev_t device)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (children[i].pid && device && children[i].brakes == device)
            return true;
    return false;
}

void children_abandon(void)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (children[i].pid)
            free_place(&children[i]);
}

/* ---- what the daemon and its children call of the C library (linked with --wrap) */

int __real_close(int fd);
int __wrap_open(const char *path, int flags, ...);
int __wrap_poll(struct pollfd *files, nfds_t n, int timeout_msec);
time_t __wrap_time(time_t *ret_time);
int __wrap_close(int fd);
int __wrap_kill(pid_t pid, int signal);
int __wrap_mlockall(int flags);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);
void __wrap__exit(int status);
int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old);
pid_t __wrap_waitpid(pid_t pid, int *status, int flags);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

/* In the kernel it dies when its call returns. */
int __wrap_kill(pid_t pid, int signal)
{
    struct sim_child *child = find(pid);
    if (child && signal == SIGKILL && !child->ended)
        child->killed = true;
    return child ? 0 : -1;
}

pid_t __wrap_waitpid(pid_t pid, int *status, int flags)
{
    struct sim_child *child = find(pid);
    (void)status, (void)flags;
    if (child)
        end(child);
    return pid;
}

int __wrap_mlockall(int flags)
{
    (void)flags;
    return 0;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *rest)
{
    (void)rest;
    children_pause((uint64_t)time->tv_nsec / 1000);
    return 0;
}

/* Signals come from the loop; the real ones stop the simulator. */
int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    (void)how, (void)set, (void)old;
    return 0;
}

void __wrap__exit(int status)
{
    (void)status;
    leave();
    abort();
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    struct sim_child *child = &children[fd - RESULT_FD];
    memcpy(child->result, bytes, size);
    child->size = size;
    child->has_result = true;
    return (ssize_t)size;
}

int __wrap_open(const char *path, int flags, ...)
{
    (void)path, (void)flags;
    return STATE_FD;
}

/* For the last result of a child, when the loop has ended. */
int __wrap_poll(struct pollfd *files, nfds_t n, int timeout_msec)
{
    const struct sim_child *child = &children[files->fd - RESULT_FD];
    uint64_t until_usec = world.clock_usec + (uint64_t)timeout_msec * 1000;
    (void)n;
    while (!world.crash && !child->ended && children_next_usec() <= until_usec) {
        world_advance(children_next_usec());
        children_run();
    }
    return child->ended;
}

time_t __wrap_time(time_t *ret_time)
{
    (void)ret_time;
    return (time_t)(FIRST_SECOND + world.clock_usec / 1000000);
}

int __wrap_close(int fd)
{
    if (fd >= STATE_FD)
        return 0;
    if (fd >= DEVICE_FD)
        close_held(&children[fd - DEVICE_FD]);
    else if (fd >= RESULT_FD)
        free_place(&children[fd - RESULT_FD]);
    else if (fd >= 0)
        return __real_close(fd);
    return 0;
}
