/* link.c - which kind of target is it, and what does it say of itself?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NEEDS_CHUNK = 1 << 16 }; /* bytes of a bitmap at a time: 32 GiB of disk */

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
    int r = command_write(c, key, page);
    if (r)
        return r;
    return wire_run(l->wire, WIRE_WRITE, page, sizeof page, COMMAND_AT, true);
}

int link_needs(struct link *l, unsigned disk, uint64_t size, uint8_t **bits, size_t *bytes)
{
    const size_t all = bitmap_bytes(bitmap_granules(size));
    uint8_t *found = malloc(all);
    int r = found ? 0 : -ENOMEM;

    for (size_t at = 0; at < all && !r; at += NEEDS_CHUNK)
        r = wire_run(l->wire, WIRE_READ, found + at,
                     all - at < NEEDS_CHUNK ? all - at : NEEDS_CHUNK,
                     NEEDS_AT + disk * NEEDS_ROOM + at, false);
    if (r) {
        free(found);
        return r;
    }
    *bits = found;
    *bytes = all;
    return 0;
}

int link_read_head(struct link *l, unsigned disk, void *data, size_t length, uint64_t offset,
                   void (*done)(void *arg, int error), void *arg)
{
    return wire_start(l->wire, WIRE_READ, data, length, HEADS_AT + disk * HEADS_ROOM + offset,
                      false, done, arg);
}
