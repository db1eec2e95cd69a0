/* request.c - what becomes of a request to an encrypted disk?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Offsets move by the payload, which begins behind the header.  A write is encrypted into a
 * buffer of its own and passed on; a read is passed on and decrypted where it lies.  Holes are
 * holes below, but what they read as is noise above: nothing may be told to read as zeroes.
 * ZERO never gets here: zeroes are encrypted like anything else, and the core writes them. */
#include "encryption.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TIMED = 4096 }; /* bytes: less is not worth reading a clock for */

/* ---- the cipher ---------------------------------------------------------------- */

/* While a deep rekey runs: both ciphers, and where one ends and the other begins. */
static int take_both(struct encryption *e, struct encryption_use *use,
                     const struct weir_request *req)
{
    struct rekey_gate *gate = &e->rekey.gate;
    const uint64_t most = e->sector - 1;
    const uint64_t from = req->offset & ~most, to = (req->offset + req->length + most) & ~most;

    use->next = lease_next(&e->lease);
    if (!use->next) /* it is being locked */
        return -EIO;
    return req->op == WEIR_READ ? gate_read_begins(gate, &use->read, from, to, &use->split)
                                : gate_write(gate, from, to, &use->split);
}

/* 0; -EIO: the disk was locked after the request had come in, or this part of it is barred. */
static int take(struct encryption *e, struct encryption_use *use, const struct weir_request *req)
{
    use->cipher = lease_take(&e->lease, &use->user);
    if (!use->cipher)
        return -EIO;
    int r = gate_on(&e->rekey.gate) ? take_both(e, use, req) : 0;
    if (r)
        lease_give(&e->lease, use->user);
    return r;
}

static void give(struct encryption *e, struct encryption_use *use)
{
    gate_read_ends(&e->rekey.gate, &use->read);
    use->cipher = NULL;
    lease_give(&e->lease, use->user);
}

/* How much of it is of the new key. */
static uint64_t before_split(const struct encryption_use *use, uint64_t length, uint64_t offset)
{
    if (offset >= use->split)
        return 0;
    return length < use->split - offset ? length : use->split - offset;
}

int use_encrypt(const struct encryption_use *use, void *to, const void *from, uint64_t length,
                uint64_t offset)
{
    const uint64_t first = before_split(use, length, offset);
    int r = 0;

    if (first)
        r = sector_encrypt(use->next, to, from, first, offset);
    if (!r && first < length)
        r = sector_encrypt(use->cipher, (uint8_t *)to + first, (const uint8_t *)from + first,
                           length - first, offset + first);
    return r;
}

int use_decrypt(const struct encryption_use *use, void *to, const void *from, uint64_t length,
                uint64_t offset)
{
    const uint64_t first = before_split(use, length, offset);
    int r = 0;

    if (first)
        r = sector_decrypt(use->next, to, from, first, offset);
    if (!r && first < length)
        r = sector_decrypt(use->cipher, (uint8_t *)to + first, (const uint8_t *)from + first,
                           length - first, offset + first);
    return r;
}

/* The time since `began` was in hand, if the request is worth it. */
static void time_it(struct weir_histogram *h, const struct weir_request *req, uint64_t began)
{
    if (req->length >= TIMED)
        weir_record(h, weir_now(NULL) - began);
}

/* ---- reads and writes ---------------------------------------------------------- */

/* Not weir_bounce(), which would copy what is read once more to be encrypted. */
static enum weir_verdict write_sectors(struct encryption *e, struct encryption_use *use,
                                       struct weir_request *req)
{
    struct encryption_stats *counts = weir_stats(req);
    void *hidden;

    /* on pages: a store with O_DIRECT need not copy */
    if (posix_memalign(&hidden, 4096, req->length ? req->length : 1))
        return weir_fail(req, ENOMEM);
    int r = use_encrypt(use, hidden, req->data, req->length, req->offset);
    if (r) {
        free(hidden);
        return weir_fail(req, -r);
    }
    weir_add(&counts->bytes_encrypted, req->length);
    time_it(&counts->encrypt_time, req, weir_now(req));
    req->data = use->hidden = hidden;
    req->offset += e->payload;
    return WEIR_PASS;
}

static enum weir_verdict transfer(struct encryption *e, struct weir_request *req)
{
    const bool whole = !((req->offset | req->length) & (e->sector - 1));
    struct encryption_use *use = weir_scratch(req);
    enum weir_verdict v;

    int r = take(e, use, req);
    if (r)
        return weir_fail(req, -r);
    if (whole && req->op == WEIR_READ) { /* it has the cipher until it is back */
        req->offset += e->payload;
        return WEIR_PASS;
    }
    if (whole)
        v = write_sectors(e, use, req);
    else
        v = req->op == WEIR_READ ? partial_read(e, use, req) : partial_write(e, use, req);
    give(e, use);
    return v;
}

static enum weir_verdict finish_read(struct encryption *e, struct weir_request *req)
{
    struct encryption_use *use = weir_scratch(req);
    struct encryption_stats *counts = weir_stats(req);
    enum weir_verdict v = WEIR_PASS;

    if (!req->error) {
        int r = use_decrypt(use, req->data, req->data, req->length, req->offset);
        if (r) {
            memset(req->data, 0, req->length);
            v = weir_fail(req, -r);
        } else {
            weir_add(&counts->bytes_decrypted, req->length);
            time_it(&counts->decrypt_time, req, weir_now(req));
        }
    }
    give(e, use);
    return v;
}

/* ---- trim ---------------------------------------------------------------------- */

/* Whole sectors only: what is left of one that lost a part is noise. */
static enum weir_verdict trim(struct encryption *e, struct weir_request *req)
{
    const struct encryption_config *config = weir_config(req);
    const uint64_t most = e->sector - 1;
    uint64_t from = (req->offset + most) & ~most, to = (req->offset + req->length) & ~most;

    if (config->discard == DISCARD_PASS && from < to) {
        req->offset = e->payload + from;
        req->length = to - from;
        return WEIR_PASS;
    }
    /* not to follow advice is right; what FUA promises about writes before it is not advice */
    int r = req->flags & WEIR_FUA ? weir_flush(e->below, req->flags & WEIR_BACKGROUND) : 0;
    return r ? weir_fail(req, -r) : WEIR_COMPLETE;
}

/* ---- extents ------------------------------------------------------------------- */

/* Appends the part of an extent of the medium that lies in the payload. */
static int add_moved(const struct encryption *e, struct weir_extents *to, uint64_t offset,
                     uint64_t length, uint32_t type)
{
    uint64_t from = offset > e->payload ? offset - e->payload : 0;
    uint64_t end = offset + length > e->payload ? offset + length - e->payload : 0;

    if (end > e->size)
        end = e->size;
    return from < end ? weir_add_extent(to, from, end - from, type & ~WEIR_READS_ZERO) : 0;
}

static int move_extents(const struct encryption *e, struct weir_extents *extents)
{
    struct weir_extents *moved = weir_extents_create();
    uint64_t offset, length;
    uint32_t type;
    int r = moved ? 0 : -ENOMEM;

    for (size_t i = 0; !r && !weir_get_extent(extents, i, &offset, &length, &type); i++)
        r = add_moved(e, moved, offset, length, type);
    weir_clear_extents(extents);
    for (size_t i = 0; !r && !weir_get_extent(moved, i, &offset, &length, &type); i++)
        r = weir_add_extent(extents, offset, length, type);
    weir_extents_destroy(moved);
    return r;
}

/* ---- verdicts ------------------------------------------------------------------ */

enum weir_verdict encryption_down(void *self, struct weir_request *req)
{
    struct encryption *e = self;

    if (req->op == WEIR_FLUSH)
        return WEIR_PASS;
    /* the core keeps clients out while the disk is locked, but not the filters above */
    if (!lease_lends(&e->lease))
        return weir_fail(req, EIO);
    switch (req->op) {
    case WEIR_READ:
    case WEIR_WRITE:
        return transfer(e, req);
    case WEIR_TRIM:
        return trim(e, req);
    case WEIR_PREFETCH:
    case WEIR_EXTENTS:
        req->offset += e->payload;
        break;
    case WEIR_FLUSH:
    case WEIR_ZERO:
    case WEIR_OP_COUNT:
        break;
    }
    return WEIR_PASS;
}

enum weir_verdict encryption_up(void *self, struct weir_request *req)
{
    struct encryption *e = self;

    if (req->op == WEIR_READ)
        return finish_read(e, req);
    if (req->op == WEIR_WRITE)
        free(((struct encryption_use *)weir_scratch(req))->hidden);
    if (req->op == WEIR_EXTENTS && !req->error) {
        int r = move_extents(e, req->data);
        if (r)
            return weir_fail(req, -r);
    }
    return WEIR_PASS;
}
