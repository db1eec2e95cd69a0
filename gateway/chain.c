/* chain.c - in which order do filters stand, and what does the walk need to know of each?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* DESIGN, "Classes and order": the cache is below encryption in both, so it never
 * holds plaintext of an encrypted disk; control governs what reaches the datastore. */
static const enum weir_class ciphertext_order[] = {
    WEIR_CLASS_ENCRYPTION,  WEIR_CLASS_INSPECTION, WEIR_CLASS_CAPTURE, WEIR_CLASS_REPLICATION,
    WEIR_CLASS_COMPRESSION, WEIR_CLASS_CACHE,      WEIR_CLASS_CONTROL,
};
static const enum weir_class plaintext_order[] = {
    WEIR_CLASS_INSPECTION, WEIR_CLASS_CAPTURE, WEIR_CLASS_REPLICATION, WEIR_CLASS_COMPRESSION,
    WEIR_CLASS_ENCRYPTION, WEIR_CLASS_CACHE,   WEIR_CLASS_CONTROL,
};

static int rank_of(enum weir_class class, bool plaintext_filters)
{
    const enum weir_class *order = plaintext_filters ? plaintext_order : ciphertext_order;

    for (int i = 0; i < (int)(sizeof ciphertext_order / sizeof *ciphertext_order); i++)
        if (order[i] == class)
            return i;
    return CHAIN_MAX; /* without a class and nothing after it: the bottom */
}

int plan_sort(struct plan *p, struct weir_text *why)
{
    struct plan_filter by_class[WEIR_CLASS_COUNT] = { 0 };
    int rank[CHAIN_MAX];
    int next = CHAIN_MAX;

    for (size_t i = p->count; i-- > 0;) { /* a filter without a class sticks to the next */
        const struct weir_filter *f = &p->filter[i].library->filter;
        if (f->klass != WEIR_CLASS_NONE) {
            if (by_class[f->klass].library) {
                weir_print(why,
                           "filters %s and %s are both of class %s: an export has at most one "
                           "filter of a class; remove one of them",
                           p->filter[i].label, by_class[f->klass].label, class_name(f->klass));
                return -EEXIST;
            }
            by_class[f->klass] = p->filter[i];
            next = rank_of(f->klass, p->plaintext_filters);
        }
        rank[i] = next;
    }
    for (size_t i = 1; i < p->count; i++) { /* stable: equal ranks keep the user's order */
        struct plan_filter f = p->filter[i];
        int r = rank[i];
        size_t k = i;
        for (; k > 0 && rank[k - 1] > r; k--) {
            p->filter[k] = p->filter[k - 1];
            rank[k] = rank[k - 1];
        }
        p->filter[k] = f;
        rank[k] = r;
    }
    return 0;
}

void plan_finish(struct plan *p)
{
    for (size_t i = 0; i < p->count; i++) {
        settings_destroy(p->filter[i].settings); /* which look at the library's rows */
        loader_put(p->filter[i].library);
        free(p->filter[i].label);
    }
    pools_unref(p->pools);
    *p = (struct plan){ 0 };
}

int chain_create(struct export *e, struct weir_below *const *places, int count,
                 const struct plan *p, struct chain **ret)
{
    struct chain *c = calloc(1, sizeof *c);

    if (!c)
        return -ENOMEM;
    c->export = e;
    c->count = count;
    c->hold_limit = p->hold_limit;
    c->on_filter_failure = p->on_filter_failure;
    for (int i = 0; i < count; i++) {
        const struct weir_filter *f = &places[i]->library->filter;
        c->link[i] = (struct link){
            .down = f->down,
            .up = f->up,
            .self = places[i]->self,
            .place = places[i],
            .order = places[i]->order,
            .ops = f->down || f->up ? f->ops : WEIR_ALL_OPS,
            .scratch = (uint32_t)c->scratch_size,
            .scratch_size = (uint32_t)f->request_size,
        };
        c->scratch_size += (f->request_size + 15) & ~(size_t)15;
    }
    *ret = c;
    return 0;
}

void chain_destroy(struct chain *c)
{
    free(c);
}
