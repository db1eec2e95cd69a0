/* test-versions.c - which version of a filter is the newer one?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "manifest.h"

/* Each is older than the next. */
static const char *const versions[] = {
    "0",
    "0.1",
    "0.1.0",
    "0.9",
    "1~~",
    "1~rc1",
    "1~rc10",
    "1",
    "1+git",
    "1.2~a",
    "1.2",
    "1.2.1",
    "1.9",
    "1.10",
    "1.10a",
    "1.10b",
    "2",
    "10",
    "20261123",
    "100000000000000000000",
    "100000000000000000001",
};

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void test_each_is_older_than_the_next(void **state)
{
    const int count = sizeof(versions) / sizeof(versions[0]);

    (void)state;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < count; k++)
            if (sign(version_compare(versions[i], versions[k])) != sign(i - k))
                fail_msg("%s and %s", versions[i], versions[k]);
}

static void test_zeroes_in_front_of_a_number_are_nothing(void **state)
{
    (void)state;
    assert_int_equal(version_compare("1.02", "1.2"), 0);
    assert_int_equal(version_compare("007", "7"), 0);
    assert_int_equal(sign(version_compare("1.0", "1.00.1")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_older_than_the_next),
        cmocka_unit_test(test_zeroes_in_front_of_a_number_are_nothing),
    };
    return cmocka_run_group_tests_name("versions", tests, NULL, NULL);
}
