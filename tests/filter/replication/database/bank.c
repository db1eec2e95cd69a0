/* bank.c - how is a transaction written, and how are all of them verified?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bank.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ACCOUNTS = 16, KEPT = 48, LONGEST = 12000 };

int bank_fail(sqlite3 *db, const char *what)
{
    int r = sqlite3_errcode(db);

    fprintf(stderr, "database: %s: %s\n", what, sqlite3_errmsg(db));
    return r ? r : SQLITE_ERROR;
}

/* ---- content ----------------------------------------------------------------------------- */

struct content { /* of a transaction */
    int from, to;
    sqlite3_int64 amount;
    size_t length;
    uint64_t seed; /* of the bytes */
    unsigned char bytes[LONGEST];
};

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void make_content(uint64_t n, uint64_t tag, struct content *c)
{
    uint64_t x = (n * 0x9e3779b97f4a7c15u) ^ tag;

    x = x ? x : 1;
    next(&x);
    c->from = (int)(next(&x) % ACCOUNTS);
    c->to = (int)(next(&x) % ACCOUNTS);
    c->amount = (sqlite3_int64)(next(&x) % 1000);
    c->length = 100 + next(&x) % (LONGEST - 100);
    c->seed = next(&x);
}

static void make_bytes(struct content *c)
{
    for (size_t i = 0; i < c->length; i++)
        c->bytes[i] = (unsigned char)(next(&c->seed) >> 24);
}

/* ---- opening ----------------------------------------------------------------------------- */

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? SQLITE_OK : bank_fail(db, sql);
}

static int count_first(void *ret, int columns, char **texts, char **names)
{
    (void)columns;
    (void)names;
    *(int *)ret = atoi(texts[0]);
    return 0;
}

/* The two disks have an order between them in WAL mode only: that is what is tested. */
static const char begin[] = "PRAGMA journal_mode = memory; PRAGMA journal_mode = wal;"
                            "PRAGMA synchronous = full;"
                            "BEGIN IMMEDIATE;"
                            "CREATE TABLE entry(number INTEGER PRIMARY KEY, tag INTEGER);"
                            "CREATE TABLE body(number INTEGER PRIMARY KEY, bytes BLOB);"
                            "CREATE INDEX entry_tag ON entry(tag);"
                            "CREATE TABLE account(id INTEGER PRIMARY KEY, amount INTEGER);"
                            "WITH RECURSIVE ids(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM ids "
                            "WHERE id < 15) INSERT INTO account SELECT id, 0 FROM ids;"
                            "COMMIT;";

static int count_tables(sqlite3 *db, int *ret)
{
    if (sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", count_first, ret, NULL))
        return bank_fail(db, "it cannot be recovered");
    return SQLITE_OK;
}

int bank_open(const char *vfs, bool make, sqlite3 **ret)
{
    int tables = 0;
    int r = sqlite3_open_v2("bank", ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs);

    if (r)
        return bank_fail(*ret, "it cannot be opened");
    r = run(*ret, "PRAGMA locking_mode = exclusive; PRAGMA temp_store = memory;"
                  "PRAGMA synchronous = full; PRAGMA wal_autocheckpoint = 40;");
    if (!r)
        r = count_tables(*ret, &tables);
    return r || tables || !make ? r : run(*ret, begin);
}

/* ---- verifying --------------------------------------------------------------------------- */

static int is_ok(void *arg, int columns, char **texts, char **names)
{
    (void)columns;
    (void)names;
    if (strcmp(texts[0], "ok") == 0)
        return 0;
    fprintf(stderr, "database: integrity_check: %s\n", texts[0]);
    *(bool *)arg = false;
    return 0;
}

/* The row of transaction n is as it was written, but for bytes that another has taken away. */
static bool is_row(sqlite3_stmt *row, uint64_t n, const struct book *book, struct content *c)
{
    if ((uint64_t)sqlite3_column_int64(row, 0) != n || n > book->count ||
        (uint64_t)sqlite3_column_int64(row, 1) != book->entry[n - 1].tag)
        return false;
    make_content(n, book->entry[n - 1].tag, c);
    if (sqlite3_column_type(row, 2) == SQLITE_NULL)
        return true;
    make_bytes(c);
    return (size_t)sqlite3_column_bytes(row, 2) == c->length &&
           memcmp(sqlite3_column_blob(row, 2), c->bytes, c->length) == 0;
}

static int verify_rows(sqlite3 *db, const struct book *book, sqlite3_int64 *amount, size_t *ret)
{
    sqlite3_stmt *row;
    struct content c;
    size_t n = 0, with_bytes = 0;
    int r = sqlite3_prepare_v2(db,
                               "SELECT entry.number, tag, bytes FROM entry LEFT JOIN body "
                               "USING (number) ORDER BY entry.number",
                               -1, &row, NULL);

    while (!r && (r = sqlite3_step(row)) == SQLITE_ROW) {
        if (!is_row(row, ++n, book, &c)) {
            fprintf(stderr,
                    "database: row %zu (number %lld) is not what transaction %zu of %zu wrote\n", n,
                    sqlite3_column_int64(row, 0), n, book->count);
            sqlite3_finalize(row);
            return SQLITE_CORRUPT;
        }
        with_bytes += sqlite3_column_type(row, 2) != SQLITE_NULL;
        amount[c.from] -= c.amount;
        amount[c.to] += c.amount;
        r = SQLITE_OK;
    }
    sqlite3_finalize(row);
    *ret = n;
    if (r != SQLITE_DONE)
        return bank_fail(db, "rows");
    if (with_bytes == (n < KEPT ? n : KEPT))
        return SQLITE_OK;
    fprintf(stderr, "database: %zu rows of %zu have their bytes\n", with_bytes, n);
    return SQLITE_CORRUPT;
}

static int verify_accounts(sqlite3 *db, const sqlite3_int64 *amount)
{
    sqlite3_stmt *row;
    unsigned n = 0, wrong = 0;
    int r = sqlite3_prepare_v2(db, "SELECT id, amount FROM account ORDER BY id", -1, &row, NULL);

    while (!r && (r = sqlite3_step(row)) == SQLITE_ROW) {
        wrong += n >= ACCOUNTS || sqlite3_column_int64(row, 0) != n ||
                 sqlite3_column_int64(row, 1) != amount[n];
        n++;
        r = SQLITE_OK;
    }
    sqlite3_finalize(row);
    if (r != SQLITE_DONE)
        return bank_fail(db, "accounts");
    if (!wrong && n == ACCOUNTS)
        return SQLITE_OK;
    fprintf(stderr, "database: %u of %u accounts do not have what the transactions gave them\n",
            wrong, n);
    return SQLITE_CORRUPT;
}

int bank_verify(sqlite3 *db, const struct book *book, size_t *ret)
{
    sqlite3_int64 amount[ACCOUNTS] = { 0 };
    bool ok = true;
    int tables = 0;

    if (sqlite3_exec(db, "PRAGMA integrity_check", is_ok, &ok, NULL))
        return bank_fail(db, "integrity_check");
    if (!ok)
        return SQLITE_CORRUPT;
    *ret = 0;
    int r = count_tables(db, &tables);
    if (r || !tables)
        return r;
    r = verify_rows(db, book, amount, ret);
    return r ? r : verify_accounts(db, amount);
}

/* ---- writing ------------------------------------------------------------------------------ */

static int step(sqlite3 *db, const char *sql, sqlite3_int64 first, sqlite3_int64 second,
                const struct content *c)
{
    sqlite3_stmt *statement;
    int r = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    if (!r)
        r = sqlite3_bind_int64(statement, 1, first);
    if (!r && !c)
        r = sqlite3_bind_int64(statement, 2, second);
    if (!r && c)
        r = sqlite3_bind_blob(statement, 2, c->bytes, (int)c->length, SQLITE_STATIC);
    if (!r)
        r = sqlite3_step(statement);
    if (r != SQLITE_DONE)
        bank_fail(db, sql);
    sqlite3_finalize(statement);
    return r == SQLITE_DONE ? SQLITE_OK : r ? r : SQLITE_ERROR;
}

int bank_transact(sqlite3 *db, uint64_t n, uint64_t tag)
{
    static const char add[] = "UPDATE account SET amount = amount + ?1 WHERE id = ?2";
    const sqlite3_int64 number = (sqlite3_int64)n;
    struct content c;

    make_content(n, tag, &c);
    make_bytes(&c);
    int r = run(db, "BEGIN IMMEDIATE");
    if (!r)
        r = step(db, "INSERT INTO entry VALUES(?1, ?2)", number, (sqlite3_int64)tag, NULL);
    if (!r)
        r = step(db, "INSERT INTO body VALUES(?1, ?2)", number, 0, &c);
    if (!r)
        r = step(db, add, -c.amount, c.from, NULL);
    if (!r)
        r = step(db, add, c.amount, c.to, NULL);
    if (!r)
        r = step(db, "DELETE FROM body WHERE number <= ?1 - ?2", number, KEPT, NULL);
    return r ? r : run(db, "COMMIT");
}
