/* point.h - what do the parts of the restore points know of them?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The file `points` is appended to: marks, sets (LSNs between which there is no state), and at each
 * segment where one got to, before which all is in the file and synced.  From there on the log is
 * read again after a restart.  It is written anew as a whole when something was cut, when a write
 * failed, and when more than half of it is gone. */
#ifndef WEIR_VAULT_POINT_H
#define WEIR_VAULT_POINT_H

#include "vault.h"

#include <pthread.h>

struct mark {
    uint64_t lsn, position, time;
    char *name; /* NULL: an automatic one */
    bool quiesced;
};
struct set {                  /* state(n) does not exist for first <= n < last */
    uint64_t first, last;     /* LSNs */
    uint64_t position, ended; /* of its first and its last frame */
};
struct reached {
    uint64_t lsn, position, time; /* of the last frame; the position behind it */
    bool in_set;                  /* a set is under way: its first LSN and frame */
    uint64_t set, set_position;
};

struct points {
    struct medium *medium;
    struct log *log;
    /* What follows belongs to whoever adds frames, alone. */
    struct medium_file *file;
    uint64_t size;      /* of the file */
    size_t in_file;     /* records */
    bool stale, loaded; /* stale: the file lacks something; loaded: it is written to again */

    pthread_mutex_t lock; /* guards all below; no I/O under it; a leaf */
    struct mark *mark;    /* ascending */
    size_t marks, marks_room;
    struct set *set;
    size_t sets, sets_room;
    struct reached at;
    struct point state; /* the last there is, which is before `at` within a set */
    uint64_t trimmed, trimmed_lsn;
};

/* point.c; with the lock. */
int mark_add(struct points *, const struct mark *); /* the name is copied */
int set_add(struct points *, const struct set *);
void mark_point(const struct mark *, struct point *ret);
size_t mark_from(const struct points *, uint64_t lsn);         /* the first of at least that LSN */
bool mark_is_kept(const struct points *, const struct mark *); /* it was not trimmed */
bool set_is_kept(const struct points *, const struct set *);
const struct set *set_around(const struct points *, uint64_t lsn); /* NULL: a state */
void points_drop_behind(struct points *, uint64_t position);       /* all at or behind it */

/* point-file.c; for who adds frames.  A failed write is no error of theirs. */
int points_load(struct points *, uint64_t end); /* -ENOENT: there is nothing to go on from */
void points_append_mark(struct points *, const struct mark *);
void points_append_set(struct points *, const struct set *);
void points_append_reached(struct points *); /* all before it is durable then */
int points_rewrite(struct points *);

/* "2026-11-21T21:54:02Z" with as many digits of the second as are needed. */
enum { TIME_TEXT = 40 };
void time_write(uint64_t time, char out[TIME_TEXT]);
bool time_read(const char *text, uint64_t *time);

#endif
