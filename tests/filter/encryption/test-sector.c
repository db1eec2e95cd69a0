/* test-sector.c - is what lies on the disk what dm-crypt's aes-xts-plain64 writes?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "ieee1619.h"
#include "sector.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

static struct secret key_of(const char *hex)
{
    struct secret key;
    uint8_t bytes[64];
    size_t size = strlen(hex) / 2;

    for (size_t i = 0; i < size; i++)
        assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &bytes[i]), 1);
    assert_int_equal(secret_copy(&key, bytes, size), 0);
    return key;
}

static struct sector_cipher *cipher_of(const char *hex, const char *mode, uint32_t sector)
{
    struct secret key = key_of(hex);
    struct sector_cipher *c;
    char why[512] = "";

    if (sector_cipher_create("aes", mode, &key, sector, &c, why, sizeof why))
        fail_msg("%s", why);
    secret_clear(&key);
    return c;
}

/* One sector by EVP alone, its tweak as given. */
static void evp(const char *hex, uint64_t tweak, int encrypt, uint8_t *data, int size)
{
    struct secret key = key_of(hex);
    EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
    uint8_t iv[16] = { 0 };
    int done;

    for (int i = 0; i < 8; i++)
        iv[i] = (uint8_t)(tweak >> 8 * i);
    assert_true(EVP_CipherInit_ex(x, key.size == 64 ? EVP_aes_256_xts() : EVP_aes_128_xts(), NULL,
                                  key.data, iv, encrypt));
    assert_true(EVP_CipherUpdate(x, data, &done, data, size));
    assert_int_equal(done, size);
    EVP_CIPHER_CTX_free(x);
    secret_clear(&key);
}

static void fill(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 7 + i / 512);
}

/* ---- what is written --------------------------------------------------------- */

static void a_sector_is_as_ieee_1619_says(void **state)
{
    (void)state;
    for (size_t v = 0; v < sizeof ieee1619 / sizeof *ieee1619; v++) {
        const char *key = ieee1619[v].bits == 256 ? ieee1619_key_256 : ieee1619_key_128;
        struct sector_cipher *c = cipher_of(key, "xts-plain64", 512);
        uint64_t offset = ieee1619[v].number * 512;
        uint8_t plain[512], cipher[512], back[512], meant[512];
        for (unsigned i = 0; i < 512; i++) {
            plain[i] = (uint8_t)i;
            assert_int_equal(sscanf(ieee1619[v].cipher + 2 * i, "%2hhx", &meant[i]), 1);
        }
        assert_int_equal(sector_encrypt(c, cipher, plain, 512, offset), 0);
        assert_memory_equal(cipher, meant, 512);
        assert_int_equal(sector_decrypt(c, back, cipher, 512, offset), 0);
        assert_memory_equal(back, plain, 512);
        sector_cipher_destroy(c);
    }
}

static void a_tweak_counts_512_bytes_whatever_the_sector(void **state)
{
    static const uint64_t offsets[] = { 0,          4096,
                                        1ull << 20, (1ull << 41) - 4096,
                                        1ull << 41, (1ull << 45) + 12288 };
    (void)state;
    for (uint32_t sector = 512; sector <= 4096; sector *= 2) {
        struct sector_cipher *c = cipher_of(ieee1619_key_256, "xts-plain64", sector);
        for (size_t o = 0; o < sizeof offsets / sizeof *offsets; o++) {
            uint8_t plain[16384], cipher[16384], meant[16384], back[16384];
            fill(plain, sizeof plain);
            memcpy(meant, plain, sizeof meant);
            for (uint32_t at = 0; at < sizeof meant; at += sector)
                evp(ieee1619_key_256, (offsets[o] + at) / 512, 1, meant + at, (int)sector);
            assert_int_equal(sector_encrypt(c, cipher, plain, sizeof plain, offsets[o]), 0);
            assert_memory_equal(cipher, meant, sizeof meant);
            assert_int_equal(sector_decrypt(c, back, cipher, sizeof back, offsets[o]), 0);
            assert_memory_equal(back, plain, sizeof plain);
        }
        sector_cipher_destroy(c);
    }
}

static void data_can_be_worked_on_in_place(void **state)
{
    struct sector_cipher *c = cipher_of(ieee1619_key_128, "xts-plain64", 4096);
    uint8_t plain[12288], data[12288], cipher[12288];

    (void)state;
    fill(plain, sizeof plain);
    memcpy(data, plain, sizeof data);
    assert_int_equal(sector_encrypt(c, cipher, plain, sizeof plain, 8192), 0);
    assert_int_equal(sector_encrypt(c, data, data, sizeof data, 8192), 0);
    assert_memory_equal(data, cipher, sizeof data);
    assert_int_equal(sector_decrypt(c, data, data, sizeof data, 8192), 0);
    assert_memory_equal(data, plain, sizeof data);
    assert_int_equal(sector_encrypt(c, data, data, 0, 8192), 0);
    assert_memory_equal(data, plain, sizeof data);
    sector_cipher_destroy(c);
}

static void plain_counts_in_32_bits(void **state)
{
    const uint64_t end = 1ull << 41; /* 2 TiB: 2^32 units */
    struct sector_cipher *plain = cipher_of(ieee1619_key_256, "xts-plain", 512);
    struct sector_cipher *plain64 = cipher_of(ieee1619_key_256, "xts-plain64", 512);
    uint8_t data[1024], a[1024], b[1024];

    (void)state;
    fill(data, sizeof data);
    assert_int_equal(sector_encrypt(plain, a, data, 1024, end - 1024), 0);
    assert_int_equal(sector_encrypt(plain64, b, data, 1024, end - 1024), 0);
    assert_memory_equal(a, b, 1024);
    /* dm-crypt's begins again, in the middle of a request, too */
    assert_int_equal(sector_encrypt(plain, a, data, 1024, end - 512), 0);
    memcpy(b, data, 1024);
    evp(ieee1619_key_256, UINT32_MAX, 1, b, 512);
    evp(ieee1619_key_256, 0, 1, b + 512, 512);
    assert_memory_equal(a, b, 1024);
    sector_cipher_destroy(plain);
    sector_cipher_destroy(plain64);
}

/* ---- what is refused --------------------------------------------------------- */

static void refused(const char *name, const char *mode, const char *hex, uint32_t sector, int error,
                    const char *sentence)
{
    struct secret key = key_of(hex);
    struct sector_cipher *c = NULL;
    size_t room = secret_room();
    char why[512] = "";

    assert_int_equal(sector_cipher_create(name, mode, &key, sector, &c, why, sizeof why), error);
    if (!strstr(why, sentence))
        fail_msg("\"%s\" does not say \"%s\"", why, sentence);
    assert_null(c);
    assert_int_equal(secret_room(), room);
    secret_clear(&key);
}

static void what_we_do_not_know_is_refused(void **state)
{
    const char *key = ieee1619_key_256;

    (void)state;
    refused("serpent", "xts-plain64", key, 512, -ENOTSUP, "\"serpent-xts-plain64\"");
    refused("aes", "cbc-essiv:sha256", key, 512, -ENOTSUP, "aes-xts-plain64 or aes-xts-plain");
    refused("aes", "xts-plain64be", key, 512, -ENOTSUP, "\"aes-xts-plain64be\"");
    refused("aes", "xts-plain64", key, 8192, -ENOTSUP, "sector size of 8192");
    refused("aes", "xts-plain64", key, 768, -ENOTSUP, "sector size of 768");
    refused("aes", "xts-plain64", key, 256, -ENOTSUP, "sector size of 256");
    refused("aes", "xts-plain64", "0123456789abcdef0123456789abcdef0123456789abcdef", 512, -ENOTSUP,
            "a key of 192 bits");
}

static void a_key_of_equal_halves_is_refused(void **state)
{
    (void)state;
    refused("aes", "xts-plain64",
            "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f", 512, -EINVAL,
            "two halves of the volume key are equal");
}

static void part_of_a_sector_is_refused_and_leaves_no_plain_text(void **state)
{
    struct sector_cipher *c = cipher_of(ieee1619_key_256, "xts-plain64", 4096);
    uint8_t data[8192], zero[8192] = { 0 };

    (void)state;
    memset(data, 'p', sizeof data);
    assert_int_equal(sector_encrypt(c, data, data, 512, 0), -EINVAL);
    assert_memory_equal(data, zero, 512);
    memset(data, 'p', sizeof data);
    assert_int_equal(sector_decrypt(c, data, data, 4096, 512), -EINVAL);
    assert_memory_equal(data, zero, 4096);
    sector_cipher_destroy(c);
}

static int encrypt_in_child(void *cipher)
{
    uint8_t data[4096], zero[4096] = { 0 };

    memset(data, 'p', sizeof data);
    if (sector_encrypt(cipher, data, data, sizeof data, 0) != -EIO)
        return 1;
    return memcmp(data, zero, sizeof data) != 0;
}

/* Its contexts are zero there: what they would make of data is not what the disk has. */
static void a_forked_child_cannot_encrypt(void **state)
{
    struct sector_cipher *c = cipher_of(ieee1619_key_256, "xts-plain64", 4096);

    (void)state;
    assert_int_equal(in_child(encrypt_in_child, c), 0);
    sector_cipher_destroy(c);
}

/* ---- without memory ---------------------------------------------------------- */

static int create_without_room(void *arg)
{
    uint8_t bytes[64] = { 1 };
    struct sector_cipher *c = NULL;
    struct secret key;
    char why[512] = "";

    (void)arg;
    if (secret_init(why, sizeof why) || secret_copy(&key, bytes, sizeof bytes))
        return 1;
    /* warm: what libcrypto keeps, it has */
    if (sector_cipher_create("aes", "xts-plain64", &key, 512, &c, why, sizeof why))
        return 2;
    sector_cipher_destroy(c);
    c = NULL;
    if (setrlimit(RLIMIT_DATA, &(struct rlimit){ 0, 0 }))
        return 3;
    for (size_t size = 16; size <= 2048; size += 16)
        while (secret_alloc(size))
            ;
    if (sector_cipher_create("aes", "xts-plain64", &key, 512, &c, why, sizeof why) != -ENOMEM || c)
        return 4;
    return strstr(why, "has no room for this disk's") ? 0 : 5;
}

/* In a child whose region is not yet made. */
static void a_full_region_is_an_error(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    assert_int_equal(in_child(create_without_room, NULL), 0);
}

/* ---- many at once ------------------------------------------------------------ */

/* More than there are CPUs, and long at work: so that they are interrupted in it, and contexts
 * are made, found and given up. */
enum { THREADS = 32, TURNS = 20, MUCH = 256 << 10 };

struct crowd {
    struct sector_cipher *cipher;
    pthread_barrier_t start;
    uint8_t plain[MUCH], meant[MUCH], data[THREADS][MUCH];
};

struct member {
    struct crowd *crowd;
    uint8_t *data;
};

static void *work(void *arg)
{
    struct crowd *crowd = ((struct member *)arg)->crowd;
    uint8_t *data = ((struct member *)arg)->data;
    intptr_t wrong = 0;

    pthread_barrier_wait(&crowd->start);
    for (int i = 0; i < TURNS; i++) {
        wrong += sector_encrypt(crowd->cipher, data, crowd->plain, MUCH, 1 << 20) != 0;
        wrong += memcmp(data, crowd->meant, MUCH) != 0;
        wrong += sector_decrypt(crowd->cipher, data, data, MUCH, 1 << 20) != 0;
        wrong += memcmp(data, crowd->plain, MUCH) != 0;
    }
    return (void *)wrong;
}

static void threads_share_a_cipher(void **state)
{
    static struct crowd crowd;
    struct member member[THREADS];
    pthread_t thread[THREADS];
    size_t room = secret_room();

    (void)state;
    crowd.cipher = cipher_of(ieee1619_key_256, "xts-plain64", 512);
    fill(crowd.plain, MUCH);
    memcpy(crowd.meant, crowd.plain, MUCH);
    for (unsigned i = 0; i < MUCH / 512; i++)
        evp(ieee1619_key_256, 2048 + i, 1, crowd.meant + 512 * i, 512);
    assert_int_equal(pthread_barrier_init(&crowd.start, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        member[i] = (struct member){ &crowd, crowd.data[i] };
        assert_int_equal(pthread_create(&thread[i], NULL, work, &member[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(thread[i], &wrong);
        assert_null(wrong);
    }
    pthread_barrier_destroy(&crowd.start);
    sector_cipher_destroy(crowd.cipher);
    assert_int_equal(secret_room(), room);
}

static void a_cipher_gives_back_all_that_it_took(void **state)
{
    (void)state;
    sector_cipher_destroy(cipher_of(ieee1619_key_256, "xts-plain64", 512)); /* fetched for good */
    size_t room = secret_room();
    sector_cipher_destroy(cipher_of(ieee1619_key_256, "xts-plain64", 512));
    assert_int_equal(secret_room(), room);
    sector_cipher_destroy(NULL);
}

static int init(void **state)
{
    char why[512];
    int r = secret_init(why, sizeof why);

    (void)state;
    if (r)
        print_error("%s\n", why);
    return r;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sector_is_as_ieee_1619_says),
        cmocka_unit_test(a_tweak_counts_512_bytes_whatever_the_sector),
        cmocka_unit_test(data_can_be_worked_on_in_place),
        cmocka_unit_test(plain_counts_in_32_bits),
        cmocka_unit_test(what_we_do_not_know_is_refused),
        cmocka_unit_test(a_key_of_equal_halves_is_refused),
        cmocka_unit_test(part_of_a_sector_is_refused_and_leaves_no_plain_text),
        cmocka_unit_test(a_forked_child_cannot_encrypt),
        cmocka_unit_test(threads_share_a_cipher),
        cmocka_unit_test(a_cipher_gives_back_all_that_it_took),
    };
    const struct CMUnitTest first[] = { cmocka_unit_test(a_full_region_is_an_error) };

    return cmocka_run_group_tests(first, NULL, NULL) + cmocka_run_group_tests(tests, init, NULL);
}
