/* sim.h - what would a datastore and its clients do, to the ns, in no time?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A datastore of some servers with one queue, clients that keep so many requests in
 * flight or send one every so often, and the scheduler between them. */
#ifndef SIM_H
#define SIM_H

#include "scheduler.h"

enum { SIM_CLIENTS = 10000, MS = 1000000 };
#define S 1000000000ull

struct sim_request {
    struct item item;    /* first */
    struct heap_node at; /* when it comes, or is done */
    struct sim_client *from;
    bool running;
};

struct sim_client {
    struct disk disk;
    struct disk_settings set;
    unsigned depth;    /* requests that it keeps in flight … */
    uint64_t interval; /* … or ns from one to the next: with depth 1 it waits for its answer */
    uint64_t starts;   /* ns */
    uint64_t size;     /* bytes; 0: 4 KiB */
    uint64_t done, bytes, latency; /* requests; sum of ns */
    uint64_t first_done, last_done;
    struct sim_request *request;
};

struct sim {
    struct scheduler scheduler;
    uint64_t now;
    uint64_t service; /* ns per 32 KiB */
    unsigned servers;
    uint64_t *free; /* when each server is */
    struct heap events;
    size_t clients;
    struct sim_client client[SIM_CLIENTS];
};

struct sim *sim_create(unsigned servers, uint64_t service, unsigned window);
void sim_destroy(struct sim *);
struct sim_client *sim_add(struct sim *, const struct sim_client *);
void sim_run(struct sim *, uint64_t until);
void sim_forget(struct sim *); /* the counts begin anew */

#endif
