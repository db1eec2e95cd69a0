/* page.c - how do the two sites write down what they say to each other?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *      0  "WEIRSTAT" or "WEIRCMND"
 *      8  version
 *     12  role, or op
 *     16  group
 *     32  source
 *     48  numbers, as the tables below have them
 *    512  lineage
 *   1536  error, of a status
 *   4060  HMAC-SHA256 of all before it, of a command where there is a key
 *   4092  CRC32C of all before it
 */
#include "page.h"

#include "encode.h"
#include "seal.h"

#include <errno.h>

enum {
    VERSION = 1,
    AT_VERSION = 8,
    AT_KIND = 12,
    AT_GROUP = 16,
    AT_SOURCE = 32,
    AT_NUMBERS = 48,
    AT_LINEAGE = 512,
    AT_ERROR = 1536,
    AT_TAG = 4060,
    AT_CRC = 4092,

    UUID = 16,
};
static const char status_magic[8] = { 'W', 'E', 'I', 'R', 'S', 'T', 'A', 'T' };
static const char command_magic[8] = { 'W', 'E', 'I', 'R', 'C', 'M', 'N', 'D' };

/* Where the numbers of a status lie in the struct, in their order in the page: for ever. */
static const size_t status_number[] = {
    offsetof(struct status, token),         offsetof(struct status, end),
    offsetof(struct status, last_position), offsetof(struct status, last_digest),
    offsetof(struct status, received_lsn),  offsetof(struct status, durable_lsn),
    offsetof(struct status, complete_lsn),  offsetof(struct status, complete_time),
    offsetof(struct status, applied_lsn),   offsetof(struct status, trimmed),
    offsetof(struct status, free),          offsetof(struct status, limit),
    offsetof(struct status, needs),         offsetof(struct status, mismatches),
    offsetof(struct status, verified),      offsetof(struct status, oldest_time),
    offsetof(struct status, points),        offsetof(struct status, time),
    offsetof(struct status, left),          offsetof(struct status, disk_bytes),
    offsetof(struct status, refused),
};
static const size_t command_number[] = {
    offsetof(struct command, lsn),
    offsetof(struct command, token),
};
#define COUNT(table) (sizeof(table) / sizeof(*(table)))
_Static_assert(AT_NUMBERS + sizeof(status_number) / sizeof(*status_number) * 8 <= AT_LINEAGE, "");
_Static_assert(AT_LINEAGE + LINEAGE_BYTES <= AT_ERROR, "");
_Static_assert(AT_ERROR + sizeof(((struct status *)0)->error) <= AT_TAG, "");

static void put_numbers(uint8_t *page, const void *from, const size_t *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t number;
        memcpy(&number, (const uint8_t *)from + table[i], sizeof(number));
        put64(page + AT_NUMBERS + i * sizeof(number), number);
    }
}

static void get_numbers(const uint8_t *page, void *to, const size_t *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t number = get64(page + AT_NUMBERS + i * sizeof(number));
        memcpy((uint8_t *)to + table[i], &number, sizeof(number));
    }
}

/* What all pages have, before the numbers. */
static void put_head(uint8_t *page, const char *magic, unsigned kind, const uint8_t *group,
                     const uint8_t *source)
{
    memset(page, 0, PAGE_BYTES);
    memcpy(page, magic, sizeof(status_magic));
    put32(page + AT_VERSION, VERSION);
    put32(page + AT_KIND, kind);
    memcpy(page + AT_GROUP, group, UUID);
    memcpy(page + AT_SOURCE, source, UUID);
}

static int judge_head(const uint8_t *page, const char *magic, const char *what,
                      struct weir_text *why)
{
    if (memcmp(page, magic, sizeof(status_magic))) {
        weir_print(why, "there is no %s: is this the export log:GROUP of a vault?", what);
        return -EBADMSG;
    }
    if (get32(page + AT_CRC) != seal_crc(page, AT_CRC)) {
        weir_print(why, "the %s is damaged: its checksum is wrong", what);
        return -EBADMSG;
    }
    if (get32(page + AT_VERSION) != VERSION) {
        weir_print(why, "the %s is of version %u, and this weir reads version %u", what,
                   get32(page + AT_VERSION), VERSION);
        return -EBADMSG;
    }
    return 0;
}

static bool all_zero(const uint8_t uuid[UUID])
{
    static const uint8_t zero[UUID];

    return !memcmp(uuid, zero, UUID);
}

/* ---- status ------------------------------------------------------------------ */

/* A sentence on one line, which ends. */
static void put_error(uint8_t *page, const char *error)
{
    for (size_t i = 0; i < sizeof(((struct status *)0)->error) - 1 && error[i]; i++)
        page[AT_ERROR + i] =
            (uint8_t)((uint8_t)error[i] < ' ' || error[i] == 0x7f ? ' ' : error[i]);
}

static bool get_error(const uint8_t *page, char error[256])
{
    memcpy(error, page + AT_ERROR, 256);
    for (size_t i = 0; i < 256; i++) {
        if (!error[i])
            return true;
        if ((uint8_t)error[i] < ' ' || error[i] == 0x7f)
            return false;
    }
    return false;
}

void status_write(const struct status *s, void *page)
{
    put_head(page, status_magic, s->role, s->group, s->source);
    put_numbers(page, s, status_number, COUNT(status_number));
    lineage_write(&s->lineage, (uint8_t *)page + AT_LINEAGE);
    put_error(page, s->error);
    put32((uint8_t *)page + AT_CRC, seal_crc(page, AT_CRC));
}

static bool status_makes_sense(const struct status *s)
{
    return s->end % FRAME_ALIGN == 0 && s->end <= LOG_ROOM && s->trimmed <= s->end &&
           (s->end ? s->last_position < s->end : !s->last_position && !s->last_digest) &&
           s->last_position % FRAME_ALIGN == 0 && s->durable_lsn <= s->received_lsn &&
           s->complete_lsn <= s->durable_lsn && s->applied_lsn <= s->received_lsn &&
           s->refused < 4096;
}

int status_read(const void *page, struct status *ret, struct weir_text *why)
{
    const uint8_t *in = page;
    struct status s = { 0 };
    int error = judge_head(in, status_magic, "status", why);

    if (error)
        return error;
    const uint32_t role = get32(in + AT_KIND);
    s.role = role == ROLE_PRIMARY ? ROLE_PRIMARY : ROLE_TARGET;
    memcpy(s.group, in + AT_GROUP, UUID);
    memcpy(s.source, in + AT_SOURCE, UUID);
    get_numbers(in, &s, status_number, COUNT(status_number));
    if (s.role != role || !lineage_read(in + AT_LINEAGE, &s.lineage) || !get_error(in, s.error) ||
        !status_makes_sense(&s)) {
        weir_print(why, "the status cannot be one: its checksum is right, and its numbers are not");
        return -EBADMSG;
    }
    *ret = s;
    return 0;
}

/* ---- commands ---------------------------------------------------------------- */

int command_write(const struct command *c, const struct frame_key *key, void *page)
{
    uint8_t *out = page;
    int error = 0;

    put_head(out, command_magic, c->op, c->group, c->source);
    put_numbers(out, c, command_number, COUNT(command_number));
    lineage_write(&c->lineage, out + AT_LINEAGE);
    if (key)
        error = seal_tag(key, out, AT_TAG, NULL, 0, out + AT_TAG);
    put32(out + AT_CRC, seal_crc(out, AT_CRC));
    return error;
}

int command_read(const void *page, const struct frame_key *key, struct command *ret,
                 struct weir_text *why)
{
    const uint8_t *in = page;
    struct command c = { 0 };
    int error = judge_head(in, command_magic, "command", why);

    if (!error && key)
        error = seal_check(key, in, AT_TAG, NULL, 0, in + AT_TAG);
    if (error == -EKEYREJECTED)
        weir_print(why, "a command has no tag or was made with another key: do both sites have "
                        "the same key file?");
    if (error)
        return error;
    const uint32_t op = get32(in + AT_KIND);
    memcpy(c.group, in + AT_GROUP, UUID);
    memcpy(c.source, in + AT_SOURCE, UUID);
    get_numbers(in, &c, command_number, COUNT(command_number));
    if (op < COMMAND_ACQUIRE || op > COMMAND_RETURN || all_zero(c.group) || all_zero(c.source) ||
        !lineage_read(in + AT_LINEAGE, &c.lineage) || !c.lineage.count) {
        weir_print(why,
                   "the command cannot be one: its checksum is right, and what it says is not");
        return -EBADMSG;
    }
    c.op = (enum command_op)op;
    *ret = c;
    return 0;
}
