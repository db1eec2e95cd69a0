/* align.c - what becomes of a request that is not on the disk's blocks, or too long?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * NBD's block sizes are hints, and the kernel's client ignores them.  So the core
 * reads, modifies and writes whole blocks, holding the blocks against every other
 * write meanwhile; nothing below ever sees a request off its blocks.  Costs nothing
 * where the block is a byte.  Nor does anything below see one that is longer than the
 * longest: it comes in pieces, one after the other. */
#include "clock.h"
#include "export-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct span {
    uint64_t from, to; /* bytes, on blocks */
};

static struct span widen(const struct weir_request *io, uint64_t block)
{
    return (struct span){ io->offset / block * block,
                          (io->offset + io->length + block - 1) / block * block };
}

static struct span narrow(const struct weir_request *io, uint64_t block)
{
    struct span s = { (io->offset + block - 1) / block * block,
                      (io->offset + io->length) / block * block };

    return s.to > s.from ? s : (struct span){ s.from, s.from };
}

static int pass(struct export *e, const struct weir_request *io, struct span s, void *data)
{
    struct weir_request whole = *io;

    whole.offset = s.from;
    whole.length = s.to - s.from;
    whole.data = data;
    return serve_blocks(e, &whole, clock_ticks());
}

static int read_block(struct export *e, uint64_t offset, uint64_t block, void *data)
{
    const struct weir_request io = {
        .op = WEIR_READ,
        .offset = offset,
        .length = block,
        .data = data,
    };

    return serve_blocks(e, &io, clock_ticks());
}

static int read_wide(struct export *e, const struct weir_request *io, struct span s, char *buffer)
{
    int error = pass(e, io, s, buffer);

    if (!error)
        memcpy(io->data, buffer + (io->offset - s.from), io->length);
    return error;
}

/* Writes io's bytes, or zeroes where it has none, amid what the blocks hold. */
static int modify(struct export *e, const struct weir_request *io, struct span s, uint64_t block,
                  char *buffer)
{
    uint64_t end = io->offset + io->length;
    int error = 0;

    if (io->offset > s.from)
        error = read_block(e, s.from, block, buffer);
    /* one block that has both edges is read once */
    if (!error && end < s.to && (io->offset == s.from || s.to - s.from > block))
        error = read_block(e, s.to - block, block, buffer + (s.to - block - s.from));
    if (error)
        return error;
    if (io->op == WEIR_WRITE)
        memcpy(buffer + (io->offset - s.from), io->data, io->length);
    else
        memset(buffer + (io->offset - s.from), 0, io->length);
    struct weir_request write = { .op = WEIR_WRITE, .flags = io->flags & WEIR_FUA };
    return pass(e, &write, s, buffer);
}

static int modify_span(struct export *e, const struct weir_request *io, uint64_t block)
{
    struct span s = widen(io, block);
    void *buffer;

    if (s.to == s.from)
        return 0;
    if (posix_memalign(&buffer, 4096, s.to - s.from))
        return ENOMEM;
    int error = io->op == WEIR_READ ? read_wide(e, io, s, buffer) : modify(e, io, s, block, buffer);
    free(buffer);
    return error;
}

/* The whole blocks as zero, which may be a hole; the edges by writing. */
static int zero(struct export *e, const struct weir_request *io, uint64_t block)
{
    struct span inner = narrow(io, block);
    uint64_t end = io->offset + io->length;
    struct weir_request edge = *io;

    if (io->flags & WEIR_FAST_ZERO)
        return EOPNOTSUPP;
    if (inner.to == inner.from)
        return modify_span(e, io, block);
    int error = pass(e, io, inner, NULL);
    edge.length = inner.from - io->offset;
    if (!error)
        error = modify_span(e, &edge, block);
    edge.offset = inner.to;
    edge.length = end - inner.to;
    return error ? error : modify_span(e, &edge, block);
}

static int serve_off_blocks(struct export *e, const struct weir_request *io, uint64_t block)
{
    struct span inner = narrow(io, block);

    switch (io->op) {
    case WEIR_READ:
    case WEIR_WRITE:
        return modify_span(e, io, block);
    case WEIR_ZERO:
        return zero(e, io, block);
    case WEIR_TRIM: /* advice: what is not a whole block stays */
        return inner.to > inner.from ? pass(e, io, inner, NULL) : 0;
    case WEIR_PREFETCH:
    case WEIR_EXTENTS: /* what lies outside the range is the asker's to leave out */
        return pass(e, io, widen(io, block), io->data);
    case WEIR_FLUSH:
    case WEIR_OP_COUNT:
        break;
    }
    return serve_blocks(e, io, clock_ticks());
}

static int serve_on_blocks(struct export *e, const struct weir_request *io, uint64_t now)
{
    const uint64_t block = e->geometry.block_min;
    const bool aligned = !((io->offset | io->length) & (block - 1));
    const bool changes = WEIR_OP(io->op) & WEIR_CHANGES;
    struct order_range range;

    if (changes)
        order_enter(&e->blocks, &range, io->offset, io->length, worker_self());
    int error = aligned ? serve_blocks(e, io, now) : serve_off_blocks(e, io, block);
    if (changes)
        order_leave(&e->blocks, &range);
    return error;
}

static int serve_piece(struct export *e, const struct weir_request *io, uint64_t now)
{
    return e->geometry.block_min <= 1 ? serve_blocks(e, io, now) : serve_on_blocks(e, io, now);
}

int serve_in_pieces(struct export *e, const struct weir_request *io, uint64_t now)
{
    const struct weir_geometry *g = &e->geometry;
    const uint64_t block = g->block_min ? g->block_min : 1;
    /* pieces end on blocks, so that one which is widened is none too long either */
    const uint64_t most = g->block_max < block ? block : g->block_max & ~(block - 1);
    const uint64_t end = io->offset + io->length;
    uint64_t next = (io->offset & ~(block - 1)) + most;

    if (!g->block_max || end <= next)
        return serve_piece(e, io, now);
    struct weir_request piece = *io;
    for (;; next += most) {
        piece.length = (next < end ? next : end) - piece.offset;
        int error = serve_piece(e, &piece, now);
        /* an answer about the first extents is one: who wants more asks from there */
        if (error || next >= end || io->op == WEIR_EXTENTS)
            return error;
        piece.offset = next;
        if (piece.data)
            piece.data = (char *)piece.data + piece.length;
        now = clock_ticks();
    }
}
