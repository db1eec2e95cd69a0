/* journal.c - is every record that was said to be durable still there?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * journal write FILE [STOP]  appends records of 4 KiB, each followed by fdatasync(), and
 *                            says "DURABLE FILE N" once record N is; ends when STOP exists
 * journal check FILE N       are the first N records in FILE, each whole? */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RECORD = 4096, WORDS = RECORD / 8 };

/* Every word depends on the record's number: a lost, stale or torn record shows. */
static void fill(uint64_t *record, uint64_t number)
{
    uint64_t x = number * 0x9e3779b97f4a7c15u + 1;
    record[0] = number;
    for (size_t i = 1; i < WORDS; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        record[i] = x;
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int write_journal(const char *file, const char *stop)
{
    uint64_t record[WORDS];
    uint64_t slowest = 0;
    double longest = 0;
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        perror(file);
        return 1;
    }
    for (uint64_t n = 1; !stop || access(stop, F_OK) < 0; n++) {
        double start = now();
        fill(record, n);
        if (pwrite(fd, record, RECORD, (off_t)((n - 1) * RECORD)) != RECORD || fdatasync(fd) < 0) {
            printf("JOURNAL-ERROR record %" PRIu64 ": %s\n", n, strerror(errno));
            return 1;
        }
        double took = now() - start;
        if (took > longest) {
            longest = took;
            slowest = n;
        }
        printf("DURABLE %s %" PRIu64 "\n", file, n);
        fflush(stdout);
        usleep(20000);
    }
    printf("JOURNAL longest pause %.1f s, at record %" PRIu64 "\n", longest, slowest);
    return 0;
}

static int check_journal(const char *file, uint64_t count)
{
    uint64_t expected[WORDS], found[WORDS];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        perror(file);
        return 1;
    }
    for (uint64_t n = 1; n <= count; n++) {
        fill(expected, n);
        if (pread(fd, found, RECORD, (off_t)((n - 1) * RECORD)) != RECORD) {
            printf("%s: ends before record %" PRIu64 " of %" PRIu64 "\n", file, n, count);
            return 1;
        }
        if (memcmp(expected, found, RECORD) != 0) {
            printf("%s: record %" PRIu64 " of %" PRIu64 " is damaged (says it is %" PRIu64 ")\n",
                   file, n, count, found[0]);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "write") == 0)
        return write_journal(argv[2], argc > 3 ? argv[3] : NULL);
    if (argc == 4 && strcmp(argv[1], "check") == 0)
        return check_journal(argv[2], strtoull(argv[3], NULL, 10));
    fprintf(stderr, "usage: journal write FILE [STOP] | journal check FILE N\n");
    return 2;
}
