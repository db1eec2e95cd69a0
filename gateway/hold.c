/* hold.c - what happens while a filter holds a request, and who ends it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The home thread sleeps on its baton until somebody resumes the request, until the
 * time that weir_resume_at() gave, or until the hold limit.  It does all of that
 * itself: there is no timer thread and no list to lock. */
#include "clock.h"
#include "events.h"
#include "export-private.h"
#include "request.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>

static void misuse(const char *export, const char *holder, const char *what)
{
    event_post(WEIR_ERROR, export, holder,
               "the filter %s: a defect of the filter, report it to its author", what);
}

/* By a thread that may have no business with the request any more: it looks at nothing
 * of it that the home thread changes. */
static void stray(const struct request *r, const char *what)
{
    misuse(NULL, atomic_load_explicit(&r->last_holder, memory_order_relaxed), what);
}

/* ---- the side that resumes --------------------------------------------------- */

static void answer(struct request *r, int value)
{
    int open = ANSWER_OPEN;

    if (atomic_compare_exchange_strong_explicit(&r->answer, &open, value, memory_order_acq_rel,
                                                memory_order_relaxed))
        sem_post(&r->home->baton);
    else
        stray(r, "resumed a request that it does not hold");
}

void weir_resume(struct weir_request *req, enum weir_verdict verdict)
{
    struct request *r = (struct request *)req;

    if ((unsigned)verdict >= WEIR_DEFER) {
        stray(r, verdict == WEIR_DEFER ? "resumed a request with the verdict DEFER"
                                       : "resumed a request with a verdict that does not exist");
        answer(r, WEIR_FAIL | EIO << 8);
        return;
    }
    answer(r, (int)verdict);
}

void weir_resume_error(struct weir_request *req, int error)
{
    answer((struct request *)req, WEIR_FAIL | (error ? error : EIO) << 8);
}

void weir_resume_at(struct weir_request *req, uint64_t when, enum weir_verdict verdict)
{
    struct request *r = (struct request *)req;

    if ((unsigned)verdict >= WEIR_DEFER) {
        stray(r, "set a time with a verdict that cannot end a hold");
        verdict = WEIR_FAIL;
    }
    atomic_store_explicit(&r->due_verdict, (int)verdict, memory_order_relaxed);
    atomic_store_explicit(&r->due, when ? when : 1, memory_order_release);
    if (worker_self() != r->home)
        sem_post(&r->home->baton); /* it sleeps by the old time */
}

/* ---- the side that waits ----------------------------------------------------- */

static void sleep_until(struct worker *w, uint64_t ns)
{
    const struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u),
                                .tv_nsec = (long)(ns % 1000000000u) };

    if (ns == UINT64_MAX)
        sem_wait(&w->baton);
    else
        sem_clockwait(&w->baton, CLOCK_MONOTONIC, &t);
}

/* Ends the hold without the filter.  False: it resumed at the same moment after all. */
static bool take_away(struct request *r, int value)
{
    int open = ANSWER_OPEN;

    return atomic_compare_exchange_strong(&r->answer, &open, value);
}

/* The filter was asked to let go and did not: the policy decides. */
static int give_up_on(struct request *r, struct weir_below *place, uint64_t held)
{
    struct export *e = r->chain->export;

    r->lost = true;
    misuse(export_name(e), place->label, "did not let go of a request when it was told to");
    if (r->chain->on_filter_failure == ON_FAILURE_BYPASS && form_may_bypass(place)) {
        atomic_store(&place->bypassed, true);
        event_post(WEIR_ERROR, export_name(e), place->label,
                   "bypassed: it held a %s for %" PRIu64 " ms; the disk goes on without it",
                   op_name(r->pub.op), held / 1000000);
        return WEIR_PASS;
    }
    cleanup_text struct weir_text why = { 0 };
    weir_print(&why, "filter %s held a %s for %" PRIu64 " ms and did not let go", place->label,
               op_name(r->pub.op), held / 1000000);
    place_stuck(place, text_string(&why));
    return WEIR_FAIL | EIO << 8;
}

/* True: the hold has ended.  False: the filter resumes it itself after all. */
static bool is_due(struct request *r, struct weir_below *place)
{
    const struct weir_filter *f = &place->library->filter;
    enum weir_verdict v = (enum weir_verdict)atomic_load(&r->due_verdict);

    atomic_store_explicit(&r->due, 0, memory_order_relaxed);
    if (f->due)
        v = f->due(place->self, &r->pub);
    return v != WEIR_DEFER && take_away(r, (int)v);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void wait_for_answer(struct request *r, struct weir_below *place, uint64_t since)
{
    const uint64_t limit = r->chain->hold_limit;
    uint64_t deadline = limit ? clock_after(since, limit) : UINT64_MAX;
    bool told = false;

    for (;;) {
        uint64_t due = atomic_load_explicit(&r->due, memory_order_acquire);
        if (atomic_load_explicit(&r->answer, memory_order_acquire) != ANSWER_OPEN) {
            sem_wait(&r->home->baton); /* the post that goes with the answer */
            return;
        }
        uint64_t now = clock_ns();
        if (due && (now >= due || atomic_load(&place->drained))) {
            if (is_due(r, place))
                return;
        } else if (now >= deadline && !told) {
            told = true;
            deadline = clock_after(now, limit);
            event_post(WEIR_WARNING, export_name(r->chain->export), place->label,
                       "has held a %s for %" PRIu64 " ms and is told to let go", op_name(r->pub.op),
                       (now - since) / 1000000);
            if (place->library->filter.abort)
                place->library->filter.abort(place->self, &r->pub);
        } else if (now >= deadline) {
            if (atomic_load(&r->answer) == ANSWER_OPEN &&
                take_away(r, give_up_on(r, place, now - since)))
                return;
        } else {
            sleep_until(r->home, earlier(due ? due : UINT64_MAX, deadline));
            /* a post for a changed time, or for the answer: look at both again */
            if (atomic_load_explicit(&r->answer, memory_order_acquire) != ANSWER_OPEN)
                return;
        }
    }
}

static void park(struct request *r, struct weir_below *place)
{
    uint64_t since = clock_ns();

    atomic_fetch_add(&place->held, 1);
    atomic_store(&r->home->held_since, since);
    atomic_store(&r->home->holder, place);
    weir_add(&counting_shard(place->counting, r->cpu, r->pub.op)->deferred, 1);
    if (r->home->of_pool)
        derived_parked(true);
    wait_for_answer(r, place, since);
    if (r->home->of_pool)
        derived_parked(false);
    atomic_store(&r->home->holder, NULL);
    atomic_fetch_sub(&place->held, 1);

    uint64_t held = clock_ns() - since, longest = atomic_load(&place->longest_hold);
    while (held > longest && !atomic_compare_exchange_weak(&place->longest_hold, &longest, held))
        ;
}

/* The answer of a filter that did not defer, or could not be believed. */
static enum weir_verdict protest(struct request *r, const struct link *l, enum weir_verdict v,
                                 int early)
{
    const char *export = export_name(r->chain->export);

    if (early != ANSWER_OPEN) {
        sem_wait(&r->home->baton);
        misuse(export, l->place->label, "resumed a request that it did not defer");
    }
    if ((unsigned)v <= WEIR_FAIL)
        return v;
    misuse(export, l->place->label, "gave a verdict that does not exist");
    r->pub.error = EIO;
    return WEIR_FAIL;
}

enum weir_verdict request_ask(struct request *r, const struct link *l,
                              enum weir_verdict (*fn)(void *, struct weir_request *))
{
    const char *before = atomic_load_explicit(&r->last_holder, memory_order_relaxed);

    atomic_store_explicit(&r->last_holder, l->place->library->filter.name, memory_order_relaxed);
    atomic_store_explicit(&r->due, 0, memory_order_relaxed);
    atomic_store_explicit(&r->answer, ANSWER_OPEN, memory_order_relaxed);
    enum weir_verdict v = fn(l->self, &r->pub);
    if (v != WEIR_DEFER) {
        /* the common end, spared an atomic exchange: a resume that comes between these
         * two lines goes unreported, one that comes before or after does not */
        int early = atomic_load_explicit(&r->answer, memory_order_acquire);
        atomic_store_explicit(&r->answer, ANSWER_CLOSED, memory_order_release);
        /* a stray resume comes from one that held it, not from the last that saw it */
        atomic_store_explicit(&r->last_holder, before, memory_order_relaxed);
        return early == ANSWER_OPEN && (unsigned)v <= WEIR_FAIL ? v : protest(r, l, v, early);
    }
    park(r, l->place);
    int said = atomic_exchange_explicit(&r->answer, ANSWER_CLOSED, memory_order_acq_rel);
    if (said >> 8)
        r->pub.error = said >> 8;
    return (enum weir_verdict)(said & 0xff);
}
