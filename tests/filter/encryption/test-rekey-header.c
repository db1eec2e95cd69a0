/* test-rekey-header.c - does a deep rekey that is cut short leave a header that opens with the
 * right keys?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * As test-header-crash.c: what begin and end write and flush is recorded, and each prefix with any
 * sectors of what was not flushed is judged; and with a flush left out, which must be caught. */
#include "header-rekey.h"
#include "header-rig.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TRIES = 6, JOURNAL = 0xc0000, MATERIAL = 32768 };

static const struct header_format cheap = {
    .key_bits = 256, .sector = 512, .pbkdf = "pbkdf2", .pbkdf_ms = 1
};
static char why[HEADER_WHY];

struct world {
    struct rig *rig;
    struct secret key, old, next; /* the passphrase and the volume keys */
    struct header_rekey rekey;
    struct header *header;
};

static void must(int r)
{
    if (r)
        print_error("%d: %s\n", r, why);
    assert_int_equal(r, 0);
}

static void begin(struct world *w)
{
    uint8_t next[32];

    *w = (struct world){ .rig = rig_create(), .key = rig_secret("key") };
    rig_format(w->rig, 2, 256, "key", &w->old);
    for (size_t i = 0; i < sizeof next; i++)
        next[i] = (uint8_t)(i * 5 + 3);
    assert_int_equal(secret_copy(&w->next, next, sizeof next), 0);
    must(header_open(&w->rig->medium, &w->header, why));
    must(header_rekey_plan(w->header, 512, &w->rekey, why));
    assert_int_equal(w->rekey.journal, (16 << 20) - REKEY_JOURNAL);
    w->rekey.journal = JOURNAL; /* where the rig looks */
    memset(w->rig->disk + JOURNAL, 0x55, REKEY_JOURNAL);
    rig_keep(w->rig);
}

static void end(struct world *w)
{
    header_close(w->header);
    secret_clear(&w->key);
    secret_clear(&w->old);
    secret_clear(&w->next);
    rig_destroy(w->rig);
}

static void rekey_begin(struct world *w)
{
    must(header_rekey_begin(w->header, &w->key, 0, &cheap, &w->rekey, &w->next, why));
}

/* Does `r` say that there is a key, and is it this one? */
static bool is(int r, struct secret *seen, const struct secret *wanted)
{
    bool right = !r && seen->size == wanted->size && !memcmp(seen->data, wanted->data, seen->size);

    secret_clear(seen);
    return right;
}

/* Of a disk that is of both keys: begun, and neither ended. */
static const char *judge_both(struct world *w, struct header *h, const struct header_rekey *rekey)
{
    struct secret seen;
    int slot;

    if (memcmp(rekey->id, w->rekey.id, REKEY_ID) || rekey->journal != JOURNAL)
        return "the token is another one";
    if (!is(header_unlock(h, &w->key, &seen, &slot, why), &seen, &w->old) || slot != 0)
        return "the key does not open the old volume key";
    if (!is(header_rekey_unlock(h, rekey, &w->key, &seen, why), &seen, &w->next))
        return "the key does not open the new volume key";
    return NULL;
}

static const char *judge_begin(struct rig *rig, bool done, void *arg)
{
    struct world *w = arg;
    struct header_rekey rekey;
    struct secret seen;
    struct header *h;
    int slot;

    if (header_open(&rig->medium, &h, why))
        return "the header does not open";
    const char *wrong = NULL;
    if (!header_rekey_look(h, &rekey))
        wrong = rekey.done ? "it is done before it began" : judge_both(w, h, &rekey);
    else if (done)
        wrong = "it has begun, and the header does not say so";
    else if (!is(header_unlock(h, &w->key, &seen, &slot, why), &seen, &w->old))
        wrong = "the key does not open the old volume key, and no rekey has begun";
    header_close(h);
    return wrong;
}

static bool zero(const uint8_t *data, size_t size)
{
    return !*data && !memcmp(data, data + 1, size - 1);
}

/* The new key is the disk's; whoever comes now wipes what is left. */
static const char *judge_ended(struct world *w, struct header *h, bool done)
{
    struct header_rekey rekey;
    struct secret seen;
    int slot;

    if (!is(header_unlock(h, &w->key, &seen, &slot, why), &seen, &w->next))
        return "the key does not open the new volume key";
    if (slot != w->rekey.new_slot)
        return "another slot opens";
    bool left = !header_rekey_look(h, &rekey);
    if (done && left)
        return "all is done, and there is a token";
    if (header_rekey_clean(h, why) || !header_rekey_look(h, &rekey))
        return "the rest cannot be wiped";
    if (!zero(w->rig->disk + MATERIAL, 32 * 4000) || !zero(w->rig->disk + JOURNAL, REKEY_JOURNAL))
        return "the material of the old slot or the progress is still there";
    return NULL;
}

static const char *judge_end(struct rig *rig, bool done, void *arg)
{
    struct world *w = arg;
    struct header_rekey rekey;
    struct header *h;

    if (header_open(&rig->medium, &h, why))
        return "the header does not open";
    const char *wrong;
    if (!header_rekey_look(h, &rekey) && !rekey.done)
        wrong = done ? "it has ended, and the header does not say so" : judge_both(w, h, &rekey);
    else
        wrong = judge_ended(w, h, done);
    header_close(h);
    return wrong;
}

/* All is well, and each of the flushes in `needed` is missed. */
static void replay(struct world *w, rig_judge *judge, int flushes, unsigned needed)
{
    const char *wrong = rig_replay(w->rig, -1, TRIES, judge, w);

    if (wrong)
        fail_msg("%s (%s)", wrong, why);
    assert_int_not_equal(rig_flush(w->rig, flushes - 1), -1);
    assert_int_equal(rig_flush(w->rig, flushes), -1);
    for (int i = 0; i < flushes; i++)
        if (needed & 1u << i && !rig_replay(w->rig, rig_flush(w->rig, i), 4 * TRIES, judge, w))
            fail_msg("nobody misses flush %d", i);
}

static void test_a_crash_while_it_begins(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    rekey_begin(&w);
    replay(&w, judge_begin, 3, 1 | 2); /* material, primary, secondary */
    end(&w);
}

static void test_a_crash_while_it_ends(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    rekey_begin(&w);
    rig_keep(w.rig);
    must(header_rekey_end(w.header, &w.rekey, &w.next, why));
    /* primary, secondary, wiped, primary, secondary: were the second or the last but one missing,
     * the header before would do */
    replay(&w, judge_end, 5, 1 | 4);
    end(&w);
}

static void test_an_error_while_it_ends_is_made_good(void **state)
{
    struct world w;

    (void)state;
    for (int fail = 0; fail < 10; fail++) {
        begin(&w);
        rekey_begin(&w);
        rig_keep(w.rig);
        w.rig->fail = fail;
        int r = header_rekey_end(w.header, &w.rekey, &w.next, why);
        assert_true(r == 0 || r == -EIO);
        w.rig->fail = -1;
        struct header_rekey now;
        struct header *h;
        must(header_open(&w.rig->medium, &h, why));
        if (!header_rekey_look(h, &now))
            must(now.done ? header_rekey_clean(h, why)
                          : header_rekey_end(h, &w.rekey, &w.next, why));
        const char *wrong = judge_ended(&w, h, true);
        if (wrong)
            fail_msg("call %d: %s", fail, wrong);
        header_close(h);
        end(&w);
    }
}

static void test_luks1_is_refused(void **state)
{
    struct rig *rig = rig_create();
    struct header_rekey rekey;
    struct secret volume;
    struct header *h;

    (void)state;
    rig_format(rig, 1, 256, "key", &volume);
    must(header_open(&rig->medium, &h, why));
    assert_int_equal(header_rekey_plan(h, 512, &rekey, why), -ENOTSUP);
    assert_non_null(strstr(why, "cryptsetup convert --type luks2"));
    header_close(h);
    secret_clear(&volume);
    rig_destroy(rig);
}

static void test_another_passphrase_is_told_which_to_give(void **state)
{
    struct header_rekey rekey;
    struct secret other, seen;
    struct world w;
    int slot;

    (void)state;
    begin(&w);
    other = rig_secret("other");
    must(header_add_key(w.header, &w.key, &other, &cheap, &slot, why));
    rekey_begin(&w);
    must(header_rekey_look(w.header, &rekey));
    assert_int_equal(header_rekey_unlock(w.header, &rekey, &other, &seen, why), -EACCES);
    assert_non_null(strstr(why, "set the option key"));
    secret_clear(&other);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_crash_while_it_begins),
        cmocka_unit_test(test_a_crash_while_it_ends),
        cmocka_unit_test(test_an_error_while_it_ends_is_made_good),
        cmocka_unit_test(test_luks1_is_refused),
        cmocka_unit_test(test_another_passphrase_is_told_which_to_give),
    };

    rig_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
