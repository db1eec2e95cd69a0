/* crash-life.c - what do a source and an administrator do to a group, at random?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "crash-life.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { BATCH = 5 };

bool life_fails(struct life *l, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(l->why, sizeof(l->why), format, args);
    va_end(args);
    return false;
}

static uint32_t chance(struct life *l, uint32_t below)
{
    return model_chance(&l->model, below);
}

/* What it says of itself now holds whatever comes. */
static bool promise(struct life *l)
{
    struct promise *p = &l->promise[l->promises++];

    if (l->promises == PROMISES)
        abort();
    p->ops = memory_ops(l->memory);
    group_status(l->group, &p->said);
    if (*p->said.error)
        return life_fails(l, "the group says: %s", p->said.error);
    if (p->said.mismatches)
        return life_fails(l, "a VERIFY found a difference");
    return true;
}

/* ---- open -------------------------------------------------------------------------------------
 */

/* A group whose log begins near the end of a segment. */
static void prepare(struct life *l)
{
    struct group *g = calloc(1, sizeof(*g));
    struct group_record record = { .initial = true };
    struct medium_file *file;

    /* in the first copy, or some time later */
    const uint64_t room = chance(l, 4) ? 200 + chance(l, 130) : 4 + chance(l, 120);
    record.applied.position = SEGMENT - room * FRAME_ALIGN;
    record.horizon.position = record.trimmed = record.applied.position;
    g->medium = memory_medium(l->memory, "vault");
    pthread_mutex_init(&g->lock, NULL);
    if (group_save(g, &record) ||
        g->medium->open(g->medium, "log.0000000000000000", MEDIUM_CREATE, &file) ||
        file->truncate(file, record.applied.position) || file->sync(file) ||
        g->medium->sync(g->medium))
        abort();
    file->close(file);
    g->medium->close(g->medium);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

int life_open_group(const struct life *l, struct memory *memory, struct group **ret,
                    struct weir_text *why)
{
    struct medium *medium = memory_medium(memory, "vault");
    const struct group_setup setup = { .config = &l->config,
                                       .name = "g",
                                       .medium = medium,
                                       .heads =
                                           l->elsewhere ? memory_medium(memory, "heads") : medium,
                                       .scratch = medium,
                                       .manual = true };

    return group_open(&setup, ret, why);
}

bool life_open(struct life *l)
{
    struct weir_text why = { 0 };
    int r = life_open_group(l, l->memory, &l->group, &why);

    if (r)
        life_fails(l, "the group cannot be opened: %s (%s)", text_string(&why), strerror(-r));
    text_finish(&why);
    return r == 0 && promise(l);
}

void life_create(struct life *l, uint64_t seed)
{
    *l = (struct life){ .memory = memory_create(),
                        .config = { .path = "", .heads = "", .scratch = "", .key = "" } };
    model_create(&l->model, seed);
    l->config.history = chance(l, 3) ? 3600000000000 : 0;
    l->elsewhere = chance(l, 2);
    prepare(l);
    memory_record(l->memory);
}

void life_destroy(struct life *l)
{
    group_close(l->group);
    memory_destroy(l->memory);
    model_destroy(&l->model);
}

/* Killed, what is in the page cache stays. */
static bool restart(struct life *l)
{
    if (chance(l, 2))
        l->group->broken = -EIO; /* nothing is synced any more */
    group_close(l->group);
    l->group = NULL;
    return life_open(l);
}

/* ---- the source -------------------------------------------------------------------------------
 */

static int command(struct life *l, enum command_op op, struct weir_text *why)
{
    struct command c = { .op = op,
                         .lineage = l->model.lineage,
                         .lsn = l->model.source.lsn,
                         .token = l->model.source.token };

    if (op == COMMAND_ACQUIRE)
        c.token = l->group->record.token;
    memcpy(c.group, l->model.source.group, sizeof(c.group));
    return group_command(l->group, &c, why);
}

static bool do_command(struct life *l, enum command_op op)
{
    struct weir_text why = { 0 };
    int r = command(l, op, &why);

    if (r)
        life_fails(l, "command %u: %s (%s)", op, text_string(&why), strerror(-r));
    text_finish(&why);
    return r == 0 && promise(l);
}

static bool acquire(struct life *l)
{
    if (!do_command(l, COMMAND_ACQUIRE))
        return false;
    model_resume(&l->model, l->group);
    return true;
}

static bool deliver(struct life *l, const struct sent *sent, bool fua)
{
    struct log_end received, durable;

    log_ends(l->group->log, &received, &durable);
    fua = fua && frame_place(received.position, sent->size) >= sent->position &&
          received.position >= l->model.source.end.position - sent->size;
    int r = group_receive(l->group, sent->position, sent->bytes, sent->size, fua);
    if (r)
        return life_fails(l, "a frame at %" PRIu64 " is refused: %s; %s", sent->position,
                          strerror(-r), l->group->error);
    return promise(l);
}

static bool send_some(struct life *l)
{
    struct sent sent[BATCH];
    const unsigned count = 1 + chance(l, BATCH);
    bool good = true;

    for (unsigned i = 0; i < count; i++)
        sent[i] = model_frame(&l->model);
    for (unsigned i = count; i > 1; i--) { /* in any order */
        const unsigned j = chance(l, 3) ? i - 1 : chance(l, i);
        const struct sent other = sent[i - 1];
        sent[i - 1] = sent[j];
        sent[j] = other;
    }
    for (unsigned i = 0; i < count; i++) {
        good = good && deliver(l, &sent[i], chance(l, 3) == 0);
        if (chance(l, 8) == 0)
            good = good && deliver(l, &sent[chance(l, i + 1)], false);
    }
    for (unsigned i = 0; i < count; i++)
        free(sent[i].bytes);
    return good;
}

static bool new_generation(struct life *l)
{
    lineage_begin(&l->model.lineage, memory_chance(&l->model.chance) | 1, l->model.source.lsn);
    l->model.source.generation = l->model.lineage.list[0].id;
    return do_command(l, COMMAND_GENERATION);
}

static bool begin_anew(struct life *l)
{
    if (group_accept(l->group, NULL, NULL))
        return life_fails(l, "accept failed");
    if (!promise(l) || !do_command(l, COMMAND_ACQUIRE))
        return false;
    model_resume(&l->model, l->group); /* the token */
    if (!do_command(l, COMMAND_BEGIN))
        return false;
    model_resume(&l->model, l->group);
    return true;
}

/* ---- the administrator ------------------------------------------------------------------------
 */

static bool write_here(struct life *l, const struct status *s)
{
    struct head *head;
    const unsigned disk = chance(l, MODEL_DISKS);
    static uint8_t data[8 * 4096];

    if (head_open(l->group, disk, &head, NULL))
        return life_fails(l, "a head of a primary is not served");
    for (unsigned n = 1 + chance(l, 3); n; n--) {
        struct own_write *w = &l->own[l->owns++];
        *w = (struct own_write){ .ops = memory_ops(l->memory),
                                 .generation = s->lineage.list[0].id,
                                 .disk = disk,
                                 .offset = chance(l, MODEL_SIZE / 4096 - 8) * 4096,
                                 .length = (1 + chance(l, 8)) * 4096,
                                 .byte = (uint8_t)(1 + chance(l, 255)) };
        memset(data, w->byte, sizeof(data));
        struct weir_request req = {
            .op = WEIR_WRITE, .offset = w->offset, .length = w->length, .data = data
        };
        if (head_serve(head, &req))
            return life_fails(l, "a write to a head failed");
        if (chance(l, 2))
            continue;
        req = (struct weir_request){ .op = WEIR_FLUSH };
        if (head_serve(head, &req))
            return life_fails(l, "a flush of a head failed");
        w = &l->own[l->owns++];
        *w = (struct own_write){ .ops = memory_ops(l->memory),
                                 .disk = disk,
                                 .flush = true,
                                 .generation = s->lineage.list[0].id };
    }
    head_close(head);
    return promise(l);
}

static bool demote(struct life *l)
{
    struct weir_text why = { 0 };
    int r = group_demote(l->group, true, false, NULL, &why);

    if (r)
        life_fails(l, "demote: %s (%s)", text_string(&why), strerror(-r));
    text_finish(&why);
    return r == 0 && promise(l);
}

static bool be_primary(struct life *l)
{
    struct status s;
    bool good = true;

    for (unsigned n = chance(l, 4); good && n; n--) {
        group_status(l->group, &s);
        good = chance(l, 4) ? write_here(l, &s) : restart(l);
    }
    return good && demote(l) && acquire(l);
}

static bool promote(struct life *l)
{
    struct weir_text why = { 0 };
    const struct group_record *record = &l->group->record;

    log_work(l->group->log); /* as a promotion would */
    const bool history = l->config.history,
               may = !record->initial && (history || !record->unsettled);
    const bool to_point = history && l->model.mark && chance(l, 2);
    char word[16];

    snprintf(word, sizeof(word), "rp:m%u", 1 + chance(l, l->model.mark));
    int r =
        group_promote(l->group, to_point ? PROMOTE_POINT : PROMOTE_LATEST, word, false, NULL, &why);
    const bool as_it_should =
        (may && r == 0) || (!may && r == -EPERM) || (to_point && r == -ENOENT);
    if (!as_it_should)
        life_fails(l, "promote: %s (%s)", text_string(&why), strerror(-r));
    text_finish(&why);
    if (!as_it_should || !promise(l))
        return false;
    return r == 0 ? be_primary(l) : acquire(l);
}

static bool fold(struct life *l)
{
    const uint64_t at = l->group->applied.position - l->group->applied.position % SEGMENT;

    if (!l->group->index || at <= l->group->record.horizon.position || l->group->record.initial)
        return true;
    int r = fold_to(l->group, at);
    if (r && r != -EINVAL && r != -EBUSY)
        return life_fails(l, "fold: %s", strerror(-r));
    return promise(l);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static bool one_step(struct life *l)
{
    switch (chance(l, 24)) {
    case 0:
        model_run_ahead(&l->model);
        return true;
    case 1:
        return restart(l) && (chance(l, 2) || acquire(l));
    case 2:
        return acquire(l);
    case 3:
        return new_generation(l);
    case 4:
    case 5:
        return promote(l);
    case 6:
        return chance(l, 3) || begin_anew(l);
    case 7:
    case 8:
    case 9:
        return fold(l);
    case 10:
    case 11:
        group_work(l->group);
        return promise(l);
    case 12:
        log_work(l->group->log);
        return promise(l);
    default:
        return send_some(l);
    }
}

bool life_go(struct life *l, unsigned steps)
{
    if (!acquire(l))
        return false;
    while (steps--)
        if (!one_step(l))
            return false;
    return true;
}

static bool heads_are_now(struct life *l)
{
    static uint8_t data[MODEL_SIZE];

    for (unsigned i = 0; i < MODEL_DISKS; i++) {
        struct medium_file *head = l->group->disks[i].head;
        if (!head || file_read(head, data, sizeof(data), 0))
            return life_fails(l, "a head cannot be read");
        if (memcmp(data, l->model.disk[i], sizeof(data)) != 0)
            return life_fails(l, "after all was sent, head %u is not the source's disk", i);
    }
    return needs_count(l->group) == 0 || life_fails(l, "after all was sent, something is needed");
}

bool life_catch_up(struct life *l)
{
    if (l->group->record.role == ROLE_PRIMARY && !demote(l))
        return false;
    if (l->group->record.begin) {
        if (!begin_anew(l))
            return false;
    } else if (!acquire(l)) {
        return false;
    }
    do
        if (!send_some(l))
            return false;
    while (model_is_dirty(&l->model));
    group_work(l->group);
    return promise(l) && heads_are_now(l);
}
