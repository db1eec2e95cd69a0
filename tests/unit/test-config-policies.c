/* test-config-policies.c - does an edit of a policy happen whole, for every export, and last?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "edits-site.h"

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
        edits_restart();
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
    edits_restart();
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

/* Who may speak to the control socket may send any bytes: these were written beyond their room. */
static void a_name_without_a_character_is_cut_within_its_room(void **state)
{
    struct mistakes m = { 0 };
    char name[301] = "";

    (void)state;
    for (size_t length = 1; length < sizeof name; length++) {
        memset(name, '\x80', length);
        assert_int_equal(config_policy_assign("a", name, &m), -ENOENT);
        assert_true(m.count == 1 && strlen(m.list[0].sentence) < 200);
        assert_memory_equal(m.list[0].sentence, "there is no policy \"", 20);
        assert_int_equal(m.list[0].sentence[strlen(m.list[0].sentence) - 1], '"');
        mistakes_finish(&m);
    }
}

static void a_mistake_is_one_line_without_commands_for_a_terminal(void **state)
{
    struct mistakes m = { 0 };

    (void)state;
    assert_refused(config_policy_assign("a", "x\n\r\x1b[2J\x7f\xc2\x9b\xc3\xaf", &m), &m, -ENOENT,
                   "policies: error: there is no policy "
                   "\"x\\n\\x0d\\x1b[2J\\x7f\\xc2\\x9b\xc3\xaf\"\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        EDITS_TEST(a_policy_changes_everywhere_and_lasts),
        EDITS_TEST(a_wrong_policy_changes_nothing),
        EDITS_TEST(an_empty_policy_is_no_policy),
        EDITS_TEST(one_refusal_puts_all_back),
        EDITS_TEST(a_filter_that_refuses_puts_all_back),
        EDITS_TEST(what_cannot_be_written_is_not_applied),
        EDITS_TEST(policies_come_and_go),
        EDITS_TEST(an_unapplied_edit_of_the_file_is_not_lost),
        EDITS_TEST(a_symbolic_link_stays_one),
        EDITS_TEST(a_policy_is_assigned_in_the_users_file),
        EDITS_TEST(a_name_without_a_character_is_cut_within_its_room),
        EDITS_TEST(a_mistake_is_one_line_without_commands_for_a_terminal),
    };

    return edits_run("config-policies", tests, sizeof tests / sizeof *tests);
}
