/* block.c - are these the bytes that were put here for this block?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "block.h"

#include <isa-l/crc.h>

uint32_t block_crc(uint64_t key, const void *page)
{
    /* the library's signature has no const, but it only reads */
    return crc32_iscsi((unsigned char *)page, BLOCK, key_spread(key));
}
