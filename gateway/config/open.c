/* open.c - how do all exports come to be open, and stay tried until they are?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../clock.h"
#include "../events.h"
#include "../gateway.h"
#include "../scope.h"
#include "running.h"

#include <errno.h>
#include <string.h>

enum { OPENERS = 8, RETRY_SECONDS = 3 };

/* The exports that are to be opened in the background. */
static struct {
    pthread_mutex_t lock; /* all of this; nothing is taken under it */
    pthread_cond_t changed;
    struct waiting_export {
        char *name;
        bool tried; /* it was locked then: one that is closed now was closed by somebody */
    } * list;
    size_t count;
    bool started; /* config_open_all() was called: before it nothing is opened */
    bool running, stop, hurry;
    pthread_t thread;
} waiting = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* ---- the list ---------------------------------------------------------------- */

static struct waiting_export *find_locked(const char *name)
{
    for (size_t i = 0; i < waiting.count; i++) {
        if (!strcmp(waiting.list[i].name, name))
            return &waiting.list[i];
    }
    return NULL;
}

/* False: no memory. */
static bool list_locked(const char *name)
{
    struct waiting_export *known = find_locked(name);

    if (known) {
        known->tried = false;
        return true;
    }
    struct waiting_export *more = realloc(waiting.list, (waiting.count + 1) * sizeof *more);
    if (!more)
        return false;
    waiting.list = more;
    more[waiting.count] = (struct waiting_export){ .name = strdup(name) };
    if (!more[waiting.count].name)
        return false;
    waiting.count++;
    return true;
}

static void forget(const char *name)
{
    hold_lock(&waiting.lock);
    struct waiting_export *known = find_locked(name);

    if (!known)
        return;
    free(known->name);
    *known = waiting.list[--waiting.count];
}

/* True: it had been tried before, too. */
static bool note_try(const char *name)
{
    hold_lock(&waiting.lock);
    struct waiting_export *known = find_locked(name);
    bool before = known && known->tried;

    if (known)
        known->tried = true;
    return before;
}

/* The I-th name of the list, to be freed; NULL behind the last. */
static char *name_at(size_t i)
{
    hold_lock(&waiting.lock);

    return i < waiting.count ? strdup(waiting.list[i].name) : NULL;
}

/* ---- opening one ------------------------------------------------------------- */

static bool is_closed(struct export *e)
{
    struct export_view view;

    if (export_view(e, &view))
        return false;
    bool closed = view.state == EXPORT_CLOSED;
    export_view_finish(&view);
    return closed;
}

/* True: no need to try again. */
static bool open_export(const char *name)
{
    struct export *e = gateway_find(name);

    if (!e)
        return true; /* gone meanwhile */
    if (note_try(name) && is_closed(e)) {
        export_unref(e);
        return true;
    }
    int err = export_open(e, NULL);
    /* it may have been taken out while it was being opened */
    struct export *now = gateway_find(name);
    if (now != e)
        export_close(e);
    export_unref(now);
    export_unref(e);
    return !err;
}

/* ---- a filter that was missing may have been installed ----------------------- */

static void heal(const char *name)
{
    struct configuration *old = running_get(), *new = NULL;
    const struct export_entry *e = old ? export_entry_find(old, name) : NULL;

    if (e && plan_is_lame(&e->plan)) {
        struct report report = { 0 };
        configuration_make(old->sources, old->source_count, &old->layout, MISSING_LOCKS, NULL, &new,
                           &report);
        e = new ? export_entry_find(new, name) : NULL;
        if (!e || plan_is_lame(&e->plan) || change_to(new, NULL, 0, &report))
            configuration_unref(new);
    }
    configuration_unref(old);
}

/* ---- again and again --------------------------------------------------------- */

static bool wait_a_while(void)
{
    const uint64_t until = clock_ns() + RETRY_SECONDS * UINT64_C(1000000000);

    hold_lock(&waiting.lock);
    while (!waiting.stop && !waiting.hurry) {
        if (!waiting.count)
            pthread_cond_wait(&waiting.changed, &waiting.lock);
        else if (clock_wait(&waiting.changed, &waiting.lock, until) == ETIMEDOUT)
            break;
    }
    waiting.hurry = false;
    return !waiting.stop;
}

static bool is_stopped(void)
{
    hold_lock(&waiting.lock);

    return waiting.stop;
}

static void *try_again(void *unused)
{
    (void)unused;
    while (wait_a_while()) {
        char *name;
        for (size_t i = 0; (name = name_at(i)) && !is_stopped();) {
            running_begin();
            heal(name);
            running_end();
            if (open_export(name))
                forget(name);
            else
                i++;
            free(name);
        }
        free(name);
    }
    return NULL;
}

/* Under the lock. */
static void start_thread(void)
{
    if (waiting.running || !waiting.started || waiting.stop)
        return;
    int err = pthread_create(&waiting.thread, NULL, try_again, NULL);
    waiting.running = !err;
    if (err)
        event_post(WEIR_ERROR, NULL, NULL,
                   "exports that cannot be opened now are not tried "
                   "again: %s",
                   strerror(err));
}

void reopen_soon(const char *name)
{
    hold_lock(&waiting.lock);

    if (!list_locked(name))
        return;
    waiting.hurry = true;
    start_thread();
    pthread_cond_signal(&waiting.changed);
}

void reopen_stop(void)
{
    pthread_mutex_lock(&waiting.lock);
    bool was_running = waiting.running;
    waiting.stop = true;
    pthread_cond_signal(&waiting.changed);
    pthread_mutex_unlock(&waiting.lock);
    if (was_running)
        pthread_join(waiting.thread, NULL);
    hold_lock(&waiting.lock);
    for (size_t i = 0; i < waiting.count; i++)
        free(waiting.list[i].name);
    free(waiting.list);
    waiting.list = NULL;
    waiting.count = 0;
    waiting.running = waiting.started = waiting.stop = waiting.hurry = false;
}

/* ---- all at the start -------------------------------------------------------- */

struct opening {
    char **names;
    size_t count;
    _Atomic size_t next;
};

static void *open_some(void *arg)
{
    struct opening *all = arg;

    for (size_t i; (i = atomic_fetch_add(&all->next, 1)) < all->count;) {
        if (open_export(all->names[i]))
            forget(all->names[i]);
    }
    return NULL;
}

/* Until now nobody was to open anything: what was listed is all there is. */
static void take_names(struct opening *all)
{
    hold_lock(&waiting.lock);

    all->names = calloc(waiting.count + 1, sizeof *all->names);
    for (size_t i = 0; all->names && i < waiting.count; i++) {
        all->names[all->count] = strdup(waiting.list[i].name);
        all->count += all->names[all->count] != NULL;
    }
}

void config_open_all(void)
{
    struct opening all = { 0 };
    pthread_t threads[OPENERS];
    size_t started = 0;

    take_names(&all);
    while (started < OPENERS && started + 1 < all.count &&
           !pthread_create(&threads[started], NULL, open_some, &all))
        started++;
    open_some(&all);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < all.count; i++)
        free(all.names[i]);
    free(all.names);
    hold_lock(&waiting.lock);
    waiting.started = true;
    waiting.hurry = false;
    start_thread();
}
