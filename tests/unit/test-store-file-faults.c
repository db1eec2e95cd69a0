/* test-store-file-faults.c - what does a file store do when the kernel says no, or half?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * This program has its own fdatasync() and others, which the store's code finds before
 * the C library's: they do as they are told below. */
#include "store-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, FLUSHERS = 8, FLUSHES = 200 };

/* What the kernel does now; all zero: what it always does. */
static struct {
    bool no_punch, no_zero_range, no_dsync, no_tmpfile, no_seek, no_dioalign, choppy;
    int sync_error;      /* of every fdatasync */
    unsigned fail_round; /* this one fails with EIO, those after it "succeed" */
    atomic_uint rounds, ended, inside, most_inside, dsyncs;
} fault;

static void forget_faults(void)
{
    memset(&fault, 0, sizeof fault);
}

int fdatasync(int fd)
{
    unsigned inside = atomic_fetch_add(&fault.inside, 1) + 1;
    unsigned round = atomic_fetch_add(&fault.rounds, 1) + 1;

    if (inside > atomic_load(&fault.most_inside))
        atomic_store(&fault.most_inside, inside);
    sched_yield();
    atomic_store(&fault.ended, round);
    atomic_fetch_sub(&fault.inside, 1);
    errno = fault.sync_error ? fault.sync_error : EIO;
    if (fault.sync_error || round == fault.fail_round)
        return -1;
    return (int)syscall(SYS_fdatasync, fd);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    errno = EOPNOTSUPP;
    if ((fault.no_punch && (mode & FALLOC_FL_PUNCH_HOLE)) ||
        (fault.no_zero_range && (mode & FALLOC_FL_ZERO_RANGE)))
        return -1;
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

ssize_t pwritev2(int fd, const struct iovec *list, int count, off_t offset, int flags)
{
    errno = EOPNOTSUPP;
    if (fault.no_dsync)
        return -1;
    atomic_fetch_add(&fault.dsyncs, 1);
    return syscall(SYS_pwritev2, fd, list, count, (long)offset, 0l, flags);
}

/* Interrupted now and then, and never all at once. */
static bool chop(size_t *length)
{
    static _Thread_local unsigned turn;

    if (!fault.choppy)
        return false;
    errno = EINTR;
    if (turn++ % 3 == 0)
        return true;
    *length = *length > 1 ? *length / 2 : 1;
    return false;
}

ssize_t pread(int fd, void *data, size_t length, off_t offset)
{
    return chop(&length) ? -1 : syscall(SYS_pread64, fd, data, length, offset);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    return chop(&length) ? -1 : syscall(SYS_pwrite64, fd, data, length, offset);
}

off_t lseek(int fd, off_t offset, int whence)
{
    errno = EINVAL;
    if (fault.no_seek && (whence == SEEK_DATA || whence == SEEK_HOLE))
        return -1;
    return syscall(SYS_lseek, fd, offset, whence);
}

int openat(int folder, const char *name, int flags, ...)
{
    va_list arguments;

    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    errno = EOPNOTSUPP;
    if (fault.no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE)
        return -1;
    return (int)syscall(SYS_openat, folder, name, flags, mode);
}

int statx(int fd, const char *name, int flags, unsigned mask, struct statx *st)
{
    int r = (int)syscall(SYS_statx, fd, name, flags, mask, st);

    if (fault.no_dioalign)
        st->stx_mask &= ~STATX_DIOALIGN;
    return r;
}

/* ---- the tests ----------------------------------------------------------------------------- */

static int open_image(struct disk *d, const char *name, const char *const *options)
{
    return disk_open(d, "file", options, &(struct store_image){ .image = name, .size = 4 * MIB });
}

static int flush(struct disk *d)
{
    return disk_do(d, WEIR_FLUSH, 0, 0, 0, NULL);
}

static void a_failed_flush_is_never_forgotten(void **state)
{
    char data[512] = "x";
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "flush", NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, data), 0);
    fault.sync_error = EIO;
    assert_int_equal(flush(&d), -EIO);
    forget_faults();
    assert_int_equal(flush(&d), -EIO);
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 0, 512, data), -EIO);
    assert_int_equal(disk_do(&d, WEIR_TRIM, WEIR_FUA, 0, 512, NULL), -EIO);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, 512, data), 0);
    assert_int_equal(atomic_load(&fault.rounds), 0);
    disk_close(&d);
    assert_int_equal(open_image(&d, "flush", NULL), 0);
    assert_int_equal(flush(&d), 0);
    fault.sync_error = EDQUOT;
    assert_int_equal(flush(&d), -ENOSPC);
    assert_int_equal(flush(&d), -EIO);
    forget_faults();
    disk_close(&d);
}

struct flusher {
    struct disk *disk;
    unsigned succeeded;
};

static void *flush_often(void *arg)
{
    struct flusher *f = arg;

    for (unsigned i = 0; i < FLUSHES; i++) {
        unsigned before = atomic_load(&fault.rounds), failed = fault.fail_round;
        bool late = failed && atomic_load(&fault.ended) >= failed;
        int r = flush(f->disk);
        /* a round that began after the flush was asked for, and ended */
        if (r == 0 && (atomic_load(&fault.ended) <= before || late))
            abort();
        if (r != 0 && !failed)
            abort();
        f->succeeded += r == 0;
    }
    return NULL;
}

static unsigned flush_side_by_side(struct disk *d)
{
    struct flusher flushers[FLUSHERS];
    pthread_t ids[FLUSHERS];
    unsigned succeeded = 0;

    for (unsigned i = 0; i < FLUSHERS; i++) {
        flushers[i] = (struct flusher){ .disk = d };
        assert_int_equal(pthread_create(&ids[i], NULL, flush_often, &flushers[i]), 0);
    }
    for (unsigned i = 0; i < FLUSHERS; i++) {
        pthread_join(ids[i], NULL);
        succeeded += flushers[i].succeeded;
    }
    assert_int_equal(atomic_load(&fault.most_inside), 1);
    return succeeded;
}

static void flushes_share_rounds_that_begin_after_them(void **state)
{
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "shared", NULL), 0);
    forget_faults();
    assert_int_equal(flush_side_by_side(&d), FLUSHERS * FLUSHES);
    assert_true(atomic_load(&fault.rounds) <= FLUSHERS * FLUSHES);
    disk_close(&d);
}

/* The kernel tells of a failure once: whoever shared the round, or came later, must fail. */
static void one_failed_round_fails_all_who_follow(void **state)
{
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "failing", NULL), 0);
    forget_faults();
    fault.fail_round = 50;
    assert_true(flush_side_by_side(&d) < FLUSHERS * FLUSHES);
    assert_int_equal(atomic_load(&fault.rounds), 50); /* it does not ask again */
    forget_faults();
    disk_close(&d);
}

static void walks_where(const char *name, const char *const *options)
{
    struct disk d;

    int r = open_image(&d, name, options);
    skip_unless(r != -EINVAL, "a file system with direct I/O");
    assert_int_equal(r, 0);
    walk_together(&d, 2, 400);
    disk_close(&d);
    forget_faults();
}

static void conforms_where_nothing_can_be_punched(void **state)
{
    char data[512] = "x";
    struct disk d;

    (void)state;
    fault.no_punch = true;
    walks_where("no-punch", NULL);
    fault.no_zero_range = true;
    walks_where("no-zero-range", NULL);
    fault.no_punch = fault.no_zero_range = true;
    walks_where("neither", NULL);
    fault.no_punch = fault.no_zero_range = true;
    assert_int_equal(open_image(&d, "slow", NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, data), 0);
    assert_int_equal(disk_do(&d, WEIR_ZERO, WEIR_FAST_ZERO, 0, 512, NULL), -ENOTSUP);
    assert_int_equal(disk_do(&d, WEIR_TRIM, 0, 0, 512, NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_ZERO, 0, 0, MIB, NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, 512, data), 0);
    assert_int_equal(data[0], 0);
    disk_close(&d);
    forget_faults();
}

static void forced_writes_are_flushed_where_they_must_be(void **state)
{
    char data[512] = "x";
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "fua", NULL), 0);
    forget_faults();
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 0, 512, data), 0);
    assert_int_equal(atomic_load(&fault.dsyncs), 1);
    assert_int_equal(atomic_load(&fault.rounds), 0);
    fault.no_dsync = true;
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 0, 512, data), 0);
    assert_int_equal(atomic_load(&fault.rounds), 1);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, data), 0);
    assert_int_equal(disk_do(&d, WEIR_ZERO, WEIR_FUA, 0, 512, NULL), 0);
    assert_int_equal(atomic_load(&fault.rounds), 2);
    disk_close(&d);
    forget_faults();
}

static void conforms_when_transfers_come_in_bits(void **state)
{
    (void)state;
    fault.choppy = fault.no_dsync = true;
    walks_where("choppy", NULL);
}

static void conforms_where_alignment_is_not_told(void **state)
{
    static const char *const direct[] = { "direct", "true", NULL };

    (void)state;
    fault.no_dioalign = true;
    walks_where("no-dioalign", direct);
}

static void where_holes_cannot_be_seen_all_is_data(void **state)
{
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "no-seek", NULL), 0);
    assert_true(disk_is_hole(&d, 0, MIB));
    fault.no_seek = true;
    assert_false(disk_is_hole(&d, 0, MIB));
    forget_faults();
    disk_close(&d);
}

static void an_image_appears_whole_without_tmpfile_too(void **state)
{
    const char *count[] = { "sh", "-c", "test \"$(ls -A \"$0\")\" = image", in_work("alone"),
                            NULL };
    struct disk d;

    (void)state;
    assert_int_equal(mkdir(in_work("alone"), 0700), 0);
    fault.no_tmpfile = true;
    assert_int_equal(open_image(&d, "alone/image", NULL), 0);
    forget_faults();
    assert_int_equal(d.geometry.size, 4 * MIB);
    assert_int_equal(run(count), 0);
    disk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_flush_is_never_forgotten),
        cmocka_unit_test(flushes_share_rounds_that_begin_after_them),
        cmocka_unit_test(one_failed_round_fails_all_who_follow),
        cmocka_unit_test(conforms_where_nothing_can_be_punched),
        cmocka_unit_test(forced_writes_are_flushed_where_they_must_be),
        cmocka_unit_test(conforms_when_transfers_come_in_bits),
        cmocka_unit_test(conforms_where_alignment_is_not_told),
        cmocka_unit_test(where_holes_cannot_be_seen_all_is_data),
        cmocka_unit_test(an_image_appears_whole_without_tmpfile_too),
    };

    return cmocka_run_group_tests_name("store-file-faults", tests, make_work, remove_work);
}
