/* late.c - who waits for a key, or a header, that does not come at once?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "encryption.h"
#include "instant.h"
#include "thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Seconds.  Who opens the disk is kept waiting for the first, in which a TPM or a Tang server
 * mostly answers, and no longer: other disks of the gateway, and its start, wait for him. */
enum { MOMENT = 3, FIRST_PAUSE = 5, LAST_PAUSE = 60 };

struct late_task {
    struct encryption *e;
    struct encryption_config config; /* `key` is its own: options may change meanwhile */
    struct header *header;           /* that is asked with; NULL: none is on the disk */
    bool at_once;                    /* else in a while */
};

static void task_destroy(struct late_task *t)
{
    if (!t)
        return;
    header_close(t->header);
    free((char *)(uintptr_t)t->config.key);
    free(t);
}

/* ---- turns ----------------------------------------------------------------------- */

static void hold(struct late *l)
{
    pthread_mutex_lock(&l->lock);
    l->held++;
    while (l->working)
        pthread_cond_wait(&l->changed, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

static void release(struct late *l)
{
    pthread_mutex_lock(&l->lock);
    l->held--;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

struct encryption *late_turn_begin(struct encryption *e)
{
    hold(&e->late);
    return e;
}

void late_turn_end(struct encryption *const *where)
{
    release(&(*where)->late);
}

void late_drain(struct encryption *e, bool begin)
{
    struct late *l = &e->late;

    if (l->drained == begin)
        return;
    l->drained = begin;
    if (begin)
        hold(l);
    else
        release(l);
}

/* The thread's side.  False: it shall stop. */
static bool begin_work(struct late *l)
{
    pthread_mutex_lock(&l->lock);
    l->answered = true;
    pthread_cond_broadcast(&l->changed);
    while (l->held && !l->stop)
        pthread_cond_wait(&l->changed, &l->lock);
    l->working = !l->stop;
    bool mine = l->working;
    pthread_mutex_unlock(&l->lock);
    return mine;
}

static void end_work(struct late *l)
{
    pthread_mutex_lock(&l->lock);
    l->working = false;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* ---- the thread ------------------------------------------------------------------ */

/* False: it shall stop. */
static bool pause_for(struct late *l, unsigned seconds)
{
    const uint64_t until = now_ns() + seconds * SECOND_NS;

    pthread_mutex_lock(&l->lock);
    while (!l->stop && !cond_wait_until(&l->changed, &l->lock, until))
        ;
    bool stop = l->stop;
    pthread_mutex_unlock(&l->lock);
    return !stop;
}

/* Before it asks: the disk may have got tokens, or a header, since, or it can be read now. */
static int look_again(struct late_task *t, char why[HEADER_WHY])
{
    header_close(t->header);
    t->header = NULL;
    int r = encryption_prepare(t->e, &t->config, why);
    return r || !t->e->header ? r : header_open(&t->e->medium, &t->header, why);
}

static void say_late(struct encryption *e, const char *why)
{
    static const char rest[] = ". It is tried again by itself.";
    char said[HEADER_WHY];
    size_t length = strlen(why);

    if (length && why[length - 1] == '.')
        length--;
    if (length > sizeof said - sizeof rest)
        length = sizeof said - sizeof rest;
    snprintf(said, sizeof said, "%.*s%s", (int)length, why, rest);
    encryption_stay_locked(e, said);
}

/* The header could not be read, or is none: true: it is to be tried again. */
static bool take_failure(struct encryption *e, int r, const char *why)
{
    const bool again = header_may_come(r);

    if (again)
        say_late(e, why);
    else
        encryption_lock(e, why);
    return again;
}

/* The answer, with the disk to itself: true: it is to be asked again. */
static bool take_answer(struct late_task *t, int r, bool first, const struct secret *key,
                        char why[HEADER_WHY])
{
    struct encryption *e = t->e;

    if (keys_may_come(r)) {
        say_late(e, why);
        return true;
    }
    if (!r && !first) { /* it may have taken a long time */
        r = encryption_prepare(e, &t->config, why);
        if (r)
            return take_failure(e, r, why);
    }
    if (!r)
        r = encryption_open(e, &t->config, key, why);
    if (r)
        encryption_lock(e, why);
    return false;
}

/* True: it is to be asked again. */
static bool ask_once(struct late_task *t, bool first)
{
    struct late *l = &t->e->late;
    char why[HEADER_WHY] = "";
    struct secret key = { 0 };
    bool again = false;

    if (!first) {
        if (!begin_work(l))
            return false;
        int r = look_again(t, why);
        if (r)
            again = take_failure(t->e, r, why);
        end_work(l);
        if (r)
            return again;
    }
    int r = encryption_ask(t->e, t->header, &t->config, &l->bell, &key, why);
    if (begin_work(l)) {
        again = take_answer(t, r, first, &key, why);
        end_work(l);
    }
    secret_clear(&key);
    return again;
}

static void *run(void *arg)
{
    struct late_task *t = arg;
    struct late *l = &t->e->late;
    bool first = t->at_once;
    unsigned pause = FIRST_PAUSE;

    while ((first || pause_for(l, pause)) && ask_once(t, first)) {
        if (!first)
            pause = 2 * pause < LAST_PAUSE ? 2 * pause : LAST_PAUSE;
        first = false;
    }
    pthread_mutex_lock(&l->lock);
    l->answered = l->ended = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- its beginning and end ------------------------------------------------------- */

static int start(struct encryption *e, const struct encryption_config *config, bool at_once,
                 char why[HEADER_WHY])
{
    struct late *l = &e->late;
    struct late_task *t = calloc(1, sizeof *t);
    int r = -ENOMEM;

    if (!t)
        return r;
    t->e = e;
    t->at_once = at_once;
    t->config = *config;
    t->config.key = strdup(config->key);
    if (t->config.key)
        r = at_once && e->header ? header_open(&e->medium, &t->header, why) : 0;
    if (!r) {
        l->stop = l->ended = l->answered = false; /* there is no thread yet */
        r = thread_start(&l->thread, run, t);
    }
    if (r) {
        task_destroy(t);
        return r;
    }
    l->task = t;
    l->running = true;
    return 0;
}

static void refuse_start(struct encryption *e, int r, const char *why)
{
    char said[HEADER_WHY];

    snprintf(said, sizeof said, "nobody can be set to ask for the key: %s; unlock asks for it",
             *why ? why : strerror(-r));
    encryption_lock(e, said);
}

/* What comes within a moment unlocks the disk before the caller goes on; how long that takes then
 * is another matter. */
static void await_answer(struct encryption *e)
{
    const uint64_t until = now_ns() + MOMENT * SECOND_NS;
    struct late *l = &e->late;

    pthread_mutex_lock(&l->lock);
    while (!l->answered && !cond_wait_until(&l->changed, &l->lock, until))
        ;
    bool late = !l->answered;
    l->held += late; /* so that it does not come while this says that it is late */
    while (l->working)
        pthread_cond_wait(&l->changed, &l->lock);
    pthread_mutex_unlock(&l->lock);
    if (!late)
        return;
    encryption_lock(e, "the key has not come yet: it is still asked for, and the disk is served "
                       "when it comes");
    release(l);
}

void late_begin(struct encryption *e, const struct encryption_config *config)
{
    char why[HEADER_WHY] = "";

    int r = start(e, config, true, why);
    if (r)
        refuse_start(e, r, why);
    else
        await_answer(e);
}

void late_again(struct encryption *e, const struct encryption_config *config)
{
    char why[HEADER_WHY] = "";
    struct encryption_view view;

    int r = start(e, config, false, why);
    encryption_look(e, &view);
    if (r)
        refuse_start(e, r, why);
    else
        say_late(e, view.why);
}

void late_stop(struct encryption *e)
{
    const uint64_t one = 1;
    uint64_t rings;
    struct late *l = &e->late;

    if (!l->running)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    (void)!write(l->bell, &one, sizeof one);
    pthread_join(l->thread, NULL);
    (void)!read(l->bell, &rings, sizeof rings); /* it is silent for the next one */
    task_destroy(l->task);
    l->task = NULL;
    l->running = false;
}

void late_apply(struct encryption *e, const struct encryption_config *config)
{
    struct late *l = &e->late;
    char why[HEADER_WHY] = "";

    pthread_mutex_lock(&l->lock);
    bool asks = l->running && !l->ended;
    pthread_mutex_unlock(&l->lock);
    if (!asks)
        return;
    late_stop(e);
    int r = start(e, config, true, why);
    if (r)
        refuse_start(e, r, why);
}

int late_init(struct late *l)
{
    l->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->bell < 0)
        return -errno;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    return 0;
}

void late_finish(struct encryption *e)
{
    struct late *l = &e->late;

    late_stop(e);
    close(l->bell);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
}
