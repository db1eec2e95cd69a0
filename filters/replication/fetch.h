/* fetch.h - how does a site that was replaced get its disks back, with what was written meanwhile?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef REPLICATION_FETCH_H
#define REPLICATION_FETCH_H

#include "replication.h"

struct link_setup;

/* By the keeper, with the stream held and without the lock, while the record says so: goes on until
 * the target is a target again and all is here (0), it fails, or the group stops. */
int fetch_run(struct group *, const struct link_setup *, char why[WHY]);

#endif
