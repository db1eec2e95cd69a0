/* test-config-options.c - does what is set for one export happen whole, and last?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "edits-site.h"

/* ---- one option -------------------------------------------------------------- */

static void an_option_is_set_and_lasts(void **state)
{
    (void)state;
    assert_int_equal(config_set_option("a", "cache", "block", "8K", NULL), 0);
    assert_file("overrides.d/a.conf",
                HEADER "options = (\n    { filter = \"cache\"; block = \"8K\"; }\n);\n");
    assert_int_equal(config_set_option("a", "cache", "depth", "12", NULL), 0);
    assert_int_equal(config_set_option("a", "cache", "block", "16K", NULL), 0);
    assert_int_equal(config_set_option("a", "cache", "scrub", "on", NULL), 0);
    assert_file("overrides.d/a.conf",
                HEADER "options = (\n    { filter = \"cache\"; scrub = \"on\"; depth = 12; block = "
                       "\"16K\"; }\n);\n");
    for (int i = 0; i < 2; i++) {
        assert_string_equal(option_of("a", "cache", "block"), "16K");
        assert_string_equal(option_of("a", "cache", "depth"), "12");
        assert_string_equal(option_of("a", "cache", "scrub"), "true");
        assert_string_equal(option_of("b", "cache", "block"), "4K");
        assert_compliance("a", COMPLIANT, "");
        edits_restart();
    }
    /* on top of what the policy says later */
    assert_int_equal(config_policy_set("gold",
                                       "filters = ( { filter = \"note\"; }, { filter = \"cache\"; "
                                       "depth = 5; } );",
                                       NULL),
                     0);
    assert_string_equal(option_of("a", "cache", "depth"), "12");
    assert_int_equal(config_set_option("a", "note", "number", "-4", NULL), 0);
    assert_file("overrides.d/a.conf",
                HEADER "options = (\n    { filter = \"cache\"; scrub = \"on\"; depth = 12; block = "
                       "\"16K\"; },\n    { filter = \"note\"; number = -4; }\n);\n");
    edits_restart();
    assert_string_equal(option_of("a", "note", "number"), "-4");
}

static void an_option_sleeps_without_its_filter(void **state)
{
    const char *with = "filters = ( { filter = \"cache\"; } );";

    (void)state;
    assert_int_equal(config_policy_set("plain", with, NULL), 0);
    assert_int_equal(config_set_option("e", "cache", "depth", "6", NULL), 0);
    assert_int_equal(config_policy_set("plain", "filters = ( );", NULL), 0);
    edits_restart();
    assert_compliance("e", COMPLIANT, "");
    assert_int_equal(config_policy_set("plain", with, NULL), 0);
    assert_string_equal(option_of("e", "cache", "depth"), "6");
}

static const struct {
    const char *export, *label, *option, *value;
    int err;
    const char *sentence;
} wrong_options[] = {
    { "z", "cache", "depth", "3", -ENOENT, "there is no export \"z\"" },
    { "a", "cash", "depth", "3", -ENOENT, "export \"a\" has no filter \"cash\"" },
    { "a", "cache", "depht", "3", -ENOENT,
      "there is no option \"depht\"; did you mean \"depth\"?" },
    { "a", "cache", "mode", "around", -EPERM,
      "option \"mode\" of filter \"cache\" cannot change while requests run: edit the policy "
      "instead" },
    { "a", "cache", "depth", "deep", -EINVAL,
      "\"deep\" is not a whole number: option \"depth\" takes digits only, such as 16" },
    { "a", "cache", "depth", "99", -ERANGE, "\"99\" is too large: option \"depth\" takes 1 to 64" },
    { "a", "cache", "depth", "3\n", -EINVAL,
      "\"3\n\" is not a whole number: option \"depth\" takes digits only, such as 16" },
};

static void a_wrong_option_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong_options / sizeof *wrong_options; i++) {
        struct weir_text why = { 0 };
        int err = config_set_option(wrong_options[i].export, wrong_options[i].label,
                                    wrong_options[i].option, wrong_options[i].value, &why);
        assert_string_equal(text_string(&why), wrong_options[i].sentence);
        assert_int_equal(err, wrong_options[i].err);
        text_finish(&why);
    }
    assert_string_equal(option_of("a", "cache", "depth"), "2");
    assert_file("overrides.d/a.conf", NULL);
}

/* ---- a text of one export's own ---------------------------------------------- */

static void an_unchanged_text_is_no_edit(void **state)
{
    struct weir_text text = { 0 };
    struct mistakes m = { 0 };

    (void)state;
    assert_int_equal(config_export_policy("b", &text), 0);
    assert_string_equal(
        text_string(&text),
        "# What export \"b\" runs with: policy \"gold\" (policies.d/gold.conf) and options of its "
        "own.\n"
        "# An edit here is for this export alone.\n"
        "plaintext_filters = false;\n"
        "hold_limit = \"30s\";\n"
        "on_filter_failure = \"lock\";\n"
        "filters = (\n"
        "    { filter = \"cache\";\n"
        "      # block = \"4K\";  # Bytes of one block.\n"
        "      # pool_size = \"1G\";  # Bytes of the pool.\n"
        "      # delay = \"5ms\";  # How long to wait.\n"
        "      # rate = \"max\";  # Bytes per second.\n"
        "      # ratio = \"0.5\";  # How full.\n"
        "      # scrub = false;  # Whether it looks again.\n"
        "      depth = 9;\n"
        "      # mode = \"around\";  # How writes go.\n"
        "      # pool = \"main\";  # Which pool.\n"
        "      # key = \"(secret)\";  # The pool's key.\n"
        "    }\n"
        ");\n");
    assert_int_equal(config_export_policy_check("b", text_string(&text), &m), 0);
    assert_int_equal(config_export_policy_set("b", text_string(&text), &m), 0);
    assert_file("overrides.d/b.conf", NULL);
    text_finish(&text);
}

static const char own_text[] = "// mine\n"
                               "filters = (\n"
                               "  { filter = \"note\" /* n */ },\n"
                               "  { filter = \"cache\" # c\n"
                               "    depth = 33 }\n"
                               ")";

static void an_own_text_is_kept_to_the_byte(void **state)
{
    struct weir_text text = { 0 };

    (void)state;
    assert_int_equal(config_export_policy_set("c/d", own_text, NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_file("overrides.d/c%2Fd.conf",
                    HEADER "// mine\nfilters = (\n  { filter = \"note\" /* n */ },\n"
                           "  { filter = \"cache\" # c\n    depth = 33 }\n)");
        assert_string_equal(option_of("c/d", "cache", "depth"), "33");
        text_clear(&text);
        assert_int_equal(config_export_policy("c/d", &text), 0);
        assert_string_equal(text_string(&text), own_text);
        assert_compliance("c/d", COMPLIANT, "");
        edits_restart();
    }
    /* options are changed in place, in the user's own text */
    assert_int_equal(config_set_option("c/d", "cache", "depth", "34", NULL), 0);
    assert_int_equal(config_set_option("c/d", "cache", "delay", "1ms", NULL), 0);
    assert_int_equal(config_set_option("c/d", "note", "number", "5", NULL), 0);
    text_clear(&text);
    assert_int_equal(config_export_policy("c/d", &text), 0);
    assert_string_equal(text_string(&text), "// mine\n"
                                            "filters = (\n"
                                            "  { filter = \"note\"; number = 5; /* n */ },\n"
                                            "  { filter = \"cache\"; delay = \"1ms\"; # c\n"
                                            "    depth = 34 }\n"
                                            ")");
    text_finish(&text);
    edits_restart();
    assert_string_equal(option_of("c/d", "cache", "delay"), "1ms");
    assert_string_equal(option_of("c/d", "note", "number"), "5");
}

static void a_wrong_own_text_changes_nothing(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    assert_refused(config_export_policy_set("a", "filters = (\n { filter = \"cahce\"; } );", &m),
                   &m, -EINVAL,
                   "exports/a/policy.conf:2:13: error: there is no filter \"cahce\" in filters; "
                   "did you mean \"cache\"?\n");
    assert_refused(config_export_policy_set("a", "", &m), &m, -EINVAL,
                   "exports/a/policy.conf: error: \"filters\" is missing: a policy needs it; "
                   "filters = ( ); is one without any\n");
    assert_refused(config_export_policy_set("a", "options = ();", &m), &m, -EINVAL,
                   "exports/a/policy.conf: error: \"filters\" is missing: a policy needs it; "
                   "filters = ( ); is one without any\n");
    assert_refused(config_export_policy_set("zz", "filters = ();", &m), &m, -ENOENT,
                   "exports: error: there is no export \"zz\"\n");
    assert_file("overrides.d/a.conf", NULL);
    assert_string_equal(option_of("a", "cache", "depth"), "2");
}

/* A key goes into the running chain, but never out of it. */
static void secrets_stay_inside(void **state)
{
    struct weir_text text = { 0 };

    (void)state;
    assert_int_equal(
        config_policy_set("gold", "filters = ( { filter = \"cache\"; key = \"hush\"; } );", NULL),
        0);
    assert_int_equal(config_export_policy("a", &text), 0);
    assert_null(strstr(text_string(&text), "hush"));
    char *shown = strstr(text_string(&text), "key = \"(secret)\"");
    assert_non_null(shown);
    /* saved with another change, it is still the same key */
    memcpy(strstr(text_string(&text), "hold_limit = \"30s\""), "hold_limit = \"31s\"", 18);
    assert_int_equal(config_export_policy_set("a", text_string(&text), NULL), 0);
    struct export *e = gateway_find("a");
    struct export_view v;
    assert_int_equal(export_view(e, &v), 0);
    const struct weir_option *key = option_find(v.filter[0].filter->options, "key");
    const char *config = settings_config(v.filter[0].settings);
    assert_string_equal(*(const char *const *)(config + key->at), "hush");
    assert_int_equal(v.plan.hold_limit, 31000000000);
    export_view_finish(&v);
    export_unref(e);
    text_finish(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        EDITS_TEST(an_option_is_set_and_lasts),
        EDITS_TEST(an_option_sleeps_without_its_filter),
        EDITS_TEST(a_wrong_option_changes_nothing),
        EDITS_TEST(an_unchanged_text_is_no_edit),
        EDITS_TEST(an_own_text_is_kept_to_the_byte),
        EDITS_TEST(a_wrong_own_text_changes_nothing),
        EDITS_TEST(secrets_stay_inside),
    };

    return edits_run("config-options", tests, sizeof tests / sizeof *tests);
}
