/* test-secret.c - does libcrypto keep keys where we do, and who is refused?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "secret.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

/* ---- before secret_init() ---------------------------------------------------- */

/* Each in a child, as what is done to libcrypto is for good. */

static int refused(const char *sentence)
{
    char why[512] = "";

    if (secret_init(why, sizeof why) != -EBUSY || !strstr(why, sentence)) {
        fprintf(stderr, "\"%s\" does not say \"%s\"\n", why, sentence);
        return 1;
    }
    return secret_alloc(1) || secret_room() || secret_holds(why) || secret_warning(why, sizeof why);
}

static int after_others(void *arg)
{
    (void)arg;
    OPENSSL_free(OPENSSL_malloc(1));
    return refused("something else in this process used libcrypto before") ||
           refused("restart the gateway"); /* and again */
}

static void a_libcrypto_that_others_used_is_refused(void **state)
{
    (void)state;
    assert_int_equal(in_child(after_others, NULL), 0);
}

static int given;

static void *strange_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    given++;
    return calloc(1, size);
}

static void *strange_realloc(void *data, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return realloc(data, size);
}

static void strange_free(void *data, const char *file, int line)
{
    (void)file, (void)line;
    given -= data != NULL;
    free(data);
}

static int after_a_stranger(void *arg)
{
    CRYPTO_malloc_fn now;

    (void)arg;
    CRYPTO_set_mem_functions(strange_malloc, strange_realloc, strange_free);
    if (refused("gave libcrypto an allocator before"))
        return 1;
    CRYPTO_get_mem_functions(&now, NULL, NULL);
    return now != strange_malloc || given != 0;
}

static void a_strangers_allocator_stays(void **state)
{
    (void)state;
    assert_int_equal(in_child(after_a_stranger, NULL), 0);
}

static int with_little_locked(void *arg)
{
    char why[512] = "";

    (void)arg;
    /* root may lock what it likes */
    if (setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 0, 0 }) || (geteuid() == 0 && setuid(65534)))
        return 1;
    if (secret_warning(why, sizeof why) || secret_init(why, sizeof why))
        return 2;
    if (!secret_warning(why, sizeof why) || !strstr(why, "RLIMIT_MEMLOCK"))
        return 3;
    return secret_warning(why, sizeof why); /* once */
}

static void what_cannot_be_locked_is_told_once(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    assert_int_equal(in_child(with_little_locked, NULL), 0);
}

static void *init_at_once(void *arg)
{
    char why[512];

    (void)arg;
    return (void *)(intptr_t)secret_init(why, sizeof why);
}

static void threads_init_at_once(void **state)
{
    pthread_t thread[8];

    (void)state;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, init_at_once, NULL), 0);
    for (size_t i = 0; i < 8; i++) {
        void *error;
        pthread_join(thread[i], &error);
        assert_null(error);
    }
}

/* ---- after it ---------------------------------------------------------------- */

static void libcrypto_is_in_the_region_between_begin_and_end(void **state)
{
    (void)state;
    char *before = OPENSSL_malloc(100);
    secret_begin();
    char *in = OPENSSL_malloc(100);
    secret_end();
    char *after = OPENSSL_malloc(100);
    assert_false(secret_holds(before));
    assert_true(secret_holds(in));
    assert_false(secret_holds(after));
    assert_null(OPENSSL_malloc(0));
    OPENSSL_free(before);
    OPENSSL_free(after);
    memset(in, 's', 100);
    OPENSSL_free(in);
    for (int i = 0; i < 100; i++)
        assert_int_equal(in[i], 0);
}

static void *outside(void *arg)
{
    (void)arg;
    return OPENSSL_malloc(100);
}

static void another_thread_is_not_in_the_region(void **state)
{
    pthread_t thread;
    void *data;

    (void)state;
    secret_begin();
    assert_int_equal(pthread_create(&thread, NULL, outside, NULL), 0);
    pthread_join(thread, &data);
    secret_end();
    assert_false(secret_holds(data));
    OPENSSL_free(data);
}

static void a_block_grows_where_it_is(void **state)
{
    size_t room = secret_room();

    (void)state;
    secret_begin();
    uint8_t *in = OPENSSL_malloc(100);
    secret_end();
    memset(in, 's', 100);
    uint8_t *larger = OPENSSL_realloc(in, 5000);
    assert_true(secret_holds(larger));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(in[i], 0);
        assert_int_equal(larger[i], 's');
    }
    assert_ptr_equal(OPENSSL_realloc(larger, 200), larger);
    assert_null(OPENSSL_realloc(larger, 0));
    assert_int_equal(secret_room(), room);

    char *out = OPENSSL_realloc(NULL, 10);
    assert_false(secret_holds(out));
    secret_begin();
    out = OPENSSL_realloc(out, 100000);
    char *new = OPENSSL_realloc(NULL, 10);
    secret_end();
    assert_false(secret_holds(out));
    assert_true(secret_holds(new));
    OPENSSL_free(out);
    OPENSSL_free(new);
    assert_int_equal(secret_room(), room);
}

static void contexts_leave_nothing_behind(void **state)
{
    static const uint8_t key[64] = { 1 }, iv[16];
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-XTS", NULL);
    size_t room = secret_room();

    (void)state;
    for (int i = 0; i < 100; i++) {
        secret_begin();
        EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
        assert_true(EVP_CipherInit_ex2(c, cipher, key, iv, 1, NULL));
        secret_end();
        assert_true(secret_holds(c));
        EVP_CIPHER_CTX_free(c);
    }
    assert_int_equal(secret_room(), room);
    EVP_CIPHER_free(cipher);
}

static void a_secret_is_copied_and_cleared(void **state)
{
    size_t room = secret_room();
    struct secret s;

    (void)state;
    assert_int_equal(secret_copy(&s, "open sesame", 11), 0);
    const uint8_t *was = s.data;
    assert_true(secret_holds(was));
    assert_int_equal(s.size, 11);
    assert_memory_equal(was, "open sesame", 11);
    secret_clear(&s);
    assert_null(s.data);
    assert_int_equal(s.size, 0);
    for (int i = 0; i < 11; i++)
        assert_int_equal(was[i], 0);
    secret_clear(&s);
    assert_int_equal(secret_copy(&s, NULL, 0), 0);
    secret_clear(&s);
    secret_free(NULL);
    assert_int_equal(secret_room(), room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_libcrypto_that_others_used_is_refused),
        cmocka_unit_test(a_strangers_allocator_stays),
        cmocka_unit_test(what_cannot_be_locked_is_told_once),
        cmocka_unit_test(threads_init_at_once),
        cmocka_unit_test(libcrypto_is_in_the_region_between_begin_and_end),
        cmocka_unit_test(another_thread_is_not_in_the_region),
        cmocka_unit_test(a_block_grows_where_it_is),
        cmocka_unit_test(contexts_leave_nothing_behind),
        cmocka_unit_test(a_secret_is_copied_and_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
