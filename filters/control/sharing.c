/* sharing.c - which part of the window is ours, where other gateways use the datastore too?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sharing.h"
#include "joint.h"
#include "split.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME ".weir-control"

enum { SURE = 3 }; /* seconds: what is said of the file is not said of a hiccup */

struct sharing {
    struct peers *peers;
    struct peers_view *view;
    uint64_t rounds;                 /* of the last view */
    struct gateway_report published; /* what the others go by */
    struct split split;              /* gateways 0: alone */

    struct tally sum;                        /* since the last report */
    uint64_t span;                           /* ns */
    uint64_t in_flight, busy, waited, ticks; /* load x ticks; ticks */
    uint32_t window;

    bool works, told_broken; /* the file, at the last report; and what people were told */
    unsigned otherwise;      /* seconds in turn in which it was not as they were told */
};

static char *path_of(const struct weir_datastore *about)
{
    char *path = NULL;

    if (about->exchange)
        return strcmp(about->exchange, "none") ? strdup(about->exchange) : NULL;
    if (asprintf(&path, "%s/" FILE_NAME, about->folder) < 0)
        return NULL;
    return path;
}

int sharing_create(const struct weir_datastore *about, struct sharing **ret)
{
    char host[40] = "", name[BLOCK_NAME];

    *ret = NULL;
    if (about->exchange ? !strcmp(about->exchange, "none") : !about->folder)
        return 0;
    struct sharing *s = calloc(1, sizeof *s);
    char *path = path_of(about);
    int r = -ENOMEM;
    if (s && path) {
        gethostname(host, sizeof host - 1);
        snprintf(name, sizeof name, "%s:%d", host, (int)getpid());
        s->view = calloc(1, sizeof *s->view);
        r = s->view ? peers_start(path, name, PEERS_PERIOD, &s->peers) : -ENOMEM;
    }
    free(path);
    if (r) {
        sharing_destroy(s);
        return r;
    }
    *ret = s;
    return 0;
}

void sharing_destroy(struct sharing *s)
{
    if (!s)
        return;
    peers_stop(s->peers);
    free(s->view);
    free(s);
}

void sharing_feed(struct sharing *s, const struct tally *done, uint64_t span, uint64_t in_flight,
                  uint32_t window, bool waits)
{
    for (int op = 0; op < COST_OPS; op++)
        s->sum.count[op] += done->count[op];
    s->sum.latency += done->latency;
    s->sum.units += done->units;
    s->sum.load += done->load;
    s->sum.held += done->held;
    s->span += span;
    s->in_flight += in_flight;
    s->busy += in_flight != 0;
    s->waited += waits;
    s->ticks++;
    s->window = window;
}

static void fill(const struct sharing *s, const struct window *w, uint64_t shares,
                 struct gateway_report *ret)
{
    *ret = (struct gateway_report){
        .shares = shares,
        .window = s->window,
        .in_flight = s->busy ? s->in_flight / s->busy : 0,
        .total = s->split.total,
        .threshold = w->threshold,
        .latency_sum = s->sum.latency,
        .capacity = w->capacity,
        .period = PEERS_PERIOD,
        .units = s->sum.units,
        .load = s->sum.load,
        .held = s->span ? s->sum.held / s->span : 0,
        .backlogged = 2 * s->waited > s->ticks,
        .learns = w->learns,
    };
    for (int op = 0; op < COST_OPS; op++)
        ret->ios += s->sum.count[op];
}

static void divide(struct sharing *s, struct window *w)
{
    uint64_t total = 0;

    if (w->learns)
        total = joint_window(w, &s->published, s->view->slot, &s->view->list);
    split_window(&s->published, &s->view->list, total, &s->split);
}

void sharing_report(struct sharing *s, const struct window *w, uint64_t shares, uint64_t p99)
{
    bool fresh = peers_view(s->peers, s->view);

    s->works = fresh && !s->view->error;
    if (!fresh) /* what we know is too old: on our own */
        s->split = (struct split){ 0 };
    fill(s, w, shares, &s->published);
    s->published.latency_p99 = p99;
    peers_report(s->peers, &s->published);
    s->sum = (struct tally){ 0 };
    s->span = s->in_flight = s->busy = s->waited = s->ticks = 0;
}

unsigned sharing_look(struct sharing *s, struct window *w)
{
    uint64_t rounds = peers_rounds(s->peers);

    if (rounds != s->rounds && peers_view(s->peers, s->view)) {
        s->rounds = rounds;
        if (s->view->list.count)
            divide(s, w);
        else
            s->split = (struct split){ 0 };
    }
    return s->split.gateways ? s->split.gateways : 1;
}

enum sharing_news sharing_news(struct sharing *s)
{
    s->otherwise = s->works == s->told_broken ? s->otherwise + 1 : 0;
    if (s->otherwise < SURE)
        return SHARING_AS_BEFORE;
    s->otherwise = 0;
    s->told_broken = !s->works;
    return s->works ? SHARING_MENDED : SHARING_BROKEN;
}

void sharing_describe(struct sharing *s, char *text, size_t size)
{
    bool fresh = peers_view(s->peers, s->view);

    if (s->view->error)
        snprintf(text, size, "not shared: %s", s->view->why);
    else if (!fresh)
        snprintf(text, size, "not shared: the exchange file has not answered yet");
    else if (s->view->list.count)
        snprintf(text, size, "shared by %u gateways", s->view->list.count + 1);
    else
        snprintf(text, size, "no other gateway");
}

uint32_t sharing_part(const struct sharing *s)
{
    return s->split.window > UINT32_MAX ? UINT32_MAX : (uint32_t)s->split.window;
}
