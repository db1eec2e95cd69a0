/* script.h - with what is a short life of both sites scripted?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What is waited for with a limit may not come, on a slow machine: the life shows less then, and is
 * no failure. */
#ifndef TESTS_SCRIPT_H
#define TESTS_SCRIPT_H

#include "crash.h"

/* One block. */
struct operation write_at(unsigned disk, uint64_t block);
struct operation write_anywhere(uint64_t *chance);
/* It is done and refused: so it is dirty. */
void write_and_refuse(const struct operation *);

/* A request that may have to wait. */
struct waiter {
    struct operation op;
    pthread_t thread;
    atomic_bool answered;
};
void waiter_begin(struct waiter *, const struct operation *);

/* Is it so within that time? */
bool within_ms(unsigned ms, bool (*is)(void *arg), void *arg);
bool is_answered(void *waiter);
bool is_received(void *lsn);
bool is_settled(void *lsn); /* in a state(k) that the target has for good */
bool is_sent(void *unused);
bool is_copied(void *unused); /* nothing is dirty, and all is under way */
bool is_in_step(void *unused);
bool has_no_intents(void *unused);
bool is_locked(void *source);

/* Who comes between the copier's reading and what it does with it. */
struct race {
    atomic_bool read, may_go_on;
    struct waiter writer;
};
extern struct race race;
bool was_read(void *unused);
bool may_go_on(void *unused);

/* Each is judged, and gives how many states that were.  lives-stream.c: what the target has: */
unsigned live_set_not_whole(uint64_t *chance, int mode);
unsigned live_received_only(uint64_t *chance);
unsigned live_copy_under_way(uint64_t *chance);
unsigned live_write_behind_reader(uint64_t *chance);
/* lives-source.c: what the source remembers: */
unsigned live_one_leaves(uint64_t *chance);
unsigned live_since_record(uint64_t *chance);
unsigned live_cold(uint64_t *chance);
/* lives-promote.c: what it does when the target was promoted: */
unsigned live_alone(uint64_t *chance, int mode);
unsigned live_fenced(uint64_t *chance);
/* lives-absence.c: what it is to its target that was away often; nothing else is judged: */
void live_absences(uint64_t *chance);
/* lives-leaving.c: who may leave meanwhile: */
void live_leaving(uint64_t *chance);

#endif
