/* dynamic.h - which exports come to be because a client asks for them?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   BASE@POINT       the disk of BASE as it was, where its store has points (store.h): for
 *                    reading, or, as POINT+WORD, to be written on scratch
 *   BASE@changes:ID  BASE as it is, whose extents say what changed since ID, where BASE has a
 *                    filter of class replication
 *
 * BASE is a configured export; whoever may open it may open these.  All who open one name
 * share one export, which is in the gateway's list while it is open: a read-only one until
 * its last client leaves, one that is written until it is closed or the gateway stops, for a
 * guest that reboots must find its disk. */
#ifndef WEIR_DYNAMIC_H
#define WEIR_DYNAMIC_H

#include "export.h"

enum { DYNAMIC_MAX = 64 }; /* at once */

/* The store type of BASE@changes:ID, before the first is opened; NULL: there are none. */
void dynamic_changes(const struct store_type *);

/* The export that `name` is one of, a reference; NULL: it cannot be one. */
struct export *dynamic_base(const char *name);

/* Opens `name`, of that BASE, for one more client.  Blocks for what the store needs, and who
 * opens another name does not wait for it.  -ENOENT, -EMFILE or another with the sentence. */
int dynamic_open(struct export *base, const char *name, struct export **ret, struct weir_text *why);
/* The client leaves: gives back what dynamic_open() gave. */
void dynamic_leave(struct export *);

/* Closes it whoever has it open, and takes it out of the list.  -ENOENT: it is none, or gone
 * already; else as export_close(). */
int dynamic_close(struct export *);

/* How many clients have one of BASE open: of `every_kind`, or only of BASE@changes:ID, which read
 * through BASE. */
unsigned dynamic_clients(const char *base, bool every_kind);
/* BASEs have gone or changed: closes what no longer is of one. */
void dynamic_sweep(void);
/* Closes all; afterwards none can be opened until dynamic_changes() is called again. */
void dynamic_stop(void);

#endif
