/* wire.h - what do a wire and its connections know of each other?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef REPLICATION_WIRE_H
#define REPLICATION_WIRE_H

#include "link.h"

enum { CONNECTIONS = 16 };

struct job {
    struct job *next;
    enum wire_op op;
    void *data;
    size_t length;
    uint64_t offset;
    bool fua, completed;
    int error;
    void (*done)(void *arg, int error);
    void *arg;
};

struct connection {
    struct wire *wire;
    struct nbd_handle *handle; /* its thread's alone */
    int wake;
    pthread_t thread;
    /* with the wire's lock */
    struct job *queue, **last;
    unsigned load; /* jobs that are not answered */
    bool ready, ended;
    /* its thread's alone: */
    struct job *sent;
    uint64_t watched; /* ns: the peer_timeout that the kernel was told */
    uint64_t moved;   /* when a byte moved last, or there was nothing to wait for */
};

struct wire {
    struct link_setup setup;
    uint64_t size;
    bool multi;
    /* Guards what says so, here and in the connections; a leaf. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closing;
    char error[WHY];
    unsigned count;
    struct connection connections[CONNECTIONS];
};

/* Its thread; it says in `ready` or `ended`, by `changed`, what became of it. */
void *connection_main(void *connection);
void connection_wake(struct connection *);

#endif
