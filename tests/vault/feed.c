/* feed.c - what would a source say to a vault's log?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   vault-feed URI-OF-LOG WORDS…
 *
 * Takes the token, and sends what the words say in one order: disk:NUMBER:NAME:SIZE,
 * write:NUMBER:OFFSET:LENGTH:BYTE, zero:NUMBER:OFFSET:LENGTH, mark:NAME, and send, which makes a
 * frame of all before it, durable when it returns; part does the same with a frame of a set.
 * Prints the last LSN. */
#include "client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
            client_die("no memory");
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

int main(int argc, char **argv)
{
    struct nbd_handle *nbd = nbd_create();
    struct source source = { 0 };
    bool begun = false;

    if (argc < 2 || !nbd || nbd_connect_uri(nbd, argv[1]))
        client_die("connect");
    client_acquire(nbd, &source);
    for (int i = 2; i < argc; i++) {
        const bool part = strcmp(argv[i], "part") == 0, send = part || strcmp(argv[i], "send") == 0;
        if (send && begun) {
            source.draft.frame.flags |= part ? FRAME_PART : 0;
            client_send(nbd, &source, true);
            begun = false;
            continue;
        }
        if (!begun)
            source_begin(&source, 0);
        begun = true;
        if (!say(&source, argv[i]))
            client_die(argv[i]);
    }
    printf("%" PRIu64 "\n", source.lsn);
    client_close(nbd);
    return 0;
}
