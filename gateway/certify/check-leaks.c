/* check-leaks.c - what does the filter cost, and what does it leave behind?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include "events.h"

#include <dirent.h>
#include <malloc.h>
#include <string.h>

/* there under the sanitizers, whose malloc has no mallinfo2() */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* What the core remembers of events is the same each time. */
static void forget_events(void)
{
    for (int i = 0; i < EVENTS_KEPT; i++)
        event_post(WEIR_INFO, NULL, NULL, "%s", "nothing has happened");
}

static double memory(void)
{
    forget_events();
    if (__sanitizer_get_current_allocated_bytes)
        return (double)__sanitizer_get_current_allocated_bytes();
    struct mallinfo2 m = mallinfo2();
    return (double)(m.uordblks + m.hblkhd);
}

static int entries(const char *folder)
{
    DIR *d = opendir(folder);
    int n = 0;

    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

struct left {
    double bytes;
    int fds, threads;
};

static struct left count(void)
{
    return (struct left){ memory(), entries("/proc/self/fd"), entries("/proc/self/task") };
}

/* Threads that end take their time, and so does what they have open. */
static struct left settle(const struct left *before)
{
    struct left now = count();

    for (int i = 0; i < 2000 && (now.threads > before->threads || now.fds > before->fds); i++) {
        usleep(1000);
        now = count();
    }
    return now;
}

enum { CYCLES = 12, ROUNDS = 3, BYTES = 512 /* of one: what allocators round */ };

static void cycle(struct kit *k)
{
    char data[4096] = { 0 };

    rig_open(k, true);
    if (ask(k, WEIR_WRITE, 0, sizeof(data), 0, data) || ask(k, WEIR_READ, 0, sizeof(data), 0, data))
        fail(k, "a request failed");
    rig_close(k);
}

/* A leak grows in each round; what is made once, or was being made anew before, does not. */
static bool has_grown(const struct left *a, const struct left *b, double bytes)
{
    return b->fds > a->fds || b->threads > a->threads || b->bytes - a->bytes > bytes;
}

static void compare(struct kit *k, const char *what, const struct left *a, const struct left *b,
                    double times, double each)
{
    if (b->fds > a->fds)
        fail(k, "%.0f %s left %d descriptors open", times, what, b->fds - a->fds);
    if (b->threads > a->threads)
        fail(k, "%.0f %s left %d threads behind", times, what, b->threads - a->threads);
    if (b->bytes - a->bytes > each * times)
        fail(k, "%.0f %s left %.0f bytes of memory", times, what, b->bytes - a->bytes);
}

enum { REQUESTS = 2000, EACH = 32 /* bytes: what it remembers of blocks may grow a little */ };

static void some_requests(struct kit *k)
{
    char data[4096] = { 0 };

    for (int i = 0; i < REQUESTS; i++) {
        uint64_t at = next_random(&k->random) % 256 * 4096;
        if (ask(k, i & 1 ? WEIR_WRITE : WEIR_READ, at, sizeof(data), 0, data))
            fail(k, "a request failed");
    }
    if (ask(k, WEIR_FLUSH, 0, 0, 0, NULL))
        fail(k, "a flush failed");
}

/* What waits to be sent elsewhere is memory, too, until it has been sent. */
static void requests(struct kit *k)
{
    struct left before, after;

    some_requests(k);
    for (int round = 0;; round++) {
        before = count();
        some_requests(k);
        after = settle(&before);
        for (int i = 0; i < 200 && after.bytes - before.bytes > EACH * REQUESTS; i++) {
            usleep(20000);
            after = settle(&before);
        }
        if (!has_grown(&before, &after, EACH * REQUESTS) || round == ROUNDS)
            break;
    }
    compare(k, "requests", &before, &after, REQUESTS, EACH);
}

static void attachments(struct kit *k)
{
    struct left before, after;

    for (int round = 0;; round++) {
        before = count();
        for (int i = 0; i < CYCLES; i++)
            cycle(k);
        after = settle(&before);
        if (!has_grown(&before, &after, (double)BYTES * CYCLES) || round == ROUNDS)
            break;
    }
    compare(k, "attachments", &before, &after, CYCLES, BYTES);
    figure(k, "memory for each attachment", (after.bytes - before.bytes) / CYCLES, "bytes");
}

void check_leaks(struct kit *k)
{
    cycle(k);
    cycle(k);
    attachments(k);
    rig_open(k, true);
    requests(k);
    rig_close(k);
}

/* ---- overhead ------------------------------------------------------------------------ */

static double each(struct kit *k, enum weir_op op)
{
    char data[4096] = { 0 };
    unsigned n = 0;

    for (unsigned i = 0; i < 256; i++) /* what is there once for each block */
        if (ask(k, WEIR_WRITE, (uint64_t)i * 4096, sizeof(data), 0, data))
            fail(k, "a request failed");
    const uint64_t began = now_ns();
    do {
        if (ask(k, op, n % 256 * 4096, sizeof(data), 0, data))
            fail(k, "a request failed");
        n++;
    } while (n < 500 || (n < 100000 && time_left(k, began)));
    return (double)(now_ns() - began) / n;
}

static void measure(struct kit *k, void *arg)
{
    const bool *filter = arg;

    rig_open(k, *filter);
    figure(k, *filter ? "read with it" : "read without it", each(k, WEIR_READ), "ns");
    figure(k, *filter ? "write with it" : "write without it", each(k, WEIR_WRITE), "ns");
    rig_close(k);
}

void check_overhead(struct kit *k)
{
    bool filter = false;

    if (slowness() > 1)
        not_applicable(k, "a sanitizer is at work, and its time would be measured");
    in_process(k, measure, &filter);
    media_reset(k->media); /* a new disk, as filters with a format of their own want it */
    filter = true;
    in_process(k, measure, &filter);
}
