/* sim.h - what would a datastore and its clients do, to the ns, in no time?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A datastore of some servers with one queue (or one queue each), clients that keep so
 * many requests in flight or send one every so often, and the scheduler between them.
 * After sim_control() what the datastore does is measured, and the window follows. */
#ifndef SIM_H
#define SIM_H

#include "cost.h"
#include "scheduler.h"
#include "window.h"

enum { SIM_CLIENTS = 10000, MS = 1000000 };
#define S 1000000000ull

struct sim_request {
    struct item item;    /* first */
    struct heap_node at; /* when it comes, or is done */
    struct sim_client *from;
    uint64_t came;
    uint64_t bytes;
    enum cost_op op;
    bool running;
};

struct sim_client {
    struct disk disk;
    struct disk_settings set;
    unsigned depth;    /* requests that it keeps in flight … */
    uint64_t interval; /* … or ns from one to the next: with depth 1 it waits for its answer */
    uint64_t starts, stops;    /* ns from the moment it is added; 0: at once, never */
    uint64_t size, other_size; /* bytes; 0: 4 KiB; not 0: half of the requests are so large */
    unsigned writes;           /* percent */
    unsigned phase;            /* not 0: of so many ms of both, one half is as many writes */
    bool outside;              /* its requests do not pass the scheduler */
    uint64_t done, bytes;      /* requests */
    uint64_t latency, waited;  /* sums of ns: in the datastore, and before it */
    uint64_t first_done, last_done;
    uint64_t *each; /* the whole time of each request, as far as there is `room` */
    size_t room;
    struct sim_request *request;
};

struct sim {
    struct scheduler scheduler;
    uint64_t now;

    /* the datastore; all may change at any time */
    uint64_t service;  /* ns per 32 KiB; or, if it is 0: */
    double op_ns[2];   /* what a read, a write takes whatever its size … */
    double byte_ns[2]; /* … and for each byte */
    double slower;     /* times; 0: 1 */
    bool exponential;  /* service times have that distribution and the mean above */
    bool channels;     /* each request belongs to one of the servers, by chance */
    uint64_t random;   /* never 0 */
    unsigned servers;
    struct sim_server {
        struct heap_node at; /* when it is free */
    } * server;
    struct heap free;

    /* the control loop, every 10 ms */
    struct window *window; /* NULL: the scheduler's stays as it is */
    struct cost *cost;     /* NULL: the rule of 32 KiB */
    struct window_sample sample;
    struct cost_sample spent;
    uint64_t tick, held, waiting; /* ns; load x ns; ns in which somebody waited */
    uint64_t light;               /* ns: until then a disk that asks for little is at work */

    struct heap events;
    size_t clients, requests;
    struct sim_client client[SIM_CLIENTS];
};

struct sim *sim_create(unsigned servers, uint64_t service, unsigned window);
void sim_destroy(struct sim *);
void sim_control(struct sim *, struct window *, struct cost *);
struct sim_client *sim_add(struct sim *, const struct sim_client *);
void sim_run(struct sim *, uint64_t until);
void sim_forget(struct sim *); /* the counts begin anew */
/* Of the whole times in `each`, in ns. */
uint64_t sim_percentile(struct sim_client *, double percent);

#endif
