/* test-config-edits.c - does an edit of a running configuration happen whole, and last?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"
#include "gateway.h"
#include "sample-stores.h"
#include "site.h"
#include "text.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define HEADER                                                                                     \
    "# Kept by weir: what was set for this export while it ran.  Edit it through the mount.\n"

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
static const char gold_conf[] = "filters = ( { filter = \"cache\"; depth = 2; } );\n";

static void start(void)
{
    struct mistakes m = { 0 };

    if (config_start("weir.conf", &m))
        fail_msg("%s", mistakes_text(&m));
    config_open_all();
}

static void restart(void)
{
    config_stop();
    start();
}

static int setup(void **state)
{
    (void)state;
    site_begin();
    site_write("weir.conf", weir_conf);
    site_write("policies.d/gold.conf", gold_conf);
    site_write("policies.d/plain.conf", "name = \"plain\"; filters = ( );\n");
    site_write("exports.d/e.conf", "name = \"e\"; datastore = \"ram\"; policy = \"plain\";\n");
    start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_stop();
    site_end();
    return 0;
}

/* ---- looking ----------------------------------------------------------------- */

/* "cache depth=9" … of the running chain, one option of one filter. */
static const char *option_of(const char *export, const char *label, const char *option)
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

static uint64_t generation_of(const char *export)
{
    struct export *e = gateway_find(export);
    struct export_view v;

    assert_int_equal(export_view(e, &v), 0);
    uint64_t generation = v.generation;
    export_view_finish(&v);
    export_unref(e);
    return generation;
}

static void assert_file(const char *file, const char *wanted)
{
    char *text = site_read(file);

    if (wanted && text)
        assert_string_equal(text, wanted);
    else
        assert_true(!wanted == !text);
    free(text);
}

/* The call's result and the sentences that it gave. */
static void assert_refused(int err, struct mistakes *m, int wanted, const char *sentences)
{
    char *text = mistakes_text(m);

    assert_string_equal(text, sentences);
    assert_int_equal(err, wanted);
    free(text);
    mistakes_finish(m);
}

static void assert_compliance(const char *export, enum compliance wanted, const char *reason)
{
    struct weir_text why = { 0 };

    assert_string_equal(compliance_name(config_compliance(export, &why)), compliance_name(wanted));
    assert_string_equal(text_string(&why), reason);
    text_finish(&why);
}

/* ---- policies ---------------------------------------------------------------- */

static void a_policy_changes_everywhere_and_lasts(void **state)
{
    const char *text = "# faster\nfilters = ( { filter = \"cache\"; depth = 7; pool = \"x\"; } );";

    (void)state;
    assert_int_equal(config_policy_check("gold", text, NULL), 0);
    assert_string_equal(option_of("a", "cache", "depth"), "2");
    assert_file("policies.d/gold.conf", gold_conf);
    assert_int_equal(config_policy_set("gold", text, NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(option_of("a", "cache", "depth"), "7");
        assert_string_equal(option_of("a", "cache", "pool"), "x");
        assert_string_equal(option_of("b", "cache", "depth"), "9"); /* its own stays */
        assert_file("policies.d/gold.conf", text);
        assert_compliance("a", COMPLIANT, "");
        restart();
    }
}

static void a_wrong_policy_changes_nothing(void **state)
{
    struct mistakes m = { 0 };
    uint64_t generation = generation_of("a");
    int err = config_policy_set("gold",
                                "filters = (\n  { filter = \"cache\"; depht = 3; },\n"
                                "  { filter = \"tier\"; }\n);",
                                &m);

    (void)state;
    assert_refused(err, &m, -EINVAL,
                   "policies/gold:2:23: error: filter \"cache\": there is no option \"depht\"; did "
                   "you mean \"depth\"?\n"
                   "policies/gold:3:14: error: filters \"cache\" and \"tier\" are both of class "
                   "\"cache\": an export has one of a class\n");
    assert_int_equal(generation_of("a"), generation);
    assert_file("policies.d/gold.conf", gold_conf);
    assert_compliance("a", COMPLIANT, "");
}

static void an_empty_policy_is_no_policy(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    assert_int_equal(config_policy_set("gold", "", &m), -EINVAL);
    assert_int_equal(m.count, 1);
    assert_true(m.list[0].at_end); /* more of it could make it right */
    assert_refused(
        -EINVAL, &m, -EINVAL,
        "policies/gold: error: \"filters\" is missing: a policy needs it; filters = ( ); "
        "is one without any\n");
    assert_int_equal(config_policy_set("gold", "filters = ( { filter = \"ca", &m), -EINVAL);
    assert_true(m.list[0].at_end);
    mistakes_finish(&m);
    assert_int_equal(config_policy_set("gold", "filters = ( { filter = 5; } );", &m), -EINVAL);
    assert_false(m.list[0].at_end);
    mistakes_finish(&m);
}

static void one_refusal_puts_all_back(void **state)
{
    struct mistakes m = { 0 };
    struct export *b = gateway_find("b");

    (void)state;
    assert_int_equal(export_stun(b, NULL), 0);
    int err = config_policy_set("gold", "filters = ( { filter = \"cache\"; depth = 8; } );", &m);
    assert_int_equal(err, 0); /* b has a depth of its own, so nothing changes for it */
    err = config_policy_set("gold", "filters = ( { filter = \"cache\"; ratio = 0.25; } );", &m);
    assert_refused(err, &m, -EBUSY,
                   "policies.d/gold.conf: error: export \"b\" did not take the change: export b is "
                   "stunned: unstun it first\n");
    assert_string_equal(option_of("a", "cache", "ratio"), "0.5");
    assert_string_equal(option_of("a", "cache", "depth"), "8");
    assert_file("policies.d/gold.conf", "filters = ( { filter = \"cache\"; depth = 8; } );");
    export_unstun(b);
    export_unref(b);
}

static void a_filter_that_refuses_puts_all_back(void **state)
{
    struct mistakes m = { 0 };
    int err =
        config_policy_set("plain", "filters = ( { filter = \"stubborn\"; refuse = true; } );", &m);

    (void)state;
    assert_refused(
        err, &m, -EIO,
        "policies.d/plain.conf: error: export \"e\" did not take the change: it was told "
        "to refuse\n");
    assert_string_equal(option_of("e", "stubborn", "refuse"), "(no such filter)");
    assert_compliance("e", COMPLIANT, "");
}

static void what_cannot_be_written_is_not_applied(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    assert_int_equal(rename("policies.d", "moved"), 0);
    site_write("policies.d", "no folder any more");
    int err = config_policy_set("gold", "filters = ( { filter = \"cache\"; } );", &m);
    assert_refused(err, &m, -ENOTDIR,
                   "policies.d/gold.conf: error: cannot be read: Not a directory\n");
    assert_string_equal(option_of("a", "cache", "depth"), "2");
    err = config_policy_set("new", "filters = ( );", &m);
    assert_refused(err, &m, -ENOTDIR,
                   "policies.d/new.conf: error: cannot be read: Not a directory\n");
    char **names = config_policies();
    assert_string_equal(names[1], "plain");
    assert_null(names[2]);
    free(names);
}

static void policies_come_and_go(void **state)
{
    struct mistakes m = { 0 };
    struct policy_view view;

    (void)state;
    assert_int_equal(config_policy_set("silver", "filters = ( { filter = \"note\"; } );", &m), 0);
    assert_file("policies.d/silver.conf", "filters = ( { filter = \"note\"; } );");
    assert_int_equal(config_policy("silver", &view), 0);
    assert_null(view.exports[0]);
    policy_view_finish(&view);
    assert_int_equal(config_policy_remove("silver", &m), 0);
    assert_file("policies.d/silver.conf", NULL);
    assert_int_equal(config_policy("silver", &view), -ENOENT);
    assert_refused(config_policy_remove("silver", &m), &m, -ENOENT,
                   "policies: error: there is no policy \"silver\"\n");
    assert_refused(config_policy_remove("gold", &m), &m, -EBUSY,
                   "policies.d/gold.conf: error: policy \"gold\" is in use by \"a\", \"b\": assign "
                   "another one first\n");
    assert_refused(config_policy_set("../evil", "filters = ();", &m), &m, -EINVAL,
                   "policies: error: the name \"../evil\" does not begin with a letter or digit\n");
    assert_refused(config_policy_set("silver", "name = \"gold\"; filters = ();", &m), &m, -EINVAL,
                   "policies/silver:1:8: error: this is policy \"silver\", so its text cannot say "
                   "name = \"gold\": change or drop the line\n");
}

static void an_unapplied_edit_of_the_file_is_not_lost(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    site_write("policies.d/gold.conf", "filters = ( { filter = \"cache\"; depth = 3; } );");
    assert_compliance("a", OUT_OF_DATE,
                      "policies.d/gold.conf was edited and not applied yet: reload");
    assert_compliance("e", COMPLIANT, "");
    assert_refused(config_policy_set("gold", "filters = ( { filter = \"cache\"; } );", &m), &m,
                   -EBUSY,
                   "policies.d/gold.conf: error: the file was edited and not applied yet, which "
                   "this change would undo: reload first, or put the file back\n");
    assert_string_equal(option_of("a", "cache", "depth"), "2");
    assert_int_equal(config_reload(&m), 0);
    assert_string_equal(option_of("a", "cache", "depth"), "3");
    assert_compliance("a", COMPLIANT, "");
    assert_int_equal(config_policy_set("gold", "filters = ( { filter = \"cache\"; } );", &m), 0);
}

static void a_symbolic_link_stays_one(void **state)
{
    struct stat st;

    (void)state;
    site_write("elsewhere/gold", gold_conf);
    site_remove("policies.d/gold.conf");
    assert_int_equal(symlink("../elsewhere/gold", "policies.d/gold.conf"), 0);
    assert_int_equal(chmod("elsewhere/gold", 0604), 0);
    assert_int_equal(config_policy_set("gold", "filters = ( { filter = \"cache\"; } );", NULL), 0);
    assert_file("elsewhere/gold", "filters = ( { filter = \"cache\"; } );");
    assert_int_equal(lstat("policies.d/gold.conf", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat("policies.d/gold.conf", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0604);
}

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
        restart();
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
    restart();
    assert_string_equal(option_of("a", "note", "number"), "-4");
}

static void an_option_sleeps_without_its_filter(void **state)
{
    const char *with = "filters = ( { filter = \"cache\"; } );";

    (void)state;
    assert_int_equal(config_policy_set("plain", with, NULL), 0);
    assert_int_equal(config_set_option("e", "cache", "depth", "6", NULL), 0);
    assert_int_equal(config_policy_set("plain", "filters = ( );", NULL), 0);
    restart();
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
        restart();
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
    restart();
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

/* ---- assigning --------------------------------------------------------------- */

static void a_policy_is_assigned_in_the_users_file(void **state)
{
    struct mistakes m = { 0 };
    char name[256];

    (void)state;
    assert_int_equal(config_set_option("a", "cache", "depth", "6", NULL), 0);
    assert_int_equal(config_policy_assign("a", "plain", &m), 0);
    assert_string_equal(config_export_policy_name("a", name), "plain");
    assert_file("overrides.d/a.conf", NULL);
    assert_int_equal(config_policy_assign("c/d", "gold", &m), 0);
    char *conf = site_read("weir.conf");
    assert_non_null(strstr(conf, "# who edits this keeps this comment\n"));
    assert_non_null(strstr(conf, "policy = \"plain\"; }, # the first\n"));
    assert_non_null(strstr(conf, "{ name = \"c/d\"; policy = \"gold\"; datastore = \"ram\" }\n"));
    free(conf);
    restart();
    assert_string_equal(option_of("a", "cache", "depth"), "(no such filter)");
    assert_string_equal(option_of("c/d", "cache", "depth"), "2");
    assert_int_equal(config_policy_assign("e", "gold", &m), 0);
    assert_file("exports.d/e.conf", "name = \"e\"; datastore = \"ram\"; policy = \"gold\";\n");
    assert_refused(config_policy_assign("a", "glod", &m), &m, -ENOENT,
                   "policies: error: there is no policy \"glod\"\n");
    assert_refused(config_policy_assign("q", "gold", &m), &m, -ENOENT,
                   "exports: error: there is no export \"q\"\n");
    /* b's own options are for a filter that the other policy does not have */
    assert_refused(config_policy_assign("b", "plain", &m), &m, -EINVAL,
                   "weir.conf:6:30: error: the policy of this export has no filter \"cache\": "
                   "options are for a filter that is there\n");
    assert_string_equal(config_export_policy_name("b", name), "gold");
}

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
    restart();
    assert_string_equal(option_of("a", "cache", "depth"), "20");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_policy_changes_everywhere_and_lasts),
        TEST(a_wrong_policy_changes_nothing),
        TEST(an_empty_policy_is_no_policy),
        TEST(one_refusal_puts_all_back),
        TEST(a_filter_that_refuses_puts_all_back),
        TEST(what_cannot_be_written_is_not_applied),
        TEST(policies_come_and_go),
        TEST(an_unapplied_edit_of_the_file_is_not_lost),
        TEST(a_symbolic_link_stays_one),
        TEST(an_option_is_set_and_lasts),
        TEST(an_option_sleeps_without_its_filter),
        TEST(a_wrong_option_changes_nothing),
        TEST(an_unchanged_text_is_no_edit),
        TEST(an_own_text_is_kept_to_the_byte),
        TEST(a_wrong_own_text_changes_nothing),
        TEST(secrets_stay_inside),
        TEST(a_policy_is_assigned_in_the_users_file),
        TEST(reload_brings_and_takes_exports),
        TEST(reload_replaces_a_changed_export),
        TEST(a_closed_export_stays_closed),
        TEST(a_wrong_reload_changes_nothing),
        TEST(another_exports_edit_is_not_mine),
        TEST(changes_take_turns),
    };
    places_init("test", "/nowhere", "/nowhere", "");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    places_finish();
    return failed;
}
