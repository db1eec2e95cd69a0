/* paint.h - what is every page of weirctl top painted with?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WEIRCTL_PAINT_H
#define WEIR_WEIRCTL_PAINT_H

#include "top.h"
/* after top.h: ncurses makes macros of common words */
#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <ncurses.h>

enum ink {
    INK_PLAIN,
    INK_GOOD,
    INK_WARN,
    INK_BAD,
    INK_DIM,
    INK_LINE,
    INK_OTHER,
    INK_BAR,
    INK_COUNT
};
void paint_begin(void); /* colours; once, after initscr() */
attr_t ink(enum ink);

/* Text cut to `columns`; the rest is left as it is.  `right`: set to the right. */
void put(WINDOW *, int y, int x, int columns, attr_t, const char *text);
void put_right(WINDOW *, int y, int x, int columns, attr_t, const char *text);
void put_format(WINDOW *, int y, int x, int columns, attr_t, const char *format, ...)
    WEIR_PRINTF(6, 7);
/* A whole line in one colour: titles and the chosen row. */
void put_bar(WINDOW *, int y, attr_t, const char *left, const char *right);

/* The newest readings, newest at the right, in one line of height. */
void put_spark(WINDOW *, int y, int x, int columns, const struct history *, attr_t);
/* The same, `rows` high, with the largest value named at the left. */
void put_chart(WINDOW *, int y, int x, int rows, int columns, const struct history *,
               struct number (*name)(double), attr_t);
/* A bar of `part` (0 to 1) of `columns`. */
void put_share(WINDOW *, int y, int x, int columns, double part, attr_t);
enum ink ink_of_state(const char *state);

/* The pages; the board is locked while they draw.  Return how many lines they have. */
int draw_list(WINDOW *, const struct board *, struct view *, int rows, int columns);
int draw_disk(WINDOW *, const struct board *, const struct disk *, struct view *, int columns,
              int *chosen_line);
int draw_place(WINDOW *, const struct disk *, struct view *, int columns);
/* Two charts of a disk side by side, three where there is room. */
int draw_charts(WINDOW *, int y, const struct pace *, int columns);
int draw_keys(WINDOW *, int columns);

/* ---- panel.c: what disks share, where I/O control is in a chain -------------- */

/* The datastores, in at most `rows` lines; nothing where there are none. */
int draw_datastores(WINDOW *, int y, const struct board *, int rows, int columns);
/* Of one disk: its figures and those of its datastore; nothing without I/O control. */
int draw_control(WINDOW *, int y, const struct board *, const struct disk *, bool since_start,
                 int columns);

#endif
