/* tree-exports.c - what does the folder of one export tell?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../gateway.h"

int export_enter(struct place *place, const char *name)
{
    place->export = gateway_find(name);
    return place->export ? 0 : -ENOENT;
}

int export_names(struct place *place, struct names *names)
{
    struct export **list = gateway_list();
    int error = list ? 0 : -ENOMEM;

    (void)place;
    for (size_t i = 0; list && list[i] && !error; i++)
        error = names_add(names, export_name(list[i]), NODE_FOLDER, false);
    gateway_put_list(list);
    return error;
}

/* The export as it was when this path first asked. */
static const struct export_view *view_of(struct place *place)
{
    if (!place->viewed)
        place->viewed = export_view(place->export, &place->view) == 0;
    return place->viewed ? &place->view : NULL;
}

int export_description(struct place *place, struct weir_text *text)
{
    const char *description = export_config(place->export)->description;

    weir_print(text, "%s", description ? description : "");
    return 0;
}

int export_size(struct place *place, struct weir_text *text)
{
    struct weir_geometry geometry = { 0 };

    export_geometry(place->export, &geometry);
    weir_print(text, "%" PRIu64, geometry.size);
    return 0;
}

int export_state_word(struct place *place, struct weir_text *text)
{
    const struct export_view *view = view_of(place);

    weir_print(text, "%s", view ? export_state_name(view->state) : "");
    return view ? 0 : -ENOMEM;
}

int export_reason(struct place *place, struct weir_text *text)
{
    const struct export_view *view = view_of(place);

    weir_print(text, "%s", view && view->reason ? view->reason : "");
    return view ? 0 : -ENOMEM;
}

int export_datastore(struct place *place, struct weir_text *text)
{
    weir_print(text, "%s", export_config(place->export)->datastore->name);
    return 0;
}

int export_uri(struct place *place, struct weir_text *text)
{
    uri_print(export_name(place->export), text);
    return 0;
}

int export_read_only(struct place *place, struct weir_text *text)
{
    weir_print(text, export_config(place->export)->read_only ? "true" : "false");
    return 0;
}

int export_last_error(struct place *place, struct weir_text *text)
{
    kept_print(KEPT_ERROR, export_name(place->export), "", text);
    return 0;
}

int export_hold_limit(struct place *place, struct weir_text *text)
{
    const struct export_view *view = view_of(place);

    if (view && view->plan.hold_limit)
        print_time(view->plan.hold_limit, text);
    else if (view)
        weir_print(text, "none");
    return view ? 0 : -ENOMEM;
}

int export_chain(struct place *place, struct weir_text *text)
{
    const struct export_view *view = view_of(place);

    if (!view)
        return -ENOMEM;
    for (size_t i = 0; i < view->count; i++)
        weir_print(text, "%s%s", i ? " " : "", view->filter[i].label);
    if (!view->count)
        weir_print(text, "none");
    return 0;
}

/* A number of the view. */
#define VIEW_NUMBER(function, member)                                                              \
    int function(struct place *place, struct weir_text *text)                                      \
    {                                                                                              \
        const struct export_view *view = view_of(place);                                           \
                                                                                                   \
        if (view)                                                                                  \
            weir_print(text, "%" PRIu64, (uint64_t)(member));                                      \
        return view ? 0 : -ENOMEM;                                                                 \
    }

VIEW_NUMBER(export_connections, view->connections)
VIEW_NUMBER(export_generation, view->generation)
VIEW_NUMBER(export_in_flight, view->in_flight)
VIEW_NUMBER(export_waiting, view->waiting)
VIEW_NUMBER(export_last_pause, view->last_pause_ns)
VIEW_NUMBER(export_longest_pause, view->longest_pause_ns)

/* ---- operations: of the export as a whole, of its store, of a filter --------- */

int op_names(struct place *place, struct names *names)
{
    int error = 0;

    (void)place;
    for (int op = 0; op < WEIR_OP_COUNT && !error; op++)
        error = names_add(names, op_name((enum weir_op)op), NODE_FOLDER, false);
    return error;
}

static int enter_op_of(struct place *place, const char *name, enum export_place figures)
{
    for (int op = 0; op < WEIR_OP_COUNT; op++) {
        if (strcmp(op_name((enum weir_op)op), name) == 0) {
            place->op = (enum weir_op)op;
            place->figures = figures;
            return 0;
        }
    }
    return -ENOENT;
}

int op_enter(struct place *place, const char *name)
{
    return enter_op_of(place, name, PLACE_EXPORT);
}

int store_op_enter(struct place *place, const char *name)
{
    return enter_op_of(place, name, PLACE_STORE);
}

int filter_op_enter(struct place *place, const char *name)
{
    return enter_op_of(place, name, PLACE_FILTER);
}

/* A number of the figures, or a histogram of them: all of one reading.  A filter that is
 * not at work, because its export is closed, counts nothing. */
#define FIGURE(function, print)                                                                    \
    int function(struct place *place, struct weir_text *text)                                      \
    {                                                                                              \
        struct figures figures;                                                                    \
        const char *label =                                                                        \
            place->figures == PLACE_FILTER ? place->view.filter[place->filter].label : NULL;       \
        int error = export_figures(place->export, place->figures, label, place->op, &figures);     \
                                                                                                   \
        if (!error)                                                                                \
            print;                                                                                 \
        return error == -ENOENT ? -ENODATA : error;                                                \
    }

static void print_number(uint64_t number, struct weir_text *text)
{
    weir_print(text, "%" PRIu64, number);
}

static void print_latency(const struct weir_histogram *histogram, struct weir_text *text)
{
    weir_print(text, "unit=ns ");
    histogram_print(histogram, text);
}

FIGURE(op_requests, print_number(figures.requests, text))
FIGURE(op_bytes, print_number(figures.bytes, text))
FIGURE(op_errors, print_number(figures.failed, text))
FIGURE(op_passed, print_number(figures.passed, text))
FIGURE(op_completed, print_number(figures.completed, text))
FIGURE(op_deferred, print_number(figures.deferred, text))
FIGURE(op_derived, print_number(figures.derived, text))
FIGURE(op_derived_bytes, print_number(figures.derived_bytes, text))
FIGURE(op_latency, print_latency(&figures.here, text))
FIGURE(op_below, print_latency(&figures.below, text))
