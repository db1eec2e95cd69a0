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

    if (f->records == d->table_room) {
        d->table_room = 2 * d->table_room + 16;
        d->table = room(d->table, d->table_room * (size_t)FRAME_RECORD);
    }
    record_write(r, d->table + f->records * (size_t)FRAME_RECORD);
    f->first_lsn = f->records++ ? f->first_lsn : r->lsn;
    f->last_lsn = r->lsn;
    if (!length)
        return;
    if (d->data_length + length > d->data_room) {
        d->data_room = 2 * (d->data_length + length);
        d->data = room(d->data, d->data_room);
    }
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

const struct record every[EVERY] = {
    { .disk = 1, .op = RECORD_WRITE, .length = 512, .offset = 4096, .lsn = 10 },
    { .disk = 63,
      .op = RECORD_WRITE,
      .flags = RECORD_COPY,
      .length = 65536,
      .offset = 65536,
      .lsn = 11 },
    { .op = RECORD_ZERO, .length = 1u << 31, .offset = 1ull << 40, .lsn = 20 },
    { .op = RECORD_TRIM, .length = 1, .offset = INT64_MAX - 1, .lsn = 21 },
    { .disk = 2, .op = RECORD_DISK, .length = 4, .offset = 1ull << 41, .lsn = 22 },
    { .op = RECORD_MARK, .length = 0, .lsn = 23 },
    { .op = RECORD_MARK, .flags = RECORD_APP, .length = 14, .lsn = 24 },
    { .disk = 1, .op = RECORD_VERIFY, .length = 65536, .offset = 65536, .lsn = UINT64_MAX },
};

void draft_every(struct draft *d, uint32_t flags, const struct frame_key *k)
{
    uint8_t *data = room(NULL, 65536);

    draft_begin(d, FRAME_ALIGN, flags);
    for (int i = 0; i < EVERY; i++) {
        const char *name = every[i].op == RECORD_DISK ? "root" : "before upgrade";
        const bool named = every[i].op == RECORD_DISK || every[i].op == RECORD_MARK;
        memset(data, 'a' + i, 65536);
        draft_add(d, &every[i], named ? (const void *)name : data, record_data(&every[i]));
    }
    draft_finish(d, k);
    free(data);
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

int read_back(const uint8_t *bytes, size_t size, const struct frame_key *k, struct frame *ret,
              void **payload, struct weir_text *why)
{
    int error = frame_read(bytes, ret, why);

    *payload = NULL;
    if (error)
        return error;
    return frame_unpack(ret, bytes, bytes + FRAME_HEADER, size - FRAME_HEADER, k, payload, why);
}
