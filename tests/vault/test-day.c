/* test-day.c - what is left of a day of writes, when history is kept for two hours?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A source sends a day in a few seconds, a restore point each minute: hours in which hardly
 * anything happens, hot blocks, large copies, zeroes.  All the time each point of the span opens
 * and is right, what is older is refused with the oldest there is, and the folder is no larger than
 * the contract says:
 *
 *     the disks, twice + the log of the span and a sixteenth more, and what was written since
 * folding was last looked at + two segments, since only whole ones go + a fiftieth of the log for
 * index and points
 *
 *   test-day        samples;  test-day all: every point at every look
 *   DAY_SEED=n      each run prints its own */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "day-host.h"
#include "fold.h"
#include "model.h"
#include "point.h"
#include "source.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "text.h"

enum { M = 1 << 20, TWO = 2, MINUTES = 24 * 60, LOOK = 5, SOME = 200, MOST_BLOCKS = 12288 };
static const unsigned blocks[TWO] = { MOST_BLOCKS, 4096 };
static const uint64_t second = 1000000000, start = 1795000000ull * 1000000000;
static bool every_point; /* set once, by main(), as is the seed */
static uint64_t seed;

struct day {
    char *folder;
    struct vault_config config;
    struct group *group;
    struct source source;
    struct model model;
    unsigned minutes; /* that were sent */
    struct {
        uint64_t lsn, end; /* its point; the log behind it */
    } at[MINUTES + 1];
    uint64_t seed, writer[MOST_BLOCKS];
    unsigned looks, killed, interrupted, refused;
};

/* ---- the vault ----------------------------------------------------------------------- */

static void open_group(struct day *d)
{
    struct group_setup setup = { .config = &d->config, .name = "g", .manual = true };
    struct weir_text why = { 0 };

    assert_int_equal(medium_open(d->folder, &setup.medium, &why), 0);
    setup.heads = setup.scratch = setup.medium;
    if (group_open(&setup, &d->group, &why))
        fail_msg("%s", text_string(&why));
    text_finish(&why);
}

static void acquire(struct day *d)
{
    struct command c = { .op = COMMAND_ACQUIRE, .lsn = d->source.lsn };
    struct status s;

    memset(d->source.group, 7, sizeof d->source.group);
    memcpy(c.group, d->source.group, sizeof c.group);
    d->source.generation = 1;
    lineage_begin(&c.lineage, 1, 0);
    assert_int_equal(group_status(d->group, &s), 0);
    c.token = s.token;
    assert_int_equal(group_command(d->group, &c, NULL), 0);
    assert_int_equal(group_status(d->group, &s), 0);
    assert_int_equal(s.received_lsn, d->source.lsn); /* nothing was lost */
    d->source.token = s.token;
}

static uint64_t now_of(unsigned minute)
{
    return start + minute * 60 * second;
}

/* In memory where there is room: power is not lost here, and syncs take most of the time else. */
static const char *place(void)
{
    struct statvfs fs;

    return statvfs("/dev/shm", &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize > 2048ull * M
               ? "/dev/shm/weir-day.XXXXXX"
               : "/var/tmp/weir-day.XXXXXX";
}

static void set_up(struct day *d, uint64_t history, uint64_t limit)
{
    *d = (struct day){ .folder = strdup(place()),
                       .config = { .path = "",
                                   .heads = "",
                                   .scratch = "",
                                   .key = "",
                                   .history = history,
                                   .limit = limit },
                       .seed = seed };
    print_message("seed %" PRIu64 "\n", d->seed);
    assert_non_null(mkdtemp(d->folder));
    host = (struct host){ .now = now_of(0) };
    open_group(d);
    acquire(d);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void tear_down(struct day *d)
{
    group_close(d->group);
    nftw(d->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(d->folder);
    model_finish(&d->model);
}

static void work(struct day *d)
{
    for (unsigned i = 0; i < 20 && group_work(d->group); i++)
        ;
}

/* ---- what a guest does --------------------------------------------------------------- */

/* -ENOSPC: it is to be sent again. */
static void send_frame(struct day *d)
{
    struct sent sent = source_finish(&d->source);
    int r = group_receive(d->group, sent.position, sent.bytes, sent.size, false);

    if (r == -ENOSPC) { /* there is room again, or a fold makes some */
        d->refused++;
        host.full = false;
        work(d);
        r = group_receive(d->group, sent.position, sent.bytes, sent.size, false);
    }
    assert_int_equal(r, 0);
    free(sent.bytes);
}

static void begin_frame(struct day *d, unsigned minute)
{
    source_begin(&d->source, 0);
    d->source.draft.frame.time = now_of(minute);
}

static void put(struct day *d, struct model_op op)
{
    static uint8_t data[64 * MODEL_BLOCK]; /* of one write; no test has two threads */
    const uint64_t offset = (uint64_t)op.first * MODEL_BLOCK;

    op.lsn = d->source.lsn + 1;
    model_add(&d->model, &op);
    for (unsigned i = 0; !op.zero && i < op.count; i++)
        model_fill(data + (size_t)i * MODEL_BLOCK, op.disk, op.first + i, op.lsn);
    if (op.zero)
        source_zero(&d->source, op.disk, offset, op.count * MODEL_BLOCK);
    else
        source_write(&d->source, op.disk, offset, data, op.count * MODEL_BLOCK);
}

/* A copy of a large file: one run, in frames of 2 MiB. */
static void copy_file(struct day *d, unsigned minute, unsigned size)
{
    unsigned b = (unsigned)model_chance(&d->seed, blocks[0] - size);

    for (unsigned i = 0; i < size; i += 64, b += 64) {
        put(d, (struct model_op){ .first = b, .count = 64 });
        if (i % 512 == 448) {
            send_frame(d);
            begin_frame(d, minute);
        }
    }
}

static void be_a_guest(struct day *d, unsigned minute)
{
    const unsigned hour = minute / 60;
    const bool quiet = hour < 5 || hour == 15;

    if (quiet && minute % 30)
        return;
    for (unsigned i = 0; i < (quiet ? 1 : 40); i++)
        put(d, (struct model_op){ .disk = i % 4 == 0,
                                  .first = (unsigned)model_chance(&d->seed, i % 3 ? 64 : 4000),
                                  .count = 1 + (unsigned)model_chance(&d->seed, 4) });
    if (minute % 10 == 0)
        put(d, (struct model_op){ .first = (unsigned)model_chance(&d->seed, 12000),
                                  .count = 1 + (unsigned)model_chance(&d->seed, 200),
                                  .zero = true });
    if (!quiet && minute % 10 < 3)
        copy_file(d, minute, hour % 6 == 2 ? 2048 : 512);
}

static void send_minute(struct day *d)
{
    const unsigned minute = d->minutes;

    host.now = now_of(minute);
    begin_frame(d, minute);
    for (unsigned disk = 0; minute == 0 && disk < TWO; disk++)
        source_disk(&d->source, disk, disk ? "log" : "data", (uint64_t)blocks[disk] * MODEL_BLOCK);
    be_a_guest(d, minute);
    source_mark(&d->source, "");
    d->at[minute].lsn = d->source.lsn;
    send_frame(d);
    d->at[minute].end = d->source.end.position;
    d->minutes++;
}

/* ---- looking ------------------------------------------------------------------------- */

static void expect_block(struct day *d, struct view *v, unsigned disk, unsigned b, unsigned minute)
{
    uint8_t bytes[MODEL_BLOCK];
    struct weir_request read = {
        .op = WEIR_READ, .offset = (uint64_t)b * MODEL_BLOCK, .length = sizeof bytes, .data = bytes
    };

    assert_int_equal(view_serve(v, &read), 0);
    if (!model_is(bytes, disk, b, d->writer[b]))
        fail_msg("block %u of disk %u is wrong at minute %u, seen at %u", b, disk, minute,
                 d->minutes - 1);
}

/* Opens a minute by its time, or by its LSN. */
static int open_minute(struct day *d, unsigned disk, unsigned minute, struct view **ret,
                       struct weir_text *why)
{
    char word[TIME_TEXT];

    if (model_chance(&d->seed, 2))
        time_write(now_of(minute), word);
    else
        snprintf(word, sizeof word, "lsn:%" PRIu64, d->at[minute].lsn);
    return view_open(d->group, disk, word, NULL, false, ret, why);
}

static void expect_minute(struct day *d, unsigned minute)
{
    const unsigned disk = model_chance(&d->seed, 3) == 0;
    struct weir_text why = { 0 };
    struct view *v;

    if (open_minute(d, disk, minute, &v, &why))
        fail_msg("minute %u cannot be opened at %u: %s", minute, d->minutes - 1, text_string(&why));
    model_writers(&d->model, disk, d->at[minute].lsn, d->writer, blocks[disk]);
    for (unsigned i = 0; i < SOME; i++)
        expect_block(d, v, disk, (unsigned)model_chance(&d->seed, i % 2 ? 64 : blocks[disk]),
                     minute);
    view_close(v);
}

/* The first minute that must be there. */
static unsigned first_minute(const struct day *d)
{
    const unsigned last = d->minutes - 1, span = (unsigned)(d->config.history / second / 60);

    return last > span ? last - span : 0;
}

static void expect_refused(struct day *d, unsigned minute)
{
    char oldest[TIME_TEXT], lsn[40];
    struct weir_text why = { 0 };
    struct view *v;

    time_write(points_oldest(d->group->points), oldest);
    snprintf(lsn, sizeof lsn, "from lsn:%" PRIu64, d->group->record.horizon.last_lsn);
    assert_int_equal(open_minute(d, 0, minute, &v, &why), -ENOENT);
    if (!strstr(text_string(&why), oldest) && !strstr(text_string(&why), lsn))
        fail_msg("it does not say what is the oldest, %s: %s", oldest, text_string(&why));
    text_finish(&why);
}

/* The minute that the horizon is at, or before. */
static unsigned horizon_minute(const struct day *d)
{
    unsigned minute = 0;

    while (d->at[minute].lsn < d->group->record.horizon.last_lsn)
        minute++;
    return minute;
}

static uint64_t folder_bytes;

static int add_size(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)path;
    (void)kind;
    (void)at;
    folder_bytes += (uint64_t)st->st_blocks * 512;
    return 0;
}

static void expect_small(struct day *d)
{
    const unsigned last = d->minutes - 1, span = (unsigned)(d->config.history / second / 60);
    const unsigned kept = span + span / 16 + LOOK + 1;
    const uint64_t from = last > kept ? d->at[last - kept].end : 0;
    const uint64_t log = d->at[last].end - from + 2ull * SEGMENT;

    folder_bytes = 0;
    nftw(d->folder, add_size, 16, FTW_PHYS);
    const uint64_t most = 2ull * (blocks[0] + blocks[1]) * MODEL_BLOCK + log + log / 50 + 2ull * M;
    if (folder_bytes > most)
        fail_msg("at minute %u the folder has %" PRIu64 " MiB, not %" PRIu64, last,
                 folder_bytes / M, most / M);
}

/* By size alone the span may be shorter, and then it begins at the horizon. */
static void look(struct day *d, bool by_size)
{
    const unsigned last = d->minutes - 1, horizon = horizon_minute(d);
    unsigned first = first_minute(d);

    d->looks++;
    assert_string_equal(d->group->fold_error, "");
    if (by_size)
        assert_true(log_used(d->group->log) <= d->config.limit);
    else
        expect_small(d);
    if (!by_size && horizon > first)
        fail_msg("at minute %u the base is at %u, and the span begins at %u", last, horizon, first);
    first = horizon > first ? horizon : first;
    for (unsigned m = first; every_point && m <= last; m++)
        expect_minute(d, m);
    expect_minute(d, first);
    expect_minute(d, last);
    expect_minute(d, first + (unsigned)model_chance(&d->seed, last - first + 1));
    assert_true(points_count(d->group->points) >= last - first + 1);
    if (horizon > 1)
        expect_refused(d, (unsigned)model_chance(&d->seed, horizon - 1));
}

/* ---- a kill in the middle ------------------------------------------------------------ */

/* What is due is done by a process that is killed at any of its changes to files. */
static void killed_at_work(struct day *d)
{
    group_close(d->group);
    const pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        open_group(d);
        host.kill = 1 + (unsigned)model_chance(&d->seed, 90);
        work(d);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    d->killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    open_group(d);
    d->interrupted += d->group->record.folding_to != 0;
    acquire(d);
}

/* While nothing can be written, nothing is lost, and it is said. */
static void no_room(struct day *d)
{
    host.full = true;
    work(d);
    assert_non_null(strstr(d->group->fold_error, "No space left"));
    for (unsigned i = 0; i < 3; i++)
        expect_minute(d, d->minutes - 1 - (unsigned)model_chance(&d->seed, 60));
    host.full = false;
}

static void go_through(struct day *d, unsigned from, unsigned minutes, bool by_size, bool unlucky)
{
    unsigned folds = 0;

    while (d->minutes < from) /* nobody writes until then */
        d->at[d->minutes++] = (typeof(d->at[0])){ 0 };
    for (unsigned i = 0; i < minutes; i++) {
        send_minute(d);
        if (i % LOOK != LOOK - 1)
            continue;
        log_work(d->group->log);
        pthread_mutex_lock(&d->group->turn);
        assert_int_equal(apply_sync(d->group), 0);
        pthread_mutex_unlock(&d->group->turn);
        if (unlucky && fold_target(d->group, host.now)) {
            if (folds++ % 4 == 2)
                no_room(d);
            else
                killed_at_work(d);
        }
        work(d);
        if (every_point || i % (3 * LOOK) == 3 * LOOK - 1)
            look(d, by_size);
    }
}

/* ---- tests --------------------------------------------------------------------------- */

static void test_a_day(void **state)
{
    static struct day d; /* large */

    (void)state;
    set_up(&d, 7200 * second, 0);
    go_through(&d, 0, MINUTES, false, true);
    print_message("%" PRIu64 " MiB of log, %u looks, killed %u times, %u of them within a fold\n",
                  d.source.end.position / M, d.looks, d.killed, d.interrupted);
    assert_true(d.group->record.horizon.position > 4ull * SEGMENT);
    assert_true(d.killed > 0 && d.interrupted > 0);
    assert_false(d.group->shortened);
    tear_down(&d);
}

/* Twelve hours are wanted, and there is room for less. */
static void test_less_room_than_span(void **state)
{
    static struct day d;

    (void)state;
    set_up(&d, 12 * 3600 * second, 320ull * M);
    go_through(&d, 0, every_point ? MINUTES : 11 * 60, true, false);
    print_message("%" PRIu64 " MiB of log, %u looks, %u times no room\n", d.source.end.position / M,
                  d.looks, d.refused);
    assert_true(d.group->record.horizon.position > 2ull * SEGMENT);
    assert_true(d.group->shortened);
    tear_down(&d);
}

/* History is counted back from the newest state: who writes nothing for days loses nothing. */
static void test_an_idle_group_keeps_its_history(void **state)
{
    static struct day d;

    (void)state;
    set_up(&d, 7200 * second, 0);
    go_through(&d, 0, 7 * 60, false, false);
    const uint64_t horizon = d.group->record.horizon.position;
    const unsigned first = first_minute(&d);
    host.now += 7 * 24 * 3600 * second;
    work(&d);
    group_close(d.group);
    open_group(&d);
    work(&d);
    assert_int_equal(d.group->record.horizon.position, horizon);
    expect_minute(&d, first);
    expect_minute(&d, d.minutes - 1);
    tear_down(&d);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_day),
        cmocka_unit_test(test_less_room_than_span),
        cmocka_unit_test(test_an_idle_group_keeps_its_history),
    };

    every_point = argc > 1 && strcmp(argv[1], "all") == 0;
    seed = getenv("DAY_SEED") ? strtoull(getenv("DAY_SEED"), NULL, 10) : (uint64_t)getpid();
    return cmocka_run_group_tests_name("day", tests, NULL, NULL);
}
