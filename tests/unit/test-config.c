/* test-config.c - does a configuration become the exports that it asks for?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"
#include "gateway.h"
#include "sample-stores.h"
#include "site.h"
#include "text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char weir_conf[] =
    "# a site\n"
    "datastores = ( { name = \"local\"; type = \"file\"; path = \"disks\"; latency = \"5ms\"; },\n"
    "               { name = \"ram\"; type = \"memory\"; } );\n"
    "exports = (\n"
    "    { name = \"vm1\"; description = \"the first\"; datastore = \"local\"; image = "
    "\"vm1.raw\";\n"
    "      size = \"20G\"; policy = \"gold\"; read_only = true; allow = [ \"uid:0\", \"tls\" ];\n"
    "      options = ( { filter = \"cache\"; depth = 9; } ); }\n"
    ");\n"
    "include_exports = \"exports.d\";\n"
    "include_policies = \"policies.d\";\n";
static const char gold_conf[] = "name = \"gold\"; description = \"fast\";\n"
                                "plaintext_filters = true;\n"
                                "hold_limit = \"10s\";\n"
                                "on_filter_failure = \"bypass\";\n"
                                "filters = (\n"
                                "    { filter = \"cache\"; pool = \"ssd\"; pool_size = \"2G\"; },\n"
                                "    { filter = \"note\"; },\n"
                                "    { filter = \"replication\"; target = \"nbds://dr/vm1\"; },\n"
                                "    { filter = \"note\"; label = \"last\"; number = 0x10; }\n"
                                ");\n";

static void write_site(void)
{
    site_write("weir.conf", weir_conf);
    site_write("policies.d/gold.conf", gold_conf);
    site_write("policies.d/plain.conf", "filters = ( );\n");
    site_write("exports.d/10-vm2.conf",
               "name = \"team/vm2\"; datastore = \"ram\"; size = 4096L;\n");
    site_write("exports.d/20-more.conf",
               "exports = ( { name = \"vm3\"; datastore = \"ram\"; },\n"
               "{ name = \"vm4\"; datastore = \"ram\"; policy = \"plain\" } )");
    site_write("exports.d/README", "not a configuration");
}

static int setup(void **state)
{
    (void)state;
    site_begin();
    write_site();
    sample_refuses = false;
    sample_opened = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_stop();
    site_end();
    return 0;
}

static void start(void)
{
    struct mistakes m = { 0 };

    if (config_start("weir.conf", &m))
        fail_msg("%s", mistakes_text(&m));
    assert_int_equal(m.count, 0);
}

static enum export_state state_of(const char *name)
{
    struct export *e = gateway_find(name);
    struct export_view v;

    assert_non_null(e);
    assert_int_equal(export_view(e, &v), 0);
    enum export_state state = v.state;
    export_view_finish(&v);
    export_unref(e);
    return state;
}

/* Conditions come true or the test's time limit ends it. */
static void wait_for_state(const char *name, enum export_state wanted)
{
    while (state_of(name) != wanted)
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
}

static void exports_are_made_from_all_files(void **state)
{
    (void)state;
    start();
    struct export **list = gateway_list();
    const char *names[] = { "team/vm2", "vm1", "vm3", "vm4" };
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(export_name(list[i]), names[i]);
    assert_null(list[4]);
    gateway_put_list(list);

    struct export *e = gateway_find("vm1");
    const struct export_config *c = export_config(e);
    assert_string_equal(c->description, "the first");
    assert_string_equal(c->datastore->name, "local");
    assert_string_equal(c->image, "vm1.raw");
    assert_string_equal(c->datastore->type->name, "file");
    assert_true(c->datastore->base[0] == '/');
    assert_int_equal(c->size, 20ull << 30);
    assert_true(c->read_only);
    assert_string_equal(c->allow[0], "uid:0");
    assert_string_equal(c->allow[1], "tls");
    assert_null(c->allow[2]);
    export_unref(e);
    e = gateway_find("team/vm2");
    assert_null(export_config(e)->allow);
    assert_int_equal(export_config(e)->size, 4096);
    /* a store that has points of its images finds one by the export's name */
    assert_string_equal(export_config(e)->image, "team/vm2");
    export_unref(e);
}

static void the_plan_has_policy_and_own_options(void **state)
{
    struct export_view v;
    struct weir_text text = { 0 };

    (void)state;
    start();
    struct export *e = gateway_find("vm1");
    assert_int_equal(export_view(e, &v), 0);
    assert_int_equal(v.count, 4);
    assert_string_equal(v.filter[0].label, "note");
    assert_string_equal(v.filter[1].label, "replication");
    assert_string_equal(v.filter[2].label, "cache");
    assert_string_equal(v.filter[3].label, "last");
    assert_true(v.plan.plaintext_filters);
    assert_int_equal(v.plan.hold_limit, 10000000000);
    assert_int_equal(v.plan.on_filter_failure, ON_FAILURE_BYPASS);
    settings_print(v.filter[2].settings, "depth", &text);
    settings_print(v.filter[2].settings, "pool", &text);
    settings_print(v.filter[2].settings, "pool_size", &text);
    settings_print(v.filter[3].settings, "number", &text);
    assert_string_equal(text_string(&text), "9ssd2G16");
    text_finish(&text);
    export_view_finish(&v);
    export_unref(e);
    e = gateway_find("vm3");
    assert_int_equal(export_view(e, &v), 0);
    assert_int_equal(v.count, 0);
    assert_int_equal(v.plan.hold_limit, 30000000000);
    export_view_finish(&v);
    export_unref(e);
}

static void all_are_opened_and_closed(void **state)
{
    (void)state;
    start();
    assert_int_equal(state_of("vm1"), EXPORT_CLOSED);
    config_open_all();
    assert_int_equal(sample_open, 4);
    assert_int_equal(state_of("vm1"), EXPORT_ACTIVE);
    config_stop();
    assert_int_equal(sample_open, 0);
    assert_null(gateway_find("vm1"));
    /* and once more in the same process */
    start();
    config_open_all();
    assert_int_equal(sample_open, 4);
}

static void a_locked_export_is_tried_again(void **state)
{
    struct weir_text why = { 0 };

    (void)state;
    sample_refuses = true;
    start();
    config_open_all();
    assert_int_equal(state_of("vm1"), EXPORT_LOCKED);
    assert_int_equal(config_compliance("vm1", &why), NON_COMPLIANT);
    assert_string_equal(text_string(&why), "locked: the datastore is away");
    text_finish(&why);
    sample_refuses = false;
    wait_for_state("vm1", EXPORT_ACTIVE);
    wait_for_state("vm4", EXPORT_ACTIVE);
    assert_int_equal(config_compliance("vm1", NULL), COMPLIANT);
}

static void a_missing_filter_locks_and_heals(void **state)
{
    struct weir_text why = { 0 };

    (void)state;
    site_write("policies.d/plain.conf", "filters = ( { filter = \"late\"; number = 5; } );\n");
    site_write("policies.d/gold.conf", "filters = ( { filter = \"cache\"; } );\n");
    assert_int_equal(loader_path("other:filters.d"), 0);
    site_write("filters.d/README", "still empty");
    start();
    config_open_all();
    assert_int_equal(state_of("vm3"), EXPORT_ACTIVE);
    assert_int_equal(state_of("vm4"), EXPORT_LOCKED);
    assert_int_equal(config_compliance("vm4", &why), NON_COMPLIANT);
    assert_string_equal(text_string(&why),
                        "locked: there is no filter \"late\" in other:filters.d");
    text_finish(&why);
    /* other changes go on meanwhile, and the stand-in has nothing to set */
    assert_int_equal(config_set_option("vm4", "late", "reason", "x", NULL), -EPERM);
    assert_int_equal(
        config_policy_set("gold", "filters = ( { filter = \"cache\"; depth = 3; } );", NULL), 0);
    assert_int_equal(config_reload(NULL), 0);
    assert_int_equal(config_policy_set("plain", "filters = ( { filter = \"later\"; } );", NULL),
                     -EINVAL);
    assert_int_equal(state_of("vm4"), EXPORT_LOCKED);
    assert_int_equal(
        symlink(SAMPLE_FILTERS "/weir-filter-late.so", "filters.d/weir-filter-late.so"), 0);
    wait_for_state("vm4", EXPORT_ACTIVE);
    assert_int_equal(config_set_option("vm4", "late", "number", "6", NULL), 0);
    assert_int_equal(config_compliance("vm4", NULL), COMPLIANT);
}

static void lists_and_views(void **state)
{
    struct policy_view p;
    struct datastore_view d;

    (void)state;
    start();
    char **names = config_policies();
    assert_string_equal(names[0], "gold");
    assert_string_equal(names[1], "plain");
    assert_null(names[2]);
    free(names);
    names = config_datastores();
    assert_string_equal(names[0], "local");
    assert_string_equal(names[1], "ram");
    assert_null(names[2]);
    free(names);
    assert_int_equal(config_policy("gold", &p), 0);
    assert_string_equal(p.text, gold_conf);
    assert_string_equal(p.description, "fast");
    assert_string_equal(p.exports[0], "vm1");
    assert_null(p.exports[1]);
    policy_view_finish(&p);
    assert_int_equal(config_policy("silver", &p), -ENOENT);
    assert_int_equal(config_datastore("local", &d), 0);
    assert_string_equal(d.type, "file");
    assert_string_equal(d.path, "disks");
    assert_int_equal(d.space.free, 400);
    assert_string_equal(d.exports[0], "vm1");
    datastore_view_finish(&d);
    assert_int_equal(config_datastore("ram", &d), 0);
    assert_string_equal(d.path, "");
    assert_string_equal(d.exports[0], "team/vm2");
    assert_string_equal(d.exports[2], "vm4");
    datastore_view_finish(&d);
    assert_int_equal(config_datastore("none", &d), -ENOENT);
}

static void the_builtin_text_works(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    assert_int_equal(config_start_text("datastores = ( { name = \"d\"; type = \"memory\"; } );"
                                       "exports = ( { name = \"disk\"; datastore = \"d\"; } );",
                                       "/tmp", &m),
                     0);
    config_open_all();
    assert_int_equal(state_of("disk"), EXPORT_ACTIVE);
    assert_int_equal(config_policy_assign("disk", "", &m), -EROFS);
    char *text = mistakes_text(&m);
    assert_string_equal(text, "built-in: error: the built-in configuration cannot be changed: "
                              "start with conf=FILE\n");
    free(text);
    mistakes_finish(&m);
    assert_int_equal(config_policy_set("x", "filters = ();", &m), -EROFS);
    text = mistakes_text(&m);
    assert_string_equal(text, "built-in: error: there is no folder to keep policy \"x\" in: add "
                              "include_policies = \"policies.d\"\n");
    free(text);
    mistakes_finish(&m);
}

static void check_tells_the_kinds_of_files_apart(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    assert_int_equal(config_check("weir.conf", &m), 0);
    assert_int_equal(config_check("policies.d/gold.conf", &m), 0);
    assert_int_equal(config_check("exports.d/10-vm2.conf", &m), 0);
    assert_int_equal(config_check("exports.d/20-more.conf", &m), -EINVAL); /* as a main file */
    mistakes_finish(&m);
    site_write("own.conf", "options = ();");
    assert_int_equal(config_check("own.conf", &m), -EINVAL);
    mistakes_finish(&m);
    assert_int_equal(config_check("nowhere.conf", &m), -EINVAL);
    mistakes_finish(&m);
    assert_int_equal(config_check("weir.conf", NULL), 0);
}

static void relative_names_survive_another_folder(void **state)
{
    char here[256];

    (void)state;
    start();
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir("/"), 0); /* as nbdkit does */
    assert_int_equal(config_reload(NULL), 0);
    assert_int_equal(config_compliance("vm1", NULL), COMPLIANCE_UNKNOWN);
    assert_int_equal(config_policy_set("plain", "filters = ( { filter = \"note\"; } );", NULL), 0);
    assert_int_equal(chdir(here), 0);
    char *text = site_read("policies.d/plain.conf");
    assert_string_equal(text, "filters = ( { filter = \"note\"; } );");
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(exports_are_made_from_all_files),
        TEST(the_plan_has_policy_and_own_options),
        TEST(all_are_opened_and_closed),
        TEST(a_locked_export_is_tried_again),
        TEST(a_missing_filter_locks_and_heals),
        TEST(lists_and_views),
        TEST(the_builtin_text_works),
        TEST(check_tells_the_kinds_of_files_apart),
        TEST(relative_names_survive_another_folder),
    };
    places_init("test", "/nowhere", "/nowhere", "");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    places_finish();
    return failed;
}
