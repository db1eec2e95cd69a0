/* sim.c - what would a datastore and its clients do, to the ns, in no time?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sim.h"

#include <math.h>
#include <stdlib.h>

enum { PERIOD = 10 * MS };

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
    sim->random = 88172645463325252;
    sim->server = calloc(servers, sizeof *sim->server);
    must(sim->server && heap_reserve(&sim->free, servers));
    for (unsigned i = 0; i < servers; i++)
        heap_put(&sim->free, &sim->server[i].at, 0);
    sim->now = S; /* any time will do */
    sim->tick = UINT64_MAX;
    return sim;
}

void sim_destroy(struct sim *sim)
{
    for (size_t i = 0; i < sim->clients; i++) {
        free(sim->client[i].request);
        free(sim->client[i].each);
    }
    scheduler_finish(&sim->scheduler);
    heap_finish(&sim->events);
    heap_finish(&sim->free);
    free(sim->server);
    free(sim);
}

struct sim_client *sim_add(struct sim *sim, const struct sim_client *like)
{
    struct sim_client *c = &sim->client[sim->clients++];

    *c = *like;
    c->size = c->size ? c->size : 4096;
    c->depth = c->depth ? c->depth : 1;
    c->stops = c->stops ? sim->now + c->stops : UINT64_MAX;
    c->request = calloc(c->depth, sizeof *c->request);
    if (c->room)
        must((c->each = calloc(c->room, sizeof *c->each)));
    sim->requests += c->depth;
    must(c->request && heap_reserve(&sim->events, sim->requests));
    if (!c->outside) {
        must(scheduler_add(&sim->scheduler, &c->disk));
        scheduler_set(&sim->scheduler, &c->disk, &c->set, sim->now);
    }
    for (unsigned i = 0; i < c->depth; i++) {
        c->request[i].from = c;
        heap_put(&sim->events, &c->request[i].at, sim->now + c->starts);
    }
    return c;
}

/* ---- the datastore ----------------------------------------------------------- */

/* Marsaglia's xorshift64: from 0 to 1, neither of them. */
static double chance(struct sim *sim)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return ((double)(sim->random >> 12) + 0.5) / 4503599627370496.0;
}

static uint64_t service_of(struct sim *sim, const struct sim_request *r)
{
    unsigned op = r->op == COST_WRITE;
    double ns = sim->service ? (double)sim->service * r->item.units
                             : sim->op_ns[op] + sim->byte_ns[op] * (double)r->bytes;

    if (sim->slower > 0)
        ns *= sim->slower;
    if (sim->exponential)
        ns *= -log(chance(sim));
    return (uint64_t)(ns + 0.5);
}

static void serve(struct sim *sim, struct sim_request *r)
{
    struct heap_node *n = heap_first(&sim->free);

    if (sim->channels)
        n = &sim->server[(size_t)(chance(sim) * sim->servers)].at;
    uint64_t start = n->key > sim->now ? n->key : sim->now;
    uint64_t end = start + service_of(sim, r);
    heap_remove(&sim->free, n);
    heap_put(&sim->free, n, end);
    r->running = true;
    heap_put(&sim->events, &r->at, end);
}

/* ---- clients ----------------------------------------------------------------- */

static void choose(struct sim *sim, struct sim_request *r)
{
    const struct sim_client *c = r->from;
    unsigned writes = c->writes;

    if (c->phase && sim->now / MS / c->phase % 2)
        writes = 100 - writes;
    r->bytes = c->other_size && chance(sim) < 0.5 ? c->other_size : c->size;
    r->op = writes && chance(sim) * 100 < writes ? COST_WRITE : COST_READ;
}

static void arrive(struct sim *sim, struct sim_request *r)
{
    struct sim_client *c = r->from;

    if (sim->now >= c->stops)
        return;
    choose(sim, r);
    uint32_t units = (uint32_t)((r->bytes + 32767) / 32768);
    uint32_t load = sim->cost ? cost_of(sim->cost, r->op, r->bytes) : units * LOAD_ONE;
    r->came = sim->now;
    if (!c->outside && !c->disk.running && !c->disk.queued &&
        sim->scheduler.in_flight > sim->scheduler.window / 4 * 3)
        sim->light = sim->now + S;
    r->item = (struct item){
        .disk = &c->disk, .when = sim->now, .bytes = r->bytes, .units = units, .load = load
    };
    if (c->outside || scheduler_submit(&sim->scheduler, &r->item, sim->now))
        serve(sim, r);
}

static void measure(struct sim *sim, const struct sim_request *r)
{
    uint64_t latency = sim->now - r->item.when;
    uint32_t load = r->item.load > LOAD_ONE ? r->item.load : LOAD_ONE;

    sim->sample.ios++;
    sim->spent.latency += latency;
    sim->sample.units += r->item.units;
    sim->sample.load += r->item.load;
    sim->sample.latency += latency * LOAD_ONE / load;
    sim->spent.op[r->op].count++;
    sim->spent.op[r->op].bytes += r->bytes;
}

static void finish(struct sim *sim, struct sim_request *r)
{
    struct sim_client *c = r->from;

    r->running = false;
    if (c->room && c->done < c->room)
        c->each[c->done] = sim->now - r->came;
    c->done++;
    c->bytes += r->bytes;
    c->latency += sim->now - r->item.when;
    c->waited += r->item.when - r->came;
    c->first_done = c->first_done ? c->first_done : sim->now;
    c->last_done = sim->now;
    if (!c->outside) {
        measure(sim, r);
        scheduler_complete(&sim->scheduler, &r->item, sim->now);
    }
    heap_put(&sim->events, &r->at, sim->now + c->interval);
}

/* ---- the control loop -------------------------------------------------------- */

void sim_control(struct sim *sim, struct window *w, struct cost *cost)
{
    sim->window = w;
    sim->cost = cost;
    sim->tick = sim->now + PERIOD;
    sim->held = sim->waiting = 0;
    sim->sample = (struct window_sample){ 0 };
    sim->spent = (struct cost_sample){ 0 };
}

static void control(struct sim *sim)
{
    sim->tick += PERIOD;
    sim->sample.span = sim->spent.span = PERIOD;
    sim->sample.in_flight = sim->held / PERIOD;
    sim->sample.outstanding = sim->scheduler.in_flight;
    sim->sample.waited = sim->waiting > PERIOD / 2;
    if (sim->sample.ios)
        sim->spent.latency /= sim->sample.ios;
    if (sim->cost && sim->waiting > PERIOD * 9 / 10)
        cost_learn(sim->cost, &sim->spent);
    else if (sim->cost)
        cost_break(sim->cost);
    if (sim->window) {
        window_feed(sim->window, &sim->sample);
        window_split(sim->window, 0, sim->now < sim->light, &sim->scheduler.window,
                     &sim->scheduler.spare);
    }
    sim->held = sim->waiting = 0;
    sim->sample = (struct window_sample){ 0 };
    sim->spent = (struct cost_sample){ 0 };
}

static void pass_time(struct sim *sim, uint64_t to)
{
    sim->held += sim->scheduler.in_flight * (to - sim->now);
    if (sim->scheduler.turns.count)
        sim->waiting += to - sim->now;
    sim->now = to;
}

/* ---- time -------------------------------------------------------------------- */

static uint64_t next_moment(const struct sim *sim)
{
    const struct heap_node *n = heap_first(&sim->events);
    uint64_t when = scheduler_when(&sim->scheduler);

    if (n && n->key < when)
        when = n->key;
    return sim->tick < when ? sim->tick : when;
}

static void let_go(struct sim *sim)
{
    for (struct item *i; (i = scheduler_next(&sim->scheduler, sim->now));)
        serve(sim, (struct sim_request *)i);
}

static void handle(struct sim *sim, struct heap_node *n)
{
    struct sim_request *r = (struct sim_request *)((char *)n - offsetof(struct sim_request, at));

    heap_remove(&sim->events, n);
    if (r->running)
        finish(sim, r);
    else
        arrive(sim, r);
}

void sim_run(struct sim *sim, uint64_t until)
{
    uint64_t end = sim->now + until;

    let_go(sim);
    for (uint64_t next; (next = next_moment(sim)) < end;) {
        if (next > sim->now)
            pass_time(sim, next);
        struct heap_node *n = heap_first(&sim->events);
        if (n && n->key <= sim->now)
            handle(sim, n);
        else if (sim->tick <= sim->now)
            control(sim);
        let_go(sim);
    }
    pass_time(sim, end);
}

void sim_forget(struct sim *sim)
{
    for (size_t i = 0; i < sim->clients; i++) {
        struct sim_client *c = &sim->client[i];
        c->done = c->bytes = c->latency = c->waited = c->first_done = c->last_done = 0;
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

uint64_t sim_percentile(struct sim_client *c, double percent)
{
    size_t n = c->done < c->room ? c->done : c->room;

    must(n);
    qsort(c->each, n, sizeof *c->each, compare);
    return c->each[(size_t)((double)(n - 1) * percent / 100)];
}
