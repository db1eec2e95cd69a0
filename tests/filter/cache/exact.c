/* exact.c - what does an LRU cache of each size really miss?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A tree over all references knows which are the last of their block: those since the last one of a
 * block are its reuse distance. */
#include "exact.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *enough(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

void trace_add(struct trace *trace, uint64_t key)
{
    if (trace->count == trace->room) {
        trace->room = trace->room ? 2 * trace->room : 1 << 16;
        trace->key = enough(realloc(trace->key, trace->room * sizeof(*trace->key)));
    }
    trace->key[trace->count++] = key;
}

void trace_free(struct trace *trace)
{
    free(trace->key);
    *trace = (struct trace){ 0 };
}

/* ---- files ------------------------------------------------------------------- */

static void read_vscsi(struct trace *trace, FILE *file)
{
    struct {
        uint32_t serial, length, pieces;
        uint16_t opcode, version;
        uint64_t sector, time;
    } record;

    while (fread(&record, sizeof(record), 1, file) == 1)
        for (uint64_t i = record.sector / 8; i <= (record.sector + record.length / 512 - 1) / 8;
             i++)
            trace_add(trace, i);
}

static void read_lines(struct trace *trace, FILE *file)
{
    unsigned long long first, count;

    while (fscanf(file, "%llu %llu%*[^\n]", &first, &count) == 2)
        while (count--)
            trace_add(trace, first++);
}

int trace_read(struct trace *trace, const char *path)
{
    const char *end = strrchr(path, '.');
    bool packed = end && strcmp(end, ".zst") == 0;
    char command[4200];

    if (!end || (!packed && strcmp(end, ".vscsi") != 0 && strcmp(end, ".lis") != 0))
        return -1;
    snprintf(command, sizeof(command), "zstd -dcq '%s'", path);
    FILE *file = packed ? popen(command, "r") : fopen(path, "r");
    if (!file)
        return -1;
    if (strcmp(end, ".vscsi") == 0)
        read_vscsi(trace, file);
    else
        read_lines(trace, file);
    return packed ? pclose(file) : fclose(file);
}

/* ---- distances --------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* A number for each key, from 0 on. */
static uint32_t *number_keys(const struct trace *trace)
{
    uint64_t *sorted = enough(malloc(trace->count * sizeof(*sorted)));
    uint32_t *ret = enough(malloc(trace->count * sizeof(*ret)));
    size_t distinct = 0;

    memcpy(sorted, trace->key, trace->count * sizeof(*sorted));
    qsort(sorted, trace->count, sizeof(*sorted), compare);
    for (size_t i = 0; i < trace->count; i++)
        if (!i || sorted[i] != sorted[distinct - 1])
            sorted[distinct++] = sorted[i];
    for (size_t i = 0; i < trace->count; i++) {
        uint64_t *at = bsearch(&trace->key[i], sorted, distinct, sizeof(*sorted), compare);
        ret[i] = (uint32_t)(at - sorted);
    }
    free(sorted);
    return ret;
}

static void tree_add(uint32_t *tree, size_t count, size_t at, int one)
{
    for (; at <= count; at += at & -at)
        tree[at] += (uint32_t)one;
}

static uint32_t tree_sum(const uint32_t *tree, size_t at)
{
    uint32_t ret = 0;

    for (; at; at -= at & -at)
        ret += tree[at];
    return ret;
}

void exact_lru(const struct trace *trace, const uint64_t *blocks, double *misses, size_t sizes)
{
    uint32_t *key = number_keys(trace), *tree = enough(calloc(trace->count + 1, sizeof(*tree)));
    size_t *last = enough(calloc(trace->count, sizeof(*last)));
    uint64_t *hits = enough(calloc(sizes, sizeof(*hits))), held = 0;

    for (size_t now = 1; now <= trace->count; now++) {
        size_t *then = &last[key[now - 1]], size = 0;
        if (*then) {
            uint64_t needed = 1 + tree_sum(tree, now - 1) - tree_sum(tree, *then);
            while (size < sizes && blocks[size] < needed)
                size++;
            if (size < sizes)
                hits[size]++;
            tree_add(tree, trace->count, *then, -1);
        }
        tree_add(tree, trace->count, now, 1);
        *then = now;
    }
    for (size_t i = 0; i < sizes; i++) {
        held += hits[i];
        misses[i] = 1 - (double)held / (double)trace->count;
    }
    free(key);
    free(tree);
    free(last);
    free(hits);
}
