/* frames.c - how does a test make a frame, right or wrong?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "frames.h"

#include "encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *room(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);

    if (!p)
        abort();
    return p;
}

void draft_begin(struct draft *d, uint64_t position, uint32_t flags)
{
    *d = (struct draft){ .frame = { .flags = flags,
                                    .generation = 7,
                                    .token = 3,
                                    .position = position,
                                    .time = 1795000000000000000 } };
    memset(d->frame.group, 0xa5, sizeof(d->frame.group));
    if (position) {
        d->frame.previous = position - FRAME_ALIGN;
        d->frame.previous_digest = 0x1122334455667788;
    }
}

void draft_add(struct draft *d, const struct record *r, const void *data, size_t length)
{
    struct frame *f = &d->frame;

    d->table = room(d->table, (f->records + 1) * (size_t)FRAME_RECORD);
    record_write(r, d->table + f->records * (size_t)FRAME_RECORD);
    f->first_lsn = f->records++ ? f->first_lsn : r->lsn;
    f->last_lsn = r->lsn;
    if (!length)
        return;
    d->data = room(d->data, d->data_length + length);
    memcpy(d->data + d->data_length, data, length);
    d->data_length += length;
}

void draft_finish(struct draft *d, const struct frame_key *key)
{
    struct frame *f = &d->frame;
    const size_t table = f->records * (size_t)FRAME_RECORD;
    uint8_t *payload = room(NULL, table + d->data_length), *packed = room(NULL, FRAME_PAYLOAD);
    size_t size = 0;

    if (table)
        memcpy(payload, d->table, table);
    if (d->data_length)
        memcpy(payload + table, d->data, d->data_length);
    f->raw = f->stored = (uint32_t)(table + d->data_length);
    if (f->flags & FRAME_ZSTD)
        size = frame_pack(payload, f->raw, packed, FRAME_PAYLOAD);
    f->flags =
        (f->flags & ~(FRAME_ZSTD | FRAME_AUTH)) | (size ? FRAME_ZSTD : 0) | (key ? FRAME_AUTH : 0);
    f->stored = size ? (uint32_t)size : f->raw;
    d->size = frame_span(f);
    d->bytes = room(NULL, d->size);
    if (frame_write(f, size ? packed : payload, key, d->bytes))
        abort();
    free(payload);
    free(packed);
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

void draft_seal(struct draft *d)
{
    put32(d->bytes + 124, slow_crc(d->bytes, 124));
}

void draft_free(struct draft *d)
{
    free(d->data);
    free(d->table);
    free(d->bytes);
    *d = (struct draft){ 0 };
}
