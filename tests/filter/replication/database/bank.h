/* bank.h - what is in the database, and how does each transaction show whether it is whole?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Transaction N adds row N with a tag, and with bytes that follow from both, moves an amount from
 * one account to another, and takes the bytes of an older row away. */
#ifndef BANK_H
#define BANK_H

#include "book.h"

#include <sqlite3.h>

/* Opens and recovers it; `make`: makes it if there is nothing.  SQLite's code; it has said why. */
int bank_open(const char *vfs, bool make, sqlite3 **ret);
/* All that is there is right; it is nothing but the first transactions of the book: how many?  None
 * in one that was not made yet. */
int bank_verify(sqlite3 *db, const struct book *book, size_t *ret);
/* Commits number `n`. */
int bank_transact(sqlite3 *db, uint64_t n, uint64_t tag);
/* Says what went wrong. */
int bank_fail(sqlite3 *db, const char *what);

#endif
