/* index-rig.c - does the index say what a model of all writes says?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index-rig.h"

#include <inttypes.h>
#include <stdlib.h>

uint64_t stage_chance(struct stage *s, uint64_t n)
{
    return memory_chance(&s->seed) % n;
}

/* ---- the stage --------------------------------------------------------------------- */

void stage_open(struct stage *s, bool threaded)
{
    const struct index_setup setup = { .medium = s->medium,
                                       .log = s->log,
                                       .trimmed = s->trimmed,
                                       .end = fake_log_end(s->log),
                                       .manual = !threaded };
    assert_int_equal(index_open(&setup, &s->index, NULL), 0);
}

void stage_begin(struct stage *s, uint64_t seed)
{
    *s = (struct stage){ .memory = memory_create(), .log = fake_log_create(), .seed = seed };
    print_message("seed %" PRIu64 "\n", seed);
    s->medium = memory_medium(s->memory, "group");
    s->written = calloc(WRITES, sizeof *s->written);
    assert_non_null(s->written);
}

void stage_end(struct stage *s)
{
    index_close(s->index);
    s->medium->close(s->medium);
    memory_destroy(s->memory);
    fake_log_destroy(s->log);
    free(s->written);
}

/* A frame of a few random writes at `position`, which index_add() is told of. */
void stage_add_frame(struct stage *s, uint64_t position)
{
    struct fake_record record[6];
    const unsigned count = 1 + (unsigned)stage_chance(s, 6);
    uint64_t at = count * FRAME_RECORD;

    for (unsigned i = 0; i < count; i++) {
        const bool zero = stage_chance(s, 5) == 0;
        struct written w = { .lsn = s->lsn += 1 + stage_chance(s, 3),
                             .position = position,
                             .at = at,
                             .disk = (unsigned)stage_chance(s, TEST_DISKS),
                             .first = (unsigned)stage_chance(s, UNITS),
                             .count = 1 + (unsigned)stage_chance(s, stage_chance(s, 4) ? 4 : 64),
                             .zero = zero };
        if (w.first + w.count > UNITS)
            w.count = UNITS - w.first;
        record[i] = (struct fake_record){ .record = { .disk = (uint16_t)w.disk,
                                                      .op = zero ? RECORD_ZERO + stage_chance(s, 2)
                                                                 : RECORD_WRITE,
                                                      .length = w.count * UNIT,
                                                      .offset = (uint64_t)w.first * UNIT,
                                                      .lsn = w.lsn } };
        at += zero ? 0 : w.count * UNIT;
        assert_true(s->writes < WRITES);
        s->written[s->writes++] = w;
    }
    const struct fake_frame *f = fake_log_add(s->log, position, 0, s->lsn, record, count);
    if (s->index)
        assert_int_equal(index_add(s->index, &f->frame, f->payload), 0);
}

/* Frames until the segment is left. */
void stage_add_segment(struct stage *s)
{
    const uint64_t end = fake_log_end(s->log), from = (end + SEGMENT - 1) / SEGMENT * SEGMENT;
    const unsigned frames = 1 + (unsigned)stage_chance(s, 4);

    for (unsigned i = 0; i < frames; i++)
        stage_add_frame(s, from + i * (uint64_t)(8 << 20));
}

/* ---- the model --------------------------------------------------------------------- */

/* The newest write to a unit up to `lsn`; NULL: none, or it was trimmed. */
static const struct written *newest(const struct stage *s, unsigned disk, unsigned unit,
                                    uint64_t lsn)
{
    for (size_t i = s->writes; i-- > 0;) {
        const struct written *w = &s->written[i];
        if (w->lsn <= lsn && w->disk == disk && unit >= w->first && unit < w->first + w->count)
            return w->position < s->trimmed ? NULL : w;
    }
    return NULL;
}

static void expect_gap(struct seen *seen, unsigned to)
{
    for (; seen->next < to; seen->next++) {
        const struct written *w = newest(seen->stage, seen->disk, seen->next, seen->lsn);
        if (w && w->lsn > seen->since)
            fail_msg("disk %u unit %u at LSN %" PRIu64 ": nothing found, written with %" PRIu64,
                     seen->disk, seen->next, seen->lsn, w->lsn);
    }
}

int stage_check_entry(void *arg, const struct index_entry *e)
{
    struct seen *seen = arg;

    assert_int_equal(e->disk, seen->disk);
    assert_int_equal(e->offset % UNIT + e->length % UNIT, 0);
    assert_true(e->length > 0 && e->offset / UNIT >= seen->next);
    expect_gap(seen, (unsigned)(e->offset / UNIT));
    for (unsigned i = 0; i < e->length / UNIT; i++, seen->next++) {
        const struct written *w = newest(seen->stage, seen->disk, seen->next, seen->lsn);
        if (!w || w->lsn != e->lsn)
            fail_msg("disk %u unit %u at LSN %" PRIu64 ": found %" PRIu64 ", written with %" PRIu64,
                     seen->disk, seen->next, seen->lsn, e->lsn, w ? w->lsn : 0);
        assert_int_equal(e->position, w->position);
        assert_int_equal(e->zero, w->zero);
        if (!e->zero)
            assert_int_equal(e->at + (uint64_t)i * UNIT,
                             w->at + (uint64_t)(seen->next - w->first) * UNIT);
    }
    return 0;
}

static void check_look(const struct stage *s, struct index_view *v, uint64_t lsn, unsigned disk,
                       unsigned first, unsigned count)
{
    struct seen seen = { .stage = s, .lsn = lsn, .disk = disk, .next = first };

    assert_int_equal(index_look(v, disk, (uint64_t)first * UNIT, (uint64_t)count * UNIT,
                                stage_check_entry, &seen),
                     0);
    expect_gap(&seen, first + count);
    assert_int_equal(seen.next, first + count);
}

static int each_change(void *arg, const struct index_entry *e)
{
    struct seen *seen = arg;

    while (e->disk != seen->disk) {
        assert_true(e->disk > seen->disk);
        expect_gap(seen, UNITS);
        seen->disk++;
        seen->next = 0;
    }
    assert_true(e->lsn > seen->since);
    return stage_check_entry(arg, e);
}

static void check_changes(const struct stage *s, struct index_view *v, uint64_t lsn, uint64_t since)
{
    struct seen seen = { .stage = s, .lsn = lsn, .since = since };

    assert_int_equal(index_changes(v, since, each_change, &seen), 0);
    for (; seen.disk < TEST_DISKS; seen.disk++, seen.next = 0)
        expect_gap(&seen, UNITS);
}

/* All of an open view. */
void stage_check_view(struct stage *s, struct index_view *v, uint64_t lsn)
{
    for (unsigned disk = 0; disk < TEST_DISKS; disk++)
        check_look(s, v, lsn, disk, 0, UNITS);
    for (unsigned i = 0; i < 8; i++) {
        const unsigned first = (unsigned)stage_chance(s, UNITS);
        check_look(s, v, lsn, (unsigned)stage_chance(s, TEST_DISKS), first,
                   1 + (unsigned)stage_chance(s, UNITS - first));
    }
}

/* The first LSN that may be asked for. */
uint64_t stage_oldest(const struct stage *s)
{
    uint64_t lsn = 0;

    for (size_t i = 0; i < s->writes && s->written[i].position < s->trimmed; i++)
        lsn = s->written[i].lsn;
    return lsn;
}

uint64_t stage_lsn(struct stage *s)
{
    const uint64_t first = stage_oldest(s);

    return first + stage_chance(s, s->lsn - first + 2);
}

void stage_check(struct stage *s, uint64_t lsn)
{
    struct index_view *v;

    assert_int_equal(index_view_open(s->index, lsn, &v), 0);
    stage_check_view(s, v, lsn);
    check_changes(s, v, lsn, stage_oldest(s) + stage_chance(s, lsn + 1 - stage_oldest(s)));
    index_view_close(v);
}

static int count_name(void *arg, const char *name)
{
    (void)name;
    ++*(unsigned *)arg;
    return 0;
}

unsigned stage_files(struct stage *s)
{
    unsigned n = 0;

    assert_int_equal(s->medium->list(s->medium, count_name, &n), 0);
    return n;
}
