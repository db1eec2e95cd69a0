/* policy.h - how does one text become the policy of all gateways that hold it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * `path` is policies/NAME or exports/NAME/policy.conf as in the mount.  A policy that
 * several gateways hold is checked by all, then set in all; when one refuses after all,
 * those before it get back what they had.  Changes of one path take turns.  What was
 * refused is kept for `last_error`. */
#ifndef WEIRFS_POLICY_H
#define WEIRFS_POLICY_H

#include "refusal.h"

int policy_get(const char *path, char **text, size_t *size); /* -ENOENT: nobody has it */
int policy_check(const char *path, const char *text, size_t size, struct refusal *);
/* A name that nobody has becomes a policy of the gateways it was removed from just now,
 * else of all that run. */
int policy_set(const char *path, const char *text, size_t size, struct refusal *);
int policy_remove(const char *path); /* -EBUSY: exports use it */
/* Undoes a policy_remove() of just now. */
void policy_restore(const char *path);

/* What was refused last, and on which path; an empty sentence when that was cured. */
void last_error_set(const char *path, const char *sentence);
void last_error_clear(const char *path);
int last_error_read(char **text, size_t *size);
void last_error_finish(void);

void policy_finish(void);

#endif
