/* peer.c - which gateways have a socket under RUN/ctl?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "control.h"
#include "peer-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct peer_places places; /* written before any thread starts */

/* The one list of gateways of this process. */
static struct {
    pthread_mutex_t lock; /* all below and each peer's refs; a peer's lock may follow */
    pthread_cond_t ended;
    struct peer **list; /* in name order, a reference each */
    size_t count;
    unsigned watchers;
    bool stopping, keeping;
    pthread_t keeper;
} peers = { .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER };

const struct peer_places *peer_places(void)
{
    return &places;
}

const char *peer_name(const struct peer *p)
{
    return p->name;
}

const char *peer_state_name(enum peer_state state)
{
    static const char *const names[] = { "running", "hanging", "dead" };

    return names[state];
}

enum peer_state peer_state(struct peer *p)
{
    hold_lock(&p->lock);

    return p->state;
}

bool peer_is_gone(struct peer *p)
{
    hold_lock(&p->lock);

    return p->gone;
}

void peer_owner(struct peer *p, uid_t *uid, gid_t *gid)
{
    cleanup_free char *path = NULL;
    struct stat st;

    if (asprintf(&path, "%s/ctl/%s.sock", places.run, p->name) < 0)
        path = NULL;
    bool known = path && stat(path, &st) == 0;
    *uid = known ? st.st_uid : geteuid();
    *gid = known ? st.st_gid : getegid();
}

/* ---- references -------------------------------------------------------------- */

static struct peer *peer_new(const char *name)
{
    struct peer *p = calloc(1, sizeof(*p));

    if (!p || !(p->name = strdup(name))) {
        free(p);
        return NULL;
    }
    p->refs = 1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->turn, NULL);
    return p;
}

static void peer_free(struct peer *p)
{
    peer_drop_idle(p);
    for (unsigned i = 0; i < REMEMBERED; i++)
        entries_finish(&p->had[i]);
    pthread_cond_destroy(&p->turn);
    pthread_mutex_destroy(&p->lock);
    free(p->name);
    free(p);
}

struct peer *peer_ref(struct peer *p)
{
    hold_lock(&peers.lock);

    p->refs++;
    return p;
}

void peer_unref(struct peer *p)
{
    unsigned left;

    if (!p)
        return;
    {
        hold_lock(&peers.lock);
        left = --p->refs;
    }
    if (!left)
        peer_free(p);
}

void peers_put(struct peer **list)
{
    for (size_t i = 0; list && list[i]; i++)
        peer_unref(list[i]);
    free(list);
}

/* ---- the list: peers.lock is held -------------------------------------------- */

static void mark_gone(struct peer *p)
{
    hold_lock(&p->lock);

    p->gone = true;
    p->state = PEER_DEAD;
    pthread_cond_broadcast(&p->turn);
}

/* A watcher is worth having, not needed: without one a hanging gateway stays so. */
static void start_watcher(struct peer *p)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    p->refs++;
    if (pthread_create(&thread, &attributes, peer_watch, p) == 0)
        peers.watchers++;
    else
        p->refs--;
    pthread_attr_destroy(&attributes);
}

void peer_watch_ended(struct peer *p)
{
    peer_unref(p);
    hold_lock(&peers.lock);
    peers.watchers--;
    pthread_cond_broadcast(&peers.ended);
}

static struct peer *known(const char *name)
{
    for (size_t i = 0; i < peers.count; i++)
        if (strcmp(peers.list[i]->name, name) == 0)
            return peers.list[i];
    return NULL;
}

/* Makes the list be `names`, or leaves it.  *dropped are references for the caller to
 * give up, with the lock released. */
static void adopt(char **names, struct peer ***dropped)
{
    size_t count = 0;

    while (names[count])
        count++;
    struct peer **list = calloc(count + 1, sizeof(struct peer *));
    if (!list)
        return;
    for (size_t i = 0; i < count; i++) {
        list[i] = known(names[i]);
        if (list[i])
            list[i]->refs++;
        else if ((list[i] = peer_new(names[i])) != NULL)
            start_watcher(list[i]);
        else {
            *dropped = list;
            return;
        }
    }
    *dropped = peers.list;
    peers.list = list;
    peers.count = count;
}

static bool listed(const struct peer *p)
{
    for (size_t i = 0; i < peers.count; i++)
        if (peers.list[i] == p)
            return true;
    return false;
}

static void scan(void)
{
    cleanup_free char **names = control_gateways(places.run);
    struct peer **dropped = NULL;

    if (!names)
        return;
    {
        hold_lock(&peers.lock);
        if (!peers.stopping)
            adopt(names, &dropped);
        for (size_t i = 0; dropped && dropped[i]; i++)
            if (!listed(dropped[i]))
                mark_gone(dropped[i]);
    }
    peers_put(dropped);
}

struct peer **peers_list(void)
{
    scan();
    hold_lock(&peers.lock);
    struct peer **list = calloc(peers.count + 1, sizeof(struct peer *));
    for (size_t i = 0; list && i < peers.count; i++) {
        list[i] = peers.list[i];
        list[i]->refs++;
    }
    return list;
}

struct peer *peer_find(const char *name)
{
    scan();
    hold_lock(&peers.lock);
    struct peer *p = known(name);
    if (p)
        p->refs++;
    return p;
}

/* ---- start and stop ---------------------------------------------------------- */

/* Notices gateways that come while nobody looks, for those who wait for events. */
static void *keep(void *unused)
{
    for (;;) {
        scan();
        const uint64_t until = clock_ns() + 1000000000;
        hold_lock(&peers.lock);
        if (!peers.stopping)
            clock_wait(&peers.ended, &peers.lock, until);
        if (peers.stopping)
            return unused;
    }
}

int peers_start(const char *run, unsigned timeout_ms)
{
    places = (struct peer_places){ strdup(run), timeout_ms };
    if (!places.run)
        return -ENOMEM;
    scan();
    int error = pthread_create(&peers.keeper, NULL, keep, NULL);
    peers.keeping = !error;
    return -error;
}

void peers_stop(void)
{
    struct peer **list;
    bool keeping;

    {
        hold_lock(&peers.lock);
        peers.stopping = true;
        keeping = peers.keeping;
        peers.keeping = false;
        list = steal(peers.list);
        peers.count = 0;
        for (size_t i = 0; list && list[i]; i++)
            mark_gone(list[i]);
        pthread_cond_broadcast(&peers.ended);
    }
    if (keeping)
        pthread_join(peers.keeper, NULL);
    peers_put(list);
    {
        hold_lock(&peers.lock);
        while (peers.watchers)
            pthread_cond_wait(&peers.ended, &peers.lock);
    }
    free(places.run);
    places.run = NULL;
}
