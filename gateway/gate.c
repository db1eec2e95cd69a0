/* gate.c - how are clients kept out while a disk is changed, and when is nobody inside?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "events.h"
#include "export-private.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <string.h>

unsigned export_drain_ms = 30000; /* for the process; only tests change it */

static void wait_at_gate(struct export *e)
{
    atomic_fetch_add(&e->waiting, 1);
    pthread_mutex_lock(&e->lock);
    while (atomic_load(&e->gate_closed))
        pthread_cond_wait(&e->changed, &e->lock);
    pthread_mutex_unlock(&e->lock);
    atomic_fetch_sub(&e->waiting, 1);
}

/* True: passed at once.  The two sides meet like Dekker's: this one says that it is
 * inside and then looks at the gate; the other closes the gate and then looks who is
 * inside.  Both need the order that sequential consistency gives. */
bool pass_gate(struct export *e, struct worker *w)
{
    bool at_once = true;

    atomic_store_explicit(&w->visits, atomic_load_explicit(&w->visits, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    for (;;) {
        atomic_store(&w->inside, e);
        if (!atomic_load(&e->gate_closed))
            return at_once;
        atomic_store(&w->inside, NULL);
        at_once = false;
        wait_at_gate(e);
    }
}

static unsigned count_inside(const struct export *e)
{
    unsigned n = 0;

    for (struct worker *w = worker_first(); w; w = atomic_load(&w->next))
        n += worker_is_in(w, e);
    return n;
}

static void open_gate(struct export *e)
{
    uint64_t pause = clock_ns() - e->gate_closed_at;

    hold_lock(&e->lock);
    e->last_pause = pause;
    if (pause > e->longest_pause)
        e->longest_pause = pause;
    atomic_store(&e->gate_closed, false);
    pthread_cond_broadcast(&e->changed);
}

static bool has_place(const struct export *e, const struct weir_below *b)
{
    for (int i = 0; e->chain && i < e->chain->count; i++)
        if (e->chain->link[i].place == b)
            return true;
    return false;
}

/* Requests that wait for a time are due now, clients' and derived ones.  One that parks
 * just now sees for itself that its place is drained; a post too many costs its thread one
 * look. */
static void cut_timers(const struct export *e)
{
    for (struct worker *w = worker_first(); w; w = atomic_load(&w->next)) {
        const struct weir_below *holder = atomic_load(&w->holder);
        if (holder && has_place(e, holder))
            sem_post(&w->baton);
    }
}

/* Nothing wakes a drain: it is rare, and a wake-up would cost every request. */
static bool wait_until_empty(struct export *e, uint64_t limit)
{
    uint64_t deadline = clock_after(clock_ns(), limit);
    struct timespec pause = { .tv_nsec = 20000 };

    while (count_inside(e) || atomic_load(&e->derived)) {
        if (clock_ns() > deadline)
            return false;
        cut_timers(e);
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < 1000000)
            pause.tv_nsec += pause.tv_nsec / 4;
    }
    return true;
}

static void say_who_holds(struct export *e, struct weir_text *why)
{
    bool named = false;

    weir_print(why, "%u requests and %u of filters' own did not end", count_inside(e),
               atomic_load(&e->derived));
    for (int i = 0; e->chain && i < e->chain->count; i++) {
        const struct weir_below *b = e->chain->link[i].place;
        unsigned held = atomic_load(&b->held);
        if (!held)
            continue;
        named = true;
        weir_print(why, "; filter %s holds %u", b->label, held);
        event_post(WEIR_ERROR, export_name(e), b->label,
                   "the filter did not let go of %u requests when the disk was drained: a defect "
                   "of the filter, report it to its author",
                   held);
    }
    if (!named)
        weir_print(why, "; no filter holds one, so the datastore \"%s\" is stuck",
                   e->config.datastore->name);
}

static int begin_drain(struct export *e, bool may_refuse, struct weir_text *why)
{
    for (int i = 0; e->chain && i < e->chain->count; i++) {
        struct weir_below *b = e->chain->link[i].place;
        int r = place_drain(b, true, may_refuse ? why : NULL);
        if (r && may_refuse) {
            if (why && !why->length)
                weir_print(why, "filter %s cannot let go now: %s", b->label, strerror(-r));
            return r;
        }
        if (r) /* its own I/O would not end otherwise */
            atomic_store(&b->drained, true);
    }
    return 0;
}

/* Longer than it takes to give up on a filter that does not let go. */
static uint64_t drain_limit(const struct export *e)
{
    uint64_t least = (uint64_t)export_drain_ms * 1000000;
    uint64_t hold = e->chain ? e->chain->hold_limit : 0;
    uint64_t given_up = clock_after(clock_after(hold, hold), 1000000000u);

    return given_up > least ? given_up : least;
}

static void close_gate(struct export *e)
{
    e->gate_closed_at = clock_ns();
    atomic_store(&e->gate_closed, true);
}

/* The gate is closed; whatever comes back, it still is. */
static int come_to_rest(struct export *e, bool may_refuse, struct weir_text *why)
{
    int r = begin_drain(e, may_refuse, why);

    if (r)
        return r;
    if (!wait_until_empty(e, drain_limit(e))) {
        say_who_holds(e, why);
        return -ETIMEDOUT;
    }
    for (int i = 0; e->chain && i < e->chain->count; i++) {
        atomic_store(&e->chain->link[i].place->drained, true);
        place_forget_retired(e->chain->link[i].place);
    }
    return 0;
}

static int stop_one(struct export *e, bool may_refuse, struct weir_text *why)
{
    close_gate(e);
    int r = come_to_rest(e, may_refuse, why);
    if (r)
        go_on(e);
    return r;
}

int stand_still(struct export *e, struct weir_text *why)
{
    return stop_one(e, true, why);
}

int stand_still_for_good(struct export *e)
{
    return stop_one(e, false, NULL);
}

/* ---- several at once --------------------------------------------------------- */

static bool is_at_work(const struct export *e)
{
    for (struct worker *w = worker_first(); w; w = atomic_load(&w->next))
        if (worker_is_in(w, e) && !atomic_load(&w->holder))
            return true;
    return false;
}

/* Of disks that share something, a request of one may wait for what a filter does for another: a
 * write for room in a pool that is full of the other's dirty blocks.  A filter that was told to be
 * quiet would not do it.  So what no filter holds comes to its end before any is told; what one
 * holds on purpose is let go when it is told, as is, at last, what waits without being held. */
static void let_work_end(struct export *const *list, size_t count)
{
    uint64_t deadline = clock_after(clock_ns(), drain_limit(list[0]) / 2);
    struct timespec pause = { .tv_nsec = 20000 };

    for (size_t i = 0; i < count; i++)
        while (is_at_work(list[i]) && clock_ns() < deadline)
            nanosleep(&pause, NULL);
}

int stand_still_all(struct export *const *list, size_t count, size_t *failed, struct weir_text *why)
{
    int r = 0;

    for (size_t i = 0; i < count; i++)
        close_gate(list[i]);
    if (count > 1)
        let_work_end(list, count);
    for (size_t i = 0; !r && i < count; i++) {
        r = come_to_rest(list[i], true, why);
        *failed = i;
    }
    for (size_t i = 0; r && i < count; i++)
        go_on(list[i]);
    return r;
}

void go_on(struct export *e)
{
    for (int i = 0; e->chain && i < e->chain->count; i++)
        place_drain(e->chain->link[i].place, false, NULL);
    if (atomic_load(&e->easing)) /* before a client comes in; filters that are new are told too */
        begin_drain(e, false, NULL);
    open_gate(e);
}

/* ---- the gateway stops ------------------------------------------------------- */

void let_go(struct export *e)
{
    if (e->stunned)
        end_stun(e);
    else
        begin_drain(e, false, NULL);
    cut_timers(e);
}

/* Filters are told by the holder of the turn alone, for their control calls come one at a
 * time.  Where somebody has it, he does it when he gives it back; until then he either has
 * told them already, to change the chain while the gate is closed, or is about to end. */
void export_ease(struct export *e)
{
    pthread_mutex_lock(&e->lock);
    atomic_store(&e->easing, true);
    bool mine = !e->turn_taken;
    if (mine) {
        e->turn_taken = true;
        atomic_store(&e->controller, pthread_self());
    }
    pthread_mutex_unlock(&e->lock);
    if (mine)
        give_turn(e);
}

/* The drain waits for the requests that are inside and for what was submitted, so what these still
 * need to come to their end must not wait for the drain: a request may wait for what a thread of
 * the filter's does, as a write waits for a cache to make room.  With the last of them the thread
 * comes to rest. */
static bool may_derive(const struct export *e, const struct weir_below *b)
{
    const struct worker *w = worker_self();

    return !atomic_load(&b->drained) ||
           pthread_equal(atomic_load(&e->controller), pthread_self()) ||
           (w && (w->of_pool || atomic_load_explicit(&w->inside, memory_order_relaxed) == e)) ||
           count_inside(e);
}

int export_derived_begin(struct export *e, const struct weir_below *b)
{
    for (;;) {
        atomic_fetch_add(&e->derived, 1);
        if (may_derive(e, b))
            return 0;
        /* a thread of a filter that was told to be quiet: it waits, it does no harm */
        atomic_fetch_sub(&e->derived, 1);
        if (atomic_load(&b->leaving)) /* detach() may be waiting for this thread */
            return -ESHUTDOWN;
        const struct timespec pause = { .tv_nsec = 1000000 };
        nanosleep(&pause, NULL);
    }
}

void export_derived_end(struct export *e)
{
    atomic_fetch_sub(&e->derived, 1);
}

bool export_derived_idle(const struct export *e)
{
    return atomic_load(&e->derived) == 0;
}
