/* ledger.c - who writes blocks that say who wrote them, and keeps a log of what it was told?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * ledger [OPTION…] LOG URI…        one URI for each disk; history.h has the form of the log, which
 * is continued where there is one
 *   --seconds N --ops N            how long; the lesser (default: until SIGTERM)
 *   --rate N                       operations a second at most
 *   --depth N --connections N      of each disk: in flight on a connection, and of these (8, 1)
 *   --pattern random|zipf|overlap|sequential    --span BYTES of each disk (all)
 *   --smallest BYTES --largest BYTES            of a request (4096, 65536)
 *   --flush P --fua P --trim P --zero P         chances (0.01, 0.02, 0.02, 0.02)
 *   --seed N
 *   --reconnect SECONDS            when a connection is lost: tries so long to have it back (0)
 *   --server-dies                  a lost connection means that the server is dead, and with it all
 *                                  that it was doing
 *
 * Exit: 0 done; 1 it cannot go on; 4 a connection was lost for good. */
#include "ledger.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static volatile sig_atomic_t told_to_stop; /* by a signal */

static void stop(int number)
{
    (void)number;
    told_to_stop = 1;
}

/* ---- one operation ----------------------------------------------------------------------------
 */

static int answered(void *arg, int *error)
{
    struct flight *f = arg;
    struct ledger *l = f->connection->ledger;

    if (*error == 0) {
        ledger_log(l, "a %" PRIu64 " %" PRIu64 "\n", f->id, ledger_now());
        l->acked++;
    } else if (*error == ENOTCONN || nbd_aio_is_dead(f->connection->nbd) ||
               nbd_aio_is_closed(f->connection->nbd)) {
        ledger_log(l, "l %" PRIu64 " %" PRIu64 "\n", f->id, ledger_now());
        l->lost++;
    } else {
        ledger_log(l, "e %" PRIu64 " %" PRIu64 " %d\n", f->id, ledger_now(), *error);
        l->refused++;
    }
    f->busy = false;
    f->connection->in_flight--;
    return 1; /* libnbd forgets it */
}

static int64_t issue(struct flight *f, const struct operation *op)
{
    struct nbd_handle *nbd = f->connection->nbd;
    nbd_completion_callback done = { .callback = answered, .user_data = f };
    uint32_t flags = op->fua ? LIBNBD_CMD_FLAG_FUA : 0;

    switch (op->kind) {
    case KIND_FLUSH:
        return nbd_aio_flush(nbd, done, 0);
    case KIND_TRIM:
        return nbd_aio_trim(nbd, op->length, op->offset, done, flags);
    case KIND_ZERO:
        return nbd_aio_zero(nbd, op->length, op->offset, done, flags);
    default:
        return nbd_aio_pwrite(nbd, f->data, op->length, op->offset, done, flags);
    }
}

static void fill(const struct ledger *l, const struct operation *op, struct flight *f, uint64_t now)
{
    for (uint64_t b = 0; b < op->length / LEDGER_BLOCK; b++)
        ledger_block_write(&(struct ledger_name){ .run = l->run,
                                                  .disk = op->disk,
                                                  .block = op->offset / LEDGER_BLOCK + b,
                                                  .id = (uint32_t)f->id,
                                                  .time = now },
                           f->data + b * LEDGER_BLOCK);
}

/* The line is in the file before the request is on its way. */
static void send_one(struct connection *c)
{
    struct ledger *l = c->ledger;
    struct flight *f = c->flights;
    struct operation op;
    uint64_t now = ledger_now();

    while (f->busy)
        f++;
    load_next(&l->load, c->disk, c->kinds, &op);
    f->id = ++l->last_id;
    if (op.kind == KIND_WRITE)
        fill(l, &op, f, now);
    ledger_log(l, "s %" PRIu64 " %" PRIu32 " %c %" PRIu64 " %" PRIu64 " %d %" PRIu64 "\n", f->id,
               op.disk, op.kind, op.offset, op.length, op.fua, now);
    ledger_log_flush(l);
    f->busy = true;
    c->in_flight++;
    l->sent++;
    if (issue(f, &op) < 0 && f->busy) /* else answered() was told */
        answered(f, &(int){ ENOTCONN });
}

/* ---- all of them -------------------------------------------------------------------------------
 */

/* When the next operation is due, in ns from now; NEVER: none is to be sent. */
static uint64_t due(const struct ledger *l, uint64_t now)
{
    if (told_to_stop || l->sent >= l->ops || now >= l->end)
        return NEVER;
    uint64_t at = l->rate ? l->begin + l->sent * 1000000000 / l->rate : 0;
    return at > now ? at - now : 0;
}

static bool send_some(struct ledger *l)
{
    bool full = false;

    while (!full && due(l, ledger_now()) == 0) {
        full = true;
        for (unsigned i = 0; i < l->connections && due(l, ledger_now()) == 0; i++) {
            struct connection *c = &l->connection[(i + l->sent) % l->connections];
            if (c->in_flight < l->depth && !connection_is_lost(c)) {
                send_one(c);
                full = false;
            }
        }
    }
    ledger_log_flush(l);
    return full;
}

static int run(struct ledger *l)
{
    for (;;) {
        unsigned in_flight = 0;
        bool full = send_some(l);
        for (unsigned i = 0; i < l->connections; i++)
            in_flight += l->connection[i].in_flight;
        uint64_t wait = due(l, ledger_now());
        if (wait == NEVER && !in_flight)
            return 0;
        connections_turn(l, full || wait == NEVER ? 1000 : (int)(wait / 1000000) + 1);
        int r = connections_mend(l, &told_to_stop);
        if (r)
            return r;
    }
}

/* ---- how it begins ------------------------------------------------------------------------------
 */

static int usage(void)
{
    fprintf(stderr, "usage: ledger --log FILE [OPTION…] URI…, see the head of ledger.c\n");
    return 1;
}

enum {
    LOG = 1,
    SECONDS,
    OPS,
    RATE,
    DEPTH,
    CONNECTIONS,
    PATTERN,
    SPAN,
    SMALLEST,
    LARGEST,
    FLUSH,
    FUA,
    TRIM,
    ZERO,
    SEED,
    RECONNECT,
    SERVER_DIES
};
static const struct option options[] = { { "log", 1, NULL, LOG },
                                         { "seconds", 1, NULL, SECONDS },
                                         { "ops", 1, NULL, OPS },
                                         { "rate", 1, NULL, RATE },
                                         { "depth", 1, NULL, DEPTH },
                                         { "connections", 1, NULL, CONNECTIONS },
                                         { "pattern", 1, NULL, PATTERN },
                                         { "span", 1, NULL, SPAN },
                                         { "smallest", 1, NULL, SMALLEST },
                                         { "largest", 1, NULL, LARGEST },
                                         { "flush", 1, NULL, FLUSH },
                                         { "fua", 1, NULL, FUA },
                                         { "trim", 1, NULL, TRIM },
                                         { "zero", 1, NULL, ZERO },
                                         { "seed", 1, NULL, SEED },
                                         { "reconnect", 1, NULL, RECONNECT },
                                         { "server-dies", 0, NULL, SERVER_DIES },
                                         { 0 } };

static bool take_option(struct ledger *l, int option, const char *value)
{
    double number = value ? strtod(value, NULL) : 0;
    double *const chances[] = { &l->load.flush, &l->load.fua, &l->load.trim, &l->load.zero };
    uint64_t *const numbers[] = { [OPS] = &l->ops,
                                  [RATE] = &l->rate,
                                  [SPAN] = &l->load.span,
                                  [SMALLEST] = &l->load.smallest,
                                  [LARGEST] = &l->load.largest };

    switch (option) {
    case LOG:
        l->log = value;
        return true;
    case SECONDS:
        l->end = ledger_now() + (uint64_t)(number * 1e9);
        return true;
    case DEPTH:
    case CONNECTIONS:
        *(option == DEPTH ? &l->depth : &l->per_disk) = (unsigned)number;
        return number >= 1;
    case OPS:
    case RATE:
    case SPAN:
    case SMALLEST:
    case LARGEST:
        *numbers[option] = strtoull(value, NULL, 10);
        return true;
    case PATTERN:
        l->load.pattern = (enum load_pattern)load_pattern_find(value);
        return load_pattern_find(value) >= 0;
    case FLUSH:
    case FUA:
    case TRIM:
    case ZERO:
        *chances[option - FLUSH] = number;
        return number >= 0 && number <= 1;
    case SEED:
        l->load.state = strtoull(value, NULL, 10) * 2 + 1;
        return true;
    case RECONNECT:
        l->reconnect = (uint64_t)(number * 1e9);
        return true;
    case SERVER_DIES:
        l->server_dies = true;
        return true;
    default:
        return false;
    }
}

static bool fits(const struct ledger *l)
{
    return l->load.smallest >= LEDGER_BLOCK && l->load.smallest % LEDGER_BLOCK == 0 &&
           l->load.largest >= l->load.smallest && l->load.largest % LEDGER_BLOCK == 0 &&
           l->load.span % LEDGER_BLOCK == 0 && l->load.span >= l->load.largest;
}

int main(int argc, char **argv)
{
    struct ledger l = { .load = { .smallest = LEDGER_BLOCK,
                                  .largest = 16 * LEDGER_BLOCK,
                                  .flush = 0.01,
                                  .fua = 0.02,
                                  .trim = 0.02,
                                  .zero = 0.02,
                                  .span = UINT64_MAX - LEDGER_BLOCK + 1,
                                  .state = 1 },
                        .depth = 8,
                        .per_disk = 1,
                        .ops = NEVER,
                        .end = NEVER,
                        .fd = -1 };

    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (!take_option(&l, o, optarg))
            return usage();
    if (!l.log || argc == optind || argc - optind > HISTORY_DISKS)
        return usage();
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    int status = ledger_open_log(&l, l.log) < 0 ||
                 connections_open(&l, argv + optind, (unsigned)(argc - optind)) < 0;
    if (status == 0 && !fits(&l)) {
        fprintf(stderr, "ledger: sizes are multiples of %d, and fit into the span\n", LEDGER_BLOCK);
        status = 1;
    }
    l.begin = ledger_now();
    if (status == 0)
        status = run(&l);
    printf("sent %" PRIu64 " acknowledged %" PRIu64 " refused %" PRIu64 " lost %" PRIu64
           " reconnected %" PRIu64 " in %.3f s\n",
           l.sent, l.acked, l.refused, l.lost, l.reconnected,
           (double)(ledger_now() - l.begin) / 1e9);
    connections_close(&l);
    ledger_close_log(&l);
    return status;
}
