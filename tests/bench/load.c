/* load.c - what do several NBD clients get, each to the millisecond, at the same time?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     bench-load SECONDS CLIENT...
 *     CLIENT: socket=PATH[,export=NAME][,depth=N][,size=BYTES][,op=read|write|flush]
 *             [,span=BYTES][,every=US][,start=MS][,data=same|random]
 *
 * Each client is a thread with a connection of its own that keeps `depth` requests of
 * `size` in flight at random places of the first `span` bytes, or with `every` sends one
 * every so often, from `start` on; op=flush is a write, and then a flush, which alone is timed;
 * data=random: what is written is new each time, and nothing compresses it.  All begin together.
 * Prints JSON: when that was (CLOCK_MONOTONIC), and for each client what was answered in each 10
 * ms, when the first and the last, and how long each 1000th part took.  fio counts over its own run
 * only, and starts its jobs one after the other. */
#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLIENTS_MAX = 64, DEPTH_MAX = 1024, MS = 1000000, BIN = 10 * MS, PARTS = 1000 };
#define SECOND 1000000000ull

struct client {
    const char *socket, *export;
    unsigned depth, size;
    bool write, flush, fresh;
    uint64_t span, every, start; /* bytes; ns; ns */

    struct nbd_handle *nbd;
    struct request *written; /* it is to be flushed */
    char *data;
    pthread_t thread;
    uint64_t random;
    unsigned in_flight;
    uint64_t sent;
    uint32_t *bin;
    uint64_t *took; /* ns, of each answer */
    size_t done, room;
    uint64_t first, last; /* ns since the beginning: answers */
};

struct request {
    struct client *client;
    uint64_t sent;
    uint64_t fresh[]; /* what it writes, of a client that writes no other */
};

static uint64_t began, span_of_run;
static pthread_barrier_t ready;

static uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench-load: %s: %s\n", what, why);
    exit(1);
}

static void *must(void *memory)
{
    if (!memory)
        die("memory", "there is none");
    return memory;
}

/* ---- the command line -------------------------------------------------------- */

static void set(struct client *c, const char *key, char *value)
{
    uint64_t number = strtoull(value, NULL, 10);

    if (strcmp(key, "socket") == 0)
        c->socket = value;
    else if (strcmp(key, "export") == 0)
        c->export = value;
    else if (strcmp(key, "depth") == 0)
        c->depth = (unsigned)number;
    else if (strcmp(key, "size") == 0)
        c->size = (unsigned)number;
    else if (strcmp(key, "op") == 0)
        c->write = (c->flush = strcmp(value, "flush") == 0) || strcmp(value, "write") == 0;
    else if (strcmp(key, "span") == 0)
        c->span = number;
    else if (strcmp(key, "every") == 0)
        c->every = number * 1000;
    else if (strcmp(key, "start") == 0)
        c->start = number * MS;
    else if (strcmp(key, "data") == 0)
        c->fresh = strcmp(value, "random") == 0;
    else
        die(key, "is no key of a client");
}

static void parse(struct client *c, char *text)
{
    char *rest = NULL;

    *c = (struct client){ .export = "", .depth = 1, .size = 4096, .span = 64u << 20 };
    for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(word, '=');
        if (!value)
            die(word, "expected KEY=VALUE");
        *value++ = '\0';
        set(c, word, value);
    }
    if (!c->socket || !c->depth || c->depth > (c->flush ? 1 : DEPTH_MAX) || !c->size ||
        c->span < c->size)
        die("a client",
            "needs a socket, a depth to 1024 (flush: 1), a size, and a span not below it");
}

/* ---- one client -------------------------------------------------------------- */

static void check(struct client *c, int r)
{
    if (r < 0)
        die(c->socket, nbd_get_error());
}

static int answered(void *data, int *error)
{
    struct request *r = data;
    struct client *c = r->client;
    uint64_t now = clock_ns();

    if (*error)
        die(c->socket, strerror(*error));
    c->in_flight--;
    uint64_t at = now - began;
    if (at < span_of_run) {
        if (c->done == c->room) {
            c->room = c->room ? c->room * 2 : 4096;
            c->took = must(realloc(c->took, c->room * sizeof *c->took));
        }
        c->took[c->done++] = now - r->sent;
        c->bin[at / BIN]++;
        c->first = c->first ? c->first : at;
        c->last = at;
    }
    free(r);
    return 1;
}

/* The write before a flush: libnbd takes no command from in here. */
static int written(void *data, int *error)
{
    struct request *r = data;

    if (*error)
        die(r->client->socket, strerror(*error));
    r->client->written = r;
    return 1;
}

static void send_flush(struct client *c)
{
    nbd_completion_callback done = { .callback = answered, .user_data = c->written };

    c->written->sent = clock_ns();
    c->written = NULL;
    check(c, nbd_aio_flush(c->nbd, done, 0) < 0 ? -1 : 0);
}

static uint64_t next_random(struct client *c)
{
    c->random = c->random * 6364136223846793005u + 1442695040888963407u;
    return c->random;
}

static void send_one(struct client *c)
{
    const size_t words = c->fresh ? (c->size + sizeof(uint64_t) - 1) / sizeof(uint64_t) : 0;
    struct request *r = must(malloc(sizeof *r + words * sizeof *r->fresh));
    nbd_completion_callback done = { .callback = c->flush ? written : answered, .user_data = r };

    r->client = c;
    for (size_t i = 0; i < words; i++)
        r->fresh[i] = next_random(c);
    const void *data = c->fresh ? (const void *)r->fresh : c->data;
    uint64_t where = (next_random(c) >> 33) % (c->span / c->size) * c->size;
    r->sent = clock_ns();
    c->in_flight++;
    c->sent++;
    int64_t cookie = c->write ? nbd_aio_pwrite(c->nbd, data, c->size, where, done, 0)
                              : nbd_aio_pread(c->nbd, c->data, c->size, where, done, 0);
    check(c, cookie < 0 ? -1 : 0);
}

/* When the next is to be sent, since the beginning; those in time are sent. */
static uint64_t send_all(struct client *c)
{
    uint64_t now = clock_ns() - began;

    if (now < c->start)
        return c->start;
    if (c->written)
        send_flush(c);
    if (!c->every) {
        while (c->in_flight < c->depth)
            send_one(c);
        return span_of_run;
    }
    while (c->start + c->sent * c->every <= now && c->in_flight < c->depth)
        send_one(c);
    uint64_t next = c->start + c->sent * c->every;
    return next > now ? next : now + MS; /* behind: when something was answered */
}

/* What waits when the time is over is waited for, within bounds: nbdkit 1.32 can fail an
 * assertion when a client goes while several of its requests are being answered. */
static void finish_client(struct client *c)
{
    uint64_t patience = clock_ns() + 10 * SECOND;

    for (; c->in_flight && clock_ns() < patience; check(c, nbd_poll(c->nbd, 100)))
        if (c->written)
            send_flush(c);
    if (!c->in_flight)
        nbd_shutdown(c->nbd, 0);
}

static void *run_client(void *data)
{
    struct client *c = data;

    pthread_barrier_wait(&ready);
    for (uint64_t now; (now = clock_ns() - began) < span_of_run;) {
        uint64_t next = send_all(c);
        if (next > span_of_run)
            next = span_of_run;
        now = clock_ns() - began;
        check(c, nbd_poll(c->nbd, next > now ? (int)((next - now + MS - 1) / MS) : 0));
    }
    finish_client(c);
    return NULL;
}

static void begin_client(struct client *c, unsigned number)
{
    c->random = number * 7919 + 1;
    c->bin = must(calloc(span_of_run / BIN + 1, sizeof *c->bin));
    c->data = must(malloc(c->size));
    memset(c->data, 0xa5, c->size);
    c->nbd = must(nbd_create());
    check(c, nbd_set_export_name(c->nbd, c->export));
    check(c, nbd_connect_unix(c->nbd, c->socket));
    if (pthread_create(&c->thread, NULL, run_client, c))
        die("thread", "there is none");
}

/* ---- the result -------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void print_client(struct client *c)
{
    qsort(c->took, c->done, sizeof *c->took, compare);
    printf("{\"done\": %zu, \"first\": %" PRIu64 ", \"last\": %" PRIu64 ", \"bins\": [", c->done,
           c->first, c->last);
    for (size_t i = 0; i < span_of_run / BIN; i++)
        printf("%s%" PRIu32, i ? "," : "", c->bin[i]);
    printf("], \"took\": [");
    for (size_t i = 0; c->done && i < PARTS; i++)
        printf("%s%" PRIu64, i ? "," : "", c->took[i * c->done / PARTS]);
    printf("]}");
}

int main(int argc, char **argv)
{
    static struct client client[CLIENTS_MAX];
    int clients = argc - 2;

    if (clients < 1 || clients > CLIENTS_MAX || !(strtod(argv[1], NULL) > 0)) {
        fprintf(stderr, "usage: bench-load SECONDS CLIENT...; at most %d clients\n", CLIENTS_MAX);
        return 2;
    }
    span_of_run = (uint64_t)(strtod(argv[1], NULL) * 1e9);
    pthread_barrier_init(&ready, NULL, (unsigned)clients + 1);
    for (int i = 0; i < clients; i++) {
        parse(&client[i], argv[i + 2]);
        begin_client(&client[i], (unsigned)i);
    }
    began = clock_ns();
    pthread_barrier_wait(&ready);
    for (int i = 0; i < clients; i++)
        pthread_join(client[i].thread, NULL);
    printf("{\"began\": %" PRIu64 ", \"clients\": [", began);
    for (int i = 0; i < clients; i++) {
        printf("%s", i ? ", " : "");
        print_client(&client[i]);
    }
    printf("]}\n");
    return 0;
}
