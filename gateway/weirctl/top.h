/* top.h - what does weirctl top know, and who draws which part of it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A thread of its own asks the gateways and keeps the board; the thread of the keyboard
 * draws it, so that a gateway that hangs never freezes the screen. */
#ifndef WEIR_WEIRCTL_TOP_H
#define WEIR_WEIRCTL_TOP_H

#include "gateways.h"
#include "iocontrol.h"

/* ---- history.c --------------------------------------------------------------- */

enum { HISTORY_KEPT = 512 };
struct history {
    float value[HISTORY_KEPT]; /* a ring */
    unsigned count;            /* ever pushed */
};
void history_push(struct history *, double value);
double history_ago(const struct history *, unsigned ago); /* 0: the newest; 0.0 before the first */
double history_max(const struct history *, unsigned newest); /* of so many */

/* ---- board.c ----------------------------------------------------------------- */

/* What is measured of one disk, or of all together. */
struct pace {
    double iops, read, write; /* bytes per second */
    uint64_t p50, p99;        /* ns */
    uint64_t in_flight, waiting, connections;
    struct history iops_past, bytes_past, p99_past;
};

struct disk {
    char *gateway, *name;
    struct json_object *now, *before; /* entries of "show"; before: NULL at first */
    struct json_object *control;      /* figures of I/O control; NULL: it has none */
    double seconds;                   /* between the two */
    double uptime;
    uint64_t reading; /* the last one that had it */
    bool silent;      /* its gateway hangs: nobody knows how it does */
    struct pace pace;
};

struct source { /* a gateway */
    char *name;
    struct control *control;
    struct json_object *show;
    double asked, uptime; /* when show came, in now_seconds() */
    double not_before;    /* one that hung is left alone for a while */
    const char *trouble;  /* "": none */
    bool hangs;
};

struct board {
    pthread_mutex_t lock; /* guards all below; taken alone, held while drawing to memory */
    pthread_cond_t changed;
    const struct invocation *invocation;
    const char *only; /* an export's name, or NULL: all */
    struct disk **disks;
    size_t count;
    struct source *sources;
    size_t source_count;
    struct json_object *datastores; /* those that disks with I/O control share; an array */
    struct pace total;
    uint64_t readings;
    double interval;
    bool paused, stop;
};

void board_init(struct board *, const struct invocation *, double interval);
void board_finish(struct board *);
/* Asks every gateway once.  The only caller but for the sampler's thread is batch mode. */
void board_read(struct board *);
int board_start(struct board *, pthread_t *); /* the sampler's thread */

/* ---- order.c: which line comes first ----------------------------------------- */

enum sort {
    SORT_NAME,
    SORT_IOPS,
    SORT_READ,
    SORT_WRITE,
    SORT_P50,
    SORT_P99,
    SORT_QUEUE,
    SORT_COUNT
};
extern const char *const sort_names[SORT_COUNT + 1]; /* ends with NULL */
/* The disks whose names hold `find`, sorted; the caller frees. */
struct disk **disks_sorted(const struct board *, enum sort, bool reverse, const char *find,
                           size_t *count);

/* ---- lines.c: without a screen ----------------------------------------------- */

enum exit_code top_lines(const struct invocation *, struct board *, enum sort, uint64_t readings);

/* ---- screen.c: with one ------------------------------------------------------ */

enum page { PAGE_LIST, PAGE_DISK, PAGE_PLACE, PAGE_HELP };
struct view {
    enum page page, before_help;
    enum sort sort;
    bool reverse, since_start;
    char find[64];
    bool finding;         /* keys go to `find` */
    char *gateway, *name; /* of the chosen disk: it may move or vanish */
    int top;              /* the first line of the list that is seen */
    int place;            /* the chosen filter of the disk; the last one is the store */
    int scroll;           /* of the pages below the list */
    bool no_datastores;   /* neither they nor what control gives disks */
};
enum exit_code top_screen(const struct invocation *, struct board *, enum sort);
/* The disk that the view means, or NULL when it has gone. */
struct disk *view_disk(const struct board *, const struct view *);

#endif
