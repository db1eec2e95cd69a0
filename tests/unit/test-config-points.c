/* test-config-points.c - what do a reload and edits mean to points of disks that clients have open?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "edits-site.h"

#include "dynamic.h"

static struct export *come(const char *name)
{
    struct export *base = dynamic_base(name), *e = NULL;

    assert_non_null(base);
    assert_int_equal(dynamic_open(base, name, &e, NULL), 0);
    export_unref(base);
    return e;
}

static int setup(void **state)
{
    edits_setup(state);
    dynamic_changes(NULL);
    return 0;
}

static int teardown(void **state)
{
    dynamic_stop();
    return edits_teardown(state);
}

static bool is_there(const char *name)
{
    struct export *found = gateway_find(name);

    export_unref(found);
    return found != NULL;
}

static void a_point_has_no_policy(void **state)
{
    struct mistakes m = { 0 };
    struct weir_text text = { 0 };
    char buffer[256];

    (void)state;
    struct export *e = come("e@one");
    assert_compliance("e@one", COMPLIANT, "");
    assert_string_equal(config_export_policy_name("e@one", buffer), "");
    assert_int_equal(config_export_policy("e@one", &text), 0);
    assert_string_equal(text_string(&text),
                        "# Export \"e@one\" has no policy of its own.  In front of it are the "
                        "filters of the policy of\n# \"e\" without which a disk cannot be read.\n");
    text_finish(&text);
    assert_refused(config_policy_assign("e@one", "gold", &m), &m, -EPERM,
                   "exports: error: export \"e@one\" is there because a client asked for it, and "
                   "has no policy of its own: edit that of \"e\"\n");
    assert_refused(config_export_policy_set("e@one", "filters = ( );", &m), &m, -EPERM,
                   "exports: error: export \"e@one\" is there because a client asked for it, and "
                   "has no policy of its own: edit that of \"e\"\n");
    assert_int_equal(config_set_option("e@one", "cache", "depth", "1", NULL), -EPERM);
    assert_int_equal(export_close(e), 0);
    assert_compliance("e@one", COMPLIANCE_UNKNOWN, "the export is closed");
    dynamic_leave(e);
    assert_compliance("e@one", COMPLIANCE_UNKNOWN, "there is no export \"e@one\"");
}

static void points_survive_a_reload(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    struct export *e = come("e@one"), *written = come("e@one+test");
    dynamic_leave(written);
    assert_int_equal(config_reload(&m), 0);
    assert_true(is_there("e@one"));
    /* what is said of the disk but where it is */
    site_write("exports.d/e.conf", "name = \"e\"; datastore = \"ram\"; policy = \"plain\"; "
                                   "description = \"new\"; allow = [ \"uid:0\" ];\n");
    assert_int_equal(config_reload(&m), 0);
    struct export *same = gateway_find("e@one"), *kept = gateway_find("e@one+test");
    assert_ptr_equal(same, e);
    assert_ptr_equal(kept, written);
    export_unref(same);
    export_unref(kept);
    dynamic_leave(e);
}

static void who_has_a_point_open_keeps_its_disk_where_it_is(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    struct export *e = come("e@one");
    site_write("exports.d/e.conf",
               "name = \"e\"; datastore = \"ram\"; policy = \"plain\"; image = \"other\";\n");
    assert_refused(
        config_reload(&m), &m, -EBUSY,
        "exports.d/e.conf:1:8: error: export \"e\" changes in more than its policy while "
        "1 client has it open: disconnect first\n");
    site_remove("exports.d/e.conf");
    assert_refused(config_reload(&m), &m, -EBUSY,
                   "exports.d/e.conf: error: export \"e\" is gone while 1 client has it open: "
                   "disconnect first\n");
    struct export *written = come("e@two+test");
    dynamic_leave(written); /* nobody has it open: it goes with the disk */
    dynamic_leave(e);
    assert_int_equal(config_reload(&m), 0);
    assert_false(is_there("e"));
    assert_false(is_there("e@two+test"));
    assert_int_equal(sample_open, 3);
}

/* A stop finds them closed. */
static void the_stop_closes_what_is_written(void **state)
{
    (void)state;
    dynamic_leave(come("e@one+test"));
    assert_int_equal(sample_open, 5);
    dynamic_stop();
    assert_int_equal(sample_open, 4);
    assert_false(is_there("e@one+test"));
}

/* What a source of replication opens. */
static void a_log_is_named_with_a_colon(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    site_write("exports.d/log.conf", "name = \"log:tenant/db\"; datastore = \"ram\";\n");
    assert_refused(config_reload(&m), &m, 0, "");
    assert_true(is_there("log:tenant/db"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_point_has_no_policy),
        TEST(points_survive_a_reload),
        TEST(who_has_a_point_open_keeps_its_disk_where_it_is),
        TEST(a_log_is_named_with_a_colon),
        TEST(the_stop_closes_what_is_written),
    };

    return edits_run("config-points", tests, sizeof tests / sizeof *tests);
}
