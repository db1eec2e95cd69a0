/* frame.h - in what form do writes travel to the far site, and lie in its log?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   log addresses:  | frame | frame |   frame   |..| frame | …        a segment is 64 MiB of them
 *   a frame:        header 128 | records 24 each | data of the records, in order | [tag 32] | 0 …
 *
 * The same bytes on the wire, in the source's spill file and in the target's segments.  All
 * numbers are little-endian.  A frame begins on a multiple of 4 KiB, and none crosses a multiple of
 * SEGMENT: what does not fit begins with the next one.  Each record has an LSN of its own, higher
 * than that of the one before, in a frame and from frame to frame; a frame has one record or more.
 * The digest of a frame is of its header, which has the digest of its payload and of the frame
 * before: so the digest of the last names all that were ever written. */
#ifndef REPLICATION_FRAME_H
#define REPLICATION_FRAME_H

#include "weir-filter.h"

enum {
    FRAME_HEADER = 128,
    FRAME_RECORD = 24,
    FRAME_TAG = 32,
    FRAME_ALIGN = 4096,
    FRAME_RECORDS = 8192,    /* at most */
    FRAME_PAYLOAD = 8 << 20, /* records and data, at most */
    RECORD_LENGTH = 4 << 20, /* of a WRITE, at most; ZERO and TRIM: 2^31 */
    SEGMENT = 64 << 20,
    DISKS = 64,        /* of one group */
    NAME_LENGTH = 200, /* of a group, a disk, a mark, with its NUL */
};

enum frame_flags {
    FRAME_PART =
        1u << 0, /* what follows from the log up to here is no state(k) yet: it is part of a
                    set that is applied as a whole, with the first frame that is not PART */
    FRAME_ZSTD = 1u << 1, /* the payload is compressed */
    FRAME_AUTH = 1u << 2, /* an HMAC-SHA256 of header and payload follows the payload */
};

struct frame {
    uint32_t flags;
    uint8_t group[16];          /* uuid */
    uint64_t generation, token; /* generation.h; who may write, granted by the target */
    uint64_t position;          /* log address of its first byte */
    uint64_t previous;          /* the position of the frame before; of the first: 0 */
    uint64_t previous_digest;   /* 0 for the first */
    uint64_t first_lsn, last_lsn;
    uint64_t time; /* ns since 1970 at the source when it was closed: a label */
    uint32_t records;
    uint32_t raw, stored;    /* bytes of the payload, before and after compression */
    uint64_t payload_digest; /* XXH3-64 of the payload as stored */
};

enum record_op {
    RECORD_WRITE = 1, /* `length` bytes of data */
    RECORD_ZERO,
    RECORD_TRIM,   /* reads as zeroes after it, as everywhere in a vault */
    RECORD_DISK,   /* declares the disk, or its new size: data is its name, `length` bytes */
    RECORD_MARK,   /* a restore point: data is its name ("": an automatic one), `length` bytes */
    RECORD_VERIFY, /* data: 8 bytes, XXH3-64 of what [offset, +span) holds at this LSN; `length` is
                      the span: the target compares, and asks for what differs (page.h, needs) */
};
enum record_flags {
    RECORD_COPY = 1u << 0, /* WRITE, ZERO: not a guest's, but what the disk holds at this LSN */
    RECORD_APP = 1u << 1,  /* MARK: the guest was quiesced for it */
};

struct record {
    uint16_t disk; /* number in the group */
    uint8_t op, flags;
    uint32_t length; /* bytes on the disk; of DISK and MARK: of the data */
    uint64_t offset; /* bytes on the disk; of DISK: its size */
    uint64_t lsn;
};

/* How many bytes of data belong to it. */
uint32_t record_data(const struct record *);
/* Bytes of log that a frame takes: a multiple of FRAME_ALIGN. */
uint64_t frame_span(const struct frame *);
/* Where a frame of `span` bytes goes that comes after one that ends at `end`. */
uint64_t frame_place(uint64_t end, uint64_t span);

/* ---- writing ------------------------------------------------------------------- */

/* `key` NULL: no tag; FRAME_AUTH is set for a key, and only for one, as frame_span() looks at it.
 * `payload` has frame->stored bytes, `out` frame_span() bytes of room: header, payload, tag and
 * zeroes are put there.  Fills in payload_digest.  `payload` may lie at out + FRAME_HEADER already.
 * 0, -EINVAL (key and flag differ); -ENOMEM, with a key only. */
struct frame_key {
    uint8_t bytes[32];
};
int frame_write(struct frame *, const void *payload, const struct frame_key *key, void *out);
void record_write(const struct record *, uint8_t out[FRAME_RECORD]);
uint64_t frame_digest(const void *header); /* of FRAME_HEADER bytes */
/* Compresses payload into `out` (of `room` bytes): its size, or 0 where that does not pay: it must
 * save FRAME_ALIGN bytes, and 1/16 (a probe of 4 KiB in the middle that hardly shrinks spares the
 * rest). */
size_t frame_pack(const void *payload, size_t length, void *out, size_t room);

/* ---- reading -------------------------------------------------------------------- */

/* Judges FRAME_HEADER bytes.  0; -ENODATA: no frame begins here (its magic is missing); -EBADMSG:
 * damaged, or of another version: `why` (may be NULL) says what. */
int frame_read(const void *header, struct frame *ret, struct weir_text *why);
/* Judges what follows a header: digest, tag (`key` NULL: a tag is not looked at), compression, and
 * each record.  `body` is what lies behind the header, `length` bytes of it; what is behind the tag
 * is not looked at.  *payload is the payload, to be freed: records and data.  A record that passed
 * is in range but for the size of its disk, which whoever applies it must look at.  0, -EBADMSG,
 * -EKEYREJECTED (the tag is wrong or missing), -ENOMEM. */
int frame_unpack(const struct frame *, const void *header, const void *body, size_t length,
                 const struct frame_key *key, void **payload, struct weir_text *why);
/* The record of that number in an unpacked payload, and its data. */
void frame_record(const struct frame *, const void *payload, uint32_t index, struct record *ret);
/* Walks them in order: *at starts as 0; false behind the last. */
struct frame_walk {
    uint32_t index;
    size_t data; /* offset in the payload of the present record's data */
};
bool frame_next(const struct frame *, const void *payload, struct frame_walk *, struct record *ret,
                const void **data);

/* XXH3-64, for VERIFY and whoever needs one. */
uint64_t digest_of(const void *data, size_t length);

#endif
