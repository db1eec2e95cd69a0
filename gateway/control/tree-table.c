/* tree-table.c - what is in the tree that the mount and weirctl show?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One row for each kind of node; a folder stands before what is in it.  Where a name
 * fits two rows of a folder, the first whose enter() knows it is taken. */
#include "tree-table.h"

/* clang-format off */
#define FOLDER(p, ...)    { .pattern = (p), .kind = NODE_FOLDER, __VA_ARGS__ }
#define VALUE(p, f)       { .pattern = (p), .read = (f) }
#define EDITABLE(p, r, w) { .pattern = (p), .read = (r), .write = (w) }
/* clang-format on */

/* What the three places that count operations share. */
#define OP_VALUES(p)                                                                               \
    VALUE(p "/requests", op_requests), VALUE(p "/bytes", op_bytes), VALUE(p "/errors", op_errors), \
        VALUE(p "/latency", op_latency)

static const struct row rows[] = {
    FOLDER(""),
    VALUE("metrics", metrics_read),
    VALUE("events", events_read_kept),

    FOLDER("filters"),
    FOLDER("filters/*", .enter = library_enter, .names = library_names),
    VALUE("filters/*/class", library_class),
    VALUE("filters/*/version", library_version),
    VALUE("filters/*/abi", library_abi),
    VALUE("filters/*/path", library_path),
    VALUE("filters/*/description", library_description),
    VALUE("filters/*/options", library_options),
    VALUE("filters/*/statistics", library_statistics),
    VALUE("filters/*/exports", library_exports),

    FOLDER("policies", .grows = true),
    { .pattern = "policies/*",
      .enter = policy_enter,
      .names = policy_names,
      .read = policy_read,
      .write = policy_write,
      .remove = policy_remove },

    FOLDER("datastores"),
    FOLDER("datastores/*", .enter = datastore_enter, .names = datastore_names),
    VALUE("datastores/*/type", datastore_type),
    VALUE("datastores/*/path", datastore_path),
    VALUE("datastores/*/size_bytes", datastore_size),
    VALUE("datastores/*/free_bytes", datastore_free),
    VALUE("datastores/*/exports", datastore_exports),
    EDITABLE("datastores/*/latency_threshold", datastore_threshold, datastore_set_threshold),
    VALUE("datastores/*/exchange", datastore_exchange),
    VALUE("datastores/*/emulate", datastore_emulate),
    VALUE("datastores/*/latency_us", datastore_latency), /* the mean read or write since start */
    VALUE("datastores/*/in_flight", datastore_in_flight),

    FOLDER("gateways"),
    FOLDER("gateways/*", .enter = gateway_enter, .names = gateway_names),
    VALUE("gateways/*/pid", gateway_pid),
    VALUE("gateways/*/version", gateway_version),
    VALUE("gateways/*/uptime_s", gateway_uptime),

    FOLDER("exports"),
    FOLDER("exports/*", .enter = export_enter, .names = export_names),
    VALUE("exports/*/description", export_description),
    VALUE("exports/*/size_bytes", export_size),
    VALUE("exports/*/state", export_state_word),
    VALUE("exports/*/reason", export_reason),
    EDITABLE("exports/*/policy", export_policy_name, export_policy_assign),
    EDITABLE("exports/*/policy.conf", export_policy_text, export_policy_edit),
    VALUE("exports/*/compliance", export_compliance),
    VALUE("exports/*/compliance_reason", export_compliance_reason),
    VALUE("exports/*/datastore", export_datastore),
    VALUE("exports/*/uri", export_uri),
    VALUE("exports/*/connections", export_connections),
    VALUE("exports/*/read_only", export_read_only),
    VALUE("exports/*/generation", export_generation),
    VALUE("exports/*/last_error", export_last_error),
    VALUE("exports/*/hold_limit", export_hold_limit),
    VALUE("exports/*/chain", export_chain),

    FOLDER("exports/*/stats"),
    VALUE("exports/*/stats/in_flight", export_in_flight),
    VALUE("exports/*/stats/waiting", export_waiting),
    VALUE("exports/*/stats/last_pause_ns", export_last_pause),
    VALUE("exports/*/stats/longest_pause_ns", export_longest_pause),
    FOLDER("exports/*/stats/*", .enter = op_enter, .names = op_names),
    OP_VALUES("exports/*/stats/*"),

    FOLDER("exports/*/store"),
    FOLDER("exports/*/store/*", .enter = store_op_enter, .names = op_names),
    OP_VALUES("exports/*/store/*"),
    VALUE("exports/*/store/help", store_help),
    EDITABLE("exports/*/store/ctl", store_ctl_read, store_ctl_write),
    FOLDER("exports/*/store/stats"),
    { .pattern = "exports/*/store/stats/*",
      .enter = store_stat_enter,
      .names = store_stat_names,
      .read = store_stat_read },

    FOLDER("exports/*/filters"),
    FOLDER("exports/*/filters/*", .enter = filter_enter, .names = filter_names),
    VALUE("exports/*/filters/*/name", filter_name),
    VALUE("exports/*/filters/*/version", filter_version),
    VALUE("exports/*/filters/*/held", filter_held),
    VALUE("exports/*/filters/*/state", filter_state),
    VALUE("exports/*/filters/*/help", filter_help),
    EDITABLE("exports/*/filters/*/ctl", filter_ctl_read, filter_ctl_write),

    FOLDER("exports/*/filters/*/options"),
    { .pattern = "exports/*/filters/*/options/*",
      .enter = option_enter,
      .names = option_names,
      .read = option_read,
      .write = option_write },

    FOLDER("exports/*/filters/*/stats"),
    VALUE("exports/*/filters/*/stats/oldest_hold_ns", filter_oldest_hold),
    VALUE("exports/*/filters/*/stats/longest_hold_ns", filter_longest_hold),
    FOLDER("exports/*/filters/*/stats/*", .enter = filter_op_enter, .names = op_names),
    VALUE("exports/*/filters/*/stats/*/requests", op_requests),
    VALUE("exports/*/filters/*/stats/*/bytes", op_bytes),
    VALUE("exports/*/filters/*/stats/*/passed", op_passed),
    VALUE("exports/*/filters/*/stats/*/completed", op_completed),
    VALUE("exports/*/filters/*/stats/*/failed", op_errors),
    VALUE("exports/*/filters/*/stats/*/deferred", op_deferred),
    VALUE("exports/*/filters/*/stats/*/derived", op_derived),
    VALUE("exports/*/filters/*/stats/*/derived_bytes", op_derived_bytes),
    VALUE("exports/*/filters/*/stats/*/here", op_latency),
    VALUE("exports/*/filters/*/stats/*/below", op_below),
    { .pattern = "exports/*/filters/*/stats/*",
      .enter = stat_enter,
      .names = stat_names,
      .read = stat_read },
    { .pattern = NULL },
};

const struct row *tree_rows(void)
{
    return rows;
}
