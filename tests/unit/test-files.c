/* test-files.c - are new folders there after a crash?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "gateway.h"
#include "scope.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

static void expect_only(const char *path, const char *name, const char *text)
{
    cleanup_fd int folder = open(path, O_RDONLY | O_DIRECTORY);
    cleanup_free void *data = NULL;
    struct dirent **list;
    size_t size;

    assert_int_equal(load_file_at(folder, name, &data, &size), 0);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(data, text, size);
    int names = scandir(path, &list, NULL, NULL);
    assert_int_equal(names, 3); /* with . and .. */
    while (names)
        free(list[--names]);
    free(list);
}

/* The disk is full, or something else is there: the file is what it was, and nothing lies beside
 * it. */
static void test_what_cannot_be_saved_is_as_it_was(void **state)
{
    struct rlimit before, none = { 0, 0 };
    char path[256];

    (void)state;
    snprintf(path, sizeof(path), "%s/saved", top);
    assert_int_equal(mkdir(path, 0700), 0);
    cleanup_fd int folder = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(save_file_at(folder, "f", "old", 3, 0600), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    int r = save_file_at(folder, "f", "new", 3, 0600);
    int again = replace_file_at(folder, "f", "new", 3, 0640);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(r, -EFBIG);
    assert_int_equal(again, -EFBIG);
    expect_only(path, "f", "old");
    assert_int_equal(save_file_at(folder, "no/f", "new", 3, 0600), -ENOENT);
    expect_only(path, "f", "old");
    assert_int_equal(unlinkat(folder, "f", 0), 0);
    assert_int_equal(mkdirat(folder, "f", 0700), 0);
    assert_int_equal(save_file_at(folder, "f", "new", 3, 0600), -EISDIR);
    assert_int_equal(unlinkat(folder, "f", AT_REMOVEDIR), 0);
    assert_int_equal(rmdir(path), 0); /* it was empty */
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
        cmocka_unit_test(test_what_cannot_be_saved_is_as_it_was),
    };
    return cmocka_run_group_tests_name("files", tests, make_top, remove_top);
}
