/* check-life.c - does the filter live through what happens to a disk?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* A filter may refuse, with a sentence. */
static bool granted(struct kit *k, const char *what, int r, const struct weir_text *why)
{
    if (!r)
        return true;
    if (!why->length)
        fail(k, "it refuses a %s with %s and no sentence", what, errno_word(-r));
    if (r == -ETIMEDOUT)
        fail(k, "a %s cannot begin: %s", what, text_string(why));
    return false;
}

static bool happens(struct kit *k, enum weir_event_type type, const char *what, const char *name,
                    uint64_t size)
{
    cleanup_text struct weir_text why = { 0 }, asked = { 0 };

    granted(k, what, export_ask(k->export, type, name, size, &asked), &asked);
    return granted(k, what, export_event(k->export, type, name, size, &why), &why);
}

static void stun(struct kit *k)
{
    cleanup_text struct weir_text why = { 0 };

    if (granted(k, "stun", export_stun(k->export, &why), &why))
        export_unstun(k->export);
}

static void grow(struct kit *k)
{
    const uint64_t before = k->size, more = 1 << 20;
    struct weir_geometry g;
    char data[4096];

    if (!happens(k, WEIR_EVENT_GROW, "grow", NULL, before + more))
        return;
    export_geometry(k->export, &g);
    if (g.size != before + more)
        fail(k, "grown to %" PRIu64 " bytes, the disk has %" PRIu64, before + more, g.size);
    memset(data, 0x5a, sizeof(data));
    int error = ask(k, WEIR_WRITE, g.size - sizeof(data), sizeof(data), WEIR_FUA, data);
    if (!error)
        error = ask(k, WEIR_READ, g.size - sizeof(data), sizeof(data), 0, data);
    if (error || data[0] != 0x5a || data[4095] != 0x5a)
        fail(k, "what a grown disk has more cannot be used: %s", errno_word(error));
    k->size = g.size;
}

void check_events(struct kit *k)
{
    struct area area;

    rig_open(k, true);
    area_create(&area, k, 0, 1 << 20);
    area.count = 100;
    area_work(&area);
    for (int i = 0; i < 3; i++)
        stun(k);
    happens(k, WEIR_EVENT_SNAPSHOT, "snapshot", "one", 0);
    area_work(&area);
    happens(k, WEIR_EVENT_CLONE, "clone", "two", 0);
    grow(k);
    area_work(&area);
    happens(k, WEIR_EVENT_MIGRATE, "migrate", "three", 0);
    area_compare(&area);
    cleanup_text struct weir_text why = { 0 };
    granted(k, "delete", export_ask(k->export, WEIR_EVENT_DELETE, NULL, 0, &why), &why);
    area.what = " (after a delete was taken back)";
    area_work(&area);
    area_compare(&area);
    rig_close(k);
    rig_open(k, true);
    area.what = " (after the disk was closed and opened)";
    area_compare(&area);
    area_finish(&area);
    rig_close(k);
}

void check_attach(struct kit *k)
{
    const uint64_t began = now_ns();
    struct area area;
    unsigned rounds = 0;

    rig_open(k, true);
    area_create(&area, k, 0, 1 << 20);
    area.count = 40;
    do {
        area_work(&area);
        rig_close(k);
        rig_open(k, true);
        area_compare(&area);
        rounds++;
    } while (rounds < 5 || time_left(k, began));
    rig_close(k);
    area_finish(&area);
    figure(k, "rounds", rounds, "");
}

/* ---- drain ------------------------------------------------------------------------ */

/* Another answer to a filter's failure is another chain, in which each filter stays; then one
 * without it, unless the disk is not whole then. */
static void another_chain(struct kit *k, bool without)
{
    cleanup_text struct weir_text why = { 0 }, back = { 0 };

    k->on_failure = k->on_failure == ON_FAILURE_LOCK ? ON_FAILURE_BYPASS : ON_FAILURE_LOCK;
    int r = rig_apply(k, true, &why);
    if (r)
        fail(k, "the chain cannot be changed under load: %s", text_string(&why));
    if (!without || rig_transforms(k))
        return;
    text_clear(&why);
    r = rig_apply(k, false, &why);
    if (!granted(k, "change to a chain without it", r, &why))
        return;
    r = rig_apply(k, true, &back);
    if (r)
        fail(k, "it does not attach again under load: %s", text_string(&back));
}

void check_drain(struct kit *k)
{
    const uint64_t began = now_ns();
    struct load load = { 0 };
    struct area area;
    unsigned drains = 0;

    export_drain_ms = 10000 * slowness();
    rig_open(k, true);
    area_create(&area, k, 0, 1 << 20);
    area.count = 60;
    area_work(&area); /* what is there stays there */
    load_start(&load, k, 4 << 20, 8 << 20, 4);
    atomic_store(&k->media->delay, 200000); /* so that there is always something in flight */
    do {
        cleanup_text struct weir_text why = { 0 };
        if (granted(k, "stun", export_stun(k->export, &why), &why))
            export_unstun(k->export);
        another_chain(k, drains % 2);
        usleep(2000); /* some requests between two */
        drains++;
    } while (drains < 10 || time_left(k, began));
    atomic_store(&k->media->delay, 0);
    load_end(&load);
    area_compare(&area);
    area_work(&area);
    area_compare(&area);
    area_finish(&area);
    rig_close(k);
    figure(k, "drains", drains, "");
    figure(k, "requests", (double)atomic_load(&load.answered), "");
}
