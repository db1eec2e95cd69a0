/* test-config-files.c - what is said of files that cannot be read, are none, or cannot be written?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What is wrong inside of files is config/bad-input.txt's. */
#include "config.h"
#include "gateway.h"
#include "site.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char weir_conf[] =
    "datastores = ( { name = \"ram\"; type = \"memory\"; } );\n"
    "include_policies = \"policies.d\";\n"
    "exports = ( { name = \"vm\"; datastore = \"ram\"; policy = \"p\"; } );\n";

static int setup(void **state)
{
    (void)state;
    site_begin();
    site_write("weir.conf", weir_conf);
    site_write("policies.d/p.conf", "filters = ( );\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_stop();
    site_end();
    return 0;
}

static void refuses(const char *file, const char *expected)
{
    struct mistakes m = { 0 };

    assert_int_equal(config_check(file, &m), -EINVAL);
    char *text = mistakes_text(&m);
    if (!strstr(text, expected))
        fail_msg("\"%s\" was not said, but:\n%s", expected, text);
    free(text);
    mistakes_finish(&m);
}

static void accepts(const char *file)
{
    struct mistakes m = { 0 };

    if (config_check(file, &m))
        fail_msg("%s", mistakes_text(&m));
}

/* ---- reading ----------------------------------------------------------------- */

static void a_file_is_a_file(void **state)
{
    (void)state;
    accepts("weir.conf");
    refuses("policies.d", "policies.d: error: this is a folder: name a file");
    refuses("nowhere/weir.conf", "nowhere/weir.conf: error: cannot be read: No such file");
    assert_int_equal(mkfifo("pipe", 0600), 0);
    refuses("pipe", "pipe: error: this is no regular file");
    assert_int_equal(mkfifo("policies.d/q.conf", 0600), 0);
    refuses("weir.conf", "policies.d/q.conf: error: this is no regular file");
    site_remove("policies.d/q.conf");
    assert_int_equal(mkdir("policies.d/q.conf", 0700), 0);
    refuses("weir.conf", "policies.d/q.conf: error: this is a folder: name a file");
    assert_int_equal(rmdir("policies.d/q.conf"), 0);
    assert_int_equal(symlink("q.conf", "policies.d/q.conf"), 0);
    refuses("weir.conf", "policies.d/q.conf: error: cannot be read: Too many levels");
    site_remove("policies.d/q.conf");
    assert_int_equal(truncate("weir.conf", 1 << 30), 0);
    refuses("weir.conf", "weir.conf: error: the file is too large: a configuration has at most");
}

static void a_folder_is_a_folder(void **state)
{
    (void)state;
    site_write("overrides.d", "");
    refuses("weir.conf", "overrides.d: error: the folder cannot be read: Not a directory");
    site_remove("overrides.d");
    site_remove("policies.d/p.conf");
    assert_int_equal(rmdir("policies.d"), 0);
    site_write("policies.d", "");
    refuses("weir.conf", "weir.conf:2:20: error: ");
}

/* Somebody's program wrote it, or means no good: libconfig would look for each name among all. */
static void a_file_of_too_many_settings(void **state)
{
    enum { IN_A_GROUP = 257, IN_A_FILE = (1 << 17) + 1 };
    char *text = NULL;
    size_t size;

    (void)state;
    FILE *f = open_memstream(&text, &size);
    for (int i = 0; i < IN_A_GROUP; i++)
        fprintf(f, "x%d = 0;\n", i);
    fclose(f);
    site_write("weir.conf", text);
    refuses("weir.conf", "weir.conf:257:1: error: the group has too many settings");
    free(text);
    f = open_memstream(&text, &size);
    fputs("x = ( 0", f);
    for (int i = 0; i < IN_A_FILE; i++)
        fputs(", 0", f);
    fputs(" );\n", f);
    fclose(f);
    site_write("weir.conf", text);
    refuses("weir.conf", "the file has too many settings");
    free(text);
}

/* ---- what files say together ------------------------------------------------- */

static void two_files_of_one_policy(void **state)
{
    (void)state;
    site_write("policies.d/a.conf", "name = \"p\"; filters = ( );\n");
    refuses("weir.conf", "policies.d/p.conf: error: policy \"p\" is defined a second time: the "
                         "first is in policies.d/a.conf");
    site_remove("policies.d/a.conf");
    site_write("policies.d/-.conf", "filters = ( );\n");
    refuses("weir.conf", "policies.d/-.conf: error: the policy has the name of its file, and the "
                         "name \"-\" does not begin with a letter or digit: add name = \"NAME\"");
}

static void an_empty_folder_of_keys(void **state)
{
    (void)state;
    site_write("weir.conf", "trusted_keys = \"\";\n");
    refuses("weir.conf", "weir.conf:1:16: error: \"trusted_keys\" is empty");
}

static void users_and_groups_have_names(void **state)
{
    (void)state;
    site_write("weir.conf", "datastores = ( { name = \"ram\"; type = \"memory\"; } );\n"
                            "exports = ( { name = \"vm\"; datastore = \"ram\";\n"
                            "  allow = [ \"uid:root\", \"gid:root\", \"uid:7\" ]; } );\n");
    struct mistakes m = { 0 };
    if (config_start("weir.conf", &m))
        fail_msg("%s", mistakes_text(&m));
    struct export *e = gateway_find("vm");
    assert_non_null(e);
    char **allow = export_config(e)->allow;
    assert_string_equal(allow[0], "uid:0");
    assert_string_equal(allow[1], "gid:0");
    assert_string_equal(allow[2], "uid:7");
    assert_null(allow[3]);
    export_unref(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_is_a_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_of_too_many_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(two_files_of_one_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_folder_of_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(users_and_groups_have_names, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
