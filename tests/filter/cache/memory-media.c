/* memory-media.c - what would a pool be after a crash at any moment?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "memory-media.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, SECTOR_SIZE = 512 };

/* Shared by images; changed only by one that has it alone. */
struct page {
    atomic_uint owners;
    uint8_t byte[PAGE];
};

struct image {
    size_t pages;
    struct page **page; /* NULL: zeroes */
};

struct memory {
    struct media media;
    pthread_mutex_t lock; /* guards all that follows; a leaf */
    struct image now;
    bool *bad; /* by page */
    uint64_t reads;

    bool records;
    struct memory_op *op;
    size_t ops, ops_size;
    struct image base;   /* as it was before the first op … */
    struct image synced; /* … with all that was synced before `cut_ops` ops, and */
    size_t cut_ops;      /* the first that is not in it */

    struct {
        unsigned after;
        int times, error;
    } fail[MEMORY_CALLS];
    bool sync_failed;
    void (*gate)(void *arg, enum memory_call, uint64_t offset);
    void *gate_arg;
};

/* ---- images ------------------------------------------------------------------------ */

static void *must(void *allocated)
{
    if (!allocated)
        abort(); /* a test has no use for a way out */
    return allocated;
}

static void page_release(struct page *p)
{
    if (p && atomic_fetch_sub(&p->owners, 1) == 1)
        free(p);
}

static void image_create(struct image *i, size_t pages)
{
    i->pages = pages;
    i->page = must(calloc(pages ? pages : 1, sizeof(struct page *)));
}

static void image_finish(struct image *i)
{
    for (size_t n = 0; n < i->pages; n++)
        page_release(i->page[n]);
    free(i->page);
    *i = (struct image){ 0 };
}

static void image_copy(struct image *to, const struct image *from)
{
    image_create(to, from->pages);
    for (size_t n = 0; n < from->pages; n++) {
        to->page[n] = from->page[n];
        if (to->page[n])
            atomic_fetch_add(&to->page[n]->owners, 1);
    }
}

static struct page *own(struct image *i, size_t n)
{
    struct page *old = i->page[n];

    if (old && atomic_load(&old->owners) == 1)
        return old;
    struct page *p = must(calloc(1, sizeof(struct page)));
    atomic_init(&p->owners, 1);
    if (old)
        memcpy(p->byte, old->byte, PAGE);
    page_release(old);
    return i->page[n] = p;
}

static void image_write(struct image *i, const void *data, size_t length, uint64_t offset)
{
    while (length) {
        const size_t in = offset % PAGE, n = length < PAGE - in ? length : PAGE - in;
        memcpy(own(i, offset / PAGE)->byte + in, data, n);
        data = (const uint8_t *)data + n;
        length -= n;
        offset += n;
    }
}

static void image_read(const struct image *i, void *data, size_t length, uint64_t offset)
{
    while (length) {
        const size_t in = offset % PAGE, n = length < PAGE - in ? length : PAGE - in;
        const struct page *p = i->page[offset / PAGE];
        if (p)
            memcpy(data, p->byte + in, n);
        else
            memset(data, 0, n);
        data = (uint8_t *)data + n;
        length -= n;
        offset += n;
    }
}

/* ---- the medium ---------------------------------------------------------------------- */

static void pass_gate(struct memory *m, enum memory_call call, uint64_t offset)
{
    pthread_mutex_lock(&m->lock);
    void (*gate)(void *, enum memory_call, uint64_t) = m->gate;
    void *arg = m->gate_arg;
    pthread_mutex_unlock(&m->lock);
    if (gate)
        gate(arg, call, offset);
}

/* Under the lock. */
static int trouble(struct memory *m, enum memory_call call)
{
    if (!m->fail[call].times)
        return 0;
    if (m->fail[call].after) {
        m->fail[call].after--;
        return 0;
    }
    if (m->fail[call].times > 0)
        m->fail[call].times--;
    return -m->fail[call].error;
}

static void note(struct memory *m, struct memory_op op)
{
    if (!m->records)
        return;
    if (m->ops == m->ops_size) {
        m->ops_size = m->ops_size ? 2 * m->ops_size : 256;
        m->op = must(realloc(m->op, m->ops_size * sizeof(struct memory_op)));
    }
    if (op.kind == MEMORY_WRITE) {
        void *copy = must(malloc(op.length ? op.length : 1));
        memcpy(copy, op.data, op.length);
        op.data = copy;
    }
    m->op[m->ops++] = op;
}

static int memory_read(struct media *media, void *data, size_t length, uint64_t offset)
{
    struct memory *m = (struct memory *)media;

    pass_gate(m, MEMORY_CALL_READ, offset);
    pthread_mutex_lock(&m->lock);
    int r = trouble(m, MEMORY_CALL_READ);
    m->reads++;
    if (length > media->size || offset > media->size - length)
        r = -EIO;
    for (uint64_t n = offset / PAGE; !r && length && n <= (offset + length - 1) / PAGE; n++)
        if (m->bad[n])
            r = -EIO;
    if (!r)
        image_read(&m->now, data, length, offset);
    pthread_mutex_unlock(&m->lock);
    return r;
}

static int memory_write(struct media *media, const struct iovec *iov, int count, uint64_t offset)
{
    struct memory *m = (struct memory *)media;
    size_t length = 0, at = 0;

    for (int i = 0; i < count; i++)
        length += iov[i].iov_len;
    uint8_t *data = must(malloc(length ? length : 1));
    for (int i = 0; i < count; at += iov[i++].iov_len)
        memcpy(data + at, iov[i].iov_base, iov[i].iov_len);
    pass_gate(m, MEMORY_CALL_WRITE, offset);
    pthread_mutex_lock(&m->lock);
    int r = trouble(m, MEMORY_CALL_WRITE);
    if (length > media->size || offset > media->size - length) {
        r = -ENOSPC;
        length = 0;
    }
    if (r)
        length = length / 2 / SECTOR_SIZE * SECTOR_SIZE;
    image_write(&m->now, data, length, offset);
    if (length)
        note(m, (struct memory_op){ MEMORY_WRITE, offset, length, data });
    pthread_mutex_unlock(&m->lock);
    free(data);
    return r;
}

static int memory_sync(struct media *media)
{
    struct memory *m = (struct memory *)media;

    pass_gate(m, MEMORY_CALL_SYNC, 0);
    pthread_mutex_lock(&m->lock);
    int r = m->sync_failed ? -EIO : trouble(m, MEMORY_CALL_SYNC);
    if (r)
        m->sync_failed = true;
    else
        note(m, (struct memory_op){ .kind = MEMORY_SYNC });
    pthread_mutex_unlock(&m->lock);
    return r;
}

static void memory_close(struct media *media)
{
    struct memory *m = (struct memory *)media;

    for (size_t i = 0; i < m->ops; i++)
        free((void *)m->op[i].data);
    free(m->op);
    free(m->bad);
    image_finish(&m->now);
    image_finish(&m->base);
    image_finish(&m->synced);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static struct memory *create(uint64_t size)
{
    struct memory *m = must(calloc(1, sizeof(struct memory)));

    m->media = (struct media){ memory_read, memory_write, memory_sync, memory_close, size };
    pthread_mutex_init(&m->lock, NULL);
    m->bad = must(calloc(size / PAGE + 1, sizeof(bool)));
    return m;
}

struct media *memory_create(uint64_t size)
{
    struct memory *m = create(size);

    image_create(&m->now, (size + PAGE - 1) / PAGE);
    return &m->media;
}

struct memory *memory_of(struct media *media)
{
    return (struct memory *)media;
}

/* ---- what has happened ------------------------------------------------------------------ */

void memory_record(struct memory *m)
{
    pthread_mutex_lock(&m->lock);
    assert(!m->records);
    m->records = true;
    image_copy(&m->base, &m->now);
    image_copy(&m->synced, &m->now);
    pthread_mutex_unlock(&m->lock);
}

size_t memory_ops(struct memory *m)
{
    pthread_mutex_lock(&m->lock);
    const size_t n = m->ops;
    pthread_mutex_unlock(&m->lock);
    return n;
}

const struct memory_op *memory_op(struct memory *m, size_t index)
{
    return &m->op[index];
}

uint64_t memory_reads(struct memory *m)
{
    pthread_mutex_lock(&m->lock);
    const uint64_t n = m->reads;
    pthread_mutex_unlock(&m->lock);
    return n;
}

/* ---- crashes ------------------------------------------------------------------------------- */

uint64_t memory_chance(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Under the lock: `synced` holds what the last sync of the first `ops` has made durable. */
static void advance(struct memory *m, size_t ops)
{
    size_t last = ops;

    while (last && m->op[last - 1].kind != MEMORY_SYNC)
        last--;
    if (last < m->cut_ops) {
        image_finish(&m->synced);
        image_copy(&m->synced, &m->base);
        m->cut_ops = 0;
    }
    for (; m->cut_ops < last; m->cut_ops++) {
        const struct memory_op *op = &m->op[m->cut_ops];
        if (op->kind == MEMORY_WRITE)
            image_write(&m->synced, op->data, op->length, op->offset);
    }
}

static void tear(struct image *image, const struct memory_op *op, uint64_t *seed)
{
    for (size_t at = 0; at < op->length; at += SECTOR_SIZE) {
        const size_t n = op->length - at < SECTOR_SIZE ? op->length - at : SECTOR_SIZE;
        if (memory_chance(seed) & 1)
            image_write(image, (const uint8_t *)op->data + at, n, op->offset + at);
    }
}

struct media *memory_cut(struct memory *m, size_t ops, enum memory_loss loss, uint64_t seed)
{
    struct memory *cut = create(m->media.size);

    pthread_mutex_lock(&m->lock);
    assert(m->records && ops <= m->ops);
    advance(m, ops);
    image_copy(&cut->now, &m->synced);
    for (size_t i = m->cut_ops; i < ops && loss != MEMORY_SYNCED; i++) {
        const struct memory_op *op = &m->op[i];
        if (loss == MEMORY_ALL || memory_chance(&seed) & 1)
            image_write(&cut->now, op->data, op->length, op->offset);
        else if (loss == MEMORY_TORN)
            tear(&cut->now, op, &seed);
    }
    pthread_mutex_unlock(&m->lock);
    return &cut->media;
}

struct media *memory_copy(struct memory *m)
{
    struct memory *copy = create(m->media.size);

    pthread_mutex_lock(&m->lock);
    image_copy(&copy->now, &m->now);
    pthread_mutex_unlock(&m->lock);
    return &copy->media;
}

/* ---- trouble -----------------------------------------------------------------------------------
 */

void memory_fail(struct memory *m, enum memory_call call, unsigned after, int times, int error)
{
    pthread_mutex_lock(&m->lock);
    m->fail[call].after = after;
    m->fail[call].times = times;
    m->fail[call].error = error;
    pthread_mutex_unlock(&m->lock);
}

void memory_bad_page(struct memory *m, uint64_t page, bool bad)
{
    pthread_mutex_lock(&m->lock);
    m->bad[page] = bad;
    pthread_mutex_unlock(&m->lock);
}

void memory_gate(struct memory *m, void (*gate)(void *arg, enum memory_call, uint64_t offset),
                 void *arg)
{
    pthread_mutex_lock(&m->lock);
    m->gate = gate;
    m->gate_arg = arg;
    pthread_mutex_unlock(&m->lock);
}
