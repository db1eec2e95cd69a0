/* lifecycle.c - how does a disk open, close, grow, and stand still for a snapshot?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "events.h"
#include "export-private.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- places ------------------------------------------------------------------ */

static int create_place(struct export *e, const struct plan_filter *from, struct weir_below **ret)
{
    struct plan_filter copy = { .label = from->label };
    int r = settings_copy(from->settings, &copy.settings);

    if (r)
        return r;
    copy.library = loader_ref(from->library);
    r = place_create(e, &copy, ret);
    if (r) {
        loader_put(copy.library);
        settings_destroy(copy.settings);
    }
    return r;
}

int create_places(struct export *e, const struct plan *p, struct weir_below **places)
{
    for (size_t i = 0; i < p->count; i++) {
        if (places[i])
            continue;
        int r = create_place(e, &p->filter[i], &places[i]);
        if (r)
            return r;
        place_take_pools(places[i], p->pools);
    }
    return 0;
}

static int stand_on(struct export *e, struct weir_below *b, const struct weir_geometry *below,
                    struct weir_text *why)
{
    const struct weir_filter *f = &b->library->filter;

    if (!b->attached) {
        int r = place_attach(b, below, why);
        pthread_mutex_lock(&e->lock);
        b->readable = r == 0;
        pthread_mutex_unlock(&e->lock);
        return r;
    }
    b->below = b->above = *below;
    return f->geometry ? f->geometry(b->self, &b->above, why) : 0;
}

static void detach_fresh(struct export *e, struct chain *c, int from, const bool *fresh)
{
    for (int k = from; k < c->count; k++)
        if (fresh[k])
            detach_place(e, c->link[k].place);
}

static int judge_blocks(struct export *e, struct chain *c, const struct weir_geometry *g,
                        const bool *fresh, struct weir_text *why)
{
    if (g->block_min <= 1 || g->size % g->block_min == 0)
        return 0;
    weir_print(why, "the disk has %" PRIu64 " bytes, which is not a multiple of its blocks of %u",
               g->size, g->block_min);
    detach_fresh(e, c, 0, fresh);
    return -EINVAL;
}

int attach_places(struct export *e, struct chain *c, struct weir_geometry *top,
                  struct weir_text *why)
{
    struct weir_geometry g;
    bool fresh[CHAIN_MAX] = { 0 };

    c->store = e->store;
    c->store_self = e->store_self;
    c->store_counting = e->store_counting;
    c->store->geometry(c->store_self, &g);
    c->store_ops = g.ops;
    if (e->config.read_only) /* which is how a filter learns of it */
        g.ops &= ~WEIR_CHANGES;
    for (int i = c->count - 1; i >= 0; i--) {
        struct weir_below *b = c->link[i].place;
        b->chain = c;
        b->index = i;
        fresh[i] = !b->attached;
        int r = stand_on(e, b, &g, why);
        if (r) {
            if (why && !why->length)
                weir_print(why, "filter %s cannot be attached: %s", b->label, strerror(-r));
            detach_fresh(e, c, i, fresh);
            return r;
        }
        g = b->above;
    }
    *top = g;
    return judge_blocks(e, c, &g, fresh, why);
}

void detach_place(struct export *e, struct weir_below *b)
{
    pthread_mutex_lock(&e->lock);
    b->readable = false;
    while (b->readers)
        pthread_cond_wait(&e->changed, &e->lock);
    pthread_mutex_unlock(&e->lock);
    atomic_store(&b->leaving, true);
    place_detach(b);
    atomic_store(&b->leaving, false);
    hold_lock(&e->lock); /* its locks go with it */
    reason_free(steal(b->locked));
    reason_free(steal(b->stuck));
    export_settle(e);
}

/* ---- events in two phases ---------------------------------------------------- */

/* A filter may show a disk of another size than its clients see: it is told its own. */
static uint64_t size_at(const struct chain *c, int i, uint64_t clients)
{
    uint64_t shown = c->link[i].place->above.size;

    return shown + (clients - c->export->geometry.size);
}

static int tell(struct chain *c, int i, const struct weir_event *event, enum weir_phase phase,
                struct weir_text *why)
{
    const struct weir_filter *f = &c->link[i].place->library->filter;
    struct weir_event own = *event;

    if (!f->event || !c->link[i].place->attached)
        return 0;
    own.phase = phase;
    own.size = size_at(c, i, event->size);
    return f->event(c->link[i].self, &own, why);
}

static void cancel(struct chain *c, int prepared, struct weir_event *event)
{
    while (prepared-- > 0)
        tell(c, prepared, event, WEIR_CANCEL, NULL);
}

static int prepare(struct export *e, struct weir_event *event, struct weir_text *why)
{
    struct chain *c = e->chain;

    for (int i = 0; i < c->count; i++) {
        int r = tell(c, i, event, WEIR_PREPARE, why);
        if (r) {
            if (why && !why->length)
                weir_print(why, "filter %s refuses: %s", c->link[i].place->label, strerror(-r));
            cancel(c, i, event);
            return r;
        }
    }
    return 0;
}

static void commit(struct export *e, struct weir_event *event)
{
    for (int i = 0; i < e->chain->count; i++)
        tell(e->chain, i, event, WEIR_COMMIT, NULL);
}

/* ---- open -------------------------------------------------------------------- */

static int open_chain(struct export *e, struct weir_text *why)
{
    struct weir_below *places[CHAIN_MAX] = { 0 };
    struct weir_event opened = { .type = WEIR_EVENT_OPEN, .name = "" };
    struct weir_geometry top;
    struct chain *c = NULL;
    int count = (int)e->plan.count;

    int r = form_judge(e, &e->plan, why);
    if (!r)
        r = create_places(e, &e->plan, places);
    if (!r)
        r = chain_create(e, places, count, &e->plan, &c);
    if (!r)
        r = attach_places(e, c, &top, why);
    if (!r) {
        r = form_note_all(e, c, why);
        if (!r)
            r = left_out_note(e, c, why);
        for (int i = 0; r && i < count; i++)
            detach_place(e, places[i]);
    }
    if (!r) {
        pthread_mutex_lock(&e->lock);
        e->chain = c;
        e->geometry = top;
        e->blocks.align = top.block_min ? top.block_min : 1;
        pthread_mutex_unlock(&e->lock);
        opened.size = top.size;
        r = prepare(e, &opened, why);
        if (!r) {
            commit(e, &opened);
            return 0;
        }
        pthread_mutex_lock(&e->lock);
        e->chain = NULL;
        pthread_mutex_unlock(&e->lock);
        for (int i = 0; i < count; i++)
            detach_place(e, places[i]);
    }
    chain_destroy(c);
    for (int i = 0; i < count; i++)
        place_destroy(places[i]);
    return r;
}

int export_open(struct export *e, struct weir_text *why)
{
    cleanup_text struct weir_text reason = { 0 };
    int r = 0;

    take_turn(e);
    if (e->chain) {
        give_turn(e);
        return 0;
    }
    pthread_mutex_lock(&e->lock);
    cleanup_free char *before = e->broken ? strdup(e->broken) : NULL;
    pthread_mutex_unlock(&e->lock);
    if (!before) /* who tries again need not flicker */
        export_set_stage(e, STAGE_OPENING, NULL);
    r = open_store(e, &reason);
    if (!r) {
        r = open_chain(e, &reason);
        if (r)
            close_store(e);
    }
    if (r && !reason.length)
        weir_print(&reason, "cannot be opened: %s", strerror(-r));
    if (!r) {
        export_set_stage(e, STAGE_OPEN, NULL);
        event_post(WEIR_INFO, export_name(e), NULL, "open, %" PRIu64 " bytes, %d filters",
                   e->geometry.size, e->chain->count);
    } else {
        export_set_stage(e, STAGE_CLOSED, text_string(&reason));
        /* whoever tries again every second need not say the same each time, and of one that a
         * client asked for that client hears */
        if (!e->config.base && (!before || strcmp(before, text_string(&reason)) != 0))
            event_post(WEIR_ERROR, export_name(e), NULL, "locked: %s", text_string(&reason));
    }
    give_turn(e);
    weir_print(why, "%s", text_string(&reason));
    return r;
}

/* ---- close ------------------------------------------------------------------- */

static int last_flush(struct export *e)
{
    struct request *r = request_begin(e->chain, 0, clock_ticks());

    if (!r)
        return -ENOMEM;
    r->pub.op = WEIR_FLUSH;
    r->pub.offset = r->pub.length = 0;
    int error = request_run(&r);
    request_end(r);
    return -error;
}

void tear_down(struct export *e)
{
    struct chain *c = e->chain;

    pthread_mutex_lock(&e->lock);
    e->chain = NULL;
    export_settle(e);
    pthread_mutex_unlock(&e->lock);
    for (int i = 0; i < c->count; i++) {
        detach_place(e, c->link[i].place);
        place_destroy(c->link[i].place);
    }
    chain_destroy(c);
    close_store(e);
}

static int close_chain(struct export *e)
{
    struct weir_event closed = { .type = WEIR_EVENT_CLOSE, .name = "" };
    int r = stand_still_for_good(e);

    if (r)
        return r;
    if (atomic_load(&e->state) == EXPORT_ACTIVE && !e->config.read_only)
        r = last_flush(e);
    if (r)
        event_post(WEIR_ERROR, export_name(e), NULL, "the last flush failed: %s", strerror(-r));
    closed.size = e->geometry.size;
    if (prepare(e, &closed, NULL) == 0) /* a refusal to close cannot be granted */
        commit(e, &closed);
    export_set_stage(e, STAGE_CLOSED, NULL);
    tear_down(e);
    go_on(e);
    event_post(WEIR_INFO, export_name(e), NULL, "closed");
    return r;
}

int export_close(struct export *e)
{
    int r = 0;

    take_turn(e);
    if (e->stunned)
        r = -EBUSY;
    else if (e->chain)
        r = close_chain(e);
    else
        export_set_stage(e, STAGE_CLOSED, NULL);
    give_turn(e);
    return r;
}

/* ---- what can happen to an open disk ----------------------------------------- */

/* The core's own part of an event, between PREPARE and COMMIT. */
static int do_event(struct export *e, const struct weir_event *event, struct weir_text *why)
{
    const struct store_type *s = e->store;

    if (event->type == WEIR_EVENT_GROW)
        return grow_store(e, event->size, why);
    if (event->type == WEIR_EVENT_SNAPSHOT) {
        if (!s->snapshot) {
            weir_print(why, "a store of type \"%s\" cannot take snapshots", s->name);
            return -EOPNOTSUPP;
        }
        return s->snapshot(e->store_self, event->name, why);
    }
    return 0;
}

static int judge_event(const struct export *e, const struct weir_event *event,
                       struct weir_text *why)
{
    if (!e->chain) {
        weir_print(why, "export %s is not open", export_name(e));
        return -ESHUTDOWN;
    }
    if (e->stunned) {
        weir_print(why, "export %s is stunned: unstun it first", export_name(e));
        return -EBUSY;
    }
    if (event->type == WEIR_EVENT_STUN && atomic_load(&e->easing)) {
        weir_print(why, "export %s cannot be stunned: the gateway stops", export_name(e));
        return -ESHUTDOWN;
    }
    if (event->type == WEIR_EVENT_GROW && event->size <= e->geometry.size) {
        weir_print(why, "export %s has %" PRIu64 " bytes: it can grow, not shrink to %" PRIu64,
                   export_name(e), e->geometry.size, event->size);
        return -EINVAL;
    }
    return 0;
}

static int grown(struct export *e, struct weir_text *why)
{
    struct weir_geometry top;
    int r = attach_places(e, e->chain, &top, why);

    if (r)
        return r;
    hold_lock(&e->lock);
    e->geometry = top;
    return 0;
}

static int run_event(struct export *e, struct weir_event *event, struct weir_text *why)
{
    int r = stand_still(e, why);

    if (r)
        return r;
    r = prepare(e, event, why);
    if (!r) {
        r = do_event(e, event, why);
        if (!r && event->type == WEIR_EVENT_GROW)
            r = grown(e, why);
        if (r)
            cancel(e->chain, e->chain->count, event);
        else
            commit(e, event);
    }
    go_on(e);
    return r;
}

/* Whether it would be granted: nothing is committed. */
static int ask_event(struct export *e, struct weir_event *event, struct weir_text *why)
{
    int r = stand_still(e, why);

    if (r)
        return r;
    r = prepare(e, event, why);
    if (!r)
        cancel(e->chain, e->chain->count, event);
    go_on(e);
    return r;
}

static int in_turn(struct export *e, enum weir_event_type type, const char *name, uint64_t size,
                   int (*run)(struct export *, struct weir_event *, struct weir_text *),
                   struct weir_text *why)
{
    take_turn(e);
    struct weir_event event = {
        .type = type,
        .name = name ? name : "",
        .size = type == WEIR_EVENT_GROW ? size : e->geometry.size,
    };
    int r = judge_event(e, &event, why);
    if (!r)
        r = run(e, &event, why);
    give_turn(e);
    return r;
}

int export_event(struct export *e, enum weir_event_type type, const char *name, uint64_t size,
                 struct weir_text *why)
{
    return in_turn(e, type, name, size, run_event, why);
}

int export_ask(struct export *e, enum weir_event_type type, const char *name, uint64_t size,
               struct weir_text *why)
{
    return in_turn(e, type, name, size, ask_event, why);
}

int export_stun(struct export *e, struct weir_text *why)
{
    struct weir_event event = { .type = WEIR_EVENT_STUN, .name = "" };

    take_turn(e);
    event.size = e->geometry.size;
    int r = judge_event(e, &event, why);
    if (!r)
        r = stand_still(e, why);
    if (!r) {
        r = prepare(e, &event, why);
        if (r)
            go_on(e);
        else
            e->stunned = true;
    }
    give_turn(e);
    return r;
}

void end_stun(struct export *e)
{
    struct weir_event event = { .type = WEIR_EVENT_STUN, .name = "", .size = e->geometry.size };

    commit(e, &event);
    e->stunned = false;
    go_on(e);
}

void export_unstun(struct export *e)
{
    take_turn(e);
    if (e->stunned)
        end_stun(e);
    give_turn(e);
}
