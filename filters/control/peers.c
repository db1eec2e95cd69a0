/* peers.c - who tells the other gateways, so that no I/O waits for it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peers.h"
#include "exchange.h"
#include "instant.h"
#include "thread.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)
#define GRACE  (SECOND / 4) /* for a thread that is asked to end */

struct peers {
    /* Guards what follows, and nothing is locked under it.  Held to copy, never for I/O. */
    pthread_mutex_t lock;
    pthread_cond_t wake;  /* for the thread: stop, period or the first report */
    pthread_cond_t ended; /* for peers_stop() */
    uint64_t period, last_good;
    struct gateway_report report;
    bool reported; /* ever */
    bool news;     /* since the last round began */
    bool stop, has_ended, abandoned;
    struct peers_view view;

    /* The thread's alone. */
    char *path, *gateway;
    struct exchange *exchange; /* NULL until the file could be opened */
    struct peer_list fresh;
    pthread_t thread; /* peers_stop()'s */
};

static void copy_list(struct peer_list *to, const struct peer_list *from)
{
    to->count = from->count;
    to->stale = from->stale;
    to->garbage = from->garbage;
    memcpy(to->peer, from->peer, from->count * sizeof from->peer[0]);
}

static void destroy(struct peers *p)
{
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->ended);
    free(p->path);
    free(p->gateway);
    free(p);
}

/* ---- the thread -------------------------------------------------------------- */

/* The lock is held at both ends, and not in between. */
static void do_round(struct peers *p, uint64_t began)
{
    struct gateway_report mine = p->report;
    char why[PEERS_WHY] = "";
    int r = 0;

    mine.period = p->period;
    p->news = false;
    pthread_mutex_unlock(&p->lock);
    if (!p->exchange)
        r = exchange_open(p->path, p->gateway, &p->exchange, why, sizeof why);
    if (!r)
        r = exchange_round(p->exchange, &mine, &p->fresh, why, sizeof why);
    pthread_mutex_lock(&p->lock);
    p->view.error = r;
    p->view.slot = p->exchange ? exchange_slot(p->exchange) : 0;
    memcpy(p->view.why, why, sizeof why);
    if (r)
        return; /* the last good view goes on, and grows old */
    p->last_good = began;
    p->view.rounds++;
    copy_list(&p->view.list, &p->fresh);
}

static void *run(void *arg)
{
    struct peers *p = arg;

    pthread_mutex_lock(&p->lock);
    while (!p->stop && !p->reported)
        pthread_cond_wait(&p->wake, &p->lock);
    while (!p->stop) {
        uint64_t began = now_ns();
        do_round(p, began);
        /* at once after a report, so that what the others see is new, and without one if
         * none comes; but never without a pause, also where a round takes long */
        uint64_t ended = now_ns();
        while (!p->stop) {
            uint64_t when = began + (p->news ? p->period / 2 : p->period / 4 * 5);
            uint64_t least = ended + p->period / 4;
            if (cond_wait_until(&p->wake, &p->lock, when > least ? when : least) == ETIMEDOUT)
                break;
        }
    }
    pthread_mutex_unlock(&p->lock);
    exchange_close(p->exchange);

    pthread_mutex_lock(&p->lock);
    bool abandoned = p->abandoned;
    p->has_ended = true;
    pthread_cond_signal(&p->ended);
    pthread_mutex_unlock(&p->lock);
    if (abandoned)
        destroy(p);
    return NULL;
}

/* ---- for the rest of the gateway --------------------------------------------- */

int peers_start(const char *path, const char *gateway, uint64_t period, struct peers **ret)
{
    struct peers *p = calloc(1, sizeof *p);

    if (!p)
        return -ENOMEM;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->ended, NULL);
    p->period = period ? period : PEERS_PERIOD;
    p->path = strdup(path);
    p->gateway = strdup(gateway);
    int r = p->path && p->gateway ? thread_start(&p->thread, run, p) : -ENOMEM;
    if (r)
        destroy(p);
    else
        *ret = p;
    return r;
}

void peers_report(struct peers *p, const struct gateway_report *mine)
{
    pthread_mutex_lock(&p->lock);
    p->report = *mine;
    p->reported = p->news = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

bool peers_view(struct peers *p, struct peers_view *ret)
{
    uint64_t time = now_ns();

    pthread_mutex_lock(&p->lock);
    uint64_t age = time > p->last_good ? (time - p->last_good) / p->period : 0;
    ret->rounds = p->view.rounds;
    ret->age = !ret->rounds || age > UINT_MAX ? UINT_MAX : (unsigned)age;
    ret->slot = p->view.slot;
    ret->error = p->view.error;
    memcpy(ret->why, p->view.why, sizeof ret->why);
    copy_list(&ret->list, &p->view.list);
    pthread_mutex_unlock(&p->lock);
    if (ret->age < JUDGE_STALE)
        return true;
    ret->list.count = 0;
    return false;
}

uint64_t peers_rounds(struct peers *p)
{
    pthread_mutex_lock(&p->lock);
    uint64_t rounds = p->view.rounds;
    pthread_mutex_unlock(&p->lock);
    return rounds;
}

void peers_set_period(struct peers *p, uint64_t period)
{
    pthread_mutex_lock(&p->lock);
    p->period = period ? period : PEERS_PERIOD;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

void peers_stop(struct peers *p)
{
    if (!p)
        return;
    pthread_t thread = p->thread;
    uint64_t patience = now_ns() + GRACE;

    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->wake);
    while (!p->has_ended && cond_wait_until(&p->ended, &p->lock, patience) != ETIMEDOUT)
        ;
    bool ended = p->has_ended;
    p->abandoned = !ended;
    pthread_mutex_unlock(&p->lock); /* from here on an abandoned one is the thread's */
    if (!ended) {
        pthread_detach(thread);
        return;
    }
    pthread_join(thread, NULL);
    destroy(p);
}
