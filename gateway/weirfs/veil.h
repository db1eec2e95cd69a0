/* veil.h - which names of policies look different here from what the gateways say?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A policy that exports use cannot be removed, but mv and vim unlink or rename a file
 * before they make it anew.  Such a name is hidden until it is created again; when that
 * does not happen within VEIL_SECONDS it is back, for it is still in force.
 * A name that was created and has no text yet is pending: an empty file, which is gone
 * when nothing came within VEIL_SECONDS after it was closed. */
#ifndef WEIRFS_VEIL_H
#define WEIRFS_VEIL_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum { VEIL_SECONDS = 5 };

enum veil { VEIL_NONE, VEIL_HIDDEN, VEIL_PENDING };

time_t veil_clock(void); /* CLOCK_BOOTTIME, seconds */

int veil_hide(const char *path); /* 0 or -ENOMEM */
int veil_pend(const char *path); /* an open file of that name will come to something */
void veil_size(const char *path, size_t size); /* of what is pending */
void veil_close(const char *path);             /* that file was closed: the seconds run */
void veil_lift(const char *path);              /* the gateways' word counts again */
enum veil veil_of(const char *path, size_t *size);

/* Names in `folder` that are pending; stops at an error of `each`. */
int veil_each_pending(const char *folder, int (*each)(void *context, const char *name),
                      void *context);
void veil_finish(void);

#endif
