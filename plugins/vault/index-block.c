/* index-block.c - what stands in a block of an index run, and which blocks were read lately?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "index-run.h"

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes: digest 8 | number 4 | kind 2 | count 2 | … ----------------------------- */

static const char magic[8] = "WEIRRUN1";

static void put64(uint8_t *at, uint64_t n)
{
    n = htole64(n);
    memcpy(at, &n, sizeof n);
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t n;

    memcpy(&n, at, sizeof n);
    return le64toh(n);
}

static void put32(uint8_t *at, uint32_t n)
{
    n = htole32(n);
    memcpy(at, &n, sizeof n);
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t n;

    memcpy(&n, at, sizeof n);
    return le32toh(n);
}

void block_seal(uint8_t *bytes, const struct block_head *h)
{
    put32(bytes + 8, h->number);
    put32(bytes + 12, (uint32_t)h->kind << 16 | h->count);
    put64(bytes, digest_of(bytes + 8, BLOCK - 8));
}

uint32_t block_count(const uint8_t *bytes)
{
    return get32(bytes + 12) & 0xffff;
}

int block_check(const uint8_t *bytes, unsigned kind, uint32_t number, uint32_t *count)
{
    const unsigned most = kind == BLOCK_LEAF ? LEAF_ENTRIES : INNER_PLACES;

    *count = block_count(bytes);
    if (get64(bytes) != digest_of(bytes + 8, BLOCK - 8) || get32(bytes + 8) != number ||
        get32(bytes + 12) >> 16 != kind || *count > most || (!*count && kind != BLOCK_HEADER))
        return -EBADMSG;
    return 0;
}

/* place 8 | lsn 8 | length 4 | at 4 | position in FRAME_ALIGN, from the run's start 4 */
static uint8_t *leaf_at(const uint8_t *bytes, unsigned index)
{
    return (uint8_t *)bytes + 16 + (size_t)index * 28;
}

void leaf_put(uint8_t *bytes, unsigned index, const struct entry *e, uint64_t from)
{
    uint8_t *at = leaf_at(bytes, index);

    put64(at, e->place);
    put64(at + 8, e->lsn);
    put32(at + 16, e->length);
    put32(at + 20, e->at);
    put32(at + 24, (uint32_t)((e->position - from) / FRAME_ALIGN));
}

void leaf_get(const uint8_t *bytes, unsigned index, struct entry *ret, uint64_t from)
{
    const uint8_t *at = leaf_at(bytes, index);

    *ret = (struct entry){ .place = get64(at),
                           .lsn = get64(at + 8),
                           .length = get32(at + 16),
                           .at = get32(at + 20),
                           .position = from + (uint64_t)get32(at + 24) * FRAME_ALIGN };
}

uint64_t leaf_place(const uint8_t *bytes, unsigned index)
{
    return get64(leaf_at(bytes, index));
}

/* number of the first child 8 | places 8 each */
void inner_put(uint8_t *bytes, unsigned index, uint64_t place)
{
    put64(bytes + 24 + (size_t)index * 8, place);
}

uint64_t inner_place(const uint8_t *bytes, unsigned index)
{
    return get64(bytes + 24 + (size_t)index * 8);
}

void inner_put_child(uint8_t *bytes, uint32_t first)
{
    put64(bytes + 16, first);
}

uint32_t inner_child(const uint8_t *bytes)
{
    return (uint32_t)get64(bytes + 16);
}

void header_put(uint8_t *bytes, const struct run_header *h)
{
    const uint64_t word[] = {
        h->from,        h->to,           h->entries,         (uint64_t)h->leaves << 32 | h->height,
        h->root_number, h->facts.first,  h->facts.first_lsn, h->facts.last_lsn,
        h->facts.time,  h->facts.arrived
    };

    memcpy(bytes + 16, magic, sizeof magic);
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        put64(bytes + 24 + i * 8, word[i]);
}

int header_get(const uint8_t *bytes, struct run_header *ret)
{
    uint64_t word[10];

    if (memcmp(bytes + 16, magic, sizeof magic) != 0)
        return -EBADMSG;
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        word[i] = get64(bytes + 24 + i * 8);
    *ret = (struct run_header){ .from = word[0],
                                .to = word[1],
                                .entries = word[2],
                                .leaves = (uint32_t)(word[3] >> 32),
                                .height = (uint32_t)word[3],
                                .root_number = (uint32_t)word[4],
                                .facts = { .first = word[5],
                                           .first_lsn = word[6],
                                           .last_lsn = word[7],
                                           .time = word[8],
                                           .arrived = word[9] } };
    return 0;
}

/* ---- blocks that were read lately -------------------------------------------------- */

enum { WAYS = 8 };

struct cache {
    pthread_mutex_t lock; /* guards all below; a leaf: nothing else is taken or done under it */
    unsigned sets;
    uint64_t clock;
    struct way {
        struct block *block;
        uint64_t used;
    } way[][WAYS];
};

struct cache *cache_create(unsigned blocks)
{
    const unsigned sets = blocks / WAYS ? blocks / WAYS : 1;
    struct cache *c = calloc(1, sizeof *c + sets * sizeof *c->way);

    if (!c)
        return NULL;
    c->sets = sets;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void block_put(struct block *b)
{
    if (b && atomic_fetch_sub(&b->users, 1) == 1)
        free(b);
}

void cache_destroy(struct cache *c)
{
    if (!c)
        return;
    for (unsigned s = 0; s < c->sets; s++)
        for (unsigned w = 0; w < WAYS; w++)
            block_put(c->way[s][w].block);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct way *set_of(struct cache *c, uint64_t run, uint32_t number)
{
    const uint64_t mixed = (run * 0x9e3779b97f4a7c15ull + number) * 0xbf58476d1ce4e5b9ull;

    return c->way[(mixed >> 32) % c->sets];
}

struct block *cache_find(struct cache *c, uint64_t run, uint32_t number)
{
    struct way *set = set_of(c, run, number);
    struct block *found = NULL;

    pthread_mutex_lock(&c->lock);
    for (unsigned w = 0; w < WAYS && !found; w++) {
        struct block *b = set[w].block;
        if (b && b->run == run && b->number == number) {
            set[w].used = ++c->clock;
            atomic_fetch_add(&b->users, 1);
            found = b;
        }
    }
    pthread_mutex_unlock(&c->lock);
    return found;
}

void cache_keep(struct cache *c, struct block *b)
{
    struct way *set = set_of(c, b->run, b->number), *oldest = set;
    struct block *old;

    pthread_mutex_lock(&c->lock);
    for (unsigned w = 1; w < WAYS; w++)
        if (set[w].used < oldest->used)
            oldest = &set[w];
    old = oldest->block;
    atomic_fetch_add(&b->users, 1);
    *oldest = (struct way){ .block = b, .used = ++c->clock };
    pthread_mutex_unlock(&c->lock);
    block_put(old);
}
