/* target-site.h - how does a test have the target of a replication in its own process, and crash
 * it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A library of its own: source and target have functions of the same names.  One group of a vault
 * on media in memory (../medium-memory.h). */
#ifndef TESTS_TARGET_SITE_H
#define TESTS_TARGET_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

enum { SITE_WHY = 256 };

struct target;
struct target *target_create(void);
/* As a crash after the first `ops` leaves it (enum memory_loss); not started. */
struct target *target_crash(struct target *, size_t ops, int loss, uint64_t seed);
void target_destroy(struct target *); /* stops it */
size_t target_ops(struct target *);
void target_gate(struct target *, void (*gate)(void *arg),
                 void *arg);                   /* before each call of a medium */
void target_hold_syncs(struct target *, bool); /* those of files wait until they may go on */
int target_start(struct target *, char why[SITE_WHY]);
void target_stop(struct target *);

/* A request of an NBD client to the log export.  0 or a positive errno. */
enum site_op { SITE_READ, SITE_WRITE, SITE_FLUSH };
int target_serve(struct target *, enum site_op, void *data, size_t length, uint64_t offset,
                 bool fua);

int target_promote(struct target *, char why[SITE_WHY]);
int target_demote(struct target *, char why[SITE_WHY]); /* what was written there may go */
/* Of a primary; zeroes of a disk that was never declared. */
int target_read(struct target *, const char *disk, void *data, size_t length, uint64_t offset);
/* A client of that disk of a primary. */
int target_write(struct target *, const char *disk, void *data, size_t length, uint64_t offset);

#pragma GCC visibility pop

#endif
