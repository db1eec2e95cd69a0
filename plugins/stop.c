/* stop.c - what happens at a stop signal before nbdkit waits for what is in flight?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdkit's handler makes it wait, without end, for the requests that are inside the
 * plugin; only then are we called.  A filter may hold them for an hour, so ours stands in
 * front of nbdkit's: it rings a bell and calls the former.  The rest is a thread's work. */
#include "stop.h"

#include "scope.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>

/* those that nbdkit ends at */
static const int numbers[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP };
enum { SIGNALS = sizeof numbers / sizeof *numbers };

/* Signals are the process's, and a handler is given nothing. */
static struct {
    struct sigaction former[SIGNALS]; /* written before our handler is set */
    bool ours[SIGNALS];
    int bell; /* an eventfd; -1: there is no thread */
    atomic_bool ending;
    pthread_t thread;
    void (*ease)(void);
} stop = { .bell = -1 };

static void ring(void)
{
    const uint64_t one = 1;

    (void)!write(stop.bell, &one, sizeof one);
}

static void call_former(const struct sigaction *former, int number, siginfo_t *info, void *context)
{
    if (former->sa_flags & SA_SIGINFO)
        former->sa_sigaction(number, info, context);
    else
        former->sa_handler(number);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    int error = errno;

    ring();
    for (int i = 0; i < SIGNALS; i++)
        if (numbers[i] == number)
            call_former(&stop.former[i], number, info, context);
    errno = error;
}

static void *answer_bell(void *unused)
{
    uint64_t rings;

    (void)unused;
    for (;;) {
        if (read(stop.bell, &rings, sizeof rings) != sizeof rings)
            continue; /* EINTR is all that it can be */
        if (atomic_load(&stop.ending))
            return NULL;
        stop.ease();
    }
}

static void take_signals(void)
{
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction *former = &stop.former[i];
        sigaction(numbers[i], NULL, former);
        /* one that does not stop nbdkit, or kills at once, is none of our business */
        if (!(former->sa_flags & SA_SIGINFO) &&
            (former->sa_handler == SIG_DFL || former->sa_handler == SIG_IGN))
            continue;
        struct sigaction ours = *former;
        ours.sa_flags |= SA_SIGINFO;
        ours.sa_sigaction = on_signal;
        stop.ours[i] = sigaction(numbers[i], &ours, NULL) == 0;
    }
}

int stop_watch(void (*ease)(void))
{
    stop.ease = ease;
    stop.bell = eventfd(0, EFD_CLOEXEC);
    if (stop.bell < 0)
        return -errno;
    int error = pthread_create(&stop.thread, NULL, answer_bell, NULL);
    if (error) {
        close(stop.bell);
        stop.bell = -1;
        return -error;
    }
    take_signals();
    return 0;
}

void stop_unwatch(void)
{
    if (stop.bell < 0)
        return;
    for (int i = 0; i < SIGNALS; i++)
        if (stop.ours[i])
            sigaction(numbers[i], &stop.former[i], NULL);
    atomic_store(&stop.ending, true);
    ring();
    pthread_join(stop.thread, NULL);
    /* the bell stays: a handler that began before may be about to ring it */
}
