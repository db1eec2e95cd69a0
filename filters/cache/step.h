/* step.h - what happens when a step of an order is left out?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What a crash may leave relies on the order of a few steps.  Each has a name; a build for
 * tests/filter/cache/test-crash.c can leave one out, and that test must notice. */
#ifndef CACHE_STEP_H
#define CACHE_STEP_H

#include <stdbool.h>

enum step {
    STEP_NONE,
    CHECKPOINT_BARRIER, /* checkpoint.c says what each is for */
    CHECKPOINT_STORES,
    CHECKPOINT_DROPS,
    CHECKPOINT_TABLE,
    CHECKPOINT_KEEP,
    CHECKPOINT_SYNC,
    CHECKPOINT_TAIL,
    CHECKPOINT_VOID, /* left out: it comes first */
    PAST_CLEAN,      /* past.c */
    PAST_MARK,
    DESTAGE_SYNC, /* destage.c */
    DESTAGE_FLUSH,
    DESTAGE_TELL,
};

#ifdef CACHE_LEAVES_OUT
bool does(enum step);
#else
#define does(step) ((void)(step), true)
#endif

#endif
