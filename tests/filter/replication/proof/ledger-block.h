/* ledger-block.h - how does a block say which operation wrote it, and where?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Every 4 KiB block that the ledger writes names its run, disk, place and operation; the rest
 * follows from that, half of it hard to compress, and a digest covers all: so a block of two
 * halves, of another place or of another run is noticed. */
#ifndef TESTS_LEDGER_BLOCK_H
#define TESTS_LEDGER_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LEDGER_BLOCK = 4096 };

struct ledger_name {
    uint64_t run; /* which ledger: a random number in its log */
    uint32_t disk;
    uint64_t block; /* of the disk, in blocks */
    uint32_t id;    /* of the operation; 1 is the first */
    uint64_t time;  /* ns since 1970 */
};

void ledger_block_write(const struct ledger_name *, void *out);
/* False: no ledger wrote this block, or not all of it (`torn`: it begins as one does). */
bool ledger_block_read(const void *block, struct ledger_name *ret, bool *torn);
bool ledger_block_is_zero(const void *block);

#endif
