/* group.c - how does a group of disks live at its target?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "give-back.h"

#include "instant.h"
#include "scope.h"
#include "seal.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void group_set_error(struct group *g, const char *format, ...)
{
    va_list args;

    hold_lock(&g->lock);
    va_start(args, format);
    vsnprintf(g->error, sizeof(g->error), format, args);
    va_end(args);
}

/* Generations that began behind what was received have not been seen here. */
struct lineage lineage_at(const struct lineage *whole, uint64_t lsn)
{
    struct lineage l = *whole;

    while (l.count > 1 && l.list[1].end >= lsn) {
        memmove(l.list, l.list + 1, (l.count - 1) * sizeof(*l.list));
        l.count--;
    }
    return l;
}

struct lineage group_lineage(const struct group *g)
{
    struct log_end received, durable;

    if (g->record.role == ROLE_PRIMARY)
        return g->record.lineage;
    log_ends(g->log, &received, &durable);
    if (!received.last_lsn)
        return (struct lineage){ 0 };
    return lineage_at(&g->record.lineage, received.last_lsn);
}

/* ---- open -------------------------------------------------------------------------------------
 */

static int copy_config(struct group *g, const struct group_setup *setup)
{
    const struct vault_config *c = setup->config;

    g->config = *c;
    g->config.path = strdup(c->path);
    g->config.heads = strdup(c->heads);
    g->config.scratch = strdup(c->scratch);
    g->config.key = strdup(c->key);
    g->name = strdup(setup->name);
    return g->config.path && g->config.heads && g->config.scratch && g->config.key && g->name
               ? 0
               : -ENOMEM;
}

static int is_segment(void *arg, const char *name)
{
    (void)arg;
    return strncmp(name, "log.", 4) == 0;
}

static int load(struct group *g, struct weir_text *why)
{
    int r = g->medium->open(g->medium, "lock", MEDIUM_CREATE | MEDIUM_EXCLUSIVE, &g->taken);

    if (r == -EBUSY)
        weir_print(why, "group \"%s\" is served by another gateway", g->name);
    else if (r)
        weir_print(why, "the folder of group \"%s\" cannot be used: %s", g->name, strerror(-r));
    if (r)
        return r;
    r = group_load(g, why);
    if (r != -ENOENT)
        return r;
    if (g->medium->list(g->medium, is_segment, NULL)) {
        weir_print(
            why,
            "group \"%s\" has a log but no record (the file \"group\" in its folder): restore "
            "it, or move the folder away and let the source send everything anew",
            g->name);
        return -EIO;
    }
    g->record = (struct group_record){ .initial = true };
    return 0;
}

static int open_images(struct group *g, struct weir_text *why)
{
    int r = needs_load(g, why);

    for (unsigned i = 0; !r && i < g->record.disks; i++)
        r = images_open(g, i, why);
    if (!r && g->record.role == ROLE_PRIMARY)
        r = maps_open(g, why);
    return r;
}

static int open_log(struct group *g, struct weir_text *why)
{
    const struct log_setup setup = { .medium = g->medium,
                                     .key = g->key,
                                     .limit = g->config.limit,
                                     .start = g->record.applied,
                                     .trimmed = g->record.trimmed,
                                     .frame = apply_frame,
                                     .arg = g };

    g->applied = g->record.applied;
    if (!g->record.initial)
        g->complete = g->record.applied;
    g->complete_time = g->record.applied_time;
    g->verify_from = UINT64_MAX; /* a crash may have left in the heads what comes now */
    int r = log_open(&setup, &g->log, why);
    if (!r) {
        struct log_end received, durable;
        log_ends(g->log, &received, &durable);
        g->verify_from = received.position;
    }
    if (r && *g->error)
        weir_print(why, " (%s)", g->error);
    return r;
}

static int open_history(struct group *g, struct weir_text *why)
{
    const uint64_t end = g->record.initial ? g->applied.position : g->complete.position;
    const struct index_setup index = { .medium = g->medium,
                                       .log = g->log,
                                       .trimmed = g->record.trimmed,
                                       .end = end,
                                       .manual = g->manual };
    const struct points_setup points = { .medium = g->medium,
                                         .log = g->log,
                                         .trimmed = g->record.trimmed,
                                         .end = end,
                                         .lsn = g->record.horizon.last_lsn };

    if (!g->config.history)
        return 0;
    int r = index_open(&index, &g->index, why);
    return r ? r : points_open(&points, &g->points, why);
}

static int start(struct group *g, struct weir_text *why)
{
    int r = load(g, why);

    if (!r)
        r = open_images(g, why);
    if (!r)
        r = open_log(g, why);
    if (!r)
        r = open_history(g, why);
    if (!r && g->record.rolling_to)
        r = promote_undo(g, why);
    if (r || g->manual)
        return r;
    r = log_start(g->log);
    if (!r)
        r = apply_start(g);
    if (!r && g->config.history)
        r = fold_start(g);
    return r;
}

int group_open(const struct group_setup *setup, struct group **ret, struct weir_text *why)
{
    struct group *g = calloc(1, sizeof(*g));

    if (!g) {
        close_media(setup->medium, setup->heads, setup->scratch);
        return -ENOMEM;
    }
    g->medium = setup->medium;
    g->heads = setup->heads;
    g->scratch = setup->scratch;
    g->manual = setup->manual;
    pthread_mutex_init(&g->lock, NULL);
    pthread_mutex_init(&g->turn, NULL);
    pthread_cond_init(&g->changed, NULL);
    int r = copy_config(g, setup);
    if (!r)
        r = seal_load_key(g->config.key, &g->key, why);
    if (!r)
        r = start(g, why);
    if (r)
        group_close(g);
    else
        *ret = g;
    return r;
}

/* ---- close ------------------------------------------------------------------------------------
 */

void close_media(struct medium *medium, struct medium *heads, struct medium *scratch)
{
    if (scratch && scratch != medium && scratch != heads)
        scratch->close(scratch);
    if (heads && heads != medium)
        heads->close(heads);
    medium->close(medium);
}

static void stop(struct group *g)
{
    pthread_mutex_lock(&g->lock);
    g->stopping = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
    fold_stop(g);
    apply_stop(g);
    log_stop(g->log); /* waits for a frame that is being applied */
    if (g->log && !g->broken)
        apply_sync(g);    /* what fails here is applied again at the next start */
    index_stop(g->index); /* its thread syncs the log */
}

void group_close(struct group *g)
{
    if (!g)
        return;
    stop(g);
    log_close(g->log);
    index_close(g->index);
    points_close(g->points);
    maps_close(g, false);
    for (unsigned i = 0; i < DISKS; i++)
        images_close(g, i);
    needs_close(g);
    given_forget(&g->given);
    if (g->taken)
        g->taken->close(g->taken);
    close_media(g->medium, g->heads, g->scratch);
    pthread_mutex_destroy(&g->lock);
    pthread_mutex_destroy(&g->turn);
    pthread_cond_destroy(&g->changed);
    free((char *)g->config.path);
    free((char *)g->config.heads);
    free((char *)g->config.scratch);
    free((char *)g->config.key);
    free(g->key);
    free(g->name);
    free(g);
}

/* A fold that is wanted and cannot be would be something to do for ever: its error says so. */
bool group_work(struct group *g)
{
    bool some = log_work(g->log);

    if (g->index)
        some |= index_work(g->index);
    if (g->index) {
        const uint64_t horizon = g->record.horizon.position;
        fold_once(g);
        some |= g->record.horizon.position != horizon;
    }

    pthread_mutex_lock(&g->turn);
    some |= g->unsaved;
    if (!g->broken)
        apply_sync(g);
    pthread_mutex_unlock(&g->turn);
    for (unsigned i = 0; i < DISKS; i++)
        if (g->disks[i].map)
            some |= map_work(g->disks[i].map, 0);
    return some;
}
