/* record.c - what must a group never forget, and where is that?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * In the file "group" in the state folder of each of its disks, all alike; the one with the highest
 * sequence counts, for a crash may come between two of them. */
#include "replication.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char magic[8] = "WEIRGRP1";
enum { HEAD = 8 + 8 + 16 + 16 + LINEAGE_BYTES + 8 + 8 + 8 + 4 + 4, DIGEST = 8 };

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
    memcpy(at, bytes, n); /* numbers: little-endian, as this host is */
    return at + n;
}

static const uint8_t *take(const uint8_t *at, void *bytes, size_t n)
{
    memcpy(bytes, at, n);
    return at + n;
}

static size_t record_bytes(const struct group_record *r, uint8_t **ret)
{
    size_t size = HEAD + (size_t)r->count * NAME_LENGTH + DIGEST;
    uint8_t *bytes = calloc(1, size), *at = bytes;
    uint8_t lineage[LINEAGE_BYTES];
    uint32_t flags = r->fenced | r->detached << 1 | r->synced << 2 | r->fetch << 3,
             count = r->count;

    if (!bytes)
        return 0;
    lineage_write(&r->lineage, lineage);
    at = put(at, magic, sizeof magic);
    at = put(at, &r->sequence, 8);
    at = put(at, r->uuid, 16);
    at = put(at, r->source, 16);
    at = put(at, lineage, sizeof lineage);
    at = put(at, &r->ceiling, 8);
    at = put(at, &r->token, 8);
    at = put(at, &r->durable, 8);
    at = put(at, &flags, 4);
    at = put(at, &count, 4);
    for (unsigned i = 0; i < count; i++)
        at = put(at, r->name[i], NAME_LENGTH);
    uint64_t digest = digest_of(bytes, (size_t)(at - bytes));
    put(at, &digest, DIGEST);
    *ret = bytes;
    return size;
}

static int parse(const uint8_t *bytes, size_t size, struct group_record *r)
{
    const uint8_t *at = bytes;
    uint8_t lineage[LINEAGE_BYTES];
    uint32_t flags, count;
    uint64_t digest;
    char said[8];

    if (size < HEAD + DIGEST)
        return -EBADMSG;
    take(bytes + size - DIGEST, &digest, DIGEST);
    at = take(at, said, sizeof said);
    if (memcmp(said, magic, sizeof magic) != 0 || digest != digest_of(bytes, size - DIGEST))
        return -EBADMSG;
    at = take(at, &r->sequence, 8);
    at = take(at, r->uuid, 16);
    at = take(at, r->source, 16);
    at = take(at, lineage, sizeof lineage);
    at = take(at, &r->ceiling, 8);
    at = take(at, &r->token, 8);
    at = take(at, &r->durable, 8);
    at = take(at, &flags, 4);
    at = take(at, &count, 4);
    if (count > DISKS || size != HEAD + (size_t)count * NAME_LENGTH + DIGEST ||
        !lineage_read(lineage, &r->lineage))
        return -EBADMSG;
    r->fenced = flags & 1;
    r->detached = flags & 2;
    r->synced = flags & 4;
    r->fetch = flags >> 3 & 3;
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
