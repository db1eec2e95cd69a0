/* tables.c - what can be set of a replicated disk, and what can be read of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "replication.h"

#include <string.h>

const char *const replication_modes[] = {
    [MODE_ASYNC] = "async", [MODE_SYNC] = "sync", [MODE_SYNC_DURABLE] = "sync-durable", NULL
};
static const char *const alone[] = { [SUSPEND] = "suspend", [DEGRADE] = "degrade", NULL };
static const char *const types[] = { [TARGET_VAULT] = "vault", [TARGET_PLAIN] = "plain", NULL };
static const char *const codecs[] = { "none", "zstd", NULL };
static const struct weir_word none[] = { { "none", 0 }, { 0 } };

#define SECOND 1000000000ll

/* clang-format off */
const struct weir_option replication_options[] = {
    WEIR_OPTION_STRING(struct replication_config, target, .flags = WEIR_REQUIRED,
        .help = "The NBD URI of the gateway at the other site; its path is the group's name there."),
    WEIR_OPTION_CHOICE(struct replication_config, target_type, .fallback = "vault", .choices = types,
        .help = "What is there: a vault, which keeps restore points, or any NBD server's plain disk, with a weaker promise."),
    WEIR_OPTION_STRING(struct replication_config, group, .fallback = "",
        .help = "The group that the disk belongs to: disks of one group share one order of writes and their restore points; \"\" is the path of target, or the export's name."),
    WEIR_OPTION_CHOICE(struct replication_config, mode, .flags = WEIR_LIVE, .fallback = "async", .choices = replication_modes,
        .help = "When a write is acknowledged: when it is here, when the target has received it (a flush: when both have it for good), or when the target has it for good."),
    WEIR_OPTION_CHOICE(struct replication_config, without_peer, .flags = WEIR_LIVE, .fallback = "suspend", .choices = alone,
        .help = "What a sync disk does while the target is away: hold its acknowledgements, or go on alone in a new generation."),
    WEIR_OPTION_SIZE(struct replication_config, ring, .fallback = "64M", .min = 8 << 20, .max = 1ll << 36,
        .help = "Memory for what the target has not received for good."),
    WEIR_OPTION_SIZE(struct replication_config, spill, .fallback = "0", .max = 1ll << 44,
        .help = "Bytes of a file for what does not fit into the ring; when that is full, too, only the change map grows, and no restore points come to be until the target has caught up."),
    WEIR_OPTION_STRING(struct replication_config, spill_folder, .fallback = "",
        .help = "Where that file lies; \"\" is the state folder."),
    WEIR_OPTION_SIZE(struct replication_config, frame, .fallback = "1M", .min = 64 << 10, .max = 4 << 20,
        .help = "How much is sent at once, at most."),
    WEIR_OPTION_CHOICE(struct replication_config, compression, .flags = WEIR_LIVE, .fallback = "zstd", .choices = codecs,
        .help = "Whether frames are compressed; one that hardly shrinks is sent as it is."),
    WEIR_OPTION_RATE(struct replication_config, bandwidth, .flags = WEIR_LIVE, .fallback = "max", .min = 1024, .max = 1ll << 40,
        .help = "Bytes a second that are sent at most."),
    WEIR_OPTION_RATE(struct replication_config, resync_bandwidth, .flags = WEIR_LIVE, .fallback = "max", .min = 1024, .max = 1ll << 40,
        .help = "Bytes a second that are read here at most to catch up or to verify."),
    WEIR_OPTION_TIME(struct replication_config, mark_every, .flags = WEIR_LIVE, .fallback = "1s", .words = none, .min = SECOND / 10, .max = 86400 * SECOND,
        .help = "How often a restore point is made, if anything was written."),
    WEIR_OPTION_INT(struct replication_config, connections, .fallback = "2", .min = 1, .max = 16,
        .help = "NBD connections to the target."),
    WEIR_OPTION_TIME(struct replication_config, reconnect_delay, .flags = WEIR_LIVE, .fallback = "2s", .min = SECOND / 10, .max = 3600 * SECOND,
        .help = "The pause between two attempts to connect."),
    WEIR_OPTION_TIME(struct replication_config, peer_timeout, .flags = WEIR_LIVE, .fallback = "5s", .min = SECOND / 10, .max = 3600 * SECOND,
        .help = "How long a target may not answer before it counts as lost, and how long a sync disk waits for it before it degrades."),
    WEIR_OPTION_STRING(struct replication_config, key, .fallback = "",
        .help = "The file with 32 bytes that sign each frame; the vault has the same."),
    { 0 },
};
/* clang-format on */

/* ---- statistics ----------------------------------------------------------------------- */

static struct group *locked(void *self)
{
    struct group *g = ((struct disk *)self)->group;

    pthread_mutex_lock(&g->lock);
    return g;
}

static int64_t unlock(struct group *g, uint64_t value)
{
    pthread_mutex_unlock(&g->lock);
    return (int64_t)value;
}

/* A number of the group. */
#define GROUP_VALUE(name, expression)                                                              \
    static int64_t name(void *self)                                                                \
    {                                                                                              \
        struct group *g = locked(self);                                                            \
        return unlock(g, (expression));                                                            \
    }

uint64_t group_lag_bytes(const struct group *g)
{
    uint64_t bytes = 0;

    for (const struct batch *b = g->first; b; b = b->next)
        bytes += b->state == BATCH_RECEIVED ? 0 : b->used;
    return bytes;
}

uint64_t group_lag_ns(struct group *g)
{
    const struct batch *b = g->first;

    while (b && b->state == BATCH_RECEIVED)
        b = b->next;
    return b ? now_ns() - b->opened : 0;
}

/* How old the state is that a failover would get: nothing that is newer is lost if there is none.
 */
uint64_t group_rpo_ns(struct group *g)
{
    return group_dirty(g) ? now_ns() - g->complete_time : group_lag_ns(g);
}

static uint64_t degraded_ns(const struct group *g)
{
    return g->degraded_ns + (g->degraded || g->mend_lsn ? now_ns() - g->degraded_since : 0);
}

static int64_t progress(const struct group *g)
{
    uint64_t all = 0, dirty = 0;

    for (unsigned i = 0; i < DISKS; i++)
        if (g->disks[i]) {
            all += (map_size(g->disks[i]->map) + GRANULE - 1) / GRANULE;
            dirty += map_dirty(g->disks[i]->map);
        }
    return all ? (int64_t)((all - dirty) * 100 / all) : 100;
}

GROUP_VALUE(lag_lsn, g->lsn > g->received_lsn && g->connected ? g->lsn - g->received_lsn : 0)
GROUP_VALUE(lag_bytes, group_lag_bytes(g))
GROUP_VALUE(lag_ms, group_lag_ns(g) / 1000000)
GROUP_VALUE(rpo_ms, group_rpo_ns(g) / 1000000)
GROUP_VALUE(lsn, g->lsn)
GROUP_VALUE(acked_lsn, g->received_lsn)
GROUP_VALUE(durable_lsn, g->durable_lsn)
GROUP_VALUE(spill_bytes, g->spill_head - g->spill_tail)
GROUP_VALUE(ring_bytes, g->in_memory)
GROUP_VALUE(dirty_granules, group_dirty(g))
GROUP_VALUE(resync_progress, (uint64_t)progress(g))
GROUP_VALUE(restore_points, g->peer.points)
GROUP_VALUE(oldest_point, g->peer.oldest_time / 1000000000)
GROUP_VALUE(fence_token, g->token)
GROUP_VALUE(mismatches, g->peer.mismatches)
GROUP_VALUE(degraded_seconds, degraded_ns(g) / 1000000000)
GROUP_VALUE(connected, g->connected)
GROUP_VALUE(compressed_ratio, g->raw_total ? g->sent_total * 100 / g->raw_total : 100)

static int64_t intents(void *self)
{
    return (int64_t)map_intents(((struct disk *)self)->map);
}

static void state(void *self, struct weir_text *text)
{
    struct group *g = locked(self);
    weir_print(text, "%s", group_state(g));
    unlock(g, 0);
}

static void generation(void *self, struct weir_text *text)
{
    struct group *g = locked(self);
    weir_print(text, "%016llx",
               g->record.lineage.count ? (unsigned long long)g->record.lineage.list[0].id : 0ull);
    unlock(g, 0);
}

static void peer(void *self, struct weir_text *text)
{
    struct group *g = locked(self);
    weir_print(text, "%s", g->uri);
    unlock(g, 0);
}

static void last_error(void *self, struct weir_text *text)
{
    struct group *g = locked(self);
    weir_print(text, "%s", g->error);
    unlock(g, 0);
}

static void target_error(void *self, struct weir_text *text)
{
    struct group *g = locked(self);
    char why[WHY];

    status_target_error(g, why);
    unlock(g, 0);
    weir_print(text, "%s", why);
}

/* clang-format off */
const struct weir_stat replication_stats[] = {
    WEIR_STAT_TEXT(state, state, "connecting, streaming, catching-up, ahead, suspended, degraded, waiting, refused, fork, fenced, fetching or detached."),
    WEIR_STAT_VALUE(lag_lsn, lag_lsn, "writes", "Writes that the target has not received."),
    WEIR_STAT_VALUE(lag_bytes, lag_bytes, "bytes", "Their bytes, without those of dirty granules."),
    WEIR_STAT_VALUE(lag_ms, lag_ms, "ms", "Age of the oldest of them."),
    WEIR_STAT_VALUE(rpo_ms, rpo_ms, "ms", "How much time would be lost now: age of the oldest write that the target does not have in a complete state."),
    WEIR_STAT_COUNTER(struct replication_stats, frames, "frames", "Frames sent."),
    WEIR_STAT_COUNTER(struct replication_stats, sent_bytes, "bytes", "Bytes sent, headers and what was sent again included."),
    WEIR_STAT_COUNTER(struct replication_stats, raw_bytes, "bytes", "The same before compression."),
    WEIR_STAT_VALUE(compressed_ratio, compressed_ratio, "percent", "What compression leaves of a frame."),
    WEIR_STAT_COUNTER(struct replication_stats, replicated, "bytes", "Written by guests and put into the stream."),
    WEIR_STAT_COUNTER(struct replication_stats, mapped, "bytes", "Written by guests where the disk was dirty anyway, or there was no room: only the map knows."),
    WEIR_STAT_COUNTER(struct replication_stats, fetched_bytes, "bytes", "Fetched from the other site to get the disk back."),
    WEIR_STAT_COUNTER(struct replication_stats, copied_bytes, "bytes", "Read here and put into the stream to catch up."),
    WEIR_STAT_COUNTER(struct replication_stats, waited, "requests", "Writes that waited for the target."),
    WEIR_STAT_COUNTER(struct replication_stats, reconnects, "connections", "How often the target came back."),
    WEIR_STAT_HISTOGRAM(struct replication_stats, ack, "ns", "From sending a frame to its answer."),
    WEIR_STAT_VALUE(lsn, lsn, "lsn", "The last write's number in the order of the group."),
    WEIR_STAT_VALUE(acked_lsn, acked_lsn, "lsn", "Up to where the target has received all."),
    WEIR_STAT_VALUE(durable_lsn, durable_lsn, "lsn", "Up to where it has all for good."),
    WEIR_STAT_VALUE(ring_bytes, ring_bytes, "bytes", "Of memory that the group's frames take."),
    WEIR_STAT_VALUE(spill_bytes, spill_bytes, "bytes", "In the spill file."),
    WEIR_STAT_VALUE(dirty_granules, dirty_granules, "granules", "Granules of 64 KiB that the target lacks."),
    WEIR_STAT_VALUE(intents, intents, "extents", "Extents of 4 MiB that a crash now would make dirty."),
    WEIR_STAT_VALUE(resync_progress_percent, resync_progress, "percent", "Part of the disks that is not dirty."),
    WEIR_STAT_VALUE(restore_points, restore_points, "points", "At the target."),
    WEIR_STAT_VALUE(oldest_point, oldest_point, "s", "When the oldest was made, in seconds since 1970."),
    WEIR_STAT_TEXT(generation, generation, "The present generation."),
    WEIR_STAT_VALUE(fence_token, fence_token, "token", "What the target gave us to write with."),
    WEIR_STAT_VALUE(connected, connected, "0/1", "Is the target there?"),
    WEIR_STAT_VALUE(mismatches, mismatches, "granules", "That a verify found different, ever."),
    WEIR_STAT_VALUE(degraded_seconds, degraded_seconds, "s", "How long writes were acknowledged without the target, since the start."),
    WEIR_STAT_TEXT(peer, peer, "Where the target is."),
    WEIR_STAT_TEXT(last_error, last_error, "What went wrong last; empty if nothing is wrong."),
    WEIR_STAT_TEXT(target_error, target_error, "Why the target cannot apply what it has received, as it said last; empty if it can."),
    { 0 },
};
/* clang-format on */
