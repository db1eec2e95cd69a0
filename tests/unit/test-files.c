/* test-files.c - are new folders there after a crash?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "gateway.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char top[] = "/tmp/weir-files.XXXXXX";
static char synced[4096]; /* what fsync() was called for, a line each */

/* In the place of libc's: the core, too, calls this one. */
int fsync(int fd)
{
    char link[32], path[256];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    assert_true(length > 0);
    path[length] = '\0';
    assert_true(strlen(synced) + (size_t)length + 2 < sizeof(synced));
    strcat(strcat(synced, path), "\n");
    return 0;
}

static void expect_synced(const char *const *paths)
{
    char expected[4096] = "";

    for (; *paths; paths++)
        sprintf(expected + strlen(expected), "%s%s\n", top, *paths);
    assert_string_equal(synced, expected);
    synced[0] = '\0';
}

static void test_parents_of_new_folders_are_synced(void **state)
{
    char path[256];
    struct stat s;

    (void)state;
    snprintf(path, sizeof(path), "%s/a", top);
    assert_int_equal(make_folders(path, 0700), 0);
    expect_synced((const char *const[]){ "", NULL });
    snprintf(path, sizeof(path), "%s/a/b/c", top);
    assert_int_equal(make_folders(path, 0700), 0);
    expect_synced((const char *const[]){ "/a", "/a/b", NULL });
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 07777, 0700);
    assert_int_equal(make_folders(path, 0700), 0); /* there is nothing to make */
    expect_synced((const char *const[]){ NULL });
}

static void test_a_relative_one_is_in_the_present_folder(void **state)
{
    (void)state;
    assert_int_equal(chdir(top), 0);
    assert_int_equal(make_folders("r/s", 0700), 0);
    expect_synced((const char *const[]){ "", "/r", NULL });
}

static void test_a_file_in_the_way(void **state)
{
    char path[256];

    (void)state;
    snprintf(path, sizeof(path), "%s/file", top);
    fclose(fopen(path, "w"));
    snprintf(path, sizeof(path), "%s/file/a", top);
    assert_int_equal(make_folders(path, 0700), -ENOTDIR);
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s, (void)type, (void)f;
    return remove(path);
}

static int make_top(void **state)
{
    (void)state;
    return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state)
{
    (void)state;
    return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parents_of_new_folders_are_synced),
        cmocka_unit_test(test_a_relative_one_is_in_the_present_folder),
        cmocka_unit_test(test_a_file_in_the_way),
    };
    return cmocka_run_group_tests_name("files", tests, make_top, remove_top);
}
