/* check-walk.c - does the filter keep the rules by which requests go down and come up?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include <inttypes.h>
#include <string.h>

static void judge_probes(struct kit *k)
{
    if (atomic_load(&above.wrong))
        fail(k, "%s", above.what);
    if (atomic_load(&below.wrong))
        fail(k, "%s", below.what);
    if (atomic_load(&above.down) != atomic_load(&above.up))
        fail(k, "of %" PRIu64 " requests that passed the probe above, %" PRIu64 " came back to it",
             atomic_load(&above.down), atomic_load(&above.up));
    if (atomic_load(&below.down) != atomic_load(&below.up))
        fail(k, "of %" PRIu64 " requests that passed the probe below, %" PRIu64 " came back to it",
             atomic_load(&below.down), atomic_load(&below.up));
}

static void some_load(struct kit *k, unsigned threads)
{
    struct load load = { .errors_are_fine = true };
    const uint64_t began = now_ns();

    load_start(&load, k, 0, 8 << 20, threads);
    while (time_left(k, began) || atomic_load(&load.answered) < 200)
        usleep(1000);
    load_end(&load);
}

void check_walk(struct kit *k)
{
    k->media->block_max = 256 << 10;
    rig_open(k, true);
    some_load(k, 4);
    char *data = calloc(1, 1 << 20); /* what is longer than the store takes, at the disk's end */
    if (!data || ask(k, WEIR_WRITE, k->size - (1 << 20), 1 << 20, WEIR_FUA, data) ||
        ask(k, WEIR_READ, k->size - (1 << 20), 1 << 20, 0, data) ||
        ask(k, WEIR_ZERO, k->size - (1 << 20), 1 << 20, 0, NULL))
        fail(k, "a long request at the end of the disk failed");
    free(data);
    rig_close(k);
    judge_probes(k);
}

void check_misuse(struct kit *k)
{
    rig_open(k, true);
    some_load(k, 4);
    rig_close(k);
    if (atomic_load(&misuses))
        fail(k, "the core has reported %u defects: %s", atomic_load(&misuses), misuse);
}

/* ---- overlapping writes ------------------------------------------------------------- */

enum { BLOCKS = 16, BLOCK = 4096, PART = 512, WRITERS = 4, LEAST = 50 };

struct writer {
    struct kit *kit;
    uint64_t random;
    uint8_t mark;
    pthread_t thread;
};

static void *overlap(void *arg)
{
    struct writer *w = arg;
    const uint64_t began = now_ns();
    char data[4 * BLOCK];

    memset(data, w->mark, sizeof(data));
    for (unsigned done = 0; done < LEAST || time_left(w->kit, began); done++) {
        uint64_t at = next_random(&w->random) % (BLOCKS - 4), n = next_random(&w->random) % 4 + 1;
        int error = ask(w->kit, WEIR_WRITE, at * BLOCK, n * BLOCK, 0, data);
        if (error)
            fail(w->kit, "a write failed with %s", errno_word(error));
    }
    return NULL;
}

/* Two that follow one another: the second one is what is there.  Parts of blocks, too: who
 * collects small writes sends them on in an order of his own. */
static void follow(struct kit *k)
{
    char first[2 * BLOCK], second[2 * BLOCK], back[2 * BLOCK];

    for (int i = 0; i < 50; i++) {
        uint64_t at = next_random(&k->random) % ((BLOCKS - 2) * BLOCK) / PART * PART,
                 length = (next_random(&k->random) % (2 * BLOCK / PART) + 1) * PART;
        memset(first, i + 1, length);
        memset(second, i + 101, length);
        if (ask(k, WEIR_WRITE, at, length, 0, first) || ask(k, WEIR_WRITE, at, length, 0, second) ||
            ask(k, WEIR_FLUSH, 0, 0, 0, NULL) || ask(k, WEIR_READ, at, length, 0, back))
            fail(k, "a request failed");
        memset(second, i + 101, length); /* whatever was done to it meanwhile */
        if (memcmp(back, second, length))
            fail(k, "of two writes of the same blocks, the first one is what is there");
    }
}

static void take(struct kit *k, char *data, bool judge)
{
    if (ask(k, WEIR_READ, 0, BLOCKS * BLOCK, 0, data))
        fail(k, "a read failed");
    for (int i = 0; judge && i < BLOCKS; i++)
        for (int j = 1; j < BLOCK; j++)
            if (data[i * BLOCK + j] != data[i * BLOCK])
                fail(k, "two writes of the same block are mixed in it");
}

void check_order(struct kit *k)
{
    struct writer w[WRITERS];
    static char before[BLOCKS * BLOCK], after[BLOCKS * BLOCK]; /* of the check's process */

    rig_open(k, true);
    follow(k);
    if (ask(k, WEIR_WRITE, 0, sizeof(before), 0, before)) /* each block is of one write */
        fail(k, "a write failed");
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){ k, next_random(&k->random), (uint8_t)(i + 1), 0 };
        if (pthread_create(&w[i].thread, NULL, overlap, &w[i]))
            fail(k, "no thread");
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(w[i].thread, NULL);
    /* to which filters that asked for the order are entitled, and with them those above */
    take(k, before, k->library->filter.flags & WEIR_NEEDS_ORDER);
    rig_close(k);
    rig_open(k, true);
    take(k, after, false);
    if (memcmp(before, after, sizeof(before)))
        fail(k, "what overlapping writes left was another when the disk was opened again");
    rig_close(k);
}
