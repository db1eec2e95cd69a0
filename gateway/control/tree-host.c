/* tree-host.c - what do the root, this gateway and its datastores tell?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../events.h"
#include "../gateway.h"
#include "../scope.h"

int metrics_read(struct place *place, struct weir_text *text)
{
    (void)place;
    metrics_print(text);
    return 0;
}

int events_read_kept(struct place *place, struct weir_text *text)
{
    uint64_t last;

    (void)place;
    return events_read(0, 0, text, &last);
}

/* ---- gateways/NAME ----------------------------------------------------------- */

int gateway_enter(struct place *place, const char *name)
{
    (void)place;
    return strcmp(places()->name, name) == 0 ? 0 : -ENOENT;
}

int gateway_names(struct place *place, struct names *names)
{
    (void)place;
    return names_add(names, places()->name, NODE_FOLDER, false);
}

int gateway_pid(struct place *place, struct weir_text *text)
{
    (void)place;
    weir_print(text, "%ld", (long)getpid());
    return 0;
}

int gateway_version(struct place *place, struct weir_text *text)
{
    (void)place;
    weir_print(text, "%s", WEIR_VERSION);
    return 0;
}

int gateway_uptime(struct place *place, struct weir_text *text)
{
    (void)place;
    weir_print(text, "%" PRIu64, gateway_uptime_s());
    return 0;
}

/* ---- datastores/NAME --------------------------------------------------------- */

int datastore_enter(struct place *place, const char *name)
{
    return config_datastore(name, &place->datastore);
}

int datastore_names(struct place *place, struct names *names)
{
    cleanup_free char **list = config_datastores();
    int error = list ? 0 : -ENOMEM;

    (void)place;
    for (size_t i = 0; list && list[i] && !error; i++)
        error = names_add(names, list[i], NODE_FOLDER, false);
    return error;
}

int datastore_type(struct place *place, struct weir_text *text)
{
    weir_print(text, "%s", place->datastore.type);
    return 0;
}

int datastore_path(struct place *place, struct weir_text *text)
{
    weir_print(text, "%s", place->datastore.path ? place->datastore.path : "");
    return 0;
}

int datastore_size(struct place *place, struct weir_text *text)
{
    weir_print(text, "%" PRIu64, place->datastore.space.size);
    return 0;
}

int datastore_free(struct place *place, struct weir_text *text)
{
    weir_print(text, "%" PRIu64, place->datastore.space.free);
    return 0;
}

int datastore_exports(struct place *place, struct weir_text *text)
{
    for (size_t i = 0; place->datastore.exports && place->datastore.exports[i]; i++)
        weir_print(text, "%s\n", place->datastore.exports[i]);
    return 0;
}

int datastore_threshold(struct place *place, struct weir_text *text)
{
    settings_print(place->datastore.keys, "latency_threshold", text);
    return 0;
}

/* A datastore has no sentence of its own to keep: its exports show the last error. */
int datastore_set_threshold(struct place *place, const struct change *change,
                            struct weir_text *answer, struct refusal *refusal)
{
    const char *name = place->datastore.name;
    cleanup_text struct weir_text reason = { 0 };
    cleanup_free char *value = NULL;

    (void)answer;
    int error = change_line(change, &value, refusal);
    if (!error)
        error = config_set_datastore(name, "latency_threshold", value, change->check_only,
                                     &refusal->why);
    if (change->check_only)
        return error;
    if (error)
        refusal_print(refusal, error, &reason);
    for (size_t i = 0; place->datastore.exports[i]; i++)
        kept_set(KEPT_ERROR, place->datastore.exports[i], "", error ? text_string(&reason) : NULL);
    return change_done(place, error, refusal, "latency_threshold of datastore %s set to %s", name,
                       value ? value : "(no single value)");
}

int datastore_exchange(struct place *place, struct weir_text *text)
{
    const struct datastore_keys *keys = settings_config(place->datastore.keys);

    weir_print(text, "%s", *keys->exchange ? keys->exchange : "default");
    return 0;
}

int datastore_emulate(struct place *place, struct weir_text *text)
{
    datastore_print_emulate(place->datastore.keys, text);
    return 0;
}

/* What the stores of its exports have counted together. */
struct load {
    uint64_t requests, ns, in_flight;
};

static void add_export(struct load *load, struct export *e)
{
    static const enum weir_op ops[] = { WEIR_READ, WEIR_WRITE };
    struct export_view view;

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct figures figures;
        if (export_figures(e, PLACE_STORE, NULL, ops[i], &figures) != 0)
            continue;
        load->requests += figures.requests;
        load->ns += atomic_load(&figures.here.sum.n);
    }
    if (export_view(e, &view) == 0) {
        load->in_flight += view.in_flight;
        export_view_finish(&view);
    }
}

/* BASE@changes:ID: what it reads is counted for BASE. */
static bool reads_another(const struct export *e)
{
    return export_config(e)->base && !export_config(e)->datastore->type->point;
}

void datastore_load(const char *name, uint64_t *latency_ns, uint64_t *in_flight)
{
    struct export **list = gateway_list();
    struct load load = { 0 };

    for (size_t i = 0; list && list[i]; i++)
        if (strcmp(export_config(list[i])->datastore->name, name) == 0 && !reads_another(list[i]))
            add_export(&load, list[i]);
    gateway_put_list(list);
    *latency_ns = load.requests ? load.ns / load.requests : 0;
    *in_flight = load.in_flight;
}

int datastore_latency(struct place *place, struct weir_text *text)
{
    uint64_t latency_ns, in_flight;

    datastore_load(place->datastore.name, &latency_ns, &in_flight);
    weir_print(text, "%.1f", (double)latency_ns / 1000);
    return 0;
}

int datastore_in_flight(struct place *place, struct weir_text *text)
{
    uint64_t latency_ns, in_flight;

    datastore_load(place->datastore.name, &latency_ns, &in_flight);
    weir_print(text, "%" PRIu64, in_flight);
    return 0;
}
