/* store-far.h - which NBD servers does a test start, kill and find?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_FAR_H
#define STORE_FAR_H

#include "store-harness.h"

/* A server of the test's own, beside the store. */
struct far {
    const char *words[12];
    char socket[128], uri[192];
    pid_t pid;
};

/* nbdkit -f -U SOCKET and these words; returns when it listens. */
void far_nbdkit(struct far *, const char *name, const char *const *words);
void far_start(struct far *); /* again */
void far_kill(struct far *);  /* SIGKILL */

/* A disk of type nbd. */
int open_disk(struct disk *, const char *const *options, const char *image);
/* An image of 8 MiB made by qemu-img, or a skip. */
void make_image(const char *format, const char *name);
/* The newest process whose parent is `parent`; 0: none. */
pid_t child_of(pid_t parent);

#endif
