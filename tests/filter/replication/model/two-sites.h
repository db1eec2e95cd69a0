/* two-sites.h - what can happen between two sites, in a world small enough to walk all of it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Two sites, two granules, a link, a few writes.  What the sites know of each other's past is
 * judged by the real generation.c; how a source and a target act on that verdict is written down
 * here, as the contracts have it.  Beside it the world knows the truth: each write is a version of
 * the disk that follows from the one before it, so versions are a tree, and a site holds what lies
 * on the way to its own.  No action looks at the truth but to check it, and to know what an
 * operator gave up.
 *
 * An acknowledgement of a write needs the target's disk (the mode sync-durable), or none (async).
 */
#ifndef TEST_REPLICATION_TWO_SITES_H
#define TEST_REPLICATION_TWO_SITES_H

#include "generation.h"

#include <stdbool.h>
#include <stdint.h>

enum { GRANULES = 2, ALL = (1 << GRANULES) - 1, VERSIONS = 8, PASTS = 6, IN_FLIGHT = 2 };
enum { KEPT = 4 }; /* generations that a site remembers: few, so that to forget one matters */

/* What is left out of the rules, to see that it is missed. */
enum omission {
    NOTHING = 0,
    NO_BUMP = 1 << 0,        /* a source acknowledges alone without a new generation */
    NO_BUMP_AGAIN = 1 << 11, /* … or does so again in one that the target knows by now */
    NO_TOKEN = 1 << 1,       /* a target takes frames whatever their token */
    NO_LSN = 1 << 2,         /* lineages are compared by generations alone, as DRBD does */
    EARLY_CLEAR = 1 << 3,    /* a granule that was sent is taken for one that arrived */
    NO_DURABLE = 1 << 12,    /* … and one that arrived for durable */
    RULE_CLEAR = 1 << 4,     /* sites of one generation that meet again are taken to be equal: DRBD
                                issue 145 */
    NO_NEEDS = 1 << 5,       /* the source does not ask what the target wants to be sent */
    NO_CUT = 1 << 6,         /* a promoted target forgets which parts of a set it drops */
    NO_SET = 1 << 7,         /* PART frames are applied as they come */
    NO_INTENT = 1 << 8,      /* a crashed source forgets what was under way */
    NO_LAG = 1 << 9,         /* a promoted target keeps generations that it only knows of */
    NO_CHAIN = 1 << 10,      /* a target takes a frame though it lacks the one before */
    NO_MERGE = 1 << 13,    /* a source remembers each generation that it began, until it forgets */
    EARLY_MERGE = 1 << 14, /* … or forgets before a frame that is late can come no more */
    NO_TOLD = 1 << 15,     /* it goes on in its newest generation though a target knows that */
    NO_BUMP_UNHEARD = 1 << 16, /* … or if no frame of the session was acknowledged */
};

enum deed {
    WRITE,
    COPY,    /* the source puts a dirty granule into the stream */
    DELIVER, /* the first frame in flight arrives */
    LATE,    /* one that was in flight when the link was cut does */
    SYNC,    /* the target's disk has what arrived */
    ACK,     /* … and the source is told */
    CUT,
    HEAL,
    REFUSE, /* the target ends the session, and has nothing of what is in flight */
    MEET,   /* a primary asks a target whether it may send */
    MISS,   /* … and hears no answer: to the first thing it asks, or to the second (granule) */
    CRASH,
    LOSE, /* crash, and what the source had reserved of LSNs is lost but for what it saved with a
             generation, before it sends, and while it acknowledges alone what it sends */
    RESTART,
    DEGRADE,
    PROMOTE,
    PROMOTE_OLD, /* at the point before the last write */
    HANDOVER,
    FOLLOW,  /* an old source becomes the target, as it has nothing of its own */
    DISCARD, /* of a fork: an operator says that this site's part may go */
    DEEDS
};

struct site {
    uint8_t up, primary, degraded;
    uint8_t whole; /* the head is a state(k) */
    uint8_t pasts, id[PASTS], end[PASTS];
    uint8_t lsn;               /* assigned, or received */
    uint8_t complete, version; /* the last state(k) */
    uint8_t data[GRANULES];    /* of the head: which write a granule holds */
    uint8_t stage[GRANULES];   /* of a set that is not complete; 0: nothing */
    uint8_t got;               /* granules that arrived and are not durable */
    /* what a crash of a target leaves */
    uint8_t durable_lsn, durable_complete, durable_version, durable_whole;
    uint8_t durable_data[GRANULES], durable_stage[GRANULES];
    /* a bitmap each: what the peer may lack (of a target: what it wants to be sent), and what was
     * sent and is not durable there */
    uint8_t dirty, unsure;
    uint8_t saved_lsn;  /* what it surely has not forgotten of it */
    uint8_t lost_count; /* its LSN may be lower than it was */
    uint8_t untold;     /* no target was told of its newest generation */
};

struct flight {
    uint8_t there, to, granule, content, lsn, previous, part, version;
    uint8_t stale; /* another token was given since */
};

struct world {
    struct site site[2];
    struct flight queue[IN_FLIGHT], late;
    uint8_t link;
    uint8_t session;                    /* 1 + the site that sends; 0: none */
    uint8_t session_stale, session_lsn; /* of the last frame in it, or before it */
    uint8_t session_heard;              /* of something that arrived */
    uint8_t versions;                   /* 1 is the disk as it was in the beginning */
    uint8_t parent[VERSIONS], granule[VERSIONS], lsn[VERSIONS];
    uint8_t next_id, by_second[4]; /* ids that site 1 began, as bits */
    uint8_t acked;                 /* versions that a client was told of, and no operator gave up */
    uint8_t double_acked;          /* … and that both sites had then */
};

struct rules {
    unsigned omit; /* enum omission */
    bool async;
    unsigned writes; /* at most */
};

struct action {
    uint8_t deed, site, granule;
};

/* false: that cannot happen now.  *broken is set to a sentence if it must not have. */
bool world_do(struct world *, const struct rules *, struct action, const char **broken);
/* What must be so at any time: NULL, or a sentence. */
const char *world_check(const struct world *, const struct rules *);

/* A source with a disk, a target without a past; nothing is dirty but all. */
void world_new(struct world *);
/* Does them in turn; aborts with a message if one cannot be done or breaks something. */
void world_script(struct world *, const struct rules *, const struct action *, unsigned count);

/* The truth: the versions on the way to this one, as bits; what a granule holds in it. */
uint8_t world_way(const struct world *, uint8_t version);
uint8_t world_content(const struct world *, uint8_t version, unsigned granule);
unsigned world_queued(const struct world *);
void site_make_durable(struct site *); /* what arrived is what a crash leaves */
struct lineage site_lineage(const struct site *);
struct lineage site_lived(const struct site *);   /* of a target: what it says of itself */
bool site_knows(const struct site *, uint8_t id); /* of a generation */
enum kinship world_compare(const struct world *, const struct rules *, unsigned source,
                           unsigned target, struct fork *);
void world_print(const struct world *);
const char *action_name(struct action, char room[64]);

#endif
