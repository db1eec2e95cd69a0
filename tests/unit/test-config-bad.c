/* test-config-bad.c - does each bad input get its sentences, and leave what runs alone?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads config/bad-input.txt, which says how it is written.  With a second argument it
 * prints the table with the sentences that come out, to look at when they change. */
#include "config.h"
#include "gateway.h"
#include "site.h"
#include "text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { CASES_MAX = 512, FILES_MAX = 4 };

/* A line KIND: TEXT of the table is a line of FILE between `before` and `behind`. */
static const struct kind {
    const char *name, *file, *before, *behind;
} kinds[] = {
    { "main", "weir.conf", "", "" },
    { "store", "weir.conf", "datastores = ( {\n", "} );\n" },
    { "export", "weir.conf",
      "datastores = ( { name = \"ram\"; type = \"memory\"; } );\n"
      "include_policies = \"policies.d\";\nexports = ( {\n",
      "} );\n" },
    { "more", "weir.conf",
      "datastores = ( { name = \"ram\"; type = \"memory\"; } );\n"
      "include_policies = \"policies.d\";\n"
      "exports = ( { name = \"vm\"; datastore = \"ram\"; policy = \"p\";\n",
      "} );\n" },
    { "policy", "policies.d/p.conf", "", "" },
    { "filter", "policies.d/p.conf", "filters = ( { filter = \"cache\";\n", "} );\n" },
    { "own", "overrides.d/vm.conf", "", "" },
    { "other", "policies.d/other.conf", "", "" },
    { "disk", "exports.d/disk.conf", "", "" },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct bad {
    char *name, *expected;
    unsigned line;
    size_t count;
    struct {
        const struct kind *kind;
        struct weir_text text;
    } file[FILES_MAX];
};
static struct bad cases[CASES_MAX];
static size_t case_count;

/* ---- the table --------------------------------------------------------------- */

static void broken(unsigned line, const char *what)
{
    fprintf(stderr, "bad-input.txt:%u: %s\n", line, what);
    exit(1);
}

/* \n \t \xNN \\ stand for what they say; \* stands for 3000 x. */
static void append_escaped(struct weir_text *text, const char *line)
{
    for (; *line; line++) {
        unsigned byte;
        if (*line != '\\') {
            text_append(text, line, 1);
        } else if (*++line == 'n') {
            text_append(text, "\n", 1);
        } else if (*line == 't') {
            text_append(text, "\t", 1);
        } else if (*line == '*') {
            for (int i = 0; i < 3000; i++)
                text_append(text, "x", 1);
        } else if (*line == 'x' && sscanf(line + 1, "%2x", &byte) == 1) {
            char c = (char)byte;
            text_append(text, &c, 1);
            line += 2;
        } else {
            text_append(text, line, 1);
        }
    }
}

static void add_line(struct bad *b, const struct kind *kind, const char *line, unsigned number)
{
    size_t i = 0;

    while (i < b->count && b->file[i].kind != kind)
        i++;
    if (i == FILES_MAX)
        broken(number, "too many files");
    if (i == b->count) {
        b->file[i].kind = kind;
        b->count++;
    } else {
        weir_print(&b->file[i].text, "\n");
    }
    append_escaped(&b->file[i].text, line);
}

static void read_line(char *line, unsigned number)
{
    struct bad *b = case_count ? &cases[case_count - 1] : NULL;
    char *colon = strchr(line, ':');

    if (!*line || *line == '#')
        return;
    if (!strncmp(line, "= ", 2)) {
        if (case_count == CASES_MAX)
            broken(number, "too many cases");
        b = &cases[case_count++];
        b->name = strdup(line + 2);
        b->expected = strdup("");
        b->line = number;
        return;
    }
    if (!b)
        broken(number, "a line before the first case");
    if (!strncmp(line, "! ", 2)) {
        char *more;
        if (asprintf(&more, "%s%s\n", b->expected, line + 2) < 0)
            broken(number, "no memory");
        free(b->expected);
        b->expected = more;
        return;
    }
    for (size_t i = 0; colon && i < KINDS; i++) {
        if (strlen(kinds[i].name) != (size_t)(colon - line) ||
            strncmp(kinds[i].name, line, (size_t)(colon - line)))
            continue;
        add_line(b, &kinds[i], colon + 1 + (colon[1] == ' '), number);
        return;
    }
    broken(number, "no kind of line that is known");
}

static void read_table(const char *file)
{
    FILE *f = fopen(file, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t length;

    if (!f) {
        perror(file);
        exit(1);
    }
    for (unsigned number = 1; (length = getline(&line, &size, f)) > 0; number++) {
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        read_line(line, number);
    }
    free(line);
    fclose(f);
}

/* ---- one case ---------------------------------------------------------------- */

static void write_good_site(void)
{
    site_write("weir.conf",
               "datastores = ( { name = \"ram\"; type = \"memory\"; } );\n"
               "exports = ( { name = \"vm\"; datastore = \"ram\"; policy = \"p\"; } );\n"
               "include_exports = \"exports.d\";\n"
               "include_policies = \"policies.d\";\n");
    site_write("policies.d/p.conf", "filters = ( { filter = \"cache\"; } );\n");
    site_write("overrides.d/vm.conf", "");
    site_write("exports.d/disk.conf", "name = \"disk\"; datastore = \"ram\";\n");
    unlink("policies.d/other.conf");
}

static void write_case(const struct bad *b)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct kind *kind = b->file[i].kind;
        struct weir_text text = { 0 };
        weir_print(&text, "%s", kind->before);
        text_append(&text, text_string(&b->file[i].text), b->file[i].text.length);
        weir_print(&text, "%s%s", *kind->behind ? "\n" : "", kind->behind);
        site_write_bytes(kind->file, text.text ? text.text : "", text.length);
        text_finish(&text);
    }
}

static void print_case(const struct bad *b, const char *said)
{
    printf("%u\n%s", b->line, said);
    printf("\n");
}

static unsigned long generation(void)
{
    struct export *e = gateway_find("vm");
    struct export_view v;

    if (!e || export_view(e, &v))
        return 0;
    unsigned long result = v.state == EXPORT_ACTIVE ? v.generation + 1 : 0;
    export_view_finish(&v);
    export_unref(e);
    return result;
}

static bool is_as_expected(const struct bad *b, const char *what, int err, const char *said)
{
    if (err == -EINVAL && !strcmp(said, b->expected))
        return true;
    print_error("bad-input.txt:%u: %s: %s gives %d and\n%sand not\n%s", b->line, b->name, what, err,
                said, b->expected);
    return false;
}

static unsigned run_case(const struct bad *b, bool print)
{
    struct mistakes checked = { 0 }, reloaded = { 0 };
    unsigned long before = generation();

    write_case(b);
    int check = config_check("weir.conf", &checked);
    char *said = mistakes_text(&checked);
    int reload = config_reload(&reloaded);
    char *said_again = mistakes_text(&reloaded);
    unsigned failed = 0;
    if (print) {
        print_case(b, said);
    } else {
        failed = !is_as_expected(b, "a check", check, said) ||
                 !is_as_expected(b, "a reload", reload, said_again);
        if (generation() != before || !before) {
            print_error("bad-input.txt:%u: %s: it changed what runs", b->line, b->name);
            failed = 1;
        }
    }
    free(said);
    free(said_again);
    mistakes_finish(&checked);
    mistakes_finish(&reloaded);
    return failed;
}

static bool printing;

static void every_bad_input_is_told_and_does_nothing(void **state)
{
    unsigned failed = 0;

    (void)state;
    site_begin();
    write_good_site();
    assert_int_equal(config_start("weir.conf", NULL), 0);
    config_open_all();
    for (size_t i = 0; i < case_count; i++) {
        failed += run_case(&cases[i], printing);
        write_good_site();
    }
    config_stop();
    site_end();
    if (failed)
        fail_msg("%u of %zu cases failed", failed, case_count);
    assert_true(printing || case_count >= 200);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_input_is_told_and_does_nothing),
    };

    if (argc < 2)
        return 2;
    read_table(argv[1]);
    printing = argc > 2;
    places_init("test", "/nowhere", "/nowhere", "");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    places_finish();
    for (size_t i = 0; i < case_count; i++) {
        free(cases[i].name);
        free(cases[i].expected);
        for (size_t k = 0; k < cases[i].count; k++)
            text_finish(&cases[i].file[k].text);
    }
    return failed;
}
