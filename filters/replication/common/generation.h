/* generation.h - what do the two sites know of each other's past, and what may follow from it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A generation is a span of a group's life in which one site alone decided the order of writes.  A
 * new one begins before the first write that the other site must not be taken to have: when a sync
 * source goes on without its peer (degrade), and when a target is promoted.  The old one ends at an
 * LSN, up to which both agree.  After DRBD's generation identifiers, with an LSN for each end, so
 * that what was lost can be said and not only that something was.
 *
 * All here is pure.  What whoever uses it owes to it, each of which is missed when it is left out
 * (tests/filter/replication/test-two-sites.c walks all histories up to a bound):
 *   - A sync source acknowledges alone only in a generation that it began for that, durably, and
 *     of which it has told no target before: so it begins another when it loses the target again
 *     before that had caught up.  A target is told only after it has taken the source, and those
 *     before of which it has nothing are merged then: or a target that comes and goes without
 *     taking anything would push the last one in common out of the list.
 *   - A source never comes back with a lower LSN than it used.  One that lost count does not send
 *     before it has leapt over all that it may have used.
 *   - A target that is promoted ends the generation at its last complete state(k), and marks in its
 *     own map all granules that came behind it, durable frames of a set included: the source does
 *     not count them as dirty any more.  A site that discards its part of a fork cuts lineage and
 *     LSN back to `common` and `lsn` in the same step that makes it a target.
 *   - The source ORs what the target wants to be sent, and clears nothing because of a kinship. */
#ifndef REPLICATION_GENERATION_H
#define REPLICATION_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

enum { GENERATIONS = 32 };

struct lineage {
    unsigned count; /* 0: it has no past: nothing was ever received or written */
    struct generation {
        uint64_t id; /* random, never 0 */
        uint64_t
            end; /* the last LSN that belongs to it; of list[0], the present one: not looked at */
    } list[GENERATIONS]; /* newest first */
};

/* The present one ends at `end`, and `id` begins.  Generations that began behind `end` are taken
 * back (a target that is promoted while it lags, or at an older point, has not lived them).  The
 * oldest is forgotten when there is no room. */
void lineage_begin(struct lineage *, uint64_t id, uint64_t end);

/* Those between the newest and the one in which the target has received its last, `held`, were
 * begun for nothing: the newest takes their place.  Only when the target can receive no frame of
 * them any more, and before it is told of the newest. */
void lineage_merge(struct lineage *, uint64_t held);

/* What a target is told at first: all but the newest, where that is `untold`. */
void lineage_untell(struct lineage *, bool untold);

enum kinship {
    KIN_NEW,       /* the target has no past: everything is to be sent */
    KIN_SAME,      /* one generation: the target is what it was, and may lag */
    KIN_BEHIND,    /* the target's present one is in the source's past and had not gone further than
                      it ended there: it lags, and may be caught up with what changed since */
    KIN_PROMOTED,  /* the source's present one is in the target's past, and the source has nothing
                      that the target does not have: the source is to become the target */
    KIN_FORK,      /* each has, or may have, what the other lacks since `common`, `lsn`: an operator
                      must choose.  So is a target that was promoted, be it unwritten, and lacks
                      writes of the source; both having begun one, be they unwritten; and a source
                      that was set back to an older state */
    KIN_UNRELATED, /* no common generation is known */
};

struct fork {
    uint64_t common;                   /* generation */
    uint64_t lsn;                      /* up to which both agree */
    uint64_t source_lost, target_lost; /* LSNs that either has beyond it */
};

/* `source_lsn`: the last LSN that the source has assigned, or may have: it reserves them durably,
 * some ahead, and never comes back from a crash with less than it ever used, or that is taken for a
 * source that was set back.  `target_lsn`: the last that the target has received.  `fork` may be
 * NULL; it is filled in for all but NEW and UNRELATED. */
enum kinship lineage_compare(const struct lineage *source, uint64_t source_lsn,
                             const struct lineage *target, uint64_t target_lsn, struct fork *fork);

/* May a source send to a target that stands so to it, without anybody being asked? */
static inline bool kinship_flows(enum kinship k)
{
    return k == KIN_NEW || k == KIN_SAME || k == KIN_BEHIND;
}
const char *
    kinship_name(enum kinship); /* "new", "same", "behind", "promoted", "fork", "unrelated" */

/* What is kept of it in a file or sent in a page: LINEAGE_BYTES, little-endian.  Reading: false if
 * that cannot be a lineage. */
enum { LINEAGE_BYTES = 8 + GENERATIONS * 16 };
void lineage_write(const struct lineage *, uint8_t out[LINEAGE_BYTES]);
bool lineage_read(const uint8_t bytes[LINEAGE_BYTES], struct lineage *ret);

#endif
