/* link-vault.c - how do frames go to a vault?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * As ordinary writes, each at its place in the log: so they may overtake each other on the way. */
#include "link.h"

#include <errno.h>
#include <stdlib.h>

struct sending {
    struct link *link;
    uint64_t ticket;
};

static void sent(void *arg, int error)
{
    struct sending *s = arg;
    struct link_setup setup = s->link->setup;
    uint64_t ticket = s->ticket;

    free(s);
    setup.done(setup.arg, ticket, error);
}

static int start(struct link *l, enum wire_op op, uint64_t ticket, const void *data, size_t length,
                 uint64_t offset, bool fua)
{
    struct sending *s = malloc(sizeof *s);

    if (!s)
        return -ENOMEM;
    *s = (struct sending){ l, ticket };
    int r = wire_start(l->wire, op, (void *)(uintptr_t)data, length, offset, fua, sent, s);
    if (r)
        free(s);
    return r;
}

static int vault_send(struct link *l, uint64_t ticket, const void *frame, size_t length,
                      uint64_t position, bool fua)
{
    return start(l, WIRE_WRITE, ticket, frame, length, LOG_AT + position, fua);
}

static int vault_flush(struct link *l, uint64_t ticket)
{
    return start(l, WIRE_FLUSH, ticket, NULL, 0, 0, false);
}

static void vault_close(struct link *l)
{
    wire_close(l->wire);
    free(l);
}

static int vault_open(const struct link_setup *setup, struct link **ret, char why[WHY])
{
    struct link *l = calloc(1, sizeof *l);

    if (!l)
        return -ENOMEM;
    *l = (struct link){ .type = &link_vault, .setup = *setup };
    int r = wire_open(&l->setup, &l->wire, why);
    if (!r && wire_size(l->wire) != LOG_SIZE) {
        why_print(why,
                  "the export there is no log of a vault: has its name \"log:\" before it, or is "
                  "target_type = \"plain\" meant?");
        wire_close(l->wire);
        r = -EINVAL;
    }
    if (r)
        free(l);
    else
        *ret = l;
    return r;
}

const struct link_type link_vault = {
    .open = vault_open,
    .close = vault_close,
    .send = vault_send,
    .flush = vault_flush,
};
