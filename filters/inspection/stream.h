/* stream.h - how does a request relate to those before it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Where the last request ended, and when it came, is a property of the whole disk, so
 * this is the one thing that the CPUs share: a line per operation that is read and
 * written plainly, and two small tables whose slots are spread over many lines.  Under
 * a race the answer is that of some order of the requests; nothing is locked. */
#ifndef STREAM_H
#define STREAM_H

#include "weir-filter.h"

enum {
    ENDS = 256,       /* recent ends of requests, for several interleaved streams */
    BLOCKS = 1 << 16, /* recently written blocks of 4 KiB: 256 MiB of distinct ones */
    BLOCK_SHIFT = 12,
};

struct stream {
    struct last {
        _Atomic uint64_t end, time;
        char unused[48];
    } last[WEIR_OP_COUNT];
    _Atomic uint64_t ends[WEIR_OP_COUNT][ENDS]; /* end + 1; 0: none */
    _Atomic uint32_t written[BLOCKS];           /* a part of the block's number, + 1 */
};

struct relation {
    bool first;        /* nothing came before it */
    bool sequential;   /* begins where a recent request of the same kind ended */
    bool backward;     /* begins before the last one's end */
    bool again;        /* its first block was written recently */
    uint64_t distance; /* bytes from the end of the last one to its beginning */
    uint64_t interval; /* ns since the last one came */
};

void stream_note(struct stream *, const struct weir_request *, uint64_t now, struct relation *);

#endif
