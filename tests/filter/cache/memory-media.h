/* memory-media.h - what would a pool be after a crash at any moment?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A medium in memory that remembers every write and sync in order.  A crash after the first n of
 * them leaves what was synced, and of the writes since the last sync any part: memory_cut() gives
 * such an image.  Images share pages: a cut costs little, however large the medium is. */
#ifndef TESTS_MEMORY_MEDIA_H
#define TESTS_MEMORY_MEDIA_H

#include "media.h"

#include <stdbool.h>

struct memory; /* the medium is a struct media, closed by its close() */

struct media *memory_create(uint64_t size);
struct memory *memory_of(struct media *);

/* ---- what has happened ---------------------------------------------------------- */

enum memory_kind { MEMORY_WRITE, MEMORY_SYNC };
struct memory_op {
    enum memory_kind kind;
    uint64_t offset;
    size_t length;
    const void *data;
};
/* From now on all is remembered; what is there now is what a crash before the first leaves. */
void memory_record(struct memory *);
size_t memory_ops(struct memory *);
/* Not to be called while others write. */
const struct memory_op *memory_op(struct memory *, size_t index);
uint64_t memory_reads(struct memory *); /* calls, whether it records or not */

/* ---- crashes ---------------------------------------------------------------------- */

enum memory_loss {
    MEMORY_ALL,    /* all that was written is there */
    MEMORY_SYNCED, /* nothing that was written since the last sync is */
    MEMORY_SOME,   /* each write since then is there or not */
    MEMORY_TORN,   /* each sector (512 bytes) of each write since then is there or not */
};
/* A new medium, which records nothing, as a crash after the first `ops` leaves it.  A write that is
 * lost may be one before one that is not.  `seed` chooses, for SOME and TORN.  Cuts at ascending
 * `ops` are quick. */
struct media *memory_cut(struct memory *, size_t ops, enum memory_loss, uint64_t seed);
/* The same bytes in a medium of its own, which records nothing. */
struct media *memory_copy(struct memory *);

/* ---- trouble ------------------------------------------------------------------------ */

enum memory_call { MEMORY_CALL_READ, MEMORY_CALL_WRITE, MEMORY_CALL_SYNC, MEMORY_CALLS };
/* After `after` more calls of that kind, `times` (-1: all) fail with -error.  A failed write has
 * written its first half, a failed sync has synced nothing; after one, as the contract says, every
 * sync fails. */
void memory_fail(struct memory *, enum memory_call, unsigned after, int times, int error);
/* Reads of this page (of 4 KiB) fail with -EIO from now on. */
void memory_bad_page(struct memory *, uint64_t page, bool bad);
/* Called before each call, without any lock: a test may keep it there. */
void memory_gate(struct memory *, void (*gate)(void *arg, enum memory_call, uint64_t offset),
                 void *arg);

/* A splitmix64: what tests take chances with. */
uint64_t memory_chance(uint64_t *seed);

#endif
