/* replication.c - how does a disk come to be replicated, and what becomes of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "replication.h"
#include "step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void settle(struct disk *d, const struct replication_config *c)
{
    atomic_store(&d->mode, c->mode);
    atomic_store(&d->without_peer, c->without_peer);
    if (!d->group)
        return;
    atomic_store(&d->group->peer_timeout, c->peer_timeout);
    pthread_mutex_lock(&d->group->lock);
    if (d->group->config.bandwidth != c->bandwidth)
        d->group->throttle_at = 0; /* what was sent at the old rate is no debt of the new one */
    d->group->config.bandwidth = c->bandwidth;
    d->group->config.resync_bandwidth = c->resync_bandwidth;
    d->group->config.mark_every = c->mark_every;
    d->group->config.reconnect_delay = c->reconnect_delay;
    d->group->config.compression = c->compression;
    if (c->mode == MODE_ASYNC)
        group_release(d, 0);
    group_wake(d->group);
    pthread_mutex_unlock(&d->group->lock);
}

static void replication_apply(void *self, const void *settings)
{
    settle(self, settings);
}

/* What has changed while the disk was served without us nobody knows. */
static int look_for_absence(struct disk *d)
{
    void *bytes;
    size_t size;
    int r = weir_state_load(d->below, "left-out", &bytes, &size);

    if (r == -ENOENT)
        return 0;
    if (!r)
        free(bytes);
    weir_report(d->below, WEIR_WARNING,
                "the disk was served without this filter: everything is sent again, and counts as "
                "changed");
    r = d->medium->remove(d->medium, "map");
    if (!r || r == -ENOENT)
        r = d->medium->sync(d->medium);
    if (!r) /* who has had it served meanwhile has decided that; its guest works while we come */
        r = record_unfence(d->medium);
    return r ? r : weir_state_remove(d->below, "left-out");
}

/* On the map's thread, and in detach().  What the far site has and a loss of power takes from this
 * one would differ for ever, if nothing said that it may. */
static int settle_disk(void *arg)
{
    struct disk *d = arg;

    if (!source_does(DISK_BEFORE_INTENT))
        return 0;
    atomic_fetch_add(&d->settling, 1); /* before it looks: drain() does it the other way round */
    int r = !atomic_load(&d->drained) || atomic_load(&d->leaving)
                ? weir_flush(d->below, WEIR_BACKGROUND)
                : -EAGAIN;
    atomic_fetch_sub(&d->settling, 1);
    return r;
}

static int open_map(struct disk *d, struct weir_text *why)
{
    struct map_setup setup = {
        .medium = d->medium,
        .name = "map",
        .size = atomic_load(&d->size),
        .settle = settle_disk,
        .arg = d,
    };
    struct map_found found = { 0 };
    int r = look_for_absence(d);

    if (!r)
        r = map_open(&setup, &d->map, &found, why);
    if (!r && found.problem)
        weir_report(d->below, WEIR_WARNING, "the change map: %s: everything is sent again",
                    found.problem);
    else if (!r && found.unclean)
        weir_report(d->below, WEIR_INFO,
                    "the gateway did not end in order: %llu granules may differ and are sent again",
                    (unsigned long long)found.dirty);
    free(found.problem);
    return r;
}

static int replication_attach(void *self, struct weir_below *below, const void *settings,
                              struct weir_text *why)
{
    struct disk *d = self;
    struct weir_geometry g;

    d->below = below;
    d->name = weir_export_name(below);
    weir_geometry(below, &g);
    if (!(g.ops & WEIR_OP(WEIR_WRITE))) {
        weir_print(why, "the export is read-only: there is nothing to replicate");
        return -EROFS;
    }
    atomic_store(&d->size, g.size);
    d->verify_at = UINT64_MAX;
    gate_init(&d->gate);
    settle(d, settings);
    int r = medium_of_folder(weir_state_folder(below), &d->medium);
    if (!r) {
        r = open_map(d, why);
        if (!r) {
            r = group_join(d, settings, why);
            if (!r)
                return 0;
            map_close(d->map);
        }
        d->medium->close(d->medium);
    }
    gate_finish(&d->gate);
    return r;
}

static void replication_detach(void *self)
{
    struct disk *d = self;

    group_leave(d);
    atomic_store(&d->leaving, true);
    map_close(d->map);
    d->medium->close(d->medium);
    gate_finish(&d->gate);
}

static int replication_geometry(void *self, struct weir_geometry *g, struct weir_text *why)
{
    struct disk *d = self;
    int r = 0;

    if (g->block_max > RECORD_LENGTH || !g->block_max)
        g->block_max = RECORD_LENGTH;
    if (g->size == atomic_load(&d->size))
        return 0;
    r = map_grow(d->map, g->size);
    if (r) {
        weir_print(why, "the change map cannot grow with the disk: %s", strerror(-r));
        return r;
    }
    pthread_mutex_lock(&d->group->lock);
    atomic_store(&d->size, g->size);
    d->declare = true;
    pthread_mutex_unlock(&d->group->lock);
    return 0;
}

static int replication_drain(void *self, bool begin, struct weir_text *why)
{
    struct disk *d = self;

    (void)why;
    group_pause(d, begin);
    while (begin && atomic_load(&d->settling)) /* as long as the store takes to flush */
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return 0;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "replication",
    .version = "1",
    .summary = "A second copy of the disk at another site, in the order of its writes.",
    .klass = WEIR_CLASS_REPLICATION,
    .flags = WEIR_NEEDS_ORDER,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct disk),
    .request_size = sizeof(struct use),
    .config_size = sizeof(struct replication_config),
    .stats_size = sizeof(struct replication_stats),
    .options = replication_options,
    .stats = replication_stats,
    .verbs = replication_verbs,
    .check = replication_check,
    .attach = replication_attach,
    .geometry = replication_geometry,
    .apply = replication_apply,
    .drain = replication_drain,
    .detach = replication_detach,
    .down = replication_down,
    .up = replication_up,
    .abort = replication_abort,
};
