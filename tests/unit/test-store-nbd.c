/* test-store-nbd.c - is a far disk as good as a near one, and what if its server refuses?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-far.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static void refused(struct disk *d, const char *sentence)
{
    if (!strstr(text_string(&d->why), sentence))
        fail_msg("\"%s\" does not say \"%s\"", text_string(&d->why), sentence);
    disk_close(d);
}

/* ---- what a server that lives offers ----------------------------------------------------------
 */

static void conforms_over_several_connections(void **state)
{
    static const char *const words[] = { "memory", "8M", NULL };
    struct far far;
    struct disk d;

    (void)state;
    far_nbdkit(&far, "conforms", words);
    const char *options[] = { "uri", far.uri, NULL };
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(d.geometry.size, 8 * MIB);
    walk_together(&d, 8, 600);
    disk_close(&d);
    stop(far.pid);
}

static void conforms_behind(const char *const *options, const char *image, unsigned threads)
{
    struct disk d;

    int r = open_disk(&d, options, image);
    if (r < 0)
        fail_msg("%s", text_string(&d.why));
    walk_together(&d, threads, 300);
    disk_close(&d);
}

static void conforms_in_qcow2(void **state)
{
    static const char *const options[] = { "command", "qemu-nbd -t -e 8 -f qcow2 {image}", NULL };

    (void)state;
    make_image("qcow2", "disk.qcow2");
    conforms_behind(options, "disk.qcow2", 8);
}

static void conforms_in_vmdk(void **state)
{
    static const char *const options[] = { "command", "qemu-nbd -f vmdk {image}", NULL };

    (void)state;
    make_image("vmdk", "disk.vmdk");
    conforms_behind(options, "disk.vmdk", 4);
}

static void conforms_in_an_nbdkit_plugin(void **state)
{
    static const char *const options[] = { "command", "nbdkit memory '8M'", NULL };

    (void)state;
    conforms_behind(options, "", 4);
}

static void requests_are_cut_to_what_the_server_takes(void **state)
{
    static const char *const options[] = {
        "command",
        "nbdkit --filter=blocksize-policy memory 8M blocksize-minimum=512 "
        "blocksize-preferred=4096 blocksize-maximum=8192 blocksize-error-policy=error",
        NULL
    };

    (void)state;
    conforms_behind(options, "", 4);
}

static void what_a_server_cannot_is_made_up_for(void **state)
{
    /* no flush, FUA, trim, zero, extents or prefetch: only reads and writes */
    static const char *const options[] = {
        "command",
        "nbdkit --filter=noextents --filter=nozero --filter=nocache eval "
        "get_size='echo 1048576' open='truncate -s 1M bare' "
        "pread='dd if=bare iflag=skip_bytes,count_bytes skip=$4 count=$3 status=none' "
        "pwrite='dd of=bare oflag=seek_bytes seek=$4 conv=notrunc status=none'",
        NULL
    };
    struct disk d;

    (void)state;
    int r = open_disk(&d, options, "");
    if (r < 0)
        fail_msg("%s", text_string(&d.why));
    walk_together(&d, 2, 60);
    assert_int_equal(disk_do(&d, WEIR_ZERO, WEIR_FAST_ZERO, 0, 512, NULL), -ENOTSUP);
    assert_false(disk_is_hole(&d, 0, MIB));
    disk_close(&d);
}

static void forced_writes_are_flushed_where_they_must_be(void **state)
{
    static const char *const options[] = {
        "command",
        "nbdkit eval get_size='echo 65536' pread='head -c $3 /dev/zero' pwrite='cat >/dev/null' "
        "can_fua='echo none' flush='mkdir flushed'",
        NULL
    };
    char data[512] = "";
    struct disk d;

    (void)state;
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, data), 0);
    assert_false(exists(in_work("flushed")));
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 0, 512, data), 0);
    assert_true(exists(in_work("flushed")));
    disk_close(&d);
}

static void forced_writes_are_forced_where_they_can_be(void **state)
{
    static const char *const options[] = {
        "command",
        "nbdkit eval get_size='echo 65536' pread='head -c $3 /dev/zero' can_fua='echo native' "
        "pwrite='cat >/dev/null; case \"$5\" in *fua*) mkdir forced;; esac' flush='mkdir no-need'",
        NULL
    };
    char data[512] = "";
    struct disk d;

    (void)state;
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, data), 0);
    assert_false(exists(in_work("forced")));
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 0, 512, data), 0);
    assert_true(exists(in_work("forced")));
    assert_false(exists(in_work("no-need")));
    disk_close(&d);
}

/* Three writes are more than may be kept, so every third is followed by a flush. */
static void what_is_kept_is_bounded(void **state)
{
    static const char *const options[] = {
        "command",
        "nbdkit eval get_size='echo 65536' pread='head -c $3 /dev/zero' pwrite='cat >/dev/null' "
        "flush='echo >>flushes'",
        "keep_unflushed", "80K", NULL
    };
    static char data[32768];
    const char *count[] = { "sh", "-c", "test \"$(wc -l <\"$0\")\" = 3", in_work("flushes"), NULL };
    struct disk d;

    (void)state;
    assert_int_equal(open_disk(&d, options, ""), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, sizeof data, data), 0);
    assert_int_equal(run(count), 0);
    disk_close(&d);
}

static void one_connection_where_several_are_not_allowed(void **state)
{
    /* the second connection would be refused, which would be seen as a loss */
    static const char *const options[] = {
        "command",
        "nbdkit --filter=multi-conn --filter=limit memory 8M multi-conn-mode=disable "
        "limit=1",
        "connections", "8", NULL
    };

    (void)state;
    conforms_behind(options, "", 4);
}

static void tls_by_uri(void **state)
{
    static const char *const words[] = {
        "--tls=require", "--tls-psk", "psk", "memory", "8M", NULL
    };
    char uri[400];
    struct far far;
    const char *full[6];

    (void)state;
    FILE *keys = fopen(in_work("psk"), "w");
    fprintf(keys, "weir:0123456789abcdef0123456789abcdef\n");
    fclose(keys);
    memcpy(full, words, sizeof full);
    full[2] = in_work("psk");
    far_nbdkit(&far, "tls", full);
    snprintf(uri, sizeof uri, "nbds+unix://weir@/?socket=%s&tls-psk-file=%s", far.socket,
             in_work("psk"));
    const char *options[] = { "uri", uri, NULL };
    conforms_behind(options, "", 4);
    stop(far.pid);
}

static void the_image_is_the_far_exports_name(void **state)
{
    static const char *const words[] = {
        "--filter=exportname", "memory", "1M", "exportname=a disk", "exportname-strict=true", NULL
    };
    char uri[400];
    struct far far;
    struct disk d;

    (void)state;
    far_nbdkit(&far, "named", words);
    const char *options[] = { "uri", far.uri, NULL };
    assert_int_equal(open_disk(&d, options, "a disk"), 0);
    disk_close(&d);
    assert_int_equal(open_disk(&d, options, "b"), -EIO);
    refused(&d, "disk \"b\": the server gives:");
    snprintf(uri, sizeof uri, "nbd+unix:///a%%20{image}?socket=%s", far.socket);
    const char *mark[] = { "uri", uri, NULL };
    assert_int_equal(open_disk(&d, mark, "disk"), 0);
    disk_close(&d);
    assert_int_equal(open_disk(&d, mark, ""), -EINVAL);
    refused(&d, "give the export an image");
    const char *twice[] = { "uri", "nbd://localhost/one", NULL };
    assert_int_equal(open_disk(&d, twice, "two"), -EINVAL);
    refused(&d, "names an export already");
    stop(far.pid);
}

/* A name too long for an identity is another one by its end, too. */
static void a_far_disk_is_what_the_uri_says(void **state)
{
    static const char *const words[] = { "memory", "1M", NULL };
    char uri[400], name[192];
    struct far far;
    struct disk d;

    (void)state;
    far_nbdkit(&far, "identity", words);
    const char *options[] = { "uri", far.uri, NULL };
    assert_int_equal(open_disk(&d, options, "one"), 0);
    assert_non_null(strstr(disk_identity(&d, NULL), "nbd nbd+unix:///one?socket="));
    disk_close(&d);
    const char *named[] = { "uri", uri, NULL };
    for (int i = 0; i < 2; i++) {
        snprintf(uri, sizeof uri, "nbd+unix:///%0200d?socket=%s", i, far.socket);
        assert_int_equal(open_disk(&d, named, ""), 0);
        if (i == 0)
            strcpy(name, disk_identity(&d, NULL));
        else
            assert_string_not_equal(disk_identity(&d, NULL), name);
        assert_int_equal(strlen(disk_identity(&d, NULL)), 191);
        disk_close(&d);
    }
    stop(far.pid);
}

/* ---- a server that refuses
 * --------------------------------------------------------------------------- */

static void a_failed_flush_is_never_forgotten(void **state)
{
    char flush[160], data[512] = "";
    struct disk d;

    (void)state;
    snprintf(
        flush, sizeof flush,
        "nbdkit eval get_size='echo 65536' pread='head -c $3 /dev/zero' pwrite='cat >/dev/null'"
        " flush='test -e %s && exit 0; echo EIO >&2; exit 1'",
        "ok");
    const char *options[] = { "command", flush, NULL };
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, data), 0);
    assert_int_equal(disk_do(&d, WEIR_FLUSH, 0, 0, 0, NULL), -EIO);
    make_file("ok", 0);
    assert_int_equal(disk_do(&d, WEIR_FLUSH, 0, 0, 0, NULL), -EIO);
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 0, 512, data), -EIO);
    disk_close(&d);
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(disk_do(&d, WEIR_FLUSH, 0, 0, 0, NULL), 0);
    disk_close(&d);
}

static void a_server_that_shuts_down_is_waited_for(void **state)
{
    static const char *const options[] = {
        "command",
        "nbdkit eval get_size='echo 65536' pread='if mkdir asked; then echo ESHUTDOWN >&2; exit 1; "
        "fi; head -c $3 /dev/zero'",
        NULL
    };
    static const char *const enospc[] = {
        "command", "nbdkit eval get_size='echo 65536' pread='echo ENOSPC >&2; exit 1'", NULL
    };
    struct store_image reader = { .read_only = true };
    char data[512];
    struct disk d;

    (void)state;
    assert_int_equal(disk_open(&d, "nbd", options, &reader), 0);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, 512, data), 0);
    assert_true(exists(in_work("asked")));
    disk_close(&d);
    assert_int_equal(disk_open(&d, "nbd", enospc, &reader), 0); /* others go straight through */
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, 512, data), -ENOSPC);
    disk_close(&d);
}

static void what_cannot_be_opened_says_why(void **state)
{
    static const struct {
        const char *options[5];
        const char *sentence;
    } cases[] = {
        { { NULL }, "needs a uri or a command" },
        { { "uri", "nbd://x", "command", "y", NULL }, "exclude each other" },
        { { "uri", "nbd://x", "path", "y", NULL }, "there is no command" },
        { { "command", "nbdkit 'memory", NULL }, "a quote is not closed" },
        { { "command", "  ", NULL }, "command is empty" },
        { { "uri", "x", NULL }, "does not begin like nbd://" },
        { { "uri", "http://x", NULL }, "unknown" },
        { { "uri", "nbd+unix:///?socket=/nowhere/s", NULL }, "No such file or directory" },
        { { "command", "weir-no-such-program", NULL }, "cannot be started in folder" },
        { { "command", "nbdkit memory nonsense=1", NULL }, "ended with status 1 before it" },
        { { "command", "nbdkit memory 0", NULL }, "is empty at its server" },
        { { "command", "nbdkit -r memory 1M", NULL }, "give the export read_only = true" },
        { { "command", "nbdkit {image}", NULL }, "command says {image}" },
    };
    struct disk d;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(open_disk(&d, cases[i].options, "") < 0);
        refused(&d, cases[i].sentence);
    }
    static const char *const memory[] = { "command", "nbdkit memory 1M", NULL };
    assert_int_equal(disk_open(&d, "nbd", memory, &(struct store_image){ .size = 5 }), -EINVAL);
    refused(&d, "has 1048576 bytes at its server, the export says 5");
    assert_int_equal(open_disk(&d, memory, ""), 0);
    assert_int_equal(d.type->grow(d.self, 2 * MIB, &d.why), -ENOTSUP);
    assert_int_equal(d.type->snapshot(d.self, "x", &d.why), -ENOTSUP);
    refused(&d, "make snapshot \"x\" there");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conforms_over_several_connections),
        cmocka_unit_test(conforms_in_qcow2),
        cmocka_unit_test(conforms_in_vmdk),
        cmocka_unit_test(conforms_in_an_nbdkit_plugin),
        cmocka_unit_test(requests_are_cut_to_what_the_server_takes),
        cmocka_unit_test(what_a_server_cannot_is_made_up_for),
        cmocka_unit_test(forced_writes_are_flushed_where_they_must_be),
        cmocka_unit_test(forced_writes_are_forced_where_they_can_be),
        cmocka_unit_test(what_is_kept_is_bounded),
        cmocka_unit_test(one_connection_where_several_are_not_allowed),
        cmocka_unit_test(tls_by_uri),
        cmocka_unit_test(the_image_is_the_far_exports_name),
        cmocka_unit_test(a_far_disk_is_what_the_uri_says),
        cmocka_unit_test(a_failed_flush_is_never_forgotten),
        cmocka_unit_test(a_server_that_shuts_down_is_waited_for),
        cmocka_unit_test(what_cannot_be_opened_says_why),
    };

    return cmocka_run_group_tests_name("store-nbd", tests, make_work, remove_work);
}
