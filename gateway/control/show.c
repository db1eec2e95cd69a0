/* show.c - what is the state of everything, in one document?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The names of the fields are a promise: control.h has them all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../gateway.h"
#include "../scope.h"
#include "tree.h"

/* ---- figures ----------------------------------------------------------------- */

static void show_histogram(struct json_out *out, const char *key, const struct weir_histogram *h)
{
    out_open(out, key, '{');
    out_number(out, "count", histogram_count(h));
    out_number(out, "sum", h->sum.n);
    out_number(out, "p50", histogram_quantile(h, 0.5));
    out_number(out, "p90", histogram_quantile(h, 0.9));
    out_number(out, "p99", histogram_quantile(h, 0.99));
    out_number(out, "p999", histogram_quantile(h, 0.999));
    out_number(out, "max", h->max);
    out_open(out, "buckets", '[');
    for (unsigned i = 0; i < WEIR_BUCKETS; i++) {
        if (!h->bucket[i].n)
            continue;
        out_open(out, NULL, '[');
        out_number(out, NULL, i);
        out_number(out, NULL, h->bucket[i].n);
        out_close(out, ']');
    }
    out_close(out, ']');
    out_close(out, '}');
}

static void show_figures(struct json_out *out, const struct figures *figures, enum weir_op op,
                         bool below)
{
    out_open(out, op_name(op), '{');
    out_number(out, "requests", figures->requests);
    out_number(out, "bytes", figures->bytes);
    out_number(out, "passed", figures->passed);
    out_number(out, "completed", figures->completed);
    out_number(out, "failed", figures->failed);
    out_number(out, "deferred", figures->deferred);
    out_number(out, "derived", figures->derived);
    out_number(out, "derived_bytes", figures->derived_bytes);
    show_histogram(out, "here", &figures->here);
    if (below)
        show_histogram(out, "below", &figures->below);
    out_close(out, '}');
}

static void show_ops(struct json_out *out, const char *key, struct export *export,
                     enum export_place place, const char *label)
{
    struct figures figures;

    out_open(out, key, '{');
    for (int op = 0; op < WEIR_OP_COUNT; op++) {
        if (export_figures(export, place, label, (enum weir_op)op, &figures) == 0 &&
            (figures.requests || figures.derived))
            show_figures(out, &figures, (enum weir_op)op, place == PLACE_FILTER);
    }
    out_close(out, '}');
}

/* ---- an export --------------------------------------------------------------- */

static void show_options(struct json_out *out, const struct filter_view *view)
{
    out_open(out, "options", '{');
    for (const struct weir_option *row = view->filter->options; row && row->name; row++) {
        cleanup_text struct weir_text value = { 0 };
        if (row->flags & WEIR_SECRET)
            continue;
        settings_print(view->settings, row->name, &value);
        out_text(out, row->name, text_string(&value));
    }
    out_close(out, '}');
}

/* Not the texts: they may have thousands of lines, and a screen asks every second. */
static void show_stats(struct json_out *out, const char *key, struct export *export,
                       const char *label, const struct weir_stat *row)
{
    out_open(out, key, '{');
    for (; row && row->name; row++) {
        cleanup_text struct weir_text value = { 0 };
        if (row->kind == WEIR_TEXT)
            continue;
        if (export_print_stat(export, label, row->name, &value) == 0)
            out_text(out, row->name, text_string(&value));
    }
    out_close(out, '}');
}

/* Their buckets, so that a client can subtract two readings; the text above cannot be. */
static void show_histograms(struct json_out *out, struct export *export,
                            const struct filter_view *view)
{
    out_open(out, "histograms", '{');
    for (const struct weir_stat *row = view->filter->stats; row && row->name; row++) {
        cleanup_free struct weir_histogram *histogram = NULL;
        if (row->kind == WEIR_HISTOGRAM &&
            export_stat_histogram(export, view->label, row->name, &histogram) == 0)
            show_histogram(out, row->name, histogram);
    }
    out_close(out, '}');
}

static void show_filter(struct json_out *out, struct export *export,
                        const struct export_view *exported, size_t index)
{
    const struct filter_view *view = &exported->filter[index];
    cleanup_text struct weir_text place = { 0 };

    filter_place_name(exported, index, &place);
    out_open(out, NULL, '{');
    out_text(out, "place", text_string(&place));
    out_text(out, "label", view->label);
    out_text(out, "name", view->filter->name);
    out_text(out, "class", class_name(view->filter->klass));
    out_text(out, "version", view->filter->version);
    out_number(out, "held", view->held);
    out_number(out, "oldest_hold_ns", view->oldest_hold_ns);
    out_number(out, "longest_hold_ns", view->longest_hold_ns);
    out_bool(out, "bypassed", view->bypassed);
    show_ops(out, "ops", export, PLACE_FILTER, view->label);
    show_options(out, view);
    show_stats(out, "stats", export, view->label, view->filter->stats);
    show_histograms(out, export, view);
    out_close(out, '}');
}

/* What the configuration knows of it, and what is only text. */
static void show_identity(struct json_out *out, struct export *export)
{
    const struct export_config *config = export_config(export);
    cleanup_text struct weir_text reason = { 0 };
    cleanup_text struct weir_text uri = { 0 };
    cleanup_text struct weir_text refused = { 0 };
    char buffer[256];
    const char *policy = config_export_policy_name(config->name, buffer);

    out_text(out, "description", config->description);
    out_text(out, "compliance", compliance_name(config_compliance(config->name, &reason)));
    out_text(out, "compliance_reason", text_string(&reason));
    out_text(out, "policy", policy && *policy ? policy : "none");
    out_text(out, "datastore", config->datastore->name);
    out_text(out, "image", config->image);
    uri_print(config->name, &uri);
    out_text(out, "uri", text_string(&uri));
    out_bool(out, "read_only", config->read_only);
    kept_print(KEPT_ERROR, config->name, "", &refused);
    out_text(out, "last_error", text_string(&refused));
}

static int show_export(struct json_out *out, struct export *export)
{
    struct export_view view;
    struct weir_geometry geometry = { 0 };

    int error = export_view(export, &view);
    if (error)
        return error;
    export_geometry(export, &geometry);
    out_open(out, NULL, '{');
    out_text(out, "name", export_name(export));
    out_text(out, "state", export_state_name(view.state));
    out_text(out, "reason", view.reason);
    show_identity(out, export);
    out_number(out, "size_bytes", geometry.size);
    out_number(out, "connections", view.connections);
    out_number(out, "in_flight", view.in_flight);
    out_number(out, "waiting", view.waiting);
    out_number(out, "generation", view.generation);
    out_number(out, "last_pause_ns", view.last_pause_ns);
    out_number(out, "longest_pause_ns", view.longest_pause_ns);
    out_number(out, "hold_limit_ns", view.plan.hold_limit);
    show_ops(out, "ops", export, PLACE_EXPORT, NULL);
    show_ops(out, "store", export, PLACE_STORE, NULL);
    show_stats(out, "store_stats", export, NULL, export_config(export)->datastore->type->stats);
    out_open(out, "filters", '[');
    for (size_t i = 0; i < view.count; i++)
        show_filter(out, export, &view, i);
    out_close(out, ']');
    out_close(out, '}');
    export_view_finish(&view);
    return 0;
}

static int show_exports(struct json_out *out, const char *only)
{
    struct export **list = gateway_list();
    int error = list ? 0 : -ENOMEM;

    out_open(out, "exports", '[');
    for (size_t i = 0; list && list[i] && !error; i++) {
        if (!only || strcmp(export_name(list[i]), only) == 0)
            error = show_export(out, list[i]);
    }
    out_close(out, ']');
    gateway_put_list(list);
    return error;
}

/* ---- the rest ---------------------------------------------------------------- */

static void show_gateway(struct json_out *out)
{
    out_open(out, "gateway", '{');
    out_text(out, "name", places()->name);
    out_number(out, "pid", (uint64_t)getpid());
    out_text(out, "version", WEIR_VERSION);
    out_number(out, "uptime_s", gateway_uptime_s());
    out_text(out, "run", places()->run);
    out_text(out, "state", places()->state);
    out_text(out, "filters", places()->filters);
    out_close(out, '}');
}

static void show_library(struct json_out *out, const char *name)
{
    cleanup_text struct weir_text why = { 0 };
    cleanup_text struct weir_text exports = { 0 };
    struct place place = { 0 };

    out_open(out, NULL, '{');
    out_text(out, "name", name);
    if (loader_get(name, &place.library, &why) == 0) {
        out_text(out, "class", class_name(place.library->filter.klass));
        out_text(out, "version", place.library->filter.version);
        out_number(out, "abi", place.library->filter.abi);
        out_text(out, "path", place.library->path);
        out_text(out, "description", place.library->filter.summary);
        loader_drift(place.library, &why);
        out_text(out, "drift", text_string(&why));
        library_exports(&place, &exports);
    } else {
        out_text(out, "error", text_string(&why));
    }
    out_open(out, "exports", '[');
    for (char *rest = exports.text, *line; rest && (line = strsep(&rest, "\n"));) {
        if (*line)
            out_text(out, NULL, line);
    }
    out_close(out, ']');
    out_close(out, '}');
    loader_put(place.library);
}

static void show_policy(struct json_out *out, const char *name)
{
    struct policy_view view = { 0 };

    if (config_policy(name, &view) != 0)
        return; /* removed meanwhile */
    out_open(out, NULL, '{');
    out_text(out, "name", view.name);
    out_text(out, "description", view.description);
    out_text(out, "file", view.file);
    out_list(out, "exports", view.exports);
    out_close(out, '}');
    policy_view_finish(&view);
}

static void show_value(struct json_out *out, const char *key, struct place *place,
                       int (*read)(struct place *, struct weir_text *))
{
    cleanup_text struct weir_text text = { 0 };

    read(place, &text);
    out_text(out, key, text_string(&text));
}

/* Which keys can be set. */
static void show_live_keys(struct json_out *out)
{
    out_open(out, "live", '[');
    for (const struct weir_option *row = datastore_rows; row->name; row++) {
        if (row->flags & WEIR_LIVE)
            out_text(out, NULL, row->name);
    }
    out_close(out, ']');
}

static void show_datastore(struct json_out *out, const char *name)
{
    struct place place = { 0 };
    struct datastore_view *view = &place.datastore;
    uint64_t latency_ns, in_flight;

    if (config_datastore(name, view) != 0)
        return;
    out_open(out, NULL, '{');
    out_text(out, "name", view->name);
    out_text(out, "type", view->type);
    out_text(out, "path", view->path);
    show_value(out, "latency_threshold", &place, datastore_threshold);
    show_value(out, "exchange", &place, datastore_exchange);
    show_value(out, "emulate", &place, datastore_emulate);
    show_live_keys(out);
    out_number(out, "size_bytes", view->space.size);
    out_number(out, "free_bytes", view->space.free);
    datastore_load(view->name, &latency_ns, &in_flight);
    out_number(out, "latency_ns", latency_ns);
    out_number(out, "in_flight", in_flight);
    out_list(out, "exports", view->exports);
    out_close(out, '}');
    datastore_view_finish(view);
}

static void show_all(struct json_out *out, const char *key, char **names,
                     void (*show)(struct json_out *, const char *))
{
    out_open(out, key, '[');
    for (size_t i = 0; names && names[i]; i++)
        show(out, names[i]);
    out_close(out, ']');
    free(names);
}

int show_answer(struct json_object *request, struct json_out *out, struct refusal *refusal)
{
    const char *only = NULL;

    int error = request_string(request, "export", &only, NULL, refusal);
    if (error)
        return error;
    struct export *export = only ? gateway_find(only) : NULL;
    if (only && !export) {
        weir_print(&refusal->why, "there is no export \"%s\"", only);
        return -ENOENT;
    }
    export_unref(export);
    show_gateway(out);
    error = show_exports(out, only);
    show_all(out, "filters", loader_names(), show_library);
    show_all(out, "policies", config_policies(), show_policy);
    show_all(out, "datastores", config_datastores(), show_datastore);
    return error;
}
