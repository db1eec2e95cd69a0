/* region.c - how is memory for secrets cut into blocks, and wiped when it comes back?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A block keeps its size for ever: one that came back serves the next request of its
 * class.  What came back is zero, as fresh pages are, so that nobody zeroes again. */
#include "region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STEP = 64 << 10 }; /* bytes that become memory at once */

/* Before each block's bytes.  A free block's are all zero. */
struct region_block {
    uint32_t class, state;
    struct region_block *next; /* of the free ones of its class */
};
_Static_assert(sizeof(struct region_block) == 16, "blocks are 16-byte aligned");

enum { LIVE = 0x6c697665, FREE = 0x66726565 };

/* ---- classes ----------------------------------------------------------------- */

static unsigned class_of(size_t size)
{
    size_t last = size ? (size - 1) / 16 : 0; /* of its units of 16 bytes */

    if (last < 8)
        return (unsigned)last;
    unsigned top = 63 - (unsigned)__builtin_clzll(last);
    return (top - 2) * 4 + (unsigned)(last >> (top - 2));
}

static size_t class_size(unsigned class)
{
    return class < 8 ? (class + 1) * 16ul : (class % 4 + 5ul) << (class / 4 - 1) << 4;
}

/* ---- pages ------------------------------------------------------------------- */

static int grow(struct region *r, size_t need)
{
    size_t more = (need + STEP - 1) / STEP * STEP;

    if (more > r->size - r->ready)
        more = r->size - r->ready;
    if (more < need || mprotect(r->start + r->ready, more, PROT_READ | PROT_WRITE))
        return -ENOMEM;
    if (mlock(r->start + r->ready, more) == 0)
        r->locked += more;
    r->ready += more;
    return 0;
}

static struct region_block *cut(struct region *r, unsigned class)
{
    size_t need = sizeof(struct region_block) + class_size(class);

    if (need > r->size - r->used ||
        (r->used + need > r->ready && grow(r, r->used + need - r->ready)))
        return NULL;
    struct region_block *b = (struct region_block *)(void *)(r->start + r->used);
    r->used += need;
    b->class = class;
    return b;
}

/* The first block is the region's own: in its header the child of a fork() sees zero. */
static int claim_mark(struct region *r)
{
    struct region_block *b = cut(r, 0);

    if (!b)
        return -ENOMEM;
    b->state = LIVE;
    return 0;
}

int region_init(struct region *r, size_t size, const char **what)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    *r = (struct region){ .lock = PTHREAD_MUTEX_INITIALIZER };
    r->size = (size + page - 1) / page * page;
    *what = "mmap";
    uint8_t *all = mmap(NULL, r->size + 2 * page, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED)
        return -errno;
    r->start = all + page;
    int error = 0;
    /* WIPEONFORK: until the child of a fork() calls exec() it would share our pages without our
     * locks on them, and keep what we wipe meanwhile.  The server itself is no such child:
     * nbdkit has gone to the background before the first disk is opened. */
    if (madvise(all, r->size + 2 * page, MADV_DONTDUMP)) {
        error = -errno;
        *what = "madvise(MADV_DONTDUMP)";
    } else if (madvise(r->start, r->size, MADV_WIPEONFORK)) {
        error = -errno;
        *what = "madvise(MADV_WIPEONFORK)";
    } else {
        error = claim_mark(r);
        *what = "mprotect";
    }
    if (error) {
        munmap(all, r->size + 2 * page);
        r->start = NULL;
    }
    return error;
}

/* ---- blocks ------------------------------------------------------------------ */

static struct region_block *block_of(const void *data)
{
    return (struct region_block *)(uintptr_t)data - 1;
}

void *region_alloc(struct region *r, size_t size)
{
    if (!r->start || size > REGION_BLOCK_MAX || region_forked(r))
        return NULL;
    unsigned class = class_of(size);
    pthread_mutex_lock(&r->lock);
    struct region_block *b = r->free[class];
    if (b) {
        r->free[class] = b->next;
        r->free_bytes -= sizeof *b + class_size(class);
    } else {
        b = cut(r, class);
    }
    if (b) {
        b->state = LIVE;
        b->next = NULL;
    }
    pthread_mutex_unlock(&r->lock);
    return b ? b + 1 : NULL;
}

void region_free(struct region *r, void *data)
{
    if (region_forked(r))
        return;
    struct region_block *b = block_of(data);
    if (!region_holds(r, b) || b->state != LIVE)
        abort(); /* somebody frees twice: whose key would be next in this block? */
    explicit_bzero(data, class_size(b->class));
    pthread_mutex_lock(&r->lock);
    b->state = FREE;
    b->next = r->free[b->class];
    r->free[b->class] = b;
    r->free_bytes += sizeof *b + class_size(b->class);
    pthread_mutex_unlock(&r->lock);
}

size_t region_block_size(const void *data)
{
    return class_size(block_of(data)->class);
}

bool region_holds(const struct region *r, const void *p)
{
    uintptr_t at = (uintptr_t)p, start = (uintptr_t)r->start;

    return start && at >= start && at - start < r->size;
}

size_t region_room(struct region *r)
{
    if (!r->start)
        return 0;
    pthread_mutex_lock(&r->lock);
    size_t room = r->size - r->used + r->free_bytes;
    pthread_mutex_unlock(&r->lock);
    return room;
}

size_t region_swappable(struct region *r)
{
    if (!r->start)
        return 0;
    pthread_mutex_lock(&r->lock);
    size_t bytes = r->ready - r->locked;
    pthread_mutex_unlock(&r->lock);
    return bytes;
}

bool region_forked(const struct region *r)
{
    return ((const struct region_block *)(const void *)r->start)->state != LIVE;
}
