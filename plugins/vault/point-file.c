/* point-file.c - how do restore points survive a restart?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   digest 8 | kind 2 | flags 2 | length of the name 4 | five numbers 8 each | name, up to 8 × n
 */
#include "point.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scope.h"

enum { RECORD_HEAD = 56, KIND_MARK = 1, KIND_SET, KIND_REACHED, FLAG_QUIESCED = 1, FLAG_IN_SET };
static const char file_name[] = "points";

struct stored {
    uint16_t kind, flags;
    uint64_t word[5];
    const char *name;
    uint32_t length;
};

static size_t stored_size(uint32_t length)
{
    return RECORD_HEAD + (length + 7) / 8 * 8;
}

/* ---- bytes ------------------------------------------------------------------------- */

enum { STORED_MOST = RECORD_HEAD + NAME_LENGTH };

static size_t put(uint8_t *out, const struct stored *s)
{
    const size_t size = stored_size(s->length);
    const uint16_t kind = htole16(s->kind), flags = htole16(s->flags);
    const uint32_t length = htole32(s->length);

    memset(out, 0, size);
    memcpy(out + 8, &kind, 2);
    memcpy(out + 10, &flags, 2);
    memcpy(out + 12, &length, 4);
    for (unsigned i = 0; i < 5; i++) {
        const uint64_t word = htole64(s->word[i]);
        memcpy(out + 16 + i * 8, &word, 8);
    }
    if (s->length)
        memcpy(out + RECORD_HEAD, s->name, s->length);
    const uint64_t digest = htole64(digest_of(out + 8, size - 8));
    memcpy(out, &digest, 8);
    return size;
}

/* The size of the record there; 0: there is none that is whole. */
static size_t get(const uint8_t *in, size_t left, struct stored *s)
{
    uint64_t digest;

    if (left < RECORD_HEAD)
        return 0;
    memcpy(&digest, in, 8);
    memcpy(&s->kind, in + 8, 2);
    memcpy(&s->flags, in + 10, 2);
    memcpy(&s->length, in + 12, 4);
    s->kind = le16toh(s->kind);
    s->flags = le16toh(s->flags);
    s->length = le32toh(s->length);
    if (s->length >= NAME_LENGTH || stored_size(s->length) > left ||
        le64toh(digest) != digest_of(in + 8, stored_size(s->length) - 8))
        return 0;
    for (unsigned i = 0; i < 5; i++) {
        memcpy(&s->word[i], in + 16 + i * 8, 8);
        s->word[i] = le64toh(s->word[i]);
    }
    s->name = (const char *)in + RECORD_HEAD;
    return stored_size(s->length);
}

static struct stored of_mark(const struct mark *m)
{
    return (struct stored){ .kind = KIND_MARK,
                            .flags = m->quiesced ? FLAG_QUIESCED : 0,
                            .word = { m->lsn, m->position, m->time },
                            .name = m->name,
                            .length = m->name ? (uint32_t)strlen(m->name) : 0 };
}

static struct stored of_set(const struct set *s)
{
    return (struct stored){ .kind = KIND_SET,
                            .word = { s->first, s->last, s->position, s->ended } };
}

static struct stored of_reached(const struct reached *r)
{
    return (struct stored){ .kind = KIND_REACHED,
                            .flags = r->in_set ? FLAG_IN_SET : 0,
                            .word = { r->lsn, r->position, r->time, r->set, r->set_position } };
}

/* ---- reading ----------------------------------------------------------------------- */

static int take_mark(struct points *p, const struct stored *s)
{
    char name[NAME_LENGTH] = "";
    const struct mark mark = { .lsn = s->word[0],
                               .position = s->word[1],
                               .time = s->word[2],
                               .name = s->length ? name : NULL,
                               .quiesced = s->flags & FLAG_QUIESCED };

    memcpy(name, s->name, s->length);
    return mark_is_kept(p, &mark) ? mark_add(p, &mark) : 0;
}

static int take_set(struct points *p, const struct stored *s)
{
    const struct set set = { s->word[0], s->word[1], s->word[2], s->word[3] };

    return set_is_kept(p, &set) ? set_add(p, &set) : 0;
}

/* Records up to the last place that was reached and that the log still has; *known: there is one.
 * What comes behind it is read from the log again. */
static int take_all(struct points *p, const uint8_t *bytes, size_t size, uint64_t end, bool *known)
{
    struct stored s;
    size_t length;
    int r = 0;

    for (size_t at = 0; !r && (length = get(bytes + at, size - at, &s)) > 0; at += length) {
        if (s.kind == KIND_MARK) {
            r = take_mark(p, &s);
        } else if (s.kind == KIND_SET) {
            r = take_set(p, &s);
        } else if (s.kind == KIND_REACHED) {
            if (s.word[1] > end)
                break;
            p->at = (struct reached){ .lsn = s.word[0],
                                      .position = s.word[1],
                                      .time = s.word[2],
                                      .in_set = s.flags & FLAG_IN_SET,
                                      .set = s.word[3],
                                      .set_position = s.word[4] };
            *known = true;
        }
    }
    if (!r)
        points_drop_behind(p, *known ? p->at.position : 0);
    return r;
}

int points_load(struct points *p, uint64_t end)
{
    cleanup_free void *bytes = NULL;
    size_t size;
    bool known = false;
    int r = medium_load(p->medium, file_name, &bytes, &size);

    if (r) {
        bytes = NULL;
        return r;
    }
    hold_lock(&p->lock);
    r = take_all(p, bytes, size, end, &known);
    return r ? r : known ? 0 : -ENOENT;
}

/* ---- writing ----------------------------------------------------------------------- */

static void append(struct points *p, const struct stored *s)
{
    uint8_t bytes[STORED_MOST];
    const size_t size = put(bytes, s);

    if (!p->loaded || p->stale)
        return;
    if (!p->file || file_write(p->file, bytes, size, p->size)) {
        p->stale = true; /* it is written as a whole when the next segment begins */
        return;
    }
    p->size += size;
    p->in_file++;
}

void points_append_mark(struct points *p, const struct mark *m)
{
    const struct stored s = of_mark(m);

    append(p, &s);
}

void points_append_set(struct points *p, const struct set *set)
{
    const struct stored s = of_set(set);

    append(p, &s);
}

static bool worth_rewriting(struct points *p)
{
    hold_lock(&p->lock);
    const size_t live = p->marks + p->sets;

    return p->stale || p->in_file > 2 * live + 1024;
}

void points_append_reached(struct points *p)
{
    if (!p->loaded)
        return;
    if (worth_rewriting(p)) {
        points_rewrite(p);
        return;
    }
    pthread_mutex_lock(&p->lock);
    const struct stored s = of_reached(&p->at);
    pthread_mutex_unlock(&p->lock);
    append(p, &s);
    if (p->file && file_sync(p->file))
        p->stale = true;
}

/* All as bytes; NULL: no memory. */
static uint8_t *all_bytes(struct points *p, size_t *size, size_t *records)
{
    hold_lock(&p->lock);
    size_t room = (p->sets + 1) * RECORD_HEAD, at = 0;

    for (size_t i = 0; i < p->marks; i++)
        room += stored_size(of_mark(&p->mark[i]).length);
    uint8_t *bytes = malloc(room);
    for (size_t i = 0; bytes && i < p->marks; i++) {
        const struct stored s = of_mark(&p->mark[i]);
        at += put(bytes + at, &s);
    }
    for (size_t i = 0; bytes && i < p->sets; i++) {
        const struct stored s = of_set(&p->set[i]);
        at += put(bytes + at, &s);
    }
    if (bytes) {
        const struct stored s = of_reached(&p->at);
        at += put(bytes + at, &s);
    }
    *size = at;
    *records = p->marks + p->sets + 1;
    return bytes;
}

int points_rewrite(struct points *p)
{
    size_t size, records;
    cleanup_free uint8_t *bytes = all_bytes(p, &size, &records);
    int r = bytes ? medium_save(p->medium, file_name, bytes, size) : -ENOMEM;

    p->stale = true;
    if (p->file)
        p->file->close(p->file);
    p->file = NULL;
    if (!r)
        r = p->medium->open(p->medium, file_name, 0, &p->file);
    if (r) {
        p->file = NULL;
        return r;
    }
    p->size = size;
    p->in_file = records;
    p->stale = false;
    return 0;
}
