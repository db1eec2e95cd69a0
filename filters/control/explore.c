/* explore.c - how does the window find the knee of a datastore that nobody described?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * SEEK: as long as it is not known between which two windows the knee is, one that tells
 * more is tried at each decision.  HOLD: the window is held there; what is measured tells
 * how fast the datastore is now.  TRY: for one decision, less or more; what surprises is
 * tried again at once. */
#include "explore.h"

#include <math.h>

enum { TRY_MORE, TRY_LESS, TRY_FULL, TRIES };

static const double knee = 0.9;        /* of the peak, at the knee */
static const double slack = 0.02;      /* above in_flight / knee: so that no server idles */
static const double enough = 64;       /* requests that tell how a datastore behaves */
static const double far = 0.15;        /* of a rate: beyond noise, it is another speed … */
static const double memory = 1000;     /* requests: … and within, their mean */
static const double as_much = 0.95;    /* of the peak: the knee is not above that */
static const double surprise = 0.1;    /* of a rate, and what noise there is */
static const double cost_less = 0.005; /* of throughput: of trying less … */
static const double least_lost = 0.16; /* … which costs so much while it lasts, or a request */
/* Before more is tried, over how long that takes: it costs only latency, but less than a
 * hundredth of the requests of a disk that asks for little shall see that. */
static const double least_rest = 8, most_rest = 120;
static const double settled = 3000; /* requests: a point is known */

/* As the curve keeps it. */
static struct curve_point at_full_speed(const struct window *w, const struct curve_point *p)
{
    struct curve_point q = *p;

    q.rate /= w->speed;
    q.latency *= w->speed;
    return q;
}

/* ---- the speed --------------------------------------------------------------- */

static void tell_external_load(struct window *w, double slower)
{
    w->external_load = slower > 1.05 ? (uint32_t)(100 * slower - 99.5) : 0;
}

/* What is seen at once is the speed; what lasts for a minute is how the datastore is.
 * Faster than was learnt it cannot be: then too little was learnt. */
static void learn_speed(struct window *w, double ratio, double ios, double span)
{
    double away_by = far + 3 / sqrt(ios);
    bool away = ratio * (1 + away_by) < 1 || ratio > 1 + away_by;

    w->odd = away ? w->odd + 1 : 0;
    if (w->odd >= 2) {
        w->speed *= ratio;
        w->capacity = (uint64_t)((double)w->capacity * ratio);
        w->odd = 0;
        w->next_try = w->now; /* is the shape the same? */
    } else if (!away) {
        w->speed *= 1 + (ratio - 1) * ios / (ios + memory);
    }
    double part = span / (w->speed > 1 ? 1e9 : 60e9);
    double by = 1 + (w->speed - 1) * (part < 1 ? part : 1);
    curve_scale(&w->curve, by);
    w->speed /= by;
    tell_external_load(w, 1 / w->speed);
}

/* ---- tries ------------------------------------------------------------------- */

static void schedule(struct window *w, const struct measure *m, bool surprised)
{
    if (w->mode == WINDOW_TRY && !surprised) {
        w->next = (w->next + 1) % TRIES;
        w->rest = w->rest * 2 < most_rest ? w->rest * 2 : most_rest;
    }
    /* while it is slower than it was, somebody else may be there, and may go */
    if (w->mode != WINDOW_TRY || surprised || w->external_load)
        w->rest = least_rest;
    double lost = m->each / w->hold > least_lost ? m->each / w->hold : least_lost;
    double pause = w->next == TRY_LESS && lost / cost_less < w->rest ? lost / cost_less : w->rest;
    w->next_try = surprised ? w->now : w->now + m->span * pause;
}

/* What was tried: is it as it was thought? */
static void learn_tried(struct window *w, const struct measure *m)
{
    struct curve_point there, now = at_full_speed(w, &m->point);
    bool known = curve_at(&w->curve, now.in_flight, &there);
    double doubt = surprise + 3 / sqrt(now.ios);
    bool surprised =
        known && (now.rate > there.rate * (1 + doubt) || now.rate < there.rate * (1 - doubt));

    curve_learn(&w->curve, &now, surprised);
    /* less than the knee does as much: what was thought to be too little was chance */
    if (w->mode == WINDOW_TRY && w->next == TRY_LESS)
        if (now.rate * w->speed * w->unit * 1e9 > as_much * (double)w->peak)
            curve_forget_below(&w->curve, now.in_flight);
    if (w->mode == WINDOW_TRY)
        schedule(w, m, surprised);
}

void learn_held(struct window *w, const struct measure *m)
{
    struct curve_point there;

    if (m->point.in_flight < 0.8)
        return;
    /* first how it is, then how it changes: both at once would drift */
    if (curve_at(&w->curve, m->point.in_flight, &there) && there.ios >= settled)
        learn_speed(w, m->point.rate / (there.rate * w->speed), m->point.ios, m->span);
    else
        learn_tried(w, m);
    double able = m->point.rate * w->unit * 1e9;
    double part = w->capacity && m->span < 1e9 ? m->span / 1e9 : 1;
    w->capacity = (uint64_t)((double)w->capacity + (able - (double)w->capacity) * part + 0.5);
}

/* ---- the knee ---------------------------------------------------------------- */

/* What to try next so that the knee is between two neighbours; 0: it is. */
static double seek(struct window *w, const struct curve_knee *k, double each)
{
    bool grows;
    double end = curve_end(&w->curve, &grows);

    if (grows && end * 1.05 < w->demand && end < WINDOW_MOST)
        return 2 * end < w->demand ? 2 * end : w->demand;
    if (!k->below)
        return k->above > 1.05 * each && k->above > 1.05 ? k->above / 4 : 0;
    /* so near to the knee that a line between them is the curve */
    if (k->above <= k->below * 1.2 || k->above_rate <= 0.97 * k->peak ||
        k->above <= k->below + each * 1.05)
        return 0;
    double half = sqrt(k->below * k->above);
    double straight = k->below * knee * k->peak / k->below_rate * 1.03;
    double next = straight > half ? straight : half;
    double most = k->above / 1.1 < k->above - each ? k->above / 1.1 : k->above - each;
    return next < most ? next : most;
}

static void know(struct window *w, const struct curve_knee *k, double span)
{
    struct curve_point there;
    double able = k->peak * w->speed, memory_of = able > w->usual ? 1e9 : 60e9;

    w->usual += (able - w->usual) * (w->usual > 0 && span < memory_of ? span / memory_of : 1);
    tell_external_load(w, w->usual / able);
    w->hold = k->in_flight / knee * (1 + slack);
    w->peak = (uint64_t)(k->peak * w->speed * w->unit * 1e9 + 0.5);
    if (curve_at(&w->curve, w->hold, &there))
        w->threshold = (uint64_t)(there.latency / w->speed + 0.5);
}

/* ---- decisions --------------------------------------------------------------- */

/* Somewhat less than the knee, somewhat more than what is held, and, where the peak is
 * further away, there.  At least one request less or more. */
static double try_at(const struct window *w, const struct curve_knee *k, double each)
{
    double less = k->in_flight * 0.93, more = w->hold * 1.25;

    if (w->next == TRY_LESS)
        return less < w->hold - each ? less : w->hold - each;
    if (w->next == TRY_FULL && more < k->full)
        return k->full < 2 * w->hold ? k->full : 2 * w->hold;
    return more > w->hold + each ? more : w->hold + each;
}

static void choose(struct window *w, const struct measure *m)
{
    struct curve_knee k;

    if (!curve_find_knee(&w->curve, &k))
        return;
    double next = seek(w, &k, m->each);
    w->compare = next > 0 ? knee * k.peak * w->speed : 0;
    if (next > 0) {
        w->mode = WINDOW_SEEK;
        w->precise = k.below > 0 && k.above < 4.5 * k.below; /* the last steps */
        set_in_flight(w, next, m->each);
        return;
    }
    know(w, &k, m->span);
    if (w->mode == WINDOW_SEEK)
        schedule(w, m, false);
    w->precise = w->now >= w->next_try;
    w->mode = w->precise ? WINDOW_TRY : WINDOW_HOLD;
    set_in_flight(w, w->mode == WINDOW_TRY ? try_at(w, &k, m->each) : w->hold, m->each);
}

/* Nobody waits: what comes in bursts does less in the mean than it could. */
static void learn_open(struct window *w, const struct measure *m)
{
    struct curve_point there, now = at_full_speed(w, &m->point);

    w->demand = now.in_flight * 1.05;
    if (now.in_flight < 0.8 || now.ios < enough)
        return;
    if (!curve_at(&w->curve, now.in_flight, &there) || now.rate > there.rate * 1.1)
        curve_learn(&w->curve, &now, true);
}

/* Does it take longer than with less in flight, or is that not known? */
static bool may_be_full(const struct window *w, const struct measure *m)
{
    const struct curve_point *p = w->curve.at;

    if (m->point.in_flight < 1.9 * (m->each > 1 ? m->each : 1) || m->point.ios < enough)
        return false;
    for (; p < w->curve.at + CURVE_SLOTS; p++)
        if (p->ios > 0 && p->in_flight < 0.8 * m->point.in_flight &&
            m->point.latency * w->speed < 1.1 * p->latency)
            return false;
    return true;
}

static void stay_open(struct window *w, const struct measure *m)
{
    double in_flight = m->point.in_flight;

    w->precise = false;
    w->compare = 0;
    learn_open(w, m);
    if (w->hold > 0) {
        double size = in_flight > w->hold && m->point.latency > 1.05 * (double)w->threshold
                          ? w->hold
                          : 2 * w->greatest;
        w->mode = WINDOW_HOLD;
        set_in_flight(w, size > w->hold ? size : w->hold, m->each);
    } else if (may_be_full(w, m)) {
        w->mode = WINDOW_SEEK;
        set_in_flight(w, in_flight / 2, m->each);
    } else if (w->mode != WINDOW_OPEN) {
        choose(w, m);
    }
}

void explore(struct window *w, const struct measure *m)
{
    if (!m->waited) {
        stay_open(w, m);
        return;
    }
    if (w->demand < 1.06 * m->point.in_flight)
        w->demand = WINDOW_MOST;
    if (w->mode == WINDOW_HOLD && w->hold > 0)
        learn_held(w, m);
    else
        learn_tried(w, m);
    choose(w, m);
}
