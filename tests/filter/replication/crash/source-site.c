/* source-site.c - two replicated disks of one group.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "source-site.h"

#include "medium.h"
#include "replication.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct source *site_source;

static struct source *make(struct memory *memory, struct network *network)
{
    struct source *s = calloc(1, sizeof *s);

    s->memory = memory;
    s->network = network;
    s->ring = 8 << 20;
    s->peer_timeout = 20000000;
    for (unsigned i = 0; i < SITE_DISKS; i++) {
        struct weir_below *b = &s->disk[i];
        snprintf(b->name, sizeof b->name, "disk%u", i);
        b->source = s;
        b->number = i;
        pthread_mutex_init(&b->order, NULL);
        pthread_cond_init(&b->left, NULL);
    }
    return s;
}

struct source *source_create(struct network *network)
{
    struct source *s = make(memory_create(), network);

    memory_record(s->memory);
    return s;
}

struct source *source_crash(struct source *from, struct network *network, size_t ops,
                            enum memory_loss loss, uint64_t seed)
{
    struct source *s = make(memory_cut(from->memory, ops, loss, seed), network);

    s->mode = from->mode;
    s->without_peer = from->without_peer;
    s->ring = from->ring;
    s->spill = from->spill;
    s->peer_timeout = from->peer_timeout;
    return s;
}

static int attach(struct source *s, unsigned i, struct weir_text *why)
{
    struct weir_below *b = &s->disk[i];
    struct medium *folder = memory_medium(s->memory, "disks");
    struct replication_config *c = calloc(1, sizeof *c);

    *c = (struct replication_config){
        .target = "nbd://target/vm",
        .group = "vm",
        .key = "",
        .spill_folder = "/spill",
        .mode = s->mode,
        .without_peer = s->without_peer,
        .ring = s->ring,
        .spill = s->spill,
        .frame = 64 << 10,
        .mark_every = 20000000,
        .reconnect_delay = 1000000,
        .peer_timeout = s->peer_timeout,
        .connections = 2,
    };
    int r = folder->open(folder, b->name, MEDIUM_CREATE, &b->file);
    if (!r)
        r = folder->sync(folder);
    folder->close(folder);
    b->config = c;
    b->self = calloc(1, weir_filter.self_size);
    b->stats = calloc(1, weir_filter.stats_size);
    if (!r)
        r = weir_filter.attach(b->self, b, c, why);
    return r;
}

int source_start(struct source *s, char why[SITE_WHY])
{
    struct weir_text text = { 0 };
    int r = 0;

    site_source = s;
    for (s->disks = 0; !r && s->disks < SITE_DISKS; s->disks += !r)
        r = attach(s, s->disks, &text);
    snprintf(why, SITE_WHY, "%s", text_string(&text));
    text_finish(&text);
    return r;
}

static void detach(struct weir_below *b, bool attached)
{
    if (attached)
        weir_filter.detach(b->self);
    if (b->file)
        b->file->close(b->file);
    free(b->self);
    free(b->config);
    free(b->stats);
    b->self = b->config = b->stats = NULL;
    b->file = NULL;
}

void source_stop(struct source *s)
{
    for (unsigned i = 0; i < s->disks; i++)
        weir_filter.drain(s->disk[i].self, true, NULL);
    for (unsigned i = 0; i < SITE_DISKS; i++)
        detach(&s->disk[i], i < s->disks);
    s->disks = 0;
}

void source_take_disk(struct source *s, unsigned disk)
{
    weir_filter.drain(s->disk[disk].self, true, NULL);
    detach(&s->disk[disk], true);
}

int source_give_disk(struct source *s, unsigned disk, char why[SITE_WHY])
{
    struct weir_text text = { 0 };

    int r = attach(s, disk, &text);
    snprintf(why, SITE_WHY, "%s", text_string(&text));
    text_finish(&text);
    return r;
}

int source_restart_disk(struct source *s, unsigned disk, char why[SITE_WHY])
{
    source_take_disk(s, disk);
    return source_give_disk(s, disk, why);
}

int source_verb(struct source *s, unsigned disk, const char *verb, char answer[SITE_WHY])
{
    const struct weir_verb *v = weir_filter.verbs;
    struct weir_text text = { 0 };

    while (v->name && strcmp(v->name, verb) != 0)
        v++;
    int r = v->name ? v->run(s->disk[disk].self, "", &text) : -ENOENT;
    snprintf(answer, SITE_WHY, "%s", text_string(&text));
    text_finish(&text);
    return r;
}

void source_destroy(struct source *s)
{
    source_stop(s);
    for (unsigned i = 0; i < SITE_DISKS; i++) {
        pthread_mutex_destroy(&s->disk[i].order);
        pthread_cond_destroy(&s->disk[i].left);
    }
    memory_destroy(s->memory);
    free(s);
}

int source_read(struct source *s, unsigned disk, void *data, size_t length, uint64_t offset)
{
    return file_read(s->disk[disk].file, data, length, offset);
}

static bool is_all_sent(const struct group *g)
{
    for (const struct batch *b = g->first; b; b = b->next)
        if (b->state != BATCH_SENT && b->state != BATCH_RECEIVED)
            return false;
    return true;
}

struct sight source_look(struct source *s)
{
    struct group *g = ((struct disk *)s->disk[0].self)->group;

    pthread_mutex_lock(&g->lock);
    struct sight at = {
        .in_step = g->connected && !g->stop && !g->first && !group_dirty(g) && !g->initial &&
                   !g->peer.needs && g->complete_durable == g->lsn,
        .all_sent = is_all_sent(g),
        .stopped = g->stop == STOP_FORK || g->stop == STOP_REFUSED,
        .locked = true,
        .dirty = group_dirty(g),
        .lsn = g->lsn,
        .received = g->received_lsn,
        .complete_durable = g->complete_durable,
    };
    for (unsigned i = 0; i < SITE_DISKS; i++) {
        at.intents += map_intents(((struct disk *)s->disk[i].self)->map);
        at.locked &= atomic_load(&s->disk[i].locked);
    }
    pthread_mutex_unlock(&g->lock);
    return at;
}

char *source_status(struct source *s)
{
    struct group *g = ((struct disk *)s->disk[0].self)->group;
    struct weir_text text = { 0 };

    pthread_mutex_lock(&g->lock);
    status_print(g, &text);
    pthread_mutex_unlock(&g->lock);
    return text_take(&text);
}
