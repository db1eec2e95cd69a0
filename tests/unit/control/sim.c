/* sim.c - what would a datastore and its clients do, to the ns, in no time?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sim.h"

#include <stdlib.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

struct sim *sim_create(unsigned servers, uint64_t service, unsigned window)
{
    struct sim *sim = calloc(1, sizeof *sim);

    must(sim);
    scheduler_init(&sim->scheduler);
    sim->scheduler.window = window * LOAD_ONE;
    sim->scheduler.spare = LOAD_ONE;
    sim->servers = servers;
    sim->service = service;
    sim->free = calloc(servers, sizeof *sim->free);
    must(sim->free);
    sim->now = S; /* any time will do */
    return sim;
}

void sim_destroy(struct sim *sim)
{
    for (size_t i = 0; i < sim->clients; i++)
        free(sim->client[i].request);
    scheduler_finish(&sim->scheduler);
    heap_finish(&sim->events);
    free(sim->free);
    free(sim);
}

struct sim_client *sim_add(struct sim *sim, const struct sim_client *like)
{
    struct sim_client *c = &sim->client[sim->clients++];

    *c = *like;
    c->size = c->size ? c->size : 4096;
    c->depth = c->depth ? c->depth : 1;
    c->request = calloc(c->depth, sizeof *c->request);
    must(c->request && scheduler_add(&sim->scheduler, &c->disk) &&
         heap_reserve(&sim->events, sim->events.count + c->depth));
    scheduler_set(&sim->scheduler, &c->disk, &c->set, sim->now);
    for (unsigned i = 0; i < c->depth; i++) {
        c->request[i].from = c;
        heap_put(&sim->events, &c->request[i].at, sim->now + c->starts);
    }
    return c;
}

static void serve(struct sim *sim, struct sim_request *r)
{
    unsigned server = 0;

    for (unsigned i = 1; i < sim->servers; i++)
        if (sim->free[i] < sim->free[server])
            server = i;
    uint64_t start = sim->free[server] > sim->now ? sim->free[server] : sim->now;
    sim->free[server] = start + sim->service * r->item.units;
    r->running = true;
    heap_put(&sim->events, &r->at, sim->free[server]);
}

static void arrive(struct sim *sim, struct sim_request *r)
{
    struct sim_client *c = r->from;
    uint32_t units = (uint32_t)((c->size + 32767) / 32768);

    r->item = (struct item){
        .disk = &c->disk, .bytes = c->size, .units = units, .load = units * LOAD_ONE
    };
    if (scheduler_submit(&sim->scheduler, &r->item, sim->now))
        serve(sim, r);
}

static void finish(struct sim *sim, struct sim_request *r)
{
    struct sim_client *c = r->from;

    r->running = false;
    c->done++;
    c->bytes += c->size;
    c->latency += sim->now - r->item.when;
    c->first_done = c->first_done ? c->first_done : sim->now;
    c->last_done = sim->now;
    scheduler_complete(&sim->scheduler, &r->item, sim->now);
    heap_put(&sim->events, &r->at, sim->now + c->interval);
}

void sim_run(struct sim *sim, uint64_t until)
{
    uint64_t end = sim->now + until;

    for (struct item *i; (i = scheduler_next(&sim->scheduler, sim->now));)
        serve(sim, (struct sim_request *)i);
    for (;;) {
        struct heap_node *n = heap_first(&sim->events);
        uint64_t when = scheduler_when(&sim->scheduler);
        uint64_t next = n && n->key < when ? n->key : when;
        if (next >= end)
            break;
        sim->now = next > sim->now ? next : sim->now;
        if (n && n->key <= sim->now) {
            struct sim_request *r =
                (struct sim_request *)((char *)n - offsetof(struct sim_request, at));
            heap_remove(&sim->events, n);
            if (r->running)
                finish(sim, r);
            else
                arrive(sim, r);
        }
        for (struct item *i; (i = scheduler_next(&sim->scheduler, sim->now));)
            serve(sim, (struct sim_request *)i);
    }
    sim->now = end;
}

void sim_forget(struct sim *sim)
{
    for (size_t i = 0; i < sim->clients; i++) {
        struct sim_client *c = &sim->client[i];
        c->done = c->bytes = c->latency = c->first_done = c->last_done = 0;
    }
}
