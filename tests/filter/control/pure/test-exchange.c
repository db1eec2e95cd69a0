/* test-exchange.c - does a gateway keep its block, and its hands off what is not ours?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * This program has its own fcntl(), pwrite() and fdatasync(), which the exchange finds before the C
 * library's: they do as they are told below. */
#include "exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { LATER = 3 };

static struct {
    bool no_locks, false_locks, no_direct;
    int write_error;
    unsigned direct_asked, synced;
} fault;

int fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    long argument = va_arg(args, long);
    va_end(args);

    if (command == F_OFD_SETLK && fault.false_locks)
        return 0;
    errno = EINVAL;
    if ((command == F_OFD_SETLK && fault.no_locks) ||
        (command == F_SETFL && (argument & O_DIRECT) && ++fault.direct_asked && fault.no_direct))
        return -1;
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    errno = fault.write_error;
    if (fault.write_error)
        return -1;
    return syscall(SYS_pwrite64, fd, data, size, at);
}

int fdatasync(int fd)
{
    fault.synced++;
    return (int)syscall(SYS_fdatasync, fd);
}

/* ---- a folder, a file, gateways ---------------------------------------------- */

static char folder[64], path[80], why[512];
static struct peer_list list;
static uint8_t bytes[(BLOCK_SLOTS + 1) * BLOCK_SIZE];
static const struct gateway_report mine = { .shares = 1000, .window = 4096, .period = 1000000000 };

static int start(void **state)
{
    (void)state;
    memset(&fault, 0, sizeof fault);
    strcpy(folder, "/tmp/weir-exchange-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/weir.stats", folder);
    why[0] = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static struct exchange *come(const char *name)
{
    struct exchange *x = NULL;

    assert_int_equal(exchange_open(path, name, &x, why, sizeof why), 0);
    return x;
}

static unsigned round_of(struct exchange *x)
{
    int r = exchange_round(x, &mine, &list, why, sizeof why);

    if (r)
        fail_msg("%s: %s", strerror(-r), why);
    return list.count;
}

/* Each takes part in so many rounds. */
static void rounds(struct exchange *a, struct exchange *b, int n)
{
    while (n--) {
        round_of(a);
        round_of(b);
    }
}

static size_t load(void)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    return size;
}

static void save(const void *data, size_t at, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(syscall(SYS_pwrite64, fd, data, size, at), size);
    close(fd);
}

static void save_gateway(unsigned slot, uint8_t id, uint64_t seq)
{
    struct gateway_block b = { .id = { id }, .slot = slot, .seq = seq, .report = mine };
    uint8_t raw[BLOCK_SIZE];

    block_put(raw, &b);
    save(raw, slot * (size_t)BLOCK_SIZE, sizeof raw);
}

/* ---- together ---------------------------------------------------------------- */

static void two_see_each_other(void **state)
{
    (void)state;
    struct exchange *a = come("north"), *b = come("south");

    rounds(a, b, 2);
    assert_int_equal(round_of(a), 1);
    assert_string_equal(list.peer[0].block.name, "south");
    assert_int_equal(list.peer[0].block.report.shares, 1000);
    assert_int_equal(round_of(b), 1);
    assert_string_equal(list.peer[0].block.name, "north");
    assert_int_not_equal(exchange_slot(a), exchange_slot(b));
    assert_int_equal(load(), 3 * BLOCK_SIZE);
    exchange_close(b);
    assert_int_equal(round_of(a), 0); /* at once */
    assert_int_equal(list.stale, 0);
    b = come("south again");
    round_of(b);
    assert_int_equal(exchange_slot(b), 2);
    exchange_close(a);
    exchange_close(b);
}

static void the_file_may_be_buffered(void **state)
{
    (void)state;
    fault.no_direct = true;
    struct exchange *a = come("a"), *b = come("b");

    assert_int_equal(fault.direct_asked, 2);
    rounds(a, b, 2);
    assert_int_equal(round_of(a), 1);
    assert_int_equal(fault.synced, 1 + 2 + 2 + 1); /* the header, and every round */
    exchange_close(a);
    exchange_close(b);
}

static void a_full_file_system_is_an_error_and_no_more(void **state)
{
    (void)state;
    struct exchange *a = come("a"), *b = come("b");

    rounds(a, b, 2);
    fault.write_error = ENOSPC;
    assert_int_equal(exchange_round(a, &mine, &list, why, sizeof why), -ENOSPC);
    assert_int_equal(list.count, 1);
    assert_non_null(strstr(why, path));
    fault.write_error = 0;
    assert_int_equal(round_of(a), 1);
    exchange_close(a);
    exchange_close(b);
}

static void the_group_may_write_where_the_folder_lets_it(void **state)
{
    struct stat st;

    (void)state;
    exchange_close(come("a"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    unlink(path);
    chmod(folder, 0770);
    mode_t mask = umask(077);
    exchange_close(come("a"));
    umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
}

/* ---- not ours ---------------------------------------------------------------- */

static void assert_refused(int error, const char *word)
{
    struct exchange *x;

    assert_int_equal(exchange_open(path, "a", &x, why, sizeof why), error);
    assert_non_null(strstr(why, path));
    if (!strstr(why, word))
        fail_msg("\"%s\" does not say \"%s\"", why, word);
}

static void what_is_not_ours_is_refused_and_left_alone(void **state)
{
    static const char text[] = "A letter to a friend.\n";
    uint8_t zero[2 * BLOCK_SIZE] = { 0 }, header[BLOCK_SIZE];

    (void)state;
    save(text, 0, sizeof text);
    assert_refused(-EMEDIUMTYPE, "not a statistics file");
    assert_int_equal(load(), sizeof text);
    assert_memory_equal(bytes, text, sizeof text);

    save(zero, 0, sizeof zero); /* a disk that begins with nothing */
    assert_refused(-EMEDIUMTYPE, "not a statistics file");
    load();
    assert_memory_equal(bytes, zero, sizeof zero);

    block_put_header(header);
    header[8] = 2;
    save(header, 0, sizeof header);
    assert_refused(-EPROTONOSUPPORT, "format 2");
    load();
    assert_memory_equal(bytes, header, sizeof header);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_refused(-ELOOP, "symbolic link");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(-EMEDIUMTYPE, "regular");
    unlink(path);
    rmdir(folder);
    assert_refused(-ENOENT, "folder");
    mkdir(folder, 0700);
}

static void another_version_that_comes_later_is_left_alone(void **state)
{
    uint8_t header[BLOCK_SIZE];

    (void)state;
    struct exchange *a = come("a");
    round_of(a);
    block_put_header(header);
    header[8] = 2;
    save(header, 0, sizeof header);
    size_t size = load();
    uint8_t *before = malloc(size);
    assert_non_null(before);
    memcpy(before, bytes, size);
    for (int i = 0; i < LATER; i++)
        assert_int_equal(exchange_round(a, &mine, &list, why, sizeof why), -EPROTONOSUPPORT);
    exchange_close(a);
    assert_int_equal(load(), size);
    assert_memory_equal(bytes, before, size);
    free(before);
}

/* ---- what others do to the file ---------------------------------------------- */

static void a_deleted_file_is_made_anew(void **state)
{
    (void)state;
    struct exchange *a = come("a"), *b = come("b");

    rounds(a, b, 2);
    assert_int_equal(unlink(path), 0);
    rounds(a, b, LATER);
    assert_int_equal(round_of(a), 1);
    assert_int_equal(round_of(b), 1);
    struct exchange *c = come("where the path leads");
    rounds(a, b, 1);
    round_of(c);
    rounds(a, b, 1);
    assert_int_equal(round_of(c), 2);
    exchange_close(c);
    exchange_close(a);
    exchange_close(b);
}

static void a_truncated_file_is_filled_again(void **state)
{
    static const off_t sizes[] = { 0, 100, BLOCK_SIZE, BLOCK_SIZE + 100 };

    (void)state;
    struct exchange *a = come("a"), *b = come("b");
    rounds(a, b, 2);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(truncate(path, sizes[i]), 0);
        rounds(a, b, 2);
        assert_int_equal(round_of(a), 1);
        assert_int_equal(round_of(b), 1);
        struct exchange *c = come("it has a header");
        exchange_close(c);
    }
    exchange_close(a);
    exchange_close(b);
}

static void a_damaged_header_is_written_again_by_who_has_a_block(void **state)
{
    (void)state;
    struct exchange *a = come("a");
    round_of(a);
    save("rubbish", 0, 7);
    assert_refused(-EMEDIUMTYPE, "not a statistics file"); /* a newcomer cannot know */
    round_of(a);
    exchange_close(come("b"));
    exchange_close(a);
}

static void an_emptied_file_that_is_now_anothers_is_left_alone(void **state)
{
    static const char text[] = "A letter to a friend.\n";

    (void)state;
    struct exchange *a = come("a");
    round_of(a);
    assert_int_equal(truncate(path, 0), 0);
    save(text, 0, sizeof text);
    for (int i = 0; i < LATER; i++)
        assert_int_equal(exchange_round(a, &mine, &list, why, sizeof why), -EMEDIUMTYPE);
    exchange_close(a);
    assert_int_equal(load(), sizeof text);
}

static void own_block_comes_back_after_damage(void **state)
{
    (void)state;
    struct exchange *a = come("a"), *b = come("b");
    rounds(a, b, 2);
    save("garbage", BLOCK_SIZE + 64, 7);
    assert_int_equal(round_of(b), 0);
    assert_int_equal(list.garbage, 1);
    round_of(a);
    assert_int_equal(round_of(b), 1);
    exchange_close(a);
    exchange_close(b);
}

/* ---- slots ------------------------------------------------------------------- */

static void a_lock_keeps_a_block_that_looks_free(void **state)
{
    uint8_t zero[BLOCK_SIZE] = { 0 };

    (void)state;
    struct exchange *a = come("a"), *b = come("b");
    round_of(a);
    save(zero, BLOCK_SIZE, BLOCK_SIZE);
    round_of(b);
    assert_int_equal(exchange_slot(b), 2);
    round_of(a);
    assert_int_equal(exchange_slot(a), 1);
    exchange_close(a);
    exchange_close(b);
}

/* Locks that every host grants for itself alone: each believes that it has the block. */
static void of_two_in_one_block_exactly_one_gives_up(void **state)
{
    uint8_t zero[BLOCK_SIZE] = { 0 };

    (void)state;
    fault.false_locks = true;
    struct exchange *a = come("a"), *b = come("b");
    round_of(a);
    save(zero, BLOCK_SIZE, BLOCK_SIZE);
    round_of(b);
    assert_int_equal(exchange_slot(a), 1);
    assert_int_equal(exchange_slot(b), 1);
    rounds(a, b, 2);
    assert_int_equal(exchange_slot(b), 1);
    assert_int_equal(exchange_slot(a), 2);
    assert_int_equal(round_of(a), 1);
    assert_int_equal(round_of(b), 1);
    exchange_close(a);
    exchange_close(b);
}

static void without_locks_they_find_blocks_too(void **state)
{
    enum { MANY = 12 };
    struct exchange *x[MANY];

    (void)state;
    fault.no_locks = true;
    for (int i = 0; i < MANY; i++)
        x[i] = come("one of many");
    for (int n = 0; n < 4; n++)
        for (int i = 0; i < MANY; i++)
            round_of(x[i]);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(round_of(x[i]), MANY - 1);
    for (int i = 0; i < MANY; i++)
        exchange_close(x[i]);
    load();
    for (unsigned i = 1; i <= BLOCK_SLOTS; i++)
        assert_int_equal(bytes[i * BLOCK_SIZE], 0);
}

static void the_dead_are_cleared_away_after_thirty_rounds(void **state)
{
    struct gateway_block b;

    (void)state;
    struct exchange *a = come("a");
    save_gateway(1, 1, 7);
    for (int i = 0; i < JUDGE_ABANDONED; i++)
        round_of(a);
    assert_int_equal(exchange_slot(a), 2);
    load();
    assert_int_equal(block_get(bytes + BLOCK_SIZE, 1, &b), 0);
    round_of(a);
    load();
    assert_int_equal(block_get(bytes + BLOCK_SIZE, 1, &b), -ENOENT);
    exchange_close(a);
}

static void when_all_slots_are_taken_it_waits_for_one(void **state)
{
    (void)state;
    struct exchange *a = come("a");
    for (unsigned i = 1; i <= BLOCK_SLOTS; i++)
        save_gateway(i, 1, 7);
    for (int n = 0; n < JUDGE_ABANDONED; n++) {
        save_gateway(500, 2, (uint64_t)n); /* only this one lives */
        assert_int_equal(exchange_round(a, &mine, &list, why, sizeof why), -EUSERS);
        assert_int_equal(list.count, n > 0);
    }
    assert_non_null(strstr(why, "1024"));
    save_gateway(500, 2, 1000);
    assert_int_equal(round_of(a), 1);
    assert_int_equal(exchange_slot(a), 1);
    exchange_close(a);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest tests[] = {
        CASE(two_see_each_other),
        CASE(the_file_may_be_buffered),
        CASE(a_full_file_system_is_an_error_and_no_more),
        CASE(the_group_may_write_where_the_folder_lets_it),
        CASE(what_is_not_ours_is_refused_and_left_alone),
        CASE(what_is_no_file_is_refused),
        CASE(another_version_that_comes_later_is_left_alone),
        CASE(a_deleted_file_is_made_anew),
        CASE(a_truncated_file_is_filled_again),
        CASE(a_damaged_header_is_written_again_by_who_has_a_block),
        CASE(an_emptied_file_that_is_now_anothers_is_left_alone),
        CASE(own_block_comes_back_after_damage),
        CASE(a_lock_keeps_a_block_that_looks_free),
        CASE(of_two_in_one_block_exactly_one_gives_up),
        CASE(without_locks_they_find_blocks_too),
        CASE(the_dead_are_cleared_away_after_thirty_rounds),
        CASE(when_all_slots_are_taken_it_waits_for_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
