/* partial.c - what becomes of a request that begins or ends inside a sector?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A sector has one tweak and is encrypted whole.  A read reads the sectors around it; a
 * write reads those at its two ends, puts its bytes among theirs and writes all of them.  The
 * write order holds the sectors meanwhile (WEIR_NEEDS_ORDER, order_align), so that two writes into
 * one sector do not undo each other.  A read waits for nobody: the same plain text in the
 * same sector is the same cipher text, 16 bytes for 16 bytes, so a write beside what is read
 * does not change how that is stored, unless both share such a unit of 16 bytes. */
#include "encryption.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The sectors that a request touches. */
struct span {
    uint64_t from, length;
    uint8_t *data;
};

static int span_init(const struct encryption *e, const struct weir_request *req, struct span *s)
{
    const uint64_t most = e->sector - 1;
    void *data;

    s->from = req->offset & ~most;
    s->length = ((req->offset + req->length + most) & ~most) - s->from;
    /* on pages: a store with O_DIRECT need not copy */
    if (posix_memalign(&data, 4096, s->length ? s->length : 1))
        return -ENOMEM;
    s->data = data;
    return 0;
}

static int read_plain(struct encryption *e, const struct encryption_use *use,
                      const struct weir_request *req, uint8_t *to, uint64_t length, uint64_t offset)
{
    struct encryption_stats *counts = weir_stats(req);
    int r = weir_read(e->below, to, length, e->payload + offset, req->flags & WEIR_BACKGROUND);

    if (r)
        return r;
    uint64_t began = weir_now(NULL);
    r = use_decrypt(use, to, to, length, offset);
    if (r)
        return r;
    weir_add(&counts->bytes_decrypted, length);
    weir_record(&counts->decrypt_time, weir_now(NULL) - began);
    return 0;
}

enum weir_verdict partial_read(struct encryption *e, const struct encryption_use *use,
                               struct weir_request *req)
{
    struct span s;
    int r = span_init(e, req, &s);

    if (r)
        return weir_fail(req, -r);
    r = read_plain(e, use, req, s.data, s.length, s.from);
    if (!r)
        memcpy(req->data, s.data + (req->offset - s.from), req->length);
    else
        memset(req->data, 0, req->length);
    free(s.data);
    return r ? weir_fail(req, -r) : WEIR_COMPLETE;
}

/* Reads the sectors at both ends, as far as the request leaves some of them as it is. */
static int read_ends(struct encryption *e, const struct encryption_use *use,
                     const struct weir_request *req, const struct span *s)
{
    const uint64_t end = req->offset + req->length, last = s->from + s->length - e->sector;
    int r = 0;

    if (req->offset > s->from)
        r = read_plain(e, use, req, s->data, e->sector, s->from);
    /* one sector that has both ends is read once */
    if (!r && end & (e->sector - 1) && (last > s->from || req->offset == s->from))
        r = read_plain(e, use, req, s->data + (last - s->from), e->sector, last);
    return r;
}

static int write_span(struct encryption *e, const struct encryption_use *use,
                      const struct weir_request *req, const struct span *s)
{
    struct encryption_stats *counts = weir_stats(req);
    uint64_t began = weir_now(NULL);
    int r = use_encrypt(use, s->data, s->data, s->length, s->from);

    if (r)
        return r;
    weir_record(&counts->encrypt_time, weir_now(NULL) - began);
    weir_add(&counts->bytes_encrypted, s->length);
    weir_add(&counts->partial_sector_writes, 1);
    return weir_write(e->below, s->data, s->length, e->payload + s->from,
                      req->flags & (WEIR_FUA | WEIR_BACKGROUND));
}

enum weir_verdict partial_write(struct encryption *e, const struct encryption_use *use,
                                struct weir_request *req)
{
    struct span s;
    int r = span_init(e, req, &s);

    if (r)
        return weir_fail(req, -r);
    r = read_ends(e, use, req, &s);
    if (!r) {
        memcpy(s.data + (req->offset - s.from), req->data, req->length);
        r = write_span(e, use, req, &s);
    }
    free(s.data);
    return r ? weir_fail(req, -r) : WEIR_COMPLETE;
}
