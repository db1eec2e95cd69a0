/* window.c - how much may be in flight to a datastore?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "window.h"

#include "explore.h"

#include <math.h>
#include <stddef.h>

static const uint64_t longest = 1000000000; /* ns: no sample takes longer … */
static const uint64_t fewest = 16;          /* … or has fewer requests … */
static const uint64_t fewest_learnt = 64;   /* … or, where more than the mean is learnt */

static const double precise_latencies = 10; /* what the knee is told from: noise of a few %, … */
static const uint64_t precise_span = 50000000; /* ns: … and many for a fast datastore */
static const uint64_t most_compared = 1000;    /* requests: more or less than a rate, … */
static const double sure = 1.5;                /* … by so many times the noise */

static const uint64_t far = 3; /* times the threshold: need not be known well */
static const double gain = 0.5;
static const double follows_at_least = 0.3;
static const double more = 1.25;
static const double rest = 5e9; /* ns of traffic, until less is tried again */

/* A threshold below the service time of the datastore cannot be held by any window; with
 * this many in flight most of the throughput of a few disks remains.  (A threshold that is
 * learnt is above the service time.) */
static const double least_given = 4;

/* A window from which a spare can be taken. */
enum { SPARE_FROM = 20, SPARE_PART = 50 };

void window_init(struct window *w)
{
    *w = (struct window){
        .learns = true, .speed = 1, .demand = WINDOW_MOST, .size = WINDOW_MOST * LOAD_ONE_READ
    };
}

void window_set(struct window *w, uint64_t threshold)
{
    if (w->learns == !threshold && (w->learns || w->threshold == threshold))
        return;
    w->learns = !threshold;
    w->threshold = threshold;
    w->mode = WINDOW_OPEN;
    w->hold = 0;
    w->demand = WINDOW_MOST;
}

void window_impose(struct window *w, uint32_t size)
{
    uint32_t most = WINDOW_MOST * LOAD_ONE_READ;

    w->size = size < most ? size : most;
}

void window_split(const struct window *w, uint32_t part, bool light, uint32_t *window,
                  uint32_t *spare)
{
    *window = part ? part : w->size;
    *spare = LOAD_ONE_READ;
    if (*window / SPARE_PART > *spare)
        *spare = *window / SPARE_PART;
    if (light && *window >= SPARE_FROM * LOAD_ONE_READ)
        *window -= *spare;
}

static void forget_sample(struct window *w)
{
    w->sum = (struct window_sample){ 0 };
    w->held = 0;
    w->waited = 0;
}

static void begin_settling(struct window *w)
{
    w->before = w->last;
    forget_sample(w);
}

static void resize(struct window *w, double size)
{
    uint32_t before = w->size;

    w->size = (uint32_t)(size * LOAD_ONE_READ + 0.5);
    if (w->size > before / 10 * 11 || w->size < before / 10 * 9)
        begin_settling(w);
}

void set_in_flight(struct window *w, double in_flight, double each)
{
    /* the last one that goes may exceed the window by nearly all of itself */
    double size = in_flight - each / 2;

    if (size < 0.5)
        size = 0.5;
    if (size > WINDOW_MOST)
        size = WINDOW_MOST;
    resize(w, size);
}

/* ---- a threshold that is given ----------------------------------------------- */

/* Did the latency follow what was in flight, from `w->from` to now?  Above the knee of the
 * datastore twice as much takes twice as long; below it, or where others or a busy host
 * make the latency, it takes as long as before. */
static bool follows(const struct window *w, const struct measure *m)
{
    return log(m->point.latency / w->from.latency) / log(m->point.in_flight / w->from.in_flight) >
           follows_at_least;
}

static void go_on_from(struct window *w, const struct measure *m, enum window_search next)
{
    w->from.in_flight = m->point.in_flight;
    w->from.latency = m->point.latency;
    w->search = next;
}

/* The latency is above the threshold, and somebody waits.  A smaller window is tried; where
 * that does not help it would only cost throughput, so then a larger one is, as long as
 * it costs nothing.  Where both is known the window rests.  The size, in small reads. */
static double search(struct window *w, const struct measure *m, double by)
{
    double size = (double)w->size / LOAD_ONE_READ, n = m->point.in_flight;

    switch (w->search) {
    case SEARCH_REST:
        if (w->now < w->rest_until)
            return size;
        go_on_from(w, m, SEARCH_LESS);
        return size * by;
    case SEARCH_LESS:
        if (n > 0.8 * w->from.in_flight && size > least_given)
            return size * by; /* too little less to tell */
        if (n < 0.95 * w->from.in_flight && follows(w, m)) {
            go_on_from(w, m, SEARCH_LESS);
            return size * by;
        }
        if (n > 0.95 * w->from.in_flight) /* it is the least already */
            go_on_from(w, m, SEARCH_MORE);
        w->search = SEARCH_MORE;
        return w->from.in_flight * more;
    case SEARCH_MORE:
        if (n > 1.1 * w->from.in_flight && !follows(w, m)) {
            go_on_from(w, m, SEARCH_MORE);
            return n * more;
        }
        w->search = SEARCH_REST;
        w->rest_until = w->now + rest;
        return w->from.in_flight;
    }
    return size;
}

static void hold_threshold(struct window *w, const struct measure *m)
{
    double ratio = m->point.latency / (double)w->threshold;
    /* PARDA's Lthr / L, as a line: noise in L must not push the mean to one side */
    double by = 1 + gain * (1 - ratio);

    by = by < 0.5 ? 0.5 : by;
    double size = (double)w->size / LOAD_ONE_READ;
    if (m->waited) {
        learn_held(w, m);
        if (ratio > 1) {
            size = search(w, m, by);
        } else {
            size *= by;
            go_on_from(w, m, SEARCH_LESS);
        }
        w->mode = WINDOW_HOLD;
    } else if (ratio > 1) { /* begin where the load is */
        size = (m->point.in_flight < size ? m->point.in_flight : size) * by;
        go_on_from(w, m, SEARCH_LESS);
        w->mode = WINDOW_HOLD;
    } else if (size < 2 * w->greatest) {
        size = 2 * w->greatest;
    }
    size = size < least_given ? least_given : size > WINDOW_MOST ? WINDOW_MOST : size;
    resize(w, size);
}

/* More has come at once than the datastore does in time, and nothing bounds it.  How much it
 * does is seen long before a steady state is, and by Little's law threshold x rate may be in
 * flight: not a half of it at a time, each after what is in flight has drained. */
static bool stop_flood(struct window *w, const struct window_sample *s)
{
    bool idle = !s->ios && !s->outstanding;
    bool quick = s->ios && s->latency <= far * s->ios * w->threshold;

    if (w->learns || s->waited || idle || quick) {
        w->flood.span = w->flood.ios = w->flood.load = 0;
        return false;
    }
    w->flood.span += s->span;
    w->flood.ios += s->ios;
    w->flood.load += s->load;
    if (w->flood.ios < fewest)
        return false;
    double rate = (double)w->flood.load / (double)w->flood.span / LOAD_ONE_READ;
    double size = rate * (double)w->threshold;
    w->flood.span = w->flood.ios = w->flood.load = 0;
    if (size >= (double)s->outstanding / LOAD_ONE_READ)
        return false;
    w->mode = WINDOW_HOLD;
    w->search = SEARCH_LESS;
    w->from.in_flight = (double)s->outstanding / LOAD_ONE_READ;
    w->from.latency = w->from.in_flight / rate; /* that of the last of them */
    w->size = (uint32_t)((size < least_given ? least_given : size) * LOAD_ONE_READ);
    w->last = s->outstanding;
    begin_settling(w);
    return true;
}

/* ---- samples ----------------------------------------------------------------- */

/* How long what is completed now has taken depends on what was in flight when it went.  So
 * after a change nothing counts until as much has been completed as was in flight then. */
static bool is_settling(struct window *w, const struct window_sample *s)
{
    double last = (double)w->last, now = (double)s->in_flight;
    bool draining = now > 1.1 * w->size + LOAD_ONE_READ && now < last;
    bool other = now > last * 1.25 + LOAD_ONE_READ || now < last * 0.8 - LOAD_ONE_READ;

    w->last = s->in_flight;
    if (draining || (other && w->settling < longest)) /* if it never is steady: as it is */
        begin_settling(w);
    else if (w->before)
        w->before -= s->load < w->before ? s->load : w->before;
    else
        return false;
    w->settling += s->span;
    return true;
}

static bool is_enough(const struct window *w)
{
    const struct window_sample *s = &w->sum;

    if (s->span >= longest || !s->latency)
        return s->span >= longest;
    if (s->ios < (w->learns ? fewest_learnt : fewest))
        return false;
    double each = (double)s->load / (double)s->ios / LOAD_ONE_READ;
    double latency = (double)s->latency / (double)s->ios * (each > 1 ? each : 1);
    if (w->precise && (s->span < precise_span || (double)s->span < precise_latencies * latency))
        return false;
    if (w->compare > 0 && s->ios < most_compared) {
        double off = w->held / (double)s->span / latency / w->compare - 1;
        if (off * off * (double)s->ios < sure * sure)
            return false;
    }
    if (!w->learns && s->latency > far * s->ios * w->threshold)
        return true;
    return (double)s->span >= 2 * latency;
}

static void decide(struct window *w)
{
    const struct window_sample *s = &w->sum;
    struct measure m = { .span = (double)s->span, .waited = w->waited > s->span / 2 };

    m.each = (double)s->load / (double)s->ios / LOAD_ONE_READ;
    m.point.ios = (double)s->ios;
    m.point.latency = (double)s->latency / (double)s->ios;
    m.point.in_flight = w->held / m.span;
    /* Little's law: counting over so short a time would be off by what is in flight */
    m.point.rate = m.point.in_flight / (m.point.latency * (m.each > 1 ? m.each : 1));

    double unit = (double)s->units * LOAD_ONE_READ / (double)s->load;
    w->unit = w->unit > 0 ? w->unit + (unit - w->unit) * 0.1 : unit;
    w->latency = (uint64_t)m.point.latency;
    w->greatest -= w->greatest * (m.span < 5e9 ? m.span / 5e9 : 1);
    if (w->greatest < m.point.in_flight)
        w->greatest = m.point.in_flight;
    w->now += m.span;
    if (w->learns)
        explore(w, &m);
    else
        hold_threshold(w, &m);
}

static void gather(struct window *w, const struct window_sample *s)
{
    w->sum.span += s->span;
    w->sum.ios += s->ios;
    w->sum.units += s->units;
    w->sum.load += s->load;
    w->sum.latency += s->latency;
    w->held += (double)s->in_flight / LOAD_ONE_READ * (double)s->span;
    w->waited += s->waited ? s->span : 0;
    if (!is_enough(w))
        return;
    if (w->sum.ios && w->sum.load && w->sum.latency && w->held > 0)
        decide(w);
    w->settling = 0;
    forget_sample(w);
}

void window_feed(struct window *w, const struct window_sample *s)
{
    if (!stop_flood(w, s) && !is_settling(w, s))
        gather(w, s);
}

void window_feed_settled(struct window *w, const struct window_sample *s)
{
    w->before = 0;
    w->last = s->in_flight;
    gather(w, s);
}
