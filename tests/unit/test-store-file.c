/* test-store-file.c - does a file hold what was written, and belong to one user at a time?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "scope.h"

enum { MIB = 1 << 20 };

static struct stat stat_of(const char *name)
{
    struct stat st;

    assert_int_equal(stat(in_work(name), &st), 0);
    return st;
}

static int open_image(struct disk *d, const char *name, uint64_t size, const char *const *options)
{
    return disk_open(d, "file", options, &(struct store_image){ .image = name, .size = size });
}

static void refused(struct disk *d, const char *sentence)
{
    if (!strstr(text_string(&d->why), sentence))
        fail_msg("\"%s\" does not say \"%s\"", text_string(&d->why), sentence);
    disk_close(d);
}

/* ---- bytes ------------------------------------------------------------------------------ */

static void conforms(void **state)
{
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "conforms", 8 * MIB, NULL), 0);
    assert_int_equal(d.geometry.size, 8 * MIB);
    assert_int_equal(d.geometry.block_min, 1);
    walk_together(&d, 4, 1500);
    disk_close(&d);
}

static void conforms_without_page_cache(void **state)
{
    static const char *const direct[] = { "direct", "true", NULL };
    struct disk d;

    (void)state;
    int r = open_image(&d, "direct", 8 * MIB, direct);
    skip_unless(r == 0, "a file system with direct I/O");
    walk_together(&d, 4, 400);
    disk_close(&d);
}

static void conforms_where_trims_are_ignored(void **state)
{
    static const char *const ignore[] = { "discard", "ignore", NULL };
    static char data[65536] = "x";
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "ignore", MIB, ignore), 0);
    walk_together(&d, 1, 500);
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 0, sizeof data, data), 0);
    assert_int_equal(disk_do(&d, WEIR_TRIM, 0, 0, MIB, NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, sizeof data, data), 0);
    assert_int_equal(data[0], 'x');
    disk_close(&d);
}

static void odd_sizes_are_served_by_bytes(void **state)
{
    struct disk d;

    (void)state;
    make_file("odd", 100001);
    assert_int_equal(open_image(&d, "odd", 0, NULL), 0);
    assert_int_equal(d.geometry.block_min, 1);
    assert_int_equal(d.geometry.size, 100001);
    walk_together(&d, 1, 500);
    disk_close(&d);
}

static void a_cut_image_is_an_error_not_zeroes(void **state)
{
    char data[512];
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "cut", MIB, NULL), 0);
    assert_int_equal(truncate(in_work("cut"), 1000), 0);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 512, 512, data), -EIO);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, 512, data), 0);
    disk_close(&d);
}

/* ---- room --------------------------------------------------------------------------------- */

static void holes_are_made_seen_and_given_back(void **state)
{
    static char data[4 * MIB];
    struct disk d;

    (void)state;
    memset(data, 'x', sizeof data);
    assert_int_equal(open_image(&d, "holes", 16 * MIB, NULL), 0);
    assert_true(stat_of("holes").st_blocks < 64);
    assert_true(disk_is_hole(&d, 0, 16 * MIB));
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 4 * MIB, sizeof data, data), 0);
    assert_true(stat_of("holes").st_blocks >= 4 * MIB / 512);
    assert_false(disk_is_hole(&d, 0, 16 * MIB));
    assert_int_equal(disk_do(&d, WEIR_TRIM, 0, 4 * MIB, 2 * MIB, NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_ZERO, WEIR_MAY_TRIM, 6 * MIB, MIB, NULL), 0);
    assert_true(disk_is_hole(&d, 4 * MIB, 3 * MIB));
    assert_int_equal(disk_do(&d, WEIR_FLUSH, 0, 0, 0, NULL), 0);
    blkcnt_t left = stat_of("holes").st_blocks;
    assert_true(left >= MIB / 512 && left < 2 * MIB / 512);
    /* zeroes that may not be a hole keep their room */
    assert_int_equal(disk_do(&d, WEIR_ZERO, 0, 7 * MIB, MIB, NULL), 0);
    assert_true(stat_of("holes").st_blocks >= MIB / 512);
    assert_int_equal(stat_of("holes").st_size, 16 * MIB);
    disk_close(&d);
}

static void space_is_the_file_systems(void **state)
{
    struct store_space space;
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "space", MIB, NULL), 0);
    assert_int_equal(d.type->space(settings_config(d.settings), work, &space), 0);
    assert_true(space.size >= space.free && space.free > 0);
    assert_true(d.type->space(settings_config(d.settings), in_work("none"), &space) < 0);
    disk_close(&d);
}

/* ---- creating and finding ------------------------------------------------------------------- */

static void an_image_is_created_once_and_only_with_a_size(void **state)
{
    static const char *const no_create[] = { "create", "false", NULL };
    char data[512] = "x";
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "new", 0, NULL), -ENOENT);
    refused(&d, "give the export a size to have it created");
    assert_int_equal(open_image(&d, "new", MIB, no_create), -ENOENT);
    refused(&d, "create = false");
    assert_int_equal(
        disk_open(&d, "file", NULL,
                  &(struct store_image){ .image = "new", .size = MIB, .read_only = true }),
        -ENOENT);
    refused(&d, "a read-only export creates none");
    assert_int_equal(open_image(&d, "no-folder/new", MIB, NULL), -ENOENT);
    refused(&d, "No such file");
    assert_int_equal(open_image(&d, "new", MIB, NULL), 0);
    assert_int_equal(stat_of("new").st_size, MIB);
    assert_int_equal(stat_of("new").st_mode & 0777, 0600);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, data), 0);
    disk_close(&d);
    assert_int_equal(open_image(&d, "new", 0, NULL), 0);
    assert_int_equal(d.geometry.size, MIB);
    assert_false(disk_is_hole(&d, 0, MIB));
    disk_close(&d);
}

/* Nothing but the image is left, whatever happened. */
static void nothing_is_left_beside_the_image(void **state)
{
    struct disk d;
    const char *count[] = { "sh", "-c", "test \"$(ls -A \"$0\" | wc -l)\" = 1", in_work("alone"),
                            NULL };

    (void)state;
    assert_int_equal(mkdir(in_work("alone"), 0700), 0);
    assert_int_equal(open_image(&d, "alone/image", MIB, NULL), 0);
    assert_int_equal(run(count), 0);
    disk_close(&d);
}

static void an_image_may_be_larger_than_its_export_says_not_smaller(void **state)
{
    struct disk d;

    (void)state;
    make_file("small", MIB);
    assert_int_equal(open_image(&d, "small", 2 * MIB, NULL), -EINVAL);
    refused(&d, "has 1048576 bytes, the export says 2097152");
    assert_int_equal(open_image(&d, "small", 2 * MIB, NULL), -EINVAL);
    refused(&d, "weirctl export grow EXPORT 2M");
    assert_int_equal(open_image(&d, "small", MIB / 2, NULL), 0); /* it has grown */
    assert_int_equal(d.geometry.size, MIB);
    disk_close(&d);
    make_file("empty", 0);
    assert_int_equal(open_image(&d, "empty", 0, NULL), -EINVAL);
    refused(&d, "is empty");
}

static void images_stay_in_their_folder(void **state)
{
    static const char *const path[] = { "path", "inside", NULL };
    struct disk d;

    (void)state;
    assert_int_equal(mkdir(in_work("inside"), 0700), 0);
    make_file("outside", MIB);
    make_file("inside/real", MIB);
    assert_int_equal(symlink("../outside", in_work("inside/out")), 0);
    assert_int_equal(symlink("real", in_work("inside/in")), 0);
    assert_int_equal(open_image(&d, "../outside", 0, path), -EXDEV);
    refused(&d, "leads out of the folder of datastore \"test\"");
    assert_int_equal(open_image(&d, "out", 0, path), -EXDEV);
    refused(&d, "leads out of the folder");
    assert_int_equal(open_image(&d, "../new", MIB, path), -EXDEV);
    refused(&d, "leads out of the folder");
    assert_int_equal(open_image(&d, "in", 0, path), 0);
    disk_close(&d);
    assert_int_equal(open_image(&d, in_work("inside/out"), 0, path), 0); /* meant so */
    disk_close(&d);
    assert_int_equal(open_image(&d, ".", 0, path), -EINVAL);
    refused(&d, "does not end in the name of a file");
    assert_int_equal(open_image(&d, "", 0, path), -EINVAL);
    refused(&d, "image = \"NAME\"");
    assert_int_equal(open_image(&d, work, 0, path), -EINVAL);
    refused(&d, "is a folder: a disk is a regular file");
    assert_int_equal(mkfifo(in_work("inside/pipe"), 0600), 0);
    assert_int_equal(open_image(&d, "pipe", 0, path), -EINVAL);
    refused(&d, "is a special file");
    static const char *const nowhere[] = { "path", "nowhere", NULL };
    assert_int_equal(open_image(&d, "x", 0, nowhere), -ENOENT);
    refused(&d, "path \"nowhere\": No such file or directory");
}

/* ---- one user at a time ------------------------------------------------------------------------
 */

static void two_exports_of_one_gateway_do_not_share(void **state)
{
    struct disk first, second;

    (void)state;
    assert_int_equal(open_image(&first, "shared", MIB, NULL), 0);
    assert_int_equal(open_image(&second, "shared", 0, NULL), -EBUSY);
    refused(&second, "is in use by another export of this gateway");
    disk_close(&first);
    assert_int_equal(open_image(&second, "shared", 0, NULL), 0);
    disk_close(&second);
}

static void two_processes_do_not_share(void **state)
{
    int ready[2], go[2], status;
    char byte = 0;
    struct disk d;

    (void)state;
    make_file("fought", MIB);
    assert_int_equal(pipe(ready) | pipe(go), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int r = open_image(&d, "fought", 0, NULL);
        byte = r == 0;
        if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) < 0)
            _exit(2);
        raise(SIGKILL); /* the lock goes with the process, whatever ends it */
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 1);
    assert_int_equal(open_image(&d, "fought", 0, NULL), -EBUSY);
    char sentence[80];
    snprintf(sentence, sizeof sentence, "is in use by test-store-file (process %d)", (int)pid);
    refused(&d, sentence);
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(open_image(&d, "fought", 0, NULL), 0);
    disk_close(&d);
    close(ready[0]), close(ready[1]), close(go[0]), close(go[1]);
}

static void readers_share_but_not_with_a_writer(void **state)
{
    struct store_image reader = { .image = "golden", .read_only = true };
    char data[512] = "";
    struct disk a, b, c;

    (void)state;
    make_file("golden", MIB);
    assert_int_equal(disk_open(&a, "file", NULL, &reader), 0);
    assert_int_equal(disk_open(&b, "file", NULL, &reader), 0);
    assert_int_equal(open_image(&c, "golden", 0, NULL), -EBUSY);
    refused(&c, "in use");
    assert_int_equal(disk_do(&a, WEIR_READ, 0, 0, 512, data), 0);
    assert_int_equal(disk_do(&a, WEIR_WRITE, 0, 0, 512, data), -EPERM);
    assert_int_equal(disk_do(&a, WEIR_FLUSH, 0, 0, 0, NULL), 0);
    assert_int_equal(a.geometry.ops & WEIR_CHANGES, 0);
    disk_close(&a);
    disk_close(&b);
    assert_int_equal(open_image(&c, "golden", 0, NULL), 0);
    assert_int_equal(disk_open(&a, "file", NULL, &reader), -EBUSY);
    disk_close(&a);
    disk_close(&c);
}

static bool serves(void *uri)
{
    const char *words[] = { "nbdinfo", "--size", uri, NULL };

    return run(words) == 0;
}

static void qemu_and_we_keep_out_of_each_others_way(void **state)
{
    char *image = in_work("qemu"), *copy = in_work("copy"), *socket = in_work("qemu.sock");
    const char *bench[] = { "qemu-img", "bench", "-c", "1", "-f", "raw", image, NULL };
    const char *convert[] = { "qemu-img", "convert", "-f", "raw", "-O", "raw", image, copy, NULL };
    const char *serve[] = { "qemu-nbd", "-f", "raw", "-t", "-k", socket, image, NULL };
    struct store_image reader = { .image = "qemu", .read_only = true };
    struct disk d;

    (void)state;
    skip_unless(has("qemu-img") && has("qemu-nbd") && has("nbdinfo"), "qemu-utils, libnbd-bin");
    assert_int_equal(open_image(&d, "qemu", MIB, NULL), 0);
    assert_int_not_equal(run(bench), 0);
    assert_int_not_equal(run(convert), 0);
    disk_close(&d);
    assert_int_equal(run(bench), 0);

    assert_int_equal(disk_open(&d, "file", NULL, &reader), 0);
    assert_int_equal(run(convert), 0); /* reading beside a reader is fine */
    const char *change[] = { "qemu-io", "-f", "raw", "-c", "write 0 512", image, NULL };
    assert_int_not_equal(run(change), 0);
    disk_close(&d);
    assert_int_equal(run(change), 0);

    pid_t qemu = start(serve);
    /* its socket is there before it has locked the image */
    char uri[200];
    snprintf(uri, sizeof uri, "nbd+unix:///?socket=%s", socket);
    wait_until(serves, uri, "qemu-nbd serves");
    assert_int_equal(open_image(&d, "qemu", 0, NULL), -EBUSY);
    refused(&d, "in use by qemu-nbd (process");
    assert_int_equal(disk_open(&d, "file", NULL, &reader), -EBUSY);
    refused(&d, "in use by qemu-nbd (process");
    stop(qemu);
}

static void a_lock_can_be_done_without(void **state)
{
    static const char *const no_lock[] = { "lock", "false", NULL };
    struct disk a, b;

    (void)state;
    assert_int_equal(open_image(&a, "free", MIB, NULL), 0);
    assert_int_equal(open_image(&b, "free", 0, no_lock), 0);
    disk_close(&a);
    disk_close(&b);
}

/* ---- growing and copying
 * ------------------------------------------------------------------------- */

static void an_image_grows_and_never_shrinks(void **state)
{
    char data[512] = "x";
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "grow", MIB, NULL), 0);
    assert_int_equal(d.type->grow(d.self, 3 * MIB, &d.why), 0);
    assert_int_equal(stat_of("grow").st_size, 3 * MIB);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 3 * MIB - 512, 512, data), 0);
    assert_int_equal(d.type->grow(d.self, MIB, &d.why), -EINVAL);
    refused(&d, "must be larger");
    assert_int_equal(stat_of("grow").st_size, 3 * MIB);
}

static void a_snapshot_is_whole_or_refused(void **state)
{
    char data[512] = "before", after[512] = "after";
    struct disk d, s;

    (void)state;
    assert_int_equal(open_image(&d, "source", MIB, NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 4096, 512, data), 0);
    assert_int_equal(d.type->snapshot(d.self, "../x", &d.why), -EINVAL);
    assert_non_null(strstr(text_string(&d.why), "is no file name"));
    text_clear(&d.why);
    int r = d.type->snapshot(d.self, "monday", &d.why);
    if (r == -ENOTSUP) { /* ext4 and others: the sentence says what would do */
        assert_false(exists(in_work("monday")));
        refused(&d, "a file system that shares blocks");
        return;
    }
    assert_int_equal(r, 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 4096, 512, after), 0);
    assert_int_equal(open_image(&s, "monday", MIB, NULL), 0);
    assert_int_equal(disk_do(&s, WEIR_READ, 0, 4096, 512, data), 0);
    assert_string_equal(data, "before");
    disk_close(&s);
    assert_int_equal(d.type->snapshot(d.self, "monday", &d.why), -EEXIST);
    refused(&d, "exists already");
}

/* ---- which one it is ------------------------------------------------------------------------ */

static void an_image_is_the_same_by_any_path_and_any_size(void **state)
{
    char name[192];
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "itself", MIB, NULL), 0);
    strcpy(name, disk_identity(&d, NULL));
    assert_non_null(strstr(name, "file "));
    assert_int_equal(d.type->grow(d.self, 2 * MIB, NULL), 0);
    assert_string_equal(disk_identity(&d, NULL), name);
    disk_close(&d);
    assert_int_equal(rename(in_work("itself"), in_work("moved")), 0);
    assert_int_equal(open_image(&d, in_work("moved"), 0, NULL), 0);
    assert_string_equal(disk_identity(&d, NULL), name);
    disk_close(&d);
}

/* The path is the same, and so may be the inode's number. */
static void another_image_in_its_place_is_another(void **state)
{
    char name[192];
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "exchanged", MIB, NULL), 0);
    strcpy(name, disk_identity(&d, NULL));
    disk_close(&d);
    assert_int_equal(unlink(in_work("exchanged")), 0);
    assert_int_equal(open_image(&d, "exchanged", MIB, NULL), 0);
    assert_string_not_equal(disk_identity(&d, NULL), name);
    disk_close(&d);
}

static void who_writes_behind_our_back_moves_the_time_of_change(void **state)
{
    const struct timespec past[2] = { { .tv_sec = 1000000000, .tv_nsec = 123456789 },
                                      { .tv_sec = 1000000000, .tv_nsec = 123456789 } };
    char data[512] = "x";
    uint64_t changed;
    struct disk d;

    (void)state;
    assert_int_equal(open_image(&d, "changed", MIB, NULL), 0);
    assert_int_equal(utimensat(AT_FDCWD, in_work("changed"), past, 0), 0);
    disk_identity(&d, &changed);
    assert_true(changed == 1000000000123456789u);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, 512, data), 0);
    disk_identity(&d, &changed);
    assert_true(changed == 1000000000123456789u);
    cleanup_fd int other = open(in_work("changed"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(other, data, 512, 4096), 512);
    disk_identity(&d, &changed);
    assert_true(changed > 1000000000123456789u);
    disk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conforms),
        cmocka_unit_test(conforms_without_page_cache),
        cmocka_unit_test(conforms_where_trims_are_ignored),
        cmocka_unit_test(odd_sizes_are_served_by_bytes),
        cmocka_unit_test(a_cut_image_is_an_error_not_zeroes),
        cmocka_unit_test(holes_are_made_seen_and_given_back),
        cmocka_unit_test(space_is_the_file_systems),
        cmocka_unit_test(an_image_is_created_once_and_only_with_a_size),
        cmocka_unit_test(nothing_is_left_beside_the_image),
        cmocka_unit_test(an_image_may_be_larger_than_its_export_says_not_smaller),
        cmocka_unit_test(images_stay_in_their_folder),
        cmocka_unit_test(two_exports_of_one_gateway_do_not_share),
        cmocka_unit_test(two_processes_do_not_share),
        cmocka_unit_test(readers_share_but_not_with_a_writer),
        cmocka_unit_test(qemu_and_we_keep_out_of_each_others_way),
        cmocka_unit_test(a_lock_can_be_done_without),
        cmocka_unit_test(an_image_grows_and_never_shrinks),
        cmocka_unit_test(a_snapshot_is_whole_or_refused),
        cmocka_unit_test(an_image_is_the_same_by_any_path_and_any_size),
        cmocka_unit_test(another_image_in_its_place_is_another),
        cmocka_unit_test(who_writes_behind_our_back_moves_the_time_of_change),
    };

    return cmocka_run_group_tests_name("store-file", tests, make_work, remove_work);
}
