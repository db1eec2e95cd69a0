/* transact.c - which transactions did a guest's database commit, and which of them has its disk?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * transact write BOOK [N]       commits to the database in the current folder, N times or for ever;
 *                               each line of the book is said as well
 * transact check BOOK [lost]    are the transactions of the book there, 1 to M, and all whose
 * commit had returned?  "THERE M"; lost: some may be lost
 *
 * The book and the database are those of tests/filter/replication/database. */
#include "bank.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>

static int check(sqlite3 *db, const struct book *book, bool lost)
{
    const struct demand demand = { .returned = !lost };
    struct verdict verdict;
    size_t there;

    if (bank_verify(db, book, &there) || book_judge(book, there, &demand, &verdict) < 0)
        return 1;
    printf("THERE %zu begun %zu returned %zu\n", there, verdict.begun, verdict.returned);
    return 0;
}

/* What was said until now is on the console, also if this machine dies at once. */
static int say(void)
{
    return isatty(STDOUT_FILENO) ? tcdrain(STDOUT_FILENO) : 0;
}

static int commit(sqlite3 *db, struct book *book, unsigned long times)
{
    size_t there;
    uint64_t tag;
    int r = bank_verify(db, book, &there) || book_resume(book, there) < 0;

    for (unsigned long n = 0; !r && n < times; n++)
        r = getrandom(&tag, sizeof tag, 0) != sizeof tag || book_begin(book, tag, 0) < 0 ||
            say() < 0 || bank_transact(db, book->count, tag) || book_return(book, 0, 0) < 0 ||
            say() < 0;
    return r;
}

int main(int argc, char **argv)
{
    const bool writes = argc > 2 && strcmp(argv[1], "write") == 0;
    struct book book;
    sqlite3 *db = NULL;

    if (argc < 3 || argc > 4 || (!writes && strcmp(argv[1], "check") != 0)) {
        fprintf(stderr, "usage: transact write BOOK [N] | transact check BOOK [lost]\n");
        return 2;
    }
    int r = book_open(&book, argv[2]);
    book.echo = STDOUT_FILENO;
    r = r || bank_open(NULL, writes, &db);
    if (!r && writes)
        r = commit(db, &book, argc > 3 ? strtoul(argv[3], NULL, 10) : ~0ul);
    else if (!r)
        r = check(db, &book, argc > 3);
    sqlite3_close(db);
    book_close(&book);
    return r != 0;
}
