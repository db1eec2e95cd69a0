/* database.c - who commits transactions to a database on two disks, and counts what is left of
 * them?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * database write BOOK [OPTION…] DATABASE-URI LOG-URI   until SIGTERM, or --transactions N
 * database check BOOK [OPTION…] DATABASE-URI LOG-URI   writes nothing
 *   --returned                 all whose commit has returned must be there
 *   --at LSN                   those up to this LSN must be there, and no others
 *   --before NANOSECONDS       those whose commit had returned at this time must be there
 *   --lsn SOCKET PATH          where the source's last LSN is read, for the book
 *   --transactions N
 *
 * Both verify all that is there: it is the transactions 1 to M of the book, without a gap.
 * Exit: 0 done; 1 something is wrong, and was said; 4 a disk has failed. */
#include "bank.h"
#include "disk-vfs.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static volatile sig_atomic_t told_to_stop; /* by a signal */

static void stop(int number)
{
    (void)number;
    told_to_stop = 1;
}

struct job {
    struct disks disks;
    struct book book;
    sqlite3 *db;
    bool writes;
    const char *path; /* of the book */
    uint64_t transactions;
    struct demand demand;
    char **uris;
};

static int exit_code(int r)
{
    return r == SQLITE_OK ? 0 : (r & 0xff) == SQLITE_IOERR ? 4 : 1;
}

/* ---- what is there ---------------------------------------------------------------------- */

static int judge(struct job *j, size_t *there)
{
    struct verdict v;
    int r = bank_verify(j->db, &j->book, there);

    if (r)
        return r;
    if (book_judge(&j->book, *there, &j->demand, &v) < 0)
        return SQLITE_CORRUPT;
    printf("there %zu begun %zu returned %zu lost %zu unsure %zu\n", *there, v.begun, v.returned,
           v.lost, v.unsure);
    fflush(stdout);
    return SQLITE_OK;
}

/* ---- what comes to it --------------------------------------------------------------------- */

static int transact(struct job *j)
{
    uint64_t tag;

    if (getrandom(&tag, sizeof tag, 0) != sizeof tag ||
        book_begin(&j->book, tag, lsn_read(&j->disks.lsn)) < 0)
        return SQLITE_ERROR;
    int r = bank_transact(j->db, j->book.count, tag);
    if (r)
        return r;
    if (book_return(&j->book, j->disks.low, j->disks.high) < 0)
        return SQLITE_ERROR;
    /* now and then the log becomes empty, instead of being begun again from its front */
    if (j->book.count % 97 == 0 &&
        sqlite3_exec(j->db, "PRAGMA wal_checkpoint(truncate)", NULL, NULL, NULL))
        return bank_fail(j->db, "checkpoint");
    return SQLITE_OK;
}

static int write_more(struct job *j, size_t there)
{
    int r = book_resume(&j->book, there) < 0 ? SQLITE_ERROR : SQLITE_OK;

    for (uint64_t n = 0; !r && n < j->transactions && !told_to_stop; n++)
        r = transact(j);
    return r;
}

static int run(struct job *j)
{
    size_t there = 0;

    if (book_open(&j->book, j->path) < 0 || disks_open(&j->disks, j->uris) < 0)
        return SQLITE_ERROR;
    int r = bank_open("disks", j->writes, &j->db);
    if (!r && !j->writes)
        sqlite3_db_config(j->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (!r)
        r = judge(j, &there);
    return r || !j->writes ? r : write_more(j, there);
}

/* ---- the command ---------------------------------------------------------------------------- */

static int misuse(void)
{
    fprintf(stderr, "usage: database write|check BOOK [--returned] [--at LSN] [--before NS]"
                    " [--lsn SOCKET PATH] [--transactions N] DATABASE-URI LOG-URI\n");
    return 2;
}

/* The words of one option; 0: it is none. */
static int take_option(struct job *j, int left, char **words, int *error)
{
    const char *name = *words;

    if (strcmp(name, "--returned") == 0) {
        j->demand.returned = true;
        return 1;
    }
    if (left > 2 && strcmp(name, "--lsn") == 0) {
        *error |= lsn_open(&j->disks.lsn, words[1], words[2]);
        return 3;
    }
    if (left < 2)
        return 0;
    uint64_t *number = strcmp(name, "--at") == 0             ? &j->demand.lsn
                       : strcmp(name, "--before") == 0       ? &j->demand.before
                       : strcmp(name, "--transactions") == 0 ? &j->transactions
                                                             : NULL;
    if (number)
        *number = strtoull(words[1], NULL, 10);
    return number ? 2 : 0;
}

int main(int argc, char **argv)
{
    struct job j = { .book.fd = -1, .transactions = UINT64_MAX };
    int at = 3, taken = 1, error = 0;

    if (argc < 5 || (strcmp(argv[1], "write") != 0 && strcmp(argv[1], "check") != 0))
        return misuse();
    j.writes = strcmp(argv[1], "write") == 0;
    j.path = argv[2];
    for (; at < argc && taken > 0; at += taken)
        taken = take_option(&j, argc - at, argv + at, &error);
    if (argc - at != DISK_COUNT)
        return misuse();
    j.uris = argv + at;
    sigaction(SIGTERM, &(struct sigaction){ .sa_handler = stop }, NULL);
    int r = error ? SQLITE_ERROR : run(&j);
    sqlite3_close(j.db);
    disks_close(&j.disks);
    lsn_close(&j.disks.lsn);
    book_close(&j.book);
    return exit_code(r);
}
