/* page.h - what do the two sites say to each other besides frames?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The export log:GROUP of a vault, as an NBD client sees it:
 *
 *   [STATUS_AT, +4096)    read: struct status.  Never waits.
 *   [COMMAND_AT, +4096)   write: struct command.  The reply is its answer: EPERM (fenced, or not in
 *                         this role), EINVAL (not understood), EBUSY is EIO (say it again later)
 *   [NEEDS_AT + disk * NEEDS_ROOM, …)  read: a bitmap, least significant bit first, of granules of
 *                         64 KiB that this target wants to be sent, whatever the source's map says;
 *                         of a primary: what COMMAND_FETCH found
 *   [HEADS_AT + disk * HEADS_ROOM, …)  read: the disk as it is, of a primary after COMMAND_FETCH
 *   [LOG_AT + position, …)  write: one whole frame, at its position.  Success: received; with FUA:
 *                         it and all before it are durable.  EPERM: the token is stale, or the
 *                         target was promoted.  ENOSPC: the log is full.  EIO: damaged, or another
 *                         frame is there already.  EINVAL: not one whole frame.
 *
 * A write of what is there already, or was trimmed since, succeeds: so everything may be said
 * twice. */
#ifndef REPLICATION_PAGE_H
#define REPLICATION_PAGE_H

#include "frame.h"
#include "generation.h"

enum { PAGE_BYTES = 4096, MAP_GRANULE = 65536 };
#define STATUS_AT  0ull
#define COMMAND_AT 4096ull
#define NEEDS_AT   (1ull << 32)
#define NEEDS_ROOM (1ull << 36) /* bytes, for each disk */
#define LOG_AT     (1ull << 50)
#define LOG_SIZE   (1ull << 62) /* of the export */
#define HEADS_AT   (1ull << 61)
#define HEADS_ROOM (1ull << 55) /* bytes, for each disk */
#define LOG_ROOM   (HEADS_AT - LOG_AT)

/* Of the bitmap at NEEDS_AT: how many granules has a disk, how many bytes their bits, and how many
 * of them are set? */
static inline uint64_t bitmap_granules(uint64_t size)
{
    return size / MAP_GRANULE + (size % MAP_GRANULE != 0);
}
static inline uint64_t bitmap_bytes(uint64_t granules)
{
    return granules / 8 + (granules % 8 != 0);
}
static inline uint64_t bitmap_count(const uint8_t *bits, uint64_t bytes)
{
    uint64_t set = 0;

    for (uint64_t i = 0; i < bytes; i++)
        set += (unsigned)__builtin_popcount(bits[i]);
    return set;
}

enum role { ROLE_TARGET, ROLE_PRIMARY };

struct status {
    enum role role;
    uint8_t group[16];  /* all zero: it has none yet */
    uint8_t source[16]; /* the gateway's filter that has the token */
    struct lineage lineage;
    uint64_t token;
    /* the contiguous end of the log: where the next frame goes, the frame before, its digest */
    uint64_t end, last_position, last_digest;
    uint64_t received_lsn, durable_lsn; /* contiguous */
    uint64_t complete_lsn;              /* the last state(k) that is durable */
    uint64_t complete_time;             /* that frame's */
    uint64_t applied_lsn;
    uint64_t trimmed;     /* position: all before it is gone */
    uint64_t free, limit; /* bytes that the log may still take; 0 limit: what the file system has */
    uint64_t needs;       /* granules, of all disks; PRIMARY: as the last FETCH found */
    uint64_t mismatches;  /* granules that a VERIFY found different, ever */
    uint64_t verified;    /* granules that were compared, ever */
    uint64_t oldest_time, points; /* restore points */
    uint64_t time;                /* ns since 1970 there and then */
    uint64_t left; /* PRIMARY: the number of the last FETCH, if nobody has written here since */
    uint64_t disk_bytes; /* the sizes of all disks */
    uint64_t refused; /* errno: the next of what was received cannot be applied, and is tried again
                         and again; `error` says more; 0: none, or this target does not tell */
    char error[256];  /* why nothing is taken at present; "" */
};
void status_write(const struct status *, void *page);
/* 0, -EBADMSG: no status of a vault that we understand. */
int status_read(const void *page, struct status *ret, struct weir_text *why);

enum command_op {
    COMMAND_ACQUIRE = 1, /* this source wants to write: the target judges lineage, takes `group` if
                            it has none, and increments its token, durably: the status has it.
                            -EIO where `token` is not its own any more: look again */
    COMMAND_GENERATION,  /* a new generation began at the source: `lineage` is its lineage now */
    COMMAND_HANDOVER, /* planned failover: become primary at `lsn`, which is complete and durable */
    COMMAND_BEGIN,    /* everything will be sent anew: forget what you hold (of an unrelated past:
                         only where the target's operator has allowed it by `accept`) */
    /* Of a source that was replaced, and gets its disks back (fetch.c): */
    COMMAND_FETCH,  /* of a primary: its needs are what it has and the source may lack from now on.
                       lsn 0: all since it was promoted; 1: since the last FETCH */
    COMMAND_RETURN, /* of one that has left, `lsn` as its status says that: the source has all: be
                       its target again */
};
struct command {
    enum command_op op;
    uint8_t group[16], source[16];
    struct lineage lineage; /* the source's */
    uint64_t lsn;           /* ACQUIRE: the last that the source has assigned */
    uint64_t
        token; /* that it was given; ACQUIRE: that it saw in the status; not of FETCH, RETURN */
};
/* 0; -ENOMEM, with a key only. */
int command_write(const struct command *, const struct frame_key *key, void *page);
/* 0, -EBADMSG, -EKEYREJECTED. */
int command_read(const void *page, const struct frame_key *key, struct command *ret,
                 struct weir_text *why);

#endif
