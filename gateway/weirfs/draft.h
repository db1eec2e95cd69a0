/* draft.h - when is a text that a tool writes into a policy whole, and may it be applied?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An open policy file that may be written.  Each write() asks the gateways whether the
 * text so far can still become a policy, and fails when it cannot: the one place where
 * a shell's `echo >` hears of it.  The text is applied when the file is closed or
 * synced.  Opening with O_TRUNC alone changes nothing: shells flush a file before they
 * write the first byte. */
#ifndef WEIRFS_DRAFT_H
#define WEIRFS_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct draft;

enum draft_flags {
    DRAFT_APPEND = 1, /* each write goes to the end */
    DRAFT_EMPTY = 2,  /* begins without the present text */
    DRAFT_NEW = 4,    /* the name was not there: it is pending until applied */
};

/* `opener`: the process whose close means that the text is whole.  A shell's children
 * close their copies too. */
int draft_open(const char *path, unsigned flags, pid_t opener, struct draft **ret);
size_t draft_read(struct draft *, char *buffer, size_t size, uint64_t offset);
int draft_write(struct draft *, const char *bytes, size_t size, uint64_t offset);
int draft_resize(struct draft *, uint64_t size);
size_t draft_size(struct draft *);
int draft_sync(struct draft *);                /* applies */
int draft_close(struct draft *, pid_t closer); /* applies when it is the opener's */
void draft_release(struct draft *);            /* the last close: applies what is left */
void draft_destroy(struct draft *);            /* NULL is fine */

#endif
