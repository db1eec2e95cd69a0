/* test-index.c - does the index say at every LSN who wrote where last?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index-rig.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* ---- tests ------------------------------------------------------------------------- */

static void test_every_lsn_of_a_few_segments(void **state)
{
    struct stage s;

    (void)state;
    stage_begin(&s, 1);
    stage_open(&s, false);
    stage_check(&s, 0);
    for (unsigned i = 0; i < 6; i++) {
        stage_add_segment(&s);
        if (i % 2)
            while (index_work(s.index))
                ;
    }
    for (uint64_t lsn = 0; lsn <= s.lsn; lsn++)
        stage_check(&s, lsn);
    stage_end(&s);
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
    stage_begin(&s, 2);
    stage_open(&s, false);
    for (unsigned i = 0; i < 600; i++) {
        stage_add_segment(&s);
        for (uint64_t n = stage_chance(&s, 4); n > 0; n--)
            index_work(s.index);
        if (i % 8 == 0)
            stage_check(&s, stage_lsn(&s));
        if (i % 16 == 0) {
            const uint64_t n = stage_chance(&s, 4);
            if (open[n].view) {
                stage_check_view(&s, open[n].view, open[n].lsn);
                index_view_close(open[n].view);
            }
            open[n].lsn = stage_lsn(&s);
            assert_int_equal(index_view_open(s.index, open[n].lsn, &open[n].view), 0);
        }
        if (i % 64 == 50) { /* what is before the oldest view goes, as fold does it */
            uint64_t position = s.trimmed + stage_chance(&s, fake_log_end(s.log) - s.trimmed);
            position -= position % SEGMENT;
            s.trimmed = position > s.trimmed ? position : s.trimmed;
            index_trim(s.index, s.trimmed);
            log_trim(s.log, s.trimmed);
            for (unsigned n = 0; n < 4; n++)
                if (open[n].view && open[n].lsn < stage_oldest(&s)) {
                    index_view_close(open[n].view);
                    open[n].view = NULL;
                }
            stage_check(&s, stage_oldest(&s));
        }
        if (i % 100 == 99) {
            for (unsigned n = 0; n < 4; n++) {
                index_view_close(open[n].view);
                open[n].view = NULL;
            }
            index_close(s.index);
            stage_open(&s, false);
        }
    }
    while (index_work(s.index))
        ;
    for (unsigned n = 0; n < 4; n++)
        index_view_close(open[n].view);
    for (unsigned i = 0; i < 20; i++)
        stage_check(&s, stage_lsn(&s));
    stage_end(&s);
}

static int count_entries(void *arg, const struct index_entry *e)
{
    (void)e;
    ++*(unsigned *)arg;
    return 0;
}

static void test_what_is_trimmed_is_removed(void **state)
{
    struct stage s;

    (void)state;
    stage_begin(&s, 3);
    stage_open(&s, false);
    for (unsigned i = 0; i < 40; i++)
        stage_add_segment(&s);
    while (index_work(s.index))
        ;
    assert_int_equal(stage_files(&s), 39 + 2); /* all but the active one, and two of sixteen */
    s.trimmed = 33ull * SEGMENT;
    index_trim(s.index, s.trimmed);
    assert_int_equal(stage_files(&s), 6);
    stage_check(&s, s.lsn);
    stage_end(&s);
}

/* After log_cut() other frames come to the same places. */
static void test_what_is_cut_never_was(void **state)
{
    struct stage s;

    (void)state;
    stage_begin(&s, 4);
    stage_open(&s, false);
    for (unsigned round = 0; round < 30; round++) {
        for (uint64_t n = 1 + stage_chance(&s, 20); n > 0; n--)
            stage_add_segment(&s);
        for (uint64_t n = stage_chance(&s, 40); n > 0; n--)
            index_work(s.index);
        const size_t frame = stage_chance(&s, fake_log_frames(s.log));
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
            stage_open(&s, false);
        }
        if (end % SEGMENT) /* in the segment that was cut */
            stage_add_frame(&s, end);
        stage_check(&s, s.lsn);
        stage_check(&s, stage_lsn(&s));
    }
    stage_end(&s);
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
    stage_begin(&s, 9);
    stage_open(&s, true);
    for (unsigned i = 0; i < 2; i++) {
        reader[i] = (struct reader){ .s = &s, .lsn = &lsn, .done = &done };
        assert_int_equal(pthread_create(&thread[i], NULL, read_on, &reader[i]), 0);
    }
    for (unsigned i = 0; i < 300; i++) {
        stage_add_segment(&s);
        atomic_store(&lsn, s.lsn);
    }
    atomic_store(&done, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    for (unsigned i = 0; i < 10; i++)
        stage_check(&s, stage_lsn(&s));
    stage_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_lsn_of_a_few_segments),
        cmocka_unit_test(test_a_long_life),
        cmocka_unit_test(test_what_is_trimmed_is_removed),
        cmocka_unit_test(test_what_is_cut_never_was),
        cmocka_unit_test(test_a_large_run),
        cmocka_unit_test(test_views_while_the_thread_works),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
