/* vault.h - what is a vault, and how do its parts hang together?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   frames ─► log.c ─► apply.c ─► head images (the latest state, served after a failover)
 *               │          ├────► index.c: who wrote where, in runs
 *               │          └────► point.c: the restore points
 *               └─► fold.c ─► base images (the oldest state that can still be restored)
 *   vm1@POINT = base, and over it what the index says up to POINT, and over that a scratch file
 *
 * A vault is a folder; in it each group has a folder of its own (its name as export_file_name()
 * makes it), which one gateway has taken:
 *
 *   group          who it is: uuid, role, lineage, token, disks, horizon, options (group.c)
 *   log.POSITION   segments, 16 hex digits (log.c)
 *   run.FROM-TO    index runs over the segments [FROM, TO) (index.c)
 *   points         the restore points of dropped and present segments that are kept (point.c)
 *   DISK.base DISK.head   images (DISK as export_file_name() makes it); heads may lie elsewhere
 *   DISK.map       what was written here since this site was promoted
 * (../filters/replication/common/map.h)
 *
 * One object per folder and process: an export log:GROUP, its disks and its points share it. */
#ifndef WEIR_VAULT_H
#define WEIR_VAULT_H

#include "store.h"

#include "frame.h" /* of filters/replication/common, as all below */
#include "generation.h"
#include "medium.h"
#include "page.h"

/* The options of a datastore of type vault. */
struct vault_config {
    const char *path; /* the folder */
    const char
        *heads; /* where head images lie, as DISK.raw; "": in the group's folder as DISK.head */
    uint64_t history; /* ns: how far back one can go; 0: only the latest state is kept */
    uint64_t
        limit; /* bytes that the log of a group may take; 0: what the file system has, less 5 % */
    uint64_t thin_after; /* ns: older points are thinned to one a minute, after 10 times that to one
                            an hour; 0: never */
    const char *scratch; /* the folder for writes to points; "": the group's */
    const char *key;     /* the file with the group's secret; "": frames need no tag */
};

struct group;

/* ---- group.c: one group of one vault, shared by all that serve it ------------------------------
 */

/* `name` of the group.  Finds the present object or opens the folder (taking it for this process:
 * -EBUSY), recovers its log, and starts its threads.  A group that does not exist is made. */
int group_get(const struct vault_config *, const char *folder, const char *name, struct group **ret,
              struct weir_text *why);
void group_put(struct group *); /* the last one stops its threads and closes it; NULL is fine */

/* The log export. */
int group_status(struct group *, struct status *);
int group_command(struct group *, const struct command *, struct weir_text *why);
int group_receive(struct group *, uint64_t position, const void *frame, size_t length, bool fua);
int group_flush(struct group *); /* all that was received in order is durable */
int group_needs(struct group *, unsigned disk, void *bitmap, size_t length, uint64_t from);
/* A disk of a primary, for its source; -EPERM: it has not asked (COMMAND_FETCH). */
int group_read_head(struct group *, unsigned disk, void *data, size_t length, uint64_t offset);

/* Its disks.  `name` NULL: the only one (-EINVAL with a sentence where there are more). */
int group_disk(struct group *, const char *name, unsigned *disk, uint64_t *size,
               struct weir_text *why);

/* Serves the head of a disk to clients, which only a primary may: -EROFS with a sentence.  One at a
 * time for each disk. */
struct head;
int head_open(struct group *, unsigned disk, struct head **ret, struct weir_text *why);
void head_close(struct head *);
int head_serve(struct head *, struct weir_request *);
int head_grow(struct head *, uint64_t size, struct weir_text *why);
uint64_t head_size(const struct head *);

/* What an administrator does; `why` gets the sentence of a refusal, `answer` of what was done. */
enum promote_how {
    PROMOTE_LATEST, /* the last state(k) that is durable */
    PROMOTE_POINT,  /* back to `point`: the heads are rolled back; what came after stays in the log
                       until the horizon passes it */
};
int group_promote(struct group *, enum promote_how, const char *point, bool dry_run,
                  struct weir_text *answer, struct weir_text *why);
/* Primary, then target again: `discard` says that what was written here since `fork` may go. */
int group_demote(struct group *, bool discard, bool dry_run, struct weir_text *answer,
                 struct weir_text *why);
/* An operator lets any source begin anew, and none has come yet. */
bool group_accepts(struct group *);
int group_accept(struct group *, struct weir_text *answer,
                 struct weir_text *why); /* COMMAND_BEGIN */

/* ---- log.c: the log as bytes and frames; knows neither disks nor roles -------------------------
 */

static inline uint64_t segment_floor(uint64_t position)
{
    return position - position % SEGMENT;
}

struct log_end {
    uint64_t position;                             /* where the next frame goes */
    uint64_t last_position, last_digest, last_lsn; /* of the frame before; 0 for none */
};
struct log_setup {
    struct medium *medium;
    const struct frame_key *key;
    uint64_t limit;
    struct log_end start; /* from where on the log is to be read: up to there all was applied, and
                             durably so; all before `trimmed` was dropped */
    uint64_t trimmed;
    /* Called for each frame in order, once, when it is durable, with its unpacked payload (the
     * callee frees it), on the log's own thread, in log_open() on the caller's.  It may block;
     * -errno: it is called again later, with the same frame.  `after`: the end of the log behind
     * this frame. */
    int (*frame)(void *arg, const struct frame *, void *payload, const struct log_end *after);
    void *arg;
};
struct log;
/* *ret is set before the first frame() is called.  Finds the end: the first place at which there is
 * no frame that follows from the one before.  What lies behind it is removed. */
int log_open(const struct log_setup *, struct log **ret, struct weir_text *why);
/* Its thread begins, once all that frame() needs is there; whoever tests it without one calls
 * log_work(). */
int log_start(struct log *);
void log_stop(struct log *);  /* its thread ends: frame() is not called any more.  NULL is fine */
void log_close(struct log *); /* NULL is fine */
/* One whole frame at its position.  Checks header, digest and tag; token, generation and group are
 * for the caller.  Frames may come in any order within LOG_AHEAD of the end.  fua: returns when it
 * and all before it are durable (it waits for those that are missing; after 10 s: -EIO).  0;
 * -EINVAL: not one whole frame, or too far ahead; -EIO: damaged, or it does not follow from what is
 * there, or cannot be written; -EPERM: its tag is wrong; -ENOSPC; why not is in `why`. */
enum { LOG_AHEAD = 128 << 20 };
int log_receive(struct log *, uint64_t position, const void *frame, size_t length, bool fua,
                struct weir_text *why);
int log_sync_all(struct log *); /* all up to the end is durable */
/* All that was received in order before the call is durable and was handed over, if it can be. */
int log_catch_up(struct log *);
/* For whoever lets no log_receive() in meanwhile: what is ahead of the end is forgotten and who
 * waits for what is missing before it gets -EIO; then all is durable and was given to frame().
 * -errno: why the log takes no more, or frame() could not. */
int log_settle(struct log *);
/* Why it takes no more frames, or gives none to frame(): 0, or -errno and a sentence. */
int log_failed(struct log *, struct weir_text *why);
bool log_is_refused(struct log *); /* frame() could not: nothing else is wrong */
/* manual: syncs, and calls frame() for what is durable; true: there was something. */
bool log_work(struct log *);
void log_ends(struct log *, struct log_end *received, struct log_end *durable);
/* Everything before `position` (of a segment's start) is given back. */
int log_trim(struct log *, uint64_t position);
/* The log ends at `end` from now on, which is the end of a frame: what lies behind it is removed,
 * durably.  After log_settle(). */
int log_cut(struct log *, const struct log_end *end);
/* All is forgotten, and the log begins anew at `position`, a segment's start behind all that there
 * is.  After log_settle(), and when what says where the log begins is durable. */
int log_restart(struct log *, uint64_t position);
uint64_t log_used(struct log *);
uint64_t log_free_bytes(struct log *);
/* Reads a frame back: -ENODATA where none begins.  *payload is to be freed. */
int log_read_frame(struct log *, uint64_t position, struct frame *ret, void **payload);
/* `length` bytes of data that begin `at` bytes into the payload of the frame at `position`; frames
 * that are compressed are kept for a while. */
int log_read_data(struct log *, uint64_t position, uint64_t at, void *data, size_t length);
/* Calls each() for each frame header from `from` to before `to`. */
int log_scan(struct log *, uint64_t from, uint64_t to,
             int (*each)(void *arg, const struct frame *, const void *payload), void *arg);

/* ---- index.c: who wrote where last, in runs that never change -----------------------------------
 */

/* An entry is one range of one disk.  Entries of a run do not overlap, so that a run says only what
 * the last write of its span to a place was.  A run covers whole segments: level 0 one, level n+1
 * sixteen of level n. */
struct index_entry {
    uint16_t disk;
    bool zero;       /* no data: it reads as zeroes */
    uint32_t length; /* bytes */
    uint64_t offset; /* bytes on the disk */
    uint64_t lsn;
    uint64_t position; /* of the frame */
    uint64_t at;       /* of its data, in the frame's payload */
};
struct index;
struct index_setup {
    struct medium *medium;
    struct log *log;
    uint64_t trimmed, end; /* the span of the log that is there: `end` is that of the last complete
                              set, what lies behind it comes by index_add() */
    bool manual;           /* no thread: whoever tests it calls index_work() */
};
/* Reads what runs there are; what is missing is made again from the log. */
int index_open(const struct index_setup *, struct index **ret, struct weir_text *why);
/* The thread ends, and the log is not used any more until index_close(), which does that, too. */
void index_stop(struct index *);
void index_close(struct index *);
/* A frame was added to the log (complete sets only, in order). */
int index_add(struct index *, const struct frame *, const void *payload);
void index_trim(struct index *, uint64_t position);
/* The log was cut there (log_cut): what lies behind it never was. */
int index_cut(struct index *, uint64_t position);
/* What is known of the segment that holds `position`: -ENOENT: no frame of it was added. */
struct index_segment {
    uint64_t from, to;            /* positions */
    uint64_t first_lsn, last_lsn; /* of its frames so far */
    uint64_t time, arrived;       /* of its last frame: the source's clock, and this host's (not
                                     before it came: later if the index was made again) */
    bool sealed;                  /* frames of a later segment were added */
};
int index_segment(struct index *, uint64_t position, struct index_segment *ret);
/* The start of the segment that holds the last frame up to `lsn`; -ENOENT: there is none. */
int index_find(struct index *, uint64_t lsn, uint64_t *segment);
/* manual: does one piece of what the thread would do now; true: there was something. */
bool index_work(struct index *);
/* The index as it was at `lsn`: fixed, cheap to make (no run is read through), valid whatever is
 * added or trimmed later. */
struct index_view;
int index_view_open(struct index *, uint64_t lsn, struct index_view **ret);
void index_view_close(struct index_view *);
/* The newest entries that cover a range, ascending, clipped to it; gaps are what no entry covers.
 */
int index_look(struct index_view *, unsigned disk, uint64_t offset, uint64_t length,
               int (*each)(void *arg, const struct index_entry *), void *arg);
/* All places of all disks that entries with an LSN above `since` cover, ascending per disk. */
int index_changes(struct index_view *, uint64_t since,
                  int (*each)(void *arg, const struct index_entry *), void *arg);

/* ---- point.c: restore points
 * ---------------------------------------------------------------------- */

struct point {
    uint64_t lsn, position; /* state(lsn); of the frame that has the mark */
    uint64_t time;          /* ns since 1970, the source's clock: a label */
    bool named, quiesced;
    char name[NAME_LENGTH];
};
struct points;
struct points_setup { /* as struct index_setup */
    struct medium *medium;
    struct log *log;
    uint64_t trimmed, end;
    uint64_t lsn; /* the state at `trimmed` */
};
int points_open(const struct points_setup *, struct points **ret, struct weir_text *why);
void points_close(struct points *);
/* A frame was added to the log (complete sets only, in order, after index_add()): its marks are
 * points from now on, but for those inside of a set.  What is known already is not added twice. */
int points_frame(struct points *, const struct frame *, const void *payload);
/* "latest" (the last state(k) that was added), "2026-11-21T21:54:02Z" (the last mark at or before
 * it; fractions and zones are allowed), "rp:NAME" (the last mark of that name), "lsn:N" (any that
 * is not inside of a set).  -ENOENT with the nearest ones in the sentence; -EINVAL: not understood.
 * Fold must not pass ret->position as long as it is used. */
int points_find(struct points *, const char *word, struct point *ret, struct weir_text *why);
/* Those of frames before `position` are gone, named too, and those of LSNs before `lsn`: that is
 * the oldest state there is, and a mark of just it stays. */
void points_trim(struct points *, uint64_t position, uint64_t lsn);
/* Is state(lsn) one that can be gone back to: not trimmed, not inside of a set? */
bool points_is_state(struct points *, uint64_t lsn);
int points_cut(struct points *, uint64_t position); /* those at or behind it never were */
/* Of automatic ones older than `after` one a minute stays, after 10 times that one an hour. */
void points_thin(struct points *, uint64_t now, uint64_t after);
size_t points_count(struct points *);
uint64_t points_oldest(struct points *); /* time; 0: there is none */
int points_each(struct points *, int (*each)(void *arg, const struct point *), void *arg);

/* ---- view.c: a disk as it was -------------------------------------------------------------------
 */

struct view;
/* `word` as of points_find(); `since` not NULL: extents say that what did not change after that
 * point is a hole.  `writable`: writes go to a scratch file that close() removes. */
int view_open(struct group *, unsigned disk, const char *word, const char *since, bool writable,
              struct view **ret, struct weir_text *why);
void view_close(struct view *);
uint64_t view_lsn(const struct view *);
int view_serve(struct view *, struct weir_request *);
uint64_t view_size(const struct view *);

#endif
