/* export-stats.c - where do the requests of one export spend their time?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "gateways.h"
#include "measure.h"

/* One line: a place of the chain and an operation. */
static void add_row(struct table *table, const char *place, const char *op, const struct measure *m,
                    double seconds)
{
    struct number n[] = { count_number((double)m->requests),
                          count_number((double)m->requests / seconds),
                          rate_number((double)m->bytes / seconds),
                          latency_number(m->mean),
                          latency_number(m->p50),
                          latency_number(m->p90),
                          latency_number(m->p99),
                          latency_number(m->p999),
                          latency_number(m->max),
                          count_number((double)m->failed) };
    const char *cells[] = { place,     op,        n[0].text, n[1].text, n[2].text, n[3].text,
                            n[4].text, n[5].text, n[6].text, n[7].text, n[8].text, n[9].text };

    table_add(table, cells);
}

static struct json_object *measure_document(const struct measure *m, double seconds)
{
    struct json_object *ret = document();

    add_number(ret, "requests", m->requests);
    add_number(ret, "bytes", m->bytes);
    add_number(ret, "completed", m->completed);
    add_number(ret, "failed", m->failed);
    add_number(ret, "deferred", m->deferred);
    add_number(ret, "derived", m->derived);
    add_real(ret, "iops", (double)m->requests / seconds);
    add_real(ret, "bytes_per_s", (double)m->bytes / seconds);
    add_number(ret, "mean_ns", m->mean);
    add_number(ret, "p50_ns", m->p50);
    add_number(ret, "p90_ns", m->p90);
    add_number(ret, "p99_ns", m->p99);
    add_number(ret, "p99_9_ns", m->p999);
    add_number(ret, "max_ns", m->max);
    return ret;
}

/* All operations of one place that had any request. */
static struct json_object *add_place(struct table *table, const char *place,
                                     struct json_object *now, struct json_object *before,
                                     double seconds)
{
    struct json_object *ret = document();
    struct json_object *ops = document();

    for (enum weir_op op = 0; op < WEIR_OP_COUNT; op++) {
        struct measure m;
        measure(now, before, WEIR_OP(op), &m, NULL);
        if (!m.requests)
            continue;
        add_row(table, place, op_name(op), &m, seconds);
        add_item(ops, op_name(op), measure_document(&m, seconds));
    }
    add_text(ret, "place", place);
    add_item(ret, "ops", ops);
    return ret;
}

static struct json_object *add_places(struct table *table, struct json_object *now,
                                      struct json_object *before, double seconds)
{
    struct json_object *places = enough(json_object_new_array());
    struct json_object *filters = member_of(now, "filters");
    struct json_object *were = member_of(before, "filters");

    json_object_array_add(places, add_place(table, "export", member_of(now, "ops"),
                                            member_of(before, "ops"), seconds));
    for (size_t i = 0; i < items_of(filters); i++) {
        struct json_object *filter = json_object_array_get_idx(filters, i);
        struct json_object *was = entry_of(were, "place", text_of(filter, "place"));
        json_object_array_add(places,
                              add_place(table, text_of(filter, "place"), member_of(filter, "ops"),
                                        member_of(was, "ops"), seconds));
    }
    json_object_array_add(places, add_place(table, "store", member_of(now, "store"),
                                            member_of(before, "store"), seconds));
    return places;
}

enum exit_code ctl_export_stats(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    const char *titles[] = { "PLACE", "OP",   ">REQUESTS", ">IOPS", ">BANDWIDTH", ">MEAN", ">P50",
                             ">P90",  ">P99", ">P99.9",    ">MAX",  ">FAILED",    NULL };
    struct table table;
    struct gateway *gateway;
    struct json_object *entry, *before = NULL;
    double interval = 0;
    enum exit_code code = option_seconds(invocation, OPTION_INTERVAL, 0.01, &interval);

    if (!code)
        code = gateways_open(invocation, &all);
    if (!code)
        code = gateways_find_export(invocation, &all, invocation->words[0], &gateway, &entry);
    if (!code && interval > 0) {
        double begun = now_seconds();
        before = json_object_get(entry);
        wait_seconds(interval);
        code = gateways_find_export(invocation, &all, invocation->words[0], &gateway, &entry);
        interval = now_seconds() - begun;
    }
    if (code) {
        json_object_put(before);
        return code;
    }
    uint64_t uptime = number_of(member_of(gateway->show, "gateway"), "uptime_s");
    double seconds = before ? interval : uptime ? (double)uptime : 1;
    table_begin(&table, titles);
    struct json_object *places = add_places(&table, entry, before, seconds);
    json_object_put(before);
    struct json_object *ret = document();
    add_text(ret, "gateway", gateway->name);
    add_text(ret, "export", invocation->words[0]);
    add_real(ret, "measured_s", seconds);
    add_item(ret, "places", places);
    return print_either(invocation, ret, &table);
}
