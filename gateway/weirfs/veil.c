/* veil.c - which names of policies look different here from what the gateways say?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "veil.h"

#include "../scope.h"

#include <errno.h>
#include <string.h>

struct veiled {
    struct veiled *next;
    char *path;
    enum veil what;
    unsigned opened; /* files that are to fill a pending name */
    size_t size;
    time_t until; /* counts when nobody has it open */
};

/* One for the process: paths are those of its one mount. */
static struct {
    pthread_mutex_t lock; /* the list; nothing is taken under it */
    struct veiled *list;
} veils = { .lock = PTHREAD_MUTEX_INITIALIZER };

time_t veil_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec;
}

/* ---- with the lock held ------------------------------------------------------ */

static void drop(struct veiled **at)
{
    struct veiled *old = *at;

    *at = old->next;
    free(old->path);
    free(old);
}

/* Where the path is in the list, after those whose time is over have left it. */
static struct veiled **find(const char *path)
{
    struct veiled **found = NULL, **at = &veils.list;
    time_t now = veil_clock();

    while (*at) {
        if (!(*at)->opened && (*at)->until <= now) {
            drop(at);
            continue;
        }
        if (strcmp((*at)->path, path) == 0) {
            found = at;
            break;
        }
        at = &(*at)->next;
    }
    return found;
}

static struct veiled *find_or_add(const char *path)
{
    struct veiled **found = find(path);

    if (found)
        return *found;
    struct veiled *v = calloc(1, sizeof(*v));
    if (!v || !(v->path = strdup(path))) {
        free(v);
        return NULL;
    }
    v->next = veils.list;
    veils.list = v;
    return v;
}

/* ---- what others call -------------------------------------------------------- */

int veil_hide(const char *path)
{
    hold_lock(&veils.lock);
    struct veiled *v = find_or_add(path);

    if (!v)
        return -ENOMEM;
    v->what = VEIL_HIDDEN;
    v->opened = 0;
    v->until = veil_clock() + VEIL_SECONDS;
    return 0;
}

int veil_pend(const char *path)
{
    hold_lock(&veils.lock);
    struct veiled *v = find_or_add(path);

    if (!v)
        return -ENOMEM;
    if (v->what != VEIL_PENDING)
        v->size = v->opened = 0;
    v->what = VEIL_PENDING;
    v->opened++;
    return 0;
}

void veil_size(const char *path, size_t size)
{
    hold_lock(&veils.lock);
    struct veiled **found = find(path);

    if (found && (*found)->what == VEIL_PENDING)
        (*found)->size = size;
}

void veil_close(const char *path)
{
    hold_lock(&veils.lock);
    struct veiled **found = find(path);

    if (!found || (*found)->what != VEIL_PENDING)
        return;
    if ((*found)->opened)
        (*found)->opened--;
    (*found)->size = 0;
    (*found)->until = veil_clock() + VEIL_SECONDS;
}

void veil_lift(const char *path)
{
    hold_lock(&veils.lock);
    struct veiled **found = find(path);

    if (found)
        drop(found);
}

enum veil veil_of(const char *path, size_t *size)
{
    hold_lock(&veils.lock);
    struct veiled **found = find(path);

    *size = found ? (*found)->size : 0;
    return found ? (*found)->what : VEIL_NONE;
}

int veil_each_pending(const char *folder, int (*each)(void *context, const char *name),
                      void *context)
{
    size_t length = strlen(folder);
    int error = 0;
    hold_lock(&veils.lock);

    find("");
    for (const struct veiled *v = veils.list; v && !error; v = v->next)
        if (v->what == VEIL_PENDING && strncmp(v->path, folder, length) == 0 &&
            v->path[length] == '/' && !strchr(v->path + length + 1, '/'))
            error = each(context, v->path + length + 1);
    return error;
}

void veil_finish(void)
{
    hold_lock(&veils.lock);

    while (veils.list)
        drop(&veils.list);
}
