/* store-nbd.h - what do the parts of the NBD store know about a far disk?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   worker threads ─► pool ─► connection 0 … connection N ─► far server ◄─ keeper (command = …)
 *
 * A worker sends its request itself on the connection that is least busy and waits; the
 * connection's own thread takes in the answers, and connects again when the connection is lost. */
#ifndef WEIR_STORE_NBD_H
#define WEIR_STORE_NBD_H

#include "store.h"

#include <libnbd.h>
#include <pthread.h>
#include <semaphore.h>

enum { CONNECTIONS_MAX = 16, CONNECTIONS_USUAL = 4, PIECE_MAX = 32 << 20 };

struct nbd_config {
    const char *uri, *command, *path;
    int64_t connections;
    uint64_t reconnect_delay, retry_timeout, timeout; /* ns */
    uint64_t keep_unflushed;                          /* bytes */
};

/* What the far server says of its disk. */
struct traits {
    uint64_t size;
    uint32_t block_min, block_preferred, block_max;
    bool read_only, flush, fua, trim, zero, fast_zero, cache, multi, extents, rotational;
};

/* One connection. */
struct connection {
    struct nbd_store *store;
    pthread_t thread;
    bool started;
    int wake;                  /* an eventfd that the connection's thread polls */
    atomic_bool kick;          /* the connection is to be cut */
    struct nbd_handle *handle; /* changes only while `users` is 0 and `ready` is not set */
    /* guarded by the store's lock */
    bool ready;     /* requests may be sent */
    unsigned users; /* requests that use the handle now */
};

/* A write, zero or trim that was answered but not yet flushed; see store-nbd-unflushed.c. */
struct unflushed;
struct kept {
    struct unflushed *first, **last;
    uint64_t bytes, newest; /* newest: the number of the last one that was added */
    bool flushing;
};

struct nbd_store {
    const struct nbd_config *config;
    char *image, *uri, *export;
    struct server *server; /* NULL: not ours to start */
    struct traits traits;  /* fixed once the first connection is up */

    /* The lock guards everything below and `ready` and `users` of the connections.  Innermost
     * but for libnbd's own; nothing is sent and nobody is waited for under it. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t count; /* of connections */
    unsigned next, ready, in_flight;
    bool opened, first_failed, closing;
    uint64_t losses;   /* of connections */
    bool recovering;   /* a connection sends again what is kept */
    bool must_recover; /* a connection was lost: what is kept must be sent before anything else */
    bool loss_told;    /* an event said that a connection was lost, none that it is back */
    bool locked;       /* the far disk is not the one that it was; for good */
    bool lost;         /* the far server failed a flush; for good */
    uint64_t stopped_since; /* no request can run; 0: they can */
    char last_error[256];
    struct kept kept;
    struct connection connections[CONNECTIONS_MAX];
};

/* ---- store-nbd-target.c: what the options mean for one image ------------------ */

int target_uri(const char *uri, const char *image, char **ret, struct weir_text *why);
/* A command in words; quotes group, nothing else is special.  NULL-terminated, one
 * free_words(). */
int target_words(const char *command, const char *image, char ***ret, struct weir_text *why);
bool target_names_image(const char *text);
void free_words(char **words); /* NULL is fine */

/* ---- store-nbd-command.c: a far server of our own ------------------------------- */

/* Starts `words` under socket activation in `folder` and starts it again whenever it
 * ends.  `ended` is called, on a thread of the server's, after each end. */
int server_start(char **words, const char *folder, uint64_t longest_pause, void (*ended)(void *),
                 void *arg, struct server **ret, struct weir_text *why);
int server_connect(struct server *); /* a connected socket, or -errno */
/* true once it has ended; says how, in words, the last time. */
bool server_has_ended(struct server *, struct weir_text *how);
void server_stop(struct server *); /* NULL is fine */

/* ---- store-nbd-connection.c ------------------------------------------------------------- */

int connection_start(struct nbd_store *, struct connection *);
void connection_stop(struct connection *); /* after `closing` is set */
void connection_wake(struct connection *);
bool connection_is_down(const struct connection *);
/* Waits for one command that the connection's own thread has sent.  0 or -errno; -ENOTCONN:
 * the connection is down, or the store closes. */
int connection_finish(struct connection *, int64_t cookie);

/* ---- store-nbd-pool.c --------------------------------------------------------------- */

struct job {
    enum weir_op op;
    uint32_t flags; /* of weir_request */
    void *data;
    uint64_t offset, length;
    int error; /* positive errno of the last try */
    sem_t done;
    uint32_t *extents; /* pairs of length and type, as they came; malloc'ed */
    size_t extent_words;
};

/* Sends, waits, and sends again whenever the connection is lost.  0 or -errno. */
int pool_run(struct nbd_store *, struct job *);
void pool_set_ready(struct connection *, bool ready); /* takes the lock */
void pool_judge(struct nbd_store *);                  /* under the lock: can requests run? */

/* ---- store-nbd-serve.c ---------------------------------------------------------------- */

int nbd_store_serve(void *self, struct weir_request *);

/* ---- store-nbd-unflushed.c: what a crash of the far server might take ------------- */

/* All but replay are called with the store's lock held. */
int kept_add(struct nbd_store *, const struct job *);
void kept_forget(struct nbd_store *, uint64_t upto);
void kept_finish(struct nbd_store *);
/* Sends all again, in order, on a connection that nobody else uses yet. */
int kept_replay(struct nbd_store *, struct connection *);

#endif
