/* test-region.c - does what was secret stay where nobody looks, and nowhere after that?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "region.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { SIZE = 1 << 20, HEADER = 16 };

/* Each is for good: regions are never unmapped. */
static struct region *make(size_t size)
{
    struct region *r = test_malloc(sizeof *r);
    const char *what;

    assert_int_equal(region_init(r, size, &what), 0);
    return r;
}

static bool all_are(const uint8_t *data, size_t size, uint8_t value)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != value)
            return false;
    return true;
}

/* ---- blocks ------------------------------------------------------------------ */

static void a_block_is_zero_aligned_and_little_larger_than_asked(void **state)
{
    struct region *r = make(64 << 20);

    (void)state;
    for (size_t size = 0; size <= 1 << 20; size += 1 + size / 37) {
        uint8_t *data = region_alloc(r, size);
        assert_non_null(data);
        assert_int_equal((uintptr_t)data % 16, 0);
        assert_true(region_holds(r, data));
        size_t has = region_block_size(data);
        assert_in_range(has, size, size + size / 4 + 16);
        assert_true(all_are(data, has, 0));
        memset(data, 0xff, has);
        region_free(r, data);
    }
    assert_null(region_alloc(r, REGION_BLOCK_MAX + 1ul));
    void *largest = region_alloc(r, REGION_BLOCK_MAX);
    assert_int_equal(region_block_size(largest), REGION_BLOCK_MAX);
    test_free(r);
}

static void a_block_that_comes_back_is_wiped(void **state)
{
    struct region *r = make(SIZE);
    uint8_t *data = region_alloc(r, 1000);
    size_t size = region_block_size(data);

    (void)state;
    memset(data, 's', size);
    region_free(r, data);
    assert_true(all_are(data, size, 0)); /* it stays readable */
    assert_ptr_equal(region_alloc(r, size), data);
    test_free(r);
}

static void the_room_is_exact(void **state)
{
    struct region *r = make(SIZE);
    size_t room = region_room(r), count = 0;
    void *block[SIZE / (1024 + HEADER) + 1];

    (void)state;
    while ((block[count] = region_alloc(r, 1024))) {
        count++;
        assert_int_equal(region_room(r), room - count * (1024 + HEADER));
        assert_true(count < sizeof block / sizeof *block);
    }
    assert_true(region_room(r) < 1024 + HEADER);
    region_free(r, block[count / 2]);
    assert_null(region_alloc(r, 2048));
    assert_ptr_equal(region_alloc(r, 1024), block[count / 2]);
    while (count--)
        region_free(r, block[count]);
    assert_int_equal(region_room(r), room);
    test_free(r);
}

static void blocks_do_not_touch_each_other(void **state)
{
    enum { BLOCKS = 300, TURNS = 20000 };
    static struct {
        uint8_t *data;
        size_t size;
        uint8_t value;
    } block[BLOCKS];
    struct region *r = make(256 << 20);
    size_t room = region_room(r);
    unsigned seed = (unsigned)time(NULL);

    (void)state;
    print_message("seed %u\n", seed);
    for (int turn = 0; turn < TURNS; turn++) {
        size_t b = (size_t)rand_r(&seed) % BLOCKS;
        if (block[b].data) {
            assert_true(all_are(block[b].data, block[b].size, block[b].value));
            region_free(r, block[b].data);
            block[b].data = NULL;
            continue;
        }
        block[b].size = (size_t)rand_r(&seed) % (1u << rand_r(&seed) % 15);
        block[b].value = (uint8_t)rand_r(&seed);
        block[b].data = region_alloc(r, block[b].size);
        assert_non_null(block[b].data);
        assert_true(all_are(block[b].data, region_block_size(block[b].data), 0));
        memset(block[b].data, block[b].value, block[b].size);
    }
    for (size_t b = 0; b < BLOCKS; b++)
        if (block[b].data)
            region_free(r, block[b].data);
    assert_int_equal(region_room(r), room);
    test_free(r);
}

static void *alloc_and_free(void *arg)
{
    struct region *r = arg;
    intptr_t wrong = 0;

    for (size_t turn = 0; turn < 2000; turn++) {
        size_t size = turn * 7 % 3000 + 1;
        uint8_t *a = region_alloc(r, size), *b = region_alloc(r, 700);
        if (!a || !b)
            return (void *)1;
        wrong += !all_are(a, size, 0) + !all_are(b, 700, 0);
        memset(a, 0xff, size);
        memset(b, 0xff, 700);
        region_free(r, a);
        region_free(r, b);
    }
    return (void *)wrong;
}

static void threads_share_a_region(void **state)
{
    struct region *r = make(16 << 20);
    size_t room = region_room(r);
    pthread_t thread[8];

    (void)state;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, alloc_and_free, r), 0);
    for (size_t i = 0; i < 8; i++) {
        void *wrong;
        pthread_join(thread[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(region_room(r), room);
    test_free(r);
}

/* ---- misuse ------------------------------------------------------------------ */

static int free_twice(void *arg)
{
    struct region r;
    const char *what;

    (void)arg;
    if (region_init(&r, SIZE, &what))
        return 1;
    void *data = region_alloc(&r, 100);
    region_free(&r, data);
    region_free(&r, data);
    return 0;
}

static void a_second_free_ends_the_process(void **state)
{
    (void)state;
    assert_int_equal(in_child(free_twice, NULL), 256 + SIGABRT);
}

static int touch(void *arg)
{
    *(volatile uint8_t *)arg = 1;
    return 0;
}

static void nobody_may_touch_what_lies_around(void **state)
{
    struct region *r = make(SIZE);
    uint8_t *data = region_alloc(r, 100);

    (void)state;
    assert_int_equal(in_child(touch, data), 0);
    assert_int_equal(in_child(touch, r->start - 1), 256 + SIGSEGV);
    assert_int_equal(in_child(touch, r->start + r->size - 1), 256 + SIGSEGV); /* not used yet */
    while (region_alloc(r, 1024))
        ;
    assert_int_equal(in_child(touch, r->start + r->size - 1), 0);
    assert_int_equal(in_child(touch, r->start + r->size), 256 + SIGSEGV);
    test_free(r);
}

/* ---- pages ------------------------------------------------------------------- */

struct inherited {
    struct region *region;
    uint8_t *data;
};

static int look(void *arg)
{
    struct inherited *i = arg;

    if (!all_are(i->data, 100, 0))
        return 1;
    if (region_alloc(i->region, 100))
        return 2;
    region_free(i->region, i->data); /* nothing to wipe, and no reason to end */
    return 0;
}

static void a_forked_child_finds_nothing(void **state)
{
    struct inherited i = { .region = make(SIZE) };

    (void)state;
    i.data = region_alloc(i.region, 100);
    memset(i.data, 's', 100);
    assert_int_equal(in_child(look, &i), 0);
    assert_true(all_are(i.data, 100, 's'));
    test_free(i.region);
}

/* The VmFlags of the mapping that `p` lies in, as " rd wr … "; proc(5). */
static void flags_of(const void *p, char flags[512])
{
    uintptr_t start, end, at = (uintptr_t)p;
    FILE *f = fopen("/proc/self/smaps", "r");
    bool here = false;
    char line[512];

    assert_non_null(f);
    *flags = 0;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            here = at >= start && at < end;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            strcpy(flags, line + 8);
    }
    fclose(f);
}

static void pages_are_locked_and_in_no_dump(void **state)
{
    struct region *r = make(SIZE);
    uint8_t *data = region_alloc(r, 100);
    char flags[512];

    (void)state;
    flags_of(data, flags);
    assert_non_null(strstr(flags, " dd")); /* do not dump */
    assert_non_null(strstr(flags, " wf")); /* wipe on fork */
    if (region_swappable(r) == 0 && !SANITIZED)
        assert_non_null(strstr(flags, " lo"));
    flags_of(r->start + r->size - 1, flags); /* what is not used yet */
    assert_non_null(strstr(flags, " dd"));
    assert_non_null(strstr(flags, " wf"));
    test_free(r);
}

static int lock_little(void *arg)
{
    const char *what;
    struct region r;

    (void)arg;
    /* root may lock what it likes */
    if (setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 128 << 10, 128 << 10 }) ||
        (geteuid() == 0 && setuid(65534)))
        return 1;
    if (region_init(&r, SIZE, &what) || region_swappable(&r))
        return 2;
    while (region_alloc(&r, 1024))
        ;
    return region_swappable(&r) == SIZE - (128 << 10) ? 0 : 3;
}

static void what_cannot_be_locked_is_used_and_counted(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    assert_int_equal(in_child(lock_little, NULL), 0);
}

static int reserve_much(void *arg)
{
    const char *what;
    struct region r;

    (void)arg;
    if (setrlimit(RLIMIT_AS, &(struct rlimit){ 1 << 30, 1 << 30 }))
        return 1;
    if (region_init(&r, 1ul << 31, &what) == 0)
        return 2;
    return strcmp(what, "mmap") || region_alloc(&r, 1) || region_room(&r) || region_holds(&r, &r);
}

static void a_region_that_cannot_be_is_refused(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    assert_int_equal(in_child(reserve_much, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_zero_aligned_and_little_larger_than_asked),
        cmocka_unit_test(a_block_that_comes_back_is_wiped),
        cmocka_unit_test(the_room_is_exact),
        cmocka_unit_test(blocks_do_not_touch_each_other),
        cmocka_unit_test(threads_share_a_region),
        cmocka_unit_test(a_second_free_ends_the_process),
        cmocka_unit_test(nobody_may_touch_what_lies_around),
        cmocka_unit_test(a_forked_child_finds_nothing),
        cmocka_unit_test(pages_are_locked_and_in_no_dump),
        cmocka_unit_test(what_cannot_be_locked_is_used_and_counted),
        cmocka_unit_test(a_region_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
