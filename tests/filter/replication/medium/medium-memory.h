/* medium-memory.h - what would folders and their files be after a crash at any moment?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Media in memory (../../../filters/replication/common/medium.h), any number of them, which share
 * one recording of every write, hole, truncate, sync, new name, removal and rename, in order.  A
 * crash after the first n of them leaves what was synced, and of the rest any part: memory_cut()
 * gives such a state, with media of its own.
 *
 *   struct memory *m = memory_create();
 *   struct medium *folder = memory_medium(m, "vault");   another call: the same folder once more
 *   memory_record(m);
 *   …                                                    what is tested works on `folder`
 *   for (size_t n = 0; n <= memory_ops(m); n++) {
 *       struct memory *after = memory_cut(m, n, MEMORY_TORN, seed);
 *       struct medium *found = memory_medium(after, "vault");
 *       …                                                is it legal?  (may record and be cut, too)
 *       found->close(found);
 *       memory_destroy(after);
 *   }
 *
 * What was promised by then: note memory_ops() when it is.  What a crash may do here, and more
 * than most file systems do: of one file, unsynced writes, holes and truncates are there or not
 * in any combination; of one folder, unsynced names likewise (a rename as a whole); a sync of a
 * file says nothing of its name; the half of what was to be synced by a sync that failed is lost
 * for ever, as pages are that the kernel could not write. */
#ifndef TESTS_MEDIUM_MEMORY_H
#define TESTS_MEDIUM_MEMORY_H

#include "medium.h"

struct memory;

struct memory *memory_create(void);
void memory_destroy(struct memory *); /* its media are closed before.  NULL is fine */
/* The folder of that name, made where there is none.  Closed by its close(), its bytes stay. */
struct medium *memory_medium(struct memory *, const char *folder);

/* ---- what has happened ---------------------------------------------------------------------- */

enum memory_kind {
    MEMORY_WRITE,
    MEMORY_ZERO,
    MEMORY_TRUNCATE,
    MEMORY_SYNC, /* of a file */
    MEMORY_SYNC_FAILED,
    MEMORY_MAKE, /* a new name, for a new file */
    MEMORY_REMOVE,
    MEMORY_RENAME,
    MEMORY_SYNC_NAMES, /* of a folder */
};
/* From now on all is remembered; what is there now is what a crash before the first leaves. */
void memory_record(struct memory *);
size_t memory_ops(struct memory *);
enum memory_kind memory_op_kind(struct memory *, size_t op);
/* "write vault/log.0 +4096 512": for whoever looks for what went wrong. */
void memory_op_text(struct memory *, size_t op, char *text, size_t size);

/* ---- crashes -------------------------------------------------------------------------------- */

enum memory_loss {
    MEMORY_ALL,    /* all that was done is there */
    MEMORY_SYNCED, /* nothing that was not synced is */
    MEMORY_SOME,   /* each of it is there or not */
    MEMORY_TORN,   /* and of each write each sector (512 bytes) is there or not; a file may have
                      its new length without the bytes: zeroes */
};
/* As a crash after the first `ops` leaves it.  `seed` chooses, for SOME and TORN.  Cuts at
 * ascending `ops` are quick. */
struct memory *memory_cut(struct memory *, size_t ops, enum memory_loss, uint64_t seed);
/* The same bytes as now, by themselves; it records nothing. */
struct memory *memory_copy(struct memory *);

/* ---- trouble -------------------------------------------------------------------------------- */

enum memory_call {
    MEMORY_CALL_READ,
    MEMORY_CALL_WRITE, /* and zero, truncate */
    MEMORY_CALL_SYNC,
    MEMORY_CALL_NAME, /* a new file, remove, rename */
    MEMORY_CALL_SYNC_NAMES,
    MEMORY_CALLS
};
/* After `after` more calls of that kind, `times` (-1: all) fail with -error.  `name`: only those
 * of a file of that name; NULL: of any.  A failed write has written its first half.  A file or
 * folder that failed to sync once fails to sync until it is opened again. */
void memory_fail(struct memory *, enum memory_call, const char *name, unsigned after, int times,
                 int error);
/* The file system has so much room: a write that needs more has -ENOSPC. */
void memory_room(struct memory *, uint64_t bytes);
/* Called before each call, without any lock: a test may keep it there.  `name` of the file, or of
 * the folder. */
void memory_gate(struct memory *,
                 void (*gate)(void *arg, enum memory_call, const char *name, uint64_t offset),
                 void *arg);
uint64_t memory_calls(struct memory *, enum memory_call); /* so far, whether it records or not */

/* A splitmix64: what tests take chances with. */
uint64_t memory_chance(uint64_t *seed);

#endif
