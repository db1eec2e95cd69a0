/* test-media.c - is a file taken, allocated, written and synced as a pool needs it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "media.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static char folder[] = "/tmp/weir-media-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/pool", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int gone(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void test_a_file_is_made_and_allocated(void **state)
{
    struct media *m;
    struct stat st;
    char why[WHY] = "";

    (void)state;
    assert_int_equal(media_open(path, MIB, 0, &m, why), -ENOENT);
    assert_non_null(strstr(why, path));
    assert_int_equal(media_open(path, 0, MEDIA_CREATE, &m, why), -ENOENT);
    assert_non_null(strstr(why, "size"));
    assert_int_equal(media_open(path, MIB, MEDIA_CREATE, &m, why), 0);
    assert_int_equal(m->size, MIB);
    m->close(m);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size == MIB && st.st_blocks * 512 >= MIB);
    assert_int_equal(st.st_mode & 0777, 0600);

    assert_int_equal(media_open(path, 0, 0, &m, why), 0);
    assert_int_equal(m->size, MIB);
    m->close(m);
    assert_int_equal(media_open(path, MIB / 2, 0, &m, why), 0); /* nothing is cut */
    assert_int_equal(m->size, MIB);
    m->close(m);
    assert_int_equal(media_open(path, 2 * MIB, 0, &m, why), 0);
    assert_int_equal(m->size, 2 * MIB);
    m->close(m);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_blocks * 512 >= 2 * MIB);
}

static void test_what_cannot_be_made_is_not_left_behind(void **state)
{
    const struct rlimit small = { MIB, RLIM_INFINITY };
    struct rlimit before;
    struct media *m;
    char why[WHY] = "";

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(media_open(path, 2 * MIB, MEDIA_CREATE, &m, why), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_non_null(strstr(why, path));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(media_open(folder, MIB, MEDIA_CREATE, &m, why), -EISDIR);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(media_open(path, MIB, MEDIA_CREATE, &m, why), -EINVAL);
    assert_non_null(strstr(why, "neither a file nor a block device"));
}

static void test_one_has_it_at_a_time(void **state)
{
    struct media *m, *other;
    char why[WHY] = "", data[4];

    (void)state;
    assert_int_equal(media_open(path, MIB, MEDIA_CREATE, &m, why), 0);
    assert_int_equal(media_write(m, "weir", 4, 0), 0);
    assert_int_equal(media_open(path, MIB, MEDIA_CREATE, &other, why), -EBUSY);
    assert_non_null(strstr(why, "in use"));
    assert_int_equal(access(path, F_OK), 0); /* who is refused removes nothing */
    assert_int_equal(media_open(path, 0, MEDIA_READ_ONLY, &other, why), 0);
    assert_int_equal(media_read(other, data, 4, 0), 0);
    assert_memory_equal(data, "weir", 4);
    assert_int_equal(media_write(other, "no", 2, 0), -EBADF);
    other->close(other);
    m->close(m);
    assert_int_equal(media_open(path, 0, 0, &m, why), 0);
    m->close(m);
}

static void test_any_number_of_pieces(void **state)
{
    enum { PIECES = 3000, MOST = 7 };
    static uint8_t piece[PIECES][MOST];
    static struct iovec iov[PIECES], copy[PIECES];
    static uint8_t expected[PIECES * MOST], read[PIECES * MOST];
    struct media *m;
    size_t length = 0;

    (void)state;
    assert_int_equal(media_open(path, MIB, MEDIA_CREATE, &m, NULL), 0);
    for (int i = 0; i < PIECES; i++) { /* some are empty, the last, too */
        iov[i] = (struct iovec){ piece[i], (size_t)(i % (MOST + 1)) };
        memset(piece[i], i, MOST);
        memcpy(expected + length, piece[i], iov[i].iov_len);
        length += iov[i].iov_len;
    }
    iov[PIECES - 1].iov_len = 0;
    length -= (PIECES - 1) % (MOST + 1);
    memcpy(copy, iov, sizeof(iov));
    assert_int_equal(m->write(m, iov, PIECES, 4095), 0);
    assert_memory_equal(copy, iov, sizeof(iov));
    assert_int_equal(media_read(m, read, length, 4095), 0);
    assert_memory_equal(read, expected, length);
    assert_int_equal(m->write(m, iov, 0, 0), 0);
    assert_int_equal(media_sync(m), 0);
    assert_int_equal(media_read(m, read, 2, MIB - 1), -EIO); /* past the end */
    m->close(m);
}

/* A transfer that the kernel cuts short goes on where it stopped. */
static void test_a_short_write_goes_on(void **state)
{
    const struct rlimit small = { MIB + 4096 + 100, RLIM_INFINITY };
    static uint8_t data[8192];
    const struct iovec iov[] = { { data, 4096 }, { data + 4096, 4096 } };
    struct rlimit before;
    struct media *m;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(media_open(path, MIB, MEDIA_CREATE, &m, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    /* the first call writes 4196 of 8192 bytes, the second says why no more */
    assert_int_equal(m->write(m, iov, 2, MIB), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(media_read(m, data, 4196, MIB), 0);
    m->close(m);
}

/* ---- fdatasync(2), which this program has instead of the C library's ----------------------------
 */

static atomic_int sync_fails, syncs;

int fdatasync(int fd)
{
    (void)fd;
    atomic_fetch_add(&syncs, 1);
    if (!atomic_exchange(&sync_fails, 0))
        return 0;
    errno = EIO;
    return -1;
}

static void test_a_sync_that_failed_once_fails_for_ever(void **state)
{
    struct media *m;

    (void)state;
    assert_int_equal(media_open(path, MIB, MEDIA_CREATE, &m, NULL), 0);
    assert_int_equal(media_sync(m), 0);
    atomic_store(&sync_fails, 1);
    assert_int_equal(media_sync(m), -EIO);
    const int before = atomic_load(&syncs);
    assert_int_equal(media_sync(m), -EIO);
    assert_int_equal(atomic_load(&syncs), before);
    m->close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_file_is_made_and_allocated, gone),
        cmocka_unit_test_teardown(test_what_cannot_be_made_is_not_left_behind, gone),
        cmocka_unit_test_teardown(test_one_has_it_at_a_time, gone),
        cmocka_unit_test_teardown(test_any_number_of_pieces, gone),
        cmocka_unit_test_teardown(test_a_short_write_goes_on, gone),
        cmocka_unit_test_teardown(test_a_sync_that_failed_once_fails_for_ever, gone),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
