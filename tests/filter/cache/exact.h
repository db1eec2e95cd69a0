/* exact.h - what does an LRU cache of each size really miss?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXACT_H
#define EXACT_H

#include <stddef.h>
#include <stdint.h>

struct trace {
    uint64_t *key;
    size_t count, room;
};

void trace_add(struct trace *, uint64_t key);
void trace_free(struct trace *);
/* A file of records of VMware's vSCSI tracer (.vscsi), or of "BLOCK COUNT ..." lines (.lis, or
 * .lis.zst).  0, or -1: it is of no kind that is known. */
int trace_read(struct trace *, const char *path);

/* misses[i]: the part of all references that a cache of blocks[i], ascending, misses. */
void exact_lru(const struct trace *, const uint64_t *blocks, double *misses, size_t sizes);

#endif
