/* test-control-tree.c - is every node of the tree there, and nothing outside of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control-ask.h"
#include "control-world.h"
#include "control/tree-table.h"
#include "gateway.h"
#include "text.h"

#include <errno.h>
#include <json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the tree ---------------------------------------------------------------- */

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
    holds("exports/vm1/store/stats/held_bytes", "1048576\n");
    holds("exports/vm1/store/stats/words", "two\nlines\n");
    holds("exports/vm1/store/help", "A disk in memory.\n"
                                    "\nstats:\n"
                                    "held_bytes: value in bytes. Bytes that it holds.\n"
                                    "words: text. A text.\n"
                                    "\nctl:\n"
                                    "echo: Says it again.\n");
    holds("datastores/local/free_bytes", "400\n");
    holds("datastores/local/exports", "vm1\n");
    holds("datastores/local/latency_threshold", "auto\n");
    holds("datastores/local/exchange", "default\n");
    holds("datastores/local/emulate", "none\n");
    holds("datastores/local/in_flight", "0\n");
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

/* ---- paths ------------------------------------------------------------------- */

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

/* ---- ------------------------------------------------------------------------------- */

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_row_can_be_listed_and_read),     TEST(values_are_what_they_say),
        TEST(figures_grow_with_requests),           TEST(secrets_never_appear),
        TEST(unknown_paths_are_ENOENT_and_named),   TEST(no_path_leaves_the_tree),
        TEST(a_policy_cannot_be_named_like_a_path), TEST(a_name_has_one_spelling),
        TEST(names_come_back_from_their_spelling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
