/* ticker.c - who looks at what was measured, and lets limited requests go in time?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ticker.h"
#include "accounts.h"
#include "control.h"
#include "instant.h"
#include "sharing.h"
#include "window.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define SECOND 1000000000u

/* Without any I/O for so long the thread sleeps: two seconds, so that the last one that was
 * settled had none, and figures "of the last second" are those of an idle disk. */
enum { IDLE_TICKS = 220 };

struct ticker {
    uint64_t next_tick, next_second; /* weir_now() */
    uint64_t last;                   /* weir_now() of the last tick … */
    uint64_t settled;                /* … and of the last settlement */
    unsigned quiet;                  /* ticks in a row without any I/O */
    struct tally before;             /* all there ever was, at the last tick */
    struct window window;
    struct sharing *sharing; /* NULL: the datastore is not shared */
    unsigned gateways;
    uint64_t granted;   /* units per second: the most, lately */
    uint64_t in_flight; /* load, at the last tick */
    int64_t owed;       /* load x ticks that less was in flight than our part */
    struct sampled sampled;
};

int ticker_create(const struct weir_below *below, struct ticker **ret)
{
    struct ticker *t = calloc(1, sizeof *t);
    struct weir_datastore about;

    if (!t)
        return -ENOMEM;
    weir_datastore(below, &about);
    window_init(&t->window);
    window_set(&t->window, about.latency_threshold);
    int r = sharing_create(&about, &t->sharing);
    if (r) {
        free(t);
        return r;
    }
    *ret = t;
    return 0;
}

void ticker_destroy(struct ticker *t)
{
    if (t)
        sharing_destroy(t->sharing);
    free(t);
}

/* ---- the window -------------------------------------------------------------- */

/* What is in flight is a whole number of requests and at least the window, by up to one of
 * them: of two gateways with windows of 10.1 and 20.2 one would have 9 % more than its part,
 * the other 4 %.  So that all have their part in the mean, what was too much is made good. */
static uint32_t in_the_mean(struct ticker *t, uint32_t part, bool waited)
{
    const int64_t most = 16 * LOAD_ONE; /* ticks until one request is made good */

    t->owed = waited ? t->owed + (int64_t)part - (int64_t)t->in_flight : 0;
    t->owed = t->owed > most ? most : t->owed < -most ? -most : t->owed;
    int64_t size = (int64_t)part + t->owed / 16;
    return size < LOAD_ONE ? LOAD_ONE : size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
}

static void set_window(struct datastore *d, uint64_t now)
{
    struct ticker *t = d->ticker;
    struct scheduler *s = &d->scheduler;

    bool light = s->light && now < s->light + SECOND;

    uint32_t part = t->sharing ? sharing_part(t->sharing) : 0;

    if (part && !t->window.learns) /* one that learns holds what all have together */
        window_impose(&t->window, part);
    if (part)
        part = in_the_mean(t, part, s->turns.count);
    window_split(&t->window, part, light, &s->window, &s->spare);
    s->capacity = t->window.capacity;
    if (s->capacity && s->capacity < t->granted) /* it can do what it has just done */
        s->capacity = t->granted;
    atomic_store(&d->threshold, t->window.threshold ? t->window.threshold : 5000000);
    atomic_store(&d->slice, s->window / (2 * d->cpus));
}

void ticker_begin(struct datastore *d)
{
    uint64_t now = weir_now(NULL);

    d->ticker->last = d->ticker->settled = now;
    d->ticker->next_tick = now + DATASTORE_TICK;
    d->ticker->next_second = now + SECOND;
    set_window(d, now);
    atomic_store(&d->room, d->scheduler.window);
}

static uint64_t sum_counts(const uint64_t *of)
{
    uint64_t sum = 0;

    for (int op = 0; op < COST_OPS; op++)
        sum += of[op];
    return sum;
}

static void feed(struct datastore *d, const struct tally *done, uint64_t span)
{
    struct ticker *t = d->ticker;
    uint64_t ios = sum_counts(done->count);

    t->in_flight = d->scheduler.in_flight + (uint64_t)datastore_outside(d);
    if (!ios && !t->in_flight)
        return;
    const struct window_sample sample = {
        .span = span,
        .ios = ios,
        .units = done->units,
        .load = done->load,
        .latency = done->latency,
        .in_flight = ios && span ? done->held / span : t->in_flight,
        .outstanding = t->in_flight,
        .waited = 2 * d->waited > span,
    };
    if (!t->window.learns || t->gateways < 2) /* else all learn together: joint.h */
        window_feed(&t->window, &sample);
    if (10 * d->waited < 9 * span) { /* the backend may have idled */
        cost_break(&d->cost);
        return;
    }
    struct cost_sample saturated = { .span = span,
                                     .latency = done->load ? done->held / done->load : 0 };
    for (int op = 0; op < COST_OPS; op++) {
        saturated.op[op].count = done->count[op];
        saturated.op[op].bytes = done->bytes[op];
    }
    cost_learn(&d->cost, &saturated);
}

static void tick(struct datastore *d, uint64_t now)
{
    struct ticker *t = d->ticker;
    struct weir_datastore about;
    struct tally all, done;

    if (!d->disks) {
        t->last = now;
        return;
    }
    weir_datastore(d->disks->below, &about); /* the threshold may have been changed */
    window_set(&t->window, about.latency_threshold);
    datastore_tally(d, &all);
    tally_between(&t->before, &all, &done);
    t->before = all;
    uint64_t span = now - t->last;
    feed(d, &done, span);
    if (t->sharing) {
        sharing_feed(t->sharing, &done, span, t->in_flight, d->scheduler.window,
                     2 * d->waited > span);
        t->gateways = sharing_look(t->sharing, &t->window);
    }
    t->last = now;
    d->waited = 0;
    t->quiet = sum_counts(done.count) || t->in_flight || d->scheduler.queued ? 0 : t->quiet + 1;
    set_window(d, now);
    if (!d->scheduler.turns.count) { /* back to counting, without the lock */
        atomic_store(&d->crowded, false);
        d->all_inside = false;
    } else if (atomic_load(&d->crowded) && datastore_outside(d) == 0) {
        d->all_inside = true;
        d->scheduler.outside = 0; /* nobody looks again: one may just have ended unseen */
    }
}

static void second(struct datastore *d, uint64_t now)
{
    struct ticker *t = d->ticker;
    struct account account;

    accounts_settle(d, t->window.capacity ? t->window.capacity : t->window.peak, now - t->settled,
                    &account);
    t->settled = now;
    t->granted -= t->granted / 8; /* one second that was disturbed is not to cut promises */
    if (t->granted < account.granted)
        t->granted = account.granted;
    d->scheduler.promised = account.reserved;
    if (t->sharing)
        sharing_report(t->sharing, &t->window, account.shares, accounts_p99(d, &t->sampled));
}

/* Tells people what has become of the exchange file, by one of the disks, which stays until
 * that is done.  The lock is not held meanwhile: a log may be slow. */
static void tell(struct datastore *d)
{
    struct ticker *t = d->ticker;
    enum sharing_news news = t->sharing ? sharing_news(t->sharing) : SHARING_AS_BEFORE;
    char text[SHARING_TEXT];

    if (news == SHARING_AS_BEFORE || !d->disks)
        return;
    sharing_describe(t->sharing, text, sizeof text);
    struct weir_below *below = d->disks->below;
    d->speaker = d->disks;
    pthread_mutex_unlock(&d->lock);
    weir_report(below, news == SHARING_BROKEN ? WEIR_WARNING : WEIR_INFO,
                "datastore \"%s\", among gateways: %s", d->name, text);
    pthread_mutex_lock(&d->lock);
    d->speaker = NULL;
    pthread_cond_broadcast(&d->spoken);
}

/* ---- the thread -------------------------------------------------------------- */

static void nap(struct datastore *d, uint64_t now)
{
    struct ticker *t = d->ticker;

    if (t->quiet > IDLE_TICKS) {
        atomic_store(&d->asleep, true);
        d->next_look = UINT64_MAX;
        pthread_cond_wait(&d->wake, &d->lock);
        atomic_store(&d->asleep, false);
        t->quiet = 0;
        t->last = weir_now(NULL);
        return;
    }
    uint64_t when = scheduler_when(&d->scheduler);
    d->next_look = when < t->next_tick ? when : t->next_tick;
    if (d->next_look <= now)
        return;
    cond_wait_until(&d->wake, &d->lock, now_ns() + (d->next_look - now));
}

void *ticker_run(void *datastore)
{
    struct datastore *d = datastore;
    struct ticker *t = d->ticker;

    prctl(PR_SET_NAME, "weir-control");
    prctl(PR_SET_TIMERSLACK, 1); /* limits of 100,000 per second wait for 10 us */
    pthread_mutex_lock(&d->lock);
    while (!d->stopping) {
        uint64_t now = weir_now(NULL);
        if (now >= t->next_tick) {
            tick(d, now);
            t->next_tick = now + DATASTORE_TICK;
        }
        if (now >= t->next_second) {
            second(d, now);
            t->next_second = now + SECOND;
            tell(d);
        }
        struct item *go = datastore_gather(d, now);
        if (!go) {
            nap(d, now);
            continue;
        }
        pthread_mutex_unlock(&d->lock);
        datastore_resume(go);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

void ticker_view(struct datastore *d, struct ticker_view *ret)
{
    struct ticker *t = d->ticker;

    pthread_mutex_lock(&d->lock);
    *ret = (struct ticker_view){
        .latency = t->window.latency,
        .threshold = t->window.threshold,
        .window = d->scheduler.window,
        .in_flight = t->in_flight,
        .peak = t->window.peak,
        .external = t->window.external_load,
        .gateways = t->gateways ? t->gateways : 1,
    };
    pthread_mutex_unlock(&d->lock);
}

void ticker_exchange(struct datastore *d, char *text, size_t size)
{
    pthread_mutex_lock(&d->lock);
    if (d->ticker->sharing)
        sharing_describe(d->ticker->sharing, text, size);
    else
        snprintf(text, size, "none");
    pthread_mutex_unlock(&d->lock);
}
