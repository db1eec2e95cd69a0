/* tables.c - what does a manual page say of options and statistics?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     weir-tables options|statistics|verbs FILTER
 *     weir-tables store|store-statistics|store-verbs TYPE
 *     weir-tables datastore
 *
 * Prints the declared table as POD.  The page script puts it where a page says
 * "=for weir options". */
#include "datastore.h"
#include "loader.h"
#include "options.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
    [WEIR_COUNTER] = "counter", [WEIR_GAUGE] = "gauge", [WEIR_HISTOGRAM] = "histogram",
    [WEIR_VALUE] = "value",     [WEIR_TEXT] = "text",
};

static void print_options(const struct weir_option *row)
{
    if (!row || !row->name) {
        printf("There are none.\n\n");
        return;
    }
    printf("=over 4\n\n");
    for (; row->name; row++) {
        cleanup_text struct weir_text kind = { 0 };
        option_describe(row, &kind);
        printf("=item B<%s> (%s)\n\n%s\n\n", row->name, text_string(&kind),
               row->help ? row->help : "");
    }
    printf("=back\n\n");
}

static void print_statistics(const struct weir_stat *row)
{
    if (!row || !row->name) {
        printf("It has none of its own.\n\n");
        return;
    }
    printf("=over 4\n\n");
    for (; row->name; row++) {
        printf("=item B<%s> (%s%s%s)\n\n%s\n\n", row->name, kind_names[row->kind],
               row->unit ? ", " : "", row->unit ? row->unit : "", row->help ? row->help : "");
    }
    printf("=back\n\n");
}

static void print_verbs(const struct weir_verb *row)
{
    if (!row || !row->name) {
        printf("There are none.\n\n");
        return;
    }
    printf("=over 4\n\n");
    for (; row->name; row++)
        printf("=item B<%s>\n\n%s\n\n", row->name, row->help ? row->help : "");
    printf("=back\n\n");
}

static int print_filter(const char *table, const char *name)
{
    cleanup_text struct weir_text why = { 0 };
    struct library *library;

    if (loader_get(name, &library, &why) < 0) {
        fprintf(stderr, "weir-tables: %s\n", text_string(&why));
        return 1;
    }
    if (!strcmp(table, "options"))
        print_options(library->filter.options);
    else if (!strcmp(table, "statistics"))
        print_statistics(library->filter.stats);
    else
        print_verbs(library->filter.verbs);
    loader_put(library);
    return 0;
}

static int print_store(const char *table, const char *name)
{
    const struct store_type *type = store_find(name);

    if (!type) {
        fprintf(stderr, "weir-tables: there is no store type \"%s\"\n", name);
        return 1;
    }
    if (!strcmp(table, "store"))
        print_options(type->options);
    else if (!strcmp(table, "store-statistics"))
        print_statistics(type->stats);
    else
        print_verbs(type->verbs);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const tables[] = { "options", "statistics", "verbs", NULL };
    static const char *const of_stores[] = { "store", "store-statistics", "store-verbs", NULL };
    const char *folders = getenv("WEIR_FILTERS");

    for (int i = 0; argc == 3 && of_stores[i]; i++)
        if (!strcmp(argv[1], of_stores[i]))
            return print_store(argv[1], argv[2]);
    if (argc == 2 && !strcmp(argv[1], "datastore")) {
        print_options(datastore_rows);
        return 0;
    }
    for (int i = 0; argc == 3 && tables[i]; i++)
        if (!strcmp(argv[1], tables[i]))
            return loader_path(folders ? folders : "") < 0 ? 1 : print_filter(argv[1], argv[2]);
    fprintf(stderr, "usage: weir-tables options|statistics|verbs FILTER\n"
                    "       weir-tables store|store-statistics|store-verbs TYPE\n"
                    "       weir-tables datastore\n");
    return 2;
}
