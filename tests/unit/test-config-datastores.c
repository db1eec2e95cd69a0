/* test-config-datastores.c - what do all disks of a datastore share, and how does it change?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "edits-site.h"

static const char conf[] =
    "datastores = (\n"
    "    { name = \"ram\"; type = \"memory\"; },\n"
    "    { name = \"slow\"; type = \"file\"; path = \"disks\"; latency_threshold = \"5ms\";\n"
    "      exchange = \"shared/slow\";\n"
    "      emulate = { servers = 4; service_time = \"4ms\"; distribution = \"exponential\"; }; }\n"
    ");\n"
    "exports = (\n"
    "    { name = \"a\"; datastore = \"slow\"; },\n"
    "    { name = \"b\"; datastore = \"slow\"; },\n"
    "    { name = \"c\"; datastore = \"ram\"; }\n"
    ");\n";

static int setup(void **state)
{
    (void)state;
    site_begin();
    site_write("weir.conf", conf);
    edits_start();
    return 0;
}

/* A reference to the datastore that an export is on. */
static struct datastore *store_of(const char *export)
{
    struct export *e = gateway_find(export);

    assert_non_null(e);
    struct datastore *d = datastore_ref(export_config(e)->datastore);
    export_unref(e);
    return d;
}

static void edit(const char *word, const char *other)
{
    cleanup_text struct weir_text text = { 0 };
    char *now = site_read("weir.conf"), *at = strstr(now, word);

    assert_non_null(at);
    weir_print(&text, "%.*s%s%s", (int)(at - now), now, other, at + strlen(word));
    site_write("weir.conf", text_string(&text));
    free(now);
}

static void write_with(const char *word, const char *other)
{
    site_write("weir.conf", conf);
    edit(word, other);
}

/* ---- reading ------------------------------------------------------------------- */

static void a_datastore_is_one_object_of_all_its_exports(void **state)
{
    struct datastore *a = store_of("a"), *b = store_of("b"), *c = store_of("c");
    cleanup_text struct weir_text folder = { 0 }, exchange = { 0 };

    (void)state;
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    weir_print(&folder, "%s/disks", a->base);
    weir_print(&exchange, "%s/shared/slow", a->base);
    assert_string_equal(a->name, "slow");
    assert_int_equal(a->base[0], '/');
    assert_string_equal(a->folder, text_string(&folder));
    assert_string_equal(a->exchange, text_string(&exchange));
    assert_int_equal(a->latency_threshold, 5000000);
    assert_null(c->folder);
    assert_null(c->exchange);
    assert_int_equal(c->latency_threshold, 0);
    datastore_unref(a);
    datastore_unref(b);
    datastore_unref(c);
}

static void an_exchange_may_be_absolute_or_off(void **state)
{
    (void)state;
    write_with("shared/slow", "/mnt/slow");
    assert_int_equal(config_reload(NULL), 0);
    struct datastore *a = store_of("a");
    assert_string_equal(a->exchange, "/mnt/slow");
    datastore_unref(a);
    write_with("shared/slow", "none");
    assert_int_equal(config_reload(NULL), 0);
    a = store_of("a");
    assert_string_equal(a->exchange, "none");
    datastore_unref(a);
}

/* ---- reading again --------------------------------------------------------------- */

static void a_reload_changes_the_threshold_under_open_disks(void **state)
{
    struct export *e = gateway_find("a");
    struct datastore *before = store_of("a");

    (void)state;
    export_connected(e); /* a client need not go */
    write_with("\"5ms\"", "\"7ms\"");
    assert_int_equal(config_reload(NULL), 0);
    struct datastore *after = store_of("a");
    assert_ptr_equal(before, after);
    assert_int_equal(before->latency_threshold, 7000000);
    write_with("latency_threshold = \"5ms\";", "");
    assert_int_equal(config_reload(NULL), 0);
    assert_int_equal(before->latency_threshold, 0);
    export_disconnected(e);
    export_unref(e);
    datastore_unref(before);
    datastore_unref(after);
}

static void what_else_changes_waits_for_clients_to_go(void **state)
{
    static const char *const changes[][2] = {
        { "shared/slow", "shared/other" }, { "servers = 4", "servers = 5" },
        { "\"4ms\"", "\"3ms\"" },          { "exponential", "fixed" },
        { "\"disks\"", "\"other\"" },
    };
    struct export *e = gateway_find("b");
    struct datastore *before = store_of("b");
    struct mistakes m = { 0 };

    (void)state;
    export_connected(e);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        write_with(changes[i][0], changes[i][1]);
        assert_refused(
            config_reload(&m), &m, -EBUSY,
            "weir.conf:9:14: error: export \"b\" changes in more than its policy while 1 "
            "client has it open: disconnect first\n");
    }
    export_disconnected(e);
    export_unref(e);
    assert_int_equal(config_reload(NULL), 0);
    struct datastore *after = store_of("b");
    assert_ptr_not_equal(before, after);
    datastore_unref(before);
    datastore_unref(after);
}

/* A threshold is not applied when something else of the same reload is refused. */
static void a_refused_reload_leaves_the_threshold(void **state)
{
    struct datastore *d = store_of("a");
    struct export *e = gateway_find("c");

    (void)state;
    export_connected(e);
    write_with("\"5ms\"", "\"7ms\"");
    edit("datastore = \"ram\"", "datastore = \"slow\"");
    assert_int_equal(config_reload(NULL), -EBUSY);
    assert_int_equal(d->latency_threshold, 5000000);
    export_disconnected(e);
    export_unref(e);
    datastore_unref(d);
}

/* ---- setting it while it runs ----------------------------------------------------- */

#define OWN_FILE "overrides.d/datastores/slow.conf"
#define OWN_HEADER                                                                                 \
    "# Kept by weir: what was set for this datastore while it ran.  Set it through the mount.\n"

static int set(const char *name, const char *key, const char *value)
{
    return config_set_datastore(name, key, value, false, NULL);
}

static uint64_t threshold_of(const char *export)
{
    struct datastore *d = store_of(export);
    uint64_t threshold = d->latency_threshold;

    datastore_unref(d);
    return threshold;
}

static void a_threshold_set_while_it_runs_survives_a_restart(void **state)
{
    struct export *e = gateway_find("a");

    (void)state;
    export_connected(e);
    assert_int_equal(set("slow", "latency_threshold", "9ms"), 0);
    assert_int_equal(threshold_of("a"), 9000000);
    assert_file("weir.conf", conf); /* the user's file is the user's */
    assert_file(OWN_FILE, OWN_HEADER "latency_threshold = \"9ms\";\n");
    export_disconnected(e);
    export_unref(e);
    edits_restart();
    assert_int_equal(threshold_of("a"), 9000000);
    assert_int_equal(config_reload(NULL), 0);
    assert_int_equal(threshold_of("b"), 9000000);
    assert_int_equal(threshold_of("c"), 0);

    assert_int_equal(set("slow", "latency_threshold", "auto"), 0);
    assert_int_equal(threshold_of("a"), 0);
    assert_file(OWN_FILE, OWN_HEADER "latency_threshold = \"auto\";\n");
}

static void what_the_main_file_says_anyway_needs_no_file(void **state)
{
    (void)state;
    assert_int_equal(set("slow", "latency_threshold", "5ms"), 0);
    assert_file(OWN_FILE, NULL);
    assert_int_equal(set("slow", "latency_threshold", "9ms"), 0);
    assert_int_equal(set("slow", "latency_threshold", "5000us"), 0);
    assert_file(OWN_FILE, NULL);
    assert_int_equal(threshold_of("a"), 5000000);
    write_with("\"5ms\"", "\"7ms\""); /* now the main file rules again */
    assert_int_equal(config_reload(NULL), 0);
    assert_int_equal(threshold_of("a"), 7000000);
}

static void what_was_set_stands_above_the_main_file(void **state)
{
    (void)state;
    assert_int_equal(set("slow", "latency_threshold", "9ms"), 0);
    write_with("\"5ms\"", "\"7ms\"");
    assert_int_equal(config_reload(NULL), 0);
    assert_int_equal(threshold_of("a"), 9000000);
    site_remove(OWN_FILE);
    assert_int_equal(config_reload(NULL), 0);
    assert_int_equal(threshold_of("a"), 7000000);
}

static void a_check_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(config_set_datastore("slow", "latency_threshold", "9ms", true, NULL), 0);
    assert_int_equal(config_set_datastore("slow", "latency_threshold", "9s", true, NULL), -ERANGE);
    assert_int_equal(threshold_of("a"), 5000000);
    assert_file(OWN_FILE, NULL);
}

static void a_bad_key_or_value_is_refused_with_its_sentence(void **state)
{
    static const struct {
        const char *name, *key, *value;
        int err;
        const char *sentence;
    } rows[] = {
        { "slwo", "latency_threshold", "9ms", -ENOENT, "there is no datastore \"slwo\"" },
        { "slow", "latency_treshold", "9ms", -ENOENT,
          "there is no option \"latency_treshold\"; did you mean \"latency_threshold\"?" },
        { "slow", "latency_threshold", "9", -EINVAL,
          "\"9\" is not a time: option \"latency_threshold\" takes a number with a unit, such as "
          "500us, 5ms, 30s or 1h, or auto" },
        { "slow", "latency_threshold", "100us", -ERANGE,
          "\"100us\" is too small: option \"latency_threshold\" takes 200us to 100ms, or auto" },
        { "slow", "exchange", "none", -EPERM,
          "\"exchange\" of datastore \"slow\" cannot change while disks are open: edit weir.conf "
          "and reload" },
        { "slow", "emulate.servers", "8", -EPERM,
          "\"emulate.servers\" of datastore \"slow\" cannot change while disks are open: edit "
          "weir.conf and reload" },
        { "slow", "path", "/", -EPERM,
          "\"path\" of datastore \"slow\" cannot change while disks are open: edit weir.conf and "
          "reload" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cleanup_text struct weir_text why = { 0 };
        assert_int_equal(
            config_set_datastore(rows[i].name, rows[i].key, rows[i].value, false, &why),
            rows[i].err);
        assert_string_equal(text_string(&why), rows[i].sentence);
    }
    assert_int_equal(threshold_of("a"), 5000000);
    assert_file(OWN_FILE, NULL);
}

/* A file that somebody edited is not overwritten, and nothing is half applied. */
static void an_edited_own_file_is_not_overwritten(void **state)
{
    cleanup_text struct weir_text why = { 0 };

    (void)state;
    assert_int_equal(set("slow", "latency_threshold", "9ms"), 0);
    site_write(OWN_FILE, "latency_threshold = \"8ms\"; # mine\n");
    assert_int_equal(config_set_datastore("slow", "latency_threshold", "6ms", false, &why), -EBUSY);
    assert_non_null(strstr(text_string(&why), "was edited and not applied yet"));
    assert_int_equal(threshold_of("a"), 9000000);
    assert_int_equal(config_reload(NULL), 0);
    assert_int_equal(threshold_of("a"), 8000000);
}

static void a_wrong_own_file_is_named(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    site_write(OWN_FILE, OWN_HEADER "latency_threshold = \"5s\";\nexchange = \"none\";\n");
    assert_refused(config_reload(&m), &m, -EINVAL,
                   OWN_FILE ":2:21: error: \"5s\" is too large: option \"latency_threshold\" takes "
                            "200us to 100ms, or auto\n" OWN_FILE
                            ":3:1: error: a datastore's own file has no key \"exchange\": its keys "
                            "are latency_threshold\n");
    assert_int_equal(threshold_of("a"), 5000000);
}

/* Of a datastore that is gone: it sleeps, as an export's does. */
static void an_own_file_of_nobody_sleeps(void **state)
{
    (void)state;
    site_write("overrides.d/datastores/gone.conf", "latency_threshold = \"8ms\";\n");
    assert_int_equal(config_reload(NULL), 0);
    assert_int_equal(threshold_of("a"), 5000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, edits_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_datastore_is_one_object_of_all_its_exports),
        TEST(an_exchange_may_be_absolute_or_off),
        TEST(a_reload_changes_the_threshold_under_open_disks),
        TEST(what_else_changes_waits_for_clients_to_go),
        TEST(a_refused_reload_leaves_the_threshold),
        TEST(a_threshold_set_while_it_runs_survives_a_restart),
        TEST(what_the_main_file_says_anyway_needs_no_file),
        TEST(what_was_set_stands_above_the_main_file),
        TEST(a_check_changes_nothing),
        TEST(a_bad_key_or_value_is_refused_with_its_sentence),
        TEST(an_edited_own_file_is_not_overwritten),
        TEST(a_wrong_own_file_is_named),
        TEST(an_own_file_of_nobody_sleeps),
    };

    return edits_run("datastores", tests, sizeof tests / sizeof *tests);
}
