/* book.h - which transactions were begun, and which of them was the program told to be committed?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A text file that outlives the sites.  Its lines:
 *   r M               the database was opened with M transactions; later ones are forgotten
 *   b N TAG LSN       transaction N is about to begin, with this content; the last LSN until now
 *   c N LOW HIGH NS   its commit has returned, at this time; the write that decided it has an LSN
 *                     above LOW and up to HIGH
 * A number that is 0 is not known. */
#ifndef BOOK_H
#define BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entry {
    uint64_t tag, low, high, time;
    bool earlier; /* was there when the database was opened last */
    bool returned;
};

struct book {
    int fd, echo;        /* echo: gets each line, too; -1: none */
    struct entry *entry; /* the first is transaction 1 */
    size_t count, room;
};

/* What has to be there. */
struct demand {
    bool returned;   /* all whose commit has returned */
    uint64_t lsn;    /* all up to this LSN, and nothing beyond it; 0: any */
    uint64_t before; /* all that had returned at this time */
};

struct verdict {
    size_t begun, returned, lost; /* lost: of those that had returned */
    size_t unsure;                /* whose LSN is not known well enough to be judged by it */
};

/* 0, or -1 after it has said why. */
int book_open(struct book *b, const char *path);
void book_close(struct book *b);

int book_resume(struct book *b, size_t there);
int book_begin(struct book *b, uint64_t tag, uint64_t lsn);
int book_return(struct book *b, uint64_t low, uint64_t high);

/* Do the first `there` transactions satisfy it?  -1 after it has said which does not. */
int book_judge(const struct book *b, size_t there, const struct demand *demand,
               struct verdict *ret);

#endif
