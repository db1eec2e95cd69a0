/* test-request.c - what does the data path do when something fails, and what does it tell of holes?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * request.c and partial.c between a core and a cipher that this file plays: a cipher adds 1 to each
 * byte, the disk below is an array, and each can be told to fail. */
#include "encryption.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAYLOAD = 8192, SIZE = 64 << 10, SECTOR = 4096 };

static uint8_t medium[PAYLOAD + SIZE];
static int read_error, write_error, flush_error, encrypt_error, decrypt_error;
static unsigned flushes, reads, writes;
static uint32_t write_flags;
static struct encryption_stats counts;
static struct encryption_config config;
static struct encryption_use use;
static struct encryption e;

/* ---- the cipher ---------------------------------------------------------------- */

struct sector_cipher {
    int unused;
};

static int turn(uint8_t *to, const uint8_t *from, uint64_t length, uint64_t offset, int by, int r)
{
    assert_int_equal((offset | length) % SECTOR, 0);
    for (uint64_t i = 0; i < length; i++)
        to[i] = r ? 0xee : (uint8_t)(from[i] + by);
    return r;
}

int sector_encrypt(struct sector_cipher *cipher, void *to, const void *from, uint64_t length,
                   uint64_t offset)
{
    assert_non_null(cipher);
    return turn(to, from, length, offset, 1, encrypt_error);
}

int sector_decrypt(struct sector_cipher *cipher, void *to, const void *from, uint64_t length,
                   uint64_t offset)
{
    assert_non_null(cipher);
    return turn(to, from, length, offset, -1, decrypt_error);
}

void sector_cipher_destroy(struct sector_cipher *cipher)
{
    free(cipher);
}

/* ---- the core ------------------------------------------------------------------ */

struct weir_extents {
    size_t count;
    struct {
        uint64_t offset, length;
        uint32_t type;
    } list[8];
};

const void *weir_config(const struct weir_request *req)
{
    (void)req;
    return &config;
}

void *weir_stats(const struct weir_request *req)
{
    (void)req;
    return &counts;
}

void *weir_scratch(struct weir_request *req)
{
    (void)req;
    return &use;
}

uint64_t weir_now(const struct weir_request *req)
{
    (void)req;
    return 1;
}

int weir_read(struct weir_below *below, void *data, uint64_t length, uint64_t offset,
              uint32_t flags)
{
    (void)below;
    (void)flags;
    reads++;
    memcpy(data, medium + offset, length);
    return read_error;
}

int weir_write(struct weir_below *below, const void *data, uint64_t length, uint64_t offset,
               uint32_t flags)
{
    (void)below;
    writes++;
    write_flags = flags;
    if (!write_error)
        memcpy(medium + offset, data, length);
    return write_error;
}

int weir_flush(struct weir_below *below, uint32_t flags)
{
    (void)below;
    (void)flags;
    flushes++;
    return flush_error;
}

struct weir_extents *weir_extents_create(void)
{
    return calloc(1, sizeof(struct weir_extents));
}

void weir_extents_destroy(struct weir_extents *x)
{
    free(x);
}

int weir_add_extent(struct weir_extents *x, uint64_t offset, uint64_t length, uint32_t type)
{
    assert_true(x->count < 8);
    x->list[x->count].offset = offset;
    x->list[x->count].length = length;
    x->list[x->count++].type = type;
    return 0;
}

int weir_get_extent(const struct weir_extents *x, size_t i, uint64_t *offset, uint64_t *length,
                    uint32_t *type)
{
    if (i >= x->count)
        return -ENOENT;
    *offset = x->list[i].offset;
    *length = x->list[i].length;
    *type = x->list[i].type;
    return 0;
}

void weir_clear_extents(struct weir_extents *x)
{
    x->count = 0;
}

/* ---- a disk -------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    read_error = write_error = flush_error = encrypt_error = decrypt_error = 0;
    flushes = reads = writes = write_flags = 0;
    counts = (struct encryption_stats){ 0 };
    config = (struct encryption_config){ .discard = DISCARD_PASS };
    use = (struct encryption_use){ 0 };
    e = (struct encryption){ .payload = PAYLOAD, .size = SIZE, .sector = SECTOR };
    for (size_t i = 0; i < sizeof medium; i++)
        medium[i] = (uint8_t)(i * 7 + 1);
    struct sector_cipher *cipher = calloc(1, sizeof *cipher);
    return cipher ? lease_init(&e.lease) ?: lease_open(&e.lease, cipher) : -ENOMEM;
}

static int teardown(void **state)
{
    (void)state;
    lease_close(&e.lease);
    bool given_back = !lease_busy(&e.lease);
    lease_finish(&e.lease);
    return given_back ? 0 : -1; /* whatever a test did, no request has the cipher any more */
}

static uint8_t plain(uint64_t at)
{
    return (uint8_t)(medium[PAYLOAD + at] - 1);
}

/* One request, down, through the array, and up.  0 or a positive errno. */
static int ask(enum weir_op op, uint64_t offset, uint64_t length, uint32_t flags, void *data,
               int store_error)
{
    struct weir_request req = {
        .op = op, .flags = flags, .offset = offset, .length = length, .data = data
    };
    struct weir_request above = req;

    enum weir_verdict v = encryption_down(&e, &req);
    if (v != WEIR_PASS)
        return v == WEIR_COMPLETE ? 0 : req.error;
    if (op == WEIR_READ && !store_error)
        memcpy(req.data, medium + req.offset, req.length);
    if (op == WEIR_WRITE && !store_error)
        memcpy(medium + req.offset, req.data, req.length);
    above.error = store_error;
    v = encryption_up(&e, &above);
    return v == WEIR_COMPLETE ? 0 : above.error;
}

static bool all_zero(const uint8_t *data, size_t size)
{
    return !data[0] && !memcmp(data, data + 1, size - 1);
}

/* ---- tests --------------------------------------------------------------------- */

static void test_a_read_that_cannot_be_decrypted_is_an_error_and_shows_nothing(void **state)
{
    static const uint64_t ranges[][2] = { { 0, 8192 }, { 1, 100 }, { 4000, 5000 } };
    uint8_t data[8192];

    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        decrypt_error = -EIO;
        memset(data, 0xaa, sizeof data);
        assert_int_equal(ask(WEIR_READ, ranges[i][0], ranges[i][1], 0, data, 0), EIO);
        assert_true(all_zero(data, ranges[i][1]));
        decrypt_error = 0;
        assert_int_equal(ask(WEIR_READ, ranges[i][0], ranges[i][1], 0, data, 0), 0);
        for (uint64_t k = 0; k < ranges[i][1]; k++)
            assert_int_equal(data[k], plain(ranges[i][0] + k));
    }
}

static void test_an_error_below_is_the_request_s(void **state)
{
    uint8_t data[8192] = { 0 };

    (void)state;
    assert_int_equal(ask(WEIR_READ, 0, 4096, 0, data, ENOSPC), ENOSPC);
    assert_int_equal(ask(WEIR_WRITE, 0, 4096, 0, data, ENOSPC), ENOSPC);
    read_error = -EPERM;
    assert_int_equal(ask(WEIR_READ, 5, 100, 0, data, 0), EPERM);
    assert_int_equal(ask(WEIR_WRITE, 5, 100, 0, data, 0), EPERM);
    assert_int_equal(writes, 0);
    read_error = 0;
    write_error = -ENOSPC;
    assert_int_equal(ask(WEIR_WRITE, 5, 100, 0, data, 0), ENOSPC);
}

static void test_what_cannot_be_encrypted_is_not_stored(void **state)
{
    uint8_t before[sizeof medium], data[8192] = { 0 };

    (void)state;
    memcpy(before, medium, sizeof medium);
    encrypt_error = -ENOMEM;
    assert_int_equal(ask(WEIR_WRITE, 0, 8192, 0, data, 0), ENOMEM);
    assert_int_equal(ask(WEIR_WRITE, 1, 8000, 0, data, 0), ENOMEM);
    assert_memory_equal(before, medium, sizeof medium);
}

static void test_a_write_leaves_the_client_s_bytes_as_they_are(void **state)
{
    uint8_t data[8192], copy[8192];

    (void)state;
    memset(data, 0x5c, sizeof data);
    memcpy(copy, data, sizeof data);
    assert_int_equal(ask(WEIR_WRITE, 4096, 8192, 0, data, 0), 0);
    assert_int_equal(ask(WEIR_WRITE, 4097, 8000, 0, data, 0), 0);
    assert_memory_equal(data, copy, sizeof data);
    assert_int_equal(plain(4096), 0x5c);
}

/* Only the ends are read, and FUA goes down with the write. */
static void test_a_partial_write_changes_its_own_bytes_only(void **state)
{
    static const struct {
        uint64_t offset, length;
        unsigned reads;
    } rows[] = {
        { 0, 1, 1 },       { 4095, 1, 1 },    { 100, 200, 1 },    { 4095, 2, 2 },
        { 0, 4097, 1 },    { 1, 4095, 1 },    { 1, 4096, 2 },     { 100, 20000, 2 },
        { 8191, 4097, 1 }, { 5000, 3192, 1 }, { SIZE - 1, 1, 1 },
    };
    uint8_t data[20000];

    (void)state;
    memset(data, 0x77, sizeof data);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t before[sizeof medium];
        memcpy(before, medium, sizeof medium);
        reads = 0;
        assert_int_equal(ask(WEIR_WRITE, rows[i].offset, rows[i].length, WEIR_FUA, data, 0), 0);
        assert_int_equal(reads, rows[i].reads);
        assert_int_equal(write_flags, WEIR_FUA);
        memset(before + PAYLOAD + rows[i].offset, 0x78, rows[i].length);
        assert_memory_equal(before, medium, sizeof medium);
    }
    assert_int_equal(counts.partial_sector_writes.n, sizeof rows / sizeof *rows);
}

static void test_a_locked_disk_does_nothing_but_flush(void **state)
{
    uint8_t data[4096] = { 0 }, before[sizeof medium];
    struct weir_extents extents = { 0 };

    (void)state;
    memcpy(before, medium, sizeof medium);
    lease_close(&e.lease);
    assert_int_equal(ask(WEIR_READ, 0, 4096, 0, data, 0), EIO);
    assert_int_equal(ask(WEIR_READ, 1, 1, 0, data, 0), EIO);
    assert_int_equal(ask(WEIR_WRITE, 0, 4096, 0, data, 0), EIO);
    assert_int_equal(ask(WEIR_WRITE, 1, 1, 0, data, 0), EIO);
    assert_int_equal(ask(WEIR_TRIM, 0, 4096, 0, NULL, 0), EIO);
    assert_int_equal(ask(WEIR_PREFETCH, 0, 4096, 0, NULL, 0), EIO);
    assert_int_equal(ask(WEIR_EXTENTS, 0, 4096, 0, &extents, 0), EIO);
    assert_int_equal(ask(WEIR_FLUSH, 0, 0, 0, NULL, 0), 0);
    assert_memory_equal(before, medium, sizeof medium);
}

/* What is in flight when the disk is locked ends as it began. */
static void test_a_read_under_way_outlives_the_lock(void **state)
{
    uint8_t data[4096];
    struct weir_request req = { .op = WEIR_READ, .length = 4096, .data = data }, above = req;

    (void)state;
    assert_int_equal(encryption_down(&e, &req), WEIR_PASS);
    lease_close(&e.lease);
    assert_true(lease_busy(&e.lease));
    memcpy(data, medium + req.offset, 4096);
    assert_int_equal(encryption_up(&e, &above), WEIR_PASS);
    assert_int_equal(data[17], plain(17));
    assert_false(lease_busy(&e.lease));
}

static void test_a_trim_is_whole_sectors_or_nothing(void **state)
{
    struct weir_request req = { .op = WEIR_TRIM, .offset = 100, .length = 12288 };

    (void)state;
    assert_int_equal(encryption_down(&e, &req), WEIR_PASS);
    assert_int_equal(req.offset, PAYLOAD + 4096);
    assert_int_equal(req.length, 8192);
    req = (struct weir_request){ .op = WEIR_TRIM, .offset = 100, .length = 8000 };
    assert_int_equal(encryption_down(&e, &req), WEIR_COMPLETE);
    req = (struct weir_request){ .op = WEIR_TRIM, .offset = 0, .length = 8192 };
    config.discard = DISCARD_IGNORE;
    assert_int_equal(encryption_down(&e, &req), WEIR_COMPLETE);
    assert_int_equal(flushes, 0);
    req.flags = WEIR_FUA;
    assert_int_equal(encryption_down(&e, &req), WEIR_COMPLETE);
    assert_int_equal(flushes, 1);
    flush_error = -EIO;
    assert_int_equal(encryption_down(&e, &req), WEIR_FAIL);
    assert_int_equal(req.error, EIO);
}

static void test_extents_are_those_of_the_payload_and_never_zero(void **state)
{
    struct weir_extents x = { .count = 4,
                              .list = { { 0, PAYLOAD + 4096, 0 },
                                        { PAYLOAD + 4096, 8192, WEIR_HOLE | WEIR_READS_ZERO },
                                        { PAYLOAD + 12288, 4096, WEIR_READS_ZERO },
                                        { PAYLOAD + 16384, SIZE, WEIR_HOLE } } };

    (void)state;
    assert_int_equal(ask(WEIR_EXTENTS, 0, SIZE, 0, &x, 0), 0);
    assert_int_equal(x.count, 4);
    assert_int_equal(x.list[0].offset, 0);
    assert_int_equal(x.list[0].length, 4096);
    assert_int_equal(x.list[1].offset, 4096);
    assert_int_equal(x.list[1].type, WEIR_HOLE);
    assert_int_equal(x.list[2].type, 0);
    assert_int_equal(x.list[3].offset, 16384);
    assert_int_equal(x.list[3].offset + x.list[3].length, SIZE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_read_that_cannot_be_decrypted_is_an_error_and_shows_nothing),
        TEST(test_an_error_below_is_the_request_s),
        TEST(test_what_cannot_be_encrypted_is_not_stored),
        TEST(test_a_write_leaves_the_client_s_bytes_as_they_are),
        TEST(test_a_partial_write_changes_its_own_bytes_only),
        TEST(test_a_locked_disk_does_nothing_but_flush),
        TEST(test_a_read_under_way_outlives_the_lock),
        TEST(test_a_trim_is_whole_sectors_or_nothing),
        TEST(test_extents_are_those_of_the_payload_and_never_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
