/* stream.h - is this request part of a long sequential run?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A backup or a scan would push everything else out of the small queue, and the store is good at
 * it.  The last STREAMS places where a request ended are remembered, each with how long its run has
 * become; the one that was not continued for longest is given up.  Pure; the caller has a lock. */
#ifndef CACHE_STREAM_H
#define CACHE_STREAM_H

#include <stdint.h>

enum { STREAMS = 32 };

struct streams {
    struct stream {
        uint64_t next;   /* byte where it would go on */
        uint64_t length; /* bytes so far */
        uint64_t used;   /* tick of the last request */
    } stream[STREAMS];
    uint64_t tick;
};

/* Takes note of [offset, offset + length); bytes of its run up to its end.  Requests of one run
 * that overtake each other by a few places are one run. */
uint64_t streams_note(struct streams *, uint64_t offset, uint64_t length);

#endif
