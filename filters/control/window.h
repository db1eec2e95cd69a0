/* window.h - how much may be in flight to a datastore?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * While nobody waits the window is open: below the threshold nothing is delayed.
 *
 * A threshold that is given is held by the law of PARDA (Gulati, Ahmad, Waldspurger,
 * FAST'09): the window shrinks and grows with how far the latency is from it.
 *
 * A threshold that is learnt is the latency where the datastore does 90 % of its peak.
 * From what was in flight, how much was done and how long it took it is learnt where that
 * is (curve.h).  The window is then held at in_flight / 0.9 there, and a little more:
 * where the peak would be reached if throughput grew in proportion up to it, as it does
 * with k servers.  It does not follow the latency, so that a datastore that becomes
 * slower is not asked to be idle, too.  From time to time a little less and a little more
 * in flight is tried.
 *
 * Pure code, in doubles.  No function here is on the data path. */
#ifndef CONTROL_WINDOW_H
#define CONTROL_WINDOW_H

#include "curve.h"

#include <stdbool.h>
#include <stdint.h>

struct window_sample {
    uint64_t span;             /* ns */
    uint64_t ios, units, load; /* completed: requests, I/O units of 32 KiB, load */
    uint64_t latency;          /* sum of ns, each over its load in small reads, at least 1 */
    uint64_t in_flight;        /* mean load */
    uint64_t outstanding;      /* load at the end */
    bool waited;               /* somebody waited for the window, most of the time */
};

enum window_search { SEARCH_REST, SEARCH_LESS, SEARCH_MORE };
enum window_mode { WINDOW_OPEN, WINDOW_SEEK, WINDOW_HOLD, WINDOW_TRY };

struct window {
    /* what to read; load is in 1/LOAD_ONE of a small read */
    uint32_t size;          /* load that may be in flight */
    uint64_t threshold;     /* ns: given, or learnt; 0: not known yet */
    uint64_t latency;       /* ns: the last, for a small read */
    uint64_t peak;          /* units per second: the most that was seen; 0: not known */
    uint64_t capacity;      /* units per second while somebody waits; 0: not known */
    uint32_t external_load; /* percent: how much longer an I/O takes than was learnt */

    /* what it knows */
    bool learns; /* the threshold is not given */
    enum window_mode mode;
    struct curve curve;
    double speed;              /* now, of that of the curve */
    double usual;              /* small reads per ns: the peak, over a minute */
    double hold;               /* small reads in flight: where the window is held; 0: not known */
    double greatest;           /* small reads in flight, lately */
    double demand;             /* in flight while nobody waited; as much as there is, at most */
    double unit;               /* units per small read of load */
    enum window_search search; /* while a given threshold is exceeded … */
    struct {
        double in_flight, latency; /* … from here: small reads; ns */
    } from;
    double rest_until; /* ns of traffic */
    double now;        /* ns of traffic */
    double next_try;   /* … when less or more is tried */
    double rest;       /* before more is, over how long that takes */
    int next;          /* which of them */
    bool precise;      /* the next sample is a long one … */
    double compare;    /* … and tells whether this rate is reached; 0: none */
    int odd;           /* how often in turn the speed was far from what was thought */

    /* what it gathers */
    struct {
        uint64_t span, ios, load;
    } flood;                  /* while all is open and far above a given threshold */
    struct window_sample sum; /* but for in_flight, outstanding and waited: */
    double held;              /* small reads in flight x ns */
    uint64_t waited;          /* ns */
    uint64_t last;            /* load in flight */
    uint64_t before;          /* what is to be completed of before something changed … */
    uint64_t settling;        /* … and for how many ns its end has been waited for */
    uint64_t passed;          /* ns of which the figures of all did not fit together (joint.c) */
};

void window_init(struct window *);                    /* wide open, and to be learnt */
void window_set(struct window *, uint64_t threshold); /* ns; 0: learn it */
/* About every 10 ms, of what happened since; and not where nothing was completed and
 * nothing is in flight. */
void window_feed(struct window *, const struct window_sample *);
/* The same for who has seen himself that this is what the present window does. */
void window_feed_settled(struct window *, const struct window_sample *);
/* The window that is in force is another one, by what all gateways of the datastore know. */
void window_impose(struct window *, uint32_t size);
/* For the scheduler: of the window, or of our part of it.  `light`: lately a disk that had nothing
 * in flight came while the window was nearly full.  Then 2 % of a large window, one small read at
 * least, are spared for such disks: one that asks for little finds a server free.  Otherwise, and
 * where it would be more than 5 % of the window, the spare goes on top. */
void window_split(const struct window *, uint32_t part, bool light, uint32_t *window,
                  uint32_t *spare);

#endif
