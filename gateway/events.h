/* events.h - what has happened, one line each, for people and for poll()?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_EVENTS_H
#define WEIR_EVENTS_H

#include "weir-filter.h"

/* Remembers the line in a ring of EVENTS_KEPT, wakes those who wait and writes it to
 * the log (stderr, or what events_log_to() was given).  `export` and `filter` may be
 * NULL.  The line: time=RFC3339 severity=… export=… filter=… text="…" */
void event_post(enum weir_severity, const char *export, const char *filter, const char *format, ...)
    WEIR_PRINTF(4, 5);

enum { EVENTS_KEPT = 1024 };

/* Copies the lines after `after` (0: all kept) as text, one per line; *last is the
 * number of the newest.  Waits up to `timeout_ms` (-1: for ever) for one to come. */
int events_read(uint64_t after, int timeout_ms, struct weir_text *, uint64_t *last);
void events_wake(void); /* lets all waiters return, at shutdown */
void events_log_to(void (*write_line)(enum weir_severity, const char *line));

#endif
