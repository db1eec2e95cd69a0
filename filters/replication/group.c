/* group.c - how do disks come together, and when does their group run?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Disks with the same target and group name are one group.  It runs while all disks that its record
 * names are here: one that is missing may have writes that the target lacks, and a state(k) would
 * not be one without them. */
#include "replication.h"
#include "seal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Guards the list and `users`; outermost. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct group *groups; /* of this process: disks of different exports meet here */

void why_print(char why[WHY], const char *format, ...)
{
    va_list arguments;

    if (!why)
        return;
    va_start(arguments, format);
    vsnprintf(why, WHY, format, arguments);
    va_end(arguments);
}

/* ---- small things that all parts ask, under the lock -------------------------------------------
 */

uint64_t group_dirty(struct group *g)
{
    uint64_t dirty = 0;

    for (unsigned i = 0; i < g->record.count; i++)
        dirty += g->disks[i] ? map_dirty(g->disks[i]->map) : 0;
    return dirty;
}

bool group_whole(const struct group *g)
{
    for (unsigned i = 0; i < g->record.count; i++)
        if (g->record.name[i][0] && !g->disks[i])
            return false;
    return true;
}

static struct disk *any_disk(const struct group *g)
{
    for (unsigned i = 0; i < DISKS; i++)
        if (g->disks[i])
            return g->disks[i];
    return NULL;
}

unsigned group_disks(struct group *g, struct disk *list[DISKS])
{
    unsigned count = 0;

    pthread_mutex_lock(&g->lock);
    for (unsigned i = 0; i < DISKS; i++)
        if (g->disks[i])
            list[count++] = g->disks[i];
    pthread_mutex_unlock(&g->lock);
    return count;
}

void group_say(struct group *g, enum weir_severity severity, const char *format, ...)
{
    struct disk *d = any_disk(g);
    char text[2 * WHY];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (d)
        weir_report(d->below, severity, "group %s: %s", g->name, text);
}

void group_stop_for(struct group *g, enum stop stop, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(g->error, sizeof g->error, format, arguments);
    va_end(arguments);
    if (g->stop != stop)
        group_say(g, WEIR_ERROR, "%s", g->error);
    g->stop = stop;
}

struct command command_of(const struct group *g, enum command_op op)
{
    struct command c = { .op = op, .lineage = g->record.lineage };

    memcpy(c.group, g->record.uuid, sizeof c.group);
    memcpy(c.source, g->record.source, sizeof c.source);
    return c;
}

void group_wake(struct group *g)
{
    pthread_cond_broadcast(&g->work);
    pthread_cond_broadcast(&g->copy);
    pthread_cond_broadcast(&g->attention);
    pthread_cond_broadcast(&g->changed);
}

const char *group_state(struct group *g)
{
    static const char *const stopped[] = { [STOP_DETACHED] = "detached",
                                           [STOP_FENCED] = "fenced",
                                           [STOP_FORK] = "fork",
                                           [STOP_REFUSED] = "refused" };

    if (g->record.fetch != FETCH_NONE)
        return "fetching";
    if (g->stop)
        return stopped[g->stop];
    if (!group_whole(g))
        return "waiting";
    if (g->degraded || g->mend_lsn)
        return "degraded";
    if (g->ahead)
        return "ahead";
    if (!g->connected)
        return g->waiting || g->flushes ? "suspended" : "connecting";
    return group_dirty(g) ? "catching-up" : "streaming";
}

void group_fence(struct group *g)
{
    pthread_mutex_lock(&g->lock);
    bool fenced = g->stop == STOP_FENCED || g->record.fenced;
    /* its verb has locked them, and will say what becomes of it */
    bool leave = g->handover == HANDOVER_WANTED;
    char why[WHY];
    snprintf(why, sizeof why, "%s",
             g->error[0] ? g->error
                         : "the target was promoted, or took over; see weir-failover(7)");
    if (fenced)
        ack_release(g, EIO);
    pthread_mutex_unlock(&g->lock);
    struct disk *list[DISKS];
    /* by the keeper, or with `running`: none leaves */
    for (unsigned i = leave ? 0 : group_disks(g, list); i-- > 0;) {
        if (fenced)
            weir_lock_export(list[i]->below, "%s", why);
        else if (atomic_load(&list[i]->locked))
            weir_unlock_export(list[i]->below);
        atomic_store(&list[i]->locked, fenced);
    }
}

/* ---- a group's life
 * ------------------------------------------------------------------------------ */

const char *target_path(const char *target)
{
    const char *authority = strstr(target, "://");

    return authority ? authority + 3 + strcspn(authority + 3, "/?") : target;
}

static char *copy_uri(const struct replication_config *c, const char *export, char **name)
{
    const char *path = target_path(c->target), *said = *path == '/' ? path + 1 : path;
    const char *query = said + strcspn(said, "?");
    char *uri = NULL;

    if (*c->group)
        *name = strdup(c->group);
    else if (query > said)
        *name = strndup(said, (size_t)(query - said));
    else
        *name = strdup(export);
    if (!*name)
        return NULL;
    if (c->target_type == TARGET_PLAIN)
        return strdup(c->target);
    return asprintf(&uri, "%.*s/log:%s%s", (int)(path - c->target), c->target, *name, query) < 0
               ? NULL
               : uri;
}

static void group_destroy(struct group *g)
{
    while (g->spares)
        free(g->spare[--g->spares]);
    for (size_t i = 0; i < sizeof g->strings / sizeof *g->strings; i++)
        free(g->strings[i]);
    pthread_cond_destroy(&g->changed);
    pthread_cond_destroy(&g->work);
    pthread_cond_destroy(&g->copy);
    pthread_cond_destroy(&g->attention);
    pthread_mutex_destroy(&g->lock);
    pthread_mutex_destroy(&g->saving);
    pthread_mutex_destroy(&g->running);
    free(g->key);
    free(g->name);
    free(g->uri);
    free(g);
}

static int group_create(const struct replication_config *c, char *name, char *uri,
                        struct group **ret, struct weir_text *why)
{
    struct group *g = calloc(1, sizeof *g);

    if (!g) {
        free(name);
        free(uri);
        return -ENOMEM;
    }
    g->name = name;
    g->uri = uri;
    g->config = *c;
    atomic_init(&g->peer_timeout, c->peer_timeout);
    g->config.target = g->strings[0] = strdup(c->target);
    g->config.group = g->strings[1] = strdup(c->group);
    g->config.key = g->strings[2] = strdup(c->key);
    g->config.spill_folder = g->strings[3] = strdup(c->spill_folder);
    g->waiting_last = &g->waiting;
    g->flushes_last = &g->flushes;
    pthread_mutex_init(&g->running, NULL);
    pthread_mutex_init(&g->saving, NULL);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->work, NULL);
    pthread_cond_init(&g->copy, NULL);
    pthread_cond_init(&g->attention, NULL);
    pthread_cond_init(&g->changed, NULL);
    int r = 0;
    for (size_t i = 0; i < sizeof g->strings / sizeof *g->strings; i++)
        r = g->strings[i] ? r : -ENOMEM;
    if (!r)
        r = seal_load_key(g->config.key, &g->key, why);
    if (r)
        group_destroy(g);
    else
        *ret = g;
    return r;
}

int group_find(struct disk *d, const struct replication_config *c, struct group **ret,
               struct weir_text *why)
{
    char *name = NULL, *uri = copy_uri(c, d->name, &name);
    struct group *g;
    int r = 0;

    if (!uri) {
        free(name);
        return -ENOMEM;
    }
    pthread_mutex_lock(&list_lock);
    for (g = groups; g && strcmp(g->uri, uri) != 0; g = g->next)
        ;
    if (g) {
        free(name);
        free(uri);
    } else {
        r = group_create(c, name, uri, &g, why);
        if (!r) {
            g->next = groups;
            groups = g;
        }
    }
    if (!r)
        g->users++;
    pthread_mutex_unlock(&list_lock);
    *ret = g;
    return r;
}

void group_forget(struct group *g)
{
    pthread_mutex_lock(&list_lock);
    bool last = !--g->users;
    for (struct group **at = &groups; last && *at; at = &(*at)->next)
        if (*at == g) {
            *at = g->next;
            break;
        }
    pthread_mutex_unlock(&list_lock);
    if (last)
        group_destroy(g);
}
