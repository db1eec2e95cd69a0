/* serve.h - what do clients and administrators get of a group?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_VAULT_SERVE_H
#define WEIR_VAULT_SERVE_H

#include "group.h"

/* serve.c: a request to the export log:GROUP (page.h). */
int serve_log(struct group *, struct weir_request *);
void serve_log_geometry(struct weir_geometry *);

/* tell.c */
int tell_status(struct group *, struct weir_text *answer); /* one JSON object */
int tell_points(struct group *, struct weir_text *answer); /* {"points": […]}, oldest first */
/* Which disk it is, for weir_identity(): with its group and the generation that may write it, for
 * when another begins it may hold other bytes. */
enum { DISK_IDENTITY = 320 };
void tell_identity(struct group *, unsigned disk, char text[DISK_IDENTITY]);
/* "receiving", "waiting", … */
const char *tell_state(struct group *, const struct status *);

#endif
