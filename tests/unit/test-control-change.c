/* test-control-change.c - what can be changed through the tree, and how is it refused?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control-ask.h"
#include "control-world.h"

#include <errno.h>
#include <json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- changes ----------------------------------------------------------------- */

#define OPTION "exports/vm1/filters/10-sample/options/"

static void every_live_option_can_be_written_and_read_back(void **state)
{
    static const struct {
        const char *option, *written, *read;
    } rows[] = {
        { "flag", "true\n", "true\n" },
        { "number", "42", "42\n" },
        { "bytes", "2G\n", "2G\n" },
        { "pause", "250us\n", "250us\n" },
        { "limit", "10k\n", "10k\n" },
        { "limit", "max\n", "max\n" },
        { "share", "0.25\n", "0.25\n" },
        { "share", "75%\n", "0.75\n" },
        { "word", "two words\n", "two words\n" },
        { "mode", "safe\n", "safe\n" },
    };
    struct json_object *answer = ask("list", "exports/vm1/filters/10-sample/options", NULL), *names;
    unsigned live = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), OPTION "%s", rows[i].option);
        granted(ask("check", path, rows[i].written));
        granted(ask("set", path, rows[i].written));
        holds(path, rows[i].read);
    }
    json_object_object_get_ex(answer, "names", &names);
    for (size_t i = 0; i < json_object_array_length(names); i++)
        live += strcmp(member(json_object_array_get_idx(names, i), "writable"), "true") == 0;
    assert_int_equal(live, 8);
    json_object_put(answer);
    has_event("severity=info export=vm1 text=\"option mode of vm1/sample set to safe by an unknown "
              "user\"");
}

#define THRESHOLD "datastores/local/latency_threshold"

static void the_threshold_of_a_datastore_can_be_written(void **state)
{
    (void)state;
    granted(ask("check", THRESHOLD, "9ms\n"));
    holds(THRESHOLD, "auto\n");
    granted(ask("set", THRESHOLD, "5ms\n"));
    holds(THRESHOLD, "5ms\n");
    has_event("severity=info text=\"latency_threshold of datastore local set to 5ms by an unknown "
              "user\"");
    refused(ask("set", THRESHOLD, "1s\n"), "ERANGE",
            "\"1s\" is too large: option \"latency_threshold\" takes 200us to 100ms, or auto");
    holds("exports/vm1/last_error",
          "\"1s\" is too large: option \"latency_threshold\" takes 200us to 100ms, or auto\n");
    refused(ask("check", THRESHOLD, "soon"), "EINVAL",
            "\"soon\" is not a time: option \"latency_threshold\" takes a number with a unit, such "
            "as 500us, 5ms, 30s or 1h, or auto");
    refused(ask("set", THRESHOLD, "1ms\n2ms\n"), "EINVAL", "one value on one line was expected");
    holds(THRESHOLD, "5ms\n");
    refused(ask("set", "datastores/local/emulate", "none"), "EACCES",
            "\"datastores/local/emulate\" can only be read");
    granted(ask("set", THRESHOLD, "auto"));
    holds(THRESHOLD, "auto\n");
    holds("exports/vm1/last_error", "");
}

static void a_bad_value_changes_nothing_and_is_kept(void **state)
{
    (void)state;
    granted(ask("set", OPTION "number", "20"));
    holds("exports/vm1/last_error", "");
    struct json_object *answer = ask("set", OPTION "number", "many\n");
    assert_string_equal(member(answer, "errno"), "EINVAL");
    char *kept = get("exports/vm1/last_error");
    kept[strlen(kept) - 1] = '\0';
    assert_string_equal(kept, member(answer, "message"));
    assert_non_null(strstr(kept, "many"));
    free(kept);
    json_object_put(answer);
    holds(OPTION "number", "20\n");

    answer = ask("set", OPTION "number", "1000");
    assert_string_equal(member(answer, "errno"), "ERANGE");
    json_object_put(answer);
    refused(ask("set", OPTION "number", "1\n2\n"), "EINVAL", "one value on one line was expected");
    refused(ask("check", OPTION "number", "13"), "EINVAL", "13 is not a lucky number");
    refused(ask("set", OPTION "fixed", "4"), "EPERM",
            "option fixed of vm1/sample cannot change while requests run: edit policy.conf");
    holds("exports/vm1/last_error",
          "option fixed of vm1/sample cannot change while requests run: edit policy.conf\n");
    /* a success ends the trouble */
    granted(ask("set", OPTION "number", "21"));
    holds("exports/vm1/last_error", "");
    /* a check is no change */
    refused(ask("check", OPTION "number", "13"), "EINVAL", "13 is not a lucky number");
    holds("exports/vm1/last_error", "");
}

static void what_can_only_be_read_is_EACCES(void **state)
{
    (void)state;
    refused(ask("set", "exports/vm1/state", "x"), "EACCES",
            "\"exports/vm1/state\" can only be read");
    refused(ask("set", "exports/vm1", "x"), "EISDIR",
            "\"exports/vm1\" is a folder: it cannot be written");
    refused(ask("remove", "exports/vm1", NULL), "EPERM",
            "\"exports/vm1\" cannot be removed; policies/NAME can");
}

static void policies_are_set_checked_and_removed(void **state)
{
    (void)state;
    granted(ask("set", "policies/gold", "name = 2;\n"));
    assert_string_equal(world_asked, "set gold name = 2;\n");
    granted(ask("set", "policies/silver", "new"));
    assert_string_equal(world_asked, "set silver new");
    granted(ask("check", "policies/gold", "maybe"));
    assert_string_equal(world_asked, "check gold maybe");
    granted(ask("remove", "policies/gold", NULL));
    assert_string_equal(world_asked, "remove gold ");
    refused(ask("remove", "policies/silver", NULL), "ENOENT", "\"silver\" is not in \"policies\"");
    granted(ask("set", "exports/vm1/policy", "gold\n"));
    assert_string_equal(world_asked, "assign vm1 gold");
    granted(ask("set", "exports/vm1/policy.conf", "x = 1;\n"));
    assert_string_equal(world_asked, "set-export vm1 x = 1;\n");
    granted(ask("check", "exports/vm1/policy", "gold\n"));
    refused(ask("check", "exports/vm1/policy", "lead\n"), "ENOENT", "there is no policy \"lead\"");
    assert_string_equal(world_asked, "set-export vm1 x = 1;\n");
    has_event("text=\"policy gold set by an unknown user\"");
}

/* They end up in files of one line, in logs and on terminals. */
static void names_and_reasons_are_one_line(void **state)
{
    static const struct {
        const char *line, *sentence;
    } lines[] = {
        { "{\"op\":\"do\",\"verb\":\"lock\",\"export\":\"vm1\",\"reason\":\"a\\nb\"}",
          "\"reason\" has the control character 0x0a: it takes one line of text" },
        { "{\"op\":\"do\",\"verb\":\"lock\",\"export\":\"vm1\",\"reason\":\"\\u001b[2J\"}",
          "\"reason\" has the control character 0x1b: it takes one line of text" },
        { "{\"op\":\"do\",\"verb\":\"snapshot\",\"export\":\"vm1\",\"name\":\"\\u007f\"}",
          "\"name\" has the control character 0x7f: it takes one line of text" },
        { "{\"op\":\"do\",\"verb\":\"clone\",\"export\":\"vm1\",\"name\":\"a\\rb\"}",
          "\"name\" has the control character 0x0d: it takes one line of text" },
        { "{\"op\":\"do\",\"verb\":\"migrate\",\"export\":\"vm1\",\"name\":\"a\\tb\"}",
          "\"name\" has the control character 0x09: it takes one line of text" },
        { "{\"op\":\"do\",\"verb\":\"assign\",\"export\":\"vm1\",\"policy\":\"gold\\n\"}",
          "\"policy\" has the control character 0x0a: it takes one line of text" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        refused_line(lines[i].line, "EINVAL", lines[i].sentence);
    holds("exports/vm1/state", "active\n");
}

static void mistakes_come_with_their_place(void **state)
{
    static const char sentence[] =
        "gold.conf:3:14: error: \"shres\" is no option; did you mean \"shares\"?";

    (void)state;
    world_answers = -EINVAL;
    struct json_object *answer = ask("set", "policies/gold", "bad");
    world_answers = 0;
    assert_string_equal(member(answer, "file"), "gold.conf");
    assert_string_equal(member(answer, "line"), "3");
    assert_string_equal(member(answer, "column"), "14");
    assert_string_equal(member(answer, "at_end"), "true");
    refused(answer, "EINVAL", sentence);
    /* a policy has no folder: the exports that name it tell */
    char *kept = get("exports/vm1/last_error");
    assert_memory_equal(kept, sentence, sizeof(sentence) - 1);
    free(kept);
    holds("exports/" ODD_PATH "/last_error", "");
    granted(ask("set", "policies/gold", "good"));
    holds("exports/vm1/last_error", "");
}

/* weirfs checks in write(): the refusal is the last word, and nobody sets that text. */
static void a_final_check_is_kept(void **state)
{
    static const char line[] = "{\"op\":\"check\",\"path\":\"policies/gold\",\"text\":\"bad\","
                               "\"keep\":true}";
    static const char sentence[] =
        "gold.conf:3:14: error: \"shres\" is no option; did you mean \"shares\"?";

    (void)state;
    world_answers = -EINVAL;
    refused_line(line, "EINVAL", sentence);
    holds("exports/vm1/last_error", ""); /* more text may come */
    world_at_end = false;
    refused(ask("check", "policies/gold", "bad"), "EINVAL", sentence);
    holds("exports/vm1/last_error", "");
    refused_line(line, "EINVAL", sentence);
    world_answers = 0;
    world_at_end = true;
    char *kept = get("exports/vm1/last_error");
    assert_memory_equal(kept, sentence, sizeof(sentence) - 1);
    free(kept);
    granted(ask_line(line, strlen(line))); /* is no change, and cures nothing */
    granted(ask("set", "policies/gold", "good"));
    holds("exports/vm1/last_error", "");
}

static void verbs_of_filters_answer(void **state)
{
    (void)state;
    struct json_object *answer = ask("set", "exports/vm1/filters/10-sample/ctl", "echo a  b\n");
    assert_string_equal(member(answer, "text"), "you said: a  b");
    granted(answer);
    holds("exports/vm1/filters/10-sample/ctl", "you said: a  b\n");
    holds("exports/vm1/filters/20-pass/ctl", "");
    refused(ask("set", "exports/vm1/filters/10-sample/ctl", "refuse\n"), "EBUSY", "not today");
    holds("exports/vm1/filters/10-sample/ctl", "not today\n");
    holds("exports/vm1/last_error", "not today\n");
    refused(ask("set", "exports/vm1/filters/10-sample/ctl", "what"), "EINVAL",
            "the first word is no verb of filter sample; it has echo, refuse");
    refused(ask("set", "exports/vm1/filters/20-pass/ctl", "what"), "EOPNOTSUPP",
            "filter pass has no verbs");
    refused(ask("check", "exports/vm1/filters/10-sample/ctl", ""), "EINVAL",
            "the first word is no verb of filter sample; it has echo, refuse");
}

static void verbs_of_stores_answer(void **state)
{
    (void)state;
    struct json_object *answer = ask("set", "exports/vm1/store/ctl", "echo a  b\n");
    assert_string_equal(member(answer, "text"), "the store heard: a  b");
    granted(answer);
    holds("exports/vm1/store/ctl", "the store heard: a  b\n");
    holds("exports/vm1/filters/10-sample/ctl", "");
    holds("exports/" ODD_PATH "/store/ctl", "");
    has_event("severity=info export=vm1 text=\"verb echo of vm1/store run by an unknown user\"");
    refused(ask("set", "exports/vm1/store/ctl", "echo"), "EINVAL", "the store heard: ");
    refused(ask("set", "exports/vm1/store/ctl", "what"), "EINVAL",
            "the first word is no verb of a store of type disk; it has echo");
}

static void what_is_no_verb_is_not_repeated(void **state)
{
    (void)state;
    for (int i = 1; i <= 2; i++) {
        const char *path =
            i == 1 ? "exports/vm1/filters/10-sample/ctl" : "exports/vm1/filters/20-pass/ctl";
        struct json_object *answer = ask("set", path, "hunter2 is my passphrase\n");
        assert_null(strstr(json_object_to_json_string(answer), "hunter2"));
        json_object_put(answer);
    }
    has_event("refused: verb that is none of vm1/sample run");
    char *events = get("events");
    assert_null(strstr(events, "hunter2"));
    free(events);
    holds("exports/vm1/last_error", "filter pass has no verbs\n");
}

/* ---- do
 * ------------------------------------------------------------------------------------------------
 */

#define DO(members) ask_text("{\"op\":\"do\"," members "}")

static void verbs_of_exports_are_done(void **state)
{
    (void)state;
    granted(DO("\"verb\":\"grow\",\"export\":\"vm1\",\"size\":\"2M\""));
    holds("exports/vm1/size_bytes", "2097152\n");
    granted(DO("\"verb\":\"grow\",\"export\":\"vm1\",\"size\":4194304"));
    holds("exports/vm1/size_bytes", "4194304\n");
    granted(DO("\"verb\":\"lock\",\"export\":\"vm1\",\"reason\":\"a drill\""));
    holds("exports/vm1/state", "locked\n");
    holds("exports/vm1/reason", "a drill\n");
    granted(DO("\"verb\":\"unlock\",\"export\":\"vm1\""));
    holds("exports/vm1/state", "active\n");
    granted(DO("\"verb\":\"clone\",\"export\":\"vm1\",\"name\":\"vm2\""));
    granted(DO("\"verb\":\"close\",\"export\":\"vm1\""));
    holds("exports/vm1/state", "closed\n");
    granted(DO("\"verb\":\"open\",\"export\":\"vm1\""));
    holds("exports/vm1/state", "active\n");
    granted(DO("\"verb\":\"reload\""));
    assert_string_equal(world_asked, "reload  ");
    granted(DO("\"verb\":\"filter-prepare\",\"filter\":\"f\",\"package\":\"2-ab\""));
    assert_string_equal(world_asked, "filter-prepare f 2-ab");
    granted(DO("\"verb\":\"filter-upgrade\",\"filter\":\"f\""));
    assert_string_equal(world_asked, "filter-upgrade f ");
    granted(DO("\"verb\":\"filter-release\",\"filter\":\"f\",\"check\":true"));
    assert_string_equal(world_asked, "filter-release f check");
    granted(DO("\"verb\":\"filter-release\",\"filter\":\"f\""));
    assert_string_equal(world_asked, "filter-release f ");
    granted(DO("\"verb\":\"assign\",\"export\":\"vm1\",\"policy\":\"gold\""));
    assert_string_equal(world_asked, "assign vm1 gold");
    has_event("export=vm1 text=\"grown to 2M by an unknown user\"");
}

static void verbs_refuse_exactly(void **state)
{
    (void)state;
    refused(DO("\"x\":1"), "EINVAL", "\"verb\" is missing: it must be a string");
    refused(DO("\"verb\":\"grwo\""), "EOPNOTSUPP", "\"grwo\" is no verb; did you mean \"grow\"?");
    refused(DO("\"verb\":\"grow\""), "EINVAL", "\"export\" is missing: it must be a string");
    refused(DO("\"verb\":\"grow\",\"export\":\"vm9\""), "ENOENT", "there is no export \"vm9\"");
    refused(DO("\"verb\":\"grow\",\"export\":\"vm1\""), "EINVAL",
            "\"size\" is missing: it must be a size, as \"20G\"");
    refused(DO("\"verb\":\"grow\",\"export\":\"vm1\",\"size\":\"big\""), "EINVAL",
            "\"big\" is no size; \"20G\" would be one");
    refused(DO("\"verb\":\"grow\",\"export\":\"vm1\",\"size\":-5"), "EINVAL",
            "\"size\" must be a number of at least 0");
    refused(DO("\"verb\":\"grow\",\"export\":\"vm1\",\"size\":\"1G\""), "ENOSPC",
            "the disk cannot have more than 64 MiB");
    holds("exports/vm1/last_error", "the disk cannot have more than 64 MiB\n");
    refused(DO("\"verb\":\"snapshot\",\"export\":\"vm1\",\"name\":\"s\""), "EOPNOTSUPP",
            "a store of type \"disk\" cannot take snapshots");
    refused(DO("\"verb\":\"snapshot\",\"export\":\"vm1\",\"name\":\"\""), "EINVAL",
            "\"name\" must not be empty");
    refused(DO("\"verb\":\"lock\",\"export\":\"vm1\""), "EINVAL",
            "\"reason\" is missing: it must be a string");
}

static void a_deletion_is_asked_for_and_not_done(void **state)
{
    (void)state;
    granted(DO("\"verb\":\"delete-check\",\"export\":\"vm1\""));
    holds("exports/vm1/filters/10-sample/stats/phases", "13\n"); /* PREPARE, CANCEL */
    granted(ask("set", OPTION "number", "99"));
    refused(DO("\"verb\":\"delete-check\",\"export\":\"vm1\""), "EPERM", "this disk is kept");
    holds("exports/vm1/filters/10-sample/stats/phases", "131\n");
    world_traffic(2);
}

static void a_stun_stops_and_goes_on(void **state)
{
    (void)state;
    granted(DO("\"verb\":\"stun\",\"export\":\"vm1\""));
    refused(DO("\"verb\":\"stun\",\"export\":\"vm1\""), "EBUSY",
            "export vm1 is stunned: unstun it first");
    refused(DO("\"verb\":\"close\",\"export\":\"vm1\""), "EBUSY",
            "export vm1 is stunned: unstun it first");
    granted(DO("\"verb\":\"unstun\",\"export\":\"vm1\""));
    world_traffic(2);
    /* once more is no harm */
    granted(DO("\"verb\":\"unstun\",\"export\":\"vm1\""));
}

/* ---- ------------------------------------------------------------------------------- */

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_live_option_can_be_written_and_read_back),
        TEST(the_threshold_of_a_datastore_can_be_written),
        TEST(a_bad_value_changes_nothing_and_is_kept),
        TEST(what_can_only_be_read_is_EACCES),
        TEST(policies_are_set_checked_and_removed),
        TEST(names_and_reasons_are_one_line),
        TEST(mistakes_come_with_their_place),
        TEST(a_final_check_is_kept),
        TEST(verbs_of_filters_answer),
        TEST(what_is_no_verb_is_not_repeated),
        TEST(verbs_of_exports_are_done),
        TEST(verbs_of_stores_answer),
        TEST(verbs_refuse_exactly),
        TEST(a_deletion_is_asked_for_and_not_done),
        TEST(a_stun_stops_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
