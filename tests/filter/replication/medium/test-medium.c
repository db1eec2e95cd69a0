/* test-medium.c - is a folder a medium as maps, logs and images need it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "medium.h"

#include "medium-file.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static char folder[] = "/tmp/weir-medium-XXXXXX", path[64];
static struct medium *medium;

static int forget(void *arg, const char *name)
{
    return medium->remove(arg, name);
}

static int set_up(void **state)
{
    struct weir_text why = { 0 };

    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/medium", folder);
    return medium_open(path, &medium, &why);
}

static int tear_down(void **state)
{
    (void)state;
    medium->list(medium, forget, medium);
    medium->close(medium);
    return rmdir(path) || rmdir(folder);
}

static struct medium_file *made(const char *name)
{
    struct medium_file *f;

    assert_int_equal(medium->open(medium, name, MEDIUM_CREATE, &f), 0);
    return f;
}

static void make(const char *name)
{
    struct medium_file *f = made(name);

    f->close(f);
}

static void test_a_folder_is_made_or_refused_in_words(void **state)
{
    struct weir_text why = { 0 };
    struct medium *m;
    struct stat st;
    char deep[128];

    (void)state;
    assert_int_equal(stat(path, &st), 0); /* set_up() found none */
    assert_int_equal(st.st_mode & 0777, 0700);
    snprintf(deep, sizeof(deep), "%s/none/deeper", path);
    assert_int_equal(medium_open(deep, &m, &why), -ENOENT);
    assert_non_null(strstr(text_string(&why), deep));
    text_clear(&why);
    make("plain");
    snprintf(deep, sizeof(deep), "%s/plain", path);
    assert_int_equal(medium_open(deep, &m, &why), -ENOTDIR);
    assert_non_null(strstr(text_string(&why), "not a folder"));
    text_finish(&why);
}

static void test_a_folder_by_descriptor_outlives_it(void **state)
{
    int fd = open(path, O_PATH | O_DIRECTORY);
    struct medium *m;
    struct medium_file *f;

    (void)state;
    assert_int_equal(medium_of_folder(fd, &m), 0);
    close(fd);
    assert_int_equal(m->open(m, "a", MEDIUM_CREATE, &f), 0);
    f->close(f);
    assert_int_equal(m->sync(m), 0);
    m->close(m);
}

static void test_bytes_come_back_and_zeroes_behind_them(void **state)
{
    struct medium_file *f = made("a");
    char in[3000], out[5000], zero[5000] = { 0 };
    struct iovec iov[700];
    uint64_t size;

    (void)state;
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (char)(i * 7 + 1);
    size_t at = 0;
    for (int i = 0; i < 700; at += iov[i++].iov_len) /* more pieces than one call takes */
        iov[i] = (struct iovec){ in + at, (size_t)(i % 5) };
    assert_int_equal(f->write(f, iov, 700, 123), 0);
    assert_int_equal(f->size(f, &size), 0);
    assert_int_equal(size, 123 + at);
    memset(out, 0xff, sizeof(out));
    assert_int_equal(file_read(f, out, sizeof(out), 123), 0);
    assert_memory_equal(out, in, at);
    assert_memory_equal(out + at, zero, sizeof(out) - at);
    assert_int_equal(file_read(f, out, 100, MIB), 0); /* wholly behind the end */
    assert_memory_equal(out, zero, 100);
    assert_int_equal(f->sync(f), 0);
    f->close(f);
}

static void test_zero_makes_a_hole_and_no_file_longer(void **state)
{
    struct medium_file *f = made("a");
    uint8_t *bytes = malloc(MIB), *zero = calloc(1, MIB);
    uint64_t size, start, length;

    (void)state;
    memset(bytes, 5, MIB);
    assert_int_equal(file_write(f, bytes, MIB, 0), 0);
    assert_int_equal(f->zero(f, 512 << 10, 256 << 10), 0);
    assert_int_equal(file_read(f, bytes, MIB, 0), 0);
    assert_memory_equal(bytes + (256 << 10), zero, 512 << 10);
    assert_int_equal(bytes[(256 << 10) - 1], 5);
    assert_int_equal(bytes[768 << 10], 5);
    assert_int_equal(f->data(f, 0, &start, &length), 0);
    assert_int_equal(start, 0);
    assert_int_equal(length, 256 << 10);
    assert_int_equal(f->data(f, 300 << 10, &start, &length), 0);
    assert_int_equal(start, 768 << 10);
    assert_int_equal(length, 256 << 10);
    assert_int_equal(f->zero(f, MIB, 768 << 10), 0);
    assert_int_equal(f->zero(f, MIB, 4 * MIB), 0);
    assert_int_equal(f->size(f, &size), 0);
    assert_int_equal(size, MIB);
    assert_int_equal(f->data(f, 256 << 10, &start, &length), 0);
    assert_int_equal(length, 0);
    assert_int_equal(f->data(f, 9 * MIB, &start, &length), 0);
    assert_int_equal(length, 0);
    assert_int_equal(f->truncate(f, 3 * MIB), 0);
    assert_int_equal(f->size(f, &size), 0);
    assert_int_equal(size, 3 * MIB);
    f->close(f);
    free(bytes);
    free(zero);
}

static void test_what_is_taken_is_busy(void **state)
{
    struct medium_file *f, *other;

    (void)state;
    assert_int_equal(medium->open(medium, "a", MEDIUM_EXCLUSIVE, &f), -ENOENT);
    assert_int_equal(medium->open(medium, "a", MEDIUM_CREATE | MEDIUM_EXCLUSIVE, &f), 0);
    assert_int_equal(medium->open(medium, "a", MEDIUM_EXCLUSIVE, &other), -EBUSY);
    assert_int_equal(medium->open(medium, "a", MEDIUM_EXCLUSIVE | MEDIUM_READ_ONLY, &other),
                     -EBUSY);
    f->close(f);
    assert_int_equal(medium->open(medium, "a", MEDIUM_EXCLUSIVE, &f), 0);
    f->close(f);
}

static void test_what_is_read_only_is_not_written(void **state)
{
    struct medium_file *f = made("a");

    (void)state;
    f->close(f);
    assert_int_equal(medium->open(medium, "a", MEDIUM_READ_ONLY, &f), 0);
    assert_int_equal(file_write(f, "x", 1, 0), -EBADF);
    f->close(f);
}

static void test_a_name_is_no_path(void **state)
{
    static const char *const bad[] = { "", ".", "..", "../a", "a/b", "/a" };
    struct medium_file *f;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(medium->open(medium, bad[i], MEDIUM_CREATE, &f), -EINVAL);
        assert_int_equal(medium->remove(medium, bad[i]), -EINVAL);
        assert_int_equal(medium->rename(medium, "a", bad[i]), -EINVAL);
        assert_int_equal(medium->rename(medium, bad[i], "a"), -EINVAL);
    }
}

static void test_a_pipe_or_a_folder_is_no_file(void **state)
{
    struct medium_file *f;
    char name[128];

    (void)state;
    snprintf(name, sizeof(name), "%s/pipe", path);
    assert_int_equal(mkfifo(name, 0600), 0);
    assert_int_equal(medium->open(medium, "pipe", 0, &f), -EINVAL); /* does not wait, either */
    snprintf(name, sizeof(name), "%s/below", path);
    assert_int_equal(mkdir(name, 0700), 0);
    assert_int_equal(medium->open(medium, "below", 0, &f), -EISDIR);
    assert_int_equal(rmdir(name), 0);
}

static int join(void *arg, const char *name)
{
    char *text = arg;

    strcat(strcat(text, name), " ");
    return strcmp(name, "c") == 0 ? 7 : 0;
}

static void test_names_are_listed_removed_and_replaced(void **state)
{
    char text[100] = "";

    (void)state;
    make("b");
    make("a");
    assert_int_equal(medium->list(medium, join, text), 0);
    assert_string_equal(text, "a b ");
    assert_int_equal(medium->rename(medium, "a", "b"), 0);
    assert_int_equal(medium->rename(medium, "a", "b"), -ENOENT);
    make("c");
    make("d");
    text[0] = '\0';
    assert_int_equal(medium->list(medium, join, text), 7);
    assert_string_equal(text, "b c ");
    assert_int_equal(medium->remove(medium, "b"), 0);
    assert_int_equal(medium->remove(medium, "b"), -ENOENT);
    assert_int_equal(medium->sync(medium), 0);
}

static void test_free_bytes_are_some(void **state)
{
    uint64_t free_bytes = 0;

    (void)state;
    assert_int_equal(medium->free_bytes(medium, &free_bytes), 0);
    assert_true(free_bytes > 0);
}

static void test_a_small_file_is_saved_as_a_whole(void **state)
{
    void *data;
    size_t size;
    char text[100] = "";

    (void)state;
    assert_int_equal(medium_load(medium, "a", &data, &size), -ENOENT);
    make("a.new"); /* left over */
    assert_int_equal(medium_save(medium, "a", "longer", 6), 0);
    assert_int_equal(medium_save(medium, "a", "new", 3), 0);
    assert_int_equal(medium_load(medium, "a", &data, &size), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(data, "new", 3);
    free(data);
    assert_int_equal(medium_save(medium, "a", NULL, 0), 0);
    assert_int_equal(medium_load(medium, "a", &data, &size), 0);
    assert_int_equal(size, 0);
    free(data);
    assert_int_equal(medium->list(medium, join, text), 0);
    assert_string_equal(text, "a ");
}

static int syncs, sync_fails;
static int play_sync(int fd)
{
    (void)fd;
    syncs++;
    errno = ENOSPC;
    return sync_fails;
}

/* The kernel says it once only. */
static void test_a_sync_that_failed_fails_for_ever(void **state)
{
    struct syncer s;

    (void)state;
    syncs = sync_fails = 0;
    syncer_init(&s);
    assert_int_equal(syncer_sync(&s, 0, play_sync), 0);
    sync_fails = -1;
    assert_int_equal(syncer_sync(&s, 0, play_sync), -ENOSPC);
    sync_fails = 0;
    assert_int_equal(syncer_sync(&s, 0, play_sync), -ENOSPC);
    assert_int_equal(syncs, 2);
    syncer_finish(&s);
}

/* ---- many at a time ------------------------------------------------------------------------- */

static struct {
    struct syncer syncer;
    pthread_mutex_t lock;
    pthread_cond_t change;
    int began; /* syncs */
    bool go;   /* they may end */
} crowd = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

static int wait_sync(int fd)
{
    (void)fd;
    pthread_mutex_lock(&crowd.lock);
    crowd.began++;
    pthread_cond_broadcast(&crowd.change);
    while (!crowd.go)
        pthread_cond_wait(&crowd.change, &crowd.lock);
    pthread_mutex_unlock(&crowd.lock);
    return 0;
}

static void *one(void *arg)
{
    (void)arg;
    return syncer_sync(&crowd.syncer, 0, wait_sync) ? &crowd : NULL;
}

/* Those who come while a sync runs share the next one: its bytes may have been gathered before
 * theirs were written. */
static void test_who_comes_during_a_sync_waits_for_the_next(void **state)
{
    enum { LATE = 6 };
    pthread_t first, late[LATE];
    void *failed;

    (void)state;
    syncer_init(&crowd.syncer);
    assert_int_equal(pthread_create(&first, NULL, one, NULL), 0);
    pthread_mutex_lock(&crowd.lock);
    while (!crowd.began)
        pthread_cond_wait(&crowd.change, &crowd.lock);
    pthread_mutex_unlock(&crowd.lock);
    for (int i = 0; i < LATE; i++)
        assert_int_equal(pthread_create(&late[i], NULL, one, NULL), 0);
    pthread_mutex_lock(&crowd.lock);
    crowd.go = true;
    pthread_cond_broadcast(&crowd.change);
    pthread_mutex_unlock(&crowd.lock);
    pthread_join(first, &failed);
    assert_null(failed);
    for (int i = 0; i < LATE; i++) {
        pthread_join(late[i], &failed);
        assert_null(failed);
    }
    assert_in_range(crowd.began, 2, 1 + LATE);
    syncer_finish(&crowd.syncer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_folder_is_made_or_refused_in_words),
        TEST(test_a_folder_by_descriptor_outlives_it),
        TEST(test_bytes_come_back_and_zeroes_behind_them),
        TEST(test_zero_makes_a_hole_and_no_file_longer),
        TEST(test_what_is_taken_is_busy),
        TEST(test_what_is_read_only_is_not_written),
        TEST(test_a_name_is_no_path),
        TEST(test_a_pipe_or_a_folder_is_no_file),
        TEST(test_names_are_listed_removed_and_replaced),
        TEST(test_free_bytes_are_some),
        TEST(test_a_small_file_is_saved_as_a_whole),
        cmocka_unit_test(test_a_sync_that_failed_fails_for_ever),
        cmocka_unit_test(test_who_comes_during_a_sync_waits_for_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
