/* book.c - how is the book read, continued, and held against a database?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "book.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- what it says ----------------------------------------------------------------------- */

static int resume(struct book *b, uint64_t there)
{
    if (there > b->count)
        return -1;
    b->count = there;
    for (size_t i = 0; i < b->count; i++)
        b->entry[i].earlier = b->entry[i].returned = true;
    return 0;
}

static int begin(struct book *b, uint64_t tag, uint64_t lsn)
{
    if (b->count == b->room) {
        size_t room = b->room ? 2 * b->room : 1024;
        struct entry *more = reallocarray(b->entry, room, sizeof *more);
        if (!more)
            return -1;
        b->entry = more;
        b->room = room;
    }
    b->entry[b->count++] = (struct entry){ .tag = tag, .low = lsn };
    return 0;
}

static int take_line(struct book *b, const char *line)
{
    uint64_t n, first, second, third;

    if (sscanf(line, "r %" SCNu64, &n) == 1)
        return resume(b, n);
    if (sscanf(line, "b %" SCNu64 " %" SCNu64 " %" SCNu64, &n, &first, &second) == 3)
        return n == b->count + 1 ? begin(b, first, second) : -1;
    if (sscanf(line, "c %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &n, &first, &second,
               &third) != 4 ||
        n != b->count || !n)
        return -1;
    struct entry *e = &b->entry[n - 1];
    *e = (struct entry){ e->tag, first ? first : e->low, second, third, false, true };
    return 0;
}

int book_open(struct book *b, const char *path)
{
    char line[256];

    *b = (struct book){ .fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666),
                        .echo = -1 };
    FILE *file = b->fd < 0 ? NULL : fopen(path, "re");
    int r = file ? 0 : -1;
    while (!r && fgets(line, sizeof line, file))
        r = take_line(b, line);
    if (r)
        fprintf(stderr, "database: %s: %s\n", path, file ? "a line is wrong" : strerror(errno));
    if (file)
        fclose(file);
    return r;
}

void book_close(struct book *b)
{
    free(b->entry);
    if (b->fd >= 0)
        close(b->fd);
}

/* ---- what comes to it --------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static int add_line(struct book *b, const char *format, ...)
{
    char line[256];
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(b->fd, line, (size_t)n) != n ||
        (b->echo >= 0 && write(b->echo, line, (size_t)n) != n)) {
        fprintf(stderr, "database: the book: %s\n", strerror(errno));
        return -1;
    }
    return take_line(b, line);
}

int book_resume(struct book *b, size_t there)
{
    return add_line(b, "r %zu\n", there);
}

int book_begin(struct book *b, uint64_t tag, uint64_t lsn)
{
    return add_line(b, "b %zu %" PRIu64 " %" PRIu64 "\n", b->count + 1, tag, lsn);
}

int book_return(struct book *b, uint64_t low, uint64_t high)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return add_line(b, "c %zu %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", b->count, low, high,
                    (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
}

/* ---- whether it is so ---------------------------------------------------------------------- */

static const char *must_be_there(const struct entry *e, const struct demand *d)
{
    if (e->earlier)
        return "it was there when the database was opened last";
    if (d->returned && e->returned)
        return "its commit had returned";
    if (d->before && e->returned && e->time < d->before)
        return "its commit had returned before the time that was reported";
    return d->lsn && e->high && e->high <= d->lsn ? "its LSN is not above the one reported" : NULL;
}

static bool cannot_be_there(const struct entry *e, const struct demand *d)
{
    return d->lsn && !e->earlier && e->low && e->low >= d->lsn;
}

static int refuse(size_t n, const struct entry *e, const char *what, const char *why)
{
    fprintf(stderr,
            "database: transaction %zu (LSN above %" PRIu64 ", up to %" PRIu64 ") is %s: %s\n", n,
            e->low, e->high, what, why);
    return -1;
}

int book_judge(const struct book *b, size_t there, const struct demand *demand, struct verdict *ret)
{
    *ret = (struct verdict){ .begun = b->count };
    if (there > b->count) {
        fprintf(stderr, "database: %zu transactions are there, and %zu were begun\n", there,
                b->count);
        return -1;
    }
    for (size_t n = 1; n <= b->count; n++) {
        const struct entry *e = &b->entry[n - 1];
        const char *why = must_be_there(e, demand);
        const bool never = cannot_be_there(e, demand);
        ret->returned += e->returned;
        ret->lost += e->returned && n > there;
        ret->unsure += demand->lsn && !why && !never;
        if (n > there ? why != NULL : never)
            return refuse(n, e, n > there ? "lost" : "there",
                          n > there ? why : "its LSN is above the one reported");
    }
    return 0;
}
