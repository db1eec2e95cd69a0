/* frame.c - can what comes from the other site, or lies in a log, break what reads frames?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An input is a frame.  It is read as it is; with right checksums, which are hard to guess; and as
 * a payload alone, in a header that suits it.  Whatever is taken for a frame is one: its records
 * are in range and in order, their data is in the payload, and it is written as it was. */
#include "frame.h"

#include "encode.h"
#include "seal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct frame_key key = { "no input of the corpus has it" };

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "this does not hold: %s\n", what);
        abort();
    }
}

/* Exactly so many bytes: a sanitizer sees a read past them. */
static void *exactly(const void *data, size_t size)
{
    void *copy = malloc(size ? size : 1);

    check(copy != NULL, "there is memory");
    if (size)
        memcpy(copy, data, size);
    return copy;
}

static void judge_records(const struct frame *f, const uint8_t *payload)
{
    struct frame_walk at = { 0 };
    struct record r, same;
    const void *data;
    uint64_t before = 0, sum = 0;
    uint32_t n = 0;

    while (frame_next(f, payload, &at, &r, &data)) {
        const uint8_t *from = data;
        frame_record(f, payload, n++, &same);
        check(same.lsn == r.lsn && same.offset == r.offset, "a record has one place");
        check(r.op >= RECORD_WRITE && r.op <= RECORD_VERIFY && r.disk < DISKS, "it is known");
        check(r.lsn > before && r.lsn >= f->first_lsn && r.lsn <= f->last_lsn, "LSNs rise");
        check(r.offset <= INT64_MAX - (uint64_t)r.length || r.op == RECORD_DISK ||
                  r.op == RECORD_MARK,
              "it is on a disk");
        check(from >= payload && record_data(&r) <= f->raw &&
                  (size_t)(from - payload) <= f->raw - record_data(&r),
              "its data is in the payload");
        sum += record_data(&r);
        for (uint32_t i = 0; i < record_data(&r); i++)
            before += from[i]; /* each byte can be read */
        before = r.lsn;
    }
    check(n == f->records && n && before == f->last_lsn, "all are there");
    check(sum + (uint64_t)n * FRAME_RECORD == f->raw, "and all data is theirs");
}

/* Both are exactly so many bytes. */
static void judge(const uint8_t *header, const uint8_t *body, size_t length)
{
    struct frame f;
    void *payload = NULL;

    if (frame_read(header, &f, NULL))
        return;
    check(f.records && f.records <= FRAME_RECORDS && f.raw <= FRAME_PAYLOAD && f.stored <= f.raw,
          "a frame has its limits");
    check(frame_place(f.position, frame_span(&f)) == f.position, "it lies where one can");
    check(frame_unpack(&f, header, body, length, &key, &payload, NULL) && !payload,
          "nobody can guess a tag");
    const int error = frame_unpack(&f, header, body, length, NULL, &payload, NULL);
    check(error == 0 || error == -EBADMSG, "a frame is good or bad");
    if (error)
        return;
    judge_records(&f, payload);
    free(payload);
    f.flags &= ~(uint32_t)FRAME_AUTH;
    uint8_t *again = malloc(frame_span(&f)), *same = exactly(header, FRAME_HEADER);
    check(again && !frame_write(&f, body, NULL, again), "it can be written");
    put32(same + 12, f.flags);
    put32(same + 124, seal_crc(same, 124));
    check(!memcmp(again, same, FRAME_HEADER), "as it was");
    free(again);
    free(same);
}

static void judge_with_checksums(const uint8_t *data, size_t size)
{
    uint8_t *header = exactly(data, FRAME_HEADER);
    uint8_t *body = exactly(data + FRAME_HEADER, size - FRAME_HEADER);
    const uint32_t stored = get32(header + 104);

    memcpy(header, "WEIRLOG1\1\0\x80", 12);
    if (stored <= size - FRAME_HEADER)
        put64(header + 112, digest_of(body, stored));
    put32(header + 124, seal_crc(header, 124));
    judge(header, body, size - FRAME_HEADER);
    free(header);
    free(body);
}

/* The first byte says how many records; LSNs are made to suit them. */
static void judge_payload(const uint8_t *data, size_t size, bool pack)
{
    struct frame f = { .generation = 1, .records = data[0] };
    const size_t table = f.records * (size_t)FRAME_RECORD;
    uint8_t *payload = exactly(data + 1, size - 1), *packed = malloc(size);

    f.raw = f.stored = (uint32_t)size - 1;
    if (f.records && table < size) {
        f.first_lsn = get64(payload + 16);
        f.last_lsn = get64(payload + table - FRAME_RECORD + 16);
        const size_t less = pack && packed ? frame_pack(payload, f.raw, packed, size) : 0;
        f.stored = less ? (uint32_t)less : f.raw;
        f.flags = less ? FRAME_ZSTD : FRAME_PART;
        uint8_t *bytes = malloc(frame_span(&f));
        check(bytes && !frame_write(&f, less ? packed : payload, NULL, bytes), "it is written");
        uint8_t *body = exactly(bytes + FRAME_HEADER, f.stored);
        judge(bytes, body, f.stored);
        free(bytes);
        free(body);
    }
    free(payload);
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= FRAME_HEADER) {
        uint8_t *header = exactly(data, FRAME_HEADER);
        uint8_t *body = exactly(data + FRAME_HEADER, size - FRAME_HEADER);
        judge(header, body, size - FRAME_HEADER);
        free(header);
        free(body);
        judge_with_checksums(data, size);
    }
    if (size) {
        judge_payload(data, size, false);
        judge_payload(data, size, true);
    }
    return 0;
}
