/* run.c - how does a check crash, hang or abort without taking the others with it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kit.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum { LIMIT_S = 300, TSAN_STATUS = 66 };

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN true
#else
#define UNDER_TSAN false
#endif

unsigned slowness(void)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    return 5;
#else
    return 1;
#endif
}

uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

bool time_left(const struct kit *k, uint64_t since)
{
    return (double)(now_ns() - since) < k->seconds * 1e9;
}

/* ---- verdicts -------------------------------------------------------------------- */

/* The first one counts: several threads may find something at once. */
WEIR_PRINTF(3, 0)
static _Noreturn void conclude(struct kit *k, enum verdict v, const char *format, va_list args)
{
    static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER; /* of the process; never released */

    pthread_mutex_lock(&first);
    vsnprintf(k->outcome->reason, REASON_MAX, format, args);
    atomic_store(&k->outcome->verdict, (int)v);
    _exit(0);
}

void fail(struct kit *k, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    conclude(k, FAILED, format, args);
}

void not_applicable(struct kit *k, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    conclude(k, NOT_APPLICABLE, format, args);
}

void figure(struct kit *k, const char *name, double value, const char *unit)
{
    struct outcome *o = k->outcome;

    if (o->figures == FIGURES_MAX)
        return;
    struct figure *f = &o->figure[o->figures++];
    snprintf(f->name, sizeof(f->name), "%s", name);
    snprintf(f->unit, sizeof(f->unit), "%s", unit);
    f->value = value;
}

/* ---- processes -------------------------------------------------------------------- */

static void explain(struct kit *k, int status, const char *who)
{
    struct outcome *o = k->outcome;

    if (atomic_load(&o->verdict) != UNDECIDED)
        return;
    atomic_store(&o->verdict, FAILED);
    if (WIFSIGNALED(status))
        snprintf(o->reason, REASON_MAX, "%s was ended by signal %d (%s)", who, WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (UNDER_TSAN && WEXITSTATUS(status) == TSAN_STATUS)
        snprintf(o->reason, REASON_MAX, "the thread sanitizer has reported a race: see above");
    else
        snprintf(o->reason, REASON_MAX, "%s exited with %d", who, WEXITSTATUS(status));
}

/* A sanitizer says at the exit what it has found; without one nothing more is of interest. */
static _Noreturn void leave(void)
{
    if (UNDER_TSAN)
        exit(0);
    _exit(0);
}

void in_process(struct kit *k, void (*work)(struct kit *, void *), void *arg)
{
    int status;
    pid_t pid = fork();

    if (pid < 0)
        fail(k, "no process: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        work(k, arg);
        leave();
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
                  atomic_exchange(&k->media->killed, false);
    if (status && !killed)
        explain(k, status, "the process with the filter");
    if (atomic_load(&k->outcome->verdict) != UNDECIDED)
        _exit(0);
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

static bool wait_for(pid_t pid, int *status, double seconds)
{
    const uint64_t until = now_ns() + (uint64_t)(seconds * 1e9);
    const struct timespec pause = { .tv_nsec = 2000000 };

    while (waitpid(pid, status, WNOHANG) == 0) {
        if (now_ns() > until)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static void watch(struct kit *k, pid_t pid)
{
    const double limit = (LIMIT_S + k->seconds * 10) * slowness();
    int status = 0;

    if (wait_for(pid, &status, limit)) {
        if (status)
            explain(k, status, "the check");
        else if (atomic_load(&k->outcome->verdict) == UNDECIDED)
            atomic_store(&k->outcome->verdict, PASSED);
        return;
    }
    kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
    atomic_store(&k->outcome->verdict, FAILED);
    snprintf(k->outcome->reason, REASON_MAX, "hung: did not end within %.0f s", limit);
}

void run_check(struct kit *k, const struct check *c)
{
    const uint64_t began = now_ns();

    snprintf(k->folder, sizeof(k->folder), "/tmp/weir-certify.XXXXXX");
    media_reset(k->media);
    k->random = k->seed ^ text_hash(c->name);
    pid_t pid = mkdtemp(k->folder) ? fork() : -1;
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        c->run(k);
        leave();
    }
    if (pid < 0) {
        atomic_store(&k->outcome->verdict, FAILED);
        snprintf(k->outcome->reason, REASON_MAX, "cannot begin: %s", strerror(errno));
    } else {
        setpgid(pid, pid);
        watch(k, pid);
    }
    k->outcome->seconds = (double)(now_ns() - began) / 1e9;
    nftw(k->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
