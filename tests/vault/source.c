/* source.c - how does a test send frames as a source would?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "source.h"

#include <stdlib.h>
#include <string.h>

void source_begin(struct source *s, uint32_t flags)
{
    draft_begin(&s->draft, 0, flags | (s->key ? FRAME_AUTH : 0));
}

static void add(struct source *s, struct record r, const void *data, size_t length)
{
    r.lsn = ++s->lsn;
    draft_add(&s->draft, &r, data, length);
}

void source_write(struct source *s, unsigned disk, uint64_t offset, const void *data,
                  uint32_t length)
{
    add(s,
        (struct record){
            .op = RECORD_WRITE, .disk = (uint16_t)disk, .offset = offset, .length = length },
        data, length);
}

void source_zero(struct source *s, unsigned disk, uint64_t offset, uint32_t length)
{
    add(s,
        (struct record){
            .op = RECORD_ZERO, .disk = (uint16_t)disk, .offset = offset, .length = length },
        NULL, 0);
}

void source_disk(struct source *s, unsigned disk, const char *name, uint64_t size)
{
    const uint32_t length = (uint32_t)strlen(name);

    add(s,
        (struct record){
            .op = RECORD_DISK, .disk = (uint16_t)disk, .offset = size, .length = length },
        name, length);
}

void source_mark(struct source *s, const char *name)
{
    const uint32_t length = (uint32_t)strlen(name);

    add(s, (struct record){ .op = RECORD_MARK, .length = length }, name, length);
}

void source_verify(struct source *s, unsigned disk, uint64_t offset, uint32_t length,
                   uint64_t digest)
{
    const uint64_t bytes = htole64(digest);

    add(s,
        (struct record){
            .op = RECORD_VERIFY, .disk = (uint16_t)disk, .offset = offset, .length = length },
        &bytes, sizeof(bytes));
}

/* It goes where it fits: that is known when its size is. */
struct sent source_finish(struct source *s)
{
    struct draft *d = &s->draft;
    struct sent sent;

    memcpy(d->frame.group, s->group, sizeof(s->group));
    d->frame.generation = s->generation;
    d->frame.token = s->token;
    d->frame.previous = s->end.last_position;
    d->frame.previous_digest = s->end.last_digest;
    draft_finish(d, s->key);
    d->frame.position = frame_place(s->end.position, d->size);
    free(d->bytes);
    draft_finish(d, s->key);
    sent = (struct sent){ d->frame.position, d->frame.last_lsn, d->size, d->bytes };
    d->bytes = NULL;
    s->end = (struct log_end){ .position = sent.position + sent.size,
                               .last_position = sent.position,
                               .last_digest = frame_digest(sent.bytes),
                               .last_lsn = s->lsn };
    draft_free(d);
    return sent;
}

struct sent source_frame(struct source *s, uint32_t flags, uint64_t offset, uint32_t length,
                         int byte)
{
    void *data = malloc(length);

    memset(data, byte, length);
    source_begin(s, flags);
    source_write(s, 0, offset, data, length);
    free(data);
    return source_finish(s);
}
