/* request.c - how does one request go down a chain and come back up?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "request.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Requests of a worker are used in turn, so that a filter's late resume of a finished
 * one meets a request at rest and can be told apart from a good resume. */
enum { RING = 4 };

static bool ring_create(struct worker *w)
{
    struct request *r = calloc(RING, sizeof *r);

    if (!r)
        return false;
    for (int i = 0; i < RING; i++) {
        r[i].next = &r[(i + 1) % RING];
        atomic_init(&r[i].answer, ANSWER_CLOSED);
        r[i].home = w;
    }
    w->ring = r;
    return true;
}

/* Derived I/O nests: the ring grows by one where all its requests are busy. */
static struct request *ring_take(struct worker *w)
{
    if (!w->ring && !ring_create(w))
        return NULL;
    struct request *r = w->ring->next;
    for (int i = 0; r->busy && i < RING + CHAIN_MAX; i++)
        r = r->next;
    if (r->busy) {
        struct request *more = calloc(1, sizeof *more);
        if (!more)
            return NULL;
        atomic_init(&more->answer, ANSWER_CLOSED);
        more->home = w;
        more->next = r->next;
        r = r->next = more;
    }
    return w->ring = r;
}

static bool scratch_room(struct request *r, size_t size)
{
    if (size <= r->scratch_capacity)
        return true;
    void *bigger = realloc(r->scratch, size);
    if (!bigger)
        return false;
    r->scratch = bigger;
    r->scratch_capacity = size;
    return true;
}

struct request *request_begin(const struct chain *chain, int first, uint64_t now)
{
    struct worker *w = worker_self();
    struct request *r = w ? ring_take(w) : NULL;

    if (!r || (chain->scratch_size && !scratch_room(r, chain->scratch_size)))
        return NULL;
    r->busy = true;
    r->chain = chain;
    r->first = r->at = first;
    r->going_down = true;
    r->now = now;
    r->cpu = stats_cpu();
    r->pub.error = 0;
    r->pub.data = NULL;
    r->pub.flags = 0;
    return r;
}

/* Takes `r` out of its ring for good: whoever was given up on may resume it at any time,
 * and must not meet another filter's hold there.  Its scratch stays as well, in which that
 * filter may have it on a list.  A few KiB for a misbehaving filter. */
static void leak(struct request *r)
{
    /* of the process, like the requests on it: a leak checker finds them here */
    static struct request *_Atomic leaked;
    struct worker *w = r->home;
    struct request *before = r;

    while (before->next != r)
        before = before->next;
    before->next = r->next;
    w->ring = before == r ? NULL : before;
    r->next = atomic_load(&leaked);
    while (!atomic_compare_exchange_weak(&leaked, &r->next, r))
        ;
}

/* Where the walk goes on when a filter did not let go of `r`: the filters that come next
 * may hold the new one, which nobody else can resume.  Without memory for it the walk goes
 * on with the old one: the late resume is then taken for one of theirs. */
static struct request *replace(struct request *r)
{
    struct request *new = calloc(1, sizeof *new);

    if (!new)
        return r;
    new->pub = r->pub;
    new->chain = r->chain;
    new->home = r->home;
    new->first = r->first;
    new->at = r->at;
    new->going_down = r->going_down;
    new->busy = new->borrowed = true;
    new->cpu = r->cpu;
    new->now = r->now;
    atomic_init(&new->answer, ANSWER_CLOSED);
    atomic_init(&new->last_holder, NULL);
    new->scratch = r->scratch; /* where filters above remember its address */
    new->scratch_capacity = r->scratch_capacity;
    for (int i = r->first; i < r->chain->count; i++)
        memcpy(&new->frame[i], &r->frame[i], offsetof(struct frame, range));
    new->next = r->next;
    r->next = new;
    leak(r);
    return new;
}

void request_end(struct request *r)
{
    r->busy = false;
    if (r->borrowed) {
        r->scratch = NULL;
        r->scratch_capacity = 0;
        r->borrowed = false;
    }
    if (r->lost)
        leak(r);
}

int nbd_errno(int error)
{
    switch (error < 0 ? -error : error) {
    case 0:
        return 0;
    case EPERM:
    case EACCES:
    case EROFS:
        return EPERM;
    case ENOMEM:
        return ENOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ENOSPC;
    case ESHUTDOWN:
        return ESHUTDOWN;
    case EINVAL:
        return EINVAL;
    case EOPNOTSUPP: /* is ENOTSUP */
        return EOPNOTSUPP;
    default:
        return EIO;
    }
}

/* ---- one filter, on the way down --------------------------------------------- */

static void remember(struct request *r, const struct link *l, struct frame *f)
{
    f->settings = atomic_load_explicit(&l->place->settings, memory_order_acquire);
    f->offset = r->pub.offset;
    f->length = r->pub.length;
    f->flags = r->pub.flags;
    f->data = r->pub.data;
    f->spent = 0;
    f->ordered = NULL;
    f->has_bounce = false;
}

static void put_back(struct request *r, const struct frame *f)
{
    r->pub.offset = f->offset;
    r->pub.length = f->length;
    r->pub.flags = f->flags;
    r->pub.data = f->data;
}

/* The filter is done with this request: gives back what the core kept for it and
 * counts.  `final` is what it said last. */
static void leave(struct request *r, const struct link *l, struct frame *f, enum weir_verdict final,
                  uint64_t below)
{
    if (f->ordered)
        order_leave(l->order, f->ordered);
    if (f->has_bounce)
        free(f->bounce);
    struct tally *t = counting_shard(l->place->counting, r->cpu, r->pub.op);
    ladder_record(&t->here, clock_between(0, f->spent));
    if (final == WEIR_PASS)
        ladder_record(&t->below, below);
    else
        weir_add(final == WEIR_FAIL ? &t->failed : &t->completed, 1);
    if (f->length)
        weir_add(&t->bytes, f->length);
}

static void stamp(struct request *r, struct frame *f)
{
    uint64_t now = clock_ticks();

    f->spent += now > r->now ? now - r->now : 0;
    r->now = now;
}

static void go_down(struct request *r)
{
    const struct link *l = &r->chain->link[r->at];
    struct frame *f = &r->frame[r->at];
    const uint32_t op = WEIR_OP(r->pub.op);
    enum weir_verdict v = WEIR_PASS;

    remember(r, l, f);
    /* what is lowered comes back to this link as writes, which take their turn there */
    if (l->order && (op & WEIR_CHANGES & l->ops)) {
        order_enter(l->order, &f->range, r->pub.offset, r->pub.length, r->home);
        f->ordered = &f->range;
    }
    if (!(l->ops & op)) {
        r->pub.error = lower(r->chain, r->at, &r->pub);
        v = r->pub.error ? WEIR_FAIL : WEIR_COMPLETE;
        stamp(r, f);
    } else if (l->down && !atomic_load_explicit(&l->place->bypassed, memory_order_relaxed)) {
        if (l->scratch_size)
            memset((char *)r->scratch + l->scratch, 0, l->scratch_size);
        v = request_ask(r, l, l->down);
        stamp(r, f);
    }
    if (v == WEIR_PASS) {
        f->left = r->now;
        r->at++;
        return;
    }
    put_back(r, f);
    r->pub.error = v == WEIR_COMPLETE ? 0 : r->pub.error ? r->pub.error : EIO;
    leave(r, l, f, v, 0);
    r->going_down = false;
    r->at--;
}

/* ---- the store, and the way up ----------------------------------------------- */

static void reach_store(struct request *r)
{
    const struct chain *c = r->chain;
    uint64_t began = r->now;
    int error;

    if (c->store_ops & WEIR_OP(r->pub.op))
        error = c->store->serve(c->store_self, &r->pub);
    else
        error = lower(c, r->at, &r->pub);
    r->pub.error = nbd_errno(error);
    r->now = clock_ticks();
    struct tally *t = counting_shard(c->store_counting, r->cpu, r->pub.op);
    ladder_record(&t->here, clock_between(began, r->now));
    if (r->pub.length)
        weir_add(&t->bytes, r->pub.length);
    if (error)
        weir_add(&t->failed, 1);
    r->going_down = false;
    r->at--;
}

static void go_up(struct request *r)
{
    const struct link *l = &r->chain->link[r->at];
    struct frame *f = &r->frame[r->at];
    enum weir_verdict v = WEIR_PASS;
    uint64_t below = clock_between(f->left, r->now);

    put_back(r, f);
    if (l->up && !atomic_load_explicit(&l->place->bypassed, memory_order_relaxed)) {
        v = request_ask(r, l, l->up);
        stamp(r, f);
        if (v == WEIR_COMPLETE)
            r->pub.error = 0;
        else if (v == WEIR_FAIL && !r->pub.error)
            r->pub.error = EIO;
        put_back(r, f); /* up() may have used the fields for itself */
    }
    /* what up() said does not change that it passed the request on */
    leave(r, l, f, WEIR_PASS, below);
    if (v == WEIR_FAIL)
        weir_add(&counting_shard(l->place->counting, r->cpu, r->pub.op)->failed, 1);
    r->at--;
}

int request_run(struct request **where)
{
    struct request *r = *where;

    while (r->at >= r->first) {
        if (!r->going_down)
            go_up(r);
        else if (r->at == r->chain->count)
            reach_store(r);
        else
            go_down(r);
        if (r->lost)
            *where = r = replace(r);
    }
    return nbd_errno(r->pub.error);
}

/* ---- what a filter may ask about a request it has ---------------------------- */

static const struct link *link_of(const struct request *r)
{
    return &r->chain->link[r->at];
}

const void *weir_config(const struct weir_request *req)
{
    const struct request *r = (const struct request *)req;

    return settings_config(r->frame[r->at].settings);
}

void *weir_stats(const struct weir_request *req)
{
    const struct request *r = (const struct request *)req;

    return shards_of(link_of(r)->place->shards, r->cpu);
}

void *weir_scratch(struct weir_request *req)
{
    struct request *r = (struct request *)req;

    return link_of(r)->scratch_size ? (char *)r->scratch + link_of(r)->scratch : NULL;
}

uint64_t weir_now(const struct weir_request *req)
{
    return clock_between(0, req ? ((const struct request *)req)->now : clock_ticks());
}

void *weir_bounce(struct weir_request *req)
{
    struct request *r = (struct request *)req;
    struct frame *f = &r->frame[r->at];

    if (f->has_bounce || !r->going_down)
        return f->has_bounce ? f->bounce : NULL;
    /* page-aligned, so that a store with O_DIRECT need not copy once more */
    if (posix_memalign(&f->bounce, 4096, req->length ? req->length : 1))
        return NULL;
    f->has_bounce = true;
    if (req->op == WEIR_WRITE)
        memcpy(f->bounce, req->data, req->length < f->length ? req->length : f->length);
    return req->data = f->bounce;
}
