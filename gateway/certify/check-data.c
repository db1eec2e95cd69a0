/* check-data.c - is what is read what was written?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include <stdio.h>
#include <string.h>

enum { THREADS = 4, LEAST = 1000 /* requests */ };

/* The same on disks of other blocks; each is a new one. */
static void one_geometry(struct kit *k, void *arg)
{
    const uint32_t *block = arg;
    struct area low, high;

    k->media->block_min = *block;
    if (*block == 4096)
        k->media->block_max = 64 << 10; /* and long requests are split */
    rig_open(k, true);
    area_create(&low, k, 0, 3 << 20);
    area_create(&high, k, k->size - (1 << 20), 1 << 20); /* the end of the disk */
    low.count = high.count = 400;
    area_work(&low);
    area_work(&high);
    area_compare(&low);
    rig_close(k);
    rig_open(k, true);
    low.what = high.what = " (after the disk was closed and opened)";
    area_compare(&low);
    area_compare(&high);
    rig_close(k);
    area_finish(&low);
    area_finish(&high);
}

/* A filter keeps what it knows of a disk in its state: another disk is another folder. */
static void other_folder(struct kit *k, unsigned n)
{
    static char base[sizeof(k->folder)]; /* of the check's process */

    if (!*base)
        memcpy(base, k->folder, sizeof(base));
    if (snprintf(k->folder, sizeof(k->folder), "%s/%u", base, n) < 0 ||
        make_folders(k->folder, 0700))
        fail(k, "no folder");
}

void check_data(struct kit *k)
{
    static const uint32_t blocks[] = { 1, 512, 4096 };

    for (unsigned i = 0; i < sizeof(blocks) / sizeof(*blocks); i++) {
        media_reset(k->media);
        other_folder(k, i);
        in_process(k, one_geometry, (void *)(uintptr_t)&blocks[i]);
        next_random(&k->random);
    }
}

static void work_together(struct kit *k)
{
    struct area area[THREADS];

    rig_open(k, true);
    for (int i = 0; i < THREADS; i++) {
        area_create(&area[i], k, (uint64_t)i << 20, 1 << 20);
        area[i].unit = 512;
    }
    for (int i = 0; i < THREADS; i++)
        area_start(&area[i]);
    for (int i = 0; i < THREADS; i++)
        area_join(&area[i]);
    for (int i = 0; i < THREADS; i++) {
        area_compare(&area[i]);
        area_finish(&area[i]);
    }
    rig_close(k);
}

void check_threads(struct kit *k)
{
    work_together(k);
}

void check_races(struct kit *k)
{
#if defined(__SANITIZE_THREAD__)
    struct load load = { .errors_are_fine = true };
    const uint64_t began = now_ns();

    rig_open(k, true);
    load_start(&load, k, 0, 8 << 20, 8);
    while (time_left(k, began) || atomic_load(&load.answered) < LEAST)
        usleep(1000);
    load_end(&load);
    rig_close(k);
#else
    not_applicable(k, "not checked: build it with -fsanitize=thread, and weir-certify, too");
#endif
}
