/* record.c - what does a record's head say?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "record.h"

#include "encode.h"
#include "page.h"

enum {
    AT_POSITION = PAGE_HEAD,
    AT_SEQUENCE = 40,
    AT_EPOCH = 48,
    AT_DURABLE_EPOCH = 56,
    AT_DURABLE_SEQUENCE = 64,
    AT_INCARNATION = 72,
    AT_COUNT = 76,
    AT_ENTRIES = 96,
    ENTRY = 16,
};
_Static_assert(AT_ENTRIES + RECORD_ENTRIES * ENTRY == BLOCK, "a head is full");

/* An entry: 48 bits of key, type, mask; CRC; place. */
void record_put_entry(uint8_t page[BLOCK], unsigned index, const struct log_entry *e)
{
    uint8_t *at = page + AT_ENTRIES + (size_t)index * ENTRY;

    put64(at, e->key | (uint64_t)e->type << 48 | (uint64_t)e->mask << 56);
    put32(at + 8, e->crc);
    put32(at + 12, entry_has_page(e->type) ? 0 : e->place);
}

static unsigned entry_type(const uint8_t page[BLOCK], unsigned index)
{
    return page[AT_ENTRIES + (size_t)index * ENTRY + 6];
}

void record_seal(uint8_t page[BLOCK], const struct super *s, const struct record *r)
{
    const size_t used = AT_ENTRIES + (size_t)r->count * ENTRY;

    put64(page + AT_POSITION, r->position);
    put64(page + AT_SEQUENCE, r->sequence);
    put64(page + AT_EPOCH, r->epoch);
    put64(page + AT_DURABLE_EPOCH, r->durable_epoch);
    put64(page + AT_DURABLE_SEQUENCE, r->durable_sequence);
    put32(page + AT_INCARNATION, r->incarnation);
    put32(page + AT_COUNT, r->count);
    memset(page + AT_COUNT + 4, 0, AT_ENTRIES - AT_COUNT - 4);
    memset(page + used, 0, BLOCK - used);
    page_seal(page, PAGE_RECORD, s->uuid, (uint32_t)(r->position % s->log_pages));
}

unsigned record_pages(const uint8_t page[BLOCK], const struct record *r)
{
    unsigned n = 1;

    for (unsigned i = 0; i < r->count; i++)
        n += entry_has_page(entry_type(page, i));
    return n;
}

bool record_get(const uint8_t page[BLOCK], const struct super *s, uint64_t position,
                struct record *r)
{
    if (!page_claims(page, PAGE_RECORD, s->uuid) || get64(page + AT_POSITION) != position ||
        !page_is(page, PAGE_RECORD, s->uuid, (uint32_t)(position % s->log_pages)))
        return false;
    *r = (struct record){
        .position = position,
        .sequence = get64(page + AT_SEQUENCE),
        .epoch = get64(page + AT_EPOCH),
        .durable_epoch = get64(page + AT_DURABLE_EPOCH),
        .durable_sequence = get64(page + AT_DURABLE_SEQUENCE),
        .incarnation = get32(page + AT_INCARNATION),
        .count = get32(page + AT_COUNT),
    };
    return r->count && r->count <= RECORD_ENTRIES && r->durable_sequence < r->sequence &&
           r->durable_epoch < r->epoch &&
           position % SEGMENT_PAGES + record_pages(page, r) <= SEGMENT_PAGES;
}

void record_get_entries(const uint8_t page[BLOCK], const struct super *s, const struct record *r,
                        struct log_entry entry[RECORD_ENTRIES])
{
    uint64_t next = r->position + 1;

    for (unsigned i = 0; i < r->count; i++) {
        const uint8_t *at = page + AT_ENTRIES + (size_t)i * ENTRY;
        struct log_entry *e = &entry[i];
        *e = (struct log_entry){
            .key = get64(at) & ENTRY_KEY_MAX,
            .crc = get32(at + 8),
            .place = get32(at + 12),
            .type = at[6],
            .mask = at[7],
        };
        if (entry_has_page(e->type))
            e->place = (uint32_t)(next++ % s->log_pages);
    }
}
