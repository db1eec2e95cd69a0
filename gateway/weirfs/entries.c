/* entries.c - what are the names in a folder?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peer-private.h"

#include <errno.h>
#include <json.h>
#include <stdlib.h>
#include <string.h>

int entries_add(struct entries *e, const char *name, bool folder, bool writable)
{
    if (e->count == e->capacity) {
        size_t capacity = e->capacity ? e->capacity * 2 : 16;
        struct entry *more = realloc(e->list, capacity * sizeof(*more));
        if (!more)
            return -ENOMEM;
        e->list = more;
        e->capacity = capacity;
    }
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    e->list[e->count++] = (struct entry){ copy, folder, writable };
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

void entries_sort(struct entries *e)
{
    size_t kept = 0;

    if (e->count)
        qsort(e->list, e->count, sizeof(*e->list), by_name);
    for (size_t i = 0; i < e->count; i++) {
        if (kept && strcmp(e->list[kept - 1].name, e->list[i].name) == 0)
            free(e->list[i].name);
        else
            e->list[kept++] = e->list[i];
    }
    e->count = kept;
}

struct entry *entries_find(const struct entries *e, const char *name)
{
    struct entry key = { .name = (char *)(uintptr_t)name };

    return e->count ? bsearch(&key, e->list, e->count, sizeof(*e->list), by_name) : NULL;
}

void entries_finish(struct entries *e)
{
    for (size_t i = 0; i < e->count; i++)
        free(e->list[i].name);
    free(e->list);
    *e = (struct entries){ 0 };
}

static bool fits(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int peer_entries(struct json_object *answer, struct entries *ret)
{
    struct json_object *names, *name, *kind, *writable;

    if (!json_object_object_get_ex(answer, "names", &names) ||
        !json_object_is_type(names, json_type_array))
        return -EPROTO;
    for (size_t i = 0; i < json_object_array_length(names); i++) {
        struct json_object *one = json_object_array_get_idx(names, i);
        if (!json_object_object_get_ex(one, "name", &name) ||
            !json_object_object_get_ex(one, "kind", &kind))
            continue;
        const char *word = json_object_get_string(name);
        bool folder = strcmp(json_object_get_string(kind), "folder") == 0;
        bool write = json_object_object_get_ex(one, "writable", &writable) &&
                     json_object_get_boolean(writable);
        int error = fits(word) ? entries_add(ret, word, folder, write) : 0;
        if (error)
            return error;
    }
    entries_sort(ret);
    return 0;
}
