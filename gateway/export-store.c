/* export-store.c - what holds the bytes of an export, and how is it opened and grown?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "emulate.h"
#include "export-private.h"
#include "scope.h"

#include <errno.h>

static void let_read(struct export *e, bool readable)
{
    hold_lock(&e->lock);

    e->store_readable = readable;
    while (!readable && e->store_readers)
        pthread_cond_wait(&e->changed, &e->lock);
}

void close_store(struct export *e)
{
    let_read(e, false);
    if (e->store_self)
        e->store->close(e->store_self);
    free(e->store_self);
    e->store_self = e->store_own = NULL;
}

int open_store(struct export *e, struct weir_text *why)
{
    const struct export_config *c = &e->config;
    const struct store_type *type = c->datastore->type;
    const struct store_image image = {
        .datastore = c->datastore->name,
        .image = c->image ? c->image : "",
        .folder = c->datastore->base,
        .size = c->size,
        .read_only = c->read_only,
        .base = c->base,
    };

    e->store_self = calloc(1, type->self_size ? type->self_size : 1);
    if (!e->store_self)
        return -ENOMEM;
    e->store = type;
    int r = type->open(e->store_self, &image, c->datastore->options, why);
    if (r) {
        free(e->store_self);
        e->store_self = NULL;
        return r;
    }
    e->store_own = e->store_self;
    if (c->datastore->emulation)
        r = emulate_store(c->datastore->emulation, &e->store, &e->store_self);
    if (r)
        close_store(e);
    else
        let_read(e, true);
    return r;
}

/* The size is the clients'; the store has more where a filter keeps something of its own. */
int grow_store(struct export *e, uint64_t size, struct weir_text *why)
{
    const struct store_type *s = e->store;
    struct weir_geometry now;

    if (!s->grow) {
        weir_print(why, "a store of type \"%s\" cannot grow", s->name);
        return -EOPNOTSUPP;
    }
    s->geometry(e->store_self, &now);
    return s->grow(e->store_self, now.size + (size - e->geometry.size), why);
}

int weir_identity(const struct weir_below *b, struct weir_identity *ret)
{
    const struct export *e = b->export;

    *ret = (struct weir_identity){ 0 };
    return e->store->identity ? e->store->identity(e->store_self, ret) : -ENOTSUP;
}
