/* test-config-pools.c - who may name a pool, and what is a filter told when it changes?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "edits-site.h"

static const char conf[] = "datastores = ( { name = \"ram\"; type = \"memory\"; } );\n"
                           "pools = (\n"
                           "    { name = \"ssd\"; path = \"fast.pool\"; size = \"64M\"; },\n"
                           "    { name = \"nvme\"; path = \"/fast/other.pool\"; size = \"1G\"; }\n"
                           ");\n"
                           "exports = (\n"
                           "    { name = \"a\"; datastore = \"ram\"; policy = \"quick\"; },\n"
                           "    { name = \"b\"; datastore = \"ram\"; policy = \"plain\"; }\n"
                           ");\n"
                           "include_policies = \"policies.d\";\n";
static const char quick[] = "filters = ( { filter = \"pooled\"; pool = \"ssd\"; } );\n";

static int setup(void **state)
{
    (void)state;
    site_begin();
    site_write("weir.conf", conf);
    site_write("policies.d/quick.conf", quick);
    site_write("policies.d/plain.conf", "filters = ( );\n");
    edits_start();
    return 0;
}

static void write_with(const char *word, const char *other)
{
    cleanup_text struct weir_text text = { 0 };
    const char *at = strstr(conf, word);

    assert_non_null(at);
    weir_print(&text, "%.*s%s%s", (int)(at - conf), conf, other, at + strlen(word));
    site_write("weir.conf", text_string(&text));
}

static const char *stat_of(const char *stat)
{
    static char word[512];
    cleanup_text struct weir_text text = { 0 };
    struct export *e = gateway_find("a");

    assert_non_null(e);
    assert_int_equal(export_print_stat(e, "pooled", stat, &text), 0);
    export_unref(e);
    snprintf(word, sizeof word, "%s", text_string(&text));
    return word;
}

static int attached(void)
{
    return atoi(stat_of("attached"));
}

/* ---- what a filter is told ------------------------------------------------------ */

static void a_filter_is_told_where_its_pool_is(void **state)
{
    (void)state;
    assert_string_equal(stat_of("pool"), "ssd /fast.pool 67108864");
}

static void a_changed_pool_attaches_its_filters_anew_under_clients(void **state)
{
    struct export *e = gateway_find("a");
    int before = attached();

    (void)state;
    export_connected(e);
    write_with("64M", "128M");
    assert_int_equal(config_reload(NULL), 0);
    assert_string_equal(stat_of("pool"), "ssd /fast.pool 134217728");
    assert_int_equal(attached(), before + 1);
    write_with("fast.pool", "faster.pool");
    assert_int_equal(config_reload(NULL), 0);
    assert_string_equal(stat_of("pool"), "ssd /faster.pool 67108864");
    assert_int_equal(attached(), before + 2);
    export_disconnected(e);
    export_unref(e);
}

static void another_pool_that_changes_is_nothing_to_it(void **state)
{
    int before = attached();
    uint64_t generation = generation_of("a");

    (void)state;
    write_with("\"1G\"", "\"2G\"");
    assert_int_equal(config_reload(NULL), 0);
    assert_int_equal(attached(), before);
    assert_int_equal(generation_of("a"), generation);
}

/* It goes on with the pool that it had, though the change began with the new one. */
static void a_filter_that_refuses_its_changed_pool_keeps_the_old_one(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    write_with("64M", "99M");
    assert_refused(
        config_reload(&m), &m, -EIO,
        "policies.d/quick.conf: error: export \"a\" did not take the change: it dislikes "
        "pools of 99M\n");
    assert_string_equal(stat_of("pool"), "ssd /fast.pool 67108864");
}

/* A LIVE option may name what came after the filter was attached. */
static void a_new_pool_is_known_to_a_filter_that_stays(void **state)
{
    int before = attached();

    (void)state;
    write_with("    { name = \"nvme\"", "    { name = \"new\"; path = \"new.pool\"; size = "
                                        "\"1G\"; },\n    { name = \"nvme\"");
    assert_int_equal(config_reload(NULL), 0);
    assert_int_equal(config_set_option("a", "pooled", "other", "new", NULL), 0);
    assert_string_equal(stat_of("pool"), "ssd /fast.pool 67108864, new /new.pool 1073741824");
    assert_int_equal(attached(), before);
}

/* ---- who may name what ----------------------------------------------------------- */

static void a_pool_that_is_named_cannot_go(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    write_with("name = \"ssd\"", "name = \"sssd\"");
    assert_refused(config_reload(&m), &m, -EINVAL,
                   "policies.d/quick.conf:1:41: error: filter \"pooled\": there is no pool "
                   "\"ssd\"; did you mean \"sssd\"?\n");
    assert_string_equal(stat_of("pool"), "ssd /fast.pool 67108864");
}

static void an_edited_policy_names_pools_that_are_there(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    assert_refused(
        config_policy_set("plain",
                          "# mine\nfilters = ( { filter = \"pooled\"; pool = \"nvm\"; } );", &m),
        &m, -EINVAL,
        "policies/plain:2:41: error: filter \"pooled\": there is no pool \"nvm\"; did "
        "you mean \"nvme\"?\n");
    assert_int_equal(
        config_policy_set("plain", "filters = ( { filter = \"pooled\"; pool = \"\"; } );", NULL),
        0);
    assert_int_equal(config_policy_set(
                         "plain", "filters = ( { filter = \"pooled\"; pool = \"nvme\"; } );", NULL),
                     0);
}

static void an_exports_own_text_names_pools_that_are_there(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    assert_refused(
        config_export_policy_set("a", "filters = ( { filter = \"pooled\"; pool = \"z\"; } );", &m),
        &m, -EINVAL,
        "exports/a/policy.conf:1:41: error: filter \"pooled\": there is no pool \"z\": there are "
        "ssd, nvme\n");
}

static void a_written_option_names_a_pool_that_is_there(void **state)
{
    cleanup_text struct weir_text why = { 0 };

    (void)state;
    assert_int_equal(config_set_option("a", "pooled", "other", "NVMe", &why), -EINVAL);
    assert_string_equal(text_string(&why),
                        "filter \"pooled\": there is no pool \"NVMe\"; did you mean \"nvme\"?");
    assert_string_equal(option_of("a", "pooled", "other"), "");
    assert_int_equal(config_set_option("a", "pooled", "other", "nvme", NULL), 0);
    assert_string_equal(option_of("a", "pooled", "other"), "nvme");
    assert_int_equal(config_set_option("a", "pooled", "other", "", NULL), 0);
    edits_restart();
    assert_string_equal(option_of("a", "pooled", "other"), "");
}

/* ---- files that are not there ------------------------------------------------------ */

static const char sizeless[] = "there is no \"fast.pool\" yet: give the size that the file is to "
                               "have, such as size = \"64G\"";

static void a_file_to_be_made_needs_a_size(void **state)
{
    cleanup_text struct weir_text line = { 0 };
    struct mistakes m = { 0 };

    (void)state;
    weir_print(&line, "weir.conf:3:28: error: %s\n", sizeless);
    write_with(" size = \"64M\";", "");
    assert_refused(config_reload(&m), &m, -EINVAL, text_string(&line));
    assert_refused(config_check("weir.conf", &m), &m, -EINVAL, text_string(&line));
    site_write("fast.pool", "");
    assert_int_equal(config_check("weir.conf", NULL), 0);
    assert_int_equal(config_reload(NULL), 0);
    assert_string_equal(stat_of("pool"), "ssd /fast.pool 0");
}

/* One lost device must not keep a gateway, with all its other exports, from starting. */
static void a_lost_pool_does_not_stop_the_gateway(void **state)
{
    (void)state;
    site_write("fast.pool", "");
    write_with(" size = \"64M\";", "");
    assert_int_equal(config_reload(NULL), 0);
    site_remove("fast.pool");
    edits_restart();
    assert_string_equal(stat_of("pool"), "ssd /fast.pool 0");
    assert_int_equal(config_policy_set("plain", "filters = ( { filter = \"note\"; } );", NULL), 0);
}

static void a_policy_alone_is_not_blamed_for_names(void **state)
{
    (void)state;
    site_write("other.conf", "filters = ( { filter = \"pooled\"; pool = \"nowhere\"; } );\n");
    assert_int_equal(config_check("other.conf", NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, edits_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_filter_is_told_where_its_pool_is),
        TEST(a_changed_pool_attaches_its_filters_anew_under_clients),
        TEST(another_pool_that_changes_is_nothing_to_it),
        TEST(a_filter_that_refuses_its_changed_pool_keeps_the_old_one),
        TEST(a_new_pool_is_known_to_a_filter_that_stays),
        TEST(a_pool_that_is_named_cannot_go),
        TEST(an_edited_policy_names_pools_that_are_there),
        TEST(an_exports_own_text_names_pools_that_are_there),
        TEST(a_written_option_names_a_pool_that_is_there),
        TEST(a_file_to_be_made_needs_a_size),
        TEST(a_lost_pool_does_not_stop_the_gateway),
        TEST(a_policy_alone_is_not_blamed_for_names),
    };

    return edits_run("pools", tests, sizeof tests / sizeof *tests);
}
