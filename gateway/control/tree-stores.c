/* tree-stores.c - what does the store of one export tell of itself?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <errno.h>
#include <string.h>

static const struct store_type *type_of(const struct place *place)
{
    return export_config(place->export)->datastore->type;
}

int store_help(struct place *place, struct weir_text *text)
{
    const struct store_type *type = type_of(place);

    weir_print(text, "%s\n", type->summary);
    tables_print(type->stats, type->verbs, text);
    return 0;
}

int store_stat_enter(struct place *place, const char *name)
{
    return enter_stat(place, type_of(place)->stats, name);
}

int store_stat_names(struct place *place, struct names *names)
{
    return name_stats(type_of(place)->stats, names);
}

int store_stat_read(struct place *place, struct weir_text *text)
{
    return export_print_stat(place->export, NULL, place->stat->name, text);
}

/* ---- what a filter and a store have in common -------------------------------- */

void tables_print(const struct weir_stat *stats, const struct weir_verb *verbs,
                  struct weir_text *text)
{
    if (stats && stats->name)
        weir_print(text, "\nstats:\n");
    statistics_print(stats, text);
    if (verbs && verbs->name)
        weir_print(text, "\nctl:\n");
    verbs_print(verbs, text);
}

int enter_stat(struct place *place, const struct weir_stat *row, const char *name)
{
    for (; row && row->name; row++) {
        if (strcmp(row->name, name) == 0) {
            place->stat = row;
            return 0;
        }
    }
    return -ENOENT;
}

int name_stats(const struct weir_stat *row, struct names *names)
{
    int error = 0;

    for (; row && row->name && !error; row++)
        error = names_add(names, row->name, NODE_FILE, false);
    return error;
}
