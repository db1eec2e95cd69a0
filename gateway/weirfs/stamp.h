/* stamp.h - when did a policy change, for editors that compare times before they save?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The gateways keep no such time: a text that differs from what was seen before has
 * changed now. */
#ifndef WEIRFS_STAMP_H
#define WEIRFS_STAMP_H

#include <stddef.h>
#include <time.h>

void stamp_of(const char *path, const char *text, size_t size, struct timespec *changed);
void stamp_start(struct timespec *); /* of everything else: when the first file was looked at */
void stamp_finish(void);

#endif
