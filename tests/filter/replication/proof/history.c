/* history.c - what did the clients ask for, and what were they told?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger-block.h"
#include "scope.h"

bool history_add(struct history *h, const struct operation *op)
{
    if (h->ops == h->room) {
        size_t room = h->room ? 2 * h->room : 1024;
        struct operation *more = reallocarray(h->op, room, sizeof *more);
        if (!more)
            return false;
        h->op = more;
        h->room = room;
    }
    h->op[h->ops++] = *op;
    return true;
}

void history_free(struct history *h)
{
    for (unsigned i = 0; i < h->disks; i++)
        free(h->disk[i].name);
    free(h->op);
    *h = (struct history){ 0 };
}

void history_harden(struct history *h)
{
    /* Of each disk: of the flushes that were sent after the operation, the first answer. */
    uint64_t flushed[HISTORY_DISKS], *acked = calloc(h->moments + 2, sizeof *acked);

    if (!acked)
        abort();
    for (unsigned d = 0; d < HISTORY_DISKS; d++)
        flushed[d] = NEVER;
    for (size_t i = 0; i < h->ops; i++) /* at each moment, who was acknowledged: id, 0: nobody */
        if (h->op[i].acked != NEVER)
            acked[h->op[i].acked] = i + 1;
    size_t next = h->ops; /* flushes from there on have been sent after the moment */
    for (uint64_t moment = h->moments + 1; moment-- > 0;) {
        for (; next && h->op[next - 1].sent > moment; next--)
            if (h->op[next - 1].kind == KIND_FLUSH &&
                h->op[next - 1].acked < flushed[h->op[next - 1].disk])
                flushed[h->op[next - 1].disk] = h->op[next - 1].acked;
        if (!acked[moment])
            continue;
        struct operation *op = &h->op[acked[moment] - 1];
        op->hardened = op->fua ? op->acked : flushed[op->disk];
    }
    free(acked);
}

/* ---- reading ------------------------------------------------------------------------------- */

static struct operation *find(struct history *h, uint64_t id)
{
    return id > 0 && id <= h->ops ? &h->op[id - 1] : NULL;
}

static bool take_disk(struct history *h, const char *line)
{
    unsigned number;
    uint64_t size;
    int name = 0;

    if (sscanf(line, "d %u %" SCNu64 " %n", &number, &size, &name) != 2 || !name ||
        number >= HISTORY_DISKS || number > h->disks || size % LEDGER_BLOCK)
        return false;
    if (number == h->disks) {
        h->disk[number].name = strdup(line + name);
        if (!h->disk[number].name)
            return false;
        h->disks++;
    }
    h->disk[number].size = size;
    return true;
}

static bool take_sent(struct history *h, const char *line)
{
    struct operation op = { .sent = h->moments, .acked = NEVER, .ended = NEVER, .hardened = NEVER };
    uint64_t id;
    char kind;
    int fua;

    if (sscanf(line, "s %" SCNu64 " %" SCNu32 " %c %" SCNu64 " %" SCNu64 " %d %" SCNu64, &id,
               &op.disk, &kind, &op.offset, &op.length, &fua, &op.sent_at) != 7)
        return false;
    op.kind = (enum history_kind)kind;
    op.fua = fua;
    return id == h->ops + 1 && strchr("wztf", kind) && op.disk < h->disks &&
           op.offset % LEDGER_BLOCK == 0 && op.length % LEDGER_BLOCK == 0 &&
           op.length <= h->disk[op.disk].size && op.offset <= h->disk[op.disk].size - op.length &&
           history_add(h, &op);
}

static bool take_answer(struct history *h, const char *line)
{
    uint64_t id, time;
    struct operation *op;

    if (sscanf(line + 1, " %" SCNu64 " %" SCNu64, &id, &time) != 2)
        return false;
    op = find(h, id);
    if (!op || op->acked != NEVER || op->ended != NEVER)
        return false;
    if (line[0] == 'l')
        return true; /* nothing is known of it, as of what has no answer at all */
    op->ended = h->moments;
    if (line[0] == 'a') {
        op->acked = h->moments;
        op->acked_at = h->last_ack = time;
    } else
        op->torn = true;
    return true;
}

static void end_all(struct history *h)
{
    for (size_t i = h->ops; i-- > 0;)
        if (h->op[i].ended == NEVER) {
            h->op[i].ended = h->moments;
            h->op[i].torn = true;
        }
}

static bool take(struct history *h, const char *line)
{
    h->moments++;
    switch (line[0]) {
    case 'd':
        return take_disk(h, line);
    case 's':
        return take_sent(h, line);
    case 'a':
    case 'e':
    case 'l':
        return take_answer(h, line);
    case 'x':
        end_all(h);
        return true;
    default:
        return false;
    }
}

int history_read(const char *path, struct history *h, char why[256])
{
    FILE *file = fopen(path, "re");
    cleanup_free char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t length;
    bool good = true;

    *h = (struct history){ 0 };
    if (!file)
        return -errno;
    while (good && (length = getline(&line, &room, file)) > 0 && line[length - 1] == '\n') {
        line[length - 1] = 0;
        good = number++ ? take(h, line) : sscanf(line, "weir-ledger 1 %" SCNx64, &h->run) == 1;
    }
    fclose(file);
    if (good && number) {
        history_harden(h);
        return 0;
    }
    snprintf(why, 256, "line %zu is no line of a ledger: %s", number, line ? line : "");
    history_free(h);
    return -EBADMSG;
}
