/* link.h - what carries frames to the target?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A link is open or it is not: when one of its connections is lost, all that is under way on it
 * ends with ENOTCONN, and whoever uses it closes it and opens another. */
#ifndef REPLICATION_LINK_H
#define REPLICATION_LINK_H

#include "replication.h"

struct link_setup {
    const struct replication_config *config; /* what is not LIVE of it */
    const _Atomic uint64_t *peer_timeout;    /* ns */
    const char *uri;                         /* of the log export, or of the plain disk */
    void *arg;
    /* On a thread of the link's; no lock is held.  0: received; with fua, and of a flush: durable;
     * else a positive errno of NBD, or ENOTCONN: the connection is lost, it may or may not have
     * arrived. */
    void (*done)(void *arg, uint64_t ticket, int error);
    /* A plain target holds something else there than a VERIFY says; the same thread. */
    void (*differs)(void *arg, unsigned disk, uint64_t offset, uint64_t length);
};
int link_open(const struct link_setup *, struct link **ret, char why[WHY]);
void link_close(
    struct link *); /* what is in flight gets its done() before it returns; NULL is fine */
/* The bytes stay valid until done().  0, or -errno and done() never runs. */
int link_send(struct link *, uint64_t ticket, const void *frame, size_t length, uint64_t position,
              bool fua);
int link_flush(struct link *, uint64_t ticket);
/* These wait, at most peer_timeout.  0 or -errno; a plain target has no status: -ENOTSUP.
 */
int link_status(struct link *, struct status *, char why[WHY]);
int link_command(struct link *, const struct command *, const struct frame_key *);
/* Of a disk of `size` bytes: the whole bitmap, as page.h has it, which the caller frees. */
int link_needs(struct link *, unsigned disk, uint64_t size, uint8_t **bits, size_t *bytes);
/* Of a primary.  0: done() runs once, with 0 or a positive errno; or -errno and it never does. */
int link_read_head(struct link *, unsigned disk, void *data, size_t length, uint64_t offset,
                   void (*done)(void *arg, int error), void *arg);

/* ---- wire.c: NBD connections, used by both kinds -------------------------------------------- */

enum wire_op { WIRE_WRITE, WIRE_READ, WIRE_FLUSH, WIRE_ZERO, WIRE_TRIM };

struct wire;
/* Opens config->connections connections, fewer where the server does not allow several. */
int wire_open(const struct link_setup *, struct wire **ret, char why[WHY]);
void wire_close(struct wire *);
uint64_t wire_size(const struct wire *);
/* done() runs once, on a thread of the wire's.  0, or -errno and it never does. */
int wire_start(struct wire *, enum wire_op, void *data, size_t length, uint64_t offset, bool fua,
               void (*done)(void *arg, int error), void *arg);
/* Waits for the answer, at most peer_timeout (-ETIMEDOUT). */
int wire_run(struct wire *, enum wire_op, void *data, size_t length, uint64_t offset, bool fua);

struct link_type {
    int (*open)(const struct link_setup *, struct link **ret, char why[WHY]);
    void (*close)(struct link *);
    int (*send)(struct link *, uint64_t ticket, const void *frame, size_t length, uint64_t position,
                bool fua);
    int (*flush)(struct link *, uint64_t ticket);
};
struct link { /* the first member of either */
    const struct link_type *type;
    struct wire *wire;
    struct link_setup setup;
};
extern const struct link_type link_vault, link_plain;

#endif
