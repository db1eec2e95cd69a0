/* replication.h - what do the parts of the source side know of each other?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   requests ─► request.c ─► stream.c ─► ring.c ─► sender.c ─► link-log.c / link-plain.c ─► target
 *                  │             ▲                    │ spill.c
 *                  └─► map.h ────┴── copier.c         └─► acknowledgements: map, waiting requests
 *
 * A disk belongs to a group; the disks of one group share one order (LSN), one log and one
 * target.  A write gets its LSN in up(), when the store has it and before its client is told, under
 * the byte range that the core holds for it: so overlapping writes have the same order here and
 * there, and a write that was acknowledged before another began has the lower LSN.
 *
 * Whatever the reason for which the target lacks something (it is new, the source crashed, the ring
 * was full, a verify found a difference), it is a dirty granule of the map; copier.c reads granules
 * under the write order and puts them into the stream as records like any other, in LSN order.  So
 * there is one way to catch up, it needs neither a snapshot nor a copy before a write, a write to a
 * granule that is dirty still need not be sent, and the first frame after the last dirty granule is
 * state(k) again.  Until then frames are PART: the target applies them as one set. */
#ifndef REPLICATION_H
#define REPLICATION_H

#include "frame.h"
#include "generation.h"
#include "map.h"
#include "page.h"

#include <pthread.h>

enum mode { MODE_ASYNC, MODE_SYNC, MODE_SYNC_DURABLE };
enum without_peer { SUSPEND, DEGRADE };
enum target_type { TARGET_VAULT, TARGET_PLAIN };

struct replication_config {
    const char *target, *group, *key, *spill_folder;
    int target_type, mode, without_peer, compression;
    uint64_t ring, spill, frame, mark_every, bandwidth, resync_bandwidth, reconnect_delay,
        peer_timeout;
    int64_t connections;
};

struct replication_stats {
    weir_counter frames, sent_bytes, raw_bytes, reconnects, copied_bytes, intents, waited;
    struct weir_histogram ack;
};

/* ---- link.h: what carries frames ---------------------------------------------------------------
 */

struct link;
struct link_setup {
    const struct replication_config *config;
    const char *uri; /* of the log export, or of the plain disk */
    void *arg;
    /* On the link's thread; no lock is held.  0: received; with fua: durable; else a positive errno
     * of NBD, or ENOTCONN: the connection is lost, it may or may not have arrived. */
    void (*done)(void *arg, uint64_t ticket, int error);
};
int link_open(const struct link_setup *, struct link **ret, struct weir_text *why);
void link_close(struct link *); /* what is in flight gets its done() */
/* The bytes stay valid until done(). */
int link_send(struct link *, uint64_t ticket, const void *frame, size_t length, uint64_t position,
              bool fua);
/* These wait, at most `config->peer_timeout`. */
int link_status(struct link *, struct status *, struct weir_text *why);
int link_command(struct link *, const struct command *);
int link_needs(struct link *, unsigned disk, void *bitmap, size_t length, uint64_t from);

#endif
