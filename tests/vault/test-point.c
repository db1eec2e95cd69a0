/* test-point.c - which states can be gone back to, and by which words?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fake-log.h"
#include "medium-memory.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t second = 1000000000;
static const uint64_t noon = 1763812800ull * 1000000000; /* 2025-11-22T12:00:00Z */

struct stage {
    struct memory *memory;
    struct medium *medium;
    struct log *log;
    struct points *points;
    uint64_t lsn, time, trimmed, trimmed_lsn;
    bool quiet; /* frames are only put into the log */
};

static void open_points(struct stage *s)
{
    const struct points_setup setup = { .medium = s->medium,
                                        .log = s->log,
                                        .trimmed = s->trimmed,
                                        .end = fake_log_end(s->log),
                                        .lsn = s->trimmed_lsn };
    assert_int_equal(points_open(&setup, &s->points, NULL), 0);
}

static void set_up(struct stage *s)
{
    *s = (struct stage){ .memory = memory_create(), .log = fake_log_create(), .time = noon };
    s->medium = memory_medium(s->memory, "group");
    open_points(s);
}

static void tear_down(struct stage *s)
{
    points_close(s->points);
    s->medium->close(s->medium);
    memory_destroy(s->memory);
    fake_log_destroy(s->log);
}

/* A frame of two writes, a mark between them (NULL: none), and a mark behind them if `last`. */
static uint64_t add(struct stage *s, const char *mark, const char *last, uint32_t flags)
{
    struct fake_record record[4];
    unsigned n = 0;
    uint64_t position = fake_log_end(s->log);

    record[n++] =
        (struct fake_record){ .record = { .op = RECORD_ZERO, .length = 512, .lsn = ++s->lsn } };
    if (mark)
        record[n++] = (struct fake_record){
            .record = { .op = RECORD_MARK, .length = (uint32_t)strlen(mark), .lsn = ++s->lsn },
            .data = mark
        };
    record[n++] =
        (struct fake_record){ .record = { .op = RECORD_ZERO, .length = 512, .lsn = ++s->lsn } };
    if (last)
        record[n++] = (struct fake_record){ .record = { .op = RECORD_MARK,
                                                        .flags = RECORD_APP,
                                                        .length = (uint32_t)strlen(last),
                                                        .lsn = ++s->lsn },
                                            .data = last };
    const struct fake_frame *f = fake_log_add(s->log, position, flags, s->time, record, n);
    if (!s->quiet)
        assert_int_equal(points_frame(s->points, &f->frame, f->payload), 0);
    s->time += second;
    return position;
}

/* The next frame begins a segment. */
static void skip_to(struct stage *s, uint64_t position)
{
    const struct fake_record record = { .record = {
                                            .op = RECORD_ZERO, .length = 512, .lsn = ++s->lsn } };
    const struct fake_frame *f = fake_log_add(s->log, position, 0, s->time, &record, 1);

    if (!s->quiet)
        assert_int_equal(points_frame(s->points, &f->frame, f->payload), 0);
}

static int find(struct stage *s, const char *word, struct point *ret, const char *sentence)
{
    cleanup_text struct weir_text why = { 0 };
    int r = points_find(s->points, word, ret, &why);

    if (sentence && !strstr(text_string(&why), sentence))
        fail_msg("\"%s\" is not in \"%s\"", sentence, text_string(&why));
    return r;
}

static void expect(struct stage *s, const char *word, uint64_t lsn)
{
    struct point point;

    assert_int_equal(find(s, word, &point, NULL), 0);
    assert_int_equal(point.lsn, lsn);
}

/* ---- words ------------------------------------------------------------------------- */

static void test_words(void **state)
{
    struct stage s;
    struct point point;

    (void)state;
    set_up(&s);
    expect(&s, "latest", 0);
    assert_int_equal(
        find(&s, "2025-11-22T12:00:00Z", &point, "there is no restore point at present"), -ENOENT);
    add(&s, "", NULL, 0);        /* 12:00:00, lsn 2 of 1 to 3 */
    add(&s, NULL, "upgrade", 0); /* 12:00:01, lsn 6 of 4 to 6 */
    s.time += second / 2;        /* 12:00:02.5 */
    add(&s, "", NULL, 0);        /* lsn 8 of 7 to 9 */
    add(&s, "upgrade", NULL, 0); /* 12:00:03.5, lsn 11 of 10 to 12 */
    expect(&s, "latest", 12);
    expect(&s, "2025-11-22T12:00:00Z", 2);
    expect(&s, "2025-11-22T12:00:00.999Z", 2);
    expect(&s, "2025-11-22 12:00:01Z", 6);
    expect(&s, "2025-11-22t13:00:02.49+01:00", 6);
    expect(&s, "2025-11-22T12:00:02.5z", 8);
    expect(&s, "2025-11-22T11:30:02.5-00:30", 8);
    expect(&s, "2031-01-01T00:00:00Z", 11);
    expect(&s, "rp:upgrade", 11);
    expect(&s, "lsn:5", 5);
    expect(&s, "lsn:12", 12);
    expect(&s, "lsn:0", 0);
    assert_int_equal(find(&s, "2025-11-22T11:59:59Z", &point, "the oldest is 2025-11-22T12:00:00Z"),
                     -ENOENT);
    assert_int_equal(find(&s, "rp:upgrde", &point, "did you mean rp:upgrade?"), -ENOENT);
    assert_int_equal(find(&s, "rp:zzzzzzz", &point, "the last that has a name is rp:upgrade"),
                     -ENOENT);
    assert_int_equal(find(&s, "lsn:13", &point, "from lsn:0 to lsn:12"), -ENOENT);
    static const char *const bad[] = { "",
                                       "newest",
                                       "lsn:",
                                       "lsn:x",
                                       "lsn:-1",
                                       "lsn:99999999999999999999999",
                                       "2025-11-22",
                                       "2025-11-22T12:00:00",
                                       "2025-02-30T12:00:00Z",
                                       "2025-13-22T12:00:00Z",
                                       "2025-11-22T24:00:00Z",
                                       "2025-11-22T12:-1:00Z",
                                       "2025-11-22T12:00:00+0100",
                                       "2025-11-22T12:00:00Zebra" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(find(&s, bad[i], &point, "is no restore point: write latest"), -EINVAL);
    tear_down(&s);
}

static int each_name(void *arg, const struct point *p)
{
    weir_print(arg, "%" PRIu64 "%s%s%s ", p->lsn, p->named ? ":" : "", p->name,
               p->quiesced ? "!" : "");
    return 0;
}

static void expect_points(struct stage *s, const char *list)
{
    cleanup_text struct weir_text text = { 0 };

    assert_int_equal(points_each(s->points, each_name, &text), 0);
    assert_string_equal(text_string(&text), list);
}

/* ---- sets -------------------------------------------------------------------------- */

/* A set is one step: nothing inside of it can be gone back to. */
static void test_nothing_inside_of_a_set(void **state)
{
    struct stage s;
    struct point point;

    (void)state;
    set_up(&s);
    add(&s, "", NULL, 0);                /* 1 to 3 */
    add(&s, "inside", NULL, FRAME_PART); /* 4 to 6 */
    expect(&s, "latest", 3);             /* as long as its end was not told of */
    add(&s, "", NULL, FRAME_PART);       /* 7 to 9 */
    add(&s, "almost", "whole", 0);       /* 10 to 13 */
    add(&s, "", NULL, 0);                /* 14 to 16 */
    for (unsigned restart = 0; restart < 2; restart++) {
        expect_points(&s, "2 13:whole! 15 ");
        expect(&s, "lsn:3", 3);
        for (unsigned lsn = 4; lsn < 13; lsn++) {
            char word[16];
            snprintf(word, sizeof word, "lsn:%u", lsn);
            assert_int_equal(find(&s, word, &point, "the nearest states are lsn:3 and lsn:13"),
                             -ENOENT);
            assert_false(points_is_state(s.points, lsn));
        }
        expect(&s, "lsn:13", 13);
        assert_true(points_is_state(s.points, 13));
        points_close(s.points);
        open_points(&s);
    }
    tear_down(&s);
}

/* ---- life -------------------------------------------------------------------------- */

static void test_restarts_read_the_end_of_the_log_alone(void **state)
{
    struct stage s;

    (void)state;
    set_up(&s);
    add(&s, "one", NULL, 0); /* 1 to 3 */
    skip_to(&s, SEGMENT);    /* 4 */
    add(&s, "two", NULL, 0); /* 5 to 7 */
    points_close(s.points);
    /* what is before the segment is not read again: it is not there */
    log_trim(s.log, SEGMENT);
    s.quiet = true;
    add(&s, "three", NULL, 0); /* 8 to 10: while nobody listened */
    s.quiet = false;
    open_points(&s);
    expect_points(&s, "2:one 6:two 9:three ");
    expect(&s, "latest", 10);
    tear_down(&s);
}

static void test_trim(void **state)
{
    struct stage s;
    struct point point;

    (void)state;
    set_up(&s);
    add(&s, "one", NULL, 0);          /* 1 to 3 */
    add(&s, "set", NULL, FRAME_PART); /* 4 to 6 */
    add(&s, NULL, NULL, 0);           /* 7, 8 */
    skip_to(&s, SEGMENT);             /* 9 */
    add(&s, "two", NULL, 0);          /* 10 to 12 */
    points_trim(s.points, SEGMENT, 8);
    s.trimmed = SEGMENT;
    s.trimmed_lsn = 8;
    log_trim(s.log, SEGMENT);
    for (unsigned restart = 0; restart < 2; restart++) {
        expect_points(&s, "11:two ");
        expect(&s, "lsn:8", 8);
        assert_int_equal(find(&s, "lsn:7", &point, "from lsn:8 to lsn:12"), -ENOENT);
        assert_int_equal(find(&s, "rp:one", &point, NULL), -ENOENT);
        points_close(s.points);
        open_points(&s);
    }
    points_trim(s.points, 2ull * SEGMENT, 12); /* all */
    expect_points(&s, "");
    expect(&s, "latest", 12);
    tear_down(&s);
}

/* What is trimmed is before a state, which may have a name. */
static void test_the_oldest_state_keeps_its_mark(void **state)
{
    struct stage s;
    struct point point;

    (void)state;
    set_up(&s);
    add(&s, "inside", "edge", 0); /* 1 to 4 */
    add(&s, "behind", NULL, 0);   /* 5 to 7 */
    points_trim(s.points, 0, 4);  /* in the midst of a segment */
    s.trimmed_lsn = 4;
    for (unsigned restart = 0; restart < 2; restart++) {
        expect_points(&s, "4:edge! 6:behind ");
        assert_int_equal(find(&s, "lsn:3", &point, "from lsn:4 to lsn:7"), -ENOENT);
        points_close(s.points);
        open_points(&s);
    }
    points_trim(s.points, SEGMENT, 7);
    expect_points(&s, "");
    points_trim(s.points, 2ull * SEGMENT, 0); /* all begins anew, with low numbers */
    expect(&s, "latest", 0);
    tear_down(&s);
}

static void test_cut(void **state)
{
    struct stage s;

    (void)state;
    for (unsigned aligned = 0; aligned < 2; aligned++) {
        set_up(&s);
        add(&s, "one", NULL, 0);                  /* 1 to 3 */
        add(&s, NULL, NULL, FRAME_PART);          /* 4, 5 */
        add(&s, "set", "end", 0);                 /* 6 to 9 */
        add(&s, "two", NULL, 0);                  /* 10 to 12 */
        skip_to(&s, SEGMENT);                     /* 13 */
        uint64_t cut = add(&s, "three", NULL, 0); /* 14 to 16 */
        s.lsn = 13;
        if (aligned) {
            cut = SEGMENT;
            s.lsn = 12;
        }
        fake_log_cut(s.log, cut);
        assert_int_equal(points_cut(s.points, cut), 0);
        expect_points(&s, "2:one 9:end! 11:two ");
        expect(&s, "latest", s.lsn);
        add(&s, "other", NULL, 0);
        expect_points(&s,
                      aligned ? "2:one 9:end! 11:two 14:other " : "2:one 9:end! 11:two 15:other ");
        points_close(s.points);
        open_points(&s);
        expect_points(&s,
                      aligned ? "2:one 9:end! 11:two 14:other " : "2:one 9:end! 11:two 15:other ");
        tear_down(&s);
    }
}

/* One a minute, then one an hour; thinning twice changes nothing; names stay. */
static void test_thinning(void **state)
{
    struct stage s;

    (void)state;
    set_up(&s);
    for (unsigned i = 0; i < 4 * 3600; i += 10) {
        s.time = noon + i * second;
        add(&s, i == 70 ? "kept" : "", NULL, 0);
    }
    const uint64_t now = noon + 4 * 3600 * second;
    assert_int_equal(points_count(s.points), 4 * 360);
    for (unsigned twice = 0; twice < 2; twice++) {
        points_thin(s.points, now, 600 * second);
        /* 10 minutes whole, 90 minutes before them one a minute, and one an hour of the rest */
        assert_in_range(points_count(s.points), 60 + 90 + 3 + 1, 60 + 91 + 4 + 1);
        expect(&s, "rp:kept", 7 * 3 + 2);
    }
    points_thin(s.points, now, 0);
    assert_in_range(points_count(s.points), 60 + 90 + 3 + 1, 60 + 91 + 4 + 1);
    tear_down(&s);
}

/* ---- crashes ----------------------------------------------------------------------- */

struct durable {
    size_t ops;
    uint64_t end;
};

/* After any crash all points of the log that is there are there, and no others; even when other
 * frames have come behind it. */
static void test_crashes(void **state)
{
    struct stage s;
    enum { FRAMES = 24 };
    struct durable at[FRAMES + 1];
    unsigned states = 0;

    (void)state;
    set_up(&s);
    memory_record(s.memory);
    for (unsigned i = 0; i < FRAMES; i++) {
        char name[16] = "";
        at[i] = (struct durable){ memory_ops(s.memory), fake_log_end(s.log) };
        if (i % 3)
            snprintf(name, sizeof name, "n%u", i);
        if (i % 6 == 5)
            skip_to(&s, (i / 6 + 1) * (uint64_t)SEGMENT);
        else
            add(&s, name, NULL, i % 6 == 1 || i % 6 == 2 ? FRAME_PART : 0);
    }
    at[FRAMES] = (struct durable){ memory_ops(s.memory), fake_log_end(s.log) };
    for (size_t n = 0; n <= memory_ops(s.memory); n++)
        for (unsigned loss = MEMORY_ALL; loss <= MEMORY_TORN; loss++)
            for (unsigned last = 0; last <= FRAMES; last++) {
                /* the log may have lost what came after the last segment began, or nothing */
                if (at[last].ops > n || (last % 6 == 2 || last % 6 == 3))
                    continue; /* complete sets only */
                struct stage after = { .log = fake_log_create(), .lsn = 1000, .time = noon };
                struct stage right = { .memory = memory_create(), .log = after.log };
                after.memory = memory_cut(s.memory, n, loss, n);
                after.medium = memory_medium(after.memory, "group");
                right.medium = memory_medium(right.memory, "group");
                for (size_t i = 0; i < fake_log_frames(s.log); i++)
                    if (fake_log_frame(s.log, i)->frame.position < at[last].end)
                        fake_log_copy(after.log, fake_log_frame(s.log, i));
                open_points(&after);
                add(&after, "behind", NULL, 0);
                points_close(after.points);
                open_points(&after);
                open_points(&right); /* from the log alone */
                cleanup_text struct weir_text found = { 0 };
                cleanup_text struct weir_text want = { 0 };
                assert_int_equal(points_each(after.points, each_name, &found), 0);
                assert_int_equal(points_each(right.points, each_name, &want), 0);
                assert_string_equal(text_string(&found), text_string(&want));
                points_close(right.points);
                right.medium->close(right.medium);
                memory_destroy(right.memory);
                tear_down(&after);
                states++;
            }
    print_message("%u states\n", states);
    tear_down(&s);
}

/* The medium is full for a while: no frame is refused for it, and no point is lost. */
static void test_a_full_medium(void **state)
{
    struct stage s;

    (void)state;
    set_up(&s);
    add(&s, "one", NULL, 0);
    memory_fail(s.memory, MEMORY_CALL_WRITE, NULL, 0, 3, ENOSPC);
    add(&s, "two", NULL, 0);
    skip_to(&s, SEGMENT); /* still full */
    add(&s, "three", NULL, 0);
    skip_to(&s, 2ull * SEGMENT);
    add(&s, "four", NULL, 0);
    skip_to(&s, 3ull * SEGMENT);
    points_close(s.points);
    log_trim(s.log, 3ull * SEGMENT); /* the file must have them */
    open_points(&s);
    expect_points(&s, "2:one 5:two 9:three 13:four ");
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_nothing_inside_of_a_set),
        cmocka_unit_test(test_restarts_read_the_end_of_the_log_alone),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_the_oldest_state_keeps_its_mark),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_thinning),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_a_full_medium),
    };
    return cmocka_run_group_tests_name("point", tests, NULL, NULL);
}
