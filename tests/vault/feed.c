/* feed.c - what would a source say to a vault's log?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   vault-feed URI-OF-LOG WORDS…
 *
 * Takes the token, and sends what the words say in one order: disk:NUMBER:NAME:SIZE,
 * write:NUMBER:OFFSET:LENGTH:BYTE, zero:NUMBER:OFFSET:LENGTH, mark:NAME, and send, which makes a
 * frame of all before it, durable when it returns; part does the same with a frame of a set.
 * Prints the last LSN. */
#include "page.h"
#include "source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnbd.h>

static void die(const char *what)
{
    fprintf(stderr, "vault-feed: %s: %s\n", what, nbd_get_error() ? nbd_get_error() : "");
    exit(1);
}

static struct status status_of(struct nbd_handle *nbd)
{
    uint8_t page[PAGE_BYTES];
    struct status s;

    if (nbd_pread(nbd, page, sizeof page, STATUS_AT, 0))
        die("status");
    if (status_read(page, &s, NULL))
        die("no status");
    return s;
}

static void acquire(struct nbd_handle *nbd, struct source *source)
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
    command_write(&command, NULL, page);
    if (nbd_pwrite(nbd, page, sizeof page, COMMAND_AT, 0))
        die("acquire");
    s = status_of(nbd);
    source->token = s.token;
    source->lsn = s.received_lsn;
    source->end = (struct log_end){ s.end, s.last_position, s.last_digest, s.received_lsn };
}

static bool say(struct source *s, const char *word)
{
    char name[200] = "";
    uint64_t offset;
    uint32_t length;
    unsigned disk, byte;

    if (sscanf(word, "disk:%u:%199[^:]:%" SCNu64, &disk, name, &offset) == 3) {
        source_disk(s, disk, name, offset);
    } else if (sscanf(word, "write:%u:%" SCNu64 ":%" SCNu32 ":%u", &disk, &offset, &length,
                      &byte) == 4) {
        char *data = malloc(length);
        if (!data)
            die("no memory");
        memset(data, (int)byte, length);
        source_write(s, disk, offset, data, length);
        free(data);
    } else if (sscanf(word, "zero:%u:%" SCNu64 ":%" SCNu32, &disk, &offset, &length) == 3) {
        source_zero(s, disk, offset, length);
    } else if (strncmp(word, "mark:", 5) == 0) {
        source_mark(s, word + 5);
    } else {
        return false;
    }
    return true;
}

static void send_frame(struct nbd_handle *nbd, struct source *source)
{
    struct sent sent = source_finish(source);

    if (nbd_pwrite(nbd, sent.bytes, sent.size, LOG_AT + sent.position, LIBNBD_CMD_FLAG_FUA))
        die("send");
    free(sent.bytes);
}

int main(int argc, char **argv)
{
    struct nbd_handle *nbd = nbd_create();
    struct source source = { 0 };
    bool begun = false;

    if (argc < 2 || !nbd || nbd_connect_uri(nbd, argv[1]))
        die("connect");
    acquire(nbd, &source);
    for (int i = 2; i < argc; i++) {
        const bool part = strcmp(argv[i], "part") == 0, send = part || strcmp(argv[i], "send") == 0;
        if (send && begun) {
            source.draft.frame.flags |= part ? FRAME_PART : 0;
            send_frame(nbd, &source);
            begun = false;
            continue;
        }
        if (!begun)
            source_begin(&source, 0);
        begun = true;
        if (!say(&source, argv[i]))
            die(argv[i]);
    }
    printf("%" PRIu64 "\n", source.lsn);
    nbd_shutdown(nbd, 0);
    nbd_close(nbd);
    return 0;
}
