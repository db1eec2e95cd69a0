/* order.c - which disk stands first?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "top.h"

const char *const sort_names[SORT_COUNT + 1] = { "name", "iops", "read",  "write",
                                                 "p50",  "p99",  "queue", NULL };

static double key_of(const struct disk *disk, enum sort sort)
{
    switch (sort) {
    case SORT_IOPS:
        return disk->pace.iops;
    case SORT_READ:
        return disk->pace.read;
    case SORT_WRITE:
        return disk->pace.write;
    case SORT_P50:
        return (double)disk->pace.p50;
    case SORT_P99:
        return (double)disk->pace.p99;
    case SORT_QUEUE:
        return (double)(disk->pace.in_flight + disk->pace.waiting);
    case SORT_NAME:
    case SORT_COUNT:
        break;
    }
    return 0;
}

struct order {
    enum sort sort;
    int sign;
};

/* The largest first; equal ones, and all when sorted by name, in the order of names. */
static int compare(const void *a, const void *b, void *arg)
{
    const struct disk *one = *(struct disk *const *)a, *other = *(struct disk *const *)b;
    const struct order *order = arg;
    double key = key_of(one, order->sort), other_key = key_of(other, order->sort);

    if (key < other_key || key > other_key)
        return key < other_key ? order->sign : -order->sign;
    int by_name = strcmp(one->name, other->name);
    if (!by_name)
        by_name = strcmp(one->gateway, other->gateway);
    return order->sort == SORT_NAME ? by_name * order->sign : by_name;
}

struct disk **disks_sorted(const struct board *board, enum sort sort, bool reverse,
                           const char *find, size_t *count)
{
    struct disk **list = enough(calloc(board->count + 1, sizeof(struct disk *)));
    struct order order = { sort, reverse ? -1 : 1 };

    *count = 0;
    for (size_t i = 0; i < board->count; i++)
        if (!*find || strcasestr(board->disks[i]->name, find))
            list[(*count)++] = board->disks[i];
    qsort_r(list, *count, sizeof(*list), compare, &order);
    return list;
}
