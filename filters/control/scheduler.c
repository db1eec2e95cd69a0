/* scheduler.c - whose I/O goes to the datastore next, and when?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler.h"

#include <stddef.h>

#define SECOND 1000000000u
/* An I/O of one unit by a disk of one share, in virtual time. */
#define UNIT (1ull << 32)

enum {
    FORGET = 100000000, /* ns: an idle disk's debt is forgotten */
    LATE = 100000000,  /* ns: so much of a reservation, or limit, is made good to who waited, … */
    PROMPT = 10000000, /* … and so much to who did not ask in time */
    CROWD = 1024,      /* disks per turn of the wheel at its finest */
    DEBT = 1024,       /* units: so many that were forced are charged by shares */
};

#define disk_of(node, member) ((struct disk *)((char *)(node)-offsetof(struct disk, member)))

void scheduler_init(struct scheduler *s)
{
    *s = (struct scheduler){ .window = LOAD_ONE };
    wheel_init(&s->turns, 0, 32);
}

void scheduler_finish(struct scheduler *s)
{
    heap_finish(&s->guarantees);
    heap_finish(&s->moments);
}

/* The wheel is right when a slot is about one I/O of anybody, or a few where there are
 * many disks.  It looks at all disks, not at those that wait: these change with every I/O. */
static void fit_wheel(struct scheduler *s)
{
    size_t crowd = s->disks / CROWD + 1;
    unsigned shift = 63 - (unsigned)__builtin_clzll(UNIT / (s->shares + 1) * crowd | 1);

    if (shift != s->turns.shift)
        wheel_resize(&s->turns, s->now, shift);
}

bool scheduler_add(struct scheduler *s, struct disk *d)
{
    if (!heap_reserve(&s->guarantees, s->disks + 1) || !heap_reserve(&s->moments, s->disks + 1))
        return false;
    s->disks++;
    s->shares += d->shares;
    d->finish = s->now;
    fit_wheel(s);
    return true;
}

/* ---- who waits for what ------------------------------------------------------ */

/* S = max(V, F), for a disk that did not wait for the window until now.  One that did goes
 * on at F: of two in the same slot of the wheel the later may have gone first, so that V is
 * beyond the F of the other, which has missed nothing. */
static void catch_up(const struct scheduler *s, struct disk *d)
{
    if (tag_before(d->finish, s->now))
        d->finish = s->now;
}

static void make_ready(struct scheduler *s, struct disk *d)
{
    wheel_put(&s->turns, &d->turn, d->finish);
    if (d->reservation)
        heap_put(&s->guarantees, &d->guarantee, d->promised);
}

static bool is_ready(const struct disk *d)
{
    return d->turn.next;
}

/* It waits for nothing any more. */
static void unsettle(struct scheduler *s, struct disk *d)
{
    if (d->moment.at)
        heap_remove(&s->moments, &d->moment);
    if (!is_ready(d))
        return;
    wheel_remove(&s->turns, &d->turn);
    if (d->guarantee.at)
        heap_remove(&s->guarantees, &d->guarantee);
}

/* When the limits let `i` go; at most `now`: at once. */
static uint64_t limits_when(const struct disk *d, const struct item *i)
{
    uint64_t ios = limit_when(&d->ios), bytes = i->bytes ? limit_when(&d->bytes) : 0;
    return ios > bytes ? ios : bytes;
}

/* Its first request waits for its limits, or for the window. */
static void settle(struct scheduler *s, struct disk *d, uint64_t now)
{
    if (!d->first) {
        d->allowed = 0;
        return;
    }
    uint64_t when = limits_when(d, d->first);
    if (when > now) {
        heap_put(&s->moments, &d->moment, when);
        return;
    }
    if (d->allowed)
        d->allowed = when;
    make_ready(s, d);
}

void scheduler_remove(struct scheduler *s, struct disk *d)
{
    unsettle(s, d);
    s->disks--;
    s->shares -= d->shares;
    fit_wheel(s);
}

void scheduler_set(struct scheduler *s, struct disk *d, const struct disk_settings *to,
                   uint64_t now)
{
    unsettle(s, d);
    s->shares += to->shares - d->shares;
    d->shares = to->shares;
    if (d->reservation != to->reservation)
        d->promised = now;
    d->reservation = to->reservation;
    limit_set(&d->ios, to->ios, to->ios_max, to->ios_length, now);
    limit_set(&d->bytes, to->bytes, to->bytes_max, to->bytes_length, now);
    d->observed = to->observed;
    d->finish = s->now; /* what it owed by other rules is forgiven */
    fit_wheel(s);
    settle(s, d, now);
}

/* ---- going ------------------------------------------------------------------- */

static void start(struct scheduler *s, struct item *i, uint64_t now)
{
    struct disk *d = i->disk;

    d->went += i->units;
    d->running++;
    d->last_busy = now;
    s->running++;
    s->in_flight += i->load;
    i->when = now;
}

static void go(struct scheduler *s, struct item *i, uint64_t now)
{
    struct disk *d = i->disk;
    uint64_t since = now;

    /* who has waited for its limits is not to lose what a late wake-up takes */
    if (d->allowed && d->allowed < now)
        since = d->allowed + LATE < now ? now - LATE : d->allowed;
    limit_charge(&d->ios, i->units, since);
    if (i->bytes)
        limit_charge(&d->bytes, i->bytes, since);
    d->finish += i->units * (UNIT / d->shares);
    start(s, i, now);
}

/* Though the rules say no.  Nothing slows down what goes like that, so that a debt of all of
 * it would have no bound, and would silence the disk's other requests for as long. */
static void go_anyway(struct scheduler *s, struct item *i, uint64_t now)
{
    struct disk *d = i->disk;
    uint64_t each = UNIT / d->shares, most = s->now + DEBT * each;

    if (!d->first)
        catch_up(s, d);
    uint64_t finish = d->finish + i->units * each;
    limit_charge_forced(&d->ios, i->units, now);
    if (i->bytes)
        limit_charge_forced(&d->bytes, i->bytes, now);
    if (tag_before(most, finish))
        finish = tag_before(d->finish, most) ? most : d->finish;
    d->finish = finish;
    start(s, i, now);
}

/* Promises that the datastore cannot keep shrink in proportion: the time between two
 * reserved I/Os of a disk grows. */
static uint64_t promise_span(const struct scheduler *s, const struct disk *d, uint32_t units)
{
    uint64_t span = (uint64_t)units * SECOND / d->reservation;
    uint64_t able = (uint64_t)s->capacity * 9 / 10;

    if (able && s->promised > able)
        span = (uint64_t)((unsigned __int128)span * s->promised / able);
    return span;
}

static void keep_promise(const struct scheduler *s, struct disk *d, uint32_t units, uint64_t now)
{
    uint64_t least = now > LATE ? now - LATE : 0;

    d->went_reserved += units;
    d->promised = (d->promised < least ? least : d->promised) + promise_span(s, d, units);
}

static struct item *take_first(struct scheduler *s, struct disk *d)
{
    struct item *i = d->first;

    d->first = i->next;
    if (d->first)
        d->first->previous = NULL;
    else
        d->last = NULL;
    d->queued--;
    s->queued--;
    i->queued = false;
    return i;
}

/* ---- in ---------------------------------------------------------------------- */

static bool has_room(const struct scheduler *s, const struct disk *d)
{
    uint64_t load = s->in_flight + s->outside;

    if (load < s->window && !s->turns.count)
        return true;
    /* who asks for little should not stand behind those who ask for much */
    return !d->running && !tag_before(s->now, d->finish) && load < (uint64_t)s->window + s->spare;
}

static void enqueue(struct scheduler *s, struct item *i, uint64_t now)
{
    struct disk *d = i->disk;

    i->next = NULL;
    i->previous = d->last;
    i->queued = true;
    i->when = now;
    if (d->last)
        d->last->next = i;
    else
        d->first = i;
    d->last = i;
    d->queued++;
    s->queued++;
    d->waits++;
}

bool scheduler_submit(struct scheduler *s, struct item *i, uint64_t now)
{
    struct disk *d = i->disk;

    if (!d->queued && !d->running && now > d->last_busy + FORGET)
        d->finish = s->now;
    if (!d->running && s->in_flight + s->outside > s->window / 4 * 3)
        s->light = now;
    bool limited = limits_when(d, i) > now;
    if (!d->queued && !limited && has_room(s, d)) {
        catch_up(s, d);
        if (tag_before(s->now, d->finish)) /* nobody waits: it owes nothing for this later */
            s->now = d->finish;
        go(s, i, now);
        return true;
    }
    d->limit_hits += limited;
    if (d->observed) {
        d->waits++;
        go_anyway(s, i, now);
        return true;
    }
    enqueue(s, i, now);
    if (d->queued == 1) {
        if (d->promised + PROMPT < now) /* what it did not ask for it has not missed */
            d->promised = now - PROMPT;
        catch_up(s, d);
        settle(s, d, now);
    }
    return false;
}

/* ---- out --------------------------------------------------------------------- */

static void wake_limited(struct scheduler *s, uint64_t now)
{
    for (struct heap_node *n; (n = heap_first(&s->moments)) && n->key <= now;) {
        heap_remove(&s->moments, n);
        disk_of(n, moment)->allowed = n->key;
        catch_up(s, disk_of(n, moment));
        make_ready(s, disk_of(n, moment));
    }
}

struct item *scheduler_next(struct scheduler *s, uint64_t now)
{
    wake_limited(s, now);
    if (s->in_flight + s->outside >= s->window || !s->turns.count)
        return NULL;
    struct heap_node *due = heap_first(&s->guarantees);
    struct disk *d;
    if (due && due->key <= now) {
        d = disk_of(due, guarantee);
        keep_promise(s, d, d->first->units, now);
    } else {
        struct wheel_node *turn = wheel_first(&s->turns);
        d = disk_of(turn, turn);
        if (tag_before(s->now, turn->tag))
            s->now = turn->tag;
    }
    unsettle(s, d);
    struct item *i = take_first(s, d);
    go(s, i, now);
    settle(s, d, now);
    return i;
}

uint64_t scheduler_when(const struct scheduler *s)
{
    const struct heap_node *n = heap_first(&s->moments);

    return n ? n->key : UINT64_MAX;
}

void scheduler_force(struct scheduler *s, struct item *i, uint64_t now)
{
    struct disk *d = i->disk;

    if (i->queued) {
        unsettle(s, d);
        if (i->previous)
            i->previous->next = i->next;
        else
            d->first = i->next;
        if (i->next)
            i->next->previous = i->previous;
        else
            d->last = i->previous;
        d->queued--;
        s->queued--;
        i->queued = false;
        go_anyway(s, i, now);
        settle(s, d, now);
        return;
    }
    go_anyway(s, i, now);
}

void scheduler_complete(struct scheduler *s, struct item *i, uint64_t now)
{
    i->disk->running--;
    i->disk->last_busy = now;
    s->running--;
    s->in_flight -= i->load;
}
