#include "watch.h"
#include "client.h"
#include "offline.h"
#include "picture.h"
#include "screen.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-event.h>
#include <time.h>

/* What changes without a signal (a rate that falls towards nothing) is seen so soon. */
#define ASK_AGAIN_USEC UINT64_C(5000000)

struct watch {
    const struct watch_options *options;
    sd_event *event;
    sd_bus *bus;            /* NULL: there is none now */
    sd_bus_slot *asked;     /* an answer is awaited */
    bool is_outdated;       /* the daemon has said so */
    uint64_t answered_usec; /* CLOCK_MONOTONIC */
    struct accounts accounts;
    bool is_known;
    struct failure failure; /* why not */
    struct recent recent;
    bool is_dumb;
    char *last_picture; /* dumb: what was printed */
};

static void forget(struct watch *watch)
{
    if (watch->is_known)
        accounts_done(&watch->accounts);
    watch->is_known = false;
}

static uint64_t now_usec(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static char *draw_picture(const struct watch *watch)
{
    struct screen_size size = screen_size();
    struct picture picture = {
        .accounts = watch->is_known ? &watch->accounts : NULL,
        .failure = &watch->failure,
        .recent = &watch->recent,
        .table = {.has_colour = style_has_colour(watch->options->colour, stdout),
                  .is_utf8 = style_is_utf8(),
                  .width = watch->is_dumb ? style_width(stdout) : size.columns},
        .lines = watch->is_dumb ? 0 : size.lines,
        .now_usec = now_usec(CLOCK_REALTIME),
    };
    return picture_draw(&picture);
}

/* On a dumb terminal only what is not there yet. */
static void draw(struct watch *watch)
{
    char *picture = draw_picture(watch);
    if (!picture)
        return;
    if (!watch->is_dumb) {
        screen_draw(picture, screen_size().lines);
    } else if (!watch->last_picture || strcmp(watch->last_picture, picture) != 0) {
        printf("%s%s", watch->last_picture ? "\n" : "", picture);
        fflush(stdout);
        free(watch->last_picture);
        watch->last_picture = picture;
        return;
    }
    free(picture);
}

/* Before the first answer there is nothing to show: "no snapshots" would be a claim. */
static bool has_news(const struct watch *watch)
{
    return watch->is_known || watch->failure.code;
}

/* Takes over what was found; a NAME that nobody has is said instead. */
static void show(struct watch *watch, struct accounts *accounts)
{
    forget(watch);
    if (accounts_select(accounts, watch->options->names.items, watch->options->names.n_items,
                        &watch->failure) < 0) {
        accounts_done(accounts);
    } else {
        watch->accounts = *accounts;
        watch->is_known = true;
    }
    draw(watch);
}

static void show_failure(struct watch *watch, const struct failure *failure)
{
    forget(watch);
    watch->failure = *failure;
    draw(watch);
}

static void look_without_daemon(struct watch *watch, const struct failure *why)
{
    struct accounts accounts = {.is_offline = true, .why_offline = *why};
    struct failure failure;
    if (offline_accounts(&accounts.items, &accounts.n_items, &failure) >= 0) {
        show(watch, &accounts);
        return;
    }
    show_failure(watch, why);
}

static int take_answer(sd_bus_message *reply, void *user, sd_bus_error *error)
{
    struct watch *watch = user;
    struct accounts accounts;
    struct failure failure;
    (void)error;
    watch->asked = sd_bus_slot_unref(watch->asked);
    watch->answered_usec = now_usec(CLOCK_MONOTONIC);
    if (sd_bus_message_is_method_error(reply, NULL)) {
        client_failure(sd_bus_message_get_error(reply), 0, &failure);
        look_without_daemon(watch, &failure);
    } else if (accounts_read(reply, &accounts, &failure) >= 0) {
        show(watch, &accounts);
    } else {
        show_failure(watch, &failure);
    }
    return 0;
}

static int ask(struct watch *watch)
{
    sd_bus_message *call = NULL;
    int r = client_new_call(watch->bus, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &call);
    if (r >= 0)
        r = sd_bus_call_async(watch->bus, &watch->asked, call, take_answer, watch, CLIENT_DEADLINE_USEC);
    sd_bus_message_unref(call);
    watch->is_outdated = false;
    return r;
}

static int take_signal_of_bus(sd_bus_message *message, void *user, sd_bus_error *error)
{
    struct watch *watch = user;
    (void)message, (void)error;
    watch->is_outdated = true;
    return 0;
}

static int match(struct watch *watch)
{
    int r = sd_bus_add_match_async(watch->bus, NULL, "type='signal',sender='" CLIENT_NAME "'",
                                   take_signal_of_bus, NULL, watch);
    if (r >= 0)
        r = sd_bus_add_match_async(watch->bus, NULL,
                                   "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
                                   "arg0='" CLIENT_NAME "'",
                                   take_signal_of_bus, NULL, watch);
    return r < 0 ? r : sd_bus_attach_event(watch->bus, watch->event, 0);
}

static int connect_to_bus(struct watch *watch, struct failure *ret_failure)
{
    if (client_open(&watch->bus, ret_failure) < 0)
        return -1;
    watch->is_outdated = true;
    int r = match(watch);
    if (r >= 0)
        return 0;
    watch->bus = sd_bus_close_unref(watch->bus);
    return client_failure(NULL, r, ret_failure);
}

static void disconnect(struct watch *watch)
{
    watch->asked = sd_bus_slot_unref(watch->asked);
    watch->bus = sd_bus_close_unref(watch->bus);
}

static bool is_due(const struct watch *watch)
{
    bool is_old = now_usec(CLOCK_MONOTONIC) >= watch->answered_usec + ASK_AGAIN_USEC;
    return !watch->asked && (watch->is_outdated || is_old || !watch->is_known || watch->accounts.is_offline);
}

static void refresh(struct watch *watch)
{
    struct failure failure;
    if (watch->bus && sd_bus_is_open(watch->bus) <= 0)
        disconnect(watch);
    if (!watch->bus && connect_to_bus(watch, &failure) < 0) {
        look_without_daemon(watch, &failure);
    } else if (is_due(watch) && ask(watch) < 0) {
        disconnect(watch);
    } else if (!watch->is_dumb && has_news(watch)) {
        draw(watch); /* its clock goes on */
    }
}

static int take_tick(sd_event_source *source, uint64_t usec, void *user)
{
    struct watch *watch = user;
    (void)usec;
    refresh(watch);
    int r = sd_event_source_set_time_relative(source, watch->options->interval_usec);
    return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int take_journal(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct watch *watch = user;
    (void)source, (void)fd, (void)events;
    if (recent_update(&watch->recent) && !watch->is_dumb && has_news(watch))
        draw(watch);
    return 0;
}

static int take_resize(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
    (void)source, (void)info;
    draw(user);
    return 0;
}

/* Ctrl-Z: what it was drawn over has its turn, until somebody has it go on. A group that nobody could have go on is not stopped. */
static int take_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
    sigset_t stop;
    (void)source, (void)info;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    screen_leave();
    raise(SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &stop, NULL);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    screen_enter();
    draw(user);
    return 0;
}

static int add_screen_signals(struct watch *watch)
{
    int r = sd_event_add_signal(watch->event, NULL, SIGWINCH, take_resize, watch);
    return r < 0 ? r : sd_event_add_signal(watch->event, NULL, SIGTSTP, take_stop, watch);
}

static int add_signals(struct watch *watch)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    if (!watch->is_dumb) {
        sigaddset(&signals, SIGWINCH);
        sigaddset(&signals, SIGTSTP);
    }
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return -errno;
    /* Without a handler an event loop exits at a signal. */
    int r = sd_event_add_signal(watch->event, NULL, SIGINT, NULL, NULL);
    if (r >= 0)
        r = sd_event_add_signal(watch->event, NULL, SIGTERM, NULL, NULL);
    if (r >= 0)
        r = sd_event_add_signal(watch->event, NULL, SIGHUP, NULL, NULL);
    return r >= 0 && !watch->is_dumb ? add_screen_signals(watch) : r;
}

static int add_journal(struct watch *watch)
{
    int fd = watch->recent.journal ? sd_journal_get_fd(watch->recent.journal) : -1;
    return fd < 0
               ? 0
               : sd_event_add_io(watch->event, NULL, fd,
                                 (uint32_t)sd_journal_get_events(watch->recent.journal), take_journal, watch);
}

static int add_sources(struct watch *watch)
{
    int r = sd_event_new(&watch->event);
    if (r >= 0)
        r = add_signals(watch);
    if (r >= 0)
        r = add_journal(watch);
    if (r >= 0)
        r = sd_event_add_time_relative(watch->event, NULL, CLOCK_MONOTONIC, 0, 0, take_tick, watch);
    return r;
}

static void clean_up(struct watch *watch)
{
    disconnect(watch);
    forget(watch);
    recent_close(&watch->recent);
    sd_event_unref(watch->event);
    free(watch->last_picture);
}

int watch_run(const struct watch_options *options)
{
    struct watch watch = {.options = options, .is_dumb = style_is_dumb(stdout)};
    if (!watch.is_dumb)
        recent_open(&watch.recent);
    int r = add_sources(&watch);
    if (r >= 0) {
        if (!watch.is_dumb)
            screen_enter();
        r = sd_event_loop(watch.event);
        if (!watch.is_dumb)
            screen_leave();
    }
    clean_up(&watch);
    if (r >= 0)
        return EX_OK;
    failure_set(&watch.failure, EX_OSERR, "the event loop: %s", strerror(-r));
    return failure_report(&watch.failure);
}
