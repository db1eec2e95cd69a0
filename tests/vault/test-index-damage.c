/* test-index-damage.c - what does the index say when its runs are damaged, or were being written?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index-rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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
    struct victim v = { .s = s, .n = stage_chance(s, stage_files(s)) };
    struct medium_file *f;
    uint64_t size;
    uint8_t byte;

    assert_int_equal(s->medium->list(s->medium, choose, &v), 0);
    if (stage_chance(s, 4) == 0) {
        assert_int_equal(s->medium->remove(s->medium, v.name), 0);
        return;
    }
    assert_int_equal(s->medium->open(s->medium, v.name, 0, &f), 0);
    assert_int_equal(f->size(f, &size), 0);
    const uint64_t at = stage_chance(s, size);
    assert_int_equal(file_read(f, &byte, 1, at), 0);
    byte ^= (uint8_t)(1u << stage_chance(s, 8));
    assert_int_equal(file_write(f, &byte, 1, at), 0);
    f->close(f);
}

/* A run that is damaged or gone is made again; nothing wrong is ever said. */
static void test_damage_is_mended(void **state)
{
    struct stage s;

    (void)state;
    stage_begin(&s, 5);
    stage_open(&s, false);
    for (unsigned i = 0; i < 40; i++)
        stage_add_segment(&s);
    for (unsigned round = 0; round < 60; round++) {
        while (index_work(s.index))
            ;
        index_close(s.index);
        damage_one(&s);
        stage_open(&s, false);
        const uint64_t lsn = stage_lsn(&s);
        struct index_view *v;
        assert_int_equal(index_view_open(s.index, lsn, &v), 0);
        stage_check_view(&s, v, lsn);
        index_view_close(v);
    }
    stage_end(&s);
}

/* A part of a run that is to be merged is damaged, or not there. */
static void test_damage_before_a_merge(void **state)
{
    struct stage s;
    struct medium_file *f;
    uint8_t byte;

    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        stage_begin(&s, 11);
        stage_open(&s, false);
        for (unsigned i = 0; i < 16; i++)
            stage_add_segment(&s);
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
        stage_add_segment(&s); /* the sixteen can be merged now */
        while (index_work(s.index))
            ;
        assert_int_equal(stage_files(&s), 16 + 1);
        stage_check(&s, s.lsn);
        stage_end(&s);
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
    stage_begin(&s, 6);
    stage_open(&s, false);
    for (unsigned i = 0; i < 400; i++) /* one segment, two leaves at least */
        stage_add_frame(&s, i * 65536ull * 2);
    stage_add_segment(&s);
    while (index_work(s.index))
        ;
    index_close(s.index);
    assert_int_equal(s.medium->open(s.medium, "run.0000000000000000-0000000004000000", 0, &f), 0);
    assert_int_equal(file_read(f, &byte, 1, 100), 0);
    byte ^= 1;
    assert_int_equal(file_write(f, &byte, 1, 100), 0);
    f->close(f);
    stage_open(&s, false);
    assert_int_equal(index_view_open(s.index, s.lsn, &v), 0);
    seen = (struct seen){ .stage = &s, .lsn = s.lsn };
    assert_int_equal(index_look(v, 0, 0, UNITS * UNIT, stage_check_entry, &seen), -EIO);
    index_view_close(v);
    stage_check(&s, s.lsn);
    stage_end(&s);
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
    stage_open(s, false);
    if (end % SEGMENT)
        stage_add_frame(s, end);
    stage_add_segment(s);
    stage_add_segment(s);
    stage_check(s, s->lsn);
    stage_check(s, stage_lsn(s));
    crash(&after, s, memory_ops(s->memory), MEMORY_SOME, s->seed, UINT64_MAX);
    stage_open(&after, false);
    stage_check(&after, after.lsn);
    stage_check(&after, stage_lsn(&after));
    stage_end(&after);
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
    stage_begin(&s, 10);
    stage_open(&s, false);
    memory_record(s.memory);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        stage_add_segment(&s);
        grown[i + 1] = (struct grown){ memory_ops(s.memory), fake_log_end(s.log) };
        for (uint64_t n = stage_chance(&s, 4); n > 0; n--)
            index_work(s.index);
    }
    for (size_t n = 0; n <= memory_ops(s.memory); n++) {
        while (at < SEGMENTS && grown[at + 1].ops <= n)
            at++;
        for (unsigned loss = MEMORY_ALL; loss <= MEMORY_TORN; loss++, states++) {
            const uint64_t lost = stage_chance(&s, 2) ? 0 : stage_chance(&s, 4ull * SEGMENT);
            const uint64_t end = grown[at].end > lost ? grown[at].end - lost : 0;
            crash(&after, &s, n, loss, n * 4 + loss, end);
            go_on_and_crash(&after);
            stage_end(&after);
        }
    }
    print_message("%u states\n", states);
    stage_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage_is_mended),
        cmocka_unit_test(test_damage_before_a_merge),
        cmocka_unit_test(test_a_damaged_leaf_is_an_error_of_one_view),
        cmocka_unit_test(test_crashes_while_runs_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
