/* peers.h - who tells the other gateways, so that no I/O waits for it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A thread of its own runs a round of exchange.h after each report, at most twice in a
 * period, and without one somewhat later than after a period.  All calls here but the
 * start take one lock for the time of a copy and never wait for the thread, which may be
 * stuck in a file system that hangs.  While the file cannot be opened, read or written
 * the thread tries again every period. */
#ifndef CONTROL_PEERS_H
#define CONTROL_PEERS_H

#include "judge.h"

#define PEERS_PERIOD UINT64_C(1000000000) /* ns: the default */

enum { PEERS_WHY = 512 };

struct peers;

struct peers_view {
    struct peer_list list;
    uint64_t rounds;     /* that ended well since the start */
    unsigned age;        /* periods since the last of them began; UINT_MAX: never */
    unsigned slot;       /* of this gateway in the file; 0: none */
    int error;           /* of the last round: 0 or -errno */
    char why[PEERS_WHY]; /* the sentence to it, or "" */
};

/* 0, or -errno if there is no memory or no thread; the file is the thread's affair. */
int peers_start(const char *path, const char *gateway, uint64_t period, struct peers **ret);

/* The figures that the next round, which follows at once, publishes; `period` in them is
 * filled in.  Nothing is published, and nobody looked for, before the first report. */
void peers_report(struct peers *, const struct gateway_report *);

/* What the last good round saw.  True while that is fewer than three periods ago; then the
 * list is to be used, else it is empty.  The struct is large: not for a stack. */
bool peers_view(struct peers *, struct peers_view *ret);

/* view.rounds alone: has anything changed? */
uint64_t peers_rounds(struct peers *);

/* From now on, without waiting for the end of the present one. */
void peers_set_period(struct peers *, uint64_t period);

/* Takes this gateway's block out of the file and ends the thread, within a quarter of a
 * second.  A thread that is stuck for longer is left behind with all that it uses: nobody
 * else has a pointer to that any more, and should the file system ever let go of it, the
 * thread clears the block, frees it all and ends.  Its code must stay: what weir has loaded
 * as a filter is never unloaded.  NULL is fine. */
void peers_stop(struct peers *);

#endif
