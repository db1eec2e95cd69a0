/* page.h - is this page one of this pool, and whole?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A page of super, catalog, table and log begins with
 *
 *    0  "weir"
 *    4  kind, four letters
 *    8  uuid of the pool
 *   24  which page of its kind it is
 *   28  CRC32C of the page without these four bytes
 *   32  what it says
 *
 * A page of another pool, or one that was written to another place, is not taken for it. */
#ifndef CACHE_PAGE_H
#define CACHE_PAGE_H

#include "format.h"

enum { PAGE_HEAD = 32 };

#define PAGE_SUPER   "SUPR"
#define PAGE_CATALOG "DISK"
#define PAGE_TABLE   "SLOT"
#define PAGE_RECORD  "RECD"
#define PAGE_SUMMARY "SUMM"

/* Writes the head of a page whose rest is written. */
void page_seal(uint8_t page[BLOCK], const char *kind, const uint8_t uuid[UUID], uint32_t number);
/* `uuid` NULL: of any pool. */
bool page_is(const uint8_t page[BLOCK], const char *kind, const uint8_t uuid[UUID],
             uint32_t number);
/* It says that it is such a page, whether it is whole or not. */
bool page_claims(const uint8_t page[BLOCK], const char *kind, const uint8_t uuid[UUID]);
bool page_is_zero(const uint8_t page[BLOCK]);

#endif
