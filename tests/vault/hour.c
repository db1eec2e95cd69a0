/* hour.c - does each second of an hour that a source has written open as it was?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   vault-hour SOCKET feed             sends the hour to log:db: two disks, and a restore point a
 * second vault-hour SOCKET points N SEED    opens N of them, 0: all, by time, name or LSN, and
 * reads them; prints how long it took until the first byte was there vault-hour SOCKET is WORD
 * SECOND   is what @WORD is at that second? vault-hour SOCKET scratch WORD SECOND SEED   the same;
 * then it is written here and there, then all over, and read vault-hour SOCKET written WORD     is
 * it what `scratch` left?
 *
 * Every program makes the same hour: what is written when follows from a number. */
#include "client.h"
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SECONDS = 3600, TWO = 2, HOT = 64, CHUNK = 1 << 20, MANY = 200, LONGEST = 20000 };
static const unsigned blocks[TWO] = { 2048, 800 };
static const char *const disk_name[TWO] = { "vm1", "vm2" };
static const uint64_t start = 1795000000; /* s since 1970 */

struct hour {
    struct model model;
    struct {
        size_t ops;   /* how many were written by then */
        uint64_t lsn; /* of its mark */
    } at[SECONDS + 1];
};

/* ---- what is written when ------------------------------------------------------------ */

static void add(struct hour *h, struct model_op op, uint64_t *lsn)
{
    op.lsn = ++*lsn;
    model_add(&h->model, &op);
}

/* Half of each disk, before the first second. */
static void begin(struct hour *h, uint64_t *lsn)
{
    for (unsigned disk = 0; disk < TWO; disk++)
        for (unsigned b = 0; b < blocks[disk]; b += 32)
            add(h, (struct model_op){ .disk = disk, .first = b, .count = 16 }, lsn);
}

/* Some places are written much more often than others. */
static void write_one(struct hour *h, uint64_t *seed, uint64_t *lsn)
{
    struct model_op op = { .disk = model_chance(seed, 4) == 0,
                           .count = 1 + (unsigned)model_chance(seed, 8),
                           .zero = model_chance(seed, 8) == 0 };

    op.first = (unsigned)model_chance(seed, model_chance(seed, 2) ? HOT : blocks[op.disk]);
    if (op.first + op.count > blocks[op.disk])
        op.count = blocks[op.disk] - op.first;
    add(h, op, lsn);
}

static void make_hour(struct hour *h)
{
    uint64_t lsn = TWO, seed = 1; /* the disks' names come first */

    begin(h, &lsn);
    for (unsigned s = 0; s <= SECONDS; s++) {
        for (uint64_t n = s ? 1 + model_chance(&seed, 4) : 0; n > 0; n--)
            write_one(h, &seed, &lsn);
        h->at[s].ops = h->model.ops;
        h->at[s].lsn = ++lsn;
    }
}

/* ---- sending ------------------------------------------------------------------------- */

static void put(struct source *source, const struct model_op *op)
{
    const uint64_t offset = (uint64_t)op->first * MODEL_BLOCK;
    const uint32_t length = op->count * MODEL_BLOCK;

    if (op->zero) {
        source_zero(source, op->disk, offset, length);
    } else {
        uint8_t *data = malloc(length);
        if (!data)
            client_die("no memory");
        for (unsigned i = 0; i < op->count; i++)
            model_fill(data + (size_t)i * MODEL_BLOCK, op->disk, op->first + i, op->lsn);
        source_write(source, op->disk, offset, data, length);
        free(data);
    }
    if (source->lsn != op->lsn)
        client_die("LSNs are not as they were thought to be");
}

/* A frame of it; the last of a minute has a name. */
static void send_second(struct nbd_handle *nbd, struct source *source, const struct hour *h,
                        unsigned s)
{
    char name[32] = "";

    source_begin(source, s % 4 ? 0 : FRAME_ZSTD);
    source->draft.frame.time = (start + s) * 1000000000;
    for (unsigned disk = 0; s == 0 && disk < TWO; disk++)
        source_disk(source, disk, disk_name[disk], (uint64_t)blocks[disk] * MODEL_BLOCK);
    for (size_t i = s ? h->at[s - 1].ops : 0; i < h->at[s].ops; i++)
        put(source, &h->model.op[i]);
    if (s % 60 == 0)
        snprintf(name, sizeof name, "minute-%u", s / 60);
    source_mark(source, name);
    client_send(nbd, source, s == SECONDS);
}

static void feed(const char *socket, const struct hour *h)
{
    struct nbd_handle *nbd = client_open(socket, "log:db");
    struct source source = { 0 };

    client_acquire(nbd, &source);
    if (source.lsn)
        client_die("the log is not new");
    for (unsigned s = 0; s <= SECONDS; s++)
        send_second(nbd, &source, h, s);
    client_close(nbd);
}

/* ---- reading ------------------------------------------------------------------------- */

static struct nbd_handle *open_disk(const char *socket, unsigned disk, const char *word)
{
    char export[200];

    snprintf(export, sizeof export, "%s@%s", disk_name[disk], word);
    return client_open(socket, export);
}

static void read_all(struct nbd_handle *nbd, unsigned disk, uint8_t *bytes)
{
    const uint64_t size = (uint64_t)blocks[disk] * MODEL_BLOCK;

    if (nbd_get_size(nbd) != (int64_t)size)
        client_die("it is not as large as it was");
    for (uint64_t at = 0; at < size; at += CHUNK)
        if (nbd_pread(nbd, bytes + at, size - at < CHUNK ? size - at : CHUNK, at, 0))
            client_die("read");
}

static uint8_t *room_for(unsigned disk)
{
    uint8_t *bytes = malloc((size_t)blocks[disk] * MODEL_BLOCK);

    if (!bytes)
        client_die("no memory");
    return bytes;
}

static void expect_state(struct nbd_handle *nbd, const struct hour *h, unsigned disk, uint64_t lsn,
                         const char *word)
{
    uint64_t writer[2048];
    uint8_t *bytes = room_for(disk);

    model_writers(&h->model, disk, lsn, writer, blocks[disk]);
    read_all(nbd, disk, bytes);
    for (unsigned b = 0; b < blocks[disk]; b++)
        if (!model_is(bytes + (size_t)b * MODEL_BLOCK, disk, b, writer[b])) {
            uint64_t is;
            memcpy(&is, bytes + (size_t)b * MODEL_BLOCK, sizeof is);
            fprintf(stderr,
                    "block %u of %s@%s begins with %" PRIu64 ", and LSN %" PRIu64 " wrote it\n", b,
                    disk_name[disk], word, is, writer[b]);
            exit(1);
        }
    free(bytes);
}

static void is(const char *socket, const struct hour *h, const char *word, unsigned s)
{
    for (unsigned disk = 0; disk < TWO; disk++) {
        struct nbd_handle *nbd = open_disk(socket, disk, word);
        expect_state(nbd, h, disk, h->at[s].lsn, word);
        client_close(nbd);
    }
}

/* ---- any of them --------------------------------------------------------------------- */

/* A word for a second, and the LSN that it means: its time, or a moment behind it; its name; an
 * LSN of its writes. */
static uint64_t choose_word(const struct hour *h, unsigned s, uint64_t *seed, char word[64])
{
    const time_t time = (time_t)(start + s);
    const uint64_t way = model_chance(seed, 4), lsn = h->at[s].lsn;
    struct tm tm;

    if (way == 0 && s % 60 == 0) {
        snprintf(word, 64, "rp:minute-%u", s / 60);
    } else if (way == 1 && s > 0) {
        const uint64_t before = h->at[s - 1].lsn;
        const uint64_t one = before + 1 + model_chance(seed, lsn - before);
        snprintf(word, 64, "lsn:%" PRIu64, one);
        return one;
    } else {
        gmtime_r(&time, &tm);
        strftime(word, 64, way == 2 ? "%Y-%m-%dT%H:%M:%S.75Z" : "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    return lsn;
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double open_one(const char *socket, const struct hour *h, unsigned s, uint64_t *seed)
{
    const unsigned disk = model_chance(seed, 4) == 0;
    uint8_t first[MODEL_BLOCK];
    char word[64];
    const uint64_t lsn = choose_word(h, s, seed, word);
    const double began = now_ms();
    struct nbd_handle *nbd = open_disk(socket, disk, word);

    if (nbd_pread(nbd, first, sizeof first, model_chance(seed, blocks[disk]) * MODEL_BLOCK, 0))
        client_die(word);
    const double took = now_ms() - began;
    expect_state(nbd, h, disk, lsn, word);
    client_close(nbd);
    return took;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void points(const char *socket, const struct hour *h, unsigned count, uint64_t seed)
{
    const bool all = !count;
    double *took;

    if (all)
        count = SECONDS + 1;
    took = calloc(count, sizeof *took);
    if (!took)
        client_die("no memory");
    for (unsigned i = 0; i < count; i++)
        took[i] = open_one(socket, h, all ? i : (unsigned)model_chance(&seed, SECONDS + 1), &seed);
    qsort(took, count, sizeof *took, by_size);
    printf("%u points: to the first block p50 %.1f ms, p99 %.1f ms, at most %.1f ms\n", count,
           took[count / 2], took[count * 99 / 100], took[count - 1]);
    free(took);
}

/* ---- writing to one ------------------------------------------------------------------ */

static void expect_bytes(struct nbd_handle *nbd, unsigned disk, const uint8_t *expected)
{
    uint8_t *bytes = room_for(disk);

    read_all(nbd, disk, bytes);
    if (memcmp(bytes, expected, (size_t)blocks[disk] * MODEL_BLOCK))
        client_die("a scratch disk has not what was written to it");
    free(bytes);
}

/* Of any length, at any byte; a part of them zeroes. */
static void write_somewhere(struct nbd_handle *nbd, unsigned disk, uint8_t *bytes, uint64_t *seed)
{
    const uint64_t size = (uint64_t)blocks[disk] * MODEL_BLOCK;
    const uint64_t offset = model_chance(seed, size);
    uint64_t length = 1 + model_chance(seed, LONGEST);
    const bool zero = model_chance(seed, 4) == 0;

    if (length > size - offset)
        length = size - offset;
    for (uint64_t i = 0; i < length; i++)
        bytes[offset + i] = zero ? 0 : (uint8_t)model_chance(seed, 256);
    if (zero ? nbd_zero(nbd, length, offset, 0)
             : nbd_pwrite(nbd, bytes + offset, length, offset, 0))
        client_die("write");
}

static void fill_over(unsigned disk, uint8_t *bytes)
{
    memset(bytes, 0xa5 + (int)disk, (size_t)blocks[disk] * MODEL_BLOCK);
}

static void scratch(const char *socket, const struct hour *h, const char *word, unsigned s,
                    uint64_t seed)
{
    is(socket, h, word, s);
    for (unsigned disk = 0; disk < TWO; disk++) {
        const uint64_t size = (uint64_t)blocks[disk] * MODEL_BLOCK;
        struct nbd_handle *nbd = open_disk(socket, disk, word);
        uint8_t *bytes = room_for(disk);
        read_all(nbd, disk, bytes);
        for (unsigned i = 0; i < MANY; i++)
            write_somewhere(nbd, disk, bytes, &seed);
        expect_bytes(nbd, disk, bytes);
        fill_over(disk, bytes);
        for (uint64_t at = 0; at < size; at += CHUNK)
            if (nbd_pwrite(nbd, bytes + at, size - at < CHUNK ? size - at : CHUNK, at, 0))
                client_die("write");
        expect_bytes(nbd, disk, bytes);
        client_close(nbd);
        free(bytes);
    }
}

static void written(const char *socket, const char *word)
{
    for (unsigned disk = 0; disk < TWO; disk++) {
        struct nbd_handle *nbd = open_disk(socket, disk, word);
        uint8_t *bytes = room_for(disk);
        fill_over(disk, bytes);
        expect_bytes(nbd, disk, bytes);
        free(bytes);
        client_close(nbd);
    }
}

int main(int argc, char **argv)
{
    static struct hour hour; /* large */
    const char *verb = argc > 2 ? argv[2] : "";
    unsigned number = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;

    make_hour(&hour);
    if (strcmp(verb, "feed") == 0 && argc == 3)
        feed(argv[1], &hour);
    else if (strcmp(verb, "points") == 0 && argc == 5)
        points(argv[1], &hour, (unsigned)strtoul(argv[3], NULL, 10), number);
    else if (strcmp(verb, "is") == 0 && argc == 5 && number <= SECONDS)
        is(argv[1], &hour, argv[3], number);
    else if (strcmp(verb, "scratch") == 0 && argc == 6 && number <= SECONDS)
        scratch(argv[1], &hour, argv[3], number, strtoull(argv[5], NULL, 10));
    else if (strcmp(verb, "written") == 0 && argc == 4)
        written(argv[1], argv[3]);
    else
        client_die("see the head of hour.c");
    model_finish(&hour.model);
    return 0;
}
