/* vault.c - can whoever writes to the export of a log break the group behind it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An input is a script of what a client of log:GROUP does (page.h), all of it through serve_log():
 * commands and frames that a source would send but for what they say, and reads and writes of any
 * place.  A group in memory answers with what NBD can carry, has a status that can be read whatever
 * came, and when it is opened again it has what it said was durable. */
#include "medium-memory.h"
#include "serve.h"
#include "source.h"

#include "events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STEPS = 64,      /* of one input */
    DATA = 600,      /* of a record, at most */
    SIZE_BITS = 36,  /* of a disk: larger ones are what the fuzzer has no memory for */
    ROOM = 64 << 10, /* of a read or a write of any place */
};

static struct {
    struct memory *memory;
    struct group *group;
    struct source source;
    const uint8_t *at, *end; /* what is left of the input */
} vault;

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "this does not hold: %s\n", what);
        abort();
    }
}

/* The next so many bytes as a number; what is not there is 0. */
static uint64_t take(unsigned bytes)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < bytes && vault.at < vault.end; i++)
        n |= (uint64_t)*vault.at++ << 8 * i;
    return n;
}

static void take_bytes(void *to, size_t size)
{
    const size_t left = (size_t)(vault.end - vault.at), n = size < left ? size : left;

    memset(to, 0, size);
    if (n)
        memcpy(to, vault.at, n);
    vault.at += n;
}

/* ---- the group ------------------------------------------------------------------------------- */

static void open_group(void)
{
    static const struct vault_config config = {
        .path = "", .heads = "", .scratch = "", .key = "", .history = 3600000000000
    };
    struct medium *medium = memory_medium(vault.memory, "vault");
    const struct group_setup setup = { .config = &config,
                                       .name = "g",
                                       .medium = medium,
                                       .heads = medium,
                                       .scratch = medium,
                                       .manual = true };

    check(!group_open(&setup, &vault.group, NULL), "a group can be opened, whatever it was sent");
}

static int serve(enum weir_op op, uint64_t offset, void *data, size_t length, unsigned flags)
{
    struct weir_request req = {
        .op = op, .offset = offset, .length = length, .data = data, .flags = flags
    };
    const int r = serve_log(vault.group, &req);

    check(r == 0 || r == -EPERM || r == -EINVAL || r == -EIO || r == -ENOSPC,
          "an answer is one that NBD carries, and that page.h promises");
    return r;
}

static struct status status(void)
{
    uint8_t page[PAGE_BYTES];
    struct status s;

    check(!serve(WEIR_READ, STATUS_AT, page, sizeof(page), 0), "the status can be read");
    check(!status_read(page, &s, NULL), "and is one");
    return s;
}

static void open_again(void)
{
    const struct status before = status();

    group_close(vault.group);
    open_group();
    const struct status after = status();
    check(after.durable_lsn >= before.durable_lsn && after.complete_lsn >= before.complete_lsn &&
              after.token == before.token && after.role == before.role &&
              !memcmp(after.group, before.group, sizeof(after.group)),
          "what was durable is there again");
}

/* ---- what a client does ---------------------------------------------------------------------- */

static void send_command(void)
{
    const struct status s = status();
    struct command c = { .op = (enum command_op)(take(1) % 8), .lsn = s.received_lsn };
    const uint64_t odd = take(1);
    uint8_t page[PAGE_BYTES];

    memset(c.group, odd & 1 ? 8 : 7, sizeof(c.group));
    memset(c.source, odd & 2 ? 8 : 9, sizeof(c.source));
    c.token = odd & 4 ? take(2) : s.token;
    c.lsn = odd & 8 ? take(2) : s.received_lsn;
    lineage_begin(&c.lineage, 1, 0);
    if (odd & 16)
        lineage_begin(&c.lineage, 2 + take(1), take(2));
    check(!command_write(&c, NULL, page), "a command can be written");
    if (serve(WEIR_WRITE, COMMAND_AT, page, sizeof(page), 0))
        return;
    if (c.op == COMMAND_HANDOVER || c.op == COMMAND_FETCH)
        return; /* it is a primary */
    const struct status now = status();
    memcpy(vault.source.group, c.group, sizeof(c.group));
    vault.source.token = now.token;
}

static void add_record(void)
{
    struct record r = { .disk = (uint16_t)(take(1) % (DISKS + 2)),
                        .op = (uint8_t)(take(1) % 8),
                        .flags = (uint8_t)take(1),
                        .length = (uint32_t)take(4),
                        .lsn = ++vault.source.lsn };
    uint8_t data[DATA];

    if (record_data(&r) > DATA)
        r.length %= DATA;
    r.offset = take(8) & ((UINT64_C(1) << (r.op == RECORD_DISK ? SIZE_BITS : take(1) % 64)) - 1);
    const uint32_t length = record_data(&r);
    take_bytes(data, length);
    draft_add(&vault.source.draft, &r, data, length);
}

static void send_frame(void)
{
    const uint64_t odd = take(1);
    const struct status s = status();
    struct source *source = &vault.source;
    struct sent sent;

    source->generation = odd & 4 ? take(1) : 1;
    source->lsn = odd & 8 ? take(2) : s.received_lsn;
    source->end = (struct log_end){ s.end, s.last_position, s.last_digest, s.received_lsn };
    if (odd & 16)
        source->end.position += take(2) * FRAME_ALIGN;
    if (odd & 32)
        source->end.last_digest++;
    source_begin(source, odd & 1 ? FRAME_PART : 0);
    for (uint64_t n = 1 + take(1) % 8; n; n--)
        add_record();
    sent = source_finish(source);
    /* one that waits for what is before it would wait for the clock */
    serve(WEIR_WRITE, LOG_AT + sent.position, sent.bytes, sent.size,
          odd & 2 && !(odd & 16) ? WEIR_FUA : 0);
    free(sent.bytes);
}

static void any_place(enum weir_op op)
{
    static const uint64_t places[] = { STATUS_AT, COMMAND_AT, NEEDS_AT, LOG_AT,
                                       HEADS_AT,  LOG_ROOM,   LOG_SIZE, NEEDS_AT + NEEDS_ROOM };
    const uint64_t place = places[take(1) % 8] + take(6) - take(1);
    const size_t length = take(2) % ROOM;
    uint8_t *data = malloc(length + 1); /* exactly: a sanitizer sees what is written behind it */

    check(data != NULL, "there is memory");
    take_bytes(data, length);
    if (length && place < LOG_SIZE && length <= LOG_SIZE - place) /* as nbdkit sees to */
        serve(op, place, data, length, 0);
    free(data);
}

static void promote(void)
{
    group_promote(vault.group, PROMOTE_LATEST, NULL, false, NULL, NULL);
}

static void demote(void)
{
    group_demote(vault.group, true, false, NULL, NULL);
}

static void step(void)
{
    switch (take(1) % 16) {
    case 0:
        any_place(WEIR_READ);
        break;
    case 1:
        any_place(WEIR_WRITE);
        break;
    case 2:
        open_again();
        break;
    case 3:
        promote();
        break;
    case 4:
        demote();
        break;
    case 5:
        group_accept(vault.group, NULL, NULL);
        break;
    case 6:
        serve(WEIR_FLUSH, 0, NULL, 0, 0);
        break;
    case 7:
        group_work(vault.group);
        break;
    case 8:
    case 9:
    case 10:
        send_command();
        break;
    default:
        send_frame();
    }
    status();
}

static void say_nothing(enum weir_severity severity, const char *line)
{
    (void)severity;
    (void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    events_log_to(say_nothing);
    vault.at = data;
    vault.end = data + size;
    vault.memory = memory_create();
    vault.source = (struct source){ .generation = 1 };
    memset(vault.source.group, 7, sizeof(vault.source.group));
    open_group();
    for (int i = 0; i < STEPS && vault.at < vault.end; i++)
        step();
    open_again();
    group_close(vault.group);
    memory_destroy(vault.memory);
    return 0;
}
