/* test-abi.c - which shared objects does the loader take, and what does it say of others?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include "loader.h"

static char modules[512];
static struct weir_text why;

static int loader_setup(void **state)
{
    (void)state;
    snprintf(modules, sizeof(modules), "%s/tests/verdict/modules", getenv("WEIR_BUILD"));
    text_finish(&why);
    return loader_path(modules);
}

static int get(const char *name, struct library **library)
{
    text_clear(&why);
    return loader_get(name, library, &why);
}

/* The sentence, with %s for the path of the module. */
static void assert_refused(const char *name, int error, const char *sentence)
{
    struct library *library = NULL;
    char path[640], expected[1024];

    snprintf(path, sizeof(path), "%s/weir-filter-%s.so", modules, name);
    int r = get(name, &library);
    const char *split = strstr(sentence, "%s");
    if (split)
        snprintf(expected, sizeof(expected), "%.*s%s%s", (int)(split - sentence), sentence, path,
                 split + 2);
    else
        snprintf(expected, sizeof(expected), "%s", sentence);
    assert_string_equal(text_string(&why), expected);
    assert_int_equal(r, error);
    assert_null(library);
}

static void test_good(void **state)
{
    struct library *one, *two;

    (void)state;
    assert_int_equal(get("good", &one), 0);
    assert_int_equal(get("good", &two), 0);
    assert_ptr_equal(one, two);
    assert_string_equal(one->filter.name, "good");
    assert_non_null(one->filter.abort);
    assert_non_null(strstr(one->path, "/weir-filter-good.so"));
    loader_put(one);
    loader_put(two);
}

static void test_smaller_struct_lacks_its_last_fields(void **state)
{
    struct library *library;

    (void)state;
    assert_int_equal(get("smaller", &library), 0);
    assert_non_null(library->filter.down);
    assert_null(library->filter.abort); /* what lies behind their struct is not ours */
    loader_put(library);
}

static void test_larger_struct_is_cut(void **state)
{
    struct library *library;

    (void)state;
    assert_int_equal(get("larger", &library), 0);
    assert_non_null(library->filter.abort);
    loader_put(library);
}

static void test_rows_of_a_newer_weir_are_cut(void **state)
{
    struct library *library;

    (void)state;
    assert_int_equal(get("widerows", &library), 0);
    const struct weir_option *rows = library->filter.options;
    assert_string_equal(rows[0].name, "number");
    assert_string_equal(rows[1].name, "choice");
    assert_string_equal(rows[1].help, "Two.");
    assert_null(rows[2].name);
    loader_put(library);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *name;
        int error;
        const char *sentence;
    } rows[] = {
        { "magic", -ENOEXEC,
          "%s is not a weir filter: its weir_filter does not begin with the magic number" },
        { "abi-older", -ENOEXEC,
          "%s was built for filter ABI 0 and this gateway has ABI 1: rebuild or upgrade the "
          "filter" },
        { "abi-newer", -ENOEXEC,
          "%s was built for filter ABI 7 and this gateway has ABI 1: upgrade weir" },
        { "tiny", -ENOEXEC,
          "%s is not a weir filter: its struct weir_filter is too small to name its tables" },
        { "rows", -ENOEXEC, "%s is not a weir filter: the rows of its tables are too small" },
        { "nosymbol", -ENOEXEC,
          "%s is not a weir filter: it does not export the symbol weir_filter" },
        { "class", -ENOEXEC, "%s: class 99 is not known to this gateway: upgrade weir" },
        { "flag", -ENOEXEC,
          "%s: option number has a flag that this gateway does not know: upgrade weir" },
        { "option-name", -EINVAL,
          "%s: \"Number\" cannot name an option or a statistic: it takes a small letter, then "
          "small letters, digits and _" },
        { "stat-name", -EINVAL,
          "%s: \"re-quests\" cannot name an option or a statistic: it takes a small letter, then "
          "small letters, digits and _" },
        { "nameless", -ENOEXEC, "%s is not a weir filter: it has no name, summary or version" },
        { "promise", -ENOEXEC,
          "%s asks for something that this gateway does not know: upgrade weir" },
        { "unknown-op", -ENOEXEC,
          "%s asks for something that this gateway does not know: upgrade weir" },
        { "ops", -ENOEXEC, "%s is not a weir filter: its ops must have READ, WRITE and FLUSH" },
        { "align", -ENOEXEC, "%s is not a weir filter: its order_align is not a power of two" },
        { "misnamed", -ENOEXEC, "%s holds a filter named \"good\": rename the file or the filter" },
        { "choice", -EINVAL, "%s: option \"choice\" of the table is a choice without choices" },
        { "outside", -EINVAL,
          "%s: option \"number\" of the table lies outside of the config struct" },
        { "stat", -EINVAL, "%s: statistic count has no place in the filter's statistics" },
        { "value", -EINVAL, "%s: statistic now has no place in the filter's statistics" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_refused(rows[i].name, rows[i].error, rows[i].sentence);
}

static void test_a_wrong_default_names_file_row_and_range(void **state)
{
    struct library *library;

    (void)state;
    assert_int_equal(get("default", &library), -EINVAL);
    assert_non_null(strstr(text_string(&why), "weir-filter-default.so"));
    assert_non_null(strstr(text_string(&why), "\"number\""));
    assert_non_null(strstr(text_string(&why), "50"));
}

static void test_a_missing_function_is_named(void **state)
{
    struct library *library;

    (void)state;
    assert_int_equal(get("undefined", &library), -ENOEXEC);
    assert_non_null(strstr(text_string(&why), "weir_function_of_the_future"));
    assert_non_null(strstr(text_string(&why), "\"undefined\""));
}

static void test_a_missing_filter_names_folders_and_the_nearest(void **state)
{
    struct library *library;
    char expected[1024];

    (void)state;
    snprintf(expected, sizeof(expected),
             "there is no filter \"smalller\" in %s; did you mean "
             "\"smaller\"?",
             modules);
    assert_int_equal(get("smalller", &library), -ENOENT);
    assert_string_equal(text_string(&why), expected);
    assert_int_equal(get("../modules/good", &library), -ENOENT);
    assert_int_equal(get("", &library), -ENOENT);
}

static void test_names_are_sorted_and_once_each(void **state)
{
    char both[1100];

    (void)state;
    snprintf(both, sizeof(both), "%s:/nonexistent:%s", modules, modules);
    assert_int_equal(loader_path(both), 0);
    char **names = loader_names();
    assert_non_null(names);
    int goods = 0;
    for (char **n = names; *n; n++) {
        goods += strcmp(*n, "good") == 0;
        if (n[1])
            assert_true(strcmp(n[0], n[1]) < 0);
    }
    assert_int_equal(goods, 1);
    free(names);
}

/* ---- with files of the test's own -------------------------------------------- */

static void copy(const char *from, const char *folder, const char *name)
{
    char command[2048];

    snprintf(command, sizeof(command), "cp '%s/%s.so' '%s/new' && mv '%s/new' '%s/%s.so'", modules,
             from, folder, folder, folder, name);
    assert_int_equal(system(command), 0);
}

static void remove_copies(const char *folder)
{
    char command[512];

    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

static void test_a_file_that_is_no_shared_object(void **state)
{
    char folder[] = "/tmp/weir-abi.XXXXXX", path[64];
    struct library *library;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/weir-filter-text.so", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("hello\n", f);
    fclose(f);
    assert_int_equal(loader_path(folder), 0);
    assert_int_equal(get("text", &library), -ENOEXEC);
    assert_non_null(strstr(text_string(&why), path));
    remove_copies(folder);
}

static void test_a_refused_file_can_be_replaced(void **state)
{
    char folder[] = "/tmp/weir-abi.XXXXXX";
    struct library *library;

    (void)state;
    assert_non_null(mkdtemp(folder));
    copy("weir-filter-misnamed", folder, "weir-filter-swap");
    assert_int_equal(loader_path(folder), 0);
    assert_int_equal(get("swap", &library), -ENOEXEC);
    copy("swap", folder, "weir-filter-swap");
    assert_int_equal(get("swap", &library), 0);
    loader_put(library);
    remove_copies(folder);
}

static void test_refresh_loads_what_is_now_on_disk(void **state)
{
    char folder[] = "/tmp/weir-abi.XXXXXX";
    struct library *old, *new, *again;

    (void)state;
    assert_non_null(mkdtemp(folder));
    copy("weir-filter-good", folder, "weir-filter-good");
    assert_int_equal(loader_path(folder), 0);
    assert_int_equal(loader_refresh("good", &old, &why), 0);
    assert_string_equal(old->filter.version, "1");
    copy("upgrade", folder, "weir-filter-good"); /* renamed over, as an upgrade does it */
    assert_int_equal(get("good", &again), 0);
    assert_ptr_equal(again, old); /* not before somebody asks for it */
    loader_put(again);
    assert_int_equal(loader_refresh("good", &new, &why), 0);
    assert_string_equal(new->filter.version, "2");
    assert_string_equal(old->filter.version, "1"); /* beside what is in use */
    assert_int_equal(get("good", &again), 0);
    assert_ptr_equal(again, new);
    loader_put(old);
    loader_put(new);
    loader_put(again);
    remove_copies(folder);
}

#define ABI_TEST(f) cmocka_unit_test_setup(f, loader_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ABI_TEST(test_good),
        ABI_TEST(test_smaller_struct_lacks_its_last_fields),
        ABI_TEST(test_larger_struct_is_cut),
        ABI_TEST(test_rows_of_a_newer_weir_are_cut),
        ABI_TEST(test_refusals),
        ABI_TEST(test_a_wrong_default_names_file_row_and_range),
        ABI_TEST(test_a_missing_function_is_named),
        ABI_TEST(test_a_missing_filter_names_folders_and_the_nearest),
        ABI_TEST(test_names_are_sorted_and_once_each),
        ABI_TEST(test_a_file_that_is_no_shared_object),
        ABI_TEST(test_a_refused_file_can_be_replaced),
        ABI_TEST(test_refresh_loads_what_is_now_on_disk),
    };
    return cmocka_run_group_tests_name("abi", tests, NULL, NULL);
}
