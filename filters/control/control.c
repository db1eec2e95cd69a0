/* control.c - how does a disk join those of its datastore, and leave them?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static int control_check(const void *settings, struct weir_text *why)
{
    const struct control_config *config = settings;
    const struct {
        const char *rate, *max;
        uint64_t is, greatest;
    } rows[] = {
        { "iops", "iops_max", config->iops, config->iops_max },
        { "bytes_per_sec", "bytes_per_sec_max", config->bytes_per_sec, config->bytes_per_sec_max },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].greatest || (rows[i].is && rows[i].greatest >= rows[i].is))
            continue;
        if (rows[i].is)
            weir_print(why,
                       "%s = %" PRIu64 " is below %s = %" PRIu64
                       ": a burst is faster than the lasting rate; raise it, or say none",
                       rows[i].max, rows[i].greatest, rows[i].rate, rows[i].is);
        else
            weir_print(why,
                       "%s = %" PRIu64
                       " needs %s: a burst goes beyond a lasting rate; set %s first, or say none",
                       rows[i].max, rows[i].greatest, rows[i].rate, rows[i].rate);
        return -EINVAL;
    }
    if (config->iops && (uint64_t)config->reservation > config->iops) {
        weir_print(why,
                   "reservation = %" PRId64 " is above iops = %" PRIu64
                   ": the disk cannot be promised more than it may do; lower it, or raise iops",
                   config->reservation, config->iops);
        return -EINVAL;
    }
    return 0;
}

/* All that the disk has queued, whatever the rules say; for datastore_resume(). */
static struct item *take_all(struct control *c, uint64_t now)
{
    struct item *all = NULL, **last = &all;

    for (struct item *i; (i = c->disk.first);) {
        scheduler_force(&c->datastore->scheduler, i, now);
        i->next = NULL;
        *last = i;
        last = &i->next;
    }
    return all;
}

static void control_apply(void *self, const void *settings)
{
    const struct control_config *config = settings;
    struct control *c = self;
    struct datastore *d = c->datastore;
    const struct disk_settings to = {
        .shares = (uint64_t)config->shares,
        .reservation = (uint64_t)config->reservation,
        .ios = config->iops,
        .ios_max = config->iops_max,
        .ios_length = config->iops_max_length,
        .bytes = config->bytes_per_sec,
        .bytes_max = config->bytes_per_sec_max,
        .bytes_length = config->bytes_per_sec_max_length,
        .observed = config->mode == MODE_OBSERVE,
    };

    pthread_mutex_lock(&d->lock);
    uint64_t now = weir_now(NULL);
    atomic_store(&c->limited, to.ios || to.bytes);
    scheduler_set(&d->scheduler, &c->disk, &to, now);
    struct item *all = to.observed ? take_all(c, now) : NULL;
    struct item *go = datastore_gather(d, now);
    pthread_mutex_unlock(&d->lock);
    datastore_resume(all);
    datastore_resume(go);
}

static int control_attach(void *self, struct weir_below *below, const void *settings,
                          struct weir_text *why)
{
    struct control *c = self;
    struct datastore *d = NULL;

    c->below = below;
    int r = datastore_get(below, &d);
    if (r) {
        weir_print(why, "no memory or no thread for the datastore's scheduler");
        return r;
    }
    c->done = aligned_alloc(64, d->cpus * sizeof *c->done);
    pthread_mutex_lock(&d->lock);
    bool added = c->done && scheduler_add(&d->scheduler, &c->disk);
    if (added) {
        for (unsigned i = 0; i < d->cpus; i++)
            c->done[i] = (struct done){ 0 };
        c->datastore = d;
        c->next = d->disks;
        d->disks = c;
        d->generation++;
    }
    pthread_mutex_unlock(&d->lock);
    if (!added) {
        free(c->done);
        datastore_put(d);
        return -ENOMEM;
    }
    control_apply(c, settings);
    return 0;
}

static void control_detach(void *self)
{
    struct control *c = self;
    struct datastore *d = c->datastore;

    pthread_mutex_lock(&d->lock);
    while (d->speaker == c)
        pthread_cond_wait(&d->spoken, &d->lock);
    scheduler_remove(&d->scheduler, &c->disk);
    d->generation++;
    for (struct control **where = &d->disks; *where; where = &(*where)->next)
        if (*where == c) {
            *where = c->next;
            break;
        }
    pthread_mutex_unlock(&d->lock);
    datastore_put(d);
    free(c->done);
}

/* All at once: the disk is to be taken away, and its limits with it. */
static int control_drain(void *self, bool begin, struct weir_text *why)
{
    struct control *c = self;
    struct datastore *d = c->datastore;

    (void)why;
    pthread_mutex_lock(&d->lock);
    atomic_store(&c->draining, begin);
    struct item *all = begin ? take_all(c, weir_now(NULL)) : NULL;
    pthread_mutex_unlock(&d->lock);
    datastore_resume(all);
    return 0;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "control",
    .version = "1",
    .summary = "Shares, reservations and limits among the disks of a datastore.",
    .klass = WEIR_CLASS_CONTROL,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct control),
    .request_size = sizeof(struct held),
    .config_size = sizeof(struct control_config),
    .stats_size = sizeof(struct control_stats),
    .options = control_options,
    .stats = control_stats,
    .check = control_check,
    .attach = control_attach,
    .apply = control_apply,
    .drain = control_drain,
    .detach = control_detach,
    .down = control_down,
    .up = control_up,
    .abort = control_abort,
    .due = control_due,
};
