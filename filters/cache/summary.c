/* summary.c - what does a whole segment of the log say?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * For each record 8 bytes (first page, entries, two of zero, epoch less the first's), for each
 * entry 12 (48 bits of key, type, mask; CRC, or place where no page follows).  The segment's last
 * page has the beginning, the one before it goes on, and so forth. */
#include "record.h"

#include "encode.h"
#include "page.h"

enum {
    AT_SEGMENT = PAGE_HEAD,
    AT_SEQUENCE = 40,
    AT_EPOCH = 48,
    AT_INCARNATION = 56,
    AT_RECORDS = 60,
    AT_LENGTH = 64,
    RECORD = 8,
    ENTRY = 12,
};

unsigned summary_pages(unsigned length)
{
    const unsigned n = (length + SUMMARY_ROOM - 1) / SUMMARY_ROOM;

    return n <= SUMMARY_PAGES ? n : 0;
}

/* ---- write -------------------------------------------------------------------------------- */

void summary_begin(struct summary *s, uint64_t segment)
{
    s->segment = segment;
    s->records = s->length = 0;
}

void summary_add(struct summary *s, const struct record *r, const struct log_entry *entry)
{
    const unsigned length = s->length + summary_bytes(r->count);

    if (!s->records) {
        s->sequence = r->sequence;
        s->epoch = r->epoch;
        s->incarnation = r->incarnation;
    }
    s->records++;
    if (length <= sizeof(s->bytes)) {
        uint8_t *at = s->bytes + s->length;
        put64(at,
              (r->epoch - s->epoch) << 32 | (uint64_t)r->count << 8 | (r->position - s->segment));
        at += RECORD;
        for (unsigned i = 0; i < r->count; i++, at += ENTRY) {
            const struct log_entry *e = &entry[i];
            put64(at, e->key | (uint64_t)e->type << 48 | (uint64_t)e->mask << 56);
            put32(at + 8, entry_has_page(e->type) ? e->crc : e->place);
        }
    }
    s->length = length; /* too long: stays so */
}

static uint32_t page_number(const struct super *super, uint64_t segment, unsigned part)
{
    return (uint32_t)(segment % super->log_pages + SEGMENT_PAGES - 1 - part);
}

void summary_seal(const struct summary *s, const struct super *super,
                  uint8_t page[SUMMARY_PAGES * BLOCK])
{
    const unsigned pages = summary_pages(s->length);

    memset(page, 0, (size_t)pages * BLOCK);
    for (unsigned part = 0; part < pages; part++) {
        uint8_t *p = page + (size_t)(pages - 1 - part) * BLOCK;
        const unsigned from = part * SUMMARY_ROOM, rest = s->length - from;
        put64(p + AT_SEGMENT, s->segment);
        put64(p + AT_SEQUENCE, s->sequence);
        put64(p + AT_EPOCH, s->epoch);
        put32(p + AT_INCARNATION, s->incarnation);
        put32(p + AT_RECORDS, s->records);
        put32(p + AT_LENGTH, s->length);
        memcpy(p + SUMMARY_HEAD, s->bytes + from, rest < SUMMARY_ROOM ? rest : SUMMARY_ROOM);
        page_seal(p, PAGE_SUMMARY, super->uuid, page_number(super, s->segment, part));
    }
}

/* ---- read --------------------------------------------------------------------------------- */

static bool get_part(const uint8_t *page, const struct super *super, unsigned part,
                     struct summary *s)
{
    const struct summary first = *s;

    if (!page_is(page, PAGE_SUMMARY, super->uuid, page_number(super, s->segment, part)) ||
        get64(page + AT_SEGMENT) != s->segment)
        return false;
    s->sequence = get64(page + AT_SEQUENCE);
    s->epoch = get64(page + AT_EPOCH);
    s->incarnation = get32(page + AT_INCARNATION);
    s->records = get32(page + AT_RECORDS);
    s->length = get32(page + AT_LENGTH);
    memcpy(s->bytes + (size_t)part * SUMMARY_ROOM, page + SUMMARY_HEAD, SUMMARY_ROOM);
    return !part || (s->sequence == first.sequence && s->incarnation == first.incarnation &&
                     s->records == first.records && s->length == first.length);
}

/* What it says could have been written: records one after the other, in a segment. */
static bool is_whole(const struct summary *s, const struct super *super)
{
    struct log_entry entry[RECORD_ENTRIES];
    uint64_t end = s->segment;
    struct record r;
    unsigned at = 0, n = 0;

    while (summary_next(s, super, &at, &r, entry)) {
        if (r.position != end || r.sequence != s->sequence + n++)
            return false;
        end++;
        for (unsigned i = 0; i < r.count; i++)
            end += entry_has_page(entry[i].type);
    }
    return n && n == s->records && at == s->length &&
           end + summary_pages(s->length) <= s->segment + SEGMENT_PAGES;
}

unsigned summary_length(const uint8_t last[BLOCK], const struct super *super, uint64_t segment)
{
    if (!page_is(last, PAGE_SUMMARY, super->uuid, page_number(super, segment, 0)) ||
        get64(last + AT_SEGMENT) != segment)
        return 0;
    return summary_pages(get32(last + AT_LENGTH));
}

bool summary_get(const uint8_t page[SUMMARY_PAGES * BLOCK], const struct super *super,
                 uint64_t segment, struct summary *s)
{
    s->segment = segment;
    if (!get_part(page + (size_t)(SUMMARY_PAGES - 1) * BLOCK, super, 0, s) ||
        !summary_pages(s->length))
        return false;
    for (unsigned part = 1; part < summary_pages(s->length); part++)
        if (!get_part(page + (size_t)(SUMMARY_PAGES - 1 - part) * BLOCK, super, part, s))
            return false;
    return is_whole(s, super);
}

bool summary_next(const struct summary *s, const struct super *super, unsigned *at,
                  struct record *r, struct log_entry entry[RECORD_ENTRIES])
{
    if (*at + RECORD > s->length)
        return false;
    const uint64_t head = get64(s->bytes + *at);
    const unsigned count = head >> 8 & 0xff;
    if (!count || count > RECORD_ENTRIES || *at + RECORD + count * ENTRY > s->length)
        return false;
    const uint64_t sequence = *at ? r->sequence + 1 : s->sequence;
    *r = (struct record){
        .position = s->segment + (head & 0xff),
        .sequence = sequence,
        .epoch = s->epoch + (head >> 32),
        .incarnation = s->incarnation,
        .count = count,
    };
    uint64_t next = r->position + 1;
    *at += RECORD;
    for (unsigned i = 0; i < count; i++, *at += ENTRY) {
        const uint8_t *from = s->bytes + *at;
        struct log_entry *e = &entry[i];
        const uint32_t word = get32(from + 8);
        *e = (struct log_entry){ .key = get64(from) & ENTRY_KEY_MAX,
                                 .type = from[6],
                                 .mask = from[7] };
        if (entry_has_page(e->type)) {
            e->crc = word;
            e->place = (uint32_t)(next++ % super->log_pages);
        } else {
            e->place = word;
        }
    }
    return true;
}
