/* test-medium-memory.c - does a crash of a medium in memory leave what it may, and all of it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What the crash tests of maps and vaults rest upon: a state that cannot be hides no bug, but one
 * that is never made does. */
#include "medium-memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TRIES = 400 };

static struct memory *memory;
static struct medium *medium;

static int set_up(void **state)
{
    (void)state;
    memory = memory_create();
    medium = memory_medium(memory, "one");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    medium->close(medium);
    memory_destroy(memory);
    return 0;
}

static struct medium_file *opened(const char *name)
{
    struct medium_file *f;

    assert_int_equal(medium->open(medium, name, MEDIUM_CREATE, &f), 0);
    return f;
}

static void put(const char *name, const char *text, uint64_t offset, bool sync)
{
    struct medium_file *f = opened(name);

    assert_int_equal(file_write(f, text, strlen(text), offset), 0);
    if (sync)
        assert_int_equal(f->sync(f), 0);
    f->close(f);
}

/* What the file holds after a crash: "-" where it has no name. */
static void after_of(const char *folder, size_t ops, enum memory_loss loss, uint64_t seed,
                     const char *name, char text[64])
{
    struct memory *cut = memory_cut(memory, ops, loss, seed);
    struct medium *found = memory_medium(cut, folder);
    void *data;
    size_t size;

    strcpy(text, "-");
    if (!medium_load(found, name, &data, &size)) {
        for (size_t i = 0; i < size && i < 63; i++)
            text[i] = ((char *)data)[i] ? ((char *)data)[i] : '0';
        text[size < 63 ? size : 63] = '\0';
        free(data);
    }
    found->close(found);
    memory_destroy(cut);
}

static void after(enum memory_loss loss, uint64_t seed, const char *name, char text[64])
{
    after_of("one", memory_ops(memory), loss, seed, name, text);
}

/* All states, each once, that a crash now leaves of a file: "a|b|". */
static const char *states(enum memory_loss loss, const char *name)
{
    static char all[4096];
    char text[64], word[70];

    strcpy(all, "|");
    for (uint64_t seed = 1; seed <= TRIES; seed++) {
        after(loss, seed, name, text);
        snprintf(word, sizeof(word), "|%s|", text);
        if (!strstr(all, word))
            strcat(strcat(all, text), "|");
    }
    return all;
}

static void test_what_was_synced_is_there(void **state)
{
    (void)state;
    memory_record(memory);
    put("a", "hello", 0, true);
    assert_int_equal(medium->sync(medium), 0);
    assert_string_equal(states(MEMORY_SYNCED, "a"), "|hello|");
    assert_string_equal(states(MEMORY_TORN, "a"), "|hello|");
}

static void test_a_sync_of_a_file_says_nothing_of_its_name(void **state)
{
    const char *all;

    (void)state;
    memory_record(memory);
    put("a", "hello", 0, true);
    assert_string_equal(states(MEMORY_SYNCED, "a"), "|-|");
    all = states(MEMORY_SOME, "a");
    assert_non_null(strstr(all, "|-|"));
    assert_non_null(strstr(all, "|hello|"));
}

static void test_a_name_says_nothing_of_the_bytes(void **state)
{
    const char *all;

    (void)state;
    memory_record(memory);
    put("a", "hello", 0, false);
    assert_int_equal(medium->sync(medium), 0);
    all = states(MEMORY_TORN, "a");
    assert_null(strstr(all, "|-|"));
    assert_non_null(strstr(all, "||"));      /* empty */
    assert_non_null(strstr(all, "|00000|")); /* long enough, and nothing in it */
    assert_non_null(strstr(all, "|hello|"));
}

static void test_writes_are_lost_in_any_combination(void **state)
{
    static const char *const all[] = { "abc", "xbc", "aby", "xby", "axc" };
    const char *found;

    (void)state;
    put("a", "abc", 0, false);
    memory_record(memory); /* what is there by then is durable */
    put("a", "x", 0, false);
    put("a", "y", 2, false);
    found = states(MEMORY_SOME, "a");
    for (int i = 0; i < 4; i++)
        assert_non_null(strstr(found, all[i]));
    assert_null(strstr(found, all[4]));
    assert_string_equal(states(MEMORY_ALL, "a"), "|xby|");
    assert_string_equal(states(MEMORY_SYNCED, "a"), "|abc|");
}

static void test_a_sync_is_of_one_file(void **state)
{
    (void)state;
    put("a", "a", 0, false);
    put("b", "b", 0, false);
    memory_record(memory);
    put("a", "A", 0, false);
    put("b", "B", 0, true);
    assert_string_equal(states(MEMORY_SYNCED, "a"), "|a|");
    assert_string_equal(states(MEMORY_SYNCED, "b"), "|B|");
    assert_string_equal(states(MEMORY_SOME, "b"), "|B|");
}

static void test_sectors_are_torn(void **state)
{
    char old[1025], new[1025];
    bool found[4] = { false };

    (void)state;
    memset(old, 'o', 1024);
    memset(new, 'n', 1024);
    old[1024] = new[1024] = '\0';
    put("a", old, 0, false);
    memory_record(memory);
    put("a", new, 0, false);
    for (uint64_t seed = 1; seed <= TRIES; seed++) {
        struct memory *cut = memory_cut(memory, memory_ops(memory), MEMORY_TORN, seed);
        struct medium *m = memory_medium(cut, "one");
        char *data;
        size_t size;
        assert_int_equal(medium_load(m, "a", (void **)&data, &size), 0);
        assert_int_equal(size, 1024);
        assert_memory_equal(data, data[0] == 'n' ? new : old, 512);
        assert_memory_equal(data + 512, data[512] == 'n' ? new : old, 512);
        found[(data[0] == 'n') + 2 * (data[512] == 'n')] = true;
        free(data);
        m->close(m);
        memory_destroy(cut);
    }
    for (int i = 0; i < 4; i++)
        assert_true(found[i]);
}

static void test_holes_and_truncates_are_lost_too(void **state)
{
    struct medium_file *f;
    const char *all;

    (void)state;
    put("a", "abcdef", 0, false);
    memory_record(memory);
    f = opened("a");
    assert_int_equal(f->zero(f, 2, 1), 0);
    assert_int_equal(f->truncate(f, 4), 0);
    f->close(f);
    all = states(MEMORY_SOME, "a");
    assert_non_null(strstr(all, "|abcdef|"));
    assert_non_null(strstr(all, "|a00def|"));
    assert_non_null(strstr(all, "|abcd|"));
    assert_non_null(strstr(all, "|a00d|"));
}

static void test_a_removed_or_renamed_file_may_be_back(void **state)
{
    (void)state;
    put("a", "a", 0, false);
    put("b", "b", 0, false);
    memory_record(memory);
    assert_int_equal(medium->remove(medium, "a"), 0);
    assert_int_equal(medium->rename(medium, "b", "c"), 0);
    assert_non_null(strstr(states(MEMORY_SOME, "a"), "|a|"));
    assert_non_null(strstr(states(MEMORY_SOME, "a"), "|-|"));
    assert_non_null(strstr(states(MEMORY_SOME, "b"), "|b|"));
    assert_non_null(strstr(states(MEMORY_SOME, "c"), "|-|"));
    assert_int_equal(medium->sync(medium), 0);
    assert_string_equal(states(MEMORY_SOME, "a"), "|-|");
    assert_string_equal(states(MEMORY_SOME, "b"), "|-|");
    assert_string_equal(states(MEMORY_SOME, "c"), "|b|");
}

/* A file keeps what was synced to it under whatever name. */
static void test_a_small_file_is_old_or_new_at_any_moment(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(medium_save(medium, "a", "old", 3), 0);
    memory_record(memory);
    assert_int_equal(medium_save(medium, "a", "newer", 5), 0);
    const size_t saved = memory_ops(memory);
    for (size_t n = 0; n <= saved; n++)
        for (uint64_t seed = 1; seed <= TRIES; seed++) {
            after_of("one", n, MEMORY_TORN, seed, "a", text);
            if (n == saved || strcmp(text, "old") != 0)
                assert_string_equal(text, "newer");
        }
    after_of("one", 0, MEMORY_ALL, 0, "a", text); /* back again */
    assert_string_equal(text, "old");
}

static void test_a_sync_that_failed_loses_for_ever(void **state)
{
    struct medium_file *f;
    char text[64];
    bool lost = false;

    (void)state;
    put("a", "........", 0, false);
    memory_record(memory);
    f = opened("a");
    for (int i = 0; i < 8; i++)
        assert_int_equal(file_write(f, "x", 1, (uint64_t)i), 0);
    memory_fail(memory, MEMORY_CALL_SYNC, "a", 0, 1, ENOSPC);
    assert_int_equal(f->sync(f), -ENOSPC);
    assert_int_equal(f->sync(f), -EIO);
    f->close(f);
    f = opened("a"); /* the kernel has told, and forgets */
    assert_int_equal(f->sync(f), 0);
    f->close(f);
    after(MEMORY_ALL, 1, "a", text);
    lost = strchr(text, '.') && strchr(text, 'x');
    assert_true(lost);
    assert_string_equal(states(MEMORY_SOME, "a") + 1, strcat(text, "|"));
}

static void test_folders_share_one_recording(void **state)
{
    struct medium *other = memory_medium(memory, "other");
    struct medium_file *f;
    char text[64];

    (void)state;
    memory_record(memory);
    put("a", "one", 0, true);
    assert_int_equal(medium->sync(medium), 0);
    assert_int_equal(other->open(other, "a", MEDIUM_CREATE, &f), 0);
    assert_int_equal(file_write(f, "other", 5, 0), 0);
    assert_int_equal(f->sync(f), 0);
    f->close(f);
    after_of("other", memory_ops(memory), MEMORY_SYNCED, 1, "a", text);
    assert_string_equal(text, "-");
    assert_int_equal(other->sync(other), 0);
    after_of("other", memory_ops(memory), MEMORY_SYNCED, 1, "a", text);
    assert_string_equal(text, "other");
    after_of("one", memory_ops(memory), MEMORY_SYNCED, 1, "a", text);
    assert_string_equal(text, "one");
    memory_op_text(memory, 1, text, sizeof(text));
    assert_string_equal(text, "write one/a +0 3");
    other->close(other);
}

static void test_a_crash_after_a_crash(void **state)
{
    struct memory *first, *second;
    struct medium *m;
    void *data;
    size_t size;

    (void)state;
    memory_record(memory);
    assert_int_equal(medium_save(medium, "a", "1", 1), 0);
    first = memory_cut(memory, memory_ops(memory), MEMORY_SOME, 3);
    memory_record(first);
    m = memory_medium(first, "one");
    assert_int_equal(medium_save(m, "a", "2", 1), 0);
    m->close(m);
    second = memory_cut(first, memory_ops(first), MEMORY_SYNCED, 3);
    memory_destroy(first);
    m = memory_medium(second, "one");
    assert_int_equal(medium_load(m, "a", &data, &size), 0);
    assert_memory_equal(data, "2", 1);
    free(data);
    m->close(m);
    memory_destroy(second);
}

static void test_it_is_as_a_folder_is(void **state)
{
    struct medium_file *f, *other;
    uint64_t size, start, length;
    char bytes[8] = "1234567";

    (void)state;
    assert_int_equal(medium->open(medium, "a", 0, &f), -ENOENT);
    assert_int_equal(medium->open(medium, "a", MEDIUM_CREATE | MEDIUM_EXCLUSIVE, &f), 0);
    assert_int_equal(medium->open(medium, "a", MEDIUM_EXCLUSIVE, &other), -EBUSY);
    assert_int_equal(file_write(f, "x", 1, 3 << 20), 0);
    assert_int_equal(f->data(f, 5, &start, &length), 0);
    assert_int_equal(start, 3 << 20);
    assert_int_equal(length, 1);
    assert_int_equal(f->zero(f, 1 << 20, 3 << 20), 0);
    assert_int_equal(f->size(f, &size), 0);
    assert_int_equal(size, (3 << 20) + 1);
    assert_int_equal(file_read(f, bytes, 8, 3 << 20), 0);
    assert_memory_equal(bytes, "\0\0\0\0\0\0\0", 8);
    memory_room(memory, 100 << 10);
    char *large = calloc(1, 200 << 10);
    assert_int_equal(file_write(f, large, 200 << 10, 0), -ENOSPC);
    free(large);
    f->close(f);
    assert_int_equal(medium->open(medium, "a", MEDIUM_READ_ONLY | MEDIUM_EXCLUSIVE, &f), 0);
    assert_int_equal(file_write(f, "x", 1, 0), -EBADF);
    f->close(f);
}

/* A crash test makes ten thousands of states. */
static void test_cuts_are_cheap(void **state)
{
    char *mib = calloc(1, 1 << 20);

    (void)state;
    put("a", "x", 1ull << 40, true); /* however large a file is */
    memory_record(memory);
    for (int i = 0; i < 64; i++) {
        struct medium_file *f = opened("a");
        assert_int_equal(file_write(f, mib, 1 << 20, (uint64_t)i << 20), 0);
        assert_int_equal(f->sync(f), 0);
        f->close(f);
    }
    for (size_t n = 0; n <= memory_ops(memory); n++)
        for (uint64_t seed = 0; seed < 40; seed++)
            memory_destroy(memory_cut(memory, n, MEMORY_SYNCED, seed));
    free(mib);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_was_synced_is_there),
        TEST(test_a_sync_of_a_file_says_nothing_of_its_name),
        TEST(test_a_name_says_nothing_of_the_bytes),
        TEST(test_writes_are_lost_in_any_combination),
        TEST(test_a_sync_is_of_one_file),
        TEST(test_sectors_are_torn),
        TEST(test_holes_and_truncates_are_lost_too),
        TEST(test_a_removed_or_renamed_file_may_be_back),
        TEST(test_a_small_file_is_old_or_new_at_any_moment),
        TEST(test_a_sync_that_failed_loses_for_ever),
        TEST(test_folders_share_one_recording),
        TEST(test_a_crash_after_a_crash),
        TEST(test_it_is_as_a_folder_is),
        TEST(test_cuts_are_cheap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
