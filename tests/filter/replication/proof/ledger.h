/* ledger.h - what do the parts of the ledger know of each other?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One thread does everything, so that the order of the log is the order in which it happened. */
#ifndef TESTS_LEDGER_H
#define TESTS_LEDGER_H

#include <libnbd.h>
#include <poll.h>
#include <signal.h>

#include "ledger-block.h"
#include "ledger-load.h"

struct flight {
    struct connection *connection;
    uint64_t id;
    bool busy;
    uint8_t *data; /* of the largest request */
};

struct connection {
    struct ledger *ledger;
    uint32_t disk;
    const char *uri;
    char kinds[8]; /* what the server can do, as load_next() wants it */
    struct nbd_handle *nbd;
    unsigned in_flight;
    struct flight *flights; /* ledger.depth of them */
};

struct ledger {
    struct load load;
    unsigned depth, per_disk;
    uint64_t ops, rate, begin, end; /* begin, end: ns since 1970 */
    uint64_t reconnect;             /* ns */
    bool server_dies;
    struct connection *connection;
    unsigned connections;
    struct pollfd *poll; /* one for each */

    const char *log;
    int fd; /* of the log */
    char lines[65536];
    size_t length;
    uint64_t run, last_id;
    unsigned disks; /* that the log has */

    uint64_t sent, acked, refused, lost, reconnected;
};

/* ---- ledger-log.c ---- */
uint64_t ledger_now(void); /* ns since 1970 */
int ledger_open_log(struct ledger *, const char *path);
void ledger_log(struct ledger *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ledger_log_flush(struct ledger *); /* to the file; ends the process where it cannot */
void ledger_close_log(struct ledger *);

/* ---- ledger-connection.c ---- */
int connections_open(struct ledger *, char **uris, unsigned disks); /* 0, or -1 with a sentence */
void connections_close(struct ledger *);
bool connection_is_lost(const struct connection *);
/* Waits until something comes, `timeout` ms at most, and takes it. */
void connections_turn(struct ledger *, int timeout);
/* Has lost ones again, where that is wanted.  0; 4: it cannot. */
int connections_mend(struct ledger *, const volatile sig_atomic_t *told_to_stop);

#endif
