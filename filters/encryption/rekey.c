/* rekey.c - how does a disk go over to a new volume key while guests write to it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "encryption.h"
#include "instant.h"
#include "thread.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- a chunk --------------------------------------------------------------------- */

static uint64_t payload_size(struct rekey *r)
{
    pthread_mutex_lock(&r->lock);
    uint64_t size = r->size;
    pthread_mutex_unlock(&r->lock);
    return size;
}

/* Nobody has to wait for what begins now; false: nothing may begin. */
static bool begin_work(struct rekey *r)
{
    pthread_mutex_lock(&r->lock);
    r->busy = !r->stop && !r->hold;
    bool may = r->busy;
    pthread_mutex_unlock(&r->lock);
    return may;
}

static void end_work(struct rekey *r)
{
    pthread_mutex_lock(&r->lock);
    r->busy = false;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static int convert(struct rekey *r, uint32_t length)
{
    struct rekey_work *w = &r->work;
    const uint64_t from = w->record.position;

    int error = rekey_pending(w) ? rekey_chunk_finish(w) : rekey_chunk(w, length);
    /* a chunk of both keys is for nobody; one that was not touched is for all */
    if (rekey_pending(w))
        gate_bar(&r->gate, from, from + w->record.length);
    else
        gate_bar(&r->gate, 0, 0);
    return error;
}

/* Writers are kept out first: one that has begun may read, too, and would wait at the gate. */
static int one_chunk(struct encryption *e)
{
    struct rekey *r = &e->rekey;
    struct rekey_work *w = &r->work;
    const uint64_t from = w->record.position, left = payload_size(r) - from;
    const uint32_t length = rekey_pending(w)     ? w->record.length
                            : left < REKEY_CHUNK ? (uint32_t)left
                                                 : REKEY_CHUNK;
    struct weir_order *order;

    int error = weir_order_lock(e->below, from, length, &order);
    if (error)
        return error;
    gate_close(&r->gate, from, from + length);
    if (begin_work(r)) {
        error = convert(r, length);
        end_work(r);
    }
    gate_open(&r->gate, w->record.position);
    weir_order_unlock(order);
    return error;
}

/* ---- the end --------------------------------------------------------------------- */

static void close_gate(void *arg)
{
    struct rekey *r = arg;

    atomic_store(&r->gate.on, false);
}

/* The header that the thread works with is its own: the control path has another. */
static int change_header(struct encryption *e, char why[HEADER_WHY])
{
    struct rekey *r = &e->rekey;
    struct header_rekey now;
    struct header *header;

    int error = header_open(&e->medium, &header, why);
    if (error) {
        if (error == -ENODATA)
            snprintf(why, HEADER_WHY, "the header is gone from the disk");
        return error;
    }
    if (header_rekey_look(header, &now))
        error = 0; /* wiped before an error kept us from knowing */
    else if (now.done)
        error = header_rekey_clean(header, why);
    else
        error = header_rekey_end(header, &r->about, &r->volume, why);
    if (error)
        header_close(header);
    else
        r->header = header;
    return error;
}

/* From here on, also after an error, no part of the disk may be of the old key: it does not grow.
 * False: not now, or it has grown just before. */
static bool begin_end(struct rekey *r)
{
    pthread_mutex_lock(&r->lock);
    bool may = !r->stop && !r->hold && r->work.record.position == r->size;
    r->busy = may;
    r->ending |= may;
    pthread_mutex_unlock(&r->lock);
    return may;
}

static int finish(struct encryption *e, char why[HEADER_WHY])
{
    struct rekey *r = &e->rekey;

    if (!begin_end(r))
        return 0;
    int error = change_header(e, why);
    if (!error) {
        lease_pass(&e->lease, close_gate, r);
        secret_clear(&r->volume);
        pthread_mutex_lock(&r->lock);
        r->ending = false;
        r->ended = true;
        pthread_mutex_unlock(&r->lock);
    }
    end_work(r);
    return error;
}

/* ---- the thread ------------------------------------------------------------------ */

/* False: the thread shall end. */
static bool wait_for_turn(struct rekey *r)
{
    pthread_mutex_lock(&r->lock);
    while (!r->stop && (r->hold || r->paused))
        pthread_cond_wait(&r->changed, &r->lock);
    bool go_on = !r->stop && !r->ended;
    pthread_mutex_unlock(&r->lock);
    return go_on;
}

static void pause_work(struct encryption *e, const char *why)
{
    struct rekey *r = &e->rekey;

    rekey_pause(e, why);
    weir_report(e->below, WEIR_WARNING,
                "the deep rekey pauses at byte %" PRIu64 ": %s; the verb rekey-deep goes on%s",
                r->work.record.position, why,
                rekey_pending(&r->work)
                    ? "; until then requests to the chunk there fail, as it is of both keys"
                    : "");
}

static void *run(void *arg)
{
    struct encryption *e = arg;
    struct rekey *r = &e->rekey;

    lease_settle(&e->lease); /* requests that do not know of the gate have ended */
    while (wait_for_turn(r)) {
        char why[HEADER_WHY] = "";
        bool more = rekey_pending(&r->work) || r->work.record.position < payload_size(r);
        int error = more ? one_chunk(e) : finish(e, why);
        if (error)
            pause_work(e, why[0] ? why : strerror(-error));
    }
    pthread_mutex_lock(&r->lock);
    bool ended = r->ended;
    pthread_mutex_unlock(&r->lock);
    if (ended)
        weir_report(e->below, WEIR_INFO,
                    "the deep rekey has ended: the disk has a new volume key, which key slot %d "
                    "alone opens",
                    r->about.new_slot);
    return NULL;
}

int rekey_start(struct encryption *e, char why[HEADER_WHY])
{
    struct rekey *r = &e->rekey;

    pthread_mutex_lock(&r->lock);
    r->stop = r->busy = r->ending = r->ended = false;
    pthread_mutex_unlock(&r->lock);
    r->began = weir_now(NULL);
    r->began_at = r->work.record.position;
    int error = thread_start(&r->thread, run, e);
    if (error)
        snprintf(why, HEADER_WHY, "no thread for the rekey: %s", strerror(-error));
    r->running = !error;
    return error;
}

/* ---- from outside ---------------------------------------------------------------- */

/* A chunk takes milliseconds unless a filter below holds what it needs; such a filter is told to
 * let go after us, so we wait a while and no longer: what goes on then is kept from the medium by
 * the core, or cut short, and the record knows how. */
void rekey_hold(struct encryption *e, bool hold)
{
    struct rekey *r = &e->rekey;
    const uint64_t until = now_ns() + SECOND_NS;

    pthread_mutex_lock(&r->lock);
    r->hold = hold;
    pthread_cond_broadcast(&r->changed);
    while (hold && r->busy && !cond_wait_until(&r->changed, &r->lock, until))
        ;
    pthread_mutex_unlock(&r->lock);
}

void rekey_resize(struct encryption *e)
{
    struct rekey *r = &e->rekey;

    pthread_mutex_lock(&r->lock);
    r->size = e->size;
    pthread_mutex_unlock(&r->lock);
}

bool rekey_ends(struct encryption *e)
{
    struct rekey *r = &e->rekey;

    pthread_mutex_lock(&r->lock);
    bool ending = r->ending;
    pthread_mutex_unlock(&r->lock);
    return ending;
}

void rekey_pause(struct encryption *e, const char *why)
{
    struct rekey *r = &e->rekey;

    pthread_mutex_lock(&r->lock);
    r->paused = true;
    snprintf(r->why, sizeof r->why, "%s", why);
    pthread_mutex_unlock(&r->lock);
}

const char *rekey_state(struct encryption *e)
{
    struct rekey *r = &e->rekey;

    if (!gate_on(&r->gate))
        return NULL;
    pthread_mutex_lock(&r->lock);
    const char *state = r->paused ? "paused" : "rekeying";
    pthread_mutex_unlock(&r->lock);
    return state;
}

bool rekey_again(struct encryption *e)
{
    struct rekey *r = &e->rekey;

    pthread_mutex_lock(&r->lock);
    bool paused = r->paused;
    r->paused = false;
    r->why[0] = '\0';
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return paused;
}

int64_t rekey_percent(struct encryption *e)
{
    struct rekey *r = &e->rekey;
    uint64_t size = payload_size(r), done = atomic_load(&r->gate.position);

    if (!gate_on(&r->gate))
        return -1;
    return size ? (int64_t)((double)done / (double)size * 100) : 100;
}

void rekey_print(struct encryption *e, struct weir_text *answer)
{
    struct rekey *r = &e->rekey;
    char why[HEADER_WHY];

    if (!gate_on(&r->gate))
        return;
    pthread_mutex_lock(&r->lock);
    const uint64_t size = r->size, done = atomic_load(&r->gate.position);
    const double took = (double)(weir_now(NULL) - r->began) / 1e9;
    const bool paused = r->paused;
    const uint64_t moved = done - r->began_at;
    snprintf(why, sizeof why, "%s", r->why);
    pthread_mutex_unlock(&r->lock);
    weir_print(answer, "rekey-deep: %" PRIu64 " of %" PRIu64 " bytes have the new volume key", done,
               size);
    if (paused)
        weir_print(answer, "; it pauses: %s; the verb rekey-deep goes on\n", why);
    else
        weir_print(answer, ", %.1f MB/s\n", took > 0 ? (double)moved / took / 1e6 : 0);
}
