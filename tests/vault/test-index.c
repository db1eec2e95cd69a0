/* test-index.c - does the index say at every LSN who wrote where last?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A model keeps every write there ever was, in the order of LSNs.  Places are small, so that writes
 * overlap in every way; segments have few frames, so that there are many of them. */
#include "fake-log.h"
#include "medium-memory.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEST_DISKS = 3, UNITS = 256, UNIT = 512, WRITES = 1 << 16 };

struct written {
    uint64_t lsn, position, at;
    unsigned disk, first, count; /* units */
    bool zero;
};

struct stage {
    struct memory *memory;
    struct medium *medium;
    struct log *log;
    struct index *index;
    struct written *written;
    size_t writes;
    uint64_t lsn, trimmed, seed;
};

static uint64_t chance(struct stage *s, uint64_t n)
{
    return memory_chance(&s->seed) % n;
}

/* ---- the stage --------------------------------------------------------------------- */

static void open_index(struct stage *s, bool threaded)
{
    const struct index_setup setup = { .medium = s->medium,
                                       .log = s->log,
                                       .trimmed = s->trimmed,
                                       .end = fake_log_end(s->log),
                                       .manual = !threaded };
    assert_int_equal(index_open(&setup, &s->index, NULL), 0);
}

static void set_up(struct stage *s, uint64_t seed)
{
    *s = (struct stage){ .memory = memory_create(), .log = fake_log_create(), .seed = seed };
    print_message("seed %" PRIu64 "\n", seed);
    s->medium = memory_medium(s->memory, "group");
    s->written = calloc(WRITES, sizeof *s->written);
    assert_non_null(s->written);
}

static void tear_down(struct stage *s)
{
    index_close(s->index);
    s->medium->close(s->medium);
    memory_destroy(s->memory);
    fake_log_destroy(s->log);
    free(s->written);
}

/* A frame of a few random writes at `position`, which index_add() is told of. */
static void add_frame(struct stage *s, uint64_t position)
{
    struct fake_record record[6];
    const unsigned count = 1 + (unsigned)chance(s, 6);
    uint64_t at = count * FRAME_RECORD;

    for (unsigned i = 0; i < count; i++) {
        const bool zero = chance(s, 5) == 0;
        struct written w = { .lsn = s->lsn += 1 + chance(s, 3),
                             .position = position,
                             .at = at,
                             .disk = (unsigned)chance(s, TEST_DISKS),
                             .first = (unsigned)chance(s, UNITS),
                             .count = 1 + (unsigned)chance(s, chance(s, 4) ? 4 : 64),
                             .zero = zero };
        if (w.first + w.count > UNITS)
            w.count = UNITS - w.first;
        record[i] = (struct fake_record){ .record = { .disk = (uint16_t)w.disk,
                                                      .op = zero ? RECORD_ZERO + chance(s, 2)
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
static void add_segment(struct stage *s)
{
    const uint64_t end = fake_log_end(s->log), from = (end + SEGMENT - 1) / SEGMENT * SEGMENT;
    const unsigned frames = 1 + (unsigned)chance(s, 4);

    for (unsigned i = 0; i < frames; i++)
        add_frame(s, from + i * (uint64_t)(8 << 20));
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

struct seen {
    const struct stage *stage;
    uint64_t lsn, since;
    unsigned disk, next; /* the unit that comes next; before it all was compared */
};

static void expect_gap(struct seen *seen, unsigned to)
{
    for (; seen->next < to; seen->next++) {
        const struct written *w = newest(seen->stage, seen->disk, seen->next, seen->lsn);
        if (w && w->lsn > seen->since)
            fail_msg("disk %u unit %u at LSN %" PRIu64 ": nothing found, written with %" PRIu64,
                     seen->disk, seen->next, seen->lsn, w->lsn);
    }
}

static int each_entry(void *arg, const struct index_entry *e)
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

    assert_int_equal(
        index_look(v, disk, (uint64_t)first * UNIT, (uint64_t)count * UNIT, each_entry, &seen), 0);
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
    return each_entry(arg, e);
}

static void check_changes(const struct stage *s, struct index_view *v, uint64_t lsn, uint64_t since)
{
    struct seen seen = { .stage = s, .lsn = lsn, .since = since };

    assert_int_equal(index_changes(v, since, each_change, &seen), 0);
    for (; seen.disk < TEST_DISKS; seen.disk++, seen.next = 0)
        expect_gap(&seen, UNITS);
}

/* All of an open view. */
static void check_view(struct stage *s, struct index_view *v, uint64_t lsn)
{
    for (unsigned disk = 0; disk < TEST_DISKS; disk++)
        check_look(s, v, lsn, disk, 0, UNITS);
    for (unsigned i = 0; i < 8; i++) {
        const unsigned first = (unsigned)chance(s, UNITS);
        check_look(s, v, lsn, (unsigned)chance(s, TEST_DISKS), first,
                   1 + (unsigned)chance(s, UNITS - first));
    }
}

/* The first LSN that may be asked for. */
static uint64_t oldest(const struct stage *s)
{
    uint64_t lsn = 0;

    for (size_t i = 0; i < s->writes && s->written[i].position < s->trimmed; i++)
        lsn = s->written[i].lsn;
    return lsn;
}

static uint64_t random_lsn(struct stage *s)
{
    const uint64_t first = oldest(s);

    return first + chance(s, s->lsn - first + 2);
}

static void check_lsn(struct stage *s, uint64_t lsn)
{
    struct index_view *v;

    assert_int_equal(index_view_open(s->index, lsn, &v), 0);
    check_view(s, v, lsn);
    check_changes(s, v, lsn, oldest(s) + chance(s, lsn + 1 - oldest(s)));
    index_view_close(v);
}

/* ---- tests ------------------------------------------------------------------------- */

static void test_every_lsn_of_a_few_segments(void **state)
{
    struct stage s;

    (void)state;
    set_up(&s, 1);
    open_index(&s, false);
    check_lsn(&s, 0);
    for (unsigned i = 0; i < 6; i++) {
        add_segment(&s);
        if (i % 2)
            while (index_work(s.index))
                ;
    }
    for (uint64_t lsn = 0; lsn <= s.lsn; lsn++)
        check_lsn(&s, lsn);
    tear_down(&s);
}

/* Runs of three levels, which come while views are open; restarts; trimming. */
static void test_a_long_life(void **state)
{
    struct stage s;
    struct {
        struct index_view *view;
        uint64_t lsn;
    } open[4] = { 0 };

    (void)state;
    set_up(&s, 2);
    open_index(&s, false);
    for (unsigned i = 0; i < 600; i++) {
        add_segment(&s);
        for (uint64_t n = chance(&s, 4); n > 0; n--)
            index_work(s.index);
        if (i % 8 == 0)
            check_lsn(&s, random_lsn(&s));
        if (i % 16 == 0) {
            const uint64_t n = chance(&s, 4);
            if (open[n].view) {
                check_view(&s, open[n].view, open[n].lsn);
                index_view_close(open[n].view);
            }
            open[n].lsn = random_lsn(&s);
            assert_int_equal(index_view_open(s.index, open[n].lsn, &open[n].view), 0);
        }
        if (i % 64 == 50) { /* what is before the oldest view goes, as fold does it */
            uint64_t position = s.trimmed + chance(&s, fake_log_end(s.log) - s.trimmed);
            position -= position % SEGMENT;
            s.trimmed = position > s.trimmed ? position : s.trimmed;
            index_trim(s.index, s.trimmed);
            log_trim(s.log, s.trimmed);
            for (unsigned n = 0; n < 4; n++)
                if (open[n].view && open[n].lsn < oldest(&s)) {
                    index_view_close(open[n].view);
                    open[n].view = NULL;
                }
            check_lsn(&s, oldest(&s));
        }
        if (i % 100 == 99) {
            for (unsigned n = 0; n < 4; n++) {
                index_view_close(open[n].view);
                open[n].view = NULL;
            }
            index_close(s.index);
            open_index(&s, false);
        }
    }
    while (index_work(s.index))
        ;
    for (unsigned n = 0; n < 4; n++)
        index_view_close(open[n].view);
    for (unsigned i = 0; i < 20; i++)
        check_lsn(&s, random_lsn(&s));
    tear_down(&s);
}

static int count_name(void *arg, const char *name)
{
    (void)name;
    ++*(unsigned *)arg;
    return 0;
}

static int count_entries(void *arg, const struct index_entry *e)
{
    (void)e;
    ++*(unsigned *)arg;
    return 0;
}

static unsigned files(struct stage *s)
{
    unsigned n = 0;

    assert_int_equal(s->medium->list(s->medium, count_name, &n), 0);
    return n;
}

static void test_what_is_trimmed_is_removed(void **state)
{
    struct stage s;

    (void)state;
    set_up(&s, 3);
    open_index(&s, false);
    for (unsigned i = 0; i < 40; i++)
        add_segment(&s);
    while (index_work(s.index))
        ;
    assert_int_equal(files(&s), 39 + 2); /* all but the active one, and two of sixteen */
    s.trimmed = 33ull * SEGMENT;
    index_trim(s.index, s.trimmed);
    assert_int_equal(files(&s), 6);
    check_lsn(&s, s.lsn);
    tear_down(&s);
}

/* After log_cut() other frames come to the same places. */
static void test_what_is_cut_never_was(void **state)
{
    struct stage s;

    (void)state;
    set_up(&s, 4);
    open_index(&s, false);
    for (unsigned round = 0; round < 30; round++) {
        for (uint64_t n = 1 + chance(&s, 20); n > 0; n--)
            add_segment(&s);
        for (uint64_t n = chance(&s, 40); n > 0; n--)
            index_work(s.index);
        const size_t frame = chance(&s, fake_log_frames(s.log));
        const uint64_t position = fake_log_frame(s.log, frame)->frame.position;
        fake_log_cut(s.log, position);
        while (s.writes && s.written[s.writes - 1].position >= position)
            s.writes--;
        s.lsn = s.writes ? s.written[s.writes - 1].lsn : 0;
        const uint64_t end = fake_log_end(s.log);
        if (round % 3) {
            assert_int_equal(index_cut(s.index, end), 0);
        } else { /* a crash before index_cut() */
            index_close(s.index);
            open_index(&s, false);
        }
        if (end % SEGMENT) /* in the segment that was cut */
            add_frame(&s, end);
        check_lsn(&s, s.lsn);
        check_lsn(&s, random_lsn(&s));
    }
    tear_down(&s);
}

/* ---- damage ------------------------------------------------------------------------ */

struct victim {
    struct stage *s;
    uint64_t n;
    char name[64];
};

static int choose(void *arg, const char *name)
{
    struct victim *v = arg;

    if (v->n-- == 0)
        snprintf(v->name, sizeof v->name, "%s", name);
    return 0;
}

static void damage_one(struct stage *s)
{
    struct victim v = { .s = s, .n = chance(s, files(s)) };
    struct medium_file *f;
    uint64_t size;
    uint8_t byte;

    assert_int_equal(s->medium->list(s->medium, choose, &v), 0);
    if (chance(s, 4) == 0) {
        assert_int_equal(s->medium->remove(s->medium, v.name), 0);
        return;
    }
    assert_int_equal(s->medium->open(s->medium, v.name, 0, &f), 0);
    assert_int_equal(f->size(f, &size), 0);
    const uint64_t at = chance(s, size);
    assert_int_equal(file_read(f, &byte, 1, at), 0);
    byte ^= (uint8_t)(1u << chance(s, 8));
    assert_int_equal(file_write(f, &byte, 1, at), 0);
    f->close(f);
}

/* A run that is damaged or gone is made again; nothing wrong is ever said. */
static void test_damage_is_mended(void **state)
{
    struct stage s;

    (void)state;
    set_up(&s, 5);
    open_index(&s, false);
    for (unsigned i = 0; i < 40; i++)
        add_segment(&s);
    for (unsigned round = 0; round < 60; round++) {
        while (index_work(s.index))
            ;
        index_close(s.index);
        damage_one(&s);
        open_index(&s, false);
        const uint64_t lsn = random_lsn(&s);
        struct index_view *v;
        assert_int_equal(index_view_open(s.index, lsn, &v), 0);
        check_view(&s, v, lsn);
        index_view_close(v);
    }
    tear_down(&s);
}

/* A part of a run that is to be merged is damaged, or not there. */
static void test_damage_before_a_merge(void **state)
{
    struct stage s;
    struct medium_file *f;
    uint8_t byte;

    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        set_up(&s, 11);
        open_index(&s, false);
        for (unsigned i = 0; i < 16; i++)
            add_segment(&s);
        while (index_work(s.index))
            ;
        const char name[] = "run.0000000008000000-000000000c000000";
        if (how == 0) {
            assert_int_equal(s.medium->remove(s.medium, name), 0);
        } else { /* its first leaf, which is all of it, or its header */
            assert_int_equal(s.medium->open(s.medium, name, 0, &f), 0);
            assert_int_equal(file_read(f, &byte, 1, how == 1 ? 100 : 4196), 0);
            byte ^= 1;
            assert_int_equal(file_write(f, &byte, 1, how == 1 ? 100 : 4196), 0);
            f->close(f);
        }
        add_segment(&s); /* the sixteen can be merged now */
        while (index_work(s.index))
            ;
        assert_int_equal(files(&s), 16 + 1);
        check_lsn(&s, s.lsn);
        tear_down(&s);
    }
}

/* A leaf that is damaged is found when it is read: that read fails, the next view is whole. */
static void test_a_damaged_leaf_is_an_error_of_one_view(void **state)
{
    struct stage s;
    struct index_view *v;
    struct seen seen;
    struct medium_file *f;
    uint8_t byte;

    (void)state;
    set_up(&s, 6);
    open_index(&s, false);
    for (unsigned i = 0; i < 400; i++) /* one segment, two leaves at least */
        add_frame(&s, i * 65536ull * 2);
    add_segment(&s);
    while (index_work(s.index))
        ;
    index_close(s.index);
    assert_int_equal(s.medium->open(s.medium, "run.0000000000000000-0000000004000000", 0, &f), 0);
    assert_int_equal(file_read(f, &byte, 1, 100), 0);
    byte ^= 1;
    assert_int_equal(file_write(f, &byte, 1, 100), 0);
    f->close(f);
    open_index(&s, false);
    assert_int_equal(index_view_open(s.index, s.lsn, &v), 0);
    seen = (struct seen){ .stage = &s, .lsn = s.lsn };
    assert_int_equal(index_look(v, 0, 0, UNITS * UNIT, each_entry, &seen), -EIO);
    index_view_close(v);
    check_lsn(&s, s.lsn);
    tear_down(&s);
}

/* ---- a run in a file is a tree ----------------------------------------------------- */

/* A run whose tree has three levels, that is read from left to right and in leaps. */
static void test_a_large_run(void **state)
{
    struct log *log = fake_log_create();
    struct memory *memory = memory_create();
    struct medium *medium = memory_medium(memory, "group");
    const struct index_setup setup = { .medium = medium, .log = log, .manual = true };
    struct index *index;
    struct index_view *v;
    uint64_t lsn = 0;
    enum { FRAMES = 12, RECORDS = 8000, EVERY = 40960 };
    struct fake_record *record = calloc(RECORDS, sizeof *record);

    (void)state;
    assert_int_equal(index_open(&setup, &index, NULL), 0);
    for (uint64_t i = 0; i <= FRAMES; i++) {
        for (uint64_t n = 0; n < RECORDS; n++)
            record[n].record = (struct record){
                .op = RECORD_ZERO, .length = 4096, .offset = (n * FRAMES + i) * EVERY, .lsn = ++lsn
            };
        const struct fake_frame *f = fake_log_add(log, i < FRAMES ? i << 20 : SEGMENT, 0, 1, record,
                                                  i < FRAMES ? RECORDS : 1);
        assert_int_equal(index_add(index, &f->frame, f->payload), 0);
    }
    while (index_work(index))
        ;
    assert_int_equal(index_view_open(index, lsn, &v), 0);
    uint64_t seed = 7;
    for (unsigned i = 0; i < 2000; i++) {
        const uint64_t n = memory_chance(&seed) % (FRAMES * RECORDS);
        unsigned found = 0;
        assert_int_equal(index_look(v, 0, n * EVERY + 100, 50, count_entries, &found), 0);
        assert_int_equal(found, 1);
        assert_int_equal(index_look(v, 0, n * EVERY + 4096, EVERY - 4096, count_entries, &found),
                         0);
        assert_int_equal(found, 1);
    }
    unsigned all = 0;
    assert_int_equal(index_look(v, 0, 0, 1ull << 50, count_entries, &all), 0);
    assert_int_equal(all, FRAMES * RECORDS);
    all = 0;
    assert_int_equal(index_changes(v, 0, count_entries, &all), 0);
    assert_int_equal(all, FRAMES * RECORDS);
    index_view_close(v);
    index_close(index);
    medium->close(medium);
    memory_destroy(memory);
    fake_log_destroy(log);
    free(record);
}

/* ---- threads ----------------------------------------------------------------------- */

struct reader {
    struct stage *s;
    _Atomic uint64_t *lsn;
    atomic_bool *done;
    unsigned views;
};

/* Views at LSNs that were added, while runs are written and merged: counts must be of the log. */
static void *read_on(void *arg)
{
    struct reader *r = arg;
    uint64_t seed = 8;

    while (!atomic_load(r->done)) {
        const uint64_t lsn = memory_chance(&seed) % (atomic_load(r->lsn) + 1);
        struct index_view *v;
        unsigned found = 0;
        if (index_view_open(r->s->index, lsn, &v))
            abort();
        if (index_look(v, 0, 0, UNITS * UNIT, count_entries, &found))
            abort();
        index_view_close(v);
        r->views++;
    }
    return NULL;
}

static void test_views_while_the_thread_works(void **state)
{
    struct stage s;
    _Atomic uint64_t lsn = 0;
    atomic_bool done = false;
    pthread_t thread[2];
    struct reader reader[2];

    (void)state;
    set_up(&s, 9);
    open_index(&s, true);
    for (unsigned i = 0; i < 2; i++) {
        reader[i] = (struct reader){ .s = &s, .lsn = &lsn, .done = &done };
        assert_int_equal(pthread_create(&thread[i], NULL, read_on, &reader[i]), 0);
    }
    for (unsigned i = 0; i < 300; i++) {
        add_segment(&s);
        atomic_store(&lsn, s.lsn);
    }
    atomic_store(&done, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    for (unsigned i = 0; i < 10; i++)
        check_lsn(&s, random_lsn(&s));
    tear_down(&s);
}

/* ---- crashes ----------------------------------------------------------------------- */

/* The frames before `end`; the same payloads once more. */
static void copy_log(struct log *to, const struct log *from, uint64_t end)
{
    for (size_t i = 0; i < fake_log_frames(from); i++) {
        const struct fake_frame *f = fake_log_frame(from, i);
        if (f->frame.position < end)
            fake_log_copy(to, f);
    }
}

/* How far the log had come when. */
struct grown {
    size_t ops;
    uint64_t end;
};

/* A stage as a crash after `ops` leaves it; of the log what is before `end`. */
static void crash(struct stage *after, struct stage *s, size_t ops, enum memory_loss loss,
                  uint64_t seed, uint64_t end)
{
    *after = (struct stage){ .seed = seed, .log = fake_log_create() };
    after->memory = memory_cut(s->memory, ops, loss, seed);
    after->medium = memory_medium(after->memory, "group");
    after->written = calloc(WRITES, sizeof *after->written);
    assert_non_null(after->written);
    while (after->writes < s->writes && s->written[after->writes].position < end) {
        after->written[after->writes] = s->written[after->writes];
        after->lsn = after->written[after->writes++].lsn;
    }
    copy_log(after->log, s->log, end);
}

/* Other frames than those that are gone come behind the end, and power fails once more. */
static void go_on_and_crash(struct stage *s)
{
    struct stage after;
    const uint64_t end = fake_log_end(s->log);

    memory_record(s->memory);
    open_index(s, false);
    if (end % SEGMENT)
        add_frame(s, end);
    add_segment(s);
    add_segment(s);
    check_lsn(s, s->lsn);
    check_lsn(s, random_lsn(s));
    crash(&after, s, memory_ops(s->memory), MEMORY_SOME, s->seed, UINT64_MAX);
    open_index(&after, false);
    check_lsn(&after, after.lsn);
    check_lsn(&after, random_lsn(&after));
    tear_down(&after);
}

/* Power fails while runs are written: of the log any part of its end is gone then.  No run may
 * speak of frames that are, not even one that was removed already. */
static void test_crashes_while_runs_are_written(void **state)
{
    enum { SEGMENTS = 36 };
    struct stage s, after;
    struct grown grown[SEGMENTS + 1] = { 0 };
    unsigned states = 0, at = 0;

    (void)state;
    set_up(&s, 10);
    open_index(&s, false);
    memory_record(s.memory);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        add_segment(&s);
        grown[i + 1] = (struct grown){ memory_ops(s.memory), fake_log_end(s.log) };
        for (uint64_t n = chance(&s, 4); n > 0; n--)
            index_work(s.index);
    }
    for (size_t n = 0; n <= memory_ops(s.memory); n++) {
        while (at < SEGMENTS && grown[at + 1].ops <= n)
            at++;
        for (unsigned loss = MEMORY_ALL; loss <= MEMORY_TORN; loss++, states++) {
            const uint64_t lost = chance(&s, 2) ? 0 : chance(&s, 4ull * SEGMENT);
            const uint64_t end = grown[at].end > lost ? grown[at].end - lost : 0;
            crash(&after, &s, n, loss, n * 4 + loss, end);
            go_on_and_crash(&after);
            tear_down(&after);
        }
    }
    print_message("%u states\n", states);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_lsn_of_a_few_segments),
        cmocka_unit_test(test_a_long_life),
        cmocka_unit_test(test_what_is_trimmed_is_removed),
        cmocka_unit_test(test_what_is_cut_never_was),
        cmocka_unit_test(test_damage_is_mended),
        cmocka_unit_test(test_damage_before_a_merge),
        cmocka_unit_test(test_a_damaged_leaf_is_an_error_of_one_view),
        cmocka_unit_test(test_a_large_run),
        cmocka_unit_test(test_views_while_the_thread_works),
        cmocka_unit_test(test_crashes_while_runs_are_written),
    };
    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
