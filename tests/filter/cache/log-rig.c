/* log-rig.c - what was appended to a log, and what is read of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "log-rig.h"

#include "memory-media.h"
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- stories --------------------------------------------------------------------------- */

static void story_add(struct log_story *s, const struct log_entry *e, uint64_t position)
{
    if (s->count == s->size) {
        s->size = s->size ? 2 * s->size : 1024;
        s->told = realloc(s->told, s->size * sizeof(*s->told));
        assert_non_null(s->told);
    }
    s->told[s->count++] = (struct told){ *e, position };
}

void story_finish(struct log_story *s)
{
    free(s->told);
    *s = (struct log_story){ 0 };
}

struct story_reader {
    struct log_story *story;
    struct media *media;
    const struct super *super;
    uint64_t position, epoch;
};

static int hear(void *arg, const struct log_entry *e, uint64_t position, uint64_t epoch)
{
    struct story_reader *r = arg;
    uint8_t page[BLOCK];

    assert_true(position >= r->position && epoch >= r->epoch);
    r->position = position;
    r->epoch = epoch;
    if (e->type == ENTRY_DIRTY || e->type == ENTRY_OVER) {
        assert_int_equal(
            media_read(r->media, page, BLOCK, r->super->log + (uint64_t)e->place * BLOCK), 0);
        assert_int_equal(block_crc(e->key, page), e->crc);
    }
    story_add(r->story, e, position);
    return 0;
}

static int hurt(void *arg, uint64_t position, const char *why)
{
    struct story_reader *r = arg;

    (void)position;
    r->story->damages++;
    snprintf(r->story->why, sizeof(r->story->why), "%s", why);
    return 0;
}

static void read_to(struct log_story *s, struct media *m, const struct super *super,
                    struct log_place *end)
{
    struct story_reader r = { s, m, super, 0, 0 };
    const struct log_reader reader = { hear, hurt, &r };

    *s = (struct log_story){ 0 };
    assert_int_equal(log_read(m, super, &reader, end), 0);
    assert_int_equal(end->head % SEGMENT_PAGES, 0);
    assert_int_equal(end->tail, super->tail);
    assert_true(end->head >= end->tail && end->head <= end->tail + super->log_pages);
    assert_true(end->epoch > r.epoch && end->epoch > end->durable_epoch);
    if (s->count)
        assert_true(end->head > r.position);
}

void story_read(struct log_story *s, struct media *m, const struct super *super)
{
    struct log_place end;

    read_to(s, m, super, &end);
}

void story_survives(const struct log_story *read, const struct log_story *story, uint64_t tail,
                    size_t durable)
{
    size_t first = 0;

    while (first < story->count && story->told[first].position < tail)
        first++;
    assert_true(read->count + first <= story->count);
    assert_true(read->count + first >= durable);
    for (size_t i = 0; i < read->count; i++) {
        const struct told *a = &read->told[i], *b = &story->told[first + i];
        assert_int_equal(a->position, b->position);
        assert_int_equal(a->entry.key, b->entry.key);
        assert_int_equal(a->entry.type, b->entry.type);
        assert_int_equal(a->entry.mask, b->entry.mask);
        if (entry_has_page(a->entry.type))
            assert_int_equal(a->entry.crc, b->entry.crc);
        assert_int_equal(a->entry.place, b->entry.place);
    }
}

/* ---- the rig ------------------------------------------------------------------------------ */

void rig_create(struct log_rig *rig, unsigned segments)
{
    *rig = (struct log_rig){ .key = 1 };
    rig->media = memory_create(POOL_MIN);
    assert_int_equal(super_plan(POOL_MIN, 0.8, &rig->super), 0);
    rig->super.log_pages = segments * SEGMENT_PAGES;
    assert_int_equal(super_format(rig->media, &rig->super), 0);
}

void rig_open(struct log_rig *rig)
{
    const struct log_user user = { rig->seal, NULL, rig };
    struct log_place end;

    memory_record(memory_of(rig->media));
    assert_int_equal(super_load(rig->media, &rig->super, NULL), 0);
    rig->super.incarnation++;
    assert_int_equal(super_save(rig->media, &rig->super), 0);
    assert_int_equal(media_sync(rig->media), 0);
    story_finish(&rig->story);
    read_to(&rig->story, rig->media, &rig->super, &end);
    rig->syncs = 0;
    rig->synced[rig->syncs++] = (struct synced){ 0, rig->story.count };
    assert_int_equal(log_create(rig->media, &rig->super, &end, &user, &rig->log), 0);
}

int rig_try(struct log_rig *rig, uint8_t type, unsigned count, bool last_reserve)
{
    struct log_entry entry[RECORD_ENTRIES];
    const void *page[RECORD_ENTRIES];
    struct log_append a = {
        .entry = entry, .count = count, .page = page, .last_reserve = last_reserve
    };
    uint8_t *pages = entry_has_page(type) ? malloc((size_t)count * BLOCK) : NULL;
    struct log_place where;
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++) {
        entry[i] = (struct log_entry){ .key = rig->key++, .type = type, .mask = (uint8_t)rig->key };
        if (!pages) {
            entry[i].place = (uint32_t)rig->key;
            continue;
        }
        memset(pages + (size_t)i * BLOCK, (int)rig->key, BLOCK);
        memcpy(pages + (size_t)i * BLOCK, &rig->key, sizeof(rig->key));
        page[n++] = pages + (size_t)i * BLOCK;
        entry[i].crc = block_crc(entry[i].key, page[i]);
    }
    int r = log_append(rig->log, &a);
    log_where(rig->log, &where);
    for (unsigned i = 0; !r && i < count; i++)
        story_add(&rig->story, &entry[i], where.head - n - 1);
    if (!r && n)
        rig->last_place = entry[count - 1].place;
    free(pages);
    return r;
}

void rig_append(struct log_rig *rig, uint8_t type, unsigned count)
{
    assert_int_equal(rig_try(rig, type, count, false), 0);
}

void rig_sync(struct log_rig *rig)
{
    const size_t count = rig->story.count;

    assert_int_equal(log_sync(rig->log), 0);
    assert_true(rig->syncs < sizeof(rig->synced) / sizeof(*rig->synced));
    rig->synced[rig->syncs++] = (struct synced){ memory_ops(memory_of(rig->media)), count };
}

void rig_free(struct log_rig *rig, uint64_t tail)
{
    struct log_place where;

    rig_sync(rig);
    log_where(rig->log, &where);
    rig->super.tail = tail;
    rig->super.durable_epoch = where.durable_epoch;
    assert_int_equal(super_save(rig->media, &rig->super), 0);
    assert_int_equal(media_sync(rig->media), 0);
    log_free(rig->log, tail);
}

void rig_move_tail(struct log_rig *rig)
{
    struct log_place where;

    log_where(rig->log, &where);
    rig_free(rig, segment_of(where.tail + (where.head - where.tail + 1) / 2));
}

size_t rig_durable_after(const struct log_rig *rig, size_t ops)
{
    size_t count = 0;

    for (size_t i = 0; i < rig->syncs; i++)
        if (rig->synced[i].ops <= ops)
            count = rig->synced[i].count;
    return count;
}

static void stop(struct log_rig *rig)
{
    log_destroy(rig->log);
    rig->log = NULL;
    rig->media->close(rig->media);
}

void rig_crash(struct log_rig *rig, struct media *cut)
{
    stop(rig);
    rig->media = cut;
}

void rig_destroy(struct log_rig *rig)
{
    stop(rig);
    story_finish(&rig->story);
}
