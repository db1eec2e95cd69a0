/* page.c - is this page one of this pool, and whole?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "page.h"

#include "encode.h"

#include <isa-l/crc.h>

enum { AT_MAGIC = 0, AT_KIND = 4, AT_UUID = 8, AT_NUMBER = 24, AT_CRC = 28 };

static uint32_t page_crc(const uint8_t *page)
{
    /* the library's signature has no const, but it only reads */
    uint32_t crc = crc32_iscsi((unsigned char *)page, AT_CRC, ~0u);

    return ~crc32_iscsi((unsigned char *)page + PAGE_HEAD, BLOCK - PAGE_HEAD, crc);
}

void page_seal(uint8_t page[BLOCK], const char *kind, const uint8_t uuid[UUID], uint32_t number)
{
    memcpy(page + AT_MAGIC, "weir", 4);
    memcpy(page + AT_KIND, kind, 4);
    memcpy(page + AT_UUID, uuid, UUID);
    put32(page + AT_NUMBER, number);
    put32(page + AT_CRC, page_crc(page));
}

bool page_claims(const uint8_t page[BLOCK], const char *kind, const uint8_t uuid[UUID])
{
    return !memcmp(page + AT_MAGIC, "weir", 4) && !memcmp(page + AT_KIND, kind, 4) &&
           (!uuid || !memcmp(page + AT_UUID, uuid, UUID));
}

bool page_is(const uint8_t page[BLOCK], const char *kind, const uint8_t uuid[UUID], uint32_t number)
{
    return page_claims(page, kind, uuid) && get32(page + AT_NUMBER) == number &&
           get32(page + AT_CRC) == page_crc(page);
}

bool page_is_zero(const uint8_t page[BLOCK])
{
    return !page[0] && !memcmp(page, page + 1, BLOCK - 1);
}
