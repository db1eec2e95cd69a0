/* test-store-root.c - do block devices and other file systems do as stores?  Needs root.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-harness.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

/* ---- loop devices -------------------------------------------------------------------------- */

/* A loop device on a new sparse file, or a skip.  `sector`: "512", "4096". */
static void make_device(const char *file, uint64_t size, const char *sector, char device[64])
{
    char command[256];

    skip_unless(geteuid() == 0 && has("losetup"), "root and loop devices");
    make_file(file, size);
    snprintf(command, sizeof command, "losetup -f --show -b %s %s 2>/dev/null", sector,
             in_work(file));
    FILE *out = popen(command, "re");
    char *line = fgets(device, 64, out);
    pclose(out);
    skip_unless(line, "loop devices");
    device[strcspn(device, "\n")] = '\0';
}

static void drop_device(const char *device)
{
    const char *words[] = { "losetup", "-d", device, NULL };

    assert_int_equal(run(words), 0);
}

static blkcnt_t blocks_of(const char *name)
{
    struct stat st;

    assert_int_equal(stat(in_work(name), &st), 0);
    return st.st_blocks;
}

static int open_image(struct disk *d, const char *image, uint64_t size, const char *const *options)
{
    return disk_open(d, "file", options, &(struct store_image){ .image = image, .size = size });
}

static void device_conforms(const char *sector, const char *const *options)
{
    char device[64];
    struct disk d;

    make_device("conforms", 8 * MIB, sector, device);
    int r = open_image(&d, device, 0, options);
    if (r == 0) {
        assert_int_equal(d.geometry.size, 8 * MIB);
        assert_int_equal(d.geometry.block_min, options ? atoi(sector) : 1);
        walk_together(&d, 4, 300);
    } else {
        print_message("%s\n", text_string(&d.why));
    }
    disk_close(&d);
    drop_device(device);
    assert_int_equal(r, 0);
}

static void a_device_conforms(void **state)
{
    (void)state;
    device_conforms("512", NULL);
}

static void a_device_of_4096_byte_sectors_conforms(void **state)
{
    (void)state;
    device_conforms("4096", NULL);
}

static void a_device_conforms_without_page_cache(void **state)
{
    static const char *const direct[] = { "direct", "true", NULL };

    (void)state;
    device_conforms("512", direct);
    device_conforms("4096", direct);
}

static void a_device_gives_room_back(void **state)
{
    static char data[4 * MIB];
    char device[64];
    struct disk d;

    (void)state;
    memset(data, 'x', sizeof data);
    make_device("room", 16 * MIB, "512", device);
    assert_int_equal(open_image(&d, device, 16 * MIB, NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 0, sizeof data, data), 0);
    assert_true(blocks_of("room") >= 4 * MIB / 512);
    assert_int_equal(disk_do(&d, WEIR_TRIM, WEIR_FUA, 0, 2 * MIB, NULL), 0);
    assert_true(blocks_of("room") < 3 * MIB / 512);
    assert_int_equal(disk_do(&d, WEIR_ZERO, WEIR_MAY_TRIM | WEIR_FAST_ZERO, 2 * MIB, MIB, NULL), 0);
    assert_true(blocks_of("room") < 2 * MIB / 512);
    assert_int_equal(disk_do(&d, WEIR_ZERO, WEIR_FAST_ZERO, 0, MIB, NULL), -ENOTSUP);
    assert_int_equal(disk_do(&d, WEIR_ZERO, 0, 3 * MIB, MIB, NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 3 * MIB, MIB, data), 0);
    assert_int_equal(data[0] | data[MIB - 1], 0);
    disk_close(&d);
    drop_device(device);
}

static void a_device_in_use_is_refused(void **state)
{
    char device[64];
    struct disk first, second;

    (void)state;
    make_device("mounted", 16 * MIB, "512", device);
    const char *mkfs[] = { "mkfs.ext4", "-q", device, NULL };
    assert_int_equal(open_image(&first, device, 0, NULL), 0);
    assert_int_equal(open_image(&second, device, 0, NULL), -EBUSY);
    assert_non_null(strstr(text_string(&second.why), "is in use"));
    disk_close(&second);
    assert_int_not_equal(run(mkfs), 0); /* it asks for the device alone, too */
    disk_close(&first);
    assert_int_equal(run(mkfs), 0);
    assert_int_equal(mkdir(in_work("mnt"), 0700), 0);
    assert_int_equal(mount(device, in_work("mnt"), "ext4", 0, NULL), 0);
    int r = open_image(&second, device, 0, NULL);
    assert_int_equal(umount(in_work("mnt")), 0);
    assert_int_equal(r, -EBUSY);
    assert_non_null(strstr(text_string(&second.why), "in use (mounted, part of an array"));
    disk_close(&second);
    drop_device(device);
}

static void a_device_grows_when_it_has_grown(void **state)
{
    char device[64], data[512] = "x";
    struct disk d;

    (void)state;
    make_device("grown", MIB, "512", device);
    const char *refresh[] = { "losetup", "-c", device, NULL };
    assert_int_equal(open_image(&d, device, 2 * MIB, NULL), -EINVAL);
    assert_non_null(strstr(text_string(&d.why), "has 1048576 bytes, the export says 2097152"));
    disk_close(&d);
    assert_int_equal(open_image(&d, device, MIB, NULL), 0);
    assert_int_equal(d.type->grow(d.self, 2 * MIB, &d.why), -ENOSPC);
    assert_non_null(strstr(text_string(&d.why), "make the device larger first"));
    assert_int_equal(truncate(in_work("grown"), 2 * MIB), 0);
    assert_int_equal(run(refresh), 0);
    assert_int_equal(d.type->grow(d.self, 2 * MIB, NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 2 * MIB - 512, 512, data), 0);
    assert_int_equal(d.type->snapshot(d.self, "x", NULL), -ENOTSUP);
    disk_close(&d);
    drop_device(device);
}

/* Not by its own path, which another device may have tomorrow. */
static void a_device_is_known_by_what_is_behind_it(void **state)
{
    char device[64];
    uint64_t changed = 1;
    struct disk d;

    (void)state;
    make_device("behind", MIB, "512", device);
    assert_int_equal(open_image(&d, device, MIB, NULL), 0);
    const char *name = disk_identity(&d, &changed);
    assert_non_null(strstr(name, "device loop/backing_file /"));
    assert_non_null(strstr(name, "/behind"));
    assert_int_equal(changed, 0);
    disk_close(&d);
    drop_device(device);
}

/* ---- file systems -----------------------------------------------------------------------------
 */

/* Mounts a new file system at work/NAME, or skips. */
static void make_file_system(const char *type, const char *name, const char *mkfs)
{
    char image[32], loop[200];

    skip_unless(geteuid() == 0 && has(mkfs), mkfs);
    snprintf(image, sizeof image, "%s.img", name);
    make_file(image, 512ull * MIB);
    const char *make[] = { mkfs, "-q", in_work(image), NULL };
    snprintf(loop, sizeof loop, "mount -o loop -t %s %s %s", type, in_work(image), in_work(name));
    const char *words[] = { "sh", "-c", loop, NULL };
    assert_int_equal(run(make), 0);
    assert_int_equal(mkdir(in_work(name), 0700), 0);
    skip_unless(run(words) == 0, "to mount this file system");
}

static void conforms_on(const char *name)
{
    static char data[MIB];
    char image[64];
    struct stat st;
    struct disk d;

    snprintf(image, sizeof image, "%s/disk", name);
    assert_int_equal(open_image(&d, image, 8 * MIB, NULL), 0);
    walk_together(&d, 4, 300);
    memset(data, 'x', sizeof data);
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 0, MIB, data), 0);
    assert_int_equal(disk_do(&d, WEIR_TRIM, WEIR_FUA, 0, 8 * MIB, NULL), 0);
    assert_true(disk_is_hole(&d, 0, 8 * MIB));
    assert_int_equal(stat(in_work(image), &st), 0);
    assert_true(st.st_blocks < MIB / 512);
    disk_close(&d);
}

static void snapshots_on(const char *name)
{
    char image[64], snapshot[64], data[512] = "before", after[512] = "after";
    struct disk d, s;

    snprintf(image, sizeof image, "%s/source", name);
    snprintf(snapshot, sizeof snapshot, "%s/monday", name);
    assert_int_equal(open_image(&d, image, MIB, NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 4096, 512, data), 0);
    assert_int_equal(d.type->snapshot(d.self, "monday", NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 4096, 512, after), 0);
    assert_int_equal(d.type->snapshot(d.self, "monday", &d.why), -EEXIST);
    assert_non_null(strstr(text_string(&d.why), "exists already"));
    assert_int_equal(open_image(&s, snapshot, MIB, NULL), 0);
    assert_int_equal(disk_do(&s, WEIR_READ, 0, 4096, 512, data), 0);
    assert_string_equal(data, "before");
    disk_close(&s);
    disk_close(&d);
}

static void xfs_conforms_and_snapshots(void **state)
{
    (void)state;
    make_file_system("xfs", "xfs", "mkfs.xfs");
    conforms_on("xfs");
    snapshots_on("xfs");
    assert_int_equal(umount(in_work("xfs")), 0);
}

static void btrfs_conforms_and_snapshots(void **state)
{
    (void)state;
    make_file_system("btrfs", "btrfs", "mkfs.btrfs");
    conforms_on("btrfs");
    snapshots_on("btrfs");
    assert_int_equal(umount(in_work("btrfs")), 0);
}

static void tmpfs_conforms_and_says_when_it_is_full(void **state)
{
    static char data[MIB];
    struct disk d;
    int r = 0;

    (void)state;
    skip_unless(geteuid() == 0, "root");
    assert_int_equal(mkdir(in_work("tmpfs"), 0700), 0);
    skip_unless(mount("weir", in_work("tmpfs"), "tmpfs", 0, "size=16m") == 0, "to mount tmpfs");
    conforms_on("tmpfs");
    memset(data, 'x', sizeof data);
    assert_int_equal(open_image(&d, "tmpfs/full", 64 * MIB, NULL), 0);
    for (uint64_t at = 0; at < 64 * MIB && r == 0; at += MIB)
        r = disk_do(&d, WEIR_WRITE, 0, at, MIB, data);
    assert_int_equal(r, -ENOSPC);
    assert_int_equal(disk_do(&d, WEIR_TRIM, 0, 0, 4 * MIB, NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, MIB, data), 0); /* it goes on */
    assert_int_equal(disk_do(&d, WEIR_FLUSH, 0, 0, 0, NULL), 0);
    disk_close(&d);
    assert_int_equal(umount(in_work("tmpfs")), 0);
}

/* Whatever failed, no mount and no device is left. */
static int clean_up(void **state)
{
    static const char *const mounts[] = { "mnt", "xfs", "btrfs", "tmpfs" };
    char command[256];
    const char *words[] = { "sh", "-c", command, NULL };

    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++)
        umount2(in_work(mounts[i]), MNT_DETACH);
    snprintf(command, sizeof command,
             "losetup -nO NAME,BACK-FILE | grep -F %s/ | while read d f; do losetup -d $d; done",
             work);
    run(words);
    return remove_work(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_conforms),
        cmocka_unit_test(a_device_of_4096_byte_sectors_conforms),
        cmocka_unit_test(a_device_conforms_without_page_cache),
        cmocka_unit_test(a_device_gives_room_back),
        cmocka_unit_test(a_device_in_use_is_refused),
        cmocka_unit_test(a_device_grows_when_it_has_grown),
        cmocka_unit_test(a_device_is_known_by_what_is_behind_it),
        cmocka_unit_test(xfs_conforms_and_snapshots),
        cmocka_unit_test(btrfs_conforms_and_snapshots),
        cmocka_unit_test(tmpfs_conforms_and_says_when_it_is_full),
    };

    return cmocka_run_group_tests_name("store-root", tests, make_work, clean_up);
}
