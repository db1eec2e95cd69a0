/* views.c - which policies and datastores are there, for people to look at?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../scope.h"
#include "../text.h"
#include "running.h"

#include <errno.h>
#include <string.h>

/* ---- lists of names in one block --------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A sorted copy of `names`, ending with NULL, one free() for all. */
static char **pack(const char **names, size_t count)
{
    size_t size = (count + 1) * sizeof(char *);

    for (size_t i = 0; i < count; i++)
        size += strlen(names[i]) + 1;
    char **block = malloc(size);
    if (!block)
        return NULL;
    char *end = (char *)(block + count + 1);
    for (size_t i = 0; i < count; i++) {
        block[i] = end;
        end = stpcpy(end, names[i]) + 1;
    }
    block[count] = NULL;
    qsort(block, count, sizeof *block, by_name);
    return block;
}

/* Exports whose `policy` or `datastore` is `name`, as separate strings for a view. */
static char **users(const struct configuration *c, const char *name, bool of_policy)
{
    cleanup_free const char **names = calloc(c->export_count + 1, sizeof *names);
    size_t count = 0;

    for (size_t i = 0; names && i < c->export_count; i++) {
        const struct export_entry *e = &c->exports[i];
        if (!strcmp(of_policy ? e->policy : e->datastore, name))
            names[count++] = e->name;
    }
    return names ? pack(names, count) : NULL;
}

/* ---- policies ---------------------------------------------------------------- */

char **config_policies(void)
{
    struct configuration *c = running_get();
    size_t count = c ? c->policy_count : 0;
    cleanup_free const char **names = calloc(count + 1, sizeof *names);

    for (size_t i = 0; names && i < count; i++)
        names[i] = c->policies[i].name;
    char **block = names ? pack(names, count) : NULL;
    configuration_unref(c);
    return block;
}

void policy_view_finish(struct policy_view *v)
{
    free(v->name);
    free(v->description);
    free(v->text);
    free(v->file);
    free(v->exports);
    *v = (struct policy_view){ 0 };
}

static int view_policy(const struct configuration *c, const struct policy *p,
                       struct policy_view *ret)
{
    struct policy_view v = {
        .name = strdup(p->name),
        .description = strdup(p->description),
        .text = strdup(p->source->text),
        .file = strdup(p->source->path),
        .exports = users(c, p->name, true),
    };

    if (!v.name || !v.description || !v.text || !v.file || !v.exports) {
        policy_view_finish(&v);
        return -ENOMEM;
    }
    *ret = v;
    return 0;
}

int config_policy(const char *name, struct policy_view *ret)
{
    struct configuration *c = running_get();
    const struct policy *p = c ? policy_find(c, name) : NULL;
    int err = p ? view_policy(c, p, ret) : -ENOENT;

    configuration_unref(c);
    return err;
}

/* ---- datastores -------------------------------------------------------------- */

char **config_datastores(void)
{
    struct configuration *c = running_get();
    size_t count = c ? c->datastore_count : 0;
    cleanup_free const char **names = calloc(count + 1, sizeof *names);

    for (size_t i = 0; names && i < count; i++)
        names[i] = c->datastores[i].name;
    char **block = names ? pack(names, count) : NULL;
    configuration_unref(c);
    return block;
}

void datastore_view_finish(struct datastore_view *v)
{
    free(v->name);
    free(v->type);
    free(v->path);
    free(v->exports);
    settings_destroy(v->keys);
    *v = (struct datastore_view){ 0 };
}

static int view_datastore(const struct configuration *c, const struct datastore_entry *d,
                          struct datastore_view *ret)
{
    struct weir_text path = { 0 };

    settings_print(d->options, "path", &path);
    struct datastore_view v = {
        .name = strdup(d->name),
        .type = strdup(d->type->name),
        .path = text_take(&path),
        .exports = users(c, d->name, false),
    };
    if (!v.name || !v.type || !v.path || !v.exports || settings_copy(d->keys, &v.keys)) {
        datastore_view_finish(&v);
        return -ENOMEM;
    }
    /* what a store cannot say stays 0 */
    if (d->type->space)
        d->type->space(settings_config(d->options), c->layout.path, &v.space);
    *ret = v;
    return 0;
}

int config_datastore(const char *name, struct datastore_view *ret)
{
    struct configuration *c = running_get();
    const struct datastore_entry *d = c ? datastore_entry_find(c, name) : NULL;
    int err = d ? view_datastore(c, d, ret) : -ENOENT;

    configuration_unref(c);
    return err;
}
