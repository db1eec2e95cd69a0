/* changes-qcow2.c - how do stock backup programs see which parts of a disk changed?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A qcow2 file (version 3, clusters of 64 KiB) without data: all of it is read from its backing
 * file, an export of a gateway.  Its one persistent bitmap has a bit for each granule of 64 KiB
 * that changed, and qemu-nbd -B shows that as qemu:dirty-bitmap:NAME.
 *
 *   clusters:  header | refcount table | refcount block | L1 … | directory | table … | bitmap …
 *
 * Clusters of the bitmap that are all zeroes or all ones are not stored, but said in the table.
 * Offsets and sizes are those of docs/interop/qcow2.txt of QEMU. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "changes.h"

enum {
    CLUSTER_BITS = 16,
    CLUSTER = 1 << CLUSTER_BITS,
    GRANULE_BITS = 16,
    GRANULES = CLUSTER * 8,   /* that one cluster of the bitmap has */
    REFERENCES = CLUSTER / 2, /* of 16 bits in a refcount block: as many clusters are here */
    L2_REACH_BITS = CLUSTER_BITS + CLUSTER_BITS - 3, /* bytes of disk for each entry of L1 */
    HEADER = 104,
    NAME_MOST = 1023, /* bytes, of a backing file and of a bitmap */
};
#define ALL_ONES     UINT64_C(1) /* of an entry of the bitmap's table */
#define AUTOCLEAR    UINT64_C(1) /* bitmaps are consistent */
#define BACKING_TYPE 0xE2792ACA
#define BITMAPS      0x23852875

/* Where what lies, in clusters. */
struct layout {
    uint64_t l1, l1_count; /* l1_count: entries */
    uint64_t directory;
    uint64_t table, table_count;
    uint64_t data, end;
};

struct writer {
    int fd;
    const struct changes *changes;
    const char *uri, *bitmap;
    struct layout at;
    uint8_t *cluster; /* one, to work in */
    size_t extent;    /* the first that may reach into the cluster that is filled next */
};

static uint64_t blocks(uint64_t bytes, uint64_t size)
{
    return bytes / size + (bytes % size != 0);
}

/* ---- putting numbers into bytes ------------------------------------------------------------ */

/* All numbers of the format are big-endian. */
static void put16(uint8_t *to, uint16_t value)
{
    value = htobe16(value);
    memcpy(to, &value, sizeof(value));
}

static void put32(uint8_t *to, uint32_t value)
{
    value = htobe32(value);
    memcpy(to, &value, sizeof(value));
}

static void put64(uint8_t *to, uint64_t value)
{
    value = htobe64(value);
    memcpy(to, &value, sizeof(value));
}

static int write_at(const struct writer *w, const void *bytes, size_t size, uint64_t offset)
{
    for (const char *from = bytes; size;) {
        ssize_t n = pwrite(w->fd, from, size, (off_t)offset);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            from += n;
            size -= (size_t)n;
            offset += (uint64_t)n;
        }
    }
    return 0;
}

/* ---- the bitmap ------------------------------------------------------------------------------ */

static void set_bits(uint8_t *bits, uint64_t from, uint64_t to)
{
    for (; from < to && from % 8; from++)
        bits[from / 8] |= (uint8_t)(1 << from % 8);
    if (to - from >= 8) {
        memset(bits + from / 8, 0xff, (to - from) / 8);
        from += (to - from) / 8 * 8;
    }
    for (; from < to; from++)
        bits[from / 8] |= (uint8_t)(1 << from % 8);
}

static bool is_all(const uint8_t *bytes, uint8_t value)
{
    return bytes[0] == value && memcmp(bytes, bytes + 1, CLUSTER - 1) == 0;
}

/* The bits of granules [first, first + GRANULES); called for one cluster after the other. */
static void fill_bits(struct writer *w, uint64_t first)
{
    const struct changes *changes = w->changes;

    memset(w->cluster, 0, CLUSTER);
    for (size_t i = w->extent; i < changes->count; i++) {
        const struct extent *extent = &changes->list[i];
        uint64_t from = extent->offset >> GRANULE_BITS;
        uint64_t to = blocks(extent->offset + extent->length, 1 << GRANULE_BITS);
        if (from >= first + GRANULES)
            break;
        if (to <= first) {
            w->extent = i + 1;
            continue;
        }
        set_bits(w->cluster, from > first ? from - first : 0,
                 to - first < GRANULES ? to - first : GRANULES);
    }
}

/* Bitmap and table; at.end is known after it. */
static int write_bitmap(struct writer *w)
{
    uint8_t *table = enough(calloc(w->at.table_count, 8));
    int error = 0;

    w->at.end = w->at.data;
    for (uint64_t i = 0; i < w->at.table_count && !error; i++) {
        fill_bits(w, i * GRANULES);
        if (is_all(w->cluster, 0))
            continue;
        if (is_all(w->cluster, 0xff)) {
            put64(table + i * 8, ALL_ONES);
            continue;
        }
        put64(table + i * 8, w->at.end * CLUSTER);
        error = write_at(w, w->cluster, CLUSTER, w->at.end++ * CLUSTER);
    }
    if (!error)
        error = write_at(w, table, w->at.table_count * 8, w->at.table * CLUSTER);
    free(table);
    return error;
}

/* ---- what says where it is --------------------------------------------------------------------
 */

static size_t directory_size(const struct writer *w)
{
    return blocks(24 + strlen(w->bitmap), 8) * 8;
}

static int write_directory(struct writer *w)
{
    uint8_t *to = w->cluster;

    memset(to, 0, CLUSTER);
    put64(to, w->at.table * CLUSTER);
    put32(to + 8, (uint32_t)w->at.table_count);
    put32(to + 12, 0); /* not in use, and not to be kept up to date */
    to[16] = 1;        /* a dirty bitmap */
    to[17] = GRANULE_BITS;
    put16(to + 18, (uint16_t)strlen(w->bitmap));
    put32(to + 20, 0);
    memcpy(to + 24, w->bitmap, strlen(w->bitmap));
    return write_at(w, to, directory_size(w), w->at.directory * CLUSTER);
}

/* Each cluster has one user. */
static int write_references(struct writer *w)
{
    uint8_t entry[8];

    put64(entry, 2 * CLUSTER);
    memset(w->cluster, 0, CLUSTER);
    for (uint64_t i = 0; i < w->at.end; i++)
        put16(w->cluster + i * 2, 1);
    int error = write_at(w, entry, sizeof(entry), CLUSTER);
    return error ? error : write_at(w, w->cluster, CLUSTER, 2 * CLUSTER);
}

static size_t put_extensions(const struct writer *w, uint8_t *to)
{
    put32(to, BACKING_TYPE);
    put32(to + 4, 3);
    memcpy(to + 8, "raw", 3);
    put32(to + 16, BITMAPS);
    put32(to + 20, 24);
    put32(to + 24, 1); /* bitmap */
    put64(to + 32, directory_size(w));
    put64(to + 40, w->at.directory * CLUSTER);
    return 56; /* with the 8 zero bytes that end them */
}

static int write_header(struct writer *w)
{
    uint8_t *to = w->cluster;

    memset(to, 0, CLUSTER);
    uint64_t name = HEADER + put_extensions(w, to + HEADER);
    memcpy(to, "QFI\xfb", 4);
    put32(to + 4, 3);
    put64(to + 8, name);
    put32(to + 16, (uint32_t)strlen(w->uri));
    put32(to + 20, CLUSTER_BITS);
    put64(to + 24, w->changes->size);
    put32(to + 36, (uint32_t)w->at.l1_count);
    put64(to + 40, w->at.l1 * CLUSTER);
    put64(to + 48, CLUSTER); /* refcount table, of one cluster */
    put32(to + 56, 1);
    put64(to + 88, AUTOCLEAR);
    put32(to + 96, 4); /* refcounts of 16 bits */
    put32(to + 100, HEADER);
    memcpy(to + name, w->uri, strlen(w->uri));
    return write_at(w, to, CLUSTER, 0);
}

/* ---- the file ----------------------------------------------------------------------------------
 */

static int plan(struct writer *w, struct weir_text *why)
{
    uint64_t granules = blocks(w->changes->size, 1 << GRANULE_BITS);
    struct layout *at = &w->at;

    at->l1_count = blocks(w->changes->size, UINT64_C(1) << L2_REACH_BITS);
    at->table_count = blocks(granules, GRANULES);
    at->l1 = 3;
    at->directory = at->l1 + blocks(at->l1_count * 8, CLUSTER);
    at->table = at->directory + 1;
    at->data = at->table + blocks(at->table_count * 8, CLUSTER);
    if (strlen(w->uri) > NAME_MOST || strlen(w->bitmap) > NAME_MOST) {
        weir_print(why, "--qcow2: no name in such a file has more than %d bytes: %s", NAME_MOST,
                   strlen(w->uri) > NAME_MOST ? w->uri : w->bitmap);
        return -EINVAL;
    }
    if (!w->changes->size || at->data + at->table_count > REFERENCES) {
        weir_print(why, "--qcow2: a disk of %llu bytes does not fit such a file",
                   (unsigned long long)w->changes->size);
        return -ERANGE;
    }
    return 0;
}

/* The header last: what is cut short is no qcow2 file. */
static int write_all(struct writer *w)
{
    int error = write_bitmap(w);

    if (!error && ftruncate(w->fd, (off_t)(w->at.end * CLUSTER)) < 0)
        error = -errno;
    if (!error)
        error = write_directory(w);
    if (!error)
        error = write_references(w);
    if (!error)
        error = write_header(w);
    return error;
}

int changes_write_qcow2(const struct changes *changes, const char *file, const char *uri,
                        const char *bitmap, struct weir_text *why)
{
    struct writer w = { .changes = changes, .uri = uri, .bitmap = bitmap };
    int error = plan(&w, why);

    if (error)
        return error;
    w.fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w.fd < 0) {
        error = -errno;
        weir_print(why, "--qcow2=%s: %s%s", file, strerror(-error),
                   error == -EEXIST ? ", and is not overwritten" : "");
        return error;
    }
    w.cluster = enough(malloc(CLUSTER));
    error = write_all(&w);
    free(w.cluster);
    if (close(w.fd) < 0 && !error)
        error = -errno;
    if (error) {
        unlink(file);
        weir_print(why, "--qcow2=%s cannot be written: %s", file, strerror(-error));
    }
    return error;
}
