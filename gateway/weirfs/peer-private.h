/* peer-private.h - what do the registry, the calls and the watchers share of a gateway?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIRFS_PEER_PRIVATE_H
#define WEIRFS_PEER_PRIVATE_H

#include "peer.h"

#include <stdint.h>

struct control;
struct json_object;

enum {
    PEER_CALLS = 8,       /* at a time; more wait for their turn */
    PEER_SET_MS = 30000,  /* a policy may have to drain its exports */
    PEER_WATCH_MS = 1000, /* one wait for events */
    PEER_RETRY_MS = 300,  /* between two tries to reach a gateway */
};

/* The folders whose names are remembered: what a dead gateway had must not look as if
 * it never was, and a name held by two gateways must not mean one of them by chance. */
enum { REMEMBERED = 2 };
extern const char *const remembered_folders[REMEMBERED];

struct peer {
    char *name;
    unsigned refs; /* under peers.lock */

    /* All below; nothing else is taken under it but the events' lock. */
    pthread_mutex_t lock;
    pthread_cond_t turn; /* a call ended or the state changed */
    enum peer_state state;
    bool gone; /* its socket is: the watcher ends */
    unsigned calls;
    size_t idle_count;
    struct control *idle[PEER_CALLS]; /* connections that nobody uses */
    struct entries had[REMEMBERED];
    uint64_t last_event; /* the number of the newest that we have */
    long pid;            /* that last_event belongs to */
};

/* Where gateways are looked for; set once at the start. */
struct peer_places {
    char *run;
    unsigned timeout_ms;
};
const struct peer_places *peer_places(void);

/* Sends `request` and gives it up.  `again`: asking twice does no harm, so that a
 * connection which was kept may be tried first.  0 and *answer ("ok":true), or -errno
 * and the sentence. */
int peer_ask(struct peer *, struct json_object *request, unsigned timeout_ms, bool again,
             struct json_object **answer, struct refusal *);
/* What an error of control_connect() or control_call() says about the gateway. */
int peer_failed(struct peer *, int error);
void peer_answered(struct peer *);
void peer_drop_idle(struct peer *); /* closes kept connections */

struct json_object *peer_request(const char *op, const char *path);
int peer_entries(struct json_object *answer, struct entries *ret);

/* watch.c: the thread of one peer, which owns a reference. */
void *peer_watch(void *peer);
bool peer_is_gone(struct peer *);
void peer_watch_ended(struct peer *); /* in peer.c: the registry counts them */

#endif
