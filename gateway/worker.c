/* worker.c - which thread is a request at home on?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "worker.h"

#include <pthread.h>
#include <stdlib.h>

/* One list per process, because a thread serves whatever export its client opened.
 * Only ever pushed to, so readers need no lock. */
static struct worker *_Atomic workers;

/* initial-exec: the data path reads it without a call, though this is a loaded module */
static _Thread_local struct worker *mine __attribute__((tls_model("initial-exec")));
static pthread_key_t at_exit;
static bool at_exit_made;

static void leave(void *worker)
{
    atomic_store(&((struct worker *)worker)->taken, false);
}

static void make_key(void)
{
    at_exit_made = pthread_key_create(&at_exit, leave) == 0;
}

static struct worker *take_idle(void)
{
    for (struct worker *w = atomic_load(&workers); w; w = atomic_load(&w->next)) {
        bool idle = false;
        if (atomic_compare_exchange_strong(&w->taken, &idle, true))
            return w;
    }
    return NULL;
}

static struct worker *make(void)
{
    struct worker *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    sem_init(&w->baton, 0, 0);
    atomic_init(&w->taken, true);
    struct worker *first = atomic_load(&workers);
    do {
        atomic_store(&w->next, first);
    } while (!atomic_compare_exchange_weak(&workers, &first, w));
    return w;
}

struct worker *worker_self(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* for the key, per process */

    if (mine)
        return mine;
    pthread_once(&once, make_key);
    struct worker *w = take_idle();
    if (!w)
        w = make();
    if (w && at_exit_made)
        pthread_setspecific(at_exit, w);
    return mine = w;
}

struct worker *worker_first(void)
{
    return atomic_load(&workers);
}
