/* group.h - what do the parts of a vault know of one group?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_VAULT_GROUP_H
#define WEIR_VAULT_GROUP_H

#include "vault.h"

#include "map.h"

#include <pthread.h>

struct group_disk {
    char name[NAME_LENGTH]; /* "": this number was never declared */
    uint64_t size;
    struct medium_file *base, *head; /* the same object where no history is kept */
    bool unsynced;                   /* head or base was written since both were synced */
    struct map *map;                 /* only while this site is primary */
    struct head *served;             /* who serves the head to clients now; NULL */
};

/* What a crash must leave: one small file, "group", saved as a whole (group-save.c). */
struct group_record {
    uint8_t uuid[16], source[16];
    enum role role;
    /* TARGET: the source's, as it was last told; of what was received it is this as it was at the
     * last LSN received (group_lineage()).  PRIMARY: this site's own. */
    struct lineage lineage;
    struct lineage before; /* PRIMARY: what it was when this site was promoted */
    uint64_t token;
    struct log_end
        applied; /* heads are state(applied.last_lsn), durably; the log is read from there */
    struct log_end horizon; /* bases are state(horizon.last_lsn), durably */
    uint64_t applied_time;  /* the source's clock, of state(applied.last_lsn) */
    bool initial; /* there is no state(k) yet, and so nothing to go back to: frames go to heads and
                     bases at once, and the log is trimmed behind them */
    bool unsettled; /* after a demotion: heads are state(applied), but for granules of `needs` */
    uint64_t folding_to;   /* a fold is under way up to this position; 0: none */
    uint64_t trimmed;      /* position */
    uint64_t promoted_lsn; /* PRIMARY: state(…) that it was promoted at */
    uint64_t rolling_to;   /* a promotion to an older point is under way: its LSN; 0: none */
    bool accepting;        /* an operator allowed COMMAND_BEGIN */
    bool begin;            /* nothing but COMMAND_BEGIN is taken: what is here is unrelated */
    bool fetched; /* PRIMARY: `source` fetches what it lacks: it alone makes this a target again */
    uint64_t mismatches, verified;
    unsigned disks;
    struct {
        char name[NAME_LENGTH];
        uint64_t size;
        struct map_point since; /* PRIMARY: what changed later was written here */
    } disk[DISKS];              /* by number; `disks` is the highest that was declared, plus 1 */
};

/* What the source of a primary lacks (give-back.c). */
struct given {
    bool known;                    /* a FETCH came since this process began */
    bool leaving;                  /* the disks are not served any more */
    uint64_t number;               /* of the last FETCH */
    bool left;                     /* and were not when the last FETCH came */
    struct map_point since[DISKS]; /* where the last FETCH ended */
    uint8_t *bits[DISKS];          /* what it found, as page.h has it */
    uint64_t bytes[DISKS];
    uint64_t granules; /* of all disks */
};

struct group {
    char *name;
    struct vault_config config; /* strings are the group's own */
    struct medium *medium, *heads, *scratch;
    struct medium_file *taken; /* the file that says that this process has the folder */
    struct frame_key *key;     /* NULL: none */
    bool manual;               /* no threads: whoever tests it calls group_work() */

    /* Guards everything below but what an object guards itself; no I/O under it.  Outside of the
     * locks of log, index, points, map. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* The turn: who saves, promotes, demotes, folds or applies has it; record and images change
     * only with it (and `lock`, so that either is enough to read the record).  Whoever has it does
     * I/O: it is no lock that guards a struct for a moment, but the right to change what lasts.
     * Taken before `lock`; not by whoever waits for the log's thread (log_settle). */
    pthread_mutex_t turn;
    struct group_record record;
    struct group_disk disks[DISKS];
    struct log *log;
    struct index *index;   /* NULL where no history is kept, as are points */
    struct points *points; /* both made once, before anybody else sees the group */
    struct log_end
        complete; /* the last state(k) that is durable; frames behind it are a part of a set */
    struct log_end applied; /* heads are this, not yet durably */
    uint64_t complete_time;
    bool full;          /* `error` says so: it is over when a frame is taken */
    int refused;        /* errno: a frame cannot be applied; `error` says why; 0 when it is */
    bool closed;        /* no frames are taken at present: they wait */
    unsigned receiving; /* calls of log_receive() under way */
    bool strange;       /* somebody without the key was told of, and nobody with it came since */
    char error[256];    /* why nothing is taken at present */
    /* Why history cannot be folded at present, "": it can; how often it could not; whether the last
     * fold gave up what is within the span, for want of room. */
    char fold_error[256];
    uint64_t fold_failures;
    bool shortened;
    /* The oldest position that an open point needs: fold waits behind it (view.c). */
    struct pinned {
        uint64_t position;
        struct pinned *next;
    } * pinned;
    bool stopping;
    bool unsaved; /* the record would say more than it did when it was saved */
    /* -errno: an image could not be made durable, and nothing is applied any more.  Changes with
     * the turn and the lock. */
    int broken;
    /* Frames of before this position may be in the heads already: a VERIFY of them says nothing.
     * With the turn. */
    uint64_t verify_from;
    struct applier *applier;
    struct folder *folder;
    struct needs *needs; /* granules that the source is to send (needs.c) */
    struct given given;
};

/* ---- group.c --------------------------------------------------------------------------------- */

/* What group_get() opens; tests open it on media of their own.  The media are the group's from then
 * on, even if this fails; heads and scratch may be the same as `medium`. */
struct group_setup {
    const struct vault_config *config;
    const char *name;
    struct medium *medium, *heads, *scratch;
    bool manual;
};
int group_open(const struct group_setup *, struct group **ret, struct weir_text *why);
void group_close(struct group *);
bool group_work(struct group *); /* manual: what the threads would do; false: nothing was to do */
/* The lineage of what was received; with the lock. */
struct lineage group_lineage(const struct group *);
/* Somebody sent what is not signed by the key, or (not strange) somebody has it.  One event, with
 * `why`, for all that comes in between: it is no error of a group that receives from its source.
 * Takes the lock. */
void group_note_stranger(struct group *, bool strange, const char *why);
/* Why nothing is taken at present: shown until group_set_error(g, "%s", "").  Takes the lock. */
void group_set_error(struct group *, const char *format, ...) WEIR_PRINTF(2, 3);

/* ---- group-save.c ---------------------------------------------------------------------------- */

/* With the turn, without the lock.  What `record` says from now on, durably; on failure the group's
 * record is what it was. */
int group_save(struct group *, const struct group_record *record);
int group_load(struct group *, struct weir_text *why); /* -ENOENT: a new one */

/* ---- apply.c --------------------------------------------------------------------------------- */

/* Frames of a complete set, in order, go to the heads.  Called by the log. */
int apply_frame(void *group, const struct frame *, void *payload, const struct log_end *after);
/* Heads, bases and needs are durable, and the record says so; trims the log behind that where no
 * history is kept.  With the turn. */
int apply_sync(struct group *);
/* With the turn: what lies in the log from `from` up to the last state(k) goes to the heads
 * (again).
 */
int apply_again(struct group *, uint64_t from);
int apply_start(struct group *); /* the thread that does it */
void apply_stop(struct group *);

/* ---- head.c ---------------------------------------------------------------------------------- */

/* Of a disk that the record has; disks.c. */
int images_open(struct group *, unsigned disk, struct weir_text *why);
void images_close(struct group *, unsigned disk);
/* With the turn.  What a record DISK says: a new disk, in the record when that is durable, or a new
 * size.  -EBADMSG: it cannot be, and the group's error says why. */
int images_declare(struct group *, const struct record *, const char *name);
/* A map for each disk, of what is written here from now on; `record` gets its points. */
int maps_begin(struct group *, struct group_record *record, struct weir_text *why);
int maps_open(struct group *, struct weir_text *why); /* those of a primary that starts again */
void maps_close(struct group *, bool remove);
struct writing {
    int (*each)(void *arg, unsigned disk, uint64_t offset, uint64_t length);
    void *arg;
    unsigned disk;
};
int one_written(void *writing, uint64_t offset, uint64_t length); /* for map_changed() */
/* Calls each() for what was written here since this site was promoted. */
int maps_written(struct group *,
                 int (*each)(void *arg, unsigned disk, uint64_t offset, uint64_t length),
                 void *arg);

/* ---- fold.c ---------------------------------------------------------------------------------- */

/* Keeps history within its span and the log within its limit: a thread that is not started where
 * no history is kept.  It takes the turn for each of its steps, not for the whole. */
int fold_start(struct group *);
void fold_stop(struct group *); /* fold_start() not called, or not successful, is fine */
/* Folds up to `position` (a segment's start) now; for tests, and when the log is full. */
int fold_to(struct group *, uint64_t position);
/* manual: what the thread would do now, but for its waiting.  0 or -errno. */
int fold_once(struct group *);

/* ---- needs.c --------------------------------------------------------------------------------- */

/* Bitmaps of granules, of any disk; what was marked is durable after needs_save(). */
int needs_load(struct group *, struct weir_text *why);
void needs_close(struct group *);
int needs_size(struct group *, unsigned disk, uint64_t size); /* of a new or grown disk */
void needs_mark(struct group *, unsigned disk, uint64_t offset, uint64_t length);
/* Only granules that are covered as a whole, to the disk's end. */
void needs_clear(struct group *, unsigned disk, uint64_t offset, uint64_t length);
void needs_forget(struct group *); /* all of all disks */
uint64_t needs_count(struct group *);
void needs_bitmap(struct group *, unsigned disk, void *bitmap, size_t length, uint64_t from);
int needs_save(struct group *); /* with the turn */

/* ---- rollback.c ------------------------------------------------------------------------------ */

/* With the turn.  Heads become state(lsn) again, by base and index; resumable (record.rolling_to).
 * Sets `unsynced`; whoever calls makes them durable and says so in the record. */
int group_roll_back(struct group *, uint64_t lsn,
                    void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg,
                    struct weir_text *why);
/* The same for what is in `needs`, which no index knows of. */
int group_restore_needs(struct group *, uint64_t lsn, struct weir_text *why);

#endif
