/* block.c - which bytes stand for a gateway's figures, and which are garbage?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "block.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

enum { /* see block.h */
       AT_MAGIC = 0,
       AT_VERSION = 8,
       AT_SLOT = 12,
       AT_BLOCK_SIZE = 12,
       AT_ID = 16,
       AT_SEQ = 32,
       AT_FLAGS = 40,
       AT_NAME = 128,
       AT_CRC = BLOCK_SIZE - 4,
};

enum { FLAG_BACKLOGGED = 1, FLAG_LEARNS = 2, FLAGS = 3 };

static const char header_magic[8] = "WEIRSTAT", gateway_magic[8] = "WEIRGATE"; /* no zero */

/* Beyond its most no figure is true, and the sum of 1025 that are not beyond fits in 64
 * bits: split.c adds them up. */
#define BITS(n)  (UINT64_C(1) << (n))
#define FIELD(f) offsetof(struct gateway_report, f)
#define MS       UINT64_C(1000000)

static const struct {
    size_t at, field; /* in the block, in struct gateway_report */
    uint64_t least, most;
} figures[] = {
    { 48, FIELD(shares), 0, BITS(40) },       { 56, FIELD(window), 1, BITS(40) },
    { 64, FIELD(in_flight), 0, BITS(40) },    { 72, FIELD(total), 0, BITS(40) },
    { 80, FIELD(threshold), 0, BITS(50) },    { 88, FIELD(period), MS, 60 * 1000 * MS },
    { 96, FIELD(ios), 0, BITS(40) },          { 104, FIELD(latency_sum), 0, BITS(53) },
    { 112, FIELD(latency_p99), 0, BITS(50) }, { 120, FIELD(capacity), 0, BITS(50) },
    { 192, FIELD(units), 0, BITS(50) },       { 200, FIELD(load), 0, BITS(50) },
    { 208, FIELD(held), 0, BITS(40) },
};
enum { FIGURES = sizeof figures / sizeof figures[0] };

/* Castagnoli's polynomial, reflected; by half bytes, which is quick enough for a few
 * blocks per second and leaves the caches to others. */
uint32_t crc32c(const void *data, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    const uint8_t *byte = data;
    uint32_t crc = 0xffffffff;

    while (size--) {
        crc ^= *byte++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static void put32(uint8_t *raw, size_t at, uint32_t value)
{
    value = htole32(value);
    memcpy(raw + at, &value, sizeof value);
}

static void put64(uint8_t *raw, size_t at, uint64_t value)
{
    value = htole64(value);
    memcpy(raw + at, &value, sizeof value);
}

static uint32_t get32(const uint8_t *raw, size_t at)
{
    uint32_t value;

    memcpy(&value, raw + at, sizeof value);
    return le32toh(value);
}

static uint64_t get64(const uint8_t *raw, size_t at)
{
    uint64_t value;

    memcpy(&value, raw + at, sizeof value);
    return le64toh(value);
}

static bool all_zero(const uint8_t *raw)
{
    return !raw[0] && !memcmp(raw, raw + 1, BLOCK_SIZE - 1);
}

static void put_figures(uint8_t *raw, const struct gateway_report *report)
{
    for (size_t i = 0; i < FIGURES; i++) {
        uint64_t value;
        memcpy(&value, (const char *)report + figures[i].field, sizeof value);
        if (value < figures[i].least)
            value = figures[i].least;
        if (value > figures[i].most)
            value = figures[i].most;
        put64(raw, figures[i].at, value);
    }
}

static bool get_figures(const uint8_t *raw, struct gateway_report *report)
{
    for (size_t i = 0; i < FIGURES; i++) {
        uint64_t value = get64(raw, figures[i].at);
        if (value < figures[i].least || value > figures[i].most)
            return false;
        memcpy((char *)report + figures[i].field, &value, sizeof value);
    }
    return true;
}

/* People read it, and programs that want JSON: printable ASCII, and it ends. */
static bool get_name(const uint8_t *raw, char name[BLOCK_NAME])
{
    for (size_t i = 0; i < BLOCK_NAME; i++) {
        name[i] = (char)raw[i];
        if (!raw[i])
            return true;
        if (raw[i] < ' ' || raw[i] > '~')
            return false;
    }
    return false;
}

static void put_name(uint8_t *raw, const char *name)
{
    for (size_t i = 0; i < BLOCK_NAME - 1 && name[i]; i++)
        raw[i] = name[i] >= ' ' && name[i] <= '~' ? (uint8_t)name[i] : '?';
}

void block_put(void *room, const struct gateway_block *block)
{
    uint8_t *raw = room;

    memset(raw, 0, BLOCK_SIZE);
    memcpy(raw + AT_MAGIC, gateway_magic, sizeof gateway_magic);
    put32(raw, AT_VERSION, BLOCK_VERSION);
    put32(raw, AT_SLOT, block->slot);
    memcpy(raw + AT_ID, block->id, BLOCK_ID);
    put64(raw, AT_SEQ, block->seq);
    put64(raw, AT_FLAGS,
          (block->report.backlogged ? FLAG_BACKLOGGED : 0) |
              (block->report.learns ? FLAG_LEARNS : 0));
    put_figures(raw, &block->report);
    put_name(raw + AT_NAME, block->name);
    put32(raw, AT_CRC, crc32c(raw, AT_CRC));
}

int block_get(const void *room, uint32_t slot, struct gateway_block *ret)
{
    const uint8_t *raw = room;
    struct gateway_block b = { .slot = slot };

    if (all_zero(raw))
        return -ENOENT;
    if (memcmp(raw + AT_MAGIC, gateway_magic, sizeof gateway_magic) ||
        get32(raw, AT_VERSION) != BLOCK_VERSION || get32(raw, AT_SLOT) != slot ||
        get32(raw, AT_CRC) != crc32c(raw, AT_CRC))
        return -EBADMSG;
    if (get64(raw, AT_FLAGS) > FLAGS || !get_figures(raw, &b.report) ||
        !get_name(raw + AT_NAME, b.name))
        return -EBADMSG;
    memcpy(b.id, raw + AT_ID, BLOCK_ID);
    b.seq = get64(raw, AT_SEQ);
    b.report.backlogged = get64(raw, AT_FLAGS) & FLAG_BACKLOGGED;
    b.report.learns = get64(raw, AT_FLAGS) & FLAG_LEARNS;
    *ret = b;
    return 0;
}

void block_put_header(void *room)
{
    uint8_t *raw = room;

    memset(raw, 0, BLOCK_SIZE);
    memcpy(raw + AT_MAGIC, header_magic, sizeof header_magic);
    put32(raw, AT_VERSION, BLOCK_VERSION);
    put32(raw, AT_BLOCK_SIZE, BLOCK_SIZE);
    put32(raw, AT_CRC, crc32c(raw, AT_CRC));
}

int block_get_header(const void *room, uint32_t *version)
{
    const uint8_t *raw = room;

    *version = 0;
    if (all_zero(raw))
        return -ENOENT;
    if (memcmp(raw + AT_MAGIC, header_magic, sizeof header_magic))
        return -EMEDIUMTYPE;
    *version = get32(raw, AT_VERSION);
    if (*version != BLOCK_VERSION) /* its other bytes may mean something else */
        return -EPROTONOSUPPORT;
    if (get32(raw, AT_BLOCK_SIZE) != BLOCK_SIZE || get32(raw, AT_CRC) != crc32c(raw, AT_CRC))
        return -EMEDIUMTYPE;
    return 0;
}
