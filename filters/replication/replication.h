/* replication.h - what do the parts of the source side know of each other?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   requests ─► request.c ─► stream.c ─► sender.c ─► link-vault.c / link-plain.c ─► target
 *                  │ gate.c      ▲          │ spill.c
 *                  └─► map.h ────┴─ copier.c└─► ack.c: map, waiting requests
 *                                keeper.c, handshake.c: the connection and what is due by time
 *
 * A disk belongs to a group; the disks of one group share one order (LSN), one log and one
 * target.  A write gets its LSN in up(), when the store has it and before its client is told, under
 * the byte range that the core holds for it: so overlapping writes have the same order here and
 * there, and a write that was acknowledged before another began has the lower LSN.
 *
 * Whatever the reason for which the target lacks something (it is new, the source crashed, the ring
 * was full, a verify found a difference), it is a dirty granule of the map.  copier.c reads dirty
 * granules, while gate.c keeps writes to them away, and puts them into the stream as records like
 * any other, in LSN order.  So there is one way to catch up, it needs neither a snapshot nor a copy
 * before a write, a write to a granule that is still dirty need not be sent, and the first frame
 * after the last dirty granule is state(k) again.  Until then frames are PART: the target applies
 * them as one set.
 *
 * Locks, outermost first: the list of groups (group.c), `running` of a group (starts, stops,
 * membership), its `saving` (both are turns: held over I/O, so no data path takes them),
 * group->lock, then gate, link and map, each a leaf.  No I/O under group->lock. */
#ifndef REPLICATION_H
#define REPLICATION_H

#include "frame.h"
#include "generation.h"
#include "instant.h"
#include "map.h"
#include "page.h"

#include <pthread.h>

/* LSNs that the record allows beyond the present one, so that it need not be saved often. */
#define LSN_AHEAD (1ull << 26)

enum { WHY = 256 }; /* a sentence of one that has no struct weir_text at hand; NULL is fine */
void why_print(char why[WHY], const char *format, ...) __attribute__((format(printf, 2, 3)));

enum mode { MODE_ASYNC, MODE_SYNC, MODE_SYNC_DURABLE };
enum without_peer { SUSPEND, DEGRADE };
enum target_type { TARGET_VAULT, TARGET_PLAIN };

struct replication_config {
    const char *target, *group, *key, *spill_folder;
    int target_type, mode, without_peer, compression;
    uint64_t ring, spill, frame;                        /* bytes */
    uint64_t bandwidth, resync_bandwidth;               /* bytes a second; 0: max */
    uint64_t mark_every, reconnect_delay, peer_timeout; /* ns */
    int64_t connections;
};

struct replication_stats {
    weir_counter frames, sent_bytes, raw_bytes, replicated, mapped, copied_bytes, reconnects,
        waited, fetched_bytes;
    struct weir_histogram ack;
};
extern const char *const replication_modes[]; /* words of enum mode */
extern const struct weir_option replication_options[];
extern const struct weir_stat replication_stats[];
extern const struct weir_verb replication_verbs[];

struct link; /* link.h */

/* ---- gate.c: writes and the copier keep out of each other's granules ------------------------- */

enum { GATE_SLOTS = 256 };
struct gate_wait {
    struct gate_wait *next;
    uint64_t offset, length;
};
struct gate {
    /* Writes under way per granule, by its number modulo GATE_SLOTS. */
    _Atomic uint32_t inside[GATE_SLOTS];
    _Atomic uint64_t from, to; /* bytes that are closed; from == to: none */
    /* Guards `waiting`; a leaf. */
    pthread_mutex_t lock;
    pthread_cond_t left;
    struct gate_wait *waiting, **last;
};
void gate_init(struct gate *);
void gate_finish(struct gate *);
/* true: inside.  false: `wait` was queued, and gate_open() gives it back. */
bool gate_enter(struct gate *, struct gate_wait *, uint64_t offset, uint64_t length);
void gate_leave(struct gate *, uint64_t offset, uint64_t length);
/* Takes it out of those that wait.  False: it is none of them, or gate_open() has given it back. */
bool gate_forget(struct gate *, const struct gate_wait *);
/* Nobody is inside, on no granule. */
bool gate_is_empty(struct gate *);
/* Closes a range and waits until nobody is inside; one at a time. */
void gate_close(struct gate *, uint64_t offset, uint64_t length);
/* Opens it; gives those that wait, in order, each to be entered anew. */
struct gate_wait *gate_open(struct gate *);

/* ---- a disk ------------------------------------------------------------------------------------
 */

struct disk {
    struct weir_below *below;
    struct group *group;
    const char *name; /* the export's */
    unsigned number;  /* in the group */
    struct medium *medium;
    struct map *map;
    struct gate gate;
    _Atomic uint64_t size;
    _Atomic int mode, without_peer;
    atomic_bool drained, has_map;
    uint64_t patience;          /* drained: until when what comes up may wait; with group->lock */
    atomic_bool leaving;        /* detach() has begun */
    atomic_uint settling;       /* flushes for the map under way */
    uint64_t cursor, verify_at; /* the copier's */
    atomic_bool locked;         /* we have locked the export */
    bool declare;               /* a DISK record is due; with group->lock */
};

/* weir_scratch() of a request. */
struct use {
    struct map_wait intent;
    struct gate_wait gate;
    struct weir_request *req;
    struct disk *disk;
    struct use *next, **back; /* in a list of those that wait; back NULL: in none */
    uint64_t lsn;
    uint64_t since; /* ns */
    bool entered;
    bool early; /* no last flush of a disk that is drained */
};

/* ---- the stream: batches that become frames ---------------------------------------------------
 */

enum { SPARES = 8 }; /* buffers that are kept to be used again */

enum {
    BATCH_RECORDS = 1024, /* for which there is room */
    BATCH_TABLE = BATCH_RECORDS * FRAME_RECORD,
    BATCH_TAIL = FRAME_TAG + FRAME_ALIGN,
};

enum batch_state { BATCH_OPEN, BATCH_CLOSED, BATCH_SPILLED, BATCH_SENT, BATCH_RECEIVED };

struct batch {
    struct batch *next;
    enum batch_state state;
    struct frame frame;
    bool packed; /* frame.flags and frame.stored are final, and so is the payload */
    bool fua;    /* asked to be durable */
    bool durable;
    bool copies;              /* has RECORD_COPY */
    uint64_t opened;          /* ns, monotonic */
    uint64_t closed, sent;    /* the same */
    _Atomic unsigned copying; /* writers that still put their bytes in */
    size_t room, used;        /* of data */
    uint8_t *records; /* as they stand in a frame; here until the target has them for good */
    uint8_t *bytes;   /* NULL: spilled.  [FRAME_HEADER][room for records][data][tag and zeroes]; of
                         one   that is packed: [FRAME_HEADER][payload][tag and zeroes] */
    size_t allocated;
    bool on_spill;
    uint64_t spill_at; /* where, in the spill file */
};

/* ---- a group
 * -------------------------------------------------------------------------------------- */

/* Does this site get its disks back from the one that replaced it? (fetch.c) */
enum fetch_state {
    FETCH_NONE,
    FETCH_RUNNING, /* the disks are neither what they were nor what they are there */
    FETCH_DONE,    /* they are, if the target is one again */
};

/* What a group must not forget: in the state folder of each of its disks, the highest `sequence` is
 * the one that counts (record.c). */
struct group_record {
    uint64_t sequence;
    uint8_t uuid[16], source[16];
    struct lineage lineage;
    bool untold;      /* no target was told of its newest generation */
    uint64_t ceiling; /* no LSN at or above it was ever used */
    uint64_t token;   /* the highest that was asked for: a target with a higher one knows of a later
                         life of this source, one with a much lower one was set back itself */
    uint64_t durable; /* an LSN up to which the target had all for good; may lag */
    bool fenced;      /* the target was promoted: serve nothing until it says otherwise */
    bool detached;    /* by the operator */
    bool synced;      /* the target had a state(k): sync writes wait for it, after a restart, too */
    enum fetch_state fetch; /* not NONE: and `fenced`, until it is */
    unsigned count;
    char name[DISKS][NAME_LENGTH];
};

enum handover { HANDOVER_NONE, HANDOVER_WANTED, HANDOVER_REFUSED, HANDOVER_DONE };
enum stop { STOP_NONE, STOP_DETACHED, STOP_FENCED, STOP_FORK, STOP_REFUSED };

struct group {
    struct group *next; /* in the list of all */
    char *name, *target, *uri;
    struct replication_config config; /* of the disk that came first; strings are its own */
    char *strings[4];
    struct frame_key *key;
    unsigned users;
    /* ns; not that of `config`: it is LIVE, and the link's threads read it without the lock */
    _Atomic uint64_t peer_timeout;

    pthread_mutex_t running;
    pthread_mutex_t saving; /* one saves the record at a time; between `running` and `lock` */

    /* Guards all below; see above for its place. */
    pthread_mutex_t lock;
    /* Each thread has its own, so that a write wakes no more than the sender. */
    pthread_cond_t work;      /* the sender's */
    pthread_cond_t copy;      /* the copier's */
    pthread_cond_t attention; /* the keeper's */
    pthread_cond_t changed;   /* everybody else's */
    atomic_bool filling; /* a batch is due that writers still fill: the last wakes the sender */
    bool hungry;         /* the copier would copy if there were room */
    struct disk *disks[DISKS];
    struct group_record record;
    bool started, stopping;
    bool mark_now;
    bool holding;     /* sender and copier rest: the keeper has the stream to itself */
    unsigned copying; /* copiers inside derived I/O */

    uint64_t lsn;                      /* the last that was assigned */
    uint64_t reserved;                 /* durably: none at or above it is sent */
    struct batch *first, *last, *open; /* oldest first; `open` is the last one, or NULL */
    struct batch *busy;                /* the sender works on it without the lock */
    uint8_t *spare[SPARES];
    unsigned spares;
    size_t in_memory;                /* bytes of batches */
    uint64_t spill_head, spill_tail; /* bytes ever put into the spill file, and given back */
    unsigned in_flight;              /* sent, not answered */
    bool ahead;                      /* the ring overflowed and has not drained yet */
    bool spill_failed;               /* the file cannot be written: until it is empty */
    bool unreadable;                 /* nor read: what waits is to be dirty instead */

    /* the connection */
    struct link *link;
    bool connected, lost, flushing;
    uint64_t lost_at; /* ns, monotonic: since then it took nothing; 0: it did */
    uint64_t token, end, last_position, last_digest; /* where the next frame goes */
    uint64_t flush_lsn, flushed_lsn; /* of the flush under way; of the last that succeeded */
    uint64_t last_fua;               /* ns */
    uint64_t unsynced;               /* bytes since */
    uint64_t wanted_durable;         /* an LSN that a flush waits for */

    /* what the target has */
    uint64_t received_lsn, durable_lsn;      /* contiguous */
    uint64_t complete_lsn, complete_durable; /* the last state(k) among them */
    uint64_t complete_time;                  /* ns, monotonic: when that frame was closed */
    uint64_t copied_lsn;                     /* of the last copy */
    bool initial;                            /* the target never had a state(k) */
    bool degraded;                           /* acknowledged without the peer */
    bool alone_again;                        /* … and is to be again, in another generation */
    uint64_t alone_lsn;                      /* the last before that */
    uint64_t mend_lsn;                       /* degraded until the target has that */
    enum stop stop;
    struct fork fork;
    enum kinship kinship;
    char error[WHY];
    struct status peer; /* as last read */
    uint64_t degraded_since, degraded_ns;
    enum handover handover;
    bool met;             /* the target was there once */
    bool trusted;         /* the operator has said that this site counts */
    bool marked_all;      /* the maps are to be synced */
    uint64_t recorded_at; /* ns */

    struct use *waiting, **waiting_last; /* for complete_lsn */
    struct use *flushes, **flushes_last; /* for complete_durable */

    uint64_t fetch_left;            /* granules of the round */
    bool fetch_following;           /* the round has only what was written during the one before */
    uint64_t sent_total, raw_total; /* bytes of payloads */
    uint64_t marked_lsn, marked_at, verify_done, verify_total, verify_lsn;
    uint64_t throttle_at; /* ns: when the next byte may go */
    pthread_t sender, keeper, copier;
    struct medium_file *spill;
    struct medium *spill_medium;
};

/* group.c */
/* The one that the disk belongs to, made if there is none yet; a reference. */
int group_find(struct disk *, const struct replication_config *, struct group **ret,
               struct weir_text *why);
void group_forget(struct group *);
/* Where the authority of a target's URI ends: "/GROUP?QUERY", and what of that there is. */
const char *target_path(const char *target);

/* member.c */
int group_join(struct disk *, const struct replication_config *, struct weir_text *why);
void group_leave(struct disk *);
/* Drains a disk: nobody waits here any more, nothing is read. */
void group_pause(struct disk *, bool pause);
/* Whoever waits with this disk goes on; under the lock. */
void group_release(struct disk *, int error);
void group_say(struct group *, enum weir_severity, const char *format, ...) WEIR_PRINTF(3, 4);
/* Those that are here now, for who comes without the lock and is sure that none leaves: the threads
 * of the group, which end before one does, and who has `running`. */
unsigned group_disks(struct group *, struct disk *list[DISKS]);
/* Under the lock. */
struct command command_of(const struct group *, enum command_op); /* lsn, token: whoever sends it */
uint64_t group_dirty(struct group *);
bool group_whole(const struct group *); /* all disks that the record names are here */
void group_stop_for(struct group *, enum stop, const char *format, ...) WEIR_PRINTF(3, 4);
const char *group_state(struct group *);
/* Locks or unlocks the exports as `stop` says; without the lock; the keeper, or with `running`. */
void group_fence(struct group *);
void group_rest(struct group *, uint64_t ns); /* the keeper, under the lock */
void group_wake(struct group *);              /* everybody looks anew; under the lock */
bool is_all_zero(const uint8_t *data, size_t length);

/* record.c */
int record_load(struct medium *, struct group_record *ret); /* -ENOENT */
int record_save(struct group *);                            /* to all disks; without the lock */
/* Of a disk that is not in its group yet: that it was fenced is over. */
int record_unfence(struct medium *);

/* request.c */
enum weir_verdict replication_down(void *self, struct weir_request *);
enum weir_verdict replication_up(void *self, struct weir_request *);
void replication_abort(void *self, struct weir_request *);
void request_retry(struct gate_wait *); /* after gate_open() */

/* stream.c */
/* Puts one record into the stream.  `data` NULL where there is none.  Returns its LSN; *sent: it is
 * in a batch; else what it changed is dirty now, or nothing has that LSN.  `durable`: somebody is
 * going to wait until it is.
 */
uint64_t stream_record(struct disk *, struct record *, const void *data, bool durable, bool *sent);
/* A copy of the range goes in, which is not dirty from now on; 0 or -EAGAIN: there is no room. */
int stream_copy(struct disk *, struct record *, const void *data);
void stream_close_open(struct group *); /* under the lock */
void stream_look_for_room(struct group *);
void stream_free(struct group *, struct batch *);        /* under the lock, as the next two */
uint8_t *stream_take_bytes(struct group *, size_t room); /* NULL: no memory */
void stream_give_bytes(struct group *, uint8_t *bytes, size_t allocated);
/* All that is in the ring is dirty instead; under the lock, when nobody sends or copies. */
void stream_drop(struct group *);
/* Where its frame begins, with the records in place before the data; by the sender alone. */
uint8_t *stream_frame(struct batch *);

/* sender.c */
void *sender_main(void *group);
void sender_done(void *group, uint64_t ticket, int error);

/* ack.c; under the lock */
void ack_settle(struct group *);
void ack_release(struct group *,
                 int error); /* everybody who waits goes on; 0: as if acknowledged */
/* false: there is nothing to wait for, or nobody may wait any more: ack_is_refused() */
bool ack_queue(struct group *, struct use *, bool flush);
bool ack_is_refused(const struct group *, const struct use *, bool flush);
void ack_unqueue(struct group *, struct use *);
void ack_resume(struct group *, struct use *, int error);

/* spill.c */
int spill_open(struct group *, struct weir_text *why); /* empty: it is never read after a restart */
void spill_close(struct group *);
bool spill_has_room(const struct group *, size_t bytes); /* under the lock */
/* Without the lock but at their ends, by the sender alone, which has made the batch busy. */
int spill_out(struct group *, struct batch *);
int spill_in(struct group *, struct batch *);
void spill_forget(struct group *, const struct batch *); /* under the lock */

/* copier.c, keeper.c, handshake.c */
void *copier_main(void *group);
void *keeper_main(void *group);
int handshake(struct group *, struct link *, char why[WHY]);

/* check.c */
int replication_check(const void *config, struct weir_text *why);

/* tables.c; under the lock */
uint64_t group_lag_bytes(const struct group *);
uint64_t group_lag_ns(struct group *);
uint64_t group_rpo_ns(struct group *);

/* status.c; under the lock */
void status_print(struct group *, struct weir_text *);
/* What the target said of itself last; that it cannot apply what it receives is an event when it
 * begins, and when it ends. */
void status_heard(struct group *, const struct status *);
/* Why it cannot, as it said last; "": it can. */
void status_target_error(const struct group *, char text[WHY]);

#endif
