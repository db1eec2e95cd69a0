/* log.c - what is a log: when does it begin, work and end?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include "instant.h"
#include "thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What nobody waits for is synced together with what comes within so long, up to so many bytes. */
enum { LINGER_NS = 20000000, LINGER_BYTES = 8 << 20 };
enum { AGAIN_S = 1, KEPT_FREE = 20 /* 1/20 of what it could have is left to others */ };

/* ---- the thread -------------------------------------------------------------------------------
 */

/* What comes meanwhile is no reason to try sooner. */
static void wait_again(struct log *log)
{
    const uint64_t until = now_ns() + AGAIN_S * SECOND_NS;

    while (!log->stopping && !log->hurry &&
           cond_wait_until(&log->work, &log->lock, until) != ETIMEDOUT)
        ;
    log->hurry = false;
}

/* A sync for each frame would be what the disk does all day.  Whoever waits for one syncs itself,
 * and for all: that ends it. */
static void linger(struct log *log)
{
    const uint64_t until = now_ns() + LINGER_NS;
    int r = 0;

    log->lingering = true;
    while (!r && !log->stopping && !log->error && log->durable.position == log->handed.position &&
           log->received.position - log->durable.position < LINGER_BYTES)
        r = cond_wait_until(&log->work, &log->lock, until);
    log->lingering = false;
}

/* With the lock, which it lets go of. */
static bool work(struct log *log)
{
    const uint64_t end = log->received.position;

    if (log->error || log->handed.position == end)
        return false;
    if (log->durable.position < end && does(LOG_HAND_OVER) && sync_to(log, end))
        return false;
    return hand_over(log);
}

static void *work_on(void *arg)
{
    struct log *log = arg;

    pthread_mutex_lock(&log->lock);
    while (!log->stopping) {
        if (log->received.position > log->durable.position &&
            log->durable.position == log->handed.position)
            linger(log);
        if (work(log))
            continue;
        if (log->refused)
            wait_again(log);
        else if (!log->stopping)
            pthread_cond_wait(&log->work, &log->lock);
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

void log_wake(struct log *log)
{
    const uint64_t unsynced = log->received.position - log->durable.position;

    if (!log->lingering || log->error || log->durable.position > log->handed.position ||
        unsynced >= LINGER_BYTES)
        pthread_cond_signal(&log->work);
}

bool log_work(struct log *log)
{
    bool some = false;

    pthread_mutex_lock(&log->lock);
    while (work(log))
        some = true;
    pthread_mutex_unlock(&log->lock);
    return some;
}

/* ---- open and close ---------------------------------------------------------------------------
 */

int log_open(const struct log_setup *setup, struct log **ret, struct weir_text *why)
{
    struct log *log = calloc(1, sizeof(*log));

    if (!log)
        return -ENOMEM;
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->changed, NULL);
    pthread_cond_init(&log->work, NULL);
    log->setup = *setup;
    *ret = log;
    int r = log_cache_create(&log->cache);
    if (!r)
        r = log_recover(log, why);
    if (r) {
        log_close(log);
        *ret = NULL;
    }
    return r;
}

int log_start(struct log *log)
{
    int r = thread_start(&log->thread, work_on, log);

    log->started = r == 0;
    return r;
}

void log_stop(struct log *log)
{
    if (!log || !log->started)
        return;
    pthread_mutex_lock(&log->lock);
    log->stopping = true;
    pthread_cond_signal(&log->work);
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    log->started = false;
}

void log_close(struct log *log)
{
    if (!log)
        return;
    log_stop(log);
    drop_ahead(log);
    for (struct arrival *a = log->waiting, *next; a; a = next) {
        next = a->next;
        arrival_free(a);
    }
    segments_close(log);
    log_cache_destroy(log->cache);
    pthread_cond_destroy(&log->changed);
    pthread_cond_destroy(&log->work);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

/* ---- what can be asked --------------------------------------------------------------------------
 */

void log_ends(struct log *log, struct log_end *received, struct log_end *durable)
{
    pthread_mutex_lock(&log->lock);
    *received = log->received;
    *durable = log->durable;
    pthread_mutex_unlock(&log->lock);
}

int log_failed(struct log *log, struct weir_text *why)
{
    pthread_mutex_lock(&log->lock);
    const int r = log->error ? log->error : log->refused;
    if (log->error)
        weir_print(why, "%s: %s", log->problem, strerror(-log->error));
    else if (log->refused)
        weir_print(why, "%s, and it is tried again: %s", log->problem, strerror(-log->refused));
    pthread_mutex_unlock(&log->lock);
    return r;
}

bool log_is_refused(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    const bool is = !log->error && log->refused;
    pthread_mutex_unlock(&log->lock);
    return is;
}

static uint64_t used(const struct log *log)
{
    uint64_t bytes = 0;

    for (const struct segment *s = log->segments; s; s = s->next)
        bytes += s->size;
    return bytes;
}

uint64_t log_limit_room(const struct log *log)
{
    const uint64_t now = used(log);

    return now < log->setup.limit ? log->setup.limit - now : 0;
}

uint64_t log_used(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    const uint64_t bytes = used(log);
    pthread_mutex_unlock(&log->lock);
    return bytes;
}

uint64_t log_free_bytes(struct log *log)
{
    uint64_t bytes = 0, room;

    pthread_mutex_lock(&log->lock);
    const uint64_t now = used(log), limited = log_limit_room(log);
    pthread_mutex_unlock(&log->lock);
    if (log->setup.medium->free_bytes(log->setup.medium, &bytes))
        bytes = log->setup.limit ? limited : 0;
    room = (now + bytes) / KEPT_FREE;
    room = bytes > room ? bytes - room : 0;
    return log->setup.limit && limited < room ? limited : room;
}

/* ---- for whoever lets nothing in
 * ------------------------------------------------------------------ */

/* All that was received was handed over, or why not: what was refused is tried once more. */
static int wait_handed(struct log *log)
{
    const uint64_t tries = log->tries;

    while (!log->error && (log->handed.position < log->received.position || log->handing)) {
        if (log->started) {
            if (log->refused && (log->tries != tries || log->stopping))
                break;
            log->hurry = log->refused != 0;
            pthread_cond_signal(&log->work);
            pthread_cond_wait(&log->changed, &log->lock);
        } else if (!work(log)) {
            break;
        }
    }
    return log->error ? log->error : log->refused;
}

int log_catch_up(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    const uint64_t end = log->received.position;
    int r = sync_to(log, end);
    while (!r && log->started && !log->stopping && !log->refused && log->handed.position < end) {
        pthread_cond_wait(&log->changed, &log->lock);
        r = log->error;
    }
    pthread_mutex_unlock(&log->lock);
    return r;
}

int log_settle(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    log->dropped++;
    pthread_cond_broadcast(&log->changed);
    while (log->writing)
        pthread_cond_wait(&log->changed, &log->lock);
    drop_ahead(log);
    int r = sync_to(log, log->received.position);
    const int handed = r ? r : wait_handed(log);
    /* the same frames may come again, and what was forgotten would follow from them as it did */
    if (!log->error)
        r = segments_cut(log, log->received.position);
    pthread_mutex_unlock(&log->lock);
    return r ? r : handed;
}

int log_cut(struct log *log, const struct log_end *end)
{
    pthread_mutex_lock(&log->lock);
    log->received = log->durable = log->handed = *end;
    int r = segments_cut(log, end->position);
    if (r)
        log_fail(log, r, "what lies behind the end of the log could not be removed");
    pthread_mutex_unlock(&log->lock);
    log_cache_forget(log->cache);
    return r;
}

int log_restart(struct log *log, uint64_t position)
{
    const struct log_end end = { .position = position };

    int r = log_trim(log, position);
    return r ? r : log_cut(log, &end);
}
