/* block.h - what does a gateway tell the others of a datastore, byte for byte?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The statistics file of a datastore is an array of blocks of 4096 bytes.  Block 0 is the
 * header; each of blocks 1 to 1024 (its slot) belongs to one gateway, or is free and then
 * all zero.  Numbers are little endian, what is not named is zero, and the last four bytes
 * of a block are the CRC-32C of the 4092 before them: a block of which only some sectors
 * were written does not match.
 *
 *     header            at  size        block of a gateway              at  size
 *     magic "WEIRSTAT"   0     8        magic "WEIRGATE"                 0     8
 *     version, 1         8     4        version, 1                       8     4
 *     block size, 4096  12     4        its slot                        12     4
 *                                       id of this opening              16    16
 *                                       seq, grows with each round      32     8
 *                                       flags: bit 0, backlogged;
 *                                       bit 1, learns                   40     8
 *                                       shares                          48     8
 *                                       window, 1/256 unit              56     8
 *                                       in flight, 1/256 unit           64     8
 *                                       total, 1/256 unit               72     8
 *                                       threshold, ns                   80     8
 *                                       period, ns                      88     8
 *                                       I/Os                            96     8
 *                                       sum of their latency, ns       104     8
 *                                       their p99, ns                  112     8
 *                                       capacity, units/s              120     8
 *                                       name, ASCII, ends with a zero  128    64
 *                                       I/O units                      192     8
 *                                       load, 1/256 small read         200     8
 *                                       in flight over all the period  208     8
 *     crc             4092     4        crc                           4092     4
 *
 * A block is believed only if all of that is so and the numbers make sense. */
#ifndef CONTROL_BLOCK_H
#define CONTROL_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BLOCK_SIZE = 4096,
    BLOCK_SLOTS = 1024, /* gateways at most */
    BLOCK_ID = 16,
    BLOCK_NAME = 64, /* with its zero */
    BLOCK_VERSION = 1,
    BLOCK_UNIT = 256, /* of windows: one I/O unit is this much */
};

/* One gateway's figures of its last period.  An I/O unit is what the policy says, an I/O
 * of up to 32 KiB by default.  All gateways of a datastore have to mean the same by it. */
struct gateway_report {
    uint64_t shares;      /* of the disks that were active, added up; at most 2^40 */
    uint64_t window;      /* 1/256 unit: what it might have in flight; never 0 */
    uint64_t in_flight;   /* 1/256 unit: what it had, the mean over the time in which it had
                             any: short bursts say what they need */
    uint64_t total;       /* 1/256 unit: the window of all gateways together under which
                             these figures came about (split.h); 0: there was none */
    uint64_t threshold;   /* ns: the latency that it wants to keep; 0: not known yet */
    uint64_t period;      /* ns from one of its rounds to the next; 1 ms to 1 min */
    uint64_t ios;         /* that ended in the period */
    uint64_t latency_sum; /* ns: of those */
    uint64_t latency_p99; /* ns: of those */
    uint64_t capacity;    /* units/s that it thinks the datastore can do; 0: not known */
    uint64_t units;       /* I/O units of those I/Os */
    uint64_t load;        /* what they took of the datastore, in 1/256 of a small read */
    uint64_t held;        /* 1/256 unit: the mean in flight over all the period */
    bool backlogged;      /* something of it waited for its window */
    bool learns;          /* nobody gave it a threshold */
};

struct gateway_block {
    uint8_t id[BLOCK_ID]; /* random, anew at each opening: nobody has it twice */
    char name[BLOCK_NAME];
    uint32_t slot;
    uint64_t seq;
    struct gateway_report report;
};

/* Fills all of `raw`.  A figure outside its range is written as the nearest inside, so that
 * a datastore that hung for days does not make a gateway's block unbelievable. */
void block_put(void *raw, const struct gateway_block *block);

/* Reads what stands at `slot`: 0; -ENOENT if the slot is free; -EBADMSG if it is garbage
 * (torn, of another place or version, or nonsense), and then *ret is as it was. */
int block_get(const void *raw, uint32_t slot, struct gateway_block *ret);

void block_put_header(void *raw);

/* 0; -ENOENT if all is zero; -EPROTONOSUPPORT if it is of another version, then in
 * *version; -EMEDIUMTYPE if it is not ours or damaged. */
int block_get_header(const void *raw, uint32_t *version);

uint32_t crc32c(const void *data, size_t size);

#endif
