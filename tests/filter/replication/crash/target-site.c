/* target-site.c - a vault's group on media in memory.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "target-site.h"

#include "group.h"
#include "text.h"

#include "medium-memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct target {
    struct memory *memory;
    struct group *group;
    void (*gate)(void *arg);
    void *gate_arg;
    atomic_bool holds_syncs;
};

struct target *target_create(void)
{
    struct target *t = calloc(1, sizeof *t);

    t->memory = memory_create();
    memory_record(t->memory);
    return t;
}

struct target *target_crash(struct target *from, size_t ops, int loss, uint64_t seed)
{
    struct target *t = calloc(1, sizeof *t);

    t->memory = memory_cut(from->memory, ops, (enum memory_loss)loss, seed);
    memory_record(t->memory); /* it may go on, and be crashed again */
    return t;
}

void target_destroy(struct target *t)
{
    target_stop(t);
    memory_destroy(t->memory);
    free(t);
}

size_t target_ops(struct target *t)
{
    return memory_ops(t->memory);
}

static void pass(void *arg, enum memory_call call, const char *name, uint64_t offset)
{
    struct target *t = arg;

    (void)name;
    (void)offset;
    while (call == MEMORY_CALL_SYNC && atomic_load(&t->holds_syncs))
        usleep(200);
    t->gate(t->gate_arg);
}

void target_gate(struct target *t, void (*gate)(void *arg), void *arg)
{
    t->gate = gate;
    t->gate_arg = arg;
    memory_gate(t->memory, pass, t);
}

void target_hold_syncs(struct target *t, bool hold)
{
    atomic_store(&t->holds_syncs, hold);
}

int target_start(struct target *t, char why[SITE_WHY])
{
    struct weir_text text = { 0 };
    const struct vault_config config = {
        .path = "/vault",
        .heads = "",
        .scratch = "",
        .key = "",
        .history = 3600000000000ull,
    };
    struct medium *medium = memory_medium(t->memory, "group");
    const struct group_setup setup = {
        .config = &config,
        .name = "vm",
        .medium = medium,
        .heads = medium,
        .scratch = medium,
    };
    int r = group_open(&setup, &t->group, &text);

    snprintf(why, SITE_WHY, "%s", text_string(&text));
    text_finish(&text);
    return r;
}

void target_stop(struct target *t)
{
    group_close(t->group);
    t->group = NULL;
}

static int serve_command(struct target *t, const void *page)
{
    struct command c;
    struct weir_text why = { 0 };
    int r = command_read(page, NULL, &c, NULL);

    if (!r)
        r = group_command(t->group, &c, &why);
    text_finish(&why);
    return r;
}

static int serve_status(struct target *t, void *page)
{
    struct status st;
    int r = group_status(t->group, &st);

    if (!r)
        status_write(&st, page);
    return r;
}

int target_serve(struct target *t, enum site_op op, void *data, size_t length, uint64_t offset,
                 bool fua)
{
    if (op == SITE_FLUSH)
        return -group_flush(t->group);
    if (op == SITE_READ && offset == STATUS_AT && length == PAGE_BYTES)
        return -serve_status(t, data);
    if (op == SITE_READ && offset >= NEEDS_AT && offset < LOG_AT) {
        uint64_t at = offset - NEEDS_AT;
        return -group_needs(t->group, (unsigned)(at / NEEDS_ROOM), data, length, at % NEEDS_ROOM);
    }
    if (op == SITE_WRITE && offset == COMMAND_AT && length == PAGE_BYTES)
        return -serve_command(t, data);
    if (op == SITE_WRITE && offset >= LOG_AT)
        return -group_receive(t->group, offset - LOG_AT, data, length, fua);
    return EINVAL;
}

int target_promote(struct target *t, char why[SITE_WHY])
{
    struct weir_text answer = { 0 }, text = { 0 };
    int r = group_promote(t->group, PROMOTE_LATEST, NULL, false, &answer, &text);

    snprintf(why, SITE_WHY, "%s", text_string(&text));
    text_finish(&answer);
    text_finish(&text);
    return r;
}

int target_demote(struct target *t, char why[SITE_WHY])
{
    struct weir_text answer = { 0 }, text = { 0 };
    int r = group_demote(t->group, true, false, &answer, &text);

    snprintf(why, SITE_WHY, "%s", text_string(&text));
    text_finish(&answer);
    text_finish(&text);
    return r;
}

/* -ENOENT: no such disk was ever declared. */
static int serve_head(struct target *t, const char *disk, struct weir_request *req)
{
    struct head *head;
    unsigned number;
    uint64_t size;

    if (group_disk(t->group, disk, &number, &size, NULL))
        return -ENOENT;
    if (size < req->offset + req->length)
        return -ERANGE;
    int r = head_open(t->group, number, &head, NULL);
    if (r)
        return r;
    r = head_serve(head, req);
    head_close(head);
    return r;
}

int target_read(struct target *t, const char *disk, void *data, size_t length, uint64_t offset)
{
    struct weir_request req = {
        .op = WEIR_READ,
        .offset = offset,
        .length = length,
        .data = data,
    };

    memset(data, 0, length);
    int r = serve_head(t, disk, &req);
    return r == -ENOENT ? 0 : r;
}

int target_write(struct target *t, const char *disk, void *data, size_t length, uint64_t offset)
{
    struct weir_request req = {
        .op = WEIR_WRITE,
        .offset = offset,
        .length = length,
        .data = data,
    };

    return serve_head(t, disk, &req);
}
