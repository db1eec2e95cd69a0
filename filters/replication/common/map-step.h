/* map-step.h - what happens when a step of an order is left out?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What a crash may leave relies on a few steps and their order.  map-private.h says what each is
 * for; a build for tests/filter/replication/test-map-crash.c can leave one out, and that test must
 * notice. */
#ifndef REPLICATION_MAP_STEP_H
#define REPLICATION_MAP_STEP_H

#include <stdbool.h>

enum map_step {
    STEP_NONE,
    INTENT_BEFORE_WRITE,
    PAGES_BEFORE_CLEAR,
    MARK_BEFORE_CLEAR,
    CLOSE_BEFORE_COPY,
    PENDING_BEFORE_COPY,
    STAMP_AGAIN,
    RESERVE_BEFORE_POINT,
    SKIP_RESERVED,
    UNSURE_IS_DIRTY,
    FOUND_STAYS,
    FOUND_IS_CHANGED,
    DAMAGED_IS_DIRTY,
    TAIL_BEFORE_SIZE,
};

#ifdef MAP_LEAVES_OUT
bool does(enum map_step);
#else
#define does(step) ((void)(step), true)
#endif

#endif
