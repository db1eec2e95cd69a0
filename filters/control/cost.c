/* cost.c - how much of a datastore does a request take, compared with a small read?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Each term is scaled so that by the rule all take the same time: `time` has then equal
 * elements, and their mean is the speed of the backend. */
#include "cost.h"

enum { LOAD_ONE = 256, FINE = 16, SMALL = 4096 };

/* The rule, as a line: 4 KiB cost 1, and each 32 KiB 1 more.  (The steps of the rule itself
 * would make two prices of two requests that take the same time.) */
static const double rule_op = 0.875, rule_byte = 1.0 / 32768;

static const double least = 0.25, most = 4; /* times the rule */
/* What ends in a span may have begun before it, and all that is in flight may end together,
 * as with servers that all take as long: so a span is uncertain by a part of the time that
 * one request takes, and by a part of itself; and it is many requests long. */
static const double noise_ends = 0.3, noise = 0.05;
enum { LONG = 3 };
static const double speed_doubt = 1, ratio_doubt = 1.5;     /* at the beginning: relative */
static const double speed_walk = 0.01, ratio_walk = 0.0003; /* relative, squared, per second */
static const double believed = 3; /* times the noise and the doubt; beyond, it is not … */
enum { CONVINCED = 30 };          /* … until it is so often in turn: another speed */

static double clamped(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* ---- what the data path reads ------------------------------------------------ */

static void publish(struct cost *c, enum cost_op op, double per_op, double per_byte)
{
    per_op = clamped(per_op, rule_op * least, rule_op * most) * LOAD_ONE * FINE;
    per_byte = clamped(per_byte, rule_byte * least, rule_byte * most) * LOAD_ONE * FINE;
    atomic_store_explicit(&c->op[op].per_op, (uint32_t)(per_op + 0.5), memory_order_relaxed);
    atomic_store_explicit(&c->op[op].per_byte, (uint32_t)(per_byte * (1 << 20) + 0.5),
                          memory_order_relaxed);
}

static void publish_fixed(struct cost *c, enum cost_op op, double cost)
{
    atomic_store_explicit(&c->op[op].per_op,
                          (uint32_t)(clamped(cost, least, most) * LOAD_ONE * FINE + 0.5),
                          memory_order_relaxed);
}

static void publish_all(struct cost *c)
{
    const double *t = c->time;
    double small = t[0] * rule_op + t[1] * rule_byte * SMALL;

    publish(c, COST_READ, t[0] * rule_op / small, t[1] * rule_byte / small);
    publish(c, COST_WRITE, t[2] * rule_op / small, t[3] * rule_byte / small);
    publish_fixed(c, COST_ZERO, t[4] / small);
}

void cost_init(struct cost *c)
{
    c->begun = false;
    cost_break(c);
    c->strange = 0;
    for (int i = 0; i < COST_OPS; i++) {
        atomic_init(&c->op[i].per_op, LOAD_ONE * FINE);
        atomic_init(&c->op[i].per_byte, 0);
    }
    for (int i = 0; i < COST_TERMS; i++)
        c->time[i] = 1;
    publish_all(c);
}

uint32_t cost_of(const struct cost *c, enum cost_op op, uint64_t bytes)
{
    uint64_t a = atomic_load_explicit(&c->op[op].per_op, memory_order_relaxed);
    uint64_t b = atomic_load_explicit(&c->op[op].per_byte, memory_order_relaxed);

    if (bytes > UINT32_MAX)
        bytes = UINT32_MAX;
    uint64_t load = (a + (bytes * b >> 20)) / FINE;
    return load ? (uint32_t)load : 1;
}

/* ---- what is learnt ---------------------------------------------------------- */

/* How much of each term there was, as it costs by the rule.  The time of a flush cannot be
 * told from that of the writes before it. */
static void terms_of(const struct cost_sample *s, double x[COST_TERMS])
{
    for (int i = 0; i < 2; i++) {
        x[2 * i] = (double)s->op[i].count * rule_op;
        x[2 * i + 1] = (double)s->op[i].bytes * rule_byte;
    }
    x[4] = (double)s->op[COST_ZERO].count;
}

/* `speed` and `ratio`: variances, relative to the mean time of the terms.  A ratio that is
 * already as uncertain as at the beginning does not become more so; the speed is told by
 * whatever is done. */
static void add_doubt(struct cost *c, double speed, double ratio)
{
    double mean = 0;

    for (int i = 0; i < COST_TERMS; i++)
        mean += c->time[i] / COST_TERMS;
    double most_doubt = mean * mean * (speed_doubt + ratio_doubt);
    for (int i = 0; i < COST_TERMS; i++) {
        if (c->doubt[i][i] < most_doubt)
            c->doubt[i][i] += mean * mean * ratio;
        for (int k = 0; k < COST_TERMS; k++)
            c->doubt[i][k] += mean * mean * speed;
    }
}

/* The backend is slower or faster as a whole, so often in turn has it been so. */
static void change_speed(struct cost *c, double by)
{
    for (int i = 0; i < COST_TERMS; i++)
        for (int k = 0; k < COST_TERMS; k++)
            c->doubt[i][k] *= by * by;
    for (int i = 0; i < COST_TERMS; i++)
        c->time[i] *= by;
}

/* Whether that can be true, by what is known. */
static bool is_believed(struct cost *c, double error, double variance, double ratio)
{
    if (error * error <= believed * believed * variance) {
        c->strange = 0;
        return true;
    }
    if ((error > 0) != (c->strange > 0))
        c->strange = 0;
    c->strange += error > 0 ? 1 : -1;
    if (c->strange < CONVINCED && c->strange > -CONVINCED)
        return false;
    c->strange = 0;
    change_speed(c, ratio);
    return false;
}

static void update(struct cost *c, const double x[COST_TERMS], double span, double latency)
{
    double gain[COST_TERMS], expected = 0;
    double ends = latency * noise_ends, variance = span * span * noise * noise + ends * ends;

    for (int i = 0; i < COST_TERMS; i++) {
        gain[i] = 0;
        for (int k = 0; k < COST_TERMS; k++)
            gain[i] += c->doubt[i][k] * x[k];
        expected += c->time[i] * x[i];
        variance += gain[i] * x[i];
    }
    if (!is_believed(c, span - expected, variance, span / expected))
        return;
    for (int i = 0; i < COST_TERMS; i++) {
        c->time[i] += gain[i] / variance * (span - expected);
        for (int k = 0; k < COST_TERMS; k++)
            c->doubt[i][k] -= gain[i] * gain[k] / variance;
    }
}

/* No time is negative, and none is further from a small read than the data path will be
 * told: a term that cannot be seen must not carry away those that can. */
static void bound_time(struct cost *c)
{
    double small = c->time[0] * rule_op + c->time[1] * rule_byte * SMALL;

    if (small <= 0)
        small = (c->time[0] > c->time[1] ? c->time[0] : c->time[1]) * least;
    for (int i = 0; i < COST_TERMS; i++)
        c->time[i] = clamped(c->time[i], small * least / 4, small * most * 4);
}

void cost_break(struct cost *c)
{
    c->sum = (struct cost_sample){ 0 };
    c->settling = 0;
}

static bool is_long(struct cost *c, const struct cost_sample *s)
{
    uint64_t before = c->sum.span;

    c->sum.span += s->span;
    if (c->sum.span)
        c->sum.latency = (c->sum.latency * before + s->latency * s->span) / c->sum.span;
    for (int op = 0; op < COST_OPS; op++) {
        c->sum.op[op].count += s->op[op].count;
        c->sum.op[op].bytes += s->op[op].bytes;
    }
    return c->sum.span >= LONG * c->sum.latency;
}

static void learn(struct cost *c, const struct cost_sample *s)
{
    double x[COST_TERMS], sum = 0, span = (double)s->span;

    terms_of(s, x);
    for (int i = 0; i < COST_TERMS; i++)
        sum += x[i];
    if (sum <= 0 || span <= 0)
        return;
    if (!c->begun) {
        c->begun = true;
        for (int i = 0; i < COST_TERMS; i++) {
            c->time[i] = span / sum;
            for (int k = 0; k < COST_TERMS; k++)
                c->doubt[i][k] = 0;
        }
        add_doubt(c, speed_doubt, ratio_doubt);
    }
    add_doubt(c, speed_walk * span / 1e9, ratio_walk * span / 1e9);
    update(c, x, span, (double)s->latency);
    bound_time(c);
    publish_all(c);
}

void cost_learn(struct cost *c, const struct cost_sample *s)
{
    /* what ends now began when the backend may have idled */
    if (c->settling < s->latency) {
        c->settling += s->span;
        return;
    }
    if (!is_long(c, s))
        return;
    learn(c, &c->sum);
    c->sum = (struct cost_sample){ 0 };
}
