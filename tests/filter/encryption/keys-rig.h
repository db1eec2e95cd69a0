/* keys-rig.h - what do the tests of those who give keys share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_KEYS_RIG_H
#define TEST_KEYS_RIG_H

#include "keys.h"

#include <sys/types.h>

extern char folder[]; /* of a test program, removed by finish() */
extern char why[HEADER_WHY];
extern struct secret key; /* as get() got it */

int start(void **state);
int finish(void **state);

/* Valid until the next call. */
const char *path_of(const char *name);
const char *word_of(const char *provider, const char *name);
void put(const char *name, const char *text, size_t size, mode_t mode);
void put_script(const char *name, const char *text);

int get(const char *word);
int get_within(const char *word, uint64_t patience);
void is_key(const char *text);
void says(const char *part);

#endif
