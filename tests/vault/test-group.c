/* test-group.c - does a group keep what its source sends, and nothing else?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "group-rig.h"
#include "medium-memory.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { K = 1024, M = 1024 * K, GRAN = 64 * K };

/* ---- frames to heads ------------------------------------------------------------------------- */

static void test_first_copy(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    assert_int_equal(rig_status(&rig).lineage.count, 0);
    rig_first_copy(&rig, M, 1);
    const struct status s = rig_status(&rig);
    assert_int_equal(s.complete_lsn, 2);
    assert_int_equal(s.lineage.count, 1);
    rig_expect_head(&rig, 0, GRAN, 1);
    rig_expect_head(&rig, GRAN, M - GRAN, 0);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, GRAN, 4 * K, 2), false), 0);
    rig_wait_applied(&rig, 3);
    rig_expect_head(&rig, GRAN, 4 * K, 2);
    group_rig_again(&rig);
    rig_expect_head(&rig, 0, GRAN, 1);
    rig_expect_head(&rig, GRAN, 4 * K, 2);
    assert_int_equal(rig_status(&rig).complete_lsn, 3);
    group_rig_finish(&rig);
}

/* Nothing of a set is in a head before its last frame is there. */
static void test_set(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            group_send(&rig, source_frame(&rig.source, FRAME_PART, 0, 4 * K, 5 + i), true), 0);
    group_rig_again(&rig);
    assert_int_equal(rig_status(&rig).received_lsn, 5);
    assert_int_equal(rig_status(&rig).complete_lsn, 2);
    rig_expect_head(&rig, 0, GRAN, 1);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 8 * K, 4 * K, 9), false), 0);
    rig_wait_applied(&rig, 6);
    rig_expect_head(&rig, 0, 4 * K, 7);
    rig_expect_head(&rig, 4 * K, 4 * K, 1);
    rig_expect_head(&rig, 8 * K, 4 * K, 9);
    group_rig_finish(&rig);
}

/* ---- verify, room ----------------------------------------------------------------------------
 */

/* A VERIFY looks at what a head holds at its own LSN. */
static void test_verify(void **state)
{
    (void)state;
    struct group_rig rig;
    char right[GRAN], wrong = 9;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    memset(right, 1, sizeof(right));
    source_begin(&rig.source, 0);
    source_verify(&rig.source, 0, 0, GRAN, digest_of(right, GRAN));
    source_write(&rig.source, 0, 0, &wrong, 1);
    source_verify(&rig.source, 0, GRAN, GRAN, 0);
    assert_int_equal(group_send(&rig, source_finish(&rig.source), true), 0);
    rig_wait_applied(&rig, 5);
    struct status s = rig_status(&rig);
    assert_int_equal(s.verified, 2);
    assert_int_equal(s.mismatches, 1);
    assert_int_equal(s.needs, 1);
    group_rig_again(&rig);
    assert_int_equal(rig_status(&rig).needs, 1);
    assert_int_equal(rig_status(&rig).mismatches, 1);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, GRAN, GRAN / 2, 5), true), 0);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, GRAN, GRAN, 5), true), 0);
    rig_wait_applied(&rig, 7);
    assert_int_equal(rig_status(&rig).needs, 0);
    group_rig_finish(&rig);
}

/* A first copy that is larger than the log may be goes to head and base as it comes. */
static void test_copy_larger_than_log(void **state)
{
    (void)state;
    const uint64_t size = 180 * (uint64_t)M;
    struct group_rig rig;
    char *data = calloc(1, 4 * M);

    group_rig_init(&rig);
    group_put(rig.group);
    rig.config.limit = 140 * (uint64_t)M;
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &rig.group, NULL), 0);
    assert_int_equal(rig_acquire(&rig), 0);
    for (uint64_t at = 0; at < size; at += 4 * M) {
        memset(data, (int)(1 + at / M), 4 * M);
        source_begin(&rig.source, at + 4 * M < size ? FRAME_PART : 0);
        if (!at)
            source_disk(&rig.source, 0, "vm", size);
        source_write(&rig.source, 0, at, data, 4 * M);
        struct sent sent = source_finish(&rig.source);
        int r;
        while ((r = group_receive(rig.group, sent.position, sent.bytes, sent.size, false)) ==
               -ENOSPC)
            usleep(10000); /* until the log was trimmed */
        assert_int_equal(r, 0);
        free(sent.bytes);
    }
    rig_wait_applied(&rig, rig.source.lsn);
    assert_string_equal(rig_status(&rig).error, "");
    assert_int_equal(rig_status(&rig).complete_lsn, rig.source.lsn);
    for (uint64_t at = 0; at < size; at += 4 * M)
        rig_expect_head(&rig, at, 512, (uint8_t)(1 + at / M));
    assert_int_equal(file_read(rig.group->disks[0].base, data, 512, size - 512), 0);
    assert_int_equal((uint8_t)data[0], (uint8_t)(1 + (size - 4 * M) / M));
    free(data);
    group_rig_finish(&rig);
}

/* A full log is an answer, and is over when there is room. */
static void test_full(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    group_put(rig.group);
    rig.config.limit = 128 * K;
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &rig.group, NULL), 0);
    struct sent sent = source_frame(&rig.source, 0, 0, GRAN, 2);
    assert_int_equal(group_receive(rig.group, sent.position, sent.bytes, sent.size, true), -ENOSPC);
    assert_string_not_equal(rig_status(&rig).error, "");
    group_put(rig.group);
    rig.config.limit = 0;
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &rig.group, NULL), 0);
    assert_int_equal(group_send(&rig, sent, true), 0);
    group_rig_finish(&rig);
}

/* A record that cannot be is refused with a sentence, and what came before stays. */
static void test_beyond_the_end(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, M - 2 * K, 4 * K, 2), false), 0);
    while (!*rig_status(&rig).error)
        usleep(1000);
    assert_non_null(strstr(rig_status(&rig).error, "beyond the end"));
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 2), true), 0);
    group_rig_again(&rig);
    assert_non_null(strstr(rig_status(&rig).error, "beyond the end"));
    assert_int_equal(rig_status(&rig).received_lsn, 4);
    assert_int_equal(rig_status(&rig).applied_lsn, 2);
    rig_expect_head(&rig, 0, 4 * K, 1);
    group_rig_finish(&rig);
}

static void make_image(const struct group_rig *rig, const char *name, uint64_t size)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/images/%s", rig->folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), (off_t)size), 0);
    fclose(f);
}

static void remove_image(const struct group_rig *rig, const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/images/%s", rig->folder, name);
    assert_int_equal(unlink(path), 0);
}

static void wait_error(struct group_rig *rig, const char *words)
{
    while (!strstr(rig_status(rig).error, words))
        usleep(1000);
}

/* Somebody's larger image is where a second disk's head is to be: nothing else stops, neither
 * frames nor a source that comes again, nor points; a restart changes nothing; when the image is
 * gone all goes on, and a VERIFY that was looked at already finds no difference by that. */
static void test_refused_until_the_reason_is_gone(void **state)
{
    (void)state;
    struct group_rig rig;
    struct view *view;
    char path[200], ones[GRAN];

    group_rig_init(&rig);
    group_put(rig.group);
    rig.config.heads = "images";
    snprintf(path, sizeof(path), "%s/images", rig.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    make_image(&rig, "vm2.raw", 2 * M);
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &rig.group, NULL), 0);
    rig_first_copy(&rig, M, 1);
    memset(ones, 1, sizeof(ones));
    source_begin(&rig.source, 0);
    source_verify(&rig.source, 0, 0, GRAN, digest_of(ones, GRAN));
    source_write(&rig.source, 0, 0, "new", 3);
    source_disk(&rig.source, 1, "vm2", M);
    assert_int_equal(group_send(&rig, source_finish(&rig.source), true), 0);
    wait_error(&rig, "move the file away");
    assert_int_equal(group_promote(rig.group, PROMOTE_LATEST, NULL, false, NULL, NULL), -EBADMSG);
    group_rig_again(&rig);
    wait_error(&rig, "move the file away");
    assert_int_equal(rig_acquire(&rig), 0);
    wait_error(&rig, "move the file away");
    assert_int_equal(rig_status(&rig).refused, EBADMSG);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, GRAN, GRAN, 2), true), 0);
    assert_int_equal(rig_status(&rig).complete_lsn, 2);
    assert_int_equal(view_open(rig.group, 0, "latest", NULL, false, &view, NULL), 0);
    view_close(view);
    remove_image(&rig, "vm2.raw");
    while (rig_status(&rig).applied_lsn < 6)
        usleep(1000);
    assert_string_equal(rig_status(&rig).error, "");
    assert_int_equal(rig_status(&rig).refused, 0);
    assert_int_equal(rig_status(&rig).mismatches, 0);
    rig_expect_head(&rig, GRAN, GRAN, 2);
    assert_int_equal(group_promote(rig.group, PROMOTE_LATEST, NULL, false, NULL, NULL), 0);
    group_rig_finish(&rig);
}

/* The record cannot be saved for a while: that is said, and is over when it can be. */
static void test_without_room_for_the_record(void **state)
{
    (void)state;
    struct group_rig rig;

    group_rig_init(&rig);
    group_put(rig.group);
    struct memory *memory = memory_create();
    struct group_setup setup = { .config = &rig.config, .name = "g" };
    setup.medium = setup.heads = setup.scratch = memory_medium(memory, "group");
    assert_int_equal(group_open(&setup, &rig.group, NULL), 0);
    assert_int_equal(rig_acquire(&rig), 0);
    rig_first_copy(&rig, M, 1);
    /* behind this one the first state has been saved, which its frame would wait for */
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 0, GRAN, 2), true), 0);
    rig_wait_applied(&rig, 3);
    memory_fail(memory, MEMORY_CALL_WRITE, "group.new", 0, 1, ENOSPC);
    assert_int_equal(group_send(&rig, source_frame(&rig.source, 0, 0, GRAN, 2), true), 0);
    wait_error(&rig, "cannot be made durable: No space left");
    while (*rig_status(&rig).error)
        usleep(1000);
    assert_int_equal(rig_status(&rig).applied_lsn, 4);
    group_close(rig.group);
    memory_destroy(memory);
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &rig.group, NULL), 0);
    group_rig_finish(&rig);
}

/* Heads in a folder of images: a file that was there is not taken for empty. */
static void test_heads_elsewhere(void **state)
{
    (void)state;
    struct group_rig rig;
    char path[200];

    group_rig_init(&rig);
    group_put(rig.group);
    rig.config.heads = "images";
    snprintf(path, sizeof(path), "%s/images", rig.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/images/vm.raw", rig.folder);
    FILE *f = fopen(path, "w");
    assert_int_equal(fwrite("old", 1, 3, f), 3);
    fclose(f);
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &rig.group, NULL), 0);
    rig_first_copy(&rig, M, 1);
    assert_int_equal(rig_status(&rig).needs, M / GRAN - 1); /* all that was not sent */
    group_rig_finish(&rig);
}

/* All who name a group have one object; another process has none. */
static void test_shared(void **state)
{
    (void)state;
    struct group_rig rig;
    struct group *again, *other;

    group_rig_init(&rig);
    assert_int_equal(group_get(&rig.config, rig.folder, "g", &again, NULL), 0);
    assert_ptr_equal(again, rig.group);
    assert_int_equal(group_get(&rig.config, rig.folder, "h", &other, NULL), 0);
    assert_ptr_not_equal(other, rig.group);
    group_put(other);
    group_put(again);
    assert_int_equal(rig_acquire(&rig), 0);
    group_rig_finish(&rig);
}

#if defined(__SANITIZE_THREAD__) /* it has notes of every byte that calloc() gives out */
#define ROOM LONG_MAX / 2
#else
#define ROOM 128 * M
#endif

static long resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

/* What a source says of its disk takes no memory of the gateway, which serves others. */
static void test_a_disk_of_any_size(void **state)
{
    (void)state;
    struct group_rig rig;
    const uint64_t size = UINT64_C(1) << 48; /* its granules are 512 MiB of bits */

    mallopt(M_PERTURB, 0); /* meson's MALLOC_PERTURB_ has calloc() write what it gives out */
    group_rig_init(&rig);
    rig_first_copy(&rig, M, 1);
    const long before = resident_bytes();
    source_begin(&rig.source, 0);
    source_disk(&rig.source, 1, "large", size);
    assert_int_equal(group_send(&rig, source_finish(&rig.source), true), 0);
    for (;;) { /* the file system may not have files of that size */
        const struct status s = rig_status(&rig);
        if (s.applied_lsn == 3 || s.refused)
            break;
        usleep(1000);
    }
    assert_true(resident_bytes() < before + ROOM);
    rig_expect_head(&rig, 0, GRAN, 1);
    group_rig_finish(&rig);
}

/* ---- names ------------------------------------------------------------------------------------
 */

static int is_escaped(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    return strstr(path, "/vault/g/") || at->level < 2 || !strcmp(path + at->base, "g") ? 0 : 1;
}

/* A disk is named by its source as that likes: the name leads nowhere else, is not taken for a file
 * of the vault's own, and what was written is there when the group is opened again. */
static void test_names_stay_names(void **state)
{
    static const char *const names[] = {
        ".",
        "..",
        "/",
        "../../escaped",
        "/tmp/escaped",
        "vm1/data",
        "%2e%2e",
        "\xff\xfe",
        "group",
        "lock",
        "needs",
        "log.0000000000000000",
        "points",
        "run.1-2",
        "run.0000000000000000-0000000004000000",
        "run.0000000000000000-0000000004000000.new",
        "scratch.1.1",
        "a name of 199 bytes..........................................................."
        ".............................................................................."
        "...........................................",
    };
    enum { NAMES = sizeof(names) / sizeof(*names) };
    struct group_rig rig;
    char data[512];
    (void)state;

    assert_int_equal(strlen(names[NAMES - 1]), NAME_LENGTH - 1);
    group_rig_init(&rig);
    assert_int_equal(rig_acquire(&rig), 0);
    source_begin(&rig.source, 0);
    for (unsigned i = 0; i < NAMES; i++) {
        memset(data, 'a' + (int)i, sizeof(data));
        source_disk(&rig.source, i, names[i], M);
        source_write(&rig.source, i, 0, data, sizeof(data));
    }
    assert_int_equal(group_send(&rig, source_finish(&rig.source), true), 0);
    rig_wait_applied(&rig, 2 * NAMES);
    for (int again = 0; again < 3; again++) {
        for (unsigned i = 0; i < NAMES; i++) {
            unsigned disk;
            uint64_t size;
            assert_int_equal(group_disk(rig.group, names[i], &disk, &size, NULL), 0);
            assert_int_equal(disk, i);
            assert_int_equal(file_read(rig.group->disks[i].head, data, sizeof(data), 0), 0);
            assert_int_equal(data[0], 'a' + (int)i);
            assert_int_equal(data[511], 'a' + (int)i);
        }
        group_rig_again(&rig);
    }
    assert_int_equal(nftw(rig.folder, is_escaped, 16, FTW_PHYS), 0);
    assert_int_not_equal(access("/tmp/escaped.head", F_OK), 0);
    group_rig_finish(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_copy),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_copy_larger_than_log),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_beyond_the_end),
        cmocka_unit_test(test_refused_until_the_reason_is_gone),
        cmocka_unit_test(test_without_room_for_the_record),
        cmocka_unit_test(test_heads_elsewhere),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_a_disk_of_any_size),
        cmocka_unit_test(test_names_stay_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
