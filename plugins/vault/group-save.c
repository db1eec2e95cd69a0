/* group-save.c - what does a group know of itself after a crash?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One small file, replaced as a whole:
 *
 *   magic 8 | version 4 | bytes 4 | what put_record() says | XXH3-64 of all before */
#include "group.h"

#include "encode.h"
#include "scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    VERSION = 1,
    HEADER = 16,
    DISK_BYTES = NAME_LENGTH + 8 + 20,
    MOST_BYTES = HEADER + 512 + 2 * LINEAGE_BYTES + DISKS * DISK_BYTES,
};
static const char magic[8] = { 'W', 'E', 'I', 'R', 'G', 'R', 'U', 'P' };
static const char file_name[] = "group";

/* ---- one order of fields for writing and for reading ------------------------------------------
 */

struct cursor {
    uint8_t *at;
    bool reads;
};

static void bytes(struct cursor *c, void *field, size_t size)
{
    if (c->reads)
        memcpy(field, c->at, size);
    else
        memcpy(c->at, field, size);
    c->at += size;
}

static void number(struct cursor *c, uint64_t *field)
{
    if (c->reads)
        *field = get64(c->at);
    else
        put64(c->at, *field);
    c->at += 8;
}

static void flag(struct cursor *c, bool *field)
{
    uint64_t value = *field;

    number(c, &value);
    *field = value != 0;
}

static void end(struct cursor *c, struct log_end *field)
{
    number(c, &field->position);
    number(c, &field->last_position);
    number(c, &field->last_digest);
    number(c, &field->last_lsn);
}

static bool lineage(struct cursor *c, struct lineage *field)
{
    bool good = true;

    if (c->reads)
        good = lineage_read(c->at, field);
    else
        lineage_write(field, c->at);
    c->at += LINEAGE_BYTES;
    return good;
}

static void disk(struct cursor *c, struct group_record *r, unsigned n)
{
    uint64_t epoch = r->disk[n].since.epoch;

    bytes(c, r->disk[n].name, NAME_LENGTH);
    number(c, &r->disk[n].size);
    bytes(c, r->disk[n].since.map, sizeof(r->disk[n].since.map));
    number(c, &epoch);
    r->disk[n].since.epoch = (uint32_t)epoch;
}

/* false: that cannot be a record. */
static bool all(struct cursor *c, struct group_record *r)
{
    uint64_t role = r->role, disks = r->disks;
    uint64_t flags = r->begin | (uint64_t)r->fetched << 1;

    bytes(c, r->uuid, sizeof(r->uuid));
    bytes(c, r->source, sizeof(r->source));
    number(c, &role);
    if (!lineage(c, &r->lineage) || !lineage(c, &r->before))
        return false;
    number(c, &r->token);
    end(c, &r->applied);
    end(c, &r->horizon);
    number(c, &r->applied_time);
    flag(c, &r->initial);
    flag(c, &r->unsettled);
    number(c, &r->folding_to);
    number(c, &r->trimmed);
    number(c, &r->promoted_lsn);
    number(c, &r->rolling_to);
    flag(c, &r->accepting);
    number(c, &flags);
    number(c, &r->mismatches);
    number(c, &r->verified);
    number(c, &disks);
    if (role > ROLE_PRIMARY || disks > DISKS)
        return false;
    r->role = (enum role)role;
    r->begin = flags & 1;
    r->fetched = flags & 2;
    r->disks = (unsigned)disks;
    for (unsigned n = 0; n < r->disks; n++) {
        disk(c, r, n);
        if (r->disk[n].name[NAME_LENGTH - 1])
            return false;
    }
    return true;
}

/* ---- the file ---------------------------------------------------------------------------------
 */

int group_save(struct group *g, const struct group_record *record)
{
    cleanup_free uint8_t *out = calloc(1, MOST_BYTES + 8);
    cleanup_free struct group_record *copy = malloc(sizeof(*copy));

    if (!out || !copy)
        return -ENOMEM;
    *copy = *record;
    struct cursor c = { out + HEADER, false };
    all(&c, copy);
    const size_t size = (size_t)(c.at - out);
    memcpy(out, magic, sizeof(magic));
    put32(out + 8, VERSION);
    put32(out + 12, (uint32_t)size);
    put64(c.at, digest_of(out, size));
    int r = medium_save(g->medium, file_name, out, size + 8);
    if (r)
        return r;
    hold_lock(&g->lock);
    g->record = *copy;
    return 0;
}

static bool is_whole(const uint8_t *in, size_t size)
{
    return size >= HEADER + 8 && memcmp(in, magic, sizeof(magic)) == 0 &&
           get32(in + 12) == size - 8 && get64(in + size - 8) == digest_of(in, size - 8);
}

int group_load(struct group *g, struct weir_text *why)
{
    cleanup_free void *data = NULL;
    /* room for a file that says that it has more disks than it has bytes */
    cleanup_free uint8_t *in = calloc(1, MOST_BYTES + 8);
    size_t size;

    if (!in)
        return -ENOMEM;
    int r = medium_load(g->medium, file_name, &data, &size);
    if (r == -ENOENT)
        return r;
    if (r) {
        weir_print(why, "the record of group \"%s\" cannot be read: %s", g->name, strerror(-r));
        return r;
    }
    if (size <= MOST_BYTES + 8)
        memcpy(in, data, size);
    if (size > MOST_BYTES + 8 || !is_whole(in, size)) {
        weir_print(
            why,
            "the record of group \"%s\" is damaged: restore the file \"%s\" in its folder, or "
            "move the folder away and let the source send everything anew",
            g->name, file_name);
        return -EIO;
    }
    struct cursor c = { in + HEADER, true };
    if (get32(in + 8) != VERSION || !all(&c, &g->record)) {
        weir_print(why,
                   "the record of group \"%s\" is of version %u, and this weir reads version %u",
                   g->name, get32(in + 8), VERSION);
        return -EIO;
    }
    return 0;
}
