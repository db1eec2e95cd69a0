/* record.c - what must a group never forget, and where is that?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * In the file "group" in the state folder of each of its disks, all alike; the one with the highest
 * sequence counts, for a crash may come between two of them. */
#include "encode.h"
#include "replication.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char magic[8] = "WEIRGRP1";
enum { HEAD = 8 + 8 + 16 + 16 + LINEAGE_BYTES + 8 + 8 + 8 + 4 + 4, DIGEST = 8 };

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return at + n;
}

static uint8_t *put_number(uint8_t *at, uint64_t number)
{
    put64(at, number);
    return at + 8;
}

static const uint8_t *take(const uint8_t *at, void *bytes, size_t n)
{
    memcpy(bytes, at, n);
    return at + n;
}

static const uint8_t *take_number(const uint8_t *at, uint64_t *ret)
{
    *ret = get64(at);
    return at + 8;
}

static size_t record_bytes(const struct group_record *r, uint8_t **ret)
{
    size_t size = HEAD + (size_t)r->count * NAME_LENGTH + DIGEST;
    uint8_t *bytes = calloc(1, size), *at = bytes;
    uint8_t lineage[LINEAGE_BYTES];
    const uint32_t flags = r->fenced | r->detached << 1 | r->synced << 2 | (uint32_t)r->fetch << 3 |
                           (uint32_t)r->untold << 5;

    if (!bytes)
        return 0;
    lineage_write(&r->lineage, lineage);
    at = put(at, magic, sizeof magic);
    at = put_number(at, r->sequence);
    at = put(at, r->uuid, 16);
    at = put(at, r->source, 16);
    at = put(at, lineage, sizeof lineage);
    at = put_number(at, r->ceiling);
    at = put_number(at, r->token);
    at = put_number(at, r->durable);
    put32(at, flags);
    put32(at + 4, r->count);
    at += 8;
    for (unsigned i = 0; i < r->count; i++)
        at = put(at, r->name[i], NAME_LENGTH);
    put64(at, digest_of(bytes, (size_t)(at - bytes)));
    *ret = bytes;
    return size;
}

static int parse(const uint8_t *bytes, size_t size, struct group_record *r)
{
    const uint8_t *at = bytes;
    uint8_t lineage[LINEAGE_BYTES];
    char said[8];

    if (size < HEAD + DIGEST)
        return -EBADMSG;
    at = take(at, said, sizeof said);
    if (memcmp(said, magic, sizeof magic) != 0 ||
        get64(bytes + size - DIGEST) != digest_of(bytes, size - DIGEST))
        return -EBADMSG;
    at = take_number(at, &r->sequence);
    at = take(at, r->uuid, 16);
    at = take(at, r->source, 16);
    at = take(at, lineage, sizeof lineage);
    at = take_number(at, &r->ceiling);
    at = take_number(at, &r->token);
    at = take_number(at, &r->durable);
    const uint32_t flags = get32(at), count = get32(at + 4);
    at += 8;
    if (count > DISKS || size != HEAD + (size_t)count * NAME_LENGTH + DIGEST ||
        !lineage_read(lineage, &r->lineage))
        return -EBADMSG;
    r->fenced = flags & 1;
    r->detached = flags & 2;
    r->synced = flags & 4;
    r->fetch = flags >> 3 & 3;
    r->untold = flags >> 5 & 1;
    r->count = count;
    for (unsigned i = 0; i < count; i++) {
        at = take(at, r->name[i], NAME_LENGTH);
        r->name[i][NAME_LENGTH - 1] = '\0';
    }
    return 0;
}

int record_load(struct medium *m, struct group_record *ret)
{
    void *bytes;
    size_t size;
    int r = medium_load(m, "group", &bytes, &size);

    if (r)
        return r;
    *ret = (struct group_record){ 0 };
    r = parse(bytes, size, ret);
    free(bytes);
    return r;
}

int record_save(struct group *g)
{
    struct medium *media[DISKS] = { 0 };
    uint8_t *bytes = NULL;
    int r = 0;

    pthread_mutex_lock(&g->saving);
    pthread_mutex_lock(&g->lock);
    g->record.sequence++;
    size_t size = record_bytes(&g->record, &bytes);
    for (unsigned i = 0; i < DISKS; i++)
        media[i] = g->disks[i] ? g->disks[i]->medium : NULL;
    pthread_mutex_unlock(&g->lock);
    if (!size)
        r = -ENOMEM;
    for (unsigned i = 0; i < DISKS && !r; i++)
        if (media[i])
            r = medium_save(media[i], "group", bytes, size);
    pthread_mutex_unlock(&g->saving);
    free(bytes);
    return r;
}

int record_unfence(struct medium *m)
{
    struct group_record record;
    uint8_t *bytes;
    int r = record_load(m, &record);

    if (r || !record.fenced)
        return r == -ENOENT ? 0 : r;
    record.fenced = false;
    record.sequence++;
    size_t size = record_bytes(&record, &bytes);
    if (!size)
        return -ENOMEM;
    r = medium_save(m, "group", bytes, size);
    free(bytes);
    return r;
}
