/* curve.c - how does what a datastore does depend on what is in flight?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "curve.h"

#include <math.h>
#include <stddef.h>

static const double memory = 4000;  /* requests: what a point remembers */
static const double enough = 0.9;   /* of the peak: the design's threshold */
static const double plateau = 0.98; /* of the greatest: part of the peak, but for noise */
static const double full = 0.97;    /* of the peak: nearly all */
static const double growth = 1.1;   /* from one point to one well above it: it still grows */
static const double slack = 0.05;   /* what contradicts */

static int slot_of(double in_flight)
{
    static const double edge[] = { 1.0905, 1.2968, 1.5422, 1.8340 }; /* 2^(1/8), 2^(3/8), … */
    int slot = 0;

    for (; in_flight >= 2 && slot < CURVE_SLOTS - 1; in_flight /= 2)
        slot += 4;
    for (int i = 0; i < 4; i++)
        slot += in_flight >= edge[i];
    return slot < CURVE_SLOTS ? slot : CURVE_SLOTS - 1;
}

/* ---- learning ---------------------------------------------------------------- */

/* `old` cannot be true any more if `now` is. */
static bool contradicts(const struct curve_point *now, const struct curve_point *old)
{
    const struct curve_point *less = old->in_flight < now->in_flight ? old : now;
    const struct curve_point *more = less == old ? now : old;
    double doubt = 1 + slack + 2 * sqrt(1 / now->ios + 1 / old->ios);

    return less->rate > more->rate * doubt ||
           more->rate * less->in_flight > less->rate * more->in_flight * doubt;
}

static void blend(double *x, double to, double part)
{
    *x += (to - *x) * part;
}

void curve_learn(struct curve *c, const struct curve_point *now, bool anew)
{
    struct curve_point *p = &c->at[slot_of(now->in_flight)];

    if (anew || p->ios == 0) {
        *p = *now;
    } else {
        double part = now->ios / (p->ios + now->ios);
        blend(&p->in_flight, now->in_flight, part);
        blend(&p->rate, now->rate, part);
        blend(&p->latency, now->latency, part);
        p->ios += now->ios;
    }
    if (p->ios > memory)
        p->ios = memory;
    for (struct curve_point *old = c->at; old < c->at + CURVE_SLOTS; old++)
        if (old != p && old->ios > 0 && contradicts(p, old))
            old->ios = 0;
}

void curve_forget_below(struct curve *c, double in_flight)
{
    for (int i = 0; i < slot_of(in_flight); i++)
        c->at[i].ios = 0;
}

void curve_scale(struct curve *c, double speed)
{
    for (int i = 0; i < CURVE_SLOTS; i++) {
        c->at[i].rate *= speed;
        c->at[i].latency /= speed;
    }
}

/* ---- asking ------------------------------------------------------------------ */

static const struct curve_point *neighbour(const struct curve *c, int slot, int step)
{
    for (; slot >= 0 && slot < CURVE_SLOTS; slot += step)
        if (c->at[slot].ios > 0)
            return &c->at[slot];
    return NULL;
}

static struct curve_point between(const struct curve_point *a, const struct curve_point *b,
                                  double in_flight)
{
    struct curve_point p = *a;

    if (b->in_flight > a->in_flight) {
        double part = (in_flight - a->in_flight) / (b->in_flight - a->in_flight);
        blend(&p.rate, b->rate, part);
        blend(&p.latency, b->latency, part);
    }
    p.in_flight = in_flight;
    return p;
}

bool curve_at(const struct curve *c, double in_flight, struct curve_point *p)
{
    int slot = slot_of(in_flight);
    const struct curve_point *a = neighbour(c, slot, -1), *b = neighbour(c, slot, 1);

    if (a && a == b) /* its own slot: the line goes on to the neighbour on its side */
        *(a->in_flight < in_flight ? &b : &a) = neighbour(
            c, a->in_flight < in_flight ? slot + 1 : slot - 1, a->in_flight < in_flight ? 1 : -1);
    if (!a && !b)
        return false;
    if (a && b) {
        *p = between(a, b, in_flight);
        return true;
    }
    *p = a ? *a : *b;
    if (!a) { /* below all that is known: as far as this goes, in proportion */
        p->rate *= in_flight / p->in_flight;
        p->in_flight = in_flight;
    }
    return true;
}

/* The mean of what may be as great as the greatest, which alone would be the luckiest. */
static double peak_of(const struct curve *c)
{
    const struct curve_point *top = NULL;
    double sum = 0, ios = 0;

    for (const struct curve_point *p = c->at; p < c->at + CURVE_SLOTS; p++)
        if (p->ios > 0 && (!top || p->rate > top->rate))
            top = p;
    for (const struct curve_point *p = c->at; top && p < c->at + CURVE_SLOTS; p++)
        if (p->ios > 0 && p->rate >= top->rate * (plateau - 1 / sqrt(top->ios))) {
            sum += p->rate * p->ios;
            ios += p->ios;
        }
    return ios > 0 ? sum / ios : 0;
}

bool curve_find_knee(const struct curve *c, struct curve_knee *k)
{
    const struct curve_point *below = NULL, *above = NULL;

    *k = (struct curve_knee){ .peak = peak_of(c) };
    for (int i = CURVE_SLOTS - 1; i >= 0; i--) {
        const struct curve_point *p = &c->at[i];
        if (p->ios <= 0)
            continue;
        if (p->rate >= k->peak * enough)
            above = p;
        if (p->rate >= k->peak * full)
            k->full = p->in_flight;
    }
    for (int i = 0; above && &c->at[i] < above; i++)
        if (c->at[i].ios > 0)
            below = &c->at[i];
    if (!above)
        return false;
    k->above = k->in_flight = above->in_flight;
    k->above_rate = above->rate;
    if (below) {
        k->below = below->in_flight;
        k->below_rate = below->rate;
        k->in_flight = below->in_flight + (k->peak * enough - below->rate) *
                                              (above->in_flight - below->in_flight) /
                                              (above->rate - below->rate);
    }
    return true;
}

double curve_end(const struct curve *c, bool *still_grows)
{
    const struct curve_point *end = neighbour(c, CURVE_SLOTS - 1, -1), *before = NULL;

    *still_grows = false;
    if (!end)
        return 0;
    for (int i = 0; i < CURVE_SLOTS; i++)
        if (c->at[i].ios > 0 && c->at[i].in_flight * 1.15 <= end->in_flight)
            before = &c->at[i];
    *still_grows = !before || end->rate > before->rate * growth;
    return end->in_flight;
}
