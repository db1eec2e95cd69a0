/* memory-image.c - how does a test have many versions of the same files at once?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "memory-image.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, SLOTS = 256 };
#define SPAN ((uint64_t)PAGE * SLOTS)

/* Each is changed only by one that has it alone, and all above it. */
struct page {
    atomic_uint owners;
    uint8_t byte[PAGE];
};

struct node {
    atomic_uint owners;
    struct page *page[SLOTS]; /* NULL: a hole */
};

struct image {
    atomic_uint owners;
    uint64_t size, pages;
    size_t nodes;
    struct node **node; /* NULL: a hole; as what lies behind the last is */
};

void *memory_must(void *allocated)
{
    if (!allocated)
        abort();
    return allocated;
}

static void page_release(struct page *p)
{
    if (p && atomic_fetch_sub(&p->owners, 1) == 1)
        free(p);
}

static void node_release(struct node *n)
{
    if (!n || atomic_fetch_sub(&n->owners, 1) > 1)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        page_release(n->page[i]);
    free(n);
}

struct image *image_create(void)
{
    struct image *i = memory_must(calloc(1, sizeof(*i)));

    atomic_init(&i->owners, 1);
    return i;
}

struct image *image_share(struct image *i)
{
    atomic_fetch_add(&i->owners, 1);
    return i;
}

void image_release(struct image *i)
{
    if (!i || atomic_fetch_sub(&i->owners, 1) > 1)
        return;
    for (size_t n = 0; n < i->nodes; n++)
        node_release(i->node[n]);
    free(i->node);
    free(i);
}

/* ---- having it alone ------------------------------------------------------------------------ */

static struct image *own(struct image **image)
{
    struct image *old = *image;

    if (atomic_load(&old->owners) == 1)
        return old;
    struct image *i = image_create();
    i->size = old->size;
    i->pages = old->pages;
    i->nodes = old->nodes;
    i->node = memory_must(calloc(i->nodes + 1, sizeof(*i->node)));
    for (size_t n = 0; n < i->nodes; n++)
        if ((i->node[n] = old->node[n]))
            atomic_fetch_add(&i->node[n]->owners, 1);
    image_release(old);
    return *image = i;
}

static struct node *own_node(struct image *i, size_t n)
{
    if (n >= i->nodes) {
        i->node = memory_must(realloc(i->node, (n + 1) * sizeof(*i->node)));
        memset(i->node + i->nodes, 0, (n + 1 - i->nodes) * sizeof(*i->node));
        i->nodes = n + 1;
    }
    struct node *old = i->node[n];
    if (old && atomic_load(&old->owners) == 1)
        return old;
    struct node *new = memory_must(calloc(1, sizeof(*new)));
    atomic_init(&new->owners, 1);
    for (size_t p = 0; old && p < SLOTS; p++)
        if ((new->page[p] = old->page[p]))
            atomic_fetch_add(&new->page[p]->owners, 1);
    node_release(old);
    return i->node[n] = new;
}

static struct page *own_page(struct image *i, uint64_t number)
{
    struct node *n = own_node(i, number / SLOTS);
    struct page *old = n->page[number % SLOTS];

    if (old && atomic_load(&old->owners) == 1)
        return old;
    struct page *new = memory_must(calloc(1, sizeof(*new)));
    atomic_init(&new->owners, 1);
    if (old)
        memcpy(new->byte, old->byte, PAGE);
    else
        i->pages++;
    page_release(old);
    return n->page[number % SLOTS] = new;
}

static struct page *find_page(const struct image *i, uint64_t number)
{
    const size_t n = number / SLOTS;

    return n < i->nodes && i->node[n] ? i->node[n]->page[number % SLOTS] : NULL;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

uint64_t image_size(const struct image *i)
{
    return i->size;
}

uint64_t image_pages(const struct image *i)
{
    return i->pages;
}

void image_read(const struct image *i, void *data, size_t length, uint64_t offset)
{
    while (length) {
        const size_t in = offset % PAGE, n = length < PAGE - in ? length : PAGE - in;
        const struct page *p = find_page(i, offset / PAGE);
        if (p)
            memcpy(data, p->byte + in, n);
        else
            memset(data, 0, n);
        data = (uint8_t *)data + n;
        length -= n;
        offset += n;
    }
}

void image_data(const struct image *i, uint64_t offset, uint64_t *start, uint64_t *length)
{
    const uint64_t end = (uint64_t)i->nodes * SLOTS;
    uint64_t first = offset / PAGE;

    while (first < end && !find_page(i, first))
        first += first % SLOTS || i->node[first / SLOTS] ? 1 : SLOTS;
    uint64_t last = first;
    while (last < end && find_page(i, last))
        last++;
    *start = first * PAGE > offset ? first * PAGE : offset;
    const uint64_t stop = last * PAGE < i->size ? last * PAGE : i->size;
    *length = *start < stop ? stop - *start : 0;
}

void image_write(struct image **image, const void *data, size_t length, uint64_t offset)
{
    struct image *i = own(image);

    if (length && offset + length > i->size)
        i->size = offset + length;
    while (length) {
        const size_t in = offset % PAGE, n = length < PAGE - in ? length : PAGE - in;
        memcpy(own_page(i, offset / PAGE)->byte + in, data, n);
        data = (const uint8_t *)data + n;
        length -= n;
        offset += n;
    }
}

static void drop_page(struct image *i, uint64_t number)
{
    if (!find_page(i, number))
        return;
    struct node *n = own_node(i, number / SLOTS);
    page_release(n->page[number % SLOTS]);
    n->page[number % SLOTS] = NULL;
    i->pages--;
}

static void clear(struct image *i, uint64_t from, uint64_t to)
{
    const uint64_t end = (uint64_t)i->nodes * SPAN;

    if (to > end)
        to = end;
    while (from < to) {
        const uint64_t in = from % PAGE, left = to - from, n = left < PAGE - in ? left : PAGE - in;
        if (!i->node[from / SPAN]) {
            from += SPAN - from % SPAN;
            continue;
        }
        if (n == PAGE)
            drop_page(i, from / PAGE);
        else if (find_page(i, from / PAGE))
            memset(own_page(i, from / PAGE)->byte + in, 0, n);
        from += n;
    }
}

void image_zero(struct image **image, uint64_t length, uint64_t offset)
{
    struct image *i = own(image);

    if (offset < i->size)
        clear(i, offset, length < i->size - offset ? offset + length : i->size);
}

void image_truncate(struct image **image, uint64_t size)
{
    struct image *i = own(image);

    if (size < i->size)
        clear(i, size, i->size);
    i->size = size;
}
