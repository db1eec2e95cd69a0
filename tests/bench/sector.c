/* sector.c - is data encrypted as fast as OpenSSL can?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     bench-sector [ROUNDS [REQUESTS]]
 *
 * AES-256-XTS in units of 4 KiB on one thread, against EVP on one context that updates and
 * sets no tweak: what `openssl speed -evp aes-256-xts -bytes 4096` measures.  Both take
 * turns in each round; the median of the rounds' ratios is shown.  With sectors of 512 bytes
 * a unit is eight of them, and so it is for EVP.  The exit status never depends on a time. */
#include "sector.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

enum { UNIT = 4096 };
#define GOAL 0.95

static uint8_t data[UNIT] __attribute__((aligned(4096)));

static void die(const char *what)
{
    fprintf(stderr, "bench-sector: %s\n", what);
    exit(1);
}

/* ns of each of so many units. */
static double bare(EVP_CIPHER_CTX *evp, bool encrypt, int sector, unsigned long units)
{
    int done;
    uint64_t start = bench_cpu_ns();

    for (unsigned long n = 0; n < units; n++)
        for (int at = 0; at < UNIT; at += sector)
            if (!(encrypt ? EVP_EncryptUpdate(evp, data + at, &done, data + at, sector)
                          : EVP_DecryptUpdate(evp, data + at, &done, data + at, sector)))
                die("EVP refuses a sector");
    return (double)(bench_cpu_ns() - start) / (double)units;
}

static double ours(struct sector_cipher *cipher, bool encrypt, unsigned long units)
{
    uint64_t start = bench_cpu_ns();

    for (unsigned long n = 0; n < units; n++)
        if (encrypt ? sector_encrypt(cipher, data, data, UNIT, n * UNIT)
                    : sector_decrypt(cipher, data, data, UNIT, n * UNIT))
            die("a sector cannot be worked on");
    return (double)(bench_cpu_ns() - start) / (double)units;
}

static void compare(const struct bench *bench, const struct secret *key, bool encrypt, int sector)
{
    double took[ROUNDS_MAX], limit[ROUNDS_MAX], ratio[ROUNDS_MAX];
    static const uint8_t iv[16];
    struct sector_cipher *cipher;
    char why[512];

    if (sector_cipher_create("aes", "xts-plain64", key, (uint32_t)sector, &cipher, why, sizeof why))
        die(why);
    EVP_CIPHER_CTX *evp = EVP_CIPHER_CTX_new();
    if (!evp || !EVP_CipherInit_ex(evp, EVP_aes_256_xts(), NULL, key->data, iv, encrypt))
        die("EVP has no AES-256-XTS");
    ours(cipher, encrypt, bench->requests / 10 + 1); /* caches and pages */
    for (int r = 0; r < bench->rounds; r++) {
        limit[r] = bare(evp, encrypt, sector, bench->requests);
        took[r] = ours(cipher, encrypt, bench->requests);
        ratio[r] = limit[r] / took[r];
    }
    double of = bench_median(ratio, bench->rounds);
    printf("%s, sectors of %4d bytes: %6.1f ns for 4 KiB, EVP alone %6.1f: %.3f of its speed "
           "[%.3f-%.3f]",
           encrypt ? "encrypt" : "decrypt", sector, bench_median(took, bench->rounds),
           bench_median(limit, bench->rounds), of, ratio[0], ratio[bench->rounds - 1]);
    printf(sector == UNIT ? ", goal >= %.2f: %s\n" : "\n", GOAL, of >= GOAL ? "met" : "NOT MET");
    EVP_CIPHER_CTX_free(evp);
    sector_cipher_destroy(cipher);
}

int main(int argc, char **argv)
{
    struct bench bench;
    struct secret key;
    uint8_t bytes[64];
    char why[512];

    bench_init(&bench, "bench-sector", 20000, argc, argv);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    if (secret_init(why, sizeof why))
        die(why);
    if (secret_copy(&key, bytes, sizeof bytes))
        die("no memory");
    for (int sector = UNIT; sector >= 512; sector /= 8)
        for (int encrypt = 1; encrypt >= 0; encrypt--)
            compare(&bench, &key, encrypt, sector);
    secret_clear(&key);
    bench_finish();
    return 0;
}
