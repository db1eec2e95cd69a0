/* test-lease.c - is a cipher destroyed once, by the last who has it, and never before?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "lease.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* What stands for sector.c: a cipher knows who has it, and counts its end. */
struct sector_cipher {
    atomic_uint users;
};

static atomic_uint destroyed, destroyed_in_use;

void sector_cipher_destroy(struct sector_cipher *cipher)
{
    if (!cipher)
        return;
    if (atomic_load(&cipher->users))
        atomic_fetch_add(&destroyed_in_use, 1);
    atomic_fetch_add(&destroyed, 1);
    free(cipher);
}

static struct sector_cipher *new_cipher(void)
{
    struct sector_cipher *cipher = calloc(1, sizeof *cipher);

    assert_non_null(cipher);
    return cipher;
}

static int setup(void **state)
{
    static struct lease lease; /* one test at a time */

    atomic_store(&destroyed, 0);
    atomic_store(&destroyed_in_use, 0);
    *state = &lease;
    return lease_init(&lease);
}

static int teardown(void **state)
{
    lease_finish(*state);
    return 0;
}

static void test_nothing_is_lent_before_and_after(void **state)
{
    struct lease *l = *state;
    unsigned user;

    assert_null(lease_take(l, &user));
    assert_false(lease_lends(l));
    assert_int_equal(lease_open(l, new_cipher()), 0);
    assert_true(lease_lends(l));
    lease_close(l);
    assert_int_equal(destroyed, 1);
    assert_null(lease_take(l, &user));
    lease_close(l);
    assert_int_equal(destroyed, 1);
}

static void test_the_last_who_has_it_destroys_it(void **state)
{
    struct lease *l = *state;
    unsigned first, second;

    assert_int_equal(lease_open(l, new_cipher()), 0);
    assert_non_null(lease_take(l, &first));
    assert_non_null(lease_take(l, &second));
    lease_close(l);
    assert_true(lease_busy(l));
    lease_give(l, first);
    assert_int_equal(destroyed, 0);
    lease_give(l, second);
    assert_int_equal(destroyed, 1);
    assert_false(lease_busy(l));
}

static void test_no_other_is_lent_while_one_is_leaving(void **state)
{
    struct lease *l = *state;
    struct sector_cipher *next = new_cipher();
    unsigned user;

    assert_int_equal(lease_open(l, new_cipher()), 0);
    assert_non_null(lease_take(l, &user));
    lease_close(l);
    assert_int_equal(lease_open(l, next), -EBUSY);
    assert_false(lease_lends(l));
    lease_give(l, user);
    assert_int_equal(lease_open(l, next), 0);
    assert_ptr_equal(lease_take(l, &user), next);
    lease_give(l, user);
}

static void test_the_end_destroys_what_is_lent(void **state)
{
    struct lease l;

    (void)state;
    assert_int_equal(lease_init(&l), 0);
    assert_int_equal(lease_open(&l, new_cipher()), 0);
    lease_finish(&l);
    assert_int_equal(destroyed, 1);
}

/* ---- many at once ---------------------------------------------------------------- */

static atomic_bool stop;
static atomic_uint borrowed;

static void *borrow(void *argument)
{
    struct lease *l = argument;
    unsigned user;

    while (!atomic_load(&stop)) {
        struct sector_cipher *cipher = lease_take(l, &user);
        if (!cipher)
            continue;
        atomic_fetch_add(&cipher->users, 1);
        atomic_fetch_add(&borrowed, 1);
        atomic_fetch_sub(&cipher->users, 1);
        lease_give(l, user);
    }
    return NULL;
}

/* Opened and closed while four threads borrow, so often that one is mostly about to. */
static void test_each_is_destroyed_once_and_never_in_use(void **state)
{
    enum { THREADS = 4, ROUNDS = 3000 };
    const char *brief = getenv("WEIR_SHORT");
    const unsigned rounds = brief && *brief != '0' ? ROUNDS / 3 : ROUNDS;
    struct lease *l = *state;
    pthread_t threads[THREADS];

    atomic_store(&stop, false);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, borrow, l), 0);
    for (unsigned i = 0; i < rounds; i++) {
        struct sector_cipher *cipher = new_cipher();
        while (lease_open(l, cipher) == -EBUSY)
            usleep(10);
        for (unsigned begin = atomic_load(&borrowed); atomic_load(&borrowed) - begin < 50;)
            ;
        lease_close(l);
    }
    while (lease_busy(l))
        usleep(10);
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(destroyed, rounds);
    assert_int_equal(destroyed_in_use, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_lent_before_and_after, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_last_who_has_it_destroys_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_other_is_lent_while_one_is_leaving, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_end_destroys_what_is_lent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_is_destroyed_once_and_never_in_use, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
