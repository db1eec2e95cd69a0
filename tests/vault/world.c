/* world.c - what would every disk of a group hold at every LSN?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { RECORDS = 5 };
static const uint64_t second = 1000000000;
static struct world *saving; /* whose group_save() it is: one at a time */

static void must(bool so)
{
    if (!so)
        abort();
}

uint64_t world_chance(struct world *w, uint64_t n)
{
    return memory_chance(&w->seed) % n;
}

/* ---- the record -------------------------------------------------------------------- */

static int save(struct world *w, const struct group_record *record, bool durable)
{
    struct medium *m = w->group.medium;
    struct medium_file *f;
    int r;

    if (durable)
        return medium_save(m, "group", record, sizeof *record);
    if ((r = m->open(m, "group", MEDIUM_CREATE, &f)))
        return r;
    r = file_write(f, record, sizeof *record, 0);
    f->close(f);
    return r;
}

int group_save(struct group *g, const struct group_record *record)
{
    const bool announces = record->folding_to && record->folding_to != g->record.folding_to;
    const bool moves = record->horizon.position != g->record.horizon.position;
    const bool durable = !(announces && saving->broken == NO_ANNOUNCEMENT) &&
                         !(moves && saving->broken == NO_HORIZON);
    int r = save(saving, record, durable);

    if (r)
        return r;
    pthread_mutex_lock(&g->lock);
    g->record = *record;
    pthread_mutex_unlock(&g->lock);
    return 0;
}

/* ---- images ------------------------------------------------------------------------ */

static int no_sync(struct medium_file *f)
{
    (void)f;
    return 0;
}

static struct medium_file *open_image(struct world *w, unsigned disk, const char *kind)
{
    struct medium *m = w->group.medium;
    struct medium_file *f;
    char name[32];

    snprintf(name, sizeof name, "vm%u.%s", disk, kind);
    must(m->open(m, name, MEDIUM_CREATE, &f) == 0);
    if (strcmp(kind, "base") == 0 && w->broken == NO_BASE_SYNC)
        f->sync = no_sync;
    return f;
}

static void open_parts(struct world *w)
{
    struct group *g = &w->group;
    const struct index_setup index = { .medium = g->medium,
                                       .log = g->log,
                                       .trimmed = g->record.trimmed,
                                       .end = fake_log_end(g->log),
                                       .manual = true };
    const struct points_setup points = { .medium = g->medium,
                                         .log = g->log,
                                         .trimmed = g->record.trimmed,
                                         .end = fake_log_end(g->log),
                                         .lsn = g->record.horizon.last_lsn };

    must(index_open(&index, &g->index, NULL) == 0);
    must(points_open(&points, &g->points, NULL) == 0);
    for (unsigned disk = 0; disk < WORLD_DISKS; disk++) {
        g->disks[disk].base = open_image(w, disk, "base");
        g->disks[disk].head = open_image(w, disk, "head");
        g->disks[disk].size = UNITS * UNIT;
    }
    must(fold_start(g) == 0);
}

static void close_parts(struct world *w)
{
    struct group *g = &w->group;

    fold_stop(g);
    for (unsigned disk = 0; disk < WORLD_DISKS; disk++) {
        g->disks[disk].base->close(g->disks[disk].base);
        g->disks[disk].head->close(g->disks[disk].head);
    }
    points_close(g->points);
    index_close(g->index);
}

/* ---- life -------------------------------------------------------------------------- */

static void begin(struct world *w, struct memory *memory, uint64_t seed)
{
    *w = (struct world){ .memory = memory, .seed = seed, .time = second };
    saving = w;
    w->group.name = "group";
    w->group.manual = true;
    w->group.config.history = second;
    w->group.medium = w->group.heads = w->group.scratch = memory_medium(memory, "group");
    pthread_mutex_init(&w->group.lock, NULL);
    pthread_mutex_init(&w->group.turn, NULL);
    pthread_cond_init(&w->group.changed, NULL);
    w->written = calloc(WRITES, sizeof *w->written);
    must(w->written != NULL);
    w->group.log = fake_log_create();
}

void world_set_up(struct world *w, uint64_t seed)
{
    begin(w, memory_create(), seed);
    must(group_save(&w->group, &(struct group_record){ .role = ROLE_TARGET }) == 0);
    open_parts(w);
}

void world_tear_down(struct world *w)
{
    close_parts(w);
    w->group.medium->close(w->group.medium);
    memory_destroy(w->memory);
    fake_log_destroy(w->group.log);
    free(w->written);
}

void world_restart(struct world *w)
{
    close_parts(w);
    open_parts(w);
}

void world_crash(struct world *after, struct world *w, size_t ops, enum memory_loss loss,
                 uint64_t seed)
{
    void *record;
    size_t size;

    begin(after, memory_cut(w->memory, ops, loss, seed), seed);
    for (size_t i = 0; i < fake_log_frames(w->group.log); i++)
        fake_log_copy(after->group.log, fake_log_frame(w->group.log, i));
    for (size_t i = 0; i < w->trims && w->trim[i].ops <= ops; i++)
        log_trim(after->group.log, w->trim[i].position);
    memcpy(after->written, w->written, w->writes * sizeof *w->written);
    after->writes = w->writes;
    after->lsn = w->lsn;
    after->time = w->time;
    if (medium_load(after->group.medium, "group", &record, &size) == 0) {
        must(size <= sizeof after->group.record);
        memcpy(&after->group.record, record, size);
        free(record);
    }
    open_parts(after);
}

/* ---- frames ------------------------------------------------------------------------ */

static void fill(uint8_t *data, const struct written *w)
{
    for (size_t i = 0; i < (size_t)w->count * UNIT; i += 8)
        memcpy(data + i, &w->lsn, 8);
}

static void apply(struct world *w, const struct written *x, const uint8_t *data)
{
    struct medium_file *head = w->group.disks[x->disk].head;
    const uint64_t offset = (uint64_t)x->first * UNIT, length = (uint64_t)x->count * UNIT;

    must((x->zero ? head->zero(head, length, offset) : file_write(head, data, length, offset)) ==
         0);
}

static void tell_group(struct world *w, const struct fake_frame *f)
{
    struct group *g = &w->group;
    const uint64_t end = f->frame.position + frame_span(&f->frame);

    must(index_add(g->index, &f->frame, f->payload) == 0);
    must(points_frame(g->points, &f->frame, f->payload) == 0);
    g->complete = g->applied = (struct log_end){ .position = end, .last_lsn = f->frame.last_lsn };
    g->record.applied = g->applied; /* saved with whatever is saved next */
    g->complete_time = f->frame.time;
}

void world_add_frame_at(struct world *w, uint64_t position, uint32_t flags, const char *mark)
{
    struct fake_record record[RECORDS + 1];
    uint8_t *data[RECORDS] = { 0 };
    const unsigned count = 1 + (unsigned)world_chance(w, RECORDS);
    unsigned n = 0;

    for (; n < count; n++) {
        struct written x = { .lsn = w->lsn += 1 + world_chance(w, 2),
                             .position = position,
                             .disk = (unsigned)world_chance(w, WORLD_DISKS),
                             .first = (unsigned)world_chance(w, UNITS),
                             .count = 1 + (unsigned)world_chance(w, world_chance(w, 4) ? 4 : 40),
                             .zero = world_chance(w, 5) == 0 };
        if (x.first + x.count > UNITS)
            x.count = UNITS - x.first;
        data[n] = calloc(x.count, UNIT);
        must(data[n] != NULL);
        fill(data[n], &x);
        apply(w, &x, data[n]);
        record[n] = (struct fake_record){ .record = { .disk = (uint16_t)x.disk,
                                                      .op = x.zero ? RECORD_ZERO : RECORD_WRITE,
                                                      .length = x.count * UNIT,
                                                      .offset = (uint64_t)x.first * UNIT,
                                                      .lsn = x.lsn },
                                          .data = data[n] };
        must(w->writes < WRITES);
        w->written[w->writes++] = x;
    }
    if (mark)
        record[n++] = (struct fake_record){
            .record = { .op = RECORD_MARK, .length = (uint32_t)strlen(mark), .lsn = ++w->lsn },
            .data = mark
        };
    w->time += second;
    tell_group(w, fake_log_add(w->group.log, position, flags, w->time, record, n));
    for (unsigned i = 0; i < count; i++)
        free(data[i]);
}

void world_add_segment(struct world *w)
{
    const uint64_t end = fake_log_end(w->group.log);
    const uint64_t from = (end + SEGMENT - 1) / SEGMENT * SEGMENT;
    const unsigned frames = 1 + (unsigned)world_chance(w, 3);

    for (unsigned i = 0; i < frames; i++)
        world_add_frame_at(w, from + i * (uint64_t)(8 << 20), 0, world_chance(w, 2) ? "" : NULL);
}

/* ---- the model --------------------------------------------------------------------- */

uint64_t world_unit(const struct world *w, unsigned disk, unsigned unit, uint64_t lsn)
{
    for (size_t i = w->writes; i-- > 0;) {
        const struct written *x = &w->written[i];
        if (x->lsn <= lsn && x->disk == disk && unit >= x->first && unit < x->first + x->count)
            return x->zero ? 0 : x->lsn;
    }
    return 0;
}

bool world_is_unit(const void *bytes, uint64_t lsn)
{
    for (size_t i = 0; i < UNIT; i += 8)
        if (memcmp((const uint8_t *)bytes + i, &lsn, 8) != 0)
            return false;
    return true;
}

static bool are_units(const struct world *w, const uint8_t *bytes, unsigned disk, uint64_t lsn,
                      unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!world_is_unit(bytes + (size_t)i * UNIT, world_unit(w, disk, first + i, lsn)))
            return false;
    return true;
}

bool world_view_is(struct world *w, struct view *v, unsigned disk, uint64_t lsn, unsigned first,
                   unsigned count)
{
    uint8_t bytes[UNITS * UNIT];
    struct weir_request read = { .op = WEIR_READ,
                                 .offset = (uint64_t)first * UNIT,
                                 .length = (uint64_t)count * UNIT,
                                 .data = bytes };

    memset(bytes, 0xee, sizeof bytes);
    return view_serve(v, &read) == 0 && are_units(w, bytes, disk, lsn, first, count);
}

bool world_heads_are(struct world *w, uint64_t lsn)
{
    uint8_t bytes[UNITS * UNIT];

    for (unsigned disk = 0; disk < WORLD_DISKS; disk++) {
        must(file_read(w->group.disks[disk].head, bytes, sizeof bytes, 0) == 0);
        if (!are_units(w, bytes, disk, lsn, 0, UNITS))
            return false;
    }
    return true;
}

struct view *world_open(struct world *w, unsigned disk, uint64_t lsn, bool writable)
{
    char word[32];
    struct view *v;

    snprintf(word, sizeof word, "lsn:%" PRIu64, lsn);
    return view_open(&w->group, disk, word, NULL, writable, &v, NULL) == 0 ? v : NULL;
}

bool world_lsn_is_right(struct world *w, uint64_t lsn)
{
    bool right = true;

    for (unsigned disk = 0; disk < WORLD_DISKS && right; disk++) {
        struct view *v = world_open(w, disk, lsn, false);
        right = v && world_view_is(w, v, disk, lsn, 0, UNITS);
        view_close(v);
    }
    return right;
}
