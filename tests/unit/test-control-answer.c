/* test-control-answer.c - is every node of the tree there, and every mistake answered exactly?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control-world.h"
#include "control/control.h"
#include "control/tree-table.h"
#include "events.h"
#include "gateway.h"
#include "text.h"

#include <errno.h>
#include <json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- asking ------------------------------------------------------------------------- */

static struct json_object *ask_line(const char *line, size_t size)
{
    char *answer = control_answer(line, size);

    assert_non_null(answer);
    assert_int_equal(answer[strlen(answer) - 1], '\n');
    assert_null(memchr(answer, '\n', strlen(answer) - 1));
    struct json_object *parsed = json_tokener_parse(answer);
    if (!json_object_is_type(parsed, json_type_object))
        fail_msg("no JSON: %s", answer);
    free(answer);
    return parsed;
}

static struct json_object *ask_text(const char *line)
{
    return ask_line(line, strlen(line));
}

static struct json_object *ask(const char *op, const char *path, const char *text)
{
    struct json_object *request = json_object_new_object();

    json_object_object_add(request, "op", json_object_new_string(op));
    json_object_object_add(request, "path", json_object_new_string(path));
    if (text)
        json_object_object_add(request, "text", json_object_new_string(text));
    const char *line = json_object_to_json_string(request);
    struct json_object *answer = ask_line(line, strlen(line));
    json_object_put(request);
    return answer;
}

static const char *member(struct json_object *object, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value)
                                                          : "(none)";
}

/* The answer to a request must be this refusal. */
static void refused(struct json_object *answer, const char *name, const char *message)
{
    assert_string_equal(member(answer, "ok"), "false");
    assert_string_equal(member(answer, "message"), message);
    assert_string_equal(member(answer, "errno"), name);
    json_object_put(answer);
}

static void refused_line(const char *line, const char *name, const char *message)
{
    refused(ask_line(line, strlen(line)), name, message);
}

static void granted(struct json_object *answer)
{
    if (strcmp(member(answer, "ok"), "true") != 0)
        fail_msg("refused: %s", member(answer, "message"));
    json_object_put(answer);
}

/* What the file holds must be this. */
static void holds(const char *path, const char *text)
{
    struct json_object *answer = ask("get", path, NULL);

    if (strcmp(member(answer, "ok"), "true") != 0)
        fail_msg("%s: %s", path, member(answer, "message"));
    assert_string_equal(member(answer, "text"), text);
    json_object_put(answer);
}

static char *get(const char *path)
{
    struct json_object *answer = ask("get", path, NULL);
    char *text = strdup(member(answer, "text"));

    json_object_put(answer);
    return text;
}

static void has_event(const char *part)
{
    char *events = get("events");

    if (!strstr(events, part))
        fail_msg("no event says: %s", part);
    free(events);
}

/* ---- the tree ----------------------------------------------------------------------- */

/* The pattern of a path of the tree of this world. */
static void pattern_of(const char *path, char *pattern, size_t size)
{
    static const char *const names[] = { "vm1",  ODD_PATH, "10-sample", "20-pass",
                                         "gold", "local",  "unit" };
    size_t length = 0;

    pattern[0] = '\0';
    for (unsigned depth = 0; *path; depth++) {
        char part[128];
        size_t end = strcspn(path, "/");
        snprintf(part, sizeof(part), "%.*s", (int)end, path);
        bool star = depth == 1;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            star = star || strcmp(part, names[i]) == 0;
        if (!star && depth >= 2 && (strstr(pattern, "/stats") || strstr(pattern, "/store"))) {
            for (int op = 0; op < WEIR_OP_COUNT; op++)
                star = star || strcmp(part, op_name((enum weir_op)op)) == 0;
        }
        length += (size_t)snprintf(pattern + length, size - length, "%s%s", depth ? "/" : "",
                                   star ? "*" : part);
        path += end + (path[end] == '/');
    }
}

static unsigned seen_rows[256]; /* how many nodes each row gave */

static void saw(const char *path)
{
    const struct row *rows = tree_rows();
    char pattern[512];

    pattern_of(path, pattern, sizeof(pattern));
    for (size_t i = 0; rows[i].pattern; i++) {
        const char *last = strrchr(rows[i].pattern, '/');
        size_t folder = last ? (size_t)(last - rows[i].pattern) + 1 : 0;
        bool any = last && strcmp(last, "/*") == 0 && rows[i].kind == NODE_FILE &&
                   strncmp(pattern, rows[i].pattern, folder) == 0 && !strchr(pattern + folder, '/');
        if (any || strcmp(rows[i].pattern, pattern) == 0)
            seen_rows[i]++;
    }
}

static unsigned walk(const char *path)
{
    struct json_object *answer = ask("list", path, NULL), *names;
    unsigned nodes = 1;

    saw(path);
    if (!json_object_object_get_ex(answer, "names", &names))
        fail_msg("%s: %s", path, member(answer, "message"));
    for (size_t i = 0; i < json_object_array_length(names); i++) {
        struct json_object *entry = json_object_array_get_idx(names, i);
        char below[512];
        snprintf(below, sizeof(below), "%s%s%s", path, *path ? "/" : "", member(entry, "name"));
        if (strcmp(member(entry, "kind"), "folder") == 0) {
            nodes += walk(below);
            continue;
        }
        nodes++;
        saw(below);
        struct json_object *file = ask("get", below, NULL);
        if (strcmp(member(file, "ok"), "true") != 0)
            fail_msg("%s: %s", below, member(file, "message"));
        const char *text = member(file, "text");
        if (*text && text[strlen(text) - 1] != '\n')
            fail_msg("%s has no \\n at its end: %s", below, text);
        json_object_put(file);
    }
    json_object_put(answer);
    return nodes;
}

static void every_row_can_be_listed_and_read(void **state)
{
    const struct row *rows = tree_rows();

    (void)state;
    memset(seen_rows, 0, sizeof(seen_rows));
    assert_true(walk("") > 200);
    for (size_t i = 0; rows[i].pattern; i++) {
        if (!seen_rows[i])
            fail_msg("nothing was seen of \"%s\"", rows[i].pattern);
    }
}

static void values_are_what_they_say(void **state)
{
    (void)state;
    holds("exports/vm1/size_bytes", "1048576\n");
    holds("/exports/vm1/size_bytes", "1048576\n");
    holds("exports/vm1/state", "active\n");
    holds("exports/vm1/reason", "");
    holds("exports/vm1/policy", "gold\n");
    holds("exports/vm1/policy.conf", "# the policy of vm1\n");
    holds("exports/vm1/compliance", "compliant\n");
    holds("exports/vm1/datastore", "local\n");
    holds("exports/vm1/read_only", "false\n");
    holds("exports/vm1/hold_limit", "2s\n");
    holds("exports/vm1/chain", "sample pass\n");
    holds("exports/vm1/description", "a disk\n");
    holds("exports/vm1/uri", "none\n");
    holds("exports/" ODD_PATH "/policy", "none\n");
    holds("exports/" ODD_PATH "/chain", "none\n");
    holds("exports/" ODD_PATH "/hold_limit", "2s\n");
    holds("exports/" ODD_PATH "/compliance", "non-compliant\n");
    holds("exports/" ODD_PATH "/compliance_reason", "filter gone is missing\n");
    holds("exports/vm1/filters/10-sample/state", "active\n");
    holds("exports/vm1/filters/10-sample/held", "0\n");
    holds("exports/vm1/filters/10-sample/options/limit", "max\n");
    holds("exports/vm1/filters/10-sample/options/fixed", "3\n");
    holds("exports/vm1/filters/10-sample/stats/state", "two\nlines \"quoted\"\n");
    holds("policies/gold", "# gold\nname = 1;\n");
    holds("datastores/local/free_bytes", "400\n");
    holds("datastores/local/exports", "vm1\n");
    holds("gateways/unit/version", WEIR_VERSION "\n");
    holds("filters/sample/class", "inspection\n");
    holds("filters/sample/version", "2.1\n");
    holds("filters/sample/exports", "vm1\n");
    holds("filters/inspection/exports", "");
}

static void figures_grow_with_requests(void **state)
{
    (void)state;
    world_traffic(10);
    holds("exports/vm1/stats/read/requests", "5\n");
    holds("exports/vm1/stats/write/bytes", "20480\n");
    holds("exports/vm1/stats/write/errors", "0\n");
    holds("exports/vm1/store/write/requests", "5\n");
    holds("exports/vm1/filters/10-sample/stats/read/requests", "5\n");
    holds("exports/vm1/filters/10-sample/stats/hits", "10\n");
    holds("exports/vm1/filters/10-sample/stats/level", "40960\n");
    char *latency = get("exports/vm1/stats/read/latency");
    assert_memory_equal(latency, "unit=ns count=5 p50=", 20);
    free(latency);
}

static void secrets_never_appear(void **state)
{
    (void)state;
    refused(ask("get", "exports/vm1/filters/10-sample/options/key", NULL), "ENOENT",
            "\"key\" is not in \"exports/vm1/filters/10-sample/options\"");
    refused(ask("set", "exports/vm1/filters/10-sample/options/key", "x"), "ENOENT",
            "\"key\" is not in \"exports/vm1/filters/10-sample/options\"");
    char *line = control_answer("{\"op\":\"show\"}", 13);
    assert_null(strstr(line, "swordfish"));
    free(line);
    char *help = get("exports/vm1/filters/10-sample/help");
    assert_null(strstr(help, "swordfish"));
    free(help);
    char *options = get("filters/sample/options");
    assert_null(strstr(options, "swordfish"));
    free(options);
}

/* ---- paths --------------------------------------------------------------------------------------
 */

static void unknown_paths_are_ENOENT_and_named(void **state)
{
    (void)state;
    refused(ask("get", "exports/vm2/state", NULL), "ENOENT",
            "\"vm2\" is not in \"exports\"; did you mean \"vm1\"?");
    refused(ask("get", "exporst", NULL), "ENOENT",
            "\"exporst\" is not in \"\"; did you mean "
            "\"exports\"?");
    refused(ask("list", "exports/vm1/filters/20-sample", NULL), "ENOENT",
            "\"20-sample\" is not in \"exports/vm1/filters\"; did you mean \"10-sample\"?");
    refused(ask("get", "exports//state", NULL), "ENOENT", "\"\" is not in \"exports\"");
    refused(ask("list", "exports/", NULL), "ENOENT", "\"\" is not in \"exports\"");
    refused(ask("get", "metrics/x", NULL), "ENOTDIR", "\"x\" cannot be inside of a file");
    refused(ask("get", "exports/vm1", NULL), "EISDIR", "\"exports/vm1\" is a folder: list it");
    refused(ask("list", "metrics", NULL), "ENOTDIR", "\"metrics\" is a file: get it");
}

static void no_path_leaves_the_tree(void **state)
{
    static const char *const paths[] = { "..",
                                         "../etc/passwd",
                                         "exports/..",
                                         "exports/../metrics",
                                         "exports/vm1/../../metrics",
                                         "exports/./vm1",
                                         ".",
                                         "filters/../../pass",
                                         "filters/..%2F..%2Fpass/class",
                                         "policies/..%2F..%2Fpasswd",
                                         "a/b/c/d/e/f/g/h/i/j/k/l/m/n" };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct json_object *answer = ask("get", paths[i], NULL);
        assert_string_equal(member(answer, "errno"), "ENOENT");
        json_object_put(answer);
    }
}

static void a_policy_cannot_be_named_like_a_path(void **state)
{
    static const char *const names[] = { "..%2Fx", "%2E%2E",    "%2E",    "a%2Fb",
                                         "%",      "%2Ehidden", ".hidden" };

    (void)state;
    world_asked[0] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[64];
        snprintf(path, sizeof(path), "policies/%s", names[i]);
        struct json_object *answer = ask("set", path, "x");
        assert_string_equal(member(answer, "ok"), "false");
        json_object_put(answer);
    }
    assert_string_equal(world_asked, "");
}

static void a_name_has_one_spelling(void **state)
{
    (void)state;
    holds("exports/" ODD_PATH "/state", "active\n");
    refused(ask("get", "exports/vm%31/state", NULL), "ENOENT", "\"vm%31\" is not in \"exports\"");
    refused(ask("get", "exports/a%2fb", NULL), "ENOENT", "\"a%2fb\" is not in \"exports\"");
    refused(ask("get", "exports/vm1%00", NULL), "ENOENT", "\"vm1%00\" is not in \"exports\"");
}

static void names_come_back_from_their_spelling(void **state)
{
    static const char *const names[] = { "vm1", "a/b",  ".",        "..",  "...", "%",    "%%2F",
                                         "",    "\n\t", "\xff\xfe", "a b", "-",   "10-x", "%41" };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct weir_text encoded = { 0 };
        char *decoded = NULL;
        path_encode(names[i], &encoded);
        assert_null(strchr(text_string(&encoded), '/'));
        assert_int_equal(path_decode(encoded.text, encoded.length, &decoded), 0);
        assert_string_equal(decoded, names[i]);
        free(decoded);
        text_finish(&encoded);
    }
}

/* ---- lines -------------------------------------------------------------------------- */

static void bad_lines_are_answered_exactly(void **state)
{
    (void)state;
    refused_line("", "EBADMSG", "the JSON of the request ends too early");
    refused_line("\n", "EBADMSG", "the JSON of the request ends too early");
    refused_line("{", "EBADMSG", "the JSON of the request ends too early");
    refused_line("hello", "EBADMSG", "the request is not JSON: unexpected character at byte 1");
    refused_line("{\"op\":\"get\",}", "EBADMSG",
                 "the request is not JSON: unexpected character at byte 13");
    refused_line("{\"op\":\"get\"} x", "EBADMSG",
                 "the request is not JSON: unexpected character at byte 14");
    refused_line("[]", "EBADMSG", "a request must be a JSON object");
    refused_line("null", "EBADMSG", "a request must be a JSON object");
    refused_line("17", "EBADMSG", "a request must be a JSON object");
    refused_line("{}", "EINVAL", "\"op\" is missing: it must be a string");
    refused_line("{\"op\":7}", "EINVAL", "\"op\" must be a string");
    refused_line("{\"op\":null}", "EINVAL", "\"op\" must be a string");
    refused_line("{\"op\":\"gte\"}", "EOPNOTSUPP", "\"gte\" is no op; did you mean \"get\"?");
    refused_line("{\"op\":\"frobnicate\"}", "EOPNOTSUPP", "\"frobnicate\" is no op");
    refused_line("{\"op\":\"get\"}", "EINVAL", "\"path\" is missing: it must be a string");
    refused_line("{\"op\":\"get\",\"path\":[]}", "EINVAL", "\"path\" must be a string");
    refused_line("{\"op\":\"get\",\"path\":\"a\\u0000b\"}", "EINVAL",
                 "\"path\" must not hold a NUL character");
    refused_line("{\"op\":\"set\",\"path\":\"metrics\"}", "EINVAL",
                 "\"text\" is missing: it must be a string");
    refused_line("{\"op\":\"set\",\"path\":\"metrics\",\"text\":1}", "EINVAL",
                 "\"text\" must be a string");
    refused_line("{\"op\":\"events\",\"after\":\"x\"}", "EINVAL",
                 "\"after\" must be a number of at least 0");
    refused_line("{\"op\":\"events\",\"after\":-1}", "EINVAL",
                 "\"after\" must be a number of at least 0");
    refused_line("{\"op\":\"show\",\"export\":{}}", "EINVAL", "\"export\" must be a string");
    refused(ask_line("{\0}", 3), "EINVAL", "the line holds a NUL byte");
}

static void deep_nesting_is_refused(void **state)
{
    enum { DEEP = 100000 };
    char *line = malloc(DEEP + 32);

    (void)state;
    size_t head = (size_t)sprintf(line, "{\"op\":\"get\",\"path\":");
    memset(line + head, '[', DEEP);
    refused(ask_line(line, head + DEEP), "EBADMSG",
            "the request is not JSON: nesting too deep at byte 23");
    free(line);
}

static void huge_lines_are_refused(void **state)
{
    size_t size = CONTROL_LINE + 1;
    char *line = malloc(size);

    (void)state;
    memset(line, 'x', size);
    refused(ask_line(line, size), "EINVAL", "the line is longer than 4194304 bytes");
    free(line);
}

/* ---- changes ------------------------------------------------------------------------ */

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
            "\"what\" is no verb of filter sample; it has echo, refuse");
    refused(ask("set", "exports/vm1/filters/20-pass/ctl", "what"), "EOPNOTSUPP",
            "filter pass has no verbs");
    refused(ask("check", "exports/vm1/filters/10-sample/ctl", ""), "EINVAL",
            "\"\" is no verb of filter sample; it has echo, refuse");
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

/* ---- show and events ---------------------------------------------------------------- */

static struct json_object *in(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(object, key, &value))
        fail_msg("\"%s\" is missing", key);
    return value;
}

/* Names that control.h promises. */
static void has_all(struct json_object *object, const char *keys)
{
    char *copy = strdup(keys);

    for (char *rest = copy, *key; (key = strsep(&rest, " "));)
        in(object, key);
    free(copy);
}

static void show_has_the_promised_fields(void **state)
{
    (void)state;
    world_traffic(10);
    struct json_object *show = ask_text("{\"op\":\"show\"}");
    has_all(in(show, "gateway"), "name pid version uptime_s");
    struct json_object *exports = in(show, "exports");
    assert_int_equal(json_object_array_length(exports), 2);
    struct json_object *vm1 = json_object_array_get_idx(exports, 1);
    has_all(vm1,
            "name description state reason compliance compliance_reason policy datastore image "
            "uri size_bytes read_only connections in_flight waiting generation last_pause_ns "
            "longest_pause_ns ops store filters last_error hold_limit_ns");
    struct json_object *read = in(in(vm1, "ops"), "read");
    has_all(read, "requests bytes passed completed failed deferred derived derived_bytes here");
    has_all(in(read, "here"), "count sum max buckets p50 p90 p99 p999");
    assert_true(json_object_array_length(in(in(read, "here"), "buckets")) > 0);
    struct json_object *sample = json_object_array_get_idx(in(vm1, "filters"), 0);
    has_all(sample,
            "place label name class held oldest_hold_ns longest_hold_ns bypassed ops options "
            "stats");
    assert_string_equal(member(sample, "place"), "10-sample");
    assert_string_equal(member(in(sample, "options"), "mode"), "fast");
    has_all(in(in(sample, "ops"), "write"), "here below");
    assert_null(json_object_object_get(in(sample, "options"), "key"));
    assert_string_equal(member(in(sample, "stats"), "lag_ms_count"), "-1500000");
    has_all(json_object_array_get_idx(in(show, "filters"), 0),
            "name class version abi path description exports");
    has_all(json_object_array_get_idx(in(show, "policies"), 0), "name description file exports");
    has_all(json_object_array_get_idx(in(show, "datastores"), 0),
            "name type path size_bytes free_bytes exports");
    json_object_put(show);

    show = ask_text("{\"op\":\"show\",\"export\":\"vm1\"}");
    assert_int_equal(json_object_array_length(in(show, "exports")), 1);
    json_object_put(show);
    refused_line("{\"op\":\"show\",\"export\":\"vm9\"}", "ENOENT", "there is no export \"vm9\"");
}

static void show_is_valid_utf8(void **state)
{
    struct json_tokener *tokener = json_tokener_new();
    char *line = control_answer("{\"op\":\"show\"}", 13);

    (void)state;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *show = json_tokener_parse_ex(tokener, line, (int)strlen(line));
    assert_int_equal(json_tokener_get_error(tokener), json_tokener_success);
    assert_string_equal(member(json_object_array_get_idx(in(show, "exports"), 0), "name"),
                        "odd/\"\\\n\xef\xbf\xbd%");
    json_object_put(show);
    json_tokener_free(tokener);
    free(line);
}

static void events_come_after_a_number(void **state)
{
    (void)state;
    struct json_object *first = ask_text("{\"op\":\"events\"}");
    char line[64];
    int size =
        snprintf(line, sizeof(line), "{\"op\":\"events\",\"after\":%s}", member(first, "last"));
    struct json_object *none = ask_line(line, (size_t)size);
    assert_int_equal(json_object_array_length(in(none, "lines")), 0);
    event_post(WEIR_INFO, "vm1", NULL, "something new");
    struct json_object *one = ask_line(line, (size_t)size);
    assert_int_equal(json_object_array_length(in(one, "lines")), 1);
    const char *text = json_object_get_string(json_object_array_get_idx(in(one, "lines"), 0));
    assert_non_null(strstr(text, "export=vm1 text=\"something new\""));
    json_object_put(first);
    json_object_put(none);
    json_object_put(one);
}

/* ----
 * -------------------------------------------------------------------------------------------------------
 */

static int setup(void **state)
{
    (void)state;
    world_start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_stop();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_row_can_be_listed_and_read),
        TEST(values_are_what_they_say),
        TEST(figures_grow_with_requests),
        TEST(secrets_never_appear),
        TEST(unknown_paths_are_ENOENT_and_named),
        TEST(no_path_leaves_the_tree),
        TEST(a_policy_cannot_be_named_like_a_path),
        TEST(a_name_has_one_spelling),
        TEST(names_come_back_from_their_spelling),
        TEST(bad_lines_are_answered_exactly),
        TEST(deep_nesting_is_refused),
        TEST(huge_lines_are_refused),
        TEST(every_live_option_can_be_written_and_read_back),
        TEST(a_bad_value_changes_nothing_and_is_kept),
        TEST(what_can_only_be_read_is_EACCES),
        TEST(policies_are_set_checked_and_removed),
        TEST(mistakes_come_with_their_place),
        TEST(a_final_check_is_kept),
        TEST(verbs_of_filters_answer),
        TEST(verbs_of_exports_are_done),
        TEST(verbs_refuse_exactly),
        TEST(a_deletion_is_asked_for_and_not_done),
        TEST(a_stun_stops_and_goes_on),
        TEST(show_has_the_promised_fields),
        TEST(show_is_valid_utf8),
        TEST(events_come_after_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
