/* bench-index.c - how long does it take to open a point of a long history, and to look into it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   bench-index FOLDER [SEGMENTS [ENTRIES]]     (1700, 4096 of each)
 *
 * Random writes of 16 KiB to a disk of 1 TiB, as a log of 64 MiB segments has them. */
#include "fake-log.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PER_FRAME = 256, LOOKS = 20000 };
static const uint64_t disk_size = 1ull << 40, block = 16384;
static uint64_t seed = 1;

static uint64_t chance(uint64_t n)
{
    uint64_t z = (seed += 0x9e3779b97f4a7c15ull);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (z ^ z >> 31) % n;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int r, const char *what)
{
    if (r) {
        fprintf(stderr, "%s: %s\n", what, strerror(-r));
        exit(1);
    }
}

static uint64_t add_segments(struct log *log, struct index *index, unsigned segments,
                             unsigned entries)
{
    struct fake_record *record = calloc(PER_FRAME, sizeof *record);
    uint64_t lsn = 0;

    for (unsigned s = 0; s < segments; s++)
        for (unsigned n = 0; n < entries; n += PER_FRAME) {
            for (unsigned i = 0; i < PER_FRAME; i++)
                record[i].record = (struct record){ .op = RECORD_ZERO,
                                                    .length = block,
                                                    .offset = chance(disk_size / block) * block,
                                                    .lsn = ++lsn };
            const struct fake_frame *f = fake_log_add(
                log,
                (uint64_t)s * SEGMENT + (uint64_t)n / PER_FRAME * (SEGMENT / (entries / PER_FRAME)),
                0, lsn, record, PER_FRAME);
            must(index_add(index, &f->frame, f->payload), "index_add");
        }
    free(record);
    return lsn;
}

struct sizes {
    struct medium *medium;
    uint64_t bytes;
    unsigned files;
};

static int add_size(void *arg, const char *name)
{
    struct sizes *s = arg;
    struct medium_file *f;
    uint64_t size;

    must(s->medium->open(s->medium, name, MEDIUM_READ_ONLY, &f), name);
    must(f->size(f, &size), name);
    f->close(f);
    s->bytes += size;
    s->files++;
    return 0;
}

static int count(void *arg, const struct index_entry *e)
{
    (void)e;
    ++*(uint64_t *)arg;
    return 0;
}

static void look(struct index_view *v, const char *what)
{
    uint64_t found = 0;
    double start = seconds();

    for (unsigned i = 0; i < LOOKS; i++)
        must(index_look(v, 0, chance(disk_size / 4096) * 4096, 4096, count, &found), "index_look");
    printf("%s: %.1f us each, %.0f %% found\n", what, (seconds() - start) / LOOKS * 1e6,
           100.0 * (double)found / LOOKS);
}

int main(int argc, char **argv)
{
    const unsigned segments = argc > 2 ? (unsigned)atoi(argv[2]) : 1700;
    const unsigned entries = argc > 3 ? (unsigned)atoi(argv[3]) : 4096;
    struct log *log = fake_log_create();
    struct medium *medium;
    struct index *index;
    struct index_view *v;

    if (argc < 2 || !entries || entries % PER_FRAME)
        return 2;
    must(medium_open(argv[1], &medium, NULL), argv[1]);
    struct index_setup setup = { .medium = medium, .log = log, .manual = true };
    must(index_open(&setup, &index, NULL), "index_open");
    double start = seconds();
    const uint64_t lsn = add_segments(log, index, segments, entries);
    printf("%" PRIu64 " entries of %u segments: added in %.2f s\n", lsn, segments,
           seconds() - start);
    start = seconds();
    while (index_work(index))
        ;
    printf("runs written and merged in %.2f s\n", seconds() - start);
    index_close(index);
    struct sizes sizes = { .medium = medium };
    must(medium->list(medium, add_size, &sizes), "list");
    printf("%u runs, %.1f bytes of disk for each entry\n", sizes.files,
           (double)sizes.bytes / (double)lsn);
    malloc_trim(0);
    const size_t before = mallinfo2().uordblks;
    setup.end = fake_log_end(log);
    start = seconds();
    must(index_open(&setup, &index, NULL), "index_open");
    printf("opened in %.3f s; %.2f bytes of memory for each entry, and a cache of 16 MiB\n",
           seconds() - start, (double)(mallinfo2().uordblks - before) / (double)lsn);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t at = i < 2 ? 1 + chance(lsn) : lsn;
        start = seconds();
        must(index_view_open(index, at, &v), "index_view_open");
        printf("point at LSN %" PRIu64 " opened in %.4f s\n", at, seconds() - start);
        look(v, "4 KiB looked up, cache cold");
        look(v, "4 KiB looked up, cache warm");
        if (i == 2) {
            uint64_t found = 0;
            start = seconds();
            must(index_changes(v, 0, count, &found), "index_changes");
            printf("all %" PRIu64 " places in %.2f s\n", found, seconds() - start);
        }
        index_view_close(v);
    }
    index_close(index);
    medium->close(medium);
    fake_log_destroy(log);
    return 0;
}
