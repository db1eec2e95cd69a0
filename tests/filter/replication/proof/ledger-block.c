/* ledger-block.c - how does a block say which operation wrote it, and where?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ledger-block.h"

#include <string.h>
#include <xxhash.h>

/* As it lies in the block; numbers are of the host, which reads them again. */
struct head {
    char magic[8];
    uint64_t digest; /* of the whole block, with 0 here */
    uint64_t run, block, time;
    uint32_t disk, id;
};
enum { HARD = LEDGER_BLOCK / 2 }; /* bytes up to which it looks random */

static const char magic[8] = "weirLDGR";

void ledger_block_write(const struct ledger_name *name, void *out)
{
    struct head head = { .run = name->run,
                         .block = name->block,
                         .time = name->time,
                         .disk = name->disk,
                         .id = name->id };
    uint64_t state = (name->id + name->block * 0x9e3779b97f4a7c15u) | 1, *word = out;

    memcpy(head.magic, magic, sizeof magic);
    for (size_t i = 0; i < LEDGER_BLOCK / sizeof *word; i++) {
        if (i < HARD / sizeof *word) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
        word[i] = state;
    }
    memcpy(out, &head, sizeof head);
    head.digest = XXH3_64bits(out, LEDGER_BLOCK);
    memcpy(out, &head, sizeof head);
}

bool ledger_block_read(const void *block, struct ledger_name *ret, bool *torn)
{
    struct head head;
    uint8_t copy[LEDGER_BLOCK];

    memcpy(&head, block, sizeof head);
    *torn = false;
    if (memcmp(head.magic, magic, sizeof magic) != 0)
        return false;
    memcpy(copy, block, sizeof copy);
    memset(copy + offsetof(struct head, digest), 0, sizeof head.digest);
    *torn = XXH3_64bits(copy, sizeof copy) != head.digest;
    *ret = (struct ledger_name){
        .run = head.run, .disk = head.disk, .block = head.block, .id = head.id, .time = head.time
    };
    return !*torn;
}

bool ledger_block_is_zero(const void *block)
{
    const uint64_t *word = block;

    return !word[0] &&
           memcmp(block, (const uint8_t *)block + sizeof *word, LEDGER_BLOCK - sizeof *word) == 0;
}
