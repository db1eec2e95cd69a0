/* test-header-crash.c - does a change of a header that is cut short leave a disk that opens?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What a change writes and flushes is recorded.  Each prefix of it, with any sectors of what
 * was not flushed yet, is judged.  The same with a flush left out must be caught, or the test
 * could not see a missing one. */
#include "header-rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TRIES = 24 };

static const struct header_format cheap = {
    .key_bits = 512, .sector = 512, .pbkdf = "pbkdf2", .pbkdf_ms = 1
};
static char why[HEADER_WHY];

struct world {
    struct rig *rig;
    struct secret volume;
    int version;
    uint64_t old_material; /* where the removed slot's is, and … */
    uint8_t material[RIG_SECTOR];
};

static struct world begin(int version)
{
    struct world w = { rig_create(), { 0 }, version, 0, { 0 } };

    rig_format(w.rig, version, 256, "old", &w.volume);
    return w;
}

static void end(struct world *w)
{
    secret_clear(&w->volume);
    rig_destroy(w->rig);
}

static void must_be(int r, int expected)
{
    if (r != expected)
        print_error("%d, not %d: %s\n", r, expected, why);
    assert_int_equal(r, expected);
}

static int add(struct world *w, const char *key)
{
    struct secret old = rig_secret("old"), new = rig_secret(key);
    struct header *header = NULL;
    int slot = -1;

    int r = header_open(&w->rig->medium, &header, why);
    if (!r)
        r = header_add_key(header, &old, &new, &cheap, &slot, why);
    header_close(header);
    secret_clear(&old);
    secret_clear(&new);
    return r;
}

static int drop(struct world *w, int slot)
{
    struct header *header = NULL;

    int r = header_open(&w->rig->medium, &header, why);
    if (!r)
        r = header_remove_slot(header, slot, why);
    header_close(header);
    return r;
}

/* All is as recorded, and every flush is seen to be missing when it is left out. */
static void replay(struct world *w, rig_judge *judge, int flushes)
{
    const char *wrong = rig_replay(w->rig, -1, TRIES, judge, w);

    if (wrong)
        fail_msg("LUKS%d: %s", w->version, wrong);
    assert_int_equal(rig_flush(w->rig, flushes), -1);
    for (int i = 0; i < flushes; i++)
        if (!rig_replay(w->rig, rig_flush(w->rig, i), TRIES, judge, w))
            fail_msg("LUKS%d: nobody misses flush %d", w->version, i);
}

/* ---- adding ------------------------------------------------------------------------- */

/* The other header alone has to do, too, once a change has returned.  On a copy, before a look at
 * both repairs one. */
static const char *without_primary(struct world *w, const char *key, int expected)
{
    if (w->version == 1)
        return NULL;
    uint8_t *head = test_malloc(RIG_HEAD);
    memcpy(head, w->rig->disk, RIG_HEAD);
    memset(w->rig->disk, 0xa5, 4096);
    int r = rig_look(w->rig, key, NULL, &w->volume).key[0];
    memcpy(w->rig->disk, head, RIG_HEAD);
    test_free(head);
    return r == expected ? NULL : "done, but the secondary header says something else";
}

static const char *judge_add(struct rig *rig, bool done, void *arg)
{
    struct world *w = arg;

    const char *wrong = done ? without_primary(w, "new", 0) : NULL;
    if (wrong)
        return wrong;
    struct rig_look look = rig_look(rig, "old", "new", &w->volume);
    if (look.open || look.key[0])
        return "the old key no longer opens";
    if (look.key[1] != (look.slots & 2 ? 0 : -EACCES))
        return "there is a new slot that the new key does not open";
    if (done && look.key[1])
        return "the new key does not open although it was added";
    return NULL;
}

static void test_adding_a_key_survives_any_crash(void **state)
{
    (void)state;
    for (int version = 1; version <= 2; version++) {
        struct world w = begin(version);
        must_be(add(&w, "new"), 0);
        replay(&w, judge_add, version == 1 ? 2 : 3);
        end(&w);
    }
}

/* ---- removing ------------------------------------------------------------------------ */

static void note_material(struct world *w)
{
    w->old_material = w->version == 1 ? 4096 : 32768;
    memcpy(w->material, w->rig->disk + w->old_material, RIG_SECTOR);
}

static const char *judge_remove(struct rig *rig, bool done, void *arg)
{
    struct world *w = arg;

    const char *wrong = done ? without_primary(w, "old", -EACCES) : NULL;
    if (wrong)
        return wrong;
    struct rig_look look = rig_look(rig, "new", "old", &w->volume);
    if (look.open || look.key[0])
        return "the key that stays no longer opens";
    if (look.slots & 1)
        return done ? "the removed slot is still there" : NULL;
    if (!look.key[1])
        return "there is no old slot, and its key opens";
    if (!memcmp(rig->disk + w->old_material, w->material, RIG_SECTOR))
        return "there is no old slot, but its material";
    return NULL;
}

static void test_removing_a_slot_survives_any_crash(void **state)
{
    (void)state;
    for (int version = 1; version <= 2; version++) {
        struct world w = begin(version);
        must_be(add(&w, "new"), 0);
        note_material(&w);
        rig_keep(w.rig);
        must_be(drop(&w, 0), 0);
        replay(&w, judge_remove, version == 1 ? 2 : 3);
        end(&w);
    }
}

/* ---- repair -------------------------------------------------------------------------- */

static const char *judge_repair(struct rig *rig, bool done, void *arg)
{
    struct world *w = arg;

    (void)done;
    return rig_look(rig, "old", NULL, &w->volume).key[0] ? "the repaired header does not open"
                                                         : NULL;
}

static void test_a_repair_survives_any_crash(void **state)
{
    (void)state;
    for (int copy = 0; copy < 2; copy++) {
        struct world w = begin(2);
        memset(w.rig->disk + (copy ? 0x4000 : 0) + 5000, 'x', 100);
        rig_keep(w.rig);
        assert_int_equal(rig_look(w.rig, "old", NULL, &w.volume).key[0], 0);
        assert_int_equal(w.rig->count, 2);
        const char *wrong = rig_replay(w.rig, -1, TRIES, judge_repair, &w);
        if (wrong)
            fail_msg("copy %d: %s", copy, wrong);
        end(&w);
    }
}

/* ---- formatting ---------------------------------------------------------------------- */

static const char *judge_format(struct rig *rig, bool done, void *arg)
{
    struct world *w = arg;
    struct header *header;

    bool copy = !memcmp(rig->disk + 0x4000, "SKUL", 4);
    int r = header_open(&rig->medium, &header, why);
    header_close(header);
    if (r == -ENODATA)
        return done ? "it was formatted, and nothing is there" : NULL;
    if (r)
        return "there is something, but no header";
    if (rig_look(rig, "old", NULL, &w->volume).key[0])
        return "there is a header that the key does not open";
    return done && !copy ? "the copy is missing" : NULL;
}

static void format(struct world *w, int expected)
{
    struct secret key = rig_secret("old");
    struct header *header;

    must_be(header_format(&w->rig->medium, &cheap, &key, &header, why), expected);
    header_close(header);
    secret_clear(&key);
}

static void test_a_format_is_there_in_whole_or_not_at_all(void **state)
{
    struct world w = { rig_create(), { 0 }, 2, 0, { 0 } };

    (void)state;
    format(&w, 0);
    w.volume = rig_volume(w.rig, "old");
    const char *wrong = rig_replay(w.rig, -1, TRIES, judge_format, &w);
    if (wrong)
        fail_msg("%s", wrong);
    assert_int_equal(rig_flush(w.rig, 3), -1);
    for (int i = 0; i < 3; i++)
        if (!rig_replay(w.rig, rig_flush(w.rig, i), TRIES, judge_format, &w))
            fail_msg("nobody misses flush %d", i);

    /* cut short before its header, it begins again, though the disk is not empty */
    for (int i = 0; i < rig_flush(w.rig, 1); i++)
        if (w.rig->ops[i].length)
            memcpy(w.rig->disk + w.rig->ops[i].offset, w.rig->ops[i].data, w.rig->ops[i].length);
    memset(w.rig->disk + 0x4000, 0, 4096);
    format(&w, 0);
    assert_int_equal(rig_look(w.rig, "old", NULL, &w.volume).key[0], -EKEYREJECTED);
    end(&w);
}

static void test_what_others_wrote_is_never_taken_for_a_cut_format(void **state)
{
    struct world w = { rig_create(), { 0 }, 2, 0, { 0 } };

    (void)state;
    w.rig->fail = 2; /* mark, flush */
    format(&w, -EIO);
    rig_keep(w.rig);
    static const uint64_t places[] = { 100, 600, 4095, 0x4000, 0x4001, 300000, 1 << 19 };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct header *header;
        rig_back(w.rig);
        must_be(header_open(&w.rig->medium, &header, why), -ENODATA);
        w.rig->disk[places[i]] ^= 0x81;
        must_be(header_open(&w.rig->medium, &header, why), -EMEDIUMTYPE);
    }
    end(&w);
}

/* ---- errors of the medium --------------------------------------------------------------- */

static void test_a_failed_add_leaves_the_old_key_and_can_be_repeated(void **state)
{
    (void)state;
    for (int version = 1; version <= 2; version++) {
        struct world w = begin(version);
        for (int i = 0; i < (version == 1 ? 4 : 6); i++) {
            rig_back(w.rig);
            w.rig->fail = i;
            must_be(add(&w, "lost"), -EIO);
            assert_int_equal(rig_look(w.rig, "old", NULL, &w.volume).key[0], 0);
            rig_back(w.rig);
            w.rig->fail = i;
            must_be(add(&w, "lost"), -EIO);
            must_be(add(&w, "new"), 0);
            struct rig_look look = rig_look(w.rig, "old", "new", &w.volume);
            assert_int_equal(look.key[0], 0);
            assert_int_equal(look.key[1], 0);
        }
        end(&w);
    }
}

static void test_a_failed_removal_leaves_the_other_key_and_can_be_repeated(void **state)
{
    (void)state;
    for (int version = 1; version <= 2; version++) {
        struct world w = begin(version);
        must_be(add(&w, "new"), 0);
        note_material(&w);
        rig_keep(w.rig);
        for (int i = 0; i < (version == 1 ? 4 : 6); i++) {
            rig_back(w.rig);
            w.rig->fail = i;
            must_be(drop(&w, 0), -EIO);
            struct rig_look look = rig_look(w.rig, "new", "old", &w.volume);
            assert_int_equal(look.key[0], 0);
            if (look.slots & 1)
                must_be(drop(&w, 0), 0);
            assert_null(judge_remove(w.rig, true, &w));
        }
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adding_a_key_survives_any_crash),
        cmocka_unit_test(test_removing_a_slot_survives_any_crash),
        cmocka_unit_test(test_a_repair_survives_any_crash),
        cmocka_unit_test(test_a_format_is_there_in_whole_or_not_at_all),
        cmocka_unit_test(test_what_others_wrote_is_never_taken_for_a_cut_format),
        cmocka_unit_test(test_a_failed_add_leaves_the_old_key_and_can_be_repeated),
        cmocka_unit_test(test_a_failed_removal_leaves_the_other_key_and_can_be_repeated),
    };

    rig_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
