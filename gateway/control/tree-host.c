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
        if (export_figures(e, PLACE_STORE, ops[i], &figures) != 0)
            continue;
        load->requests += figures.requests;
        load->ns += atomic_load(&figures.here.sum.n);
    }
    if (export_view(e, &view) == 0) {
        load->in_flight += view.in_flight;
        export_view_finish(&view);
    }
}

static struct load load_of(const struct place *place)
{
    struct export **list = gateway_list();
    struct load load = { 0 };

    for (size_t i = 0; list && list[i]; i++)
        if (strcmp(export_config(list[i])->datastore->name, place->datastore.name) == 0)
            add_export(&load, list[i]);
    gateway_put_list(list);
    return load;
}

int datastore_latency(struct place *place, struct weir_text *text)
{
    struct load load = load_of(place);

    weir_print(text, "%.1f", load.requests ? (double)load.ns / (double)load.requests / 1000 : 0.0);
    return 0;
}

int datastore_in_flight(struct place *place, struct weir_text *text)
{
    weir_print(text, "%" PRIu64, load_of(place).in_flight);
    return 0;
}
