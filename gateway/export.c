/* export.c - what is an export, and how does a client's request reach its chain?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "export-private.h"

#include "clock.h"
#include "events.h"
#include "gateway.h"
#include "scope.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- made and given back ----------------------------------------------------- */

void export_config_finish(struct export_config *c)
{
    free(c->name);
    free(c->description);
    free(c->image);
    datastore_unref(c->datastore);
    for (char **rule = c->allow; rule && *rule; rule++)
        free(*rule);
    free(c->allow);
    export_unref(c->base);
    *c = (struct export_config){ 0 };
}

char **copy_rules(char *const *rules)
{
    size_t count = 0;

    while (rules[count])
        count++;
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = strdup(rules[i]);
        if (!copy[i]) {
            while (i)
                free(copy[--i]);
            free(copy);
            return NULL;
        }
    }
    return copy;
}

char *export_state_folder(const struct export *e)
{
    cleanup_free char *name = export_file_name(e->config.name);
    const char *kind = e->config.base ? "points" : "exports";
    char *path = NULL;

    if (!name || asprintf(&path, "%s/%s/%s", places()->state, kind, name) < 0)
        return NULL;
    return path;
}

static void destroy(struct export *e)
{
    export_config_finish(&e->config);
    plan_finish(&e->plan);
    counting_destroy(e->total);
    counting_destroy(e->store_counting);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->changed);
    order_finish(&e->blocks);
    reason_free(e->locked);
    reason_free(e->broken);
    free(e);
}

int export_create(struct export_config *config, struct plan *plan, struct export **ret)
{
    struct export *e = calloc(1, sizeof *e);

    if (!e)
        return -ENOMEM;
    atomic_init(&e->refs, 1);
    atomic_init(&e->state, EXPORT_CLOSED);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->changed, NULL);
    order_init(&e->blocks, 1);
    if (counting_create(&e->total) || counting_create(&e->store_counting)) {
        destroy(e);
        return -ENOMEM;
    }
    e->config = *config;
    e->plan = *plan;
    *config = (struct export_config){ 0 };
    *plan = (struct plan){ 0 };
    *ret = e;
    return 0;
}

struct export *export_ref(struct export *e)
{
    atomic_fetch_add(&e->refs, 1);
    return e;
}

void export_unref(struct export *e)
{
    if (!e || atomic_fetch_sub(&e->refs, 1) != 1)
        return;
    export_unstun(e);
    if (export_close(e) != -ETIMEDOUT) /* then something still uses it: better leaked */
        destroy(e);
}

const struct export_config *export_config(const struct export *e)
{
    return &e->config;
}

const char *export_name(const struct export *e)
{
    return e->config.name;
}

/* ---- turns ------------------------------------------------------------------- */

void take_turn(struct export *e)
{
    hold_lock(&e->lock);

    while (e->turn_taken)
        pthread_cond_wait(&e->changed, &e->lock);
    e->turn_taken = true;
    atomic_store(&e->controller, pthread_self());
}

void give_turn(struct export *e)
{
    bool eased = false;

    pthread_mutex_lock(&e->lock);
    while (atomic_load(&e->easing) && !eased) { /* looked at again under the lock */
        pthread_mutex_unlock(&e->lock);
        let_go(e);
        eased = true;
        pthread_mutex_lock(&e->lock);
    }
    e->turn_taken = false;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

/* ---- the data path ----------------------------------------------------------- */

/* 0, or why this request cannot even begin. */
static int refuse(const struct export *e, const struct weir_request *io)
{
    const struct weir_geometry *g = &e->geometry;
    /* what was written before it became active is read only where it is */
    int state = atomic_load_explicit(&e->state, memory_order_acquire);

    if (state != EXPORT_ACTIVE)
        return state == EXPORT_LOCKED ? EIO : ESHUTDOWN;
    if (io->op != WEIR_FLUSH && (io->offset > g->size || io->length > g->size - io->offset))
        return EINVAL;
    if (e->config.read_only && (WEIR_OP(io->op) & WEIR_CHANGES))
        return EPERM;
    return 0;
}

int serve_blocks(struct export *e, const struct weir_request *io, uint64_t now)
{
    struct request *r = request_begin(e->chain, 0, now);

    if (!r)
        return ENOMEM;
    r->pub.op = io->op;
    r->pub.flags = io->flags;
    r->pub.offset = io->offset;
    r->pub.length = io->length;
    r->pub.data = io->data;
    int error = nbd_errno(request_run(&r));
    struct tally *t = counting_shard(e->total, r->cpu, io->op);
    ladder_record(&t->here, clock_between(now, r->now));
    if (io->length)
        weir_add(&t->bytes, io->length);
    if (error)
        weir_add(&t->failed, 1);
    request_end(r);
    return error;
}

/* Back to the export whose store asked, or out of all. */
static void leave(struct worker *w, struct export *outer)
{
    if (outer) {
        atomic_store(&w->inside, outer);
        return;
    }
    atomic_store_explicit(&w->inside, NULL, memory_order_release);
    if (atomic_load_explicit(&w->outside, memory_order_relaxed))
        atomic_store_explicit(&w->outside, NULL, memory_order_release);
}

int export_serve(struct export *e, struct weir_request *io)
{
    struct worker *w = worker_self();

    if (!w)
        return ENOMEM;
    struct export *outer = atomic_load_explicit(&w->inside, memory_order_relaxed);
    if (outer)
        atomic_store(&w->outside, outer);
    uint64_t now = clock_ticks();
    if (!pass_gate(e, w))
        now = clock_ticks();
    int error = refuse(e, io);
    if (!error)
        error = serve_in_pieces(e, io, now);
    leave(w, outer);
    return error;
}

void export_connected(struct export *e)
{
    atomic_fetch_add(&e->connections, 1);
}

void export_disconnected(struct export *e)
{
    atomic_fetch_sub(&e->connections, 1);
}
