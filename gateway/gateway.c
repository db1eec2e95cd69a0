/* gateway.c - what does one weir process consist of?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "gateway.h"

#include "scope.h"

#include <errno.h>
#include <string.h>

/* ---- the list of exports ----------------------------------------------------- */

static struct {
    pthread_mutex_t lock;   /* the list, not what is in it; nothing is taken under it */
    struct export **export; /* in name order */
    size_t count;
} exports = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The index of `name`, or where it would go. */
static size_t place_of(const char *name, bool *found)
{
    size_t low = 0, high = exports.count;

    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, export_name(exports.export[middle]));
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int gateway_add(struct export *e)
{
    bool taken;
    hold_lock(&exports.lock);
    size_t at = place_of(export_name(e), &taken);

    if (taken)
        return -EEXIST;
    struct export **more = realloc(exports.export, (exports.count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    exports.export = more;
    memmove(more + at + 1, more + at, (exports.count++ - at) * sizeof *more);
    more[at] = export_ref(e);
    return 0;
}

static struct export *take_out(const char *name)
{
    bool found;
    hold_lock(&exports.lock);
    size_t at = place_of(name, &found);

    if (!found)
        return NULL;
    struct export *e = exports.export[at];
    memmove(exports.export + at, exports.export + at + 1,
            (--exports.count - at) * sizeof *exports.export);
    return e;
}

int gateway_remove(const char *name)
{
    struct export *e = take_out(name);

    export_unref(e);
    return e ? 0 : -ENOENT;
}

struct export *gateway_find(const char *name)
{
    bool found;
    hold_lock(&exports.lock);
    size_t at = place_of(name, &found);

    return found ? export_ref(exports.export[at]) : NULL;
}

struct export **gateway_list(void)
{
    hold_lock(&exports.lock);
    struct export **list = calloc(exports.count + 1, sizeof *list);

    for (size_t i = 0; list && i < exports.count; i++)
        list[i] = export_ref(exports.export[i]);
    return list;
}

void gateway_put_list(struct export **list)
{
    for (size_t i = 0; list && list[i]; i++)
        export_unref(list[i]);
    free(list);
}
