/* attach-watch.c - how does a disk outlive its gateway?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The kernel keeps requests while all links are dead.  Here a new one is made and handed over,
 * which they then go on with.  Nothing here touches the disk itself: a watch that waited for
 * it would wait for itself. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>

#include "attach.h"
#include "clock.h"
#include "events.h"

enum {
    FIRST_PAUSE_MS = 50, /* it doubles … */
    LONGEST_PAUSE_MS = 2000,
    DIAL_MS = 10000,
    LOOK_MS = 5000,   /* is it still attached? */
    UNTOLD_MS = 2000, /* a death that the kernel ought to have told of */
    SECOND = 1000000000,
};

struct watch {
    struct attachment *a;
    struct nbd_kernel *kernel;
    int signals;
    unsigned told;     /* deaths that the kernel told of, for which it has no new link yet */
    uint64_t told_at;  /* ns, as all of these; 0: none */
    uint64_t lost_at;  /* the first link that is missing now; 0: none is */
    uint64_t alone_at; /* since when there is no link at all; 0: there is one */
    uint64_t try_at;
    unsigned pause_ms;
    char *said; /* the refusal that was told last */
};

int watch_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, NULL))
        return -errno;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* ---- what is known -------------------------------------------------------------------------- */

static unsigned links_missing(const struct attachment *a)
{
    unsigned count = 0;

    for (unsigned i = 0; i < a->links; i++)
        count += a->link[i] < 0;
    return count;
}

static void set_state(struct watch *w, enum attach_state state)
{
    if (w->a->state != state)
        w->a->since = time(NULL);
    w->a->state = state;
    int r = attach_save(w->a);
    if (r)
        event_post(WEIR_WARNING, w->a->export, NULL,
                   "the state of /dev/nbd%d cannot be written: %s", w->a->index, strerror(-r));
}

static void lose_link(struct watch *w, unsigned i)
{
    uint64_t now = clock_ns();

    scope_close(&w->a->link[i]);
    w->a->link[i] = -1;
    if (!w->lost_at) {
        w->lost_at = now;
        w->try_at = now;
        w->pause_ms = FIRST_PAUSE_MS;
    }
    if (links_missing(w->a) < w->a->links || w->alone_at)
        return;
    w->alone_at = now;
    text_clear(&w->a->reason);
    weir_print(&w->a->reason, "the gateway closed the connection");
    event_post(WEIR_WARNING, w->a->export, NULL,
               "/dev/nbd%d has lost its gateway: requests wait for it, for %llu s at most",
               w->a->index, (unsigned long long)w->a->dead_timeout);
    set_state(w, RECONNECTING);
}

/* Our ends hang up with the kernel's: they are the same sockets. */
static void note_losses(struct watch *w, const struct pollfd *list)
{
    for (unsigned i = 0; i < w->a->links; i++)
        if (w->a->link[i] >= 0 && list[i].revents & (POLLHUP | POLLRDHUP | POLLERR))
            lose_link(w, i);
}

static void note_news(struct watch *w)
{
    unsigned deaths = kernel_deaths(w->kernel, w->a->index);
    uint64_t now = clock_ns();

    if (deaths && !w->told)
        w->told_at = now;
    w->told += deaths;
    /* a link that we have no end of, since another process handed it over */
    if (w->told && !links_missing(w->a) && now - w->told_at > SECOND)
        lose_link(w, 0);
}

/* ---- a new link --------------------------------------------------------------------- */

/* Said once, however often it is tried. */
static void say_refusal(struct watch *w, const char *why)
{
    text_clear(&w->a->reason);
    weir_print(&w->a->reason, "%s", why);
    if (w->said && strcmp(w->said, why) == 0)
        return;
    free(w->said);
    w->said = enough(strdup(why));
    event_post(WEIR_ERROR, w->a->export, NULL, "/dev/nbd%d does not get its gateway back: %s",
               w->a->index, why);
    set_state(w, w->a->state);
}

static void found(struct watch *w, int fd)
{
    struct attachment *a = w->a;
    unsigned i = 0;

    while (a->link[i] >= 0)
        i++;
    a->link[i] = fd;
    w->told -= w->told > 0;
    w->pause_ms = FIRST_PAUSE_MS;
    if (w->alone_at) {
        event_post(WEIR_INFO, a->export, NULL, "/dev/nbd%d has its gateway again, after %.1f s",
                   a->index, (double)(clock_ns() - w->alone_at) / SECOND);
        w->alone_at = 0;
        a->reconnects++;
        text_clear(&a->reason);
        set_state(w, CONNECTED);
    }
    if (!links_missing(a)) {
        w->lost_at = 0;
        w->told = 0;
        free(w->said);
        w->said = NULL;
    }
}

static int dial_ms(const struct watch *w)
{
    uint64_t now = clock_ns(), end = w->alone_at + w->a->dead_timeout * SECOND;

    if (!w->alone_at || end > now + DIAL_MS * (uint64_t)1000000)
        return DIAL_MS;
    return end > now ? (int)((end - now) / 1000000) + 1 : 1;
}

/* 0: handed over.  -ENODEV: the device is not attached any more.  Else: try again later. */
static int replace_link(struct watch *w)
{
    cleanup_text struct weir_text why = { 0 };
    struct nbd_disk disk;
    cleanup_fd int fd = -1;

    int r = attach_dial(w->a->uri, dial_ms(w), w->signals, &disk, &fd, &why);
    if (r == -EINTR)
        return r;
    if (r) {
        text_clear(&w->a->reason);
        weir_print(&w->a->reason, "%s", text_string(&why));
        return r;
    }
    r = disk_same(&w->a->disk, &disk, &why);
    if (r) {
        say_refusal(w, text_string(&why));
        return r;
    }
    if (kernel_connected(w->kernel, w->a->index) == 0)
        return -ENODEV;
    r = kernel_reconfigure(w->kernel, w->a, fd, &why);
    if (r == -EINVAL && kernel_connected(w->kernel, w->a->index) == 0)
        return -ENODEV;
    if (r)
        say_refusal(w, text_string(&why));
    else
        found(w, steal_fd(fd));
    return r;
}

/* The kernel drops a socket for which it knows of no death: it may be later than we are. */
static bool may_try(const struct watch *w)
{
    uint64_t now = clock_ns();

    return w->lost_at && now >= w->try_at &&
           (w->told || now - w->lost_at > UNTOLD_MS * (uint64_t)1000000);
}

static int try_again(struct watch *w)
{
    int r = replace_link(w);

    if (r == 0 || r == -ENODEV)
        return r;
    w->try_at = clock_ns() + w->pause_ms * (uint64_t)1000000;
    w->pause_ms = w->pause_ms * 2 < LONGEST_PAUSE_MS ? w->pause_ms * 2 : LONGEST_PAUSE_MS;
    return 0;
}

/* ---- the end ------------------------------------------------------------------------ */

int attach_end(struct attachment *a, struct nbd_kernel *kernel, bool force, struct weir_text *why)
{
    int r = force ? 0 : device_unused(a->index);

    if (r) {
        weir_print(why, "/dev/nbd%d is in use (mounted, swapped on or part of another device)",
                   a->index);
        return r;
    }
    /* what the kernel still wants to send would wait for a gateway that does not read */
    for (unsigned i = 0; force && i < a->links; i++)
        if (a->link[i] >= 0)
            shutdown(a->link[i], SHUT_RDWR);
    r = kernel_connected(kernel, a->index) ? kernel_disconnect(kernel, a->index, why) : 0;
    if (!r)
        attach_forget(a);
    return r;
}

/* Requests that wait would wait for ever: no gateway answers them, and the kernel alone does
 * not give up those that it has sent. */
static enum exit_code give_up(struct watch *w)
{
    cleanup_text struct weir_text why = { 0 };

    event_post(WEIR_ERROR, w->a->export, NULL,
               "/dev/nbd%d is given up, its requests fail: no gateway for %llu s (%s)", w->a->index,
               (unsigned long long)w->a->dead_timeout, text_string(&w->a->reason));
    if (attach_end(w->a, w->kernel, true, &why))
        event_post(WEIR_ERROR, w->a->export, NULL, "%s", text_string(&why));
    set_state(w, DEAD);
    return FAILED;
}

static enum exit_code end_by_others(struct watch *w)
{
    event_post(WEIR_WARNING, w->a->export, NULL, "/dev/nbd%d was detached by another program",
               w->a->index);
    attach_forget(w->a);
    return DONE;
}

static enum exit_code end_by_signal(struct watch *w, bool force)
{
    cleanup_text struct weir_text why = { 0 };

    if (attach_end(w->a, w->kernel, force, &why) == 0) {
        event_post(WEIR_INFO, w->a->export, NULL, "/dev/nbd%d is detached", w->a->index);
        return DONE;
    }
    text_clear(&w->a->reason);
    weir_print(&w->a->reason, "%s", text_string(&why));
    event_post(WEIR_ERROR, w->a->export, NULL,
               "%s: it stays attached, and nobody watches it until it is attached again",
               text_string(&why));
    set_state(w, UNWATCHED);
    return REJECTED;
}

/* ---- the loop ----------------------------------------------------------------------- */

static int wait_ms(const struct watch *w)
{
    uint64_t now = clock_ns(), at = now + LOOK_MS * (uint64_t)1000000;

    if (w->lost_at || w->told)
        at = now + FIRST_PAUSE_MS * (uint64_t)1000000;
    if (w->lost_at && w->try_at > at)
        at = w->try_at;
    return (int)((at - now) / 1000000) + 1;
}

static void wait_for_something(struct watch *w, bool *signalled)
{
    struct pollfd list[LINKS_MOST + 2];
    unsigned n = w->a->links;

    for (unsigned i = 0; i < n; i++)
        list[i] = (struct pollfd){ .fd = w->a->link[i], .events = POLLRDHUP };
    list[n] = (struct pollfd){ .fd = w->signals, .events = POLLIN };
    list[n + 1] = (struct pollfd){ .fd = kernel_news_fd(w->kernel), .events = POLLIN };
    if (poll(list, n + 2, wait_ms(w)) < 0)
        return;
    *signalled = list[n].revents != 0;
    note_losses(w, list);
    note_news(w);
}

static bool is_too_late(const struct watch *w)
{
    return w->alone_at && clock_ns() - w->alone_at >= w->a->dead_timeout * SECOND;
}

static enum exit_code watch_until_end(struct watch *w)
{
    struct signalfd_siginfo signal;
    uint64_t look_at = clock_ns();

    for (;;) {
        bool signalled = false, detached = false;
        wait_for_something(w, &signalled);
        if (signalled && read(w->signals, &signal, sizeof signal) == sizeof signal)
            return end_by_signal(w, signal.ssi_signo == SIGUSR1);
        if (is_too_late(w))
            return give_up(w);
        if (may_try(w))
            detached = try_again(w) == -ENODEV;
        if (!detached && clock_ns() >= look_at) {
            detached = kernel_connected(w->kernel, w->a->index) == 0;
            look_at = clock_ns() + LOOK_MS * (uint64_t)1000000;
        }
        if (detached)
            return end_by_others(w);
    }
}

enum exit_code attach_watch(struct attachment *a, struct nbd_kernel *kernel, int signals)
{
    struct watch w = { .a = a, .kernel = kernel, .signals = signals };

    if (links_missing(a)) { /* taken over from a watch that ended: what has died since is unknown */
        w.lost_at = clock_ns();
        w.told = links_missing(a);
        w.pause_ms = FIRST_PAUSE_MS;
        w.alone_at = w.lost_at;
        a->state = RECONNECTING;
    }
    enum exit_code code = watch_until_end(&w);
    free(w.said);
    return code;
}
