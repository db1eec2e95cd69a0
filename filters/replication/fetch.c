/* fetch.c - how does a site that was replaced get its disks back, with what was written meanwhile?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The target was promoted, its guests go on there, and this site serves nothing.
 *
 *   1  FETCH: what was written there since, and what is dirty here, is a round's work; it is dirty
 *      here, durably, before the first of it is changed
 *   2  it is read there and written here; what is written there meanwhile is the next round's
 *   3  once nobody writes there any more: a last round, all is durable here, and the record says
 *      FETCH_DONE
 *   4  RETURN: the target is a target again; the next meeting is one like any other, and sends what
 *      is dirty here, so that its log has it, too
 *
 * From the first byte until 3 the disks are no state(k) of anybody.  That is why the record says
 * FETCH_RUNNING before, whatever becomes of either site: they stay locked, and a target that is one
 * without our RETURN is not believed. */
#include "fetch.h"

#include "link.h"
#include "step.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 8, RUN = 512 << 10 };

struct slot {
    struct fetch *fetch;
    struct disk *disk;
    uint8_t *data;
    uint64_t offset;
    size_t length;
    bool busy;    /* ours alone */
    bool arrived; /* with the group's lock, as `error` */
    int error;
};

struct fetch {
    struct group *group;
    struct link *link;
    struct status there;
    uint8_t *bits[DISKS]; /* a round's work, as page.h has it; NULL: not known, and no bytes */
    size_t bytes[DISKS];
    bool again; /* a round was done by this process */
    unsigned next;
    struct slot slots[SLOTS];
};

/* ---- a round's work -------------------------------------------------------------------------- */

static int ask(struct fetch *f, enum command_op op, uint64_t lsn, char why[WHY])
{
    struct group *g = f->group;

    pthread_mutex_lock(&g->lock);
    struct command c = command_of(g, op);
    pthread_mutex_unlock(&g->lock);
    c.lsn = lsn;
    int r = link_command(f->link, &c, g->key);
    if (!r)
        return link_status(f->link, &f->there, why);
    why_print(why, "the target gives nothing back: %s", strerror(-r));
    return r;
}

/* The first time in any case: who has set it before may not have saved it yet. */
static int set_state(struct fetch *f, enum fetch_state state, char why[WHY])
{
    struct group *g = f->group;

    pthread_mutex_lock(&g->lock);
    const enum fetch_state before = g->record.fetch;
    g->record.fetch = state;
    pthread_mutex_unlock(&g->lock);
    int r = before == state && f->again ? 0 : record_save(g);
    if (!r)
        return 0;
    pthread_mutex_lock(&g->lock);
    g->record.fetch = before;
    pthread_mutex_unlock(&g->lock);
    why_print(why, "the group's record cannot be saved: %s", strerror(-r));
    return r;
}

/* In the first round what this site may have and the other one not, too. */
static int read_work(struct fetch *f, struct disk *d)
{
    const unsigned i = d->number;

    free(f->bits[i]);
    f->bits[i] = NULL;
    f->bytes[i] = 0;
    int r = link_needs(f->link, i, atomic_load(&d->size), &f->bits[i], &f->bytes[i]);
    if (r)
        return r;
    map_mark_bitmap(d->map, f->bits[i], f->bytes[i], 0);
    if (!f->again) {
        map_doubt(d->map);
        map_bitmap(d->map, f->bits[i], f->bytes[i], 0);
    }
    return map_sync(d->map);
}

static uint64_t count(const struct fetch *f)
{
    uint64_t granules = 0;

    for (unsigned i = 0; i < DISKS; i++)
        granules += bitmap_count(f->bits[i], f->bytes[i]);
    return granules;
}

/* The command first: one that is still on its way from before is refused after it. */
static int begin_round(struct fetch *f, char why[WHY])
{
    struct group *g = f->group;
    struct disk *list[DISKS];
    uint64_t bytes = 0;

    int r = ask(f, COMMAND_FETCH, f->again, why);
    if (!r)
        r = set_state(f, FETCH_RUNNING, why);
    if (r)
        return r;
    const unsigned disks = group_disks(g, list);
    for (unsigned i = 0; i < disks; i++)
        bytes += atomic_load(&list[i]->size);
    if (f->there.disk_bytes != bytes) {
        why_print(why,
                  "the disks have %" PRIu64 " bytes there and %" PRIu64
                  " here: make them as large here first",
                  f->there.disk_bytes, bytes);
        return -EFBIG;
    }
    for (unsigned i = 0; i < disks && !r; i++)
        r = read_work(f, list[i]);
    if (r)
        why_print(why, "what is to be fetched cannot be learnt: %s", strerror(-r));
    pthread_mutex_lock(&g->lock);
    g->fetch_left = count(f);
    g->fetch_following = f->again;
    if (!r)
        g->error[0] = '\0';
    pthread_mutex_unlock(&g->lock);
    return r;
}

/* ---- one piece: there it is read, here it is written ------------------------------------------
 */

static void arrived(void *arg, int error)
{
    struct slot *s = arg;
    struct group *g = s->fetch->group;

    pthread_mutex_lock(&g->lock);
    s->arrived = true;
    s->error = error;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

/* As any other thread of ours: not while the disk is drained. */
static int enter_disk(struct disk *d)
{
    struct group *g = d->group;

    pthread_mutex_lock(&g->lock);
    while (atomic_load(&d->drained) && !g->stopping)
        group_rest(g, 1000000000);
    const bool stopping = g->stopping;
    g->copying += !stopping;
    pthread_mutex_unlock(&g->lock);
    return stopping ? -ESHUTDOWN : 0;
}

static void leave_disk(struct disk *d, uint64_t granules)
{
    struct group *g = d->group;

    pthread_mutex_lock(&g->lock);
    g->copying--;
    g->fetch_left -= granules < g->fetch_left ? granules : g->fetch_left;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static int write_piece(const struct slot *s)
{
    struct disk *d = s->disk;
    struct replication_stats *stats = weir_own_stats(d->below);

    int r = map_enter_waiting(d->map, s->offset, s->length);
    if (r)
        return r;
    if (is_all_zero(s->data, s->length))
        r = weir_zero(d->below, s->length, s->offset, WEIR_MAY_TRIM | WEIR_BACKGROUND);
    else
        r = weir_write(d->below, s->data, s->length, s->offset, WEIR_BACKGROUND);
    map_leave(d->map, s->offset, s->length, 0); /* dirty it is already */
    weir_add(&stats->fetched_bytes, s->length);
    return r;
}

static int settle(struct slot *s, char why[WHY])
{
    struct group *g = s->fetch->group;

    if (!s->busy)
        return 0;
    pthread_mutex_lock(&g->lock);
    while (!s->arrived)
        pthread_cond_wait(&g->changed, &g->lock);
    int r = -s->error;
    pthread_mutex_unlock(&g->lock);
    s->busy = false;
    if (r) {
        why_print(why, "the other site cannot be read at %" PRIu64 ": %s", s->offset, strerror(-r));
        return r;
    }
    r = enter_disk(s->disk);
    if (r)
        return r;
    r = write_piece(s);
    leave_disk(s->disk, r ? 0 : (s->length + GRANULE - 1) / GRANULE);
    if (r)
        why_print(why, "the disk cannot be written at %" PRIu64 ": %s", s->offset, strerror(-r));
    return r;
}

static int start(struct fetch *f, struct disk *d, uint64_t offset, size_t length, char why[WHY])
{
    struct slot *s = &f->slots[f->next++ % SLOTS];
    int r = settle(s, why);

    if (r)
        return r;
    s->disk = d;
    s->offset = offset;
    s->length = length;
    s->arrived = false;
    r = link_read_head(f->link, d->number, s->data, length, offset, arrived, s);
    s->busy = !r;
    if (r)
        why_print(why, "the other site cannot be read: %s", strerror(-r));
    return r;
}

static bool has(const struct fetch *f, unsigned disk, uint64_t granule)
{
    return granule / 8 < f->bytes[disk] && f->bits[disk][granule / 8] >> granule % 8 & 1;
}

static int fetch_disk(struct fetch *f, struct disk *d, char why[WHY])
{
    const uint64_t size = atomic_load(&d->size), granules = (size + GRANULE - 1) / GRANULE;
    int r = 0;

    for (uint64_t n = 0; n < granules && !r;) {
        uint64_t end = n;
        while (has(f, d->number, end) && end < granules && (end - n) * GRANULE < RUN)
            end++;
        if (end > n)
            r = start(f, d, n * GRANULE,
                      (end * GRANULE < size ? end * GRANULE : size) - n * GRANULE, why);
        n = end > n ? end : n + 1;
    }
    return r;
}

static int do_round(struct fetch *f, char why[WHY])
{
    struct disk *list[DISKS];
    int r = 0;

    for (unsigned i = group_disks(f->group, list); i-- > 0 && !r;)
        r = fetch_disk(f, list[i], why);
    for (unsigned i = 0; i < SLOTS && !r; i++)
        r = settle(&f->slots[f->next++ % SLOTS], why);
    f->again |= !r;
    return r;
}

/* ---- the end --------------------------------------------------------------------------------- */

static int flush_all(struct group *g)
{
    struct disk *list[DISKS];
    int r = 0;

    for (unsigned i = group_disks(g, list); i-- > 0 && !r;) {
        r = enter_disk(list[i]);
        if (r)
            break;
        r = weir_flush(list[i]->below, 0);
        leave_disk(list[i], 0);
    }
    return r;
}

static int take_back(struct fetch *f, char why[WHY])
{
    int r = flush_all(f->group);

    if (r) {
        why_print(why, "the disk cannot be flushed: %s", strerror(-r));
        return r;
    }
    r = set_state(f, FETCH_DONE, why);
    return r ? r : ask(f, COMMAND_RETURN, f->there.left, why);
}

/* The target is one: by our RETURN, or not. */
static int conclude(struct fetch *f, char why[WHY])
{
    struct group *g = f->group;

    pthread_mutex_lock(&g->lock);
    const bool done = g->record.fetch == FETCH_DONE;
    if (!done)
        group_stop_for(g, STOP_FENCED,
                       "the target is no primary any more, and what was written there has not all "
                       "come here: promote it again (weirctl replica failover, there)");
    pthread_mutex_unlock(&g->lock);
    if (!done)
        return -EPERM;
    int r = set_state(f, FETCH_NONE, why);
    if (r)
        return r;
    pthread_mutex_lock(&g->lock);
    group_say(g, WEIR_INFO, "all that was written at the other site is here");
    pthread_mutex_unlock(&g->lock);
    return 0;
}

static int wait_a_moment(struct group *g)
{
    pthread_mutex_lock(&g->lock);
    if (!g->stopping)
        group_rest(g, 500000000);
    const bool stopping = g->stopping;
    pthread_mutex_unlock(&g->lock);
    return stopping ? -ESHUTDOWN : 0;
}

static int rounds(struct fetch *f, char why[WHY])
{
    int r = link_status(f->link, &f->there, why);

    while (!r && f->there.role == ROLE_PRIMARY) {
        r = begin_round(f, why);
        if (!r)
            r = do_round(f, why);
        if (!r && f->there.left)
            r = take_back(f, why);
        else if (!r)
            r = wait_a_moment(f->group);
    }
    return r ? r : conclude(f, why);
}

int fetch_run(struct group *g, const struct link_setup *setup, char why[WHY])
{
    struct fetch *f = calloc(1, sizeof *f);
    uint8_t *data = malloc(SLOTS * RUN);
    int r = f && data ? 0 : -ENOMEM;

    if (r)
        why_print(why, "nothing can be fetched: %s", strerror(-r));
    else {
        f->group = g;
        for (unsigned i = 0; i < SLOTS; i++)
            f->slots[i] = (struct slot){ .fetch = f, .data = data + i * RUN };
        r = link_open(setup, &f->link, why);
    }
    if (!r) {
        r = rounds(f, why);
        link_close(f->link); /* after it nobody calls arrived() */
    }
    for (unsigned i = 0; f && i < DISKS; i++)
        free(f->bits[i]);
    free(data);
    free(f);
    return r;
}
