/* store-nbd-unflushed.c - what might a crash of the far server take, though answered?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A server that is killed loses what it had answered and not yet flushed whenever that
 * lived in its own memory (qemu-nbd's qcow2 tables) or in its host's.  A flush sent to
 * its successor would succeed all the same, and lie.  So what was answered is kept here
 * until a flush has covered it, and sent again, in order, after a loss - as an NFS
 * client does with unstable writes. */
#include "store-nbd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct unflushed {
    struct unflushed *next;
    uint64_t number;
    enum weir_op op;
    uint32_t flags;
    uint64_t offset, length;
    char data[]; /* of a write */
};

static uint64_t weight(const struct unflushed *u)
{
    return sizeof *u + (u->op == WEIR_WRITE ? u->length : 0);
}

int kept_add(struct nbd_store *s, const struct job *job)
{
    struct kept *k = &s->kept;
    size_t data = job->op == WEIR_WRITE ? job->length : 0;

    if (!(WEIR_CHANGES & WEIR_OP(job->op)) || !s->config->keep_unflushed || !s->traits.flush)
        return 0;
    /* a forced write is there to stay, but must not be overtaken by an older one */
    if ((job->flags & WEIR_FUA) && s->traits.fua && !k->first)
        return 0;
    struct unflushed *u = malloc(sizeof *u + data);
    if (!u)
        return -ENOMEM;
    *u = (struct unflushed){ .number = ++k->newest,
                             .op = job->op,
                             .flags = job->flags,
                             .offset = job->offset,
                             .length = job->length };
    if (data)
        memcpy(u->data, job->data, data);
    if (!k->first)
        k->last = &k->first;
    *k->last = u;
    k->last = &u->next;
    k->bytes += weight(u);
    return 0;
}

void kept_forget(struct nbd_store *s, uint64_t upto)
{
    struct kept *k = &s->kept;

    while (k->first && k->first->number <= upto) {
        struct unflushed *u = k->first;
        k->first = u->next;
        k->bytes -= weight(u);
        free(u);
    }
}

void kept_finish(struct nbd_store *s)
{
    kept_forget(s, UINT64_MAX);
}

static int64_t issue(struct nbd_handle *h, const struct unflushed *u)
{
    uint32_t no_hole = u->flags & WEIR_MAY_TRIM ? 0 : LIBNBD_CMD_FLAG_NO_HOLE;

    switch (u->op) {
    case WEIR_WRITE:
        return nbd_aio_pwrite(h, u->data, u->length, u->offset, NBD_NULL_COMPLETION, 0);
    case WEIR_TRIM:
        return nbd_aio_trim(h, u->length, u->offset, NBD_NULL_COMPLETION, 0);
    default:
        return nbd_aio_zero(h, u->length, u->offset, NBD_NULL_COMPLETION, no_hole);
    }
}

/* No request runs meanwhile, so the list stands still without the lock. */
int kept_replay(struct nbd_store *s, struct connection *connection)
{
    int r = 0;

    for (const struct unflushed *u = s->kept.first; u && r == 0; u = u->next)
        r = connection_finish(connection, issue(connection->handle, u));
    return r;
}
