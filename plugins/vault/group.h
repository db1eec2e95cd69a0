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
    struct map *map;     /* only while this site is primary, or was and is not in step */
    struct head *served; /* who serves the head to clients now; NULL */
};

/* What a crash must leave: one small file, "group", saved as a whole (group-save.c). */
struct group_record {
    uint8_t uuid[16], source[16];
    enum role role;
    struct lineage lineage;
    uint64_t token;
    struct log_end
        applied; /* heads are state(applied.last_lsn), durably; the log is read from there */
    struct log_end horizon; /* bases are state(horizon.last_lsn), durably */
    uint64_t folding_to;    /* a fold is under way up to this position; 0: none */
    uint64_t trimmed;       /* position */
    uint64_t promoted_lsn;  /* PRIMARY: state(…) that it was promoted at */
    uint64_t rolling_to;    /* a promotion to an older point is under way: its LSN; 0: none */
    bool accepting;         /* an operator allowed COMMAND_BEGIN */
    uint64_t mismatches, verified;
    unsigned disks;
    struct {
        char name[NAME_LENGTH];
        uint64_t size;
    } disk[DISKS];
};

struct group {
    char *name;
    unsigned users;
    struct vault_config config; /* strings are the group's own */
    struct medium *medium, *heads, *scratch;
    struct frame_key *key; /* NULL: none */

    /* Guards everything below but what an object guards itself; no I/O under it.  Outside of the
     * locks of log, index, points, map. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Who saves, promotes, demotes, folds or applies a set has the turn: the record and the images
     * change only with it.  Taken before `lock`. */
    pthread_mutex_t turn;
    struct group_record record;
    struct group_disk disks[DISKS];
    struct log *log;
    struct index *index;
    struct points *points;
    struct log_end
        complete; /* the last state(k) that was received; frames behind it are a part of a set */
    struct log_end applied; /* heads are this, not yet durably */
    uint64_t complete_time, received_lsn;
    char error[256]; /* why nothing is taken at present */
    /* The oldest position that an open point needs: fold waits behind it (view.c). */
    struct pinned {
        uint64_t position;
        struct pinned *next;
    } * pinned;
    bool stopping,
        initial; /* initial: there is no state(k) yet: sets go to heads and bases at once */
    pthread_t applier, folder;
    /* bitmaps of granules that the source is to send, per disk (needs.c): */
    struct needs *needs;
};

/* group-save.c; with the turn. */
int group_save(struct group *);
int group_load(struct group *, struct weir_text *why); /* -ENOENT: a new one */

/* apply.c: frames of a complete set, in order, go to the heads.  Called by the log. */
int apply_frame(void *group, const struct frame *, void *payload);
int apply_start(struct group *); /* the thread that makes what was applied durable */
void apply_stop(struct group *);

/* fold.c: keeps history within its span and the log within its limit. */
int fold_start(struct group *);
void fold_stop(struct group *);
/* Folds up to `position` (a segment's start) now; for tests, and when the log is full. */
int fold_to(struct group *, uint64_t position);

/* needs.c */
void needs_mark(struct group *, unsigned disk, uint64_t offset, uint64_t length);
void needs_clear(struct group *, unsigned disk, uint64_t offset, uint64_t length);
uint64_t needs_count(struct group *);

/* rollback.c: heads become state(lsn) again, by base and index; resumable (record.rolling_to). */
int group_roll_back(struct group *, uint64_t lsn,
                    void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg,
                    struct weir_text *why);

#endif
