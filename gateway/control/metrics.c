/* metrics.c - what does Prometheus learn of this gateway?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Every sample says its gateway, so that the texts of several can be put together. */
#include "metrics.h"

#include <string.h>

#include "../config/config.h"
#include "../gateway.h"
#include "../scope.h"
#include "answer.h"

/* ---- what is counted for each operation -------------------------------------- */

/* clang-format off */
#define SAMPLE(function, print)                                                 \
    static void function(struct family *family, const struct weir_text *labels, \
                         const struct figures *figures)                         \
    {                                                                           \
        print;                                                                  \
    }
/* clang-format on */

SAMPLE(put_requests, sample_number(family, labels, figures->requests))
SAMPLE(put_bytes, sample_number(family, labels, figures->bytes))
SAMPLE(put_failed, sample_number(family, labels, figures->failed))
SAMPLE(put_completed, sample_number(family, labels, figures->completed))
SAMPLE(put_deferred, sample_number(family, labels, figures->deferred))
SAMPLE(put_derived, sample_number(family, labels, figures->derived))
SAMPLE(put_derived_bytes, sample_number(family, labels, figures->derived_bytes))
SAMPLE(put_here, sample_seconds(family, labels, figures->here.sum.n))
SAMPLE(put_below, sample_seconds(family, labels, figures->below.sum.n))
SAMPLE(put_latency, sample_histogram(family, labels, &figures->here, true, 1e-9))

struct op_metric {
    const char *name, *type, *help;
    void (*put)(struct family *, const struct weir_text *labels, const struct figures *);
};

static const struct op_metric export_ops[] = {
    { "weir_export_requests_total", "counter", "Requests of clients answered.", put_requests },
    { "weir_export_bytes_total", "counter", "Bytes of the requests of clients.", put_bytes },
    { "weir_export_errors_total", "counter", "Requests of clients that failed.", put_failed },
    { "weir_export_duration_seconds", "histogram",
      "Time from the arrival of a request to its answer, through all filters and the store.",
      put_latency },
    { NULL },
};
static const struct op_metric store_ops[] = {
    { "weir_store_requests_total", "counter", "Requests that reached the store.", put_requests },
    { "weir_store_bytes_total", "counter", "Bytes of the requests that reached the store.",
      put_bytes },
    { "weir_store_errors_total", "counter", "Requests that the store failed.", put_failed },
    { "weir_store_duration_seconds", "histogram", "Time the store took for a request.",
      put_latency },
    { NULL },
};
static const struct op_metric filter_ops[] = {
    { "weir_filter_requests_total", "counter", "Requests that reached the filter.", put_requests },
    { "weir_filter_bytes_total", "counter", "Bytes of the requests that reached the filter.",
      put_bytes },
    { "weir_filter_completed_total", "counter", "Requests that the filter answered itself.",
      put_completed },
    { "weir_filter_failed_total", "counter", "Requests that the filter refused.", put_failed },
    { "weir_filter_deferred_total", "counter", "Requests that the filter held for a while.",
      put_deferred },
    { "weir_filter_derived_requests_total", "counter", "Requests that the filter started itself.",
      put_derived },
    { "weir_filter_derived_bytes_total", "counter",
      "Bytes of the requests that the filter started itself.", put_derived_bytes },
    { "weir_filter_here_seconds_total", "counter", "Time spent in the filter.", put_here },
    { "weir_filter_below_seconds_total", "counter", "Time spent below the filter.", put_below },
    { NULL },
};

static void add_ops(struct metrics *metrics, const struct op_metric *rows, struct export *export,
                    enum export_place place, const char *label, const struct weir_text *labels)
{
    struct figures figures;

    for (int op = 0; op < WEIR_OP_COUNT; op++) {
        cleanup_text struct weir_text with_op = { 0 };
        if (export_figures(export, place, label, (enum weir_op)op, &figures) != 0)
            return;
        /* five filters of a hundred exports are many rows: none for what never ran */
        if (place != PLACE_EXPORT && !figures.requests && !figures.derived)
            continue;
        text_append(&with_op, labels->text, labels->length);
        label_add(&with_op, "op", op_name((enum weir_op)op));
        for (const struct op_metric *row = rows; row->name; row++)
            row->put(metrics_family(metrics, row->name, row->type, row->help), &with_op, &figures);
    }
}

/* ---- what is a state or a number of an export -------------------------------- */

static void add_gauge(struct metrics *metrics, const struct weir_text *labels, const char *name,
                      uint64_t value, const char *help)
{
    sample_number(metrics_family(metrics, name, "gauge", help), labels, value);
}

/* One sample for each state there is, 1 for the present one. */
static void add_state(struct metrics *metrics, const struct weir_text *labels, const char *name,
                      const char *key, const char *state, bool present, const char *help)
{
    cleanup_text struct weir_text with_state = { 0 };

    text_append(&with_state, labels->text, labels->length);
    label_add(&with_state, key, state);
    add_gauge(metrics, &with_state, name, present, help);
}

static void add_states(struct metrics *metrics, struct export *export,
                       const struct export_view *view, const struct weir_text *labels)
{
    enum compliance compliance = config_compliance(export_name(export), NULL);

    for (int state = EXPORT_CLOSED; state <= EXPORT_LOCKED; state++)
        add_state(metrics, labels, "weir_export_state", "state",
                  export_state_name((enum export_state)state), (int)view->state == state,
                  "The state of the export: 1 for the present one.");
    for (int state = COMPLIANT; state <= COMPLIANCE_UNKNOWN; state++)
        add_state(metrics, labels, "weir_export_compliance", "compliance",
                  compliance_name((enum compliance)state), (int)compliance == state,
                  "Whether the export is as its policy says: 1 for the present state.");
}

static void add_info(struct metrics *metrics, struct export *export, const struct weir_text *labels)
{
    cleanup_text struct weir_text all = { 0 };
    char buffer[256];
    const char *policy = config_export_policy_name(export_name(export), buffer);

    text_append(&all, labels->text, labels->length);
    label_add(&all, "policy", policy && *policy ? policy : "none");
    label_add(&all, "datastore", export_config(export)->datastore->name);
    add_gauge(metrics, &all, "weir_export_info", 1, "What belongs to the export.");
}

static void add_filter(struct metrics *metrics, struct export *export,
                       const struct export_view *view, size_t index,
                       const struct weir_text *export_labels)
{
    const struct filter_view *filter = &view->filter[index];
    cleanup_text struct weir_text labels = { 0 };

    text_append(&labels, export_labels->text, export_labels->length);
    label_add(&labels, "filter", filter->label);
    add_ops(metrics, filter_ops, export, PLACE_FILTER, filter->label, &labels);
    add_gauge(metrics, &labels, "weir_filter_held_requests", filter->held,
              "Requests that the filter holds now.");
    add_gauge(metrics, &labels, "weir_filter_bypassed", filter->bypassed,
              "1 when requests go around the filter because it failed.");
    sample_seconds(metrics_family(metrics, "weir_filter_longest_hold_seconds", "gauge",
                                  "The longest time that the filter held a request."),
                   &labels, filter->longest_hold_ns);
    metrics_own_stats(
        metrics, export,
        &(struct stat_owner){ filter->filter->name, filter->label, filter->filter->stats },
        &labels);
}

static void add_store(struct metrics *metrics, struct export *export,
                      const struct weir_text *labels)
{
    const struct store_type *type = export_config(export)->datastore->type;
    cleanup_text struct weir_text name = { 0 };

    add_ops(metrics, store_ops, export, PLACE_STORE, NULL, labels);
    weir_print(&name, "store_%s", type->name);
    metrics_own_stats(metrics, export,
                      &(struct stat_owner){ text_string(&name), NULL, type->stats }, labels);
}

static void add_export(struct metrics *metrics, struct export *export)
{
    cleanup_text struct weir_text labels = { 0 };
    struct weir_geometry geometry = { 0 };
    struct export_view view;

    if (export_view(export, &view) != 0) {
        metrics->no_memory = true;
        return;
    }
    export_geometry(export, &geometry);
    label_add(&labels, "gateway", places()->name);
    label_add(&labels, "export", export_name(export));
    add_info(metrics, export, &labels);
    add_states(metrics, export, &view, &labels);
    add_gauge(metrics, &labels, "weir_export_size_bytes", geometry.size,
              "The size of the disk as clients see it.");
    add_gauge(metrics, &labels, "weir_export_read_only", export_config(export)->read_only,
              "1 when clients cannot write.");
    add_gauge(metrics, &labels, "weir_export_connections", view.connections,
              "Clients connected now.");
    add_gauge(metrics, &labels, "weir_export_in_flight_requests", view.in_flight,
              "Requests under way now.");
    add_gauge(metrics, &labels, "weir_export_waiting_requests", view.waiting,
              "Requests that wait for a change of the export to be done.");
    add_gauge(metrics, &labels, "weir_export_generation", view.generation,
              "Grows with each applied change.");
    sample_seconds(metrics_family(metrics, "weir_export_longest_pause_seconds", "gauge",
                                  "The longest time that requests waited for a change."),
                   &labels, view.longest_pause_ns);
    add_ops(metrics, export_ops, export, PLACE_EXPORT, NULL, &labels);
    add_store(metrics, export, &labels);
    for (size_t i = 0; i < view.count; i++)
        add_filter(metrics, export, &view, i, &labels);
    export_view_finish(&view);
}

/* ---- all of it --------------------------------------------------------------- */

static void add_datastore(struct metrics *metrics, const char *name)
{
    cleanup_text struct weir_text labels = { 0 };
    struct datastore_view view = { 0 };

    if (config_datastore(name, &view) != 0)
        return;
    label_add(&labels, "gateway", places()->name);
    label_add(&labels, "datastore", name);
    add_gauge(metrics, &labels, "weir_datastore_size_bytes", view.space.size,
              "The size of what the datastore lies on; 0 when it cannot tell.");
    add_gauge(metrics, &labels, "weir_datastore_free_bytes", view.space.free,
              "The free space of what the datastore lies on; 0 when it cannot tell.");
    datastore_view_finish(&view);
}

static void add_gateway(struct metrics *metrics)
{
    cleanup_text struct weir_text labels = { 0 };
    cleanup_text struct weir_text build = { 0 };

    label_add(&labels, "gateway", places()->name);
    label_add(&build, "gateway", places()->name);
    label_add(&build, "version", WEIR_VERSION);
    add_gauge(metrics, &build, "weir_build_info", 1, "The version of weir that runs here.");
    add_gauge(metrics, &labels, "weir_gateway_uptime_seconds", gateway_uptime_s(),
              "Time since the gateway started.");
}

void metrics_print(struct weir_text *text)
{
    struct metrics metrics = { 0 };
    struct export **exports = gateway_list();
    cleanup_free char **datastores = config_datastores();

    add_gateway(&metrics);
    for (size_t i = 0; datastores && datastores[i]; i++)
        add_datastore(&metrics, datastores[i]);
    for (size_t i = 0; exports && exports[i]; i++)
        add_export(&metrics, exports[i]);
    metrics_write(&metrics, text);
    gateway_put_list(exports);
    metrics_finish(&metrics);
}
