/* edits-site.c - what configuration do the tests of edits start from, and how do they look at it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "edits-site.h"

static const char weir_conf[] =
    "# who edits this keeps this comment\n"
    "datastores = ( { name = \"ram\"; type = \"memory\"; } );\n"
    "exports = (\n"
    "    { name = \"a\"; datastore = \"ram\"; policy = \"gold\"; }, # the first\n"
    "    { name = \"b\"; datastore = \"ram\"; policy = \"gold\";\n"
    "      options = ( { filter = \"cache\"; depth = 9; } ); },\n"
    "    { name = \"c/d\"; datastore = \"ram\" }\n"
    ");\n"
    "include_exports = \"exports.d\";\n"
    "include_policies = \"policies.d\";\n";
const char gold_conf[] = "filters = ( { filter = \"cache\"; depth = 2; } );\n";

void edits_start(void)
{
    struct mistakes m = { 0 };

    if (config_start("weir.conf", &m))
        fail_msg("%s", mistakes_text(&m));
    config_open_all();
}

void edits_restart(void)
{
    config_stop();
    edits_start();
}

int edits_setup(void **state)
{
    (void)state;
    site_begin();
    site_write("weir.conf", weir_conf);
    site_write("policies.d/gold.conf", gold_conf);
    site_write("policies.d/plain.conf", "name = \"plain\"; filters = ( );\n");
    site_write("exports.d/e.conf", "name = \"e\"; datastore = \"ram\"; policy = \"plain\";\n");
    edits_start();
    return 0;
}

int edits_teardown(void **state)
{
    (void)state;
    config_stop();
    site_end();
    return 0;
}

/* ---- looking ----------------------------------------------------------------- */

/* "cache depth=9" … of the running chain, one option of one filter. */
const char *option_of(const char *export, const char *label, const char *option)
{
    static char word[256];
    struct export *e = gateway_find(export);
    struct weir_text text = { 0 };
    struct export_view v;

    assert_non_null(e);
    assert_int_equal(export_view(e, &v), 0);
    strcpy(word, "(no such filter)");
    for (size_t i = 0; i < v.count; i++) {
        if (strcmp(v.filter[i].label, label))
            continue;
        settings_print(v.filter[i].settings, option, &text);
        snprintf(word, sizeof word, "%s", text_string(&text));
    }
    text_finish(&text);
    export_view_finish(&v);
    export_unref(e);
    return word;
}

uint64_t generation_of(const char *export)
{
    struct export *e = gateway_find(export);
    struct export_view v;

    assert_int_equal(export_view(e, &v), 0);
    uint64_t generation = v.generation;
    export_view_finish(&v);
    export_unref(e);
    return generation;
}

void assert_file(const char *file, const char *wanted)
{
    char *text = site_read(file);

    if (wanted && text)
        assert_string_equal(text, wanted);
    else
        assert_true(!wanted == !text);
    free(text);
}

/* The call's result and the sentences that it gave. */
void assert_refused(int err, struct mistakes *m, int wanted, const char *sentences)
{
    char *text = mistakes_text(m);

    assert_string_equal(text, sentences);
    assert_int_equal(err, wanted);
    free(text);
    mistakes_finish(m);
}

void assert_compliance(const char *export, enum compliance wanted, const char *reason)
{
    struct weir_text why = { 0 };

    assert_string_equal(compliance_name(config_compliance(export, &why)), compliance_name(wanted));
    assert_string_equal(text_string(&why), reason);
    text_finish(&why);
}

/* cmocka's own macro counts the tests where they are defined. */
int edits_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    places_init("test", "/nowhere", "/nowhere", "");
    int failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    places_finish();
    return failed;
}
