/* view.c - what can be read of an export while it works?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "export-private.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void export_geometry(const struct export *e, struct weir_geometry *g)
{
    hold_lock((pthread_mutex_t *)(uintptr_t)&e->lock); /* the lock is not part of the value */

    *g = e->geometry;
}

/* ---- looking at a place without keeping it from going ------------------------ */

/* Who tells: a filter, or the store. */
struct teller {
    const char *kind, *name; /* for sentences */
    void *self;
    const struct weir_stat *stats;
    const struct weir_verb *verbs;
    struct weir_below *place; /* NULL: the store */
    unsigned *readers;        /* under the export's lock */
};

static struct weir_below *find_place(const struct export *e, const char *label)
{
    for (int i = 0; e->chain && i < e->chain->count; i++) {
        struct weir_below *b = e->chain->link[i].place;
        if (strcmp(b->label, label) == 0)
            return b->readable ? b : NULL;
    }
    return NULL;
}

/* While a reader looks, detach waits, and so does the store's close.  Without a label it is the
 * store's. */
static bool begin_reading(struct export *e, const char *label, struct teller *t)
{
    hold_lock(&e->lock);

    if (!label) {
        if (!e->store_readable) /* it is being opened or closed, without this lock */
            return false;
        const struct store_type *type = e->config.datastore->type;
        *t = (struct teller){ .kind = "a store of type",
                              .name = type->name,
                              .self = e->store_own,
                              .stats = type->stats,
                              .verbs = type->verbs,
                              .readers = &e->store_readers };
        ++*t->readers;
        return true;
    }
    struct weir_below *b = find_place(e, label);
    if (!b)
        return false;
    *t = (struct teller){ .kind = "filter",
                          .name = b->label,
                          .self = b->self,
                          .stats = b->library->filter.stats,
                          .verbs = b->library->filter.verbs,
                          .place = b,
                          .readers = &b->readers };
    ++*t->readers;
    return true;
}

static void end_reading(struct export *e, const struct teller *t)
{
    hold_lock(&e->lock);

    if (--*t->readers == 0)
        pthread_cond_broadcast(&e->changed);
}

int export_figures(struct export *e, enum export_place place, const char *label, enum weir_op op,
                   struct figures *f)
{
    if (place != PLACE_FILTER) {
        counting_read(place == PLACE_EXPORT ? e->total : e->store_counting, op, f);
        return 0;
    }
    struct teller t;
    if (!begin_reading(e, label, &t))
        return -ENOENT;
    counting_read(t.place->counting, op, f);
    end_reading(e, &t);
    return 0;
}

static const struct weir_stat *find_stat(const struct teller *t, const char *name)
{
    for (const struct weir_stat *s = t->stats; s && s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

/* What is computed when somebody looks: all that a store has. */
static int print_computed(const struct teller *t, const struct weir_stat *s, struct weir_text *text)
{
    if (s->kind == WEIR_VALUE)
        weir_print(text, "%" PRId64, s->value(t->self));
    else if (s->kind == WEIR_TEXT)
        s->show(t->self, text);
    else
        return -EINVAL;
    return 0;
}

static int print_counted(const struct teller *t, const struct weir_stat *s, struct weir_text *text)
{
    struct weir_histogram *h;

    switch (s->kind) {
    case WEIR_COUNTER:
        weir_print(text, "%" PRIu64, shards_sum(t->place->shards, s->at));
        return 0;
    case WEIR_GAUGE: /* shards may be negative one by one */
        weir_print(text, "%" PRId64, (int64_t)shards_sum(t->place->shards, s->at));
        return 0;
    case WEIR_HISTOGRAM:
        h = shards_merge(t->place->shards, s->at);
        if (!h)
            return -ENOMEM;
        histogram_print(h, text);
        free(h);
        return 0;
    case WEIR_VALUE:
    case WEIR_TEXT:
        break;
    }
    return print_computed(t, s, text);
}

int export_print_stat(struct export *e, const char *label, const char *stat, struct weir_text *text)
{
    struct teller t;

    if (!begin_reading(e, label, &t))
        return -ENOENT;
    const struct weir_stat *s = find_stat(&t, stat);
    int r = !s ? -ENOENT : t.place ? print_counted(&t, s, text) : print_computed(&t, s, text);
    end_reading(e, &t);
    return r;
}

int export_stat_histogram(struct export *e, const char *label, const char *stat,
                          struct weir_histogram **ret)
{
    struct teller t;

    if (!begin_reading(e, label, &t))
        return -ENOENT;
    const struct weir_stat *s = find_stat(&t, stat);
    int r = -ENOENT;
    if (s && t.place && s->kind == WEIR_HISTOGRAM) {
        *ret = shards_merge(t.place->shards, s->at);
        r = *ret ? 0 : -ENOMEM;
    }
    end_reading(e, &t);
    return r;
}

static int run_verb(const struct teller *t, const char *verb, const char *arguments,
                    struct weir_text *answer)
{
    const struct weir_verb *v = t->verbs;

    while (v && v->name && strcmp(v->name, verb))
        v++;
    if (v && v->name)
        return v->run(t->self, arguments, answer);
    weir_print(answer, "%s %s has no verb \"%s\"; it has:", t->kind, t->name, verb);
    for (v = t->verbs; v && v->name; v++)
        weir_print(answer, " %s", v->name);
    return -ENOENT;
}

int export_run_verb(struct export *e, const char *label, const char *verb, const char *arguments,
                    struct weir_text *answer)
{
    struct teller t;
    int r = -ENOENT;

    take_turn(e);
    if (e->stunned) { /* a verb may write to the disk, which stands still */
        weir_print(answer, "export %s is stunned: unstun it first", export_name(e));
        r = -EBUSY;
    } else if (begin_reading(e, label, &t)) {
        r = run_verb(&t, verb, arguments, answer);
        end_reading(e, &t);
    } else if (label) {
        weir_print(answer, "export %s has no filter \"%s\" at work", export_name(e), label);
    } else {
        weir_print(answer, "export %s is not open", export_name(e));
    }
    give_turn(e);
    return r;
}

/* ---- the view ---------------------------------------------------------------- */

static int copy_plan(const struct plan *from, struct plan *to)
{
    *to = *from;
    pools_ref(to->pools);
    to->count = 0;
    memset(to->filter, 0, sizeof to->filter);
    for (size_t i = 0; i < from->count; i++) {
        struct plan_filter *f = &to->filter[i];
        f->label = strdup(from->filter[i].label);
        if (!f->label || settings_copy(from->filter[i].settings, &f->settings)) {
            free(f->label);
            return -ENOMEM;
        }
        f->library = loader_ref(from->filter[i].library);
        to->count++;
    }
    return 0;
}

static uint64_t oldest_hold(const struct weir_below *b)
{
    uint64_t now = clock_ns(), oldest = 0;

    for (struct worker *w = worker_first(); w; w = atomic_load(&w->next)) {
        if (atomic_load(&w->holder) != b)
            continue;
        uint64_t since = atomic_load(&w->held_since);
        if (since < now && now - since > oldest)
            oldest = now - since;
    }
    return oldest;
}

static const struct weir_below *place_labelled(const struct export *e, const char *label)
{
    for (int i = 0; e->chain && i < e->chain->count; i++)
        if (strcmp(e->chain->link[i].place->label, label) == 0)
            return e->chain->link[i].place;
    return NULL;
}

static void view_filters(const struct export *e, struct export_view *v)
{
    v->count = v->plan.count;
    for (size_t i = 0; i < v->count; i++) {
        struct filter_view *f = &v->filter[i];
        f->label = v->plan.filter[i].label;
        f->filter = &v->plan.filter[i].library->filter;
        f->path = v->plan.filter[i].library->path;
        f->settings = v->plan.filter[i].settings;
        const struct weir_below *b = place_labelled(e, f->label);
        if (!b) /* not open, or just about to be there */
            continue;
        f->held = atomic_load(&b->held);
        f->oldest_hold_ns = f->held ? oldest_hold(b) : 0;
        f->longest_hold_ns = atomic_load(&b->longest_hold);
        f->bypassed = atomic_load(&b->bypassed);
    }
}

int export_view(struct export *e, struct export_view *v)
{
    hold_lock(&e->lock);

    memset(v, 0, sizeof *v);
    v->state = (enum export_state)atomic_load(&e->state);
    v->reason = strdup(state_reason(e));
    if (!v->reason || copy_plan(&e->plan, &v->plan)) {
        export_view_finish(v);
        return -ENOMEM;
    }
    v->generation = e->generation;
    v->last_pause_ns = e->last_pause;
    v->longest_pause_ns = e->longest_pause;
    v->connections = atomic_load(&e->connections);
    v->waiting = atomic_load(&e->waiting);
    for (struct worker *w = worker_first(); w; w = atomic_load(&w->next))
        v->in_flight += worker_is_in(w, e);
    view_filters(e, v);
    return 0;
}

void export_view_finish(struct export_view *v)
{
    plan_finish(&v->plan);
    free(v->reason);
    v->reason = NULL;
}

void export_describe(struct export *e, struct weir_text *text)
{
    const char *said = export_config(e)->description;
    struct export_view v;

    weir_print(text, "%s", said ? said : "");
    if (export_view(e, &v))
        return;
    if (v.state != EXPORT_ACTIVE)
        weir_print(text, "%s(%s%s%s)", text->length ? " " : "", export_state_name(v.state),
                   *v.reason ? ": " : "", v.reason);
    export_view_finish(&v);
}
