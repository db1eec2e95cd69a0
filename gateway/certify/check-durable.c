/* check-durable.c - is what was acknowledged as durable there after the worst?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A process with the filter writes and is killed, the medium loses what it had not made
 * durable, and another process looks through the filter at what is left.  The pages that
 * the host has of files (state, pools) are not lost with it. */
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

enum { BLOCKS = 256, BLOCK = MEDIA_BLOCK };

/* What the writer knew, in shared memory: versions of each block. */
struct ledger {
    uint32_t issued[BLOCKS], acked[BLOCKS], durable[BLOCKS];
    uint64_t random;
    unsigned requests; /* 0: until the medium kills it */
    bool use_fua, use_flush;
};

static void stamp(struct kit *k, unsigned block, uint32_t version, uint8_t *data)
{
    uint64_t random = k->seed ^ (uint64_t)block << 40 ^ version,
             head = (uint64_t)block << 32 | version;

    memcpy(data, &head, sizeof(head));
    for (unsigned i = 8; i < BLOCK; i += 8) {
        uint64_t word = next_random(&random);
        memcpy(data + i, &word, 8);
    }
}

static void flush(struct kit *k, struct ledger *l)
{
    uint32_t acked[BLOCKS];

    memcpy(acked, l->acked, sizeof(acked));
    int error = ask(k, WEIR_FLUSH, 0, 0, 0, NULL);
    if (error)
        fail(k, "a flush failed with %s", errno_word(error));
    memcpy(l->durable, acked, sizeof(acked));
}

static void write_some(struct kit *k, struct ledger *l, unsigned first, unsigned count, bool fua)
{
    static uint8_t data[4 * BLOCK]; /* of one writer's process */

    for (unsigned i = 0; i < count; i++)
        stamp(k, first + i, ++l->issued[first + i], data + i * BLOCK);
    int error = ask(k, WEIR_WRITE, (uint64_t)first * BLOCK, (uint64_t)count * BLOCK,
                    fua ? WEIR_FUA : 0, data);
    if (error)
        fail(k, "a write failed with %s", errno_word(error));
    for (unsigned i = first; i < first + count; i++) {
        l->acked[i] = l->issued[i];
        if (fua)
            l->durable[i] = l->issued[i];
    }
}

static _Noreturn void die(struct kit *k)
{
    atomic_store(&k->media->killed, true);
    kill(getpid(), SIGKILL);
    abort();
}

/* All blocks once, durable, at rest: where each story begins. */
static void begin(struct kit *k, void *arg)
{
    struct ledger *l = arg;

    rig_open(k, true);
    for (unsigned i = 0; i < BLOCKS; i += 4)
        write_some(k, l, i, 4, true);
    flush(k, l); /* the one or the other holds what it promises */
    rig_close(k);
}

static void write_until_killed(struct kit *k, void *arg)
{
    struct ledger *l = arg;

    rig_open(k, true);
    for (unsigned n = 0; !l->requests || n < l->requests; n++) {
        if (!l->requests && n > 3000)
            break; /* the filter keeps it all from the medium: killed at rest */
        unsigned first = next_random(&l->random) % (BLOCKS - 3);
        write_some(k, l, first, next_random(&l->random) % 4 + 1,
                   l->use_fua && (l->requests || next_random(&l->random) % 8 == 0));
        if (l->use_flush && !l->requests && next_random(&l->random) % 8 == 0)
            flush(k, l);
    }
    if (l->requests && l->use_flush)
        flush(k, l);
    die(k);
}

/* What was found counts from now on: what was acknowledged and not durable may be gone. */
static void judge_block(struct kit *k, struct ledger *l, unsigned i, const uint8_t *found)
{
    uint8_t expected[BLOCK];
    uint64_t head;

    memcpy(&head, found, sizeof(head));
    uint32_t version = (uint32_t)head;
    stamp(k, i, version, expected);
    if (head >> 32 != i || memcmp(found, expected, BLOCK) || version > l->issued[i])
        fail(k, "block %u holds what nobody wrote there", i);
    if (version < l->durable[i])
        fail(k,
             "block %u is as write %u of it left it, and write %u had been acknowledged as durable",
             i, version, l->durable[i]);
    l->acked[i] = version;
}

static void look(struct kit *k, void *arg)
{
    static uint8_t data[BLOCK]; /* of one process */

    rig_open(k, true);
    for (unsigned i = 0; i < BLOCKS; i++) {
        int error = ask(k, WEIR_READ, (uint64_t)i * BLOCK, BLOCK, 0, data);
        if (error)
            fail(k, "a read after the crash failed with %s", errno_word(error));
        judge_block(k, arg, i, data);
    }
    rig_close(k);
}

static struct ledger *ledger(struct kit *k)
{
    struct ledger *l =
        mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (l == MAP_FAILED)
        fail(k, "no memory");
    return l;
}

static void crash_once(struct kit *k, struct ledger *l)
{
    l->random = next_random(&k->random);
    in_process(k, write_until_killed, l);
    media_power_cut(k->media, &k->random);
    in_process(k, look, l);
}

static void short_story(struct kit *k, bool fua)
{
    const uint64_t began = now_ns();
    struct ledger *l = ledger(k);
    unsigned stories = 0;

    l->use_fua = fua;
    l->use_flush = !fua;
    in_process(k, begin, l);
    do {
        l->requests = 4;
        crash_once(k, l);
        stories++;
    } while (stories < 3 || time_left(k, began));
    figure(k, "kills", stories, "");
}

void check_flush(struct kit *k)
{
    short_story(k, false);
}

void check_fua(struct kit *k)
{
    short_story(k, true);
}

void check_crash(struct kit *k)
{
    const uint64_t began = now_ns();
    struct ledger *l = ledger(k);
    unsigned stories = 0;

    l->use_flush = l->use_fua = true;
    in_process(k, begin, l);
    do {
        uint64_t ahead = next_random(&k->random) % 200 + 30;
        atomic_store(&k->media->kill_at, atomic_load(&k->media->changes) + ahead);
        crash_once(k, l);
        stories++;
    } while (stories < 4 || time_left(k, began));
    figure(k, "kills", stories, "");
}
