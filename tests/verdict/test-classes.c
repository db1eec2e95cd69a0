/* test-classes.c - in which order do the filters of a policy stand?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

static struct library libraries[CHAIN_MAX];

/* A plan of filters named by the first letters of their classes: "i" inspection, "a"
 * capture, "r" replication, "c" compression, "e" encryption, "k" cache, "o" control; a
 * digit is a filter without a class. */
static const char letters[] = "-iarceko";

static struct plan plan_of(const char *wanted, bool plaintext)
{
    struct plan plan = { .plaintext_filters = plaintext };

    for (; *wanted; wanted++, plan.count++) {
        const char *found = strchr(letters, *wanted);
        struct library *l = &libraries[plan.count];
        *l = (struct library){ .users = 100 };
        l->filter.klass = found ? (enum weir_class)(found - letters) : WEIR_CLASS_NONE;
        plan.filter[plan.count] = (struct plan_filter){ .library = l };
        assert_true(asprintf(&plan.filter[plan.count].label, "%c", *wanted) > 0);
    }
    return plan;
}

static char why_not[256];

/* The order in which it stands, or NULL when it is refused. */
static const char *sorted(const char *wanted, bool plaintext)
{
    static char result[CHAIN_MAX + 1];
    struct weir_text why = { 0 };
    struct plan plan = plan_of(wanted, plaintext);
    int r = plan_sort(&plan, &why);

    memset(result, 0, sizeof(result));
    for (size_t i = 0; i < plan.count; i++)
        result[i] = plan.filter[i].label[0];
    snprintf(why_not, sizeof(why_not), "%s", text_string(&why));
    text_finish(&why);
    plan_finish(&plan);
    assert_true(r == 0 || r == -EEXIST);
    return r ? NULL : result;
}

static void shuffle(char *word, uint64_t *random)
{
    for (size_t n = strlen(word); n > 1; n--) {
        size_t k = next_random(random) % n;
        char c = word[n - 1];
        word[n - 1] = word[k];
        word[k] = c;
    }
}

static void test_class_gives_the_place_not_the_order_of_the_policy(void **state)
{
    uint64_t random = seed_of_test();
    char word[] = "iarceko";

    (void)state;
    for (int i = 0; i < 1000; i++) {
        shuffle(word, &random);
        assert_string_equal(sorted(word, false), "eiarcko");
        assert_string_equal(sorted(word, true), "iarceko");
    }
}

static void test_the_cache_is_below_encryption_in_both(void **state)
{
    (void)state;
    assert_string_equal(sorted("ke", false), "ek");
    assert_string_equal(sorted("ke", true), "ek");
}

static void test_one_without_a_class_stands_before_the_next(void **state)
{
    (void)state;
    assert_string_equal(sorted("1k2e3", false), "2e1k3");
    assert_string_equal(sorted("1k2e3", true), "2e1k3");
    assert_string_equal(sorted("12ok", false), "k12o");
    assert_string_equal(sorted("1ir2e", false), "2e1ir");
    assert_string_equal(sorted("1ir2e", true), "1ir2e");
    assert_string_equal(sorted("123", false), "123");
    assert_string_equal(sorted("", false), "");
}

static void test_two_of_a_class_are_refused(void **state)
{
    (void)state;
    for (const char *c = letters + 1; *c; c++) {
        char word[] = { '1', *c, '2', *c, '\0' };
        assert_null(sorted(word, false));
        assert_non_null(strstr(why_not, "at most one filter of a class"));
        assert_non_null(strstr(why_not, class_name((enum weir_class)(c - letters))));
    }
    assert_string_equal(sorted("1111", false), "1111");
}

/* The chain that is really walked. */
static void test_the_walk_follows_the_plan(void **state)
{
    (void)state;
    assert_int_equal(stage_open(3), 0);
    assert_int_equal(stage_apply((const int[]){ 2, 0, 1, -1 }), 0);
    forget();
    assert_int_equal(ask(WEIR_FLUSH, 0, 0, 0, NULL), 0);
    assert_string_equal(told(), "2>f 0>f 1>f s=f 1<f 0<f 2<f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_class_gives_the_place_not_the_order_of_the_policy),
        STAGE_TEST(test_the_cache_is_below_encryption_in_both),
        STAGE_TEST(test_one_without_a_class_stands_before_the_next),
        STAGE_TEST(test_two_of_a_class_are_refused),
        STAGE_TEST(test_the_walk_follows_the_plan),
    };
    return cmocka_run_group_tests_name("classes", tests, NULL, NULL);
}
