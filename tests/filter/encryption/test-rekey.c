/* test-rekey.c - does a crash at any point of a deep rekey lose a sector, and would a broken rule
 * be seen?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A small disk goes over to another key on a medium that records writes and flushes, while a
 * guest writes before and behind the position.  Each prefix of the record, with any sectors of what
 * was not flushed, in any order, is taken up by somebody else and brought to the end.  Then the
 * same with one rule of rekey-journal.h left out, which must be caught. */
#include "rekey-journal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum {
    CHUNK = 16 << 10,
    CHUNKS = 4,
    PAYLOAD = REKEY_JOURNAL,
    SIZE = CHUNKS * CHUNK - 4096, /* the last chunk is short */
    COMMIT = PAYLOAD + SIZE,      /* a sector for what the header says: is it all over? */
    DISK = COMMIT + 512,
    UNIT = 512,
    OPS = 256,
    GUEST = 8192, /* bytes of a guest's write at most */
};

enum rule {
    ALL_RULES,
    NO_FLUSH_BEFORE, /* these three as the flushes of a chunk come */
    NO_FLUSH_OF_RECORD,
    NO_FLUSH_OF_DATA,
    ONE_PLACE,
    GUEST_IN_PENDING,
    RULES
};

/* length 0: a flush */
struct op {
    uint64_t offset, length;
    uint8_t *data;
    uint8_t *plain; /* of a guest's write; or NULL */
};

struct world {
    struct header_medium medium;
    uint8_t disk[DISK];
    uint8_t before[DISK];
    uint8_t plain[SIZE]; /* what the guest has written */
    uint8_t plain_before[SIZE];
    struct op ops[OPS];
    int count;
    bool record;
    enum rule broken;
    int flushes; /* seen */
    int fail;    /* that many calls from now one fails, and all after it; -1: none */
    struct sector_cipher *old, *next;
    uint32_t sector;
};

static uint64_t seed_now;

static uint64_t dice(uint64_t n)
{
    uint64_t z = seed_now += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % n;
}

/* ---- the medium -------------------------------------------------------------------- */

static uint64_t bend(const struct world *w, uint64_t offset)
{
    return w->broken == ONE_PLACE && offset >= REKEY_RECORD && offset < PAYLOAD
               ? offset - REKEY_RECORD
               : offset;
}

static bool fails(struct world *w)
{
    if (w->fail > 0)
        w->fail--;
    return w->fail == 0;
}

static void note(struct world *w, const void *data, uint64_t length, uint64_t offset,
                 const uint8_t *plain)
{
    if (!w->record)
        return;
    assert_true(w->count < OPS);
    struct op *op = &w->ops[w->count++];
    *op = (struct op){ .offset = offset, .length = length };
    if (length) {
        op->data = malloc(length);
        memcpy(op->data, data, length);
    }
    if (plain) {
        op->plain = malloc(length);
        memcpy(op->plain, plain, length);
    }
}

static int world_read(void *arg, void *data, uint64_t length, uint64_t offset)
{
    struct world *w = arg;

    if (fails(w))
        return -EIO;
    memcpy(data, w->disk + bend(w, offset), length);
    return 0;
}

static int world_write(void *arg, const void *data, uint64_t length, uint64_t offset)
{
    struct world *w = arg;
    const bool torn = fails(w);

    offset = bend(w, offset);
    assert_true(offset + length <= DISK);
    for (uint64_t at = 0; at < length; at += UNIT)
        if (!torn || dice(2))
            memcpy(w->disk + offset + at, (const uint8_t *)data + at, UNIT);
    note(w, data, length, offset, NULL);
    return torn ? -EIO : 0;
}

static int world_flush(void *arg)
{
    struct world *w = arg;
    const enum rule this = NO_FLUSH_BEFORE + w->flushes++ % 3;

    if (fails(w))
        return -EIO;
    if (w->broken != this)
        note(w, NULL, 0, 0, NULL);
    return 0;
}

/* ---- the disk ---------------------------------------------------------------------- */

static struct sector_cipher *cipher(uint32_t sector, uint8_t salt)
{
    struct sector_cipher *c;
    struct secret key;
    uint8_t bytes[64];
    char why[256];

    for (int i = 0; i < 64; i++)
        bytes[i] = (uint8_t)(i * 7 + salt);
    assert_int_equal(secret_copy(&key, bytes, sizeof bytes), 0);
    assert_int_equal(sector_cipher_create("aes", "xts-plain64", &key, sector, &c, why, sizeof why),
                     0);
    secret_clear(&key);
    return c;
}

static struct rekey_work begin_work(struct world *w)
{
    struct rekey_work work = {
        .medium = &w->medium,
        .payload = PAYLOAD,
        .sector = w->sector,
        .old = w->old,
        .next = w->next,
        .id = "this rekey",
    };

    assert_int_equal(rekey_work_init(&work), 0);
    return work;
}

static struct world *world_create(uint32_t sector, enum rule broken)
{
    struct world *w = test_calloc(1, sizeof *w);

    w->medium = (struct header_medium){ w, DISK, false, world_read, world_write, world_flush };
    w->broken = broken;
    w->sector = sector;
    w->fail = -1;
    w->old = cipher(sector, 1);
    w->next = cipher(sector, 99);
    for (int i = 0; i < SIZE; i++)
        w->plain[i] = (uint8_t)dice(256);
    memcpy(w->plain_before, w->plain, SIZE);
    assert_int_equal(sector_encrypt(w->old, w->disk + PAYLOAD, w->plain, SIZE, 0), 0);
    return w;
}

static void world_destroy(struct world *w)
{
    for (int i = 0; i < w->count; i++) {
        free(w->ops[i].data);
        free(w->ops[i].plain);
    }
    sector_cipher_destroy(w->old);
    sector_cipher_destroy(w->next);
    test_free(w);
}

/* A write of a guest, somewhere on one side of the position, or at `from`. */
static void guest(struct world *w, uint64_t from, uint64_t to, struct sector_cipher *c)
{
    uint8_t hidden[GUEST], plain[GUEST];

    if (to - from < w->sector)
        return;
    uint64_t sectors = (to - from) / w->sector;
    uint64_t at = from + dice(sectors) * w->sector, length = (1 + dice(2)) * w->sector;
    if (length > to - at)
        length = to - at;
    for (uint64_t i = 0; i < length; i++)
        plain[i] = (uint8_t)dice(256);
    assert_int_equal(sector_encrypt(c, hidden, plain, length, at), 0);
    memcpy(w->disk + PAYLOAD + at, hidden, length);
    memcpy(w->plain + at, plain, length);
    note(w, hidden, length, PAYLOAD + at, plain);
}

static void guests(struct world *w, const struct rekey_work *work)
{
    for (uint64_t n = dice(4); n; n--)
        guest(w, 0, work->record.position, w->next);
    for (uint64_t n = dice(4); n; n--)
        guest(w, work->record.position, SIZE, w->old);
}

static uint32_t next_chunk(const struct rekey_work *work)
{
    uint64_t left = SIZE - work->record.position;

    return left < CHUNK ? (uint32_t)left : CHUNK;
}

static void convert_all(struct world *w, struct rekey_work *work)
{
    while (work->record.position < SIZE) {
        guests(w, work);
        if (w->broken == GUEST_IN_PENDING && dice(2)) { /* whose record may be on the medium */
            uint64_t from = work->record.position;
            w->fail = 4; /* the chunk is read, durable, the record written: its flush */
            assert_int_equal(rekey_chunk(work, next_chunk(work)), -EIO);
            w->fail = -1;
            guest(w, from, from + CHUNK / 2, w->old);
            assert_int_equal(rekey_chunk_finish(work), 0);
            continue;
        }
        assert_int_equal(rekey_chunk(work, next_chunk(work)), 0);
    }
    guests(w, work);
    const uint8_t over[UNIT] = { 1 };
    world_write(w, over, UNIT, COMMIT);
    note(w, NULL, 0, 0, NULL);
    guests(w, work);
}

/* ---- is it what it must be? ---------------------------------------------------------- */

static const char *compare(struct world *w, uint64_t position, const struct op *unsynced, int count,
                           const uint8_t *synced)
{
    static uint8_t seen[SIZE];

    if (position)
        assert_int_equal(sector_decrypt(w->next, seen, w->disk + PAYLOAD, position, 0), 0);
    if (position < SIZE)
        assert_int_equal(sector_decrypt(w->old, seen + position, w->disk + PAYLOAD + position,
                                        SIZE - position, position),
                         0);
    for (uint64_t at = 0; at < SIZE; at += UNIT) {
        bool right = !memcmp(seen + at, synced + at, UNIT);
        for (int i = 0; i < count && !right; i++) {
            const struct op *op = &unsynced[i];
            uint64_t from = op->offset - PAYLOAD;
            right = op->plain && at >= from && at < from + op->length &&
                    !memcmp(seen + at, op->plain + (at - from), UNIT);
        }
        if (!right)
            return "a sector is neither what was durable nor what was written since";
    }
    return NULL;
}

/* Somebody else takes the disk up: looks at it at once, and when he has brought it to the end. */
static const char *take_up(struct world *w, const struct op *unsynced, int count,
                           const uint8_t *synced)
{
    struct rekey_work work = begin_work(w);
    const char *wrong = NULL;

    if (w->disk[COMMIT])
        work.record.position = SIZE;
    else if (rekey_journal_load(&work))
        wrong = "no record can be read";
    else if (rekey_chunk_finish(&work))
        wrong = "the chunk under way cannot be finished";
    else
        wrong = compare(w, work.record.position, unsynced, count, synced);
    while (!wrong && work.record.position < SIZE)
        if (rekey_chunk(&work, next_chunk(&work)))
            wrong = "a chunk cannot be converted";
    if (!wrong)
        wrong = compare(w, SIZE, unsynced, count, synced);
    rekey_work_finish(&work);
    return wrong;
}

/* Ops before `from` have arrived; of the others up to `to` any sectors, in any order. */
static void lay(struct world *w, const struct op *ops, int from, int to, bool all)
{
    memcpy(w->disk, w->before, DISK);
    for (int i = 0; i < from; i++)
        memcpy(w->disk + ops[i].offset, ops[i].data ? ops[i].data : w->disk, ops[i].length);
    int order[OPS], n = to - from;
    for (int i = 0; i < n; i++)
        order[i] = from + i;
    for (int i = n - 1; i > 0 && !all; i--) {
        int j = (int)dice((uint64_t)i + 1), swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
    for (int i = 0; i < n; i++) {
        const struct op *op = &ops[order[i]];
        uint64_t odds = dice(9);
        for (uint64_t at = 0; at < op->length; at += UNIT)
            if (all || dice(8) < odds)
                memcpy(w->disk + op->offset + at, op->data + at, UNIT);
    }
}

static const char *replay(struct world *w, int tries)
{
    static uint8_t synced[SIZE];
    const char *wrong = NULL;

    w->record = false;
    memcpy(synced, w->plain_before, SIZE);
    for (int to = 0, from = 0; to <= w->count && !wrong; to++) {
        if (to && !w->ops[to - 1].length) {
            for (; from < to; from++) /* what guests wrote has arrived */
                if (w->ops[from].plain)
                    memcpy(synced + (w->ops[from].offset - PAYLOAD), w->ops[from].plain,
                           w->ops[from].length);
        }
        for (int turn = 0; turn < tries && !wrong; turn++) {
            lay(w, w->ops, from, to, turn == 0);
            wrong = take_up(w, w->ops + from, to - from, synced);
        }
    }
    return wrong;
}

static const char *play(uint32_t sector, enum rule broken, int tries)
{
    struct world *w = world_create(sector, broken);
    struct rekey_work work = begin_work(w);

    assert_int_equal(rekey_journal_create(&work), 0);
    memcpy(w->before, w->disk, DISK);
    w->record = true;
    w->flushes = 0;
    convert_all(w, &work);
    rekey_work_finish(&work);
    const char *wrong = replay(w, tries);
    world_destroy(w);
    return wrong;
}

static void test_a_crash_at_any_point_loses_nothing(void **state)
{
    (void)state;
    for (int round = 0; round < 6; round++) {
        const char *wrong = play(round % 2 ? 512 : 4096, ALL_RULES, 12);
        if (wrong)
            fail_msg("%s", wrong);
    }
}

static void test_each_rule_is_missed(void **state)
{
    (void)state;
    for (int rule = 1; rule < RULES; rule++) {
        const char *wrong = NULL;
        for (int round = 0; round < 20 && !wrong; round++)
            wrong = play(4096, (enum rule)rule, 12);
        if (!wrong)
            fail_msg("nobody misses rule %d", rule);
    }
}

/* ---- errors --------------------------------------------------------------------------- */

/* The call of each number fails in turn, and a write that fails is torn: what is pending then is
 * finished, and all of it is right. */
static void test_an_error_at_any_call_is_made_good(void **state)
{
    int failed = 1;

    (void)state;
    for (int call = 1; failed; call++) {
        struct world *w = world_create(call % 2 ? 512 : 4096, ALL_RULES);
        struct rekey_work work = begin_work(w);
        assert_int_equal(rekey_journal_create(&work), 0);
        w->fail = call;
        failed = 0;
        while (work.record.position < SIZE) {
            bool pending = rekey_pending(&work);
            int r = pending ? rekey_chunk_finish(&work) : rekey_chunk(&work, next_chunk(&work));
            if (r) {
                assert_int_equal(r, -EIO);
                failed++;
                /* fails again, at the next call or one later, and then no more */
                w->fail = failed == 1 ? 1 + (int)dice(4) : -1;
            }
        }
        w->fail = -1;
        const char *wrong = compare(w, SIZE, NULL, 0, w->plain);
        rekey_work_finish(&work);
        world_destroy(w);
        if (wrong)
            fail_msg("call %d: %s", call, wrong);
    }
}

static void test_a_chunk_that_was_not_touched_is_not_pending(void **state)
{
    struct world *w = world_create(512, ALL_RULES);
    struct rekey_work work = begin_work(w);
    uint32_t old, units;

    (void)state;
    assert_int_equal(rekey_journal_create(&work), 0);
    w->fail = 1; /* reading it */
    assert_int_equal(rekey_chunk(&work, CHUNK), -EIO);
    assert_false(rekey_pending(&work));
    w->fail = 2; /* making it durable */
    assert_int_equal(rekey_chunk(&work, CHUNK), -EIO);
    assert_false(rekey_pending(&work));
    w->fail = 3; /* writing its record, which may have arrived all the same */
    assert_int_equal(rekey_chunk(&work, CHUNK), -EIO);
    assert_true(rekey_pending(&work));
    w->fail = -1;
    assert_int_equal(rekey_chunk_look(&work, &old, &units), 0);
    assert_int_equal(old, CHUNK / UNIT);
    assert_int_equal(units, CHUNK / UNIT);
    assert_int_equal(rekey_chunk_finish(&work), 0);
    assert_int_equal(work.record.position, CHUNK);
    rekey_work_finish(&work);
    world_destroy(w);
}

static void test_records_of_another_rekey_are_none(void **state)
{
    struct world *w = world_create(512, ALL_RULES);
    struct rekey_work work = begin_work(w);

    (void)state;
    assert_int_equal(rekey_journal_create(&work), 0);
    assert_int_equal(rekey_chunk(&work, CHUNK), 0);
    assert_int_equal(rekey_journal_load(&work), 0);
    work.id[3] ^= 1;
    assert_int_equal(rekey_journal_load(&work), -EBADMSG);
    work.id[3] ^= 1;
    /* any damage of both is seen */
    w->disk[600 + REKEY_RECORD] ^= 1;
    assert_int_equal(rekey_journal_load(&work), 0);
    assert_int_equal(work.record.seq, 0);
    w->disk[47] ^= 1;
    assert_int_equal(rekey_journal_load(&work), -EBADMSG);
    rekey_work_finish(&work);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_crash_at_any_point_loses_nothing),
        cmocka_unit_test(test_each_rule_is_missed),
        cmocka_unit_test(test_an_error_at_any_call_is_made_good),
        cmocka_unit_test(test_a_chunk_that_was_not_touched_is_not_pending),
        cmocka_unit_test(test_records_of_another_rekey_are_none),
    };
    const char *seed = getenv("WEIR_TEST_SEED");
    char why[256];

    seed_now = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1;
    printf("WEIR_TEST_SEED=%llu\n", (unsigned long long)seed_now);
    if (secret_init(why, sizeof why)) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
