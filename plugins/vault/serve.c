/* serve.c - how does a group's log look to an NBD client?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "serve.h"

#include <errno.h>
#include <string.h>

#include "scope.h"
#include "text.h"

enum { BLOCK_MAX = 32 << 20 };

void serve_log_geometry(struct weir_geometry *g)
{
    *g = (struct weir_geometry){
        .size = LOG_SIZE,
        .block_min = 1,
        .block_preferred = FRAME_ALIGN,
        .block_max = BLOCK_MAX,
        .ops = WEIR_OP(WEIR_READ) | WEIR_OP(WEIR_WRITE) | WEIR_OP(WEIR_FLUSH),
    };
}

/* ---- reading ----------------------------------------------------------------------- */

/* The part of a request that lies in [start, start + room); false: there is none. */
struct window {
    uint8_t *data;
    size_t length;
    uint64_t from; /* of its first byte, from `start` */
};

static bool window(const struct weir_request *req, uint64_t start, uint64_t room,
                   struct window *ret)
{
    const uint64_t end = req->offset + req->length;
    const uint64_t from = req->offset > start ? req->offset : start;
    const uint64_t to = end < start + room ? end : start + room;

    if (from >= to)
        return false;
    *ret = (struct window){ .data = (uint8_t *)req->data + (from - req->offset),
                            .length = (size_t)(to - from),
                            .from = from - start };
    return true;
}

static int read_status(struct group *g, const struct window *w)
{
    uint8_t page[PAGE_BYTES];
    struct status status;
    int r = group_status(g, &status);

    if (r)
        return r;
    if (group_accepts(g)) /* what is here counts for nothing: who reads it sends everything */
        status = (struct status){
            .token = status.token, .free = status.free, .limit = status.limit, .time = status.time
        };
    status_write(&status, page);
    memcpy(w->data, page + w->from, w->length);
    return 0;
}

/* What is neither status nor needs reads as zeroes, for clients that look at a disk's start; the
 * log itself is not read this way. */
static int read_pages(struct group *g, const struct weir_request *req)
{
    struct window w;
    int r = 0;

    if (req->offset >= HEADS_AT)
        return group_read_head(g, (unsigned)((req->offset - HEADS_AT) / HEADS_ROOM), req->data,
                               req->length, (req->offset - HEADS_AT) % HEADS_ROOM);
    if (req->offset + req->length > LOG_AT)
        return -EINVAL;
    memset(req->data, 0, req->length);
    if (window(req, STATUS_AT, PAGE_BYTES, &w))
        r = read_status(g, &w);
    for (unsigned disk = 0; !r && disk < DISKS; disk++)
        if (window(req, NEEDS_AT + disk * NEEDS_ROOM, NEEDS_ROOM, &w))
            r = group_needs(g, disk, w.data, w.length, w.from);
    return r;
}

/* ---- writing ----------------------------------------------------------------------- */

/* Errors that NBD carries, as page.h promises them.  What is wrong with a command that can be read
 * is in the status, for who sent it. */
static int obey(struct group *g, const void *page)
{
    cleanup_text struct weir_text why = { 0 };
    struct command command;
    int r = command_read(page, g->key, &command, &why);

    if (!r || r == -EKEYREJECTED)
        group_note_stranger(g, r, text_string(&why));
    if (r == -EKEYREJECTED)
        return -EPERM;
    if (r == -EBADMSG)
        return -EINVAL;
    if (!r)
        r = group_command(g, &command, &why);
    return r == -EBUSY ? -EIO : r;
}

static int write_pages(struct group *g, const struct weir_request *req)
{
    if (req->offset >= LOG_AT)
        return group_receive(g, req->offset - LOG_AT, req->data, req->length,
                             req->flags & WEIR_FUA);
    if (req->offset == COMMAND_AT && req->length == PAGE_BYTES)
        return obey(g, req->data);
    return -EINVAL;
}

int serve_log(struct group *g, struct weir_request *req)
{
    switch (req->op) {
    case WEIR_READ:
        return read_pages(g, req);
    case WEIR_WRITE:
        return write_pages(g, req);
    case WEIR_FLUSH:
        return group_flush(g);
    default:
        return -EINVAL;
    }
}
