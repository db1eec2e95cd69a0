/* block.c - can what stands in a datastore's statistics file break a gateway?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An input is a file, from its header on.  Whatever is in it, nothing is believed whose
 * checksum is wrong, what is believed is in its range and written back as it was, and a
 * part comes out of it.  Checksums are hard to guess, so the file is tried again with
 * right ones. */
#include "split.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BLOCKS = 6, AT_CRC = BLOCK_SIZE - 4 };

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "this does not hold: %s\n", what);
        abort();
    }
}

/* The definition, bit by bit: not the code that is judged. */
static uint32_t slow_crc(const uint8_t *byte, size_t size)
{
    uint32_t crc = ~0u;

    for (; size--; byte++) {
        crc ^= *byte;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

static void judge_block(const uint8_t *raw, uint32_t slot)
{
    struct gateway_block b = { 0 }, again = { 0 };
    uint8_t copy[BLOCK_SIZE];
    uint32_t crc = slow_crc(raw, AT_CRC);

    if (block_get(raw, slot, &b))
        return;
    for (int i = 0; i < 4; i++)
        check(raw[AT_CRC + i] == (uint8_t)(crc >> 8 * i), "a wrong checksum is garbage");
    check(b.slot == slot && b.report.window && b.report.shares <= UINT64_C(1) << 40,
          "what is believed makes sense");
    check(memchr(b.name, 0, BLOCK_NAME) != NULL, "a name ends");
    block_put(copy, &b);
    check(!block_get(copy, slot, &again) && !memcmp(&b.report, &again.report, sizeof b.report) &&
              !memcmp(b.id, again.id, BLOCK_ID) && !strcmp(b.name, again.name),
          "what is believed is written back as it was");
}

static void judge_file(const uint8_t *file, size_t size)
{
    static const uint8_t own[BLOCK_ID] = { 1 };
    static struct judge judge;
    static struct peer_list list;
    struct gateway_report mine = { .shares = 1000, .window = 4096, .ios = 1, .backlogged = true };
    struct split split = { 0 };
    uint32_t version;

    memset(&judge, 0, sizeof judge);
    judge_round(&judge, file, 0, own, 1000000000, &list); /* all were free, so all may count */
    for (int i = 0; i < 2; i++) {
        judge_round(&judge, file, size, own, 1000000000, &list);
        check(list.count + list.stale + list.garbage <= size / BLOCK_SIZE + 1,
              "no more blocks than there are");
        split_window(&mine, &list, 0, &split);
        check(split.window >= BLOCK_UNIT && split.window <= UINT64_C(1) << 40, "the part is one");
    }
    if (size >= BLOCK_SIZE)
        block_get_header(file, &version);
    for (uint32_t i = 1; (i + 1) * (size_t)BLOCK_SIZE <= size; i++)
        judge_block(file + i * (size_t)BLOCK_SIZE, i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[MOST_BLOCKS * BLOCK_SIZE];

    judge_file(data, size); /* exactly so many bytes: a sanitizer sees a read past them */

    size_t blocks = (size + BLOCK_SIZE - 1) / BLOCK_SIZE;
    if (blocks > MOST_BLOCKS)
        blocks = MOST_BLOCKS;
    memset(file, 0, sizeof file);
    memcpy(file, data, size < sizeof file ? size : sizeof file);
    for (size_t i = 1; i < blocks; i++) {
        uint8_t *raw = file + i * BLOCK_SIZE;
        const uint8_t head[16] = { 'W', 'E', 'I', 'R', 'G', 'A', 'T', 'E', 1, 0, 0, 0, (uint8_t)i };
        memcpy(raw, head, sizeof head);
        uint32_t crc = slow_crc(raw, AT_CRC);
        for (int k = 0; k < 4; k++)
            raw[AT_CRC + k] = (uint8_t)(crc >> 8 * k);
    }
    judge_file(file, blocks * BLOCK_SIZE);
    return 0;
}
