/* exchange.c - how does a gateway come by a block of its own, and keep it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Two must never write one block for long.  Where the file system has locks, a block is
 * locked for as long as it is used.  Locks may be missing, or reach only this host, and
 * say so or not: so each round looks at the block before it writes, and who finds another's
 * id there gives up and takes another one.  Of two that wrote, the later finds its own id
 * and the earlier does not, so exactly one gives up. */
#include "exchange.h"
#include "exchange-file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { FILE_ROOM = (BLOCK_SLOTS + 1) * BLOCK_SIZE };

struct exchange {
    char *path;
    struct exchange_file file;
    bool no_locks;    /* the file system said so */
    uint8_t *all;     /* FILE_ROOM bytes as last read; pages that are not used cost nothing */
    uint8_t *one;     /* a block to work in */
    size_t size;      /* bytes in `all` */
    unsigned slot;    /* 0: none */
    uint64_t written; /* rounds that ended well on this file */
    struct gateway_block own;
    struct judge judge;
};

static bool is_mine(const struct exchange *x, const struct gateway_block *b)
{
    return !memcmp(b->id, x->own.id, BLOCK_ID);
}

static void forget_file(struct exchange *x)
{
    exchange_file_close(&x->file);
    x->slot = 0;
    x->written = 0;
    memset(&x->judge, 0, sizeof x->judge);
}

/* ---- a block of one's own ---------------------------------------------------- */

/* What stands at `slot` is nobody's.  Garbage may be a block that is being written. */
static bool is_free(struct exchange *x, unsigned slot, const void *raw)
{
    struct gateway_block b;

    if (block_get(raw, slot, &b) == -ENOENT)
        return true;
    return judge_abandoned(&x->judge, slot);
}

static bool was_free(struct exchange *x, unsigned slot)
{
    if (x->size < (slot + 1) * (size_t)BLOCK_SIZE)
        return true;
    return is_free(x, slot, x->all + slot * (size_t)BLOCK_SIZE);
}

/* Has it, as far as locks can tell, and it is still free: then it is in x->one. */
static int try_slot(struct exchange *x, unsigned slot)
{
    int r = x->no_locks ? 0 : exchange_file_lock(&x->file, slot);

    if (r)
        return r;
    r = exchange_file_read(&x->file, slot, x->one);
    if (!r && is_free(x, slot, x->one) &&
        (!judge_abandoned(&x->judge, slot) ||
         !memcmp(x->one, x->all + slot * (size_t)BLOCK_SIZE, BLOCK_SIZE)))
        return 0;
    if (!x->no_locks)
        exchange_file_unlock(&x->file, slot);
    return r ? r : -EAGAIN;
}

/* With locks the first free one, which keeps the file small.  Without, any of about twice
 * as many as there are: those that come together should not all try the same. */
static int claim_slot(struct exchange *x)
{
    unsigned range = BLOCK_SLOTS, first = 0;

    if (x->no_locks) {
        unsigned there = (unsigned)(x->size / BLOCK_SIZE), luck;
        range = 2 * there + 16 < BLOCK_SLOTS ? 2 * there + 16 : BLOCK_SLOTS;
        if (getrandom(&luck, sizeof luck, 0) == sizeof luck)
            first = luck % range;
    }
    int r = -EUSERS;
    for (unsigned i = 0; i < range; i++) {
        unsigned slot = 1 + (first + i) % range;
        if (!was_free(x, slot))
            continue;
        r = try_slot(x, slot);
        if (r == -ENOLCK) {
            x->no_locks = true;
            return claim_slot(x);
        }
        if (!r)
            x->slot = slot;
        if (r != -EAGAIN)
            break;
    }
    return r;
}

static void give_up_slot(struct exchange *x)
{
    if (!x->no_locks)
        exchange_file_unlock(&x->file, x->slot);
    x->slot = 0;
}

/* Another's block stands in our place: locks did not reach its gateway. */
static bool was_taken(struct exchange *x, const void *raw)
{
    struct gateway_block b;

    return !block_get(raw, x->slot, &b) && !is_mine(x, &b);
}

static int write_own(struct exchange *x, bool new)
{
    x->own.slot = x->slot;
    x->own.seq++;
    block_put(x->one, &x->own);
    int r = exchange_file_write(&x->file, x->slot, x->one);
    if (!r && new) { /* did another think the same? */
        r = exchange_file_read(&x->file, x->slot, x->one);
        if (!r && was_taken(x, x->one))
            r = -EAGAIN;
    }
    if (r && new)
        give_up_slot(x);
    return r;
}

/* The block of a gateway that was killed long ago: free it, at most one per round.  Only
 * with locks; and should it live after all, it finds the block free and writes it again. */
static void sweep(struct exchange *x)
{
    for (unsigned i = 1; !x->no_locks && i < x->size / BLOCK_SIZE; i++) {
        if (i == x->slot || !judge_abandoned(&x->judge, i) || try_slot(x, i))
            continue;
        memset(x->one, 0, BLOCK_SIZE);
        exchange_file_write(&x->file, i, x->one);
        exchange_file_unlock(&x->file, i);
        return;
    }
}

/* ---- rounds ------------------------------------------------------------------ */

static bool own_block_stands(struct exchange *x)
{
    struct gateway_block b;
    size_t at = x->slot * (size_t)BLOCK_SIZE;

    return x->slot && x->size >= at + BLOCK_SIZE && !block_get(x->all + at, x->slot, &b) &&
           is_mine(x, &b);
}

static void say_unwritten(const struct exchange *x, int error, struct exchange_why why)
{
    exchange_say(why, "\"%s\" cannot be written to: %s.", x->path, strerror(-error));
}

/* Somebody may have emptied the file, or damaged its first block.  That it is ours we know
 * when it is empty, or when our own block is in it; else it is left alone. */
static int keep_header(struct exchange *x, struct exchange_why why)
{
    uint32_t version;
    int r = block_get_header(x->all, &version);

    block_put_header(x->one);
    if (x->size < BLOCK_SIZE && !memcmp(x->all, x->one, x->size))
        r = -ENOENT; /* cut off */
    if (r && x->written && (r == -ENOENT || (r == -EMEDIUMTYPE && own_block_stands(x)))) {
        r = exchange_file_write(&x->file, 0, x->one);
        if (r)
            say_unwritten(x, r, why);
        return r;
    }
    r = r ? exchange_file_header(x->path, x->all, why) : 0;
    if (r)
        forget_file(x); /* the next round opens what is there then */
    return r;
}

static int look_around(struct exchange *x, struct peer_list *ret, struct exchange_why why)
{
    int r = 0;

    if (x->file.fd >= 0 && !exchange_file_there(&x->file, x->path))
        forget_file(x);
    if (x->file.fd < 0)
        r = exchange_file_open(x->path, x->one, &x->file, why);
    if (r)
        return r;
    memset(x->all, 0, BLOCK_SIZE); /* an empty file reads as nothing */
    r = exchange_file_read_all(&x->file, x->all, FILE_ROOM, &x->size);
    if (r) {
        exchange_say(why, "\"%s\" cannot be read: %s.", x->path, strerror(-r));
        if (r == -ESTALE) /* the server has another file there now */
            forget_file(x);
        return r;
    }
    r = keep_header(x, why);
    if (!r)
        judge_round(&x->judge, x->all, x->size, x->own.id, x->own.report.period, ret);
    return r;
}

static int speak(struct exchange *x, struct exchange_why why)
{
    size_t at = x->slot * (size_t)BLOCK_SIZE;
    int r;

    if (x->slot && x->size >= at + BLOCK_SIZE && was_taken(x, x->all + at))
        give_up_slot(x);
    bool new = !x->slot;
    r = new ? claim_slot(x) : 0;
    if (!r)
        r = write_own(x, new);
    if (r == -EUSERS)
        exchange_say(why, "\"%s\" has %d gateways already, which is all that it can hold.", x->path,
                     BLOCK_SLOTS);
    else if (r == -EAGAIN)
        exchange_say(why, "Another gateway took the same block of \"%s\"; trying again.", x->path);
    else if (r)
        say_unwritten(x, r, why);
    return r;
}

int exchange_round(struct exchange *x, const struct gateway_report *mine, struct peer_list *ret,
                   char *text, size_t size)
{
    struct exchange_why why = { text, size };

    ret->count = ret->stale = ret->garbage = 0;
    x->own.report = *mine;
    /* Reading comes first, and so shows what stands in the own block before it is written. */
    int r = look_around(x, ret, why);
    if (!r)
        r = speak(x, why);
    if (r)
        return r;
    x->written++;
    sweep(x);
    return 0;
}

unsigned exchange_slot(const struct exchange *x)
{
    return x->slot;
}

/* ---- life -------------------------------------------------------------------- */

static void destroy(struct exchange *x)
{
    exchange_file_close(&x->file);
    free(x->path);
    free(x->all);
    free(x);
}

int exchange_open(const char *path, const char *gateway, struct exchange **ret, char *text,
                  size_t size)
{
    struct exchange *x = calloc(1, sizeof *x);
    struct exchange_why why = { text, size };
    int r;

    if (!x)
        return -ENOMEM;
    x->file.fd = -1;
    x->path = strdup(path);
    x->all = aligned_alloc(BLOCK_SIZE, FILE_ROOM + BLOCK_SIZE);
    if (!x->path || !x->all) {
        exchange_say(why, "No memory for what the gateways of \"%s\" say.", path);
        r = -ENOMEM;
        goto failed;
    }
    x->one = x->all + FILE_ROOM;
    memcpy(x->own.name, gateway, strnlen(gateway, BLOCK_NAME - 1));
    if (getrandom(x->own.id, BLOCK_ID, 0) != BLOCK_ID) {
        exchange_say(why, "The kernel gives no random numbers: %s.", strerror(errno));
        r = -EIO;
        goto failed;
    }
    r = exchange_file_open(path, x->one, &x->file, why);
    if (r)
        goto failed;
    *ret = x;
    return 0;
failed:
    destroy(x);
    return r;
}

void exchange_close(struct exchange *x)
{
    struct gateway_block b;

    if (!x)
        return;
    if (x->slot && exchange_file_there(&x->file, x->path) &&
        !exchange_file_read(&x->file, x->slot, x->one) && !block_get(x->one, x->slot, &b) &&
        is_mine(x, &b)) {
        memset(x->one, 0, BLOCK_SIZE);
        exchange_file_write(&x->file, x->slot, x->one);
    }
    destroy(x);
}
