/* datastore.c - what do all disks of one datastore share in this gateway?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "datastore.h"
#include "emulate.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- the keys ---------------------------------------------------------------- */

static const char *const distributions[] = {
    [SERVICE_FIXED] = "fixed", [SERVICE_EXPONENTIAL] = "exponential", NULL
};

static const struct weir_word when_auto[] = { { "auto", 0 }, { 0 } };
static const struct weir_word when_unset[] = { { "none", 0 }, { 0 } };

const struct weir_option datastore_rows[] = {
    WEIR_OPTION_TIME(struct datastore_keys, latency_threshold, .flags = WEIR_LIVE,
                     .fallback = "auto", .words = when_auto, .min = 200000, .max = 100000000,
                     .help = "I/O control shares the datastore out when its disks take longer "
                             "than this; auto: when it is near its learnt peak."),
    WEIR_OPTION_STRING(struct datastore_keys, exchange, .fallback = "",
                       .help = "The file by which gateways that share this datastore tell each "
                               "other their load, relative to the configuration file; none: they "
                               "do not."),
    WEIR_OPTION_INT(struct datastore_keys, emulate.servers, .fallback = "0", .max = 65536,
                    .help = "Requests that the emulated device works on at once; 0: the "
                            "datastore is not slowed down."),
    WEIR_OPTION_TIME(struct datastore_keys, emulate.service_time, .fallback = "none",
                     .words = when_unset, .min = 1000, .max = 10000000000,
                     .help = "How long the emulated device works on 32 KiB of a read or write, or "
                             "on one flush, trim or zero."),
    WEIR_OPTION_CHOICE(struct datastore_keys, emulate.distribution, .fallback = "fixed",
                       .choices = distributions,
                       .help = "Whether each takes exactly the service time, or that on average."),
    { 0 },
};

int datastore_keys_check(const struct settings *keys, struct weir_text *why)
{
    const struct datastore_keys *k = settings_config(keys);
    const char *missing = NULL;

    if (k->emulate.servers && !k->emulate.service_time)
        missing = "service_time";
    else if ((k->emulate.service_time || settings_was_set(keys, "emulate.distribution")) &&
             !settings_was_set(keys, "emulate.servers"))
        missing = "servers";
    if (!missing)
        return 0;
    weir_print(why, "\"%s\" is missing: \"emulate\" needs servers and service_time together",
               missing);
    return -EINVAL;
}

bool datastore_keys_equal(const struct settings *a, const struct settings *b)
{
    for (const struct weir_option *row = datastore_rows; row->name; row++) {
        if (!(row->flags & WEIR_LIVE) && !settings_equal(a, b, row->name))
            return false;
    }
    return true;
}

void datastore_print_emulate(const struct settings *keys, struct weir_text *text)
{
    const struct datastore_keys *k = settings_config(keys);

    if (!k->emulate.servers) {
        weir_print(text, "none");
        return;
    }
    weir_print(text, "%lld server%s, ", (long long)k->emulate.servers,
               k->emulate.servers == 1 ? "" : "s");
    print_time(k->emulate.service_time, text);
    weir_print(text, " each, %s", distributions[k->emulate.distribution]);
}

/* ---- made and given back ------------------------------------------------------- */

static void destroy(struct datastore *d)
{
    emulation_destroy(d->emulation);
    settings_destroy(d->type_settings);
    free((char *)d->name);
    free((char *)d->base);
    free((char *)d->folder);
    free((char *)d->exchange);
    free(d);
}

static int copy_or_default(const struct settings *from, const struct weir_option *rows, size_t size,
                           struct settings **ret)
{
    return from ? settings_copy(from, ret) : settings_create(rows, size, ret, NULL);
}

/* Absolute, or as absolute as `base` is; NULL: no memory. */
static char *path_from(const char *base, const char *path)
{
    char *full = NULL;

    if (*path == '/')
        return strdup(path);
    if (!*path)
        return strdup(base);
    if (asprintf(&full, "%s%s%s", base, base[strlen(base) - 1] == '/' ? "" : "/", path) < 0)
        return NULL;
    return full;
}

static int take_paths(struct datastore *d, const char *exchange)
{
    const char *folder = d->type->folder ? d->type->folder(d->options) : NULL;

    if (folder && !(d->folder = path_from(d->base, folder)))
        return -ENOMEM;
    if (!*exchange)
        return 0;
    d->exchange = strcmp(exchange, "none") ? path_from(d->base, exchange) : strdup(exchange);
    return d->exchange ? 0 : -ENOMEM;
}

static int fill(struct datastore *d, const struct datastore_setup *setup)
{
    struct settings *keys = NULL;
    int err = copy_or_default(setup->options, setup->type->options, setup->type->config_size,
                              &d->type_settings);

    if (!err)
        err = copy_or_default(setup->keys, datastore_rows, sizeof(struct datastore_keys), &keys);
    if (err)
        return err;
    d->type = setup->type;
    d->options = settings_config(d->type_settings);
    d->name = strdup(setup->name ? setup->name : "");
    d->base = strdup(setup->base && *setup->base ? setup->base : "/");
    const struct datastore_keys *k = settings_config(keys);
    err = d->name && d->base ? take_paths(d, k->exchange) : -ENOMEM;
    if (!err) /* the same datastore draws the same times in every run */
        err = emulation_create(k, text_hash(d->name), &d->emulation);
    datastore_apply(d, keys);
    settings_destroy(keys);
    return err;
}

int datastore_create(const struct datastore_setup *setup, struct datastore **ret)
{
    struct datastore *d = calloc(1, sizeof *d);

    if (!d)
        return -ENOMEM;
    atomic_init(&d->refs, 1);
    int err = fill(d, setup);
    if (err) {
        destroy(d);
        return err;
    }
    *ret = d;
    return 0;
}

struct datastore *datastore_ref(struct datastore *d)
{
    atomic_fetch_add(&d->refs, 1);
    return d;
}

void datastore_unref(struct datastore *d)
{
    if (d && atomic_fetch_sub(&d->refs, 1) == 1)
        destroy(d);
}

void datastore_apply(struct datastore *d, const struct settings *keys)
{
    const struct datastore_keys *k = settings_config(keys);

    atomic_store(&d->latency_threshold, k->latency_threshold);
}
