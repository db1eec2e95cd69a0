/* tree-library.c - what does the folder of one installed filter tell?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <errno.h>
#include <string.h>

#include "../gateway.h"
#include "../scope.h"

int library_names(struct place *place, struct names *names)
{
    cleanup_free char **list = loader_names();
    int error = list ? 0 : -ENOMEM;

    (void)place;
    for (size_t i = 0; list && list[i] && !error; i++)
        error = names_add(names, list[i], NODE_FOLDER, false);
    return error;
}

/* Only what loader_names() found is loaded: a name is never taken for a path. */
int library_enter(struct place *place, const char *name)
{
    cleanup_free char **list = loader_names();

    for (size_t i = 0; list && list[i]; i++) {
        if (strcmp(list[i], name) == 0)
            return loader_get(name, &place->library, NULL);
    }
    return -ENOENT;
}

int library_class(struct place *place, struct weir_text *text)
{
    weir_print(text, "%s", class_name(place->library->filter.klass));
    return 0;
}

int library_version(struct place *place, struct weir_text *text)
{
    weir_print(text, "%s", place->library->filter.version);
    return 0;
}

int library_abi(struct place *place, struct weir_text *text)
{
    weir_print(text, "%u", place->library->filter.abi);
    return 0;
}

int library_path(struct place *place, struct weir_text *text)
{
    weir_print(text, "%s", place->library->path);
    return 0;
}

int library_description(struct place *place, struct weir_text *text)
{
    const char *summary = place->library->filter.summary;

    weir_print(text, "%s", summary ? summary : "");
    return 0;
}

int library_options(struct place *place, struct weir_text *text)
{
    options_print(&place->library->filter, text);
    return 0;
}

int library_statistics(struct place *place, struct weir_text *text)
{
    statistics_print(place->library->filter.stats, text);
    return 0;
}

int library_exports(struct place *place, struct weir_text *text)
{
    struct export **list = gateway_list();

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; list[i]; i++) {
        struct export_view view;
        bool uses = false;
        if (export_view(list[i], &view) != 0)
            continue;
        for (size_t j = 0; j < view.count; j++)
            uses = uses || strcmp(view.filter[j].filter->name, place->library->filter.name) == 0;
        if (uses)
            weir_print(text, "%s\n", export_name(list[i]));
        export_view_finish(&view);
    }
    gateway_put_list(list);
    return 0;
}

/* ---- the tables of a filter or store for people ------------------------------ */

void options_print(const struct weir_filter *filter, struct weir_text *text)
{
    for (const struct weir_option *row = filter->options; row && row->name; row++) {
        weir_print(text, "%s: ", row->name);
        option_describe(row, text);
        weir_print(text, "%s%s%s", row->flags & WEIR_LIVE ? "; live" : "",
                   row->flags & WEIR_SECRET ? "; secret" : "", row->help ? ". " : "");
        weir_print(text, "%s\n", row->help ? row->help : "");
    }
}

static const char *kind_name(enum weir_stat_kind kind)
{
    switch (kind) {
    case WEIR_COUNTER:
        return "counter";
    case WEIR_GAUGE:
        return "gauge";
    case WEIR_HISTOGRAM:
        return "histogram";
    case WEIR_VALUE:
        return "value";
    case WEIR_TEXT:
        return "text";
    }
    return "unknown";
}

void statistics_print(const struct weir_stat *row, struct weir_text *text)
{
    for (; row && row->name; row++)
        weir_print(text, "%s: %s%s%s%s%s\n", row->name, kind_name(row->kind),
                   row->unit && *row->unit ? " in " : "", row->unit ? row->unit : "",
                   row->help ? ". " : "", row->help ? row->help : "");
}

void verbs_print(const struct weir_verb *row, struct weir_text *text)
{
    for (; row && row->name; row++)
        weir_print(text, "%s: %s\n", row->name, row->help ? row->help : "");
}
