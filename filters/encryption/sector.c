/* sector.c - how do the bytes of a sector become cipher text, and back?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * EVP finds the cipher, and the functions that OpenSSL's provider has for it do the work
 * (provider-cipher(7)): to set a tweak EVP_CipherInit_ex2() takes 95 ns in OpenSSL 3.0 where
 * the provider's own function takes 10, and a sector of 4 KiB 600. */
#include "sector.h"

#include <endian.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/core_dispatch.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

enum way { ENCRYPT, DECRYPT };
enum { UNIT = 512, SLOTS_MAX = 64, TWEAK = 16 };

/* The contexts that nobody uses, each taken and put back by an exchange.  A thread begins
 * with the slot of its CPU, so that CPUs rarely meet. */
struct slot {
    _Alignas(64) void *_Atomic context[2]; /* of each way */
};

struct sector_cipher {
    EVP_CIPHER *evp; /* keeps the provider */
    void *provider;
    OSSL_FUNC_cipher_newctx_fn *new;
    OSSL_FUNC_cipher_freectx_fn *free;
    OSSL_FUNC_cipher_encrypt_init_fn *init[2];
    OSSL_FUNC_cipher_cipher_fn *cipher;
    struct secret key;
    uint32_t sector; /* bytes */
    uint64_t counts; /* mask: "plain" counts units in 32 bits, and begins again after 2 TiB */
    unsigned slots;  /* a power of two */
    struct slot slot[];
};

/* ---- contexts ---------------------------------------------------------------- */

static int context_create(struct sector_cipher *c, enum way way, void **ret)
{
    static const uint8_t tweak[TWEAK];
    int r = 0;

    secret_begin();
    void *context = c->new (c->provider);
    if (!context || !secret_holds(context))
        r = -ENOMEM;
    else if (!c->init[way](context, c->key.data, c->key.size, tweak, TWEAK, NULL))
        r = -EIO;
    secret_end();
    if (r && context)
        c->free(context);
    if (r)
        ERR_clear_error();
    else
        *ret = context;
    return r;
}

static unsigned first_slot(void)
{
    return (unsigned)sched_getcpu(); /* -1 is as good as any */
}

static int context_take(struct sector_cipher *c, enum way way, void **ret)
{
    for (unsigned i = 0, first = first_slot(); i < c->slots; i++) {
        void *_Atomic *at = &c->slot[(first + i) & (c->slots - 1)].context[way];
        if (!atomic_load_explicit(at, memory_order_relaxed))
            continue;
        *ret = atomic_exchange_explicit(at, NULL, memory_order_acquire);
        if (*ret)
            return 0;
    }
    return context_create(c, way, ret);
}

static void context_put(struct sector_cipher *c, enum way way, void *context)
{
    for (unsigned i = 0, first = first_slot(); i < c->slots; i++) {
        void *_Atomic *at = &c->slot[(first + i) & (c->slots - 1)].context[way];
        void *none = NULL;
        if (atomic_compare_exchange_strong_explicit(at, &none, context, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
    c->free(context);
}

/* ---- sectors ----------------------------------------------------------------- */

static int work(struct sector_cipher *c, enum way way, uint8_t *to, const uint8_t *from,
                uint64_t length, uint64_t offset)
{
    OSSL_FUNC_cipher_encrypt_init_fn *set = c->init[way];
    OSSL_FUNC_cipher_cipher_fn *cipher = c->cipher;
    const size_t sector = c->sector;
    uint64_t unit = offset / UNIT;
    void *context;
    int r = context_take(c, way, &context);

    if (r)
        return r;
    for (uint64_t at = 0; at < length; at += sector, unit += sector / UNIT) {
        /* stored in one piece, as it is loaded */
        uint64_t tweak __attribute__((vector_size(TWEAK))) = { htole64(unit & c->counts), 0 };
        size_t done;
        if (!set(context, NULL, 0, (const uint8_t *)&tweak, TWEAK, NULL) ||
            !cipher(context, to + at, &done, sector, from + at, sector) || done != sector) {
            ERR_clear_error();
            r = -EIO;
            break;
        }
    }
    context_put(c, way, context);
    return r;
}

static int convert(struct sector_cipher *c, enum way way, void *to, const void *from,
                   uint64_t length, uint64_t offset)
{
    int r = (offset | length) & (c->sector - 1) ? -EINVAL : work(c, way, to, from, length, offset);

    if (r)
        memset(to, 0, length);
    return r;
}

int sector_encrypt(struct sector_cipher *c, void *to, const void *from, uint64_t length,
                   uint64_t offset)
{
    return convert(c, ENCRYPT, to, from, length, offset);
}

int sector_decrypt(struct sector_cipher *c, void *to, const void *from, uint64_t length,
                   uint64_t offset)
{
    return convert(c, DECRYPT, to, from, length, offset);
}

/* ---- create ------------------------------------------------------------------ */

/* "AES-256-XTS:1.3.111.2.1619.0.1.2": the names of one algorithm. */
static bool has_name(const char *names, const char *name)
{
    size_t length = strlen(name);

    while (*names) {
        size_t one = strcspn(names, ":");
        if (one == length && strncasecmp(names, name, one) == 0)
            return true;
        names += one + (names[one] == ':');
    }
    return false;
}

static void take_functions(struct sector_cipher *c, const OSSL_DISPATCH *d)
{
    for (; d->function_id; d++) {
        if (d->function_id == OSSL_FUNC_CIPHER_NEWCTX)
            c->new = OSSL_FUNC_cipher_newctx(d);
        else if (d->function_id == OSSL_FUNC_CIPHER_FREECTX)
            c->free = OSSL_FUNC_cipher_freectx(d);
        else if (d->function_id == OSSL_FUNC_CIPHER_ENCRYPT_INIT)
            c->init[ENCRYPT] = OSSL_FUNC_cipher_encrypt_init(d);
        else if (d->function_id == OSSL_FUNC_CIPHER_DECRYPT_INIT)
            c->init[DECRYPT] = OSSL_FUNC_cipher_decrypt_init(d);
        else if (d->function_id == OSSL_FUNC_CIPHER_CIPHER)
            c->cipher = OSSL_FUNC_cipher_cipher(d);
    }
}

static bool find_functions(struct sector_cipher *c, const char *name)
{
    int no_store;

    c->evp = EVP_CIPHER_fetch(NULL, name, NULL);
    if (!c->evp)
        return false;
    const OSSL_PROVIDER *provider = EVP_CIPHER_get0_provider(c->evp);
    c->provider = OSSL_PROVIDER_get0_provider_ctx(provider);
    const OSSL_ALGORITHM *all = OSSL_PROVIDER_query_operation(provider, OSSL_OP_CIPHER, &no_store);
    for (const OSSL_ALGORITHM *a = all; a && a->algorithm_names; a++)
        if (has_name(a->algorithm_names, name)) {
            take_functions(c, a->implementation);
            break;
        }
    OSSL_PROVIDER_unquery_operation(provider, OSSL_OP_CIPHER, all);
    return c->new && c->free && c->init[ENCRYPT] && c->init[DECRYPT] && c->cipher;
}

static int judge(const char *name, const char *mode, const struct secret *key, uint32_t sector,
                 char *why, size_t size)
{
    if (strcmp(name, "aes") || (strcmp(mode, "xts-plain64") && strcmp(mode, "xts-plain"))) {
        snprintf(why, size,
                 "cipher \"%s-%s\" is not one that this filter knows: aes-xts-plain64 or "
                 "aes-xts-plain; cryptsetup reencrypt changes the disk to it",
                 name, mode);
        return -ENOTSUP;
    }
    if (key->size != 32 && key->size != 64) {
        snprintf(why, size, "a key of %zu bits is not one that %s-%s has here: 256 or 512",
                 key->size * 8, name, mode);
        return -ENOTSUP;
    }
    if (sector < 512 || sector > 4096 || sector & (sector - 1)) {
        snprintf(why, size, "a sector size of %u is not one of 512, 1024, 2048 and 4096", sector);
        return -ENOTSUP;
    }
    if (CRYPTO_memcmp(key->data, key->data + key->size / 2, key->size / 2) == 0) {
        snprintf(why, size,
                 "the two halves of the volume key are equal, and XTS keeps no secret by such a "
                 "key: copy the data to a disk with a key made by cryptsetup");
        return -EINVAL;
    }
    return 0;
}

/* A slot for each CPU: more threads than that are hardly inside at once. */
static unsigned count_slots(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned slots = 1;

    while (slots < SLOTS_MAX && (long)slots < cpus)
        slots *= 2;
    return slots;
}

/* One context of each way, so that what fails fails now. */
static int fill(struct sector_cipher *c, const struct secret *key, char *why, size_t size)
{
    const char *cipher = key->size == 64 ? "AES-256-XTS" : "AES-128-XTS";
    void *context[2] = { NULL };
    int r;

    if (!find_functions(c, cipher)) {
        ERR_clear_error();
        snprintf(why, size,
                 "OpenSSL has no %s here: look at the providers in its openssl.cnf, of which "
                 "\"default\" has it",
                 cipher);
        return -ENOTSUP;
    }
    r = secret_copy(&c->key, key->data, key->size);
    for (enum way way = ENCRYPT; !r && way <= DECRYPT; way++) {
        r = context_create(c, way, &context[way]);
        atomic_store(&c->slot[0].context[way], context[way]);
    }
    if (r == -ENOMEM)
        snprintf(
            why, size,
            "the region that keeps keys out of dumps has no room for this disk's (%zu MiB of its "
            "addresses are left): serve fewer encrypted disks from one gateway, or raise "
            "RLIMIT_DATA (LimitDATA= of the unit)",
            secret_room() >> 20);
    else if (r)
        snprintf(why, size, "OpenSSL refuses the volume key for %s", cipher);
    return r;
}

int sector_cipher_create(const char *name, const char *mode, const struct secret *key,
                         uint32_t sector, struct sector_cipher **ret, char *why, size_t size)
{
    int r = judge(name, mode, key, sector, why, size);
    unsigned slots = count_slots();
    size_t bytes = sizeof(struct sector_cipher) + slots * sizeof(struct slot);

    if (r)
        return r;
    struct sector_cipher *c = aligned_alloc(_Alignof(struct sector_cipher), bytes);
    if (!c) {
        snprintf(why, size, "no memory");
        return -ENOMEM;
    }
    memset(c, 0, bytes);
    c->sector = sector;
    c->counts = strcmp(mode, "xts-plain") ? UINT64_MAX : UINT32_MAX;
    c->slots = slots;
    r = fill(c, key, why, size);
    if (r)
        sector_cipher_destroy(c);
    else
        *ret = c;
    return r;
}

void sector_cipher_destroy(struct sector_cipher *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < c->slots; i++)
        for (enum way way = ENCRYPT; way <= DECRYPT; way++) {
            void *context = atomic_load(&c->slot[i].context[way]);
            if (context)
                c->free(context);
        }
    secret_clear(&c->key);
    EVP_CIPHER_free(c->evp);
    free(c);
}
