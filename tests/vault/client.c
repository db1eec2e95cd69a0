/* client.c - how does a test speak to a vault's exports, as its source and its readers do?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void client_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, nbd_get_error() ? nbd_get_error() : "");
    exit(1);
}

struct nbd_handle *client_open(const char *socket, const char *export)
{
    struct nbd_handle *nbd = nbd_create();

    if (!nbd || nbd_set_export_name(nbd, export) || nbd_connect_unix(nbd, socket))
        client_die(export);
    return nbd;
}

void client_close(struct nbd_handle *nbd)
{
    nbd_shutdown(nbd, 0);
    nbd_close(nbd);
}

static struct status status_of(struct nbd_handle *nbd)
{
    uint8_t page[PAGE_BYTES];
    struct status s;

    if (nbd_pread(nbd, page, sizeof page, STATUS_AT, 0))
        client_die("status");
    if (status_read(page, &s, NULL))
        client_die("no status");
    return s;
}

void client_acquire(struct nbd_handle *nbd, struct source *source)
{
    struct command command = { .op = COMMAND_ACQUIRE };
    uint8_t page[PAGE_BYTES];
    struct status s = status_of(nbd);

    memset(source->group, 7, sizeof source->group);
    memset(command.source, 9, sizeof command.source);
    memcpy(command.group, source->group, sizeof command.group);
    source->generation = 1;
    lineage_begin(&command.lineage, source->generation, 0);
    command.lsn = s.received_lsn;
    command.token = s.token;
    command_write(&command, NULL, page);
    if (nbd_pwrite(nbd, page, sizeof page, COMMAND_AT, 0))
        client_die("acquire");
    s = status_of(nbd);
    source->token = s.token;
    source->lsn = s.received_lsn;
    source->end = (struct log_end){ s.end, s.last_position, s.last_digest, s.received_lsn };
}

void client_send(struct nbd_handle *nbd, struct source *source, bool fua)
{
    struct sent sent = source_finish(source);

    if (nbd_pwrite(nbd, sent.bytes, sent.size, LOG_AT + sent.position,
                   fua ? LIBNBD_CMD_FLAG_FUA : 0))
        client_die("send");
    free(sent.bytes);
}
