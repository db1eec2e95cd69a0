/* together.c - which exports can only change at once?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A pool is one library's at a time: two exports share it because the same code serves both.  When
 * that code becomes another one it cannot have the pool before all of them have let go. */
#include "together.h"

#include "../gateway.h"
#include "../scope.h"
#include "../text.h"

#include <errno.h>
#include <string.h>

/* ---- who shares a pool ------------------------------------------------------- */

static const struct library *library_of(const struct plan *p, const char *label)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->filter[i].label, label) == 0)
            return p->filter[i].library;
    return NULL;
}

/* The path of the pool that the option names; NULL: it names none. */
static const char *pool_path(const struct plan *p, const struct plan_filter *f,
                             const struct weir_option *o)
{
    const char *config = settings_config(f->settings);
    const char *name = o->flags & WEIR_NAMES_POOL ? *(const char *const *)(config + o->at) : NULL;
    const struct pool *pool = name ? pools_find(p->pools, name) : NULL;

    return pool ? pool->path : NULL;
}

struct move {
    const struct plan *was, *will;
};

/* Calls visit() with each pool of a filter that becomes another version, until it says true. */
static bool any_pool(const struct move *m, bool (*visit)(const char *path, const void *arg),
                     const void *arg)
{
    for (size_t i = 0; i < m->will->count; i++) {
        const struct plan_filter *f = &m->will->filter[i];
        const struct library *was = library_of(m->was, f->label);
        const struct weir_option *o = f->library->filter.options;
        for (; was && was != f->library && o && o->name; o++) {
            const char *path = pool_path(m->will, f, o);
            if (path && visit(path, arg))
                return true;
        }
    }
    return false;
}

static bool is_path(const char *path, const void *other)
{
    return strcmp(path, other) == 0;
}

static bool is_pool_of(const char *path, const void *other)
{
    return any_pool(other, is_path, path);
}

static bool share(const struct move *a, const struct move *b)
{
    return any_pool(a, is_pool_of, b);
}

/* Exports `from` and those with it go with `to` and those with that. */
static void join(size_t *with, size_t count, size_t from, size_t to)
{
    for (size_t i = 0; i < count; i++)
        if (with[i] == from)
            with[i] = to;
}

size_t *together_make(const struct configuration *old, const struct configuration *new,
                      const bool *apply)
{
    const size_t count = new->export_count;
    size_t *with = calloc(count + 1, sizeof *with);
    cleanup_free struct move *move = calloc(count + 1, sizeof *move);

    if (!with || !move) {
        free(with);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        with[i] = i;
        if (!apply[i])
            continue;
        move[i].was = &export_entry_find(old, new->exports[i].name)->plan;
        move[i].will = &new->exports[i].plan;
        for (size_t k = 0; k < i; k++)
            if (apply[k] && with[k] != with[i] && share(&move[k], &move[i]))
                join(with, i + 1, with[k] < with[i] ? with[i] : with[k],
                     with[k] < with[i] ? with[k] : with[i]);
    }
    return with;
}

/* ---- at once ----------------------------------------------------------------- */

struct group {
    struct export **exports;
    struct plan *plans;
    size_t count;
};

static void group_end(struct group *g)
{
    for (size_t i = 0; i < g->count; i++)
        export_unref(g->exports[i]);
    free(g->exports);
    free(g->plans);
}

/* A configuration that is checked without a gateway has no exports. */
static int gather(const struct together *t, const struct configuration *c, struct group *g)
{
    const size_t count = t->exports->export_count;
    int r = 0;

    g->exports = calloc(count, sizeof *g->exports);
    g->plans = calloc(count, sizeof *g->plans);
    if (!g->exports || !g->plans)
        return -ENOMEM;
    for (size_t i = t->first; !r && i < count; i++) {
        const char *name = t->exports->exports[i].name;
        struct export *e = t->apply[i] && t->with[i] == t->first ? gateway_find(name) : NULL;
        if (!e)
            continue;
        r = plan_copy(&export_entry_find(c, name)->plan, &g->plans[g->count]);
        if (r)
            export_unref(e);
        else
            g->exports[g->count++] = e;
    }
    for (size_t i = 0; r && i < g->count; i++)
        plan_finish(&g->plans[i]);
    return r;
}

int together_apply(const struct together *t, const struct configuration *c, const char **failed,
                   struct weir_text *why)
{
    struct group g = { 0 };
    size_t index = 0;
    int r = gather(t, c, &g);

    if (!r && g.count)
        r = export_apply_all(g.exports, g.plans, g.count, &index, why);
    *failed = t->exports->exports[t->first].name;
    for (size_t i = t->first; g.count && i < t->exports->export_count; i++)
        if (strcmp(t->exports->exports[i].name, export_name(g.exports[index])) == 0)
            *failed = t->exports->exports[i].name;
    group_end(&g);
    return r;
}
