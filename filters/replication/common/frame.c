/* frame.c - how are frames written and read?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include "encode.h"
#include "page.h"
#include "seal.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>
#include <zstd.h>

enum {
    VERSION = 1,
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_HEADER = 10,
    AT_FLAGS = 12,
    AT_GROUP = 16,
    AT_GENERATION = 32,
    AT_TOKEN = 40,
    AT_POSITION = 48,
    AT_PREVIOUS = 56,
    AT_PREVIOUS_DIGEST = 64,
    AT_FIRST_LSN = 72,
    AT_LAST_LSN = 80,
    AT_TIME = 88,
    AT_RECORDS = 96,
    AT_RAW = 100,
    AT_STORED = 104,
    AT_ZERO = 108,
    AT_PAYLOAD_DIGEST = 112,
    AT_ZERO_TOO = 120,
    AT_CRC = 124,

    FRAME_FLAGS = FRAME_PART | FRAME_ZSTD | FRAME_AUTH,
    ZSTD_LEVEL = 1,
    PROBE = 4096,
};
static const char magic[8] = { 'W', 'E', 'I', 'R', 'L', 'O', 'G', '1' };
#define ZERO_MAX (UINT32_C(1) << 31)

uint64_t digest_of(const void *data, size_t length)
{
    return XXH3_64bits(data, length);
}

uint64_t frame_digest(const void *header)
{
    return digest_of(header, FRAME_HEADER);
}

uint32_t record_data(const struct record *r)
{
    return r->op == RECORD_VERIFY                         ? 8
           : r->op == RECORD_ZERO || r->op == RECORD_TRIM ? 0
                                                          : r->length;
}

/* Bytes that say something: the rest up to frame_span() is zero. */
static uint64_t frame_length(const struct frame *f)
{
    return FRAME_HEADER + (uint64_t)f->stored + (f->flags & FRAME_AUTH ? FRAME_TAG : 0);
}

uint64_t frame_span(const struct frame *f)
{
    return (frame_length(f) + FRAME_ALIGN - 1) & ~(uint64_t)(FRAME_ALIGN - 1);
}

uint64_t frame_place(uint64_t end, uint64_t span)
{
    end = (end + FRAME_ALIGN - 1) & ~(uint64_t)(FRAME_ALIGN - 1);
    if (end % SEGMENT + span > SEGMENT)
        end += SEGMENT - end % SEGMENT;
    return end;
}

/* ---- writing ----------------------------------------------------------------- */

void record_write(const struct record *r, uint8_t out[FRAME_RECORD])
{
    put16(out, r->disk);
    out[2] = r->op;
    out[3] = r->flags;
    put32(out + 4, r->length);
    put64(out + 8, r->offset);
    put64(out + 16, r->lsn);
}

static void header_write(const struct frame *f, uint8_t out[FRAME_HEADER])
{
    memset(out, 0, FRAME_HEADER);
    memcpy(out + AT_MAGIC, magic, sizeof(magic));
    put16(out + AT_VERSION, VERSION);
    put16(out + AT_HEADER, FRAME_HEADER);
    put32(out + AT_FLAGS, f->flags);
    memcpy(out + AT_GROUP, f->group, sizeof(f->group));
    put64(out + AT_GENERATION, f->generation);
    put64(out + AT_TOKEN, f->token);
    put64(out + AT_POSITION, f->position);
    put64(out + AT_PREVIOUS, f->previous);
    put64(out + AT_PREVIOUS_DIGEST, f->previous_digest);
    put64(out + AT_FIRST_LSN, f->first_lsn);
    put64(out + AT_LAST_LSN, f->last_lsn);
    put64(out + AT_TIME, f->time);
    put32(out + AT_RECORDS, f->records);
    put32(out + AT_RAW, f->raw);
    put32(out + AT_STORED, f->stored);
    put64(out + AT_PAYLOAD_DIGEST, f->payload_digest);
    put32(out + AT_CRC, seal_crc(out, AT_CRC));
}

int frame_write(struct frame *f, const void *payload, const struct frame_key *key, void *out)
{
    uint8_t *const header = out, *const body = header + FRAME_HEADER;
    uint8_t *const tag = body + f->stored;

    if (!key != !(f->flags & FRAME_AUTH))
        return -EINVAL;
    if (payload != body)
        memmove(body, payload, f->stored);
    memset(tag, 0, frame_span(f) - FRAME_HEADER - f->stored);
    f->payload_digest = digest_of(body, f->stored);
    header_write(f, header);
    return key ? seal_tag(key, header, FRAME_HEADER, body, f->stored, tag) : 0;
}

/* What is packed must save a block of the log, or it only costs time. */
size_t frame_pack(const void *payload, size_t length, void *out, size_t room)
{
    const size_t most = length - length / 16;

    if (length <= FRAME_ALIGN)
        return 0;
    room = room < most ? room : most;
    room = room < length - FRAME_ALIGN ? room : length - FRAME_ALIGN;
    if (length >= 4 * PROBE) {
        uint8_t probe[PROBE];
        const uint8_t *middle = (const uint8_t *)payload + (length - PROBE) / 2;
        if (ZSTD_isError(ZSTD_compress(probe, PROBE - PROBE / 16, middle, PROBE, ZSTD_LEVEL)))
            return 0;
    }
    const size_t size = ZSTD_compress(out, room, payload, length, ZSTD_LEVEL);
    return ZSTD_isError(size) ? 0 : size;
}

/* ---- reading a header -------------------------------------------------------- */

/* Can a frame of these numbers lie in a log? */
static const char *misplaced(const struct frame *f)
{
    if (f->position % FRAME_ALIGN || f->position >= LOG_ROOM)
        return "its position is none";
    if (f->position % SEGMENT + frame_span(f) > SEGMENT)
        return "it crosses a segment's end";
    if (f->position ? f->previous >= f->position || f->previous % FRAME_ALIGN
                    : f->previous || f->previous_digest)
        return "the frame before it cannot lie where it says";
    return NULL;
}

static const char *absurd(const struct frame *f)
{
    if (f->flags & ~(uint32_t)FRAME_FLAGS)
        return "it has flags that this weir does not know";
    if (!f->generation)
        return "it has no generation";
    if (!f->records || f->records > FRAME_RECORDS)
        return "its number of records is out of range";
    if (f->raw > FRAME_PAYLOAD || f->raw < f->records * (uint32_t)FRAME_RECORD)
        return "the length of its payload is out of range";
    if (f->flags & FRAME_ZSTD ? !f->stored || f->stored >= f->raw : f->stored != f->raw)
        return "the stored length of its payload is out of range";
    if (!f->first_lsn || f->last_lsn < f->first_lsn || f->last_lsn - f->first_lsn < f->records - 1)
        return "its LSNs are no range";
    return misplaced(f);
}

int frame_read(const void *header, struct frame *ret, struct weir_text *why)
{
    const uint8_t *in = header;

    if (memcmp(in + AT_MAGIC, magic, sizeof(magic)))
        return -ENODATA;
    if (get32(in + AT_CRC) != seal_crc(in, AT_CRC)) {
        weir_print(why, "the header of a frame is damaged: its checksum is wrong");
        return -EBADMSG;
    }
    if (get16(in + AT_VERSION) != VERSION || get16(in + AT_HEADER) != FRAME_HEADER) {
        weir_print(why, "a frame is of version %u, and this weir reads version %u",
                   get16(in + AT_VERSION), VERSION);
        return -EBADMSG;
    }
    *ret = (struct frame){
        .flags = get32(in + AT_FLAGS),
        .generation = get64(in + AT_GENERATION),
        .token = get64(in + AT_TOKEN),
        .position = get64(in + AT_POSITION),
        .previous = get64(in + AT_PREVIOUS),
        .previous_digest = get64(in + AT_PREVIOUS_DIGEST),
        .first_lsn = get64(in + AT_FIRST_LSN),
        .last_lsn = get64(in + AT_LAST_LSN),
        .time = get64(in + AT_TIME),
        .records = get32(in + AT_RECORDS),
        .raw = get32(in + AT_RAW),
        .stored = get32(in + AT_STORED),
        .payload_digest = get64(in + AT_PAYLOAD_DIGEST),
    };
    memcpy(ret->group, in + AT_GROUP, sizeof(ret->group));
    const char *wrong =
        get32(in + AT_ZERO) || get32(in + AT_ZERO_TOO) ? "what must be zero is not" : absurd(ret);
    if (!wrong)
        return 0;
    weir_print(why, "the frame at log address %llu cannot be one: %s",
               (unsigned long long)ret->position, wrong);
    return -EBADMSG;
}

/* ---- reading records --------------------------------------------------------- */

void frame_record(const struct frame *f, const void *payload, uint32_t index, struct record *ret)
{
    const uint8_t *in = (const uint8_t *)payload + (size_t)index * FRAME_RECORD;

    (void)f;
    *ret = (struct record){
        .disk = get16(in),
        .op = in[2],
        .flags = in[3],
        .length = get32(in + 4),
        .offset = get64(in + 8),
        .lsn = get64(in + 16),
    };
}

bool frame_next(const struct frame *f, const void *payload, struct frame_walk *at,
                struct record *ret, const void **data)
{
    if (at->index >= f->records)
        return false;
    if (!at->index)
        at->data = (size_t)f->records * FRAME_RECORD;
    frame_record(f, payload, at->index++, ret);
    *data = (const uint8_t *)payload + at->data;
    at->data += record_data(ret);
    return true;
}

static bool record_in_range(const struct record *r)
{
    const bool name = r->op == RECORD_DISK || r->op == RECORD_MARK;
    const uint64_t end = r->offset + (name ? 0 : r->length);
    uint32_t least = 1, most = RECORD_LENGTH, flags = 0;

    switch (r->op) {
    case RECORD_WRITE:
        flags = RECORD_COPY;
        break;
    case RECORD_ZERO:
        flags = RECORD_COPY;
        most = ZERO_MAX;
        break;
    case RECORD_TRIM:
        most = ZERO_MAX;
        break;
    case RECORD_DISK:
        most = NAME_LENGTH - 1;
        break;
    case RECORD_MARK:
        flags = RECORD_APP;
        least = 0;
        most = NAME_LENGTH - 1;
        break;
    case RECORD_VERIFY:
        break;
    default:
        return false;
    }
    return r->disk < DISKS && r->length >= least && r->length <= most && !(r->flags & ~flags) &&
           end >= r->offset && end <= INT64_MAX;
}

static bool is_name(const uint8_t *byte, size_t length)
{
    for (; length; length--, byte++)
        if (*byte < ' ' || *byte == 0x7f)
            return false;
    return true;
}

/* What is wrong with the records of a frame whose payload has the length that it says? */
static const char *judge_records(const struct frame *f, const uint8_t *payload)
{
    uint64_t at = (uint64_t)f->records * FRAME_RECORD, before = 0;

    for (uint32_t i = 0; i < f->records; i++) {
        struct record r;
        frame_record(f, payload, i, &r);
        if (!record_in_range(&r))
            return "a record is out of range";
        if (r.lsn <= before || (!i && r.lsn != f->first_lsn))
            return "its LSNs do not rise from the one that it says";
        before = r.lsn;
        if (record_data(&r) > f->raw - at)
            return "its records have more data than it has";
        if ((r.op == RECORD_DISK || r.op == RECORD_MARK) && !is_name(payload + at, r.length))
            return "a name in it has control characters";
        at += record_data(&r);
    }
    if (before != f->last_lsn)
        return "its LSNs do not end with the one that it says";
    return at == f->raw ? NULL : "it has more data than its records have";
}

/* ---- reading what follows a header ------------------------------------------- */

static int judge_tag(const struct frame *f, const void *header, const uint8_t *body,
                     const struct frame_key *key, struct weir_text *why)
{
    int error = -EKEYREJECTED;

    if (f->flags & FRAME_AUTH)
        error = seal_check(key, header, FRAME_HEADER, body, f->stored, body + f->stored);
    if (error == -EKEYREJECTED)
        weir_print(why, "the frame at log address %llu %s: do both sites have the same key file?",
                   (unsigned long long)f->position,
                   f->flags & FRAME_AUTH ? "was made with another key" : "has no tag");
    return error;
}

/* 0, or -EBADMSG: it is no compressed payload of exactly that length. */
static int inflate(const struct frame *f, const uint8_t *body, void *payload)
{
    if (!(f->flags & FRAME_ZSTD)) {
        memcpy(payload, body, f->raw);
        return 0;
    }
    return ZSTD_decompress(payload, f->raw, body, f->stored) == f->raw ? 0 : -EBADMSG;
}

int frame_unpack(const struct frame *f, const void *header, const void *body, size_t length,
                 const struct frame_key *key, void **payload, struct weir_text *why)
{
    const char *wrong = NULL;

    if (length < frame_length(f) - FRAME_HEADER)
        wrong = "it is cut short";
    else if (digest_of(body, f->stored) != f->payload_digest)
        wrong = "the digest of its payload is wrong";
    if (!wrong && key) {
        /* before anything in it is believed, be it the compression */
        int error = judge_tag(f, header, body, key, why);
        if (error)
            return error;
    }
    uint8_t *room = wrong ? NULL : malloc(f->raw);
    if (!wrong && !room)
        return -ENOMEM;
    if (!wrong && inflate(f, body, room))
        wrong = "its payload cannot be decompressed";
    if (!wrong)
        wrong = judge_records(f, room);
    if (!wrong) {
        *payload = room;
        return 0;
    }
    free(room);
    weir_print(why, "the frame at log address %llu is damaged: %s", (unsigned long long)f->position,
               wrong);
    return -EBADMSG;
}
