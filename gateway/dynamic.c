/* dynamic.c - which exports come to be because a client asks for them?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Whoever asks for a name first opens it, while the others who want the same wait; so does
 * whoever asks for a name that is just being closed, for two of one name must not meet: the
 * scratch of the first would be the second's. */
#include "dynamic.h"

#include "dynamic-make.h"
#include "gateway.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <string.h>

enum stage { COMING, THERE, GOING, GONE };

struct dynamic {
    char *name;
    enum stage stage;
    struct export *export; /* a reference while it is THERE or GOING */
    unsigned clients;      /* who have it open, or open it */
    unsigned waiting;      /* who look at this struct when the stage changes: the last one frees */
    int error;             /* GONE: why it did not come … */
    char *why;             /* … and the sentence */
};

static struct {
    pthread_mutex_t lock; /* all of this; a leaf, held for moments: nothing is opened under it */
    pthread_cond_t changed;
    struct dynamic *list[DYNAMIC_MAX];
    size_t count;
    bool stopped;
    const struct store_type *changes;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

void dynamic_changes(const struct store_type *type)
{
    hold_lock(&all.lock);

    all.changes = type;
    all.stopped = false;
}

static const struct store_type *changes_type(void)
{
    hold_lock(&all.lock);

    return all.changes;
}

/* ---- names ------------------------------------------------------------------- */

/* The longest that is one: a name and a point may have an @ of their own. */
struct export *dynamic_base(const char *name)
{
    cleanup_free char *base = strdup(name);
    const struct store_type *changes = changes_type();

    for (char *at; base && (at = strrchr(base, '@'));) {
        *at = '\0';
        struct export *e = gateway_find(base);
        if (e && dynamic_kind(e, name + (at - base) + 1, changes) != DYNAMIC_NONE)
            return e;
        export_unref(e);
    }
    return NULL;
}

/* ---- the list, under its lock ------------------------------------------------- */

static struct dynamic *find_locked(const char *name)
{
    for (size_t i = 0; i < all.count; i++)
        if (!strcmp(all.list[i]->name, name))
            return all.list[i];
    return NULL;
}

static struct dynamic *find_export_locked(const struct export *e)
{
    for (size_t i = 0; i < all.count; i++)
        if (all.list[i]->export == e)
            return all.list[i];
    return NULL;
}

static void destroy(struct dynamic *d)
{
    free(d->name);
    free(d->why);
    free(d);
}

/* It is not in the list from now on; who waits for it looks again. */
static void drop_locked(struct dynamic *d)
{
    size_t i = 0;

    while (all.list[i] != d)
        i++;
    all.list[i] = all.list[--all.count];
    d->stage = GONE;
    d->export = NULL;
    pthread_cond_broadcast(&all.changed);
    if (!d->waiting)
        destroy(d);
}

/* While it comes or goes.  True: it did not come, and that is the answer. */
static bool wait_locked(struct dynamic *d, int *error, struct weir_text *why)
{
    enum stage before = d->stage;

    d->waiting++;
    while (d->stage == before)
        pthread_cond_wait(&all.changed, &all.lock);
    d->waiting--;
    bool failed = d->stage == GONE && d->error;
    if (failed) {
        *error = d->error;
        weir_print(why, "%s", d->why ? d->why : strerror(-d->error));
    }
    if (d->stage == GONE && !d->waiting)
        destroy(d);
    return failed;
}

static int add_locked(const char *name, struct dynamic **ret, struct weir_text *why)
{
    if (all.stopped) {
        weir_print(why, "the gateway stops");
        return -ESHUTDOWN;
    }
    if (all.count == DYNAMIC_MAX) {
        weir_print(why,
                   "%d points of disks are open, which is the most at once: close one of those "
                   "that weirctl export list shows (weirctl export close NAME)",
                   DYNAMIC_MAX);
        return -EMFILE;
    }
    struct dynamic *d = calloc(1, sizeof *d);
    if (!d || !(d->name = strdup(name))) {
        free(d);
        return -ENOMEM;
    }
    d->stage = COMING;
    d->clients = 1;
    all.list[all.count++] = *ret = d;
    return 0;
}

/* 1: *ret is to be opened by the caller.  0: *open is there. */
static int take(const char *name, struct dynamic **ret, struct export **open, struct weir_text *why)
{
    hold_lock(&all.lock);
    struct dynamic *d;
    int error = 0;

    while ((d = find_locked(name))) {
        if (d->stage == THERE) {
            d->clients++;
            *open = export_ref(d->export);
            return 0;
        }
        if (wait_locked(d, &error, why))
            return error;
    }
    error = add_locked(name, ret, why);
    return error ? error : 1;
}

/* ---- coming ------------------------------------------------------------------ */

/* A filter may lock it: nobody is served, and nobody would close it. */
static int judge_open(struct export *e, struct weir_text *why)
{
    struct export_view v;
    int r = export_view(e, &v);

    if (r)
        return r;
    if (v.state != EXPORT_ACTIVE) {
        weir_print(why, "%s", v.reason);
        r = -ESHUTDOWN;
    }
    export_view_finish(&v);
    return r;
}

static int bring(struct export *base, const char *name, struct export **ret, struct weir_text *why)
{
    struct export *e = NULL;
    int r = dynamic_make(base, name, changes_type(), &e, why);

    if (r)
        return r;
    r = export_open(e, why);
    if (!r)
        r = judge_open(e, why);
    if (!r) {
        r = gateway_add(e);
        if (r == -EEXIST)
            weir_print(why, "a configured export has got this name just now: ask again");
    }
    if (r) {
        export_close(e);
        dynamic_clear(e);
        export_unref(e);
        return r;
    }
    *ret = e;
    return 0;
}

int dynamic_open(struct export *base, const char *name, struct export **ret, struct weir_text *why)
{
    cleanup_text struct weir_text reason = { 0 };
    struct dynamic *d = NULL;
    struct export *e = NULL;
    int r = take(name, &d, ret, why);

    if (r != 1)
        return r;
    r = bring(base, name, &e, &reason);
    hold_lock(&all.lock);
    if (r) {
        d->error = r;
        d->why = reason.length ? strdup(text_string(&reason)) : NULL;
        drop_locked(d);
        weir_print(why, "%s", reason.length ? text_string(&reason) : strerror(-r));
        return r;
    }
    d->export = e;
    d->stage = THERE;
    *ret = export_ref(e);
    pthread_cond_broadcast(&all.changed);
    return 0;
}

/* ---- going ------------------------------------------------------------------- */

/* `d` is GOING, by this thread. */
static int take_away(struct dynamic *d)
{
    struct export *e = d->export;

    gateway_remove(export_name(e));
    int r = export_close(e);
    dynamic_clear(e);
    pthread_mutex_lock(&all.lock);
    drop_locked(d);
    pthread_mutex_unlock(&all.lock);
    export_unref(e);
    return r;
}

void dynamic_leave(struct export *e)
{
    pthread_mutex_lock(&all.lock);
    struct dynamic *d = find_export_locked(e); /* NULL: it was closed under its clients */
    bool last = d && --d->clients == 0 && d->stage == THERE && export_config(e)->read_only;
    if (last)
        d->stage = GOING;
    pthread_mutex_unlock(&all.lock);
    if (last)
        take_away(d);
    export_unref(e);
}

int dynamic_close(struct export *e)
{
    pthread_mutex_lock(&all.lock);
    struct dynamic *d = find_export_locked(e);
    bool mine = d && d->stage == THERE;
    if (mine)
        d->stage = GOING;
    pthread_mutex_unlock(&all.lock);
    return mine ? take_away(d) : -ENOENT;
}

/* ---- BASE changes, or the gateway stops ---------------------------------------- */

unsigned dynamic_clients(const char *base, bool every_kind)
{
    hold_lock(&all.lock);
    unsigned clients = 0;

    for (size_t i = 0; i < all.count; i++) {
        const struct export *e = all.list[i]->export;
        if (e && !strcmp(export_name(export_config(e)->base), base) &&
            (every_kind || !export_config(e)->datastore->type->point))
            clients += all.list[i]->clients;
    }
    return clients;
}

static bool is_orphan(const struct export *e)
{
    const struct export_config *c = export_config(e), *was = export_config(c->base);
    struct export *now = gateway_find(was->name);
    bool same = now == c->base;

    /* what else an administrator says of BASE is nothing to a point */
    if (now && !same && c->datastore->type->point)
        same = export_config(now)->datastore == c->datastore &&
               !strcmp(export_config(now)->image, was->image);
    export_unref(now);
    return !same;
}

void dynamic_sweep(void)
{
    struct export **list = gateway_list();

    for (size_t i = 0; list && list[i]; i++)
        if (export_config(list[i])->base && is_orphan(list[i]))
            dynamic_close(list[i]);
    gateway_put_list(list);
}

static struct dynamic *any_there_locked(void)
{
    for (size_t i = 0; i < all.count; i++)
        if (all.list[i]->stage == THERE)
            return all.list[i];
    return NULL;
}

void dynamic_stop(void)
{
    pthread_mutex_lock(&all.lock);
    all.stopped = true;
    while (all.count) { /* one that is just coming or going is waited for */
        struct dynamic *d = any_there_locked();
        if (!d) {
            pthread_cond_wait(&all.changed, &all.lock);
            continue;
        }
        d->stage = GOING;
        pthread_mutex_unlock(&all.lock);
        take_away(d);
        pthread_mutex_lock(&all.lock);
    }
    pthread_mutex_unlock(&all.lock);
}
