/* medium-file.h - what do a folder and a file that are a medium have in common?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef REPLICATION_MEDIUM_FILE_H
#define REPLICATION_MEDIUM_FILE_H

#include "medium.h"

#include <pthread.h>

/* The kernel tells of a lost write once, and not whom it concerns: so one sync of a descriptor runs
 * at a time, what it answers holds for all who came before it began, and a failure holds for ever.
 */
struct syncer {
    pthread_mutex_t lock; /* guards what follows; a leaf, not held while the kernel syncs */
    pthread_cond_t done;
    uint64_t begun, ended; /* syncs, ever */
    int failed;
};
void syncer_init(struct syncer *);
void syncer_finish(struct syncer *);
int syncer_sync(struct syncer *, int fd, int (*sync)(int fd));

/* `name` in the folder `at`. */
int medium_file_open(int at, const char *name, unsigned flags, struct medium_file **ret);

#endif
