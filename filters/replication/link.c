/* link.c - which kind of target is it, and what does it say of itself?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int link_open(const struct link_setup *setup, struct link **ret, char why[WHY])
{
    const struct link_type *type =
        setup->config->target_type == TARGET_PLAIN ? &link_plain : &link_vault;

    return type->open(setup, ret, why);
}

void link_close(struct link *l)
{
    if (l)
        l->type->close(l);
}

int link_send(struct link *l, uint64_t ticket, const void *frame, size_t length, uint64_t position,
              bool fua)
{
    return l->type->send(l, ticket, frame, length, position, fua);
}

int link_flush(struct link *l, uint64_t ticket)
{
    return l->type->flush(l, ticket);
}

int link_status(struct link *l, struct status *ret, char why[WHY])
{
    uint8_t page[PAGE_BYTES];

    if (l->type != &link_vault)
        return -ENOTSUP;
    int r = wire_run(l->wire, WIRE_READ, page, sizeof page, STATUS_AT, false);
    if (r) {
        why_print(why, "the target does not answer: %s", strerror(-r));
        return r;
    }
    r = status_read(page, ret, NULL);
    if (r)
        why_print(why, "what the target says of itself is damaged, or it is no vault");
    return r;
}

int link_command(struct link *l, const struct command *c, const struct frame_key *key)
{
    uint8_t page[PAGE_BYTES];

    if (l->type != &link_vault)
        return -ENOTSUP;
    command_write(c, key, page);
    return wire_run(l->wire, WIRE_WRITE, page, sizeof page, COMMAND_AT, true);
}

int link_needs(struct link *l, unsigned disk, void *bitmap, size_t length, uint64_t from)
{
    return wire_run(l->wire, WIRE_READ, bitmap, length, NEEDS_AT + disk * NEEDS_ROOM + from, false);
}

int link_read_head(struct link *l, unsigned disk, void *data, size_t length, uint64_t offset,
                   void (*done)(void *arg, int error), void *arg)
{
    return wire_start(l->wire, WIRE_READ, data, length, HEADS_AT + disk * HEADS_ROOM + offset,
                      false, done, arg);
}
