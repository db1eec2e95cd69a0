/* log.h - what has happened in all gateways, as one file that grows?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The lines of all gateways, "time=… gateway=NAME …".  A reader sees the file as it was
 * at its opening and what comes after; reading past the end is what poll() waits for. */
#ifndef WEIRFS_LOG_H
#define WEIRFS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Keeps one line, with or without \n.  1, or 0 when there was no memory. */
size_t log_add(const char *gateway, const char *line);
void log_wake(void); /* tells those who poll; call it with no lock held */
void log_size(size_t *size, struct timespec *changed);
void log_mute(void); /* from its return on nobody is told any more: the mount goes */
void log_finish(void);

struct fuse_pollhandle;
struct log_reader;
int log_open(struct log_reader **ret);
void log_close(struct log_reader *);
size_t log_read(struct log_reader *, char *buffer, size_t size, uint64_t offset);
/* Is there something unread?  If not, `handle` (NULL is fine) is notified when there is;
 * it belongs to the log from here on. */
bool log_poll(struct log_reader *, struct fuse_pollhandle *handle);

#endif
