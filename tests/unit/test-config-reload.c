/* test-config-reload.c - does a reload do what changed, and do changes take turns?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "edits-site.h"

/* ---- reading again ----------------------------------------------------------- */

static void wait_for_open(const char *name)
{
    while (config_compliance(name, NULL) != COMPLIANT)
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
}

static void reload_brings_and_takes_exports(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    struct export *a = gateway_find("a"), *e = gateway_find("e");
    site_write("exports.d/f.conf", "name = \"f\"; datastore = \"ram\"; policy = \"plain\";\n");
    site_remove("exports.d/e.conf");
    export_connected(e);
    assert_refused(config_reload(&m), &m, -EBUSY,
                   "exports.d/e.conf: error: export \"e\" is gone while 1 client has it open: "
                   "disconnect first\n");
    assert_null(gateway_find("f"));
    export_disconnected(e);
    export_unref(e);
    assert_int_equal(config_reload(&m), 0);
    wait_for_open("f");
    assert_null(gateway_find("e"));
    struct export *again = gateway_find("a");
    assert_ptr_equal(a, again); /* who did not change was not disturbed */
    export_unref(again);

    char *conf = site_read("weir.conf"), *other = strdup(conf);
    memcpy(strstr(other, "datastore = \"ram\"; policy"), "read_only = true , policy", 25);
    memcpy(strstr(other, "# the first"), "           ", 11);
    free(conf);
    site_write("weir.conf", other);
    free(other);
    assert_refused(config_reload(&m), &m, -EINVAL,
                   "weir.conf:4:5: error: \"datastore\" is missing: an export needs it\n");
    export_unref(a);
}

static void reload_replaces_a_changed_export(void **state)
{
    struct mistakes m = { 0 };
    struct export *e = gateway_find("e");

    (void)state;
    site_write("exports.d/e.conf",
               "name = \"e\"; datastore = \"ram\"; policy = \"plain\"; size = \"2M\";\n");
    assert_compliance("e", OUT_OF_DATE, "exports.d/e.conf was edited and not applied yet: reload");
    export_connected(e);
    assert_refused(
        config_reload(&m), &m, -EBUSY,
        "exports.d/e.conf:1:8: error: export \"e\" changes in more than its policy while "
        "1 client has it open: disconnect first\n");
    export_disconnected(e);
    assert_int_equal(config_reload(&m), 0);
    wait_for_open("e");
    struct export *new = gateway_find("e");
    assert_ptr_not_equal(e, new);
    assert_int_equal(export_config(new)->size, 2 << 20);
    export_unref(new);
    export_unref(e);
    assert_int_equal(sample_open, 4);
}

/* Who closed a disk does not want an edit, or the next try, to open it. */
static void a_closed_export_stays_closed(void **state)
{
    struct export *a = gateway_find("a");

    (void)state;
    assert_int_equal(export_close(a), 0);
    export_unref(a);
    assert_int_equal(
        config_policy_set("gold", "filters = ( { filter = \"cache\"; depth = 5; } );", NULL), 0);
    assert_string_equal(option_of("a", "cache", "depth"), "5");
    site_write("exports.d/f.conf", "name = \"f\"; datastore = \"ram\";");
    assert_int_equal(config_reload(NULL), 0);
    wait_for_open("f"); /* what was to be opened before it was */
    assert_compliance("a", COMPLIANCE_UNKNOWN, "the export is closed");
}

static void a_wrong_reload_changes_nothing(void **state)
{
    struct mistakes m = { 0 };
    uint64_t generation = generation_of("a");

    (void)state;
    site_write("policies.d/gold.conf", "filters = ( { filter = \"cache\"; depth = 3; } );");
    site_write("policies.d/plain.conf", "filters = ( ;");
    assert_refused(config_reload(&m), &m, -EINVAL,
                   "policies.d/plain.conf:1:13: error: \";\" is not expected here: a value is "
                   "missing\n");
    assert_int_equal(generation_of("a"), generation);
    assert_string_equal(option_of("a", "cache", "depth"), "2");
    site_remove("weir.conf");
    assert_refused(config_reload(&m), &m, -EINVAL,
                   "weir.conf: error: cannot be read: No such file or directory\n");
    assert_int_equal(generation_of("a"), generation);
}

/* One export's entry among others: only its own bytes make it out of date. */
static void another_exports_edit_is_not_mine(void **state)
{
    (void)state;
    char *conf = site_read("weir.conf");
    memcpy(strstr(conf, "depth = 9"), "depth = 8", 9);
    site_write("weir.conf", conf);
    free(conf);
    assert_compliance("a", COMPLIANT, "");
    assert_compliance("b", OUT_OF_DATE, "weir.conf was edited and not applied yet: reload");
    site_write("overrides.d/a.conf", "options = ( { filter = \"cache\"; depth = 3; } );");
    assert_int_equal(config_compliance("a", NULL), OUT_OF_DATE);
    assert_int_equal(config_reload(NULL), 0);
    assert_string_equal(option_of("a", "cache", "depth"), "3");
    assert_string_equal(option_of("b", "cache", "depth"), "8");
    assert_compliance("a", COMPLIANT, "");
    assert_compliance("b", COMPLIANT, "");
}

/* ---- many at once ------------------------------------------------------------ */

static void *set_depths(void *export)
{
    for (int i = 1; i <= 20; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        if (config_set_option(export, "cache", "depth", value, NULL))
            return "an option was refused";
    }
    return NULL;
}

static void *set_policies(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20; i++) {
        if (config_policy_set("gold",
                              i % 2 ? "filters = ( { filter = \"cache\"; } );"
                                    : "filters = ( { filter = \"note\"; }, { filter = \"cache\"; } "
                                      ");",
                              NULL))
            return "a policy was refused";
    }
    return NULL;
}

static void *look_around(void *unused)
{
    (void)unused;
    for (int i = 0; i < 40; i++) {
        struct weir_text text = { 0 };
        struct policy_view view;
        config_export_policy("a", &text);
        config_compliance("b", &text);
        if (!config_policy("gold", &view))
            policy_view_finish(&view);
        free(config_datastores());
        config_policy_check("gold", "filters = ( { filter = \"cache\"; } );", NULL);
        if (config_reload(NULL))
            return "a reload failed";
        text_finish(&text);
    }
    return NULL;
}

static void changes_take_turns(void **state)
{
    pthread_t threads[4];

    (void)state;
    assert_int_equal(pthread_create(&threads[0], NULL, set_depths, (void *)"a"), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, set_depths, (void *)"b"), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, set_policies, NULL), 0);
    assert_int_equal(pthread_create(&threads[3], NULL, look_around, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *problem;
        pthread_join(threads[i], &problem);
        if (problem)
            fail_msg("%s", (const char *)problem);
    }
    assert_string_equal(option_of("a", "cache", "depth"), "20");
    assert_string_equal(option_of("b", "cache", "depth"), "20");
    edits_restart();
    assert_string_equal(option_of("a", "cache", "depth"), "20");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        EDITS_TEST(reload_brings_and_takes_exports),  EDITS_TEST(reload_replaces_a_changed_export),
        EDITS_TEST(a_closed_export_stays_closed),     EDITS_TEST(a_wrong_reload_changes_nothing),
        EDITS_TEST(another_exports_edit_is_not_mine), EDITS_TEST(changes_take_turns),
    };

    return edits_run("config-reload", tests, sizeof tests / sizeof *tests);
}
