/* group-registry.c - who shares a group in this process?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * All exports of a group, its log, its disks and its points, have one object of it. */
#include "group-private.h"

#include "gateway.h"
#include "scope.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *path; /* of the group's folder */
    unsigned users;
    bool ready; /* else somebody opens or closes it */
    struct group *group;
    struct entry *next;
};

/* The groups of this process: exports of several datastores may name one folder.  `lock` guards the
 * list and its entries; no I/O under it, nor any other lock. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct entry *first;
} registry = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL };

/* ---- one folder ----------------------------------------------------------------------------- */

/* `path`, which relative ones are to `folder`; to be freed; NULL: no memory. */
static char *absolute(const char *folder, const char *path)
{
    char *whole;

    if (asprintf(&whole, "%s%s%s", *path == '/' ? "" : folder, *path == '/' ? "" : "/", path) < 0)
        return NULL;
    char *real = realpath(whole, NULL); /* it may not exist yet */
    if (!real)
        return whole;
    free(whole);
    return real;
}

static int open_other(const char *folder, const char *path, struct medium *own, struct medium **ret,
                      struct weir_text *why)
{
    *ret = own;
    if (!*path)
        return 0;
    cleanup_free char *whole = absolute(folder, path);
    int r = whole ? medium_open(whole, ret, why) : -ENOMEM;
    if (r)
        *ret = NULL;
    return r;
}

static int open_group(const struct vault_config *config, const char *folder, const char *path,
                      const char *name, struct group **ret, struct weir_text *why)
{
    cleanup_free char *key = *config->key ? absolute(folder, config->key) : strdup("");
    struct vault_config here = *config;
    struct group_setup setup = { .config = &here, .name = name };

    if (!key)
        return -ENOMEM;
    here.key = key;
    int r = medium_open(path, &setup.medium, why);
    if (r)
        return r;
    r = open_other(folder, config->heads, setup.medium, &setup.heads, why);
    if (!r)
        r = open_other(folder, config->scratch, setup.medium, &setup.scratch, why);
    if (r)
        close_media(setup.medium, setup.heads, setup.scratch);
    return r ? r : group_open(&setup, ret, why);
}

/* The vault's folder is made where there is none; the group's by opening it. */
static int make_path(const struct vault_config *config, const char *folder, const char *name,
                     char **ret, struct weir_text *why)
{
    cleanup_free char *file = export_file_name(name), *whole = NULL;
    struct medium *vault;

    if (!file || asprintf(&whole, "%s%s%s", *config->path == '/' ? "" : folder,
                          *config->path == '/' ? "" : "/", config->path) < 0) {
        whole = NULL;
        return -ENOMEM;
    }
    int r = medium_open(whole, &vault, why);
    if (r)
        return r;
    vault->close(vault);
    cleanup_free char *real = realpath(whole, NULL);
    return real && asprintf(ret, "%s/%s", real, file) >= 0 ? 0 : -ENOMEM;
}

/* ---- the list ------------------------------------------------------------------------------- */

static struct entry *find(const char *path)
{
    struct entry *e = registry.first;

    while (e && strcmp(e->path, path) != 0)
        e = e->next;
    return e;
}

static void drop(struct entry *e)
{
    struct entry **at = &registry.first;

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    free(e->path);
    free(e);
    pthread_cond_broadcast(&registry.changed);
}

/* The one that is there, or a new one that is not ready; takes `path`. */
static struct entry *take(char *path)
{
    struct entry *e;

    while ((e = find(path)) && !e->ready)
        pthread_cond_wait(&registry.changed, &registry.lock);
    if (e) {
        free(path);
    } else {
        e = calloc(1, sizeof(*e));
        if (!e) {
            free(path);
            return NULL;
        }
        e->path = path;
        e->next = registry.first;
        registry.first = e;
    }
    e->users++;
    return e;
}

int group_get(const struct vault_config *config, const char *folder, const char *name,
              struct group **ret, struct weir_text *why)
{
    char *path;
    int r = make_path(config, folder, name, &path, why);

    if (r)
        return r;
    pthread_mutex_lock(&registry.lock);
    struct entry *e = take(path);
    if (e && !e->ready) {
        pthread_mutex_unlock(&registry.lock);
        r = open_group(config, folder, e->path, name, &e->group, why);
        pthread_mutex_lock(&registry.lock);
        e->ready = r == 0;
        pthread_cond_broadcast(&registry.changed);
    }
    if (e && !r)
        *ret = e->group;
    else if (e)
        drop(e);
    pthread_mutex_unlock(&registry.lock);
    return e ? r : -ENOMEM;
}

void group_put(struct group *g)
{
    if (!g)
        return;
    pthread_mutex_lock(&registry.lock);
    struct entry *e = registry.first;
    while (e->group != g)
        e = e->next;
    if (--e->users == 0) {
        e->ready = false; /* who wants it waits until it is closed, and opens it anew */
        pthread_mutex_unlock(&registry.lock);
        group_close(g);
        pthread_mutex_lock(&registry.lock);
        drop(e);
    }
    pthread_mutex_unlock(&registry.lock);
}
