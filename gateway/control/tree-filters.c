/* tree-filters.c - what does the folder of one filter of one export tell, and take?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../scope.h"

enum { PLACE_STEP = 10 };

void filter_place_name(const struct export_view *view, size_t index, struct weir_text *text)
{
    weir_print(text, "%02zu-%s", (index + 1) * PLACE_STEP, view->filter[index].label);
}

const struct filter_view *place_filter(struct place *place)
{
    return &place->view.filter[place->filter];
}

int filter_enter(struct place *place, const char *name)
{
    if (!place->viewed) {
        int error = export_view(place->export, &place->view);
        if (error)
            return error;
        place->viewed = true;
    }
    for (size_t i = 0; i < place->view.count; i++) {
        cleanup_text struct weir_text here = { 0 };
        filter_place_name(&place->view, i, &here);
        if (strcmp(text_string(&here), name) == 0) {
            place->filter = i;
            return 0;
        }
    }
    return -ENOENT;
}

int filter_names(struct place *place, struct names *names)
{
    struct export_view view;
    int error = export_view(place->export, &view);

    if (error)
        return error;
    for (size_t i = 0; i < view.count && !error; i++) {
        cleanup_text struct weir_text here = { 0 };
        filter_place_name(&view, i, &here);
        error = names_add(names, text_string(&here), NODE_FOLDER, false);
    }
    export_view_finish(&view);
    return error;
}

int filter_name(struct place *place, struct weir_text *text)
{
    weir_print(text, "%s", place_filter(place)->filter->name);
    return 0;
}

int filter_version(struct place *place, struct weir_text *text)
{
    weir_print(text, "%s", place_filter(place)->filter->version);
    return 0;
}

int filter_held(struct place *place, struct weir_text *text)
{
    weir_print(text, "%u", place_filter(place)->held);
    return 0;
}

int filter_state(struct place *place, struct weir_text *text)
{
    weir_print(text, place_filter(place)->bypassed ? "bypassed" : "active");
    return 0;
}

int filter_oldest_hold(struct place *place, struct weir_text *text)
{
    weir_print(text, "%" PRIu64, place_filter(place)->oldest_hold_ns);
    return 0;
}

int filter_longest_hold(struct place *place, struct weir_text *text)
{
    weir_print(text, "%" PRIu64, place_filter(place)->longest_hold_ns);
    return 0;
}

int filter_help(struct place *place, struct weir_text *text)
{
    const struct weir_filter *filter = place_filter(place)->filter;

    weir_print(text, "%s\n", filter->summary ? filter->summary : filter->name);
    if (filter->options && filter->options->name)
        weir_print(text, "\noptions:\n");
    options_print(filter, text);
    tables_print(filter->stats, filter->verbs, text);
    return 0;
}

/* ---- options ----------------------------------------------------------------- */

int option_enter(struct place *place, const char *name)
{
    const struct weir_option *rows = place_filter(place)->filter->options;
    const struct weir_option *option = rows ? option_find(rows, name) : NULL;

    if (!option || option->flags & WEIR_SECRET)
        return -ENOENT;
    place->option = option;
    return 0;
}

int option_names(struct place *place, struct names *names)
{
    const struct weir_option *row = place_filter(place)->filter->options;
    int error = 0;

    for (; row && row->name && !error; row++) {
        if (!(row->flags & WEIR_SECRET))
            error = names_add(names, row->name, NODE_FILE, row->flags & WEIR_LIVE);
    }
    return error;
}

int option_read(struct place *place, struct weir_text *text)
{
    settings_print(place_filter(place)->settings, place->option->name, text);
    return 0;
}

/* Would the filter take it?  Nothing changes. */
static int option_check(struct place *place, const char *value, struct weir_text *why)
{
    const struct filter_view *view = place_filter(place);
    struct settings *copy;

    int error = settings_copy(view->settings, &copy);
    if (error)
        return error;
    error = settings_set(copy, place->option->name, value, why);
    if (!error && view->filter->check)
        error = view->filter->check(settings_config(copy), why);
    settings_destroy(copy);
    return error;
}

int option_write(struct place *place, const struct change *change, struct weir_text *answer,
                 struct refusal *refusal)
{
    const char *label = place_filter(place)->label;
    const char *option = place->option->name;
    const char *export = export_name(place->export);
    cleanup_free char *value = NULL;

    (void)answer;
    int error = change_line(change, &value, refusal);
    if (!error && !(place->option->flags & WEIR_LIVE)) {
        weir_print(&refusal->why,
                   "option %s of %s/%s cannot change while requests run: edit policy.conf", option,
                   export, label);
        error = -EPERM;
    }
    if (change->check_only)
        return error ? error : option_check(place, value, &refusal->why);
    if (!error)
        error = config_set_option(export, label, option, value, &refusal->why);
    /* Whoever types a passphrase where its file goes is refused, and must not find it in the log:
     * the sentence repeats the value where that is right. */
    if (error || place->option->flags & WEIR_SECRET)
        return change_done(place, error, refusal, "option %s of %s/%s set", option, export, label);
    return change_done(place, error, refusal, "option %s of %s/%s set to %s", option, export, label,
                       value);
}

/* ---- statistics of its own --------------------------------------------------- */

int stat_enter(struct place *place, const char *name)
{
    return enter_stat(place, place_filter(place)->filter->stats, name);
}

int stat_names(struct place *place, struct names *names)
{
    return name_stats(place_filter(place)->filter->stats, names);
}

int stat_read(struct place *place, struct weir_text *text)
{
    return export_print_stat(place->export, place_filter(place)->label, place->stat->name, text);
}
