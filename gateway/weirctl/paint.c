/* paint.c - how are words, sparks, charts and bars put on the screen?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "paint.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ncurses is one terminal per process; so is this. */
static bool colours, utf8;

void paint_begin(void)
{
    static const short colour[INK_COUNT] = {
        [INK_GOOD] = COLOR_GREEN, [INK_WARN] = COLOR_YELLOW,   [INK_BAD] = COLOR_RED,
        [INK_LINE] = COLOR_CYAN,  [INK_OTHER] = COLOR_MAGENTA, [INK_BAR] = COLOR_CYAN,
    };
    const char *refused = getenv("NO_COLOR");

    utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    colours =
        !(refused && *refused) && has_colors() && start_color() == OK && use_default_colors() == OK;
    if (!colours)
        return;
    for (short i = 1; i < INK_COUNT; i++)
        init_pair(i, colour[i] ? colour[i] : -1, -1);
}

attr_t ink(enum ink which)
{
    if (which == INK_DIM)
        return A_DIM;
    if (which == INK_BAR)
        return A_REVERSE | (colours ? (attr_t)COLOR_PAIR(INK_BAR) : 0);
    if (colours)
        return (attr_t)COLOR_PAIR(which);
    return which == INK_BAD || which == INK_WARN ? A_BOLD : 0;
}

enum ink ink_of_state(const char *state)
{
    if (strcmp(state, "active") == 0 || strcmp(state, "compliant") == 0)
        return INK_GOOD;
    if (strcmp(state, "locked") == 0 || strcmp(state, "non-compliant") == 0)
        return INK_BAD;
    return INK_WARN;
}

/* What we write ourselves, in letters that every terminal has. */
static void print_plain(const char *text, struct weir_text *ret)
{
    static const char *const plain[][2] = {
        { "↑↓", "Up/Down" }, { "↑ ↓", "Up Down" }, { "←", "Left" }, { "→", "Right" }, { "▼", "*" },
        { "▲", "*" },        { "…", "..." },       { "≥", ">=" },   { "▏", "_" },
    };
    enum { COUNT = sizeof(plain) / sizeof(*plain) };

    while (*text) {
        size_t i = 0;
        while (i < COUNT && strncmp(text, plain[i][0], strlen(plain[i][0])) != 0)
            i++;
        weir_print(ret, "%.*s", i < COUNT ? 8 : 1, i < COUNT ? plain[i][1] : text);
        text += i < COUNT ? strlen(plain[i][0]) : 1;
    }
}

static void put_cut(WINDOW *window, int y, int x, attr_t attributes, const char *text)
{
    wattrset(window, (int)attributes);
    mvwaddstr(window, y, x, text);
    wattrset(window, A_NORMAL);
}

void put(WINDOW *window, int y, int x, int columns, attr_t attributes, const char *text)
{
    cleanup_text struct weir_text cut = { 0 };
    cleanup_text struct weir_text plain = { 0 };

    if (!utf8) {
        print_plain(text, &plain);
        text = text_string(&plain);
    }
    text_fit(text, columns, &cut);
    put_cut(window, y, x, attributes, text_string(&cut));
}

void put_right(WINDOW *window, int y, int x, int columns, attr_t attributes, const char *text)
{
    int width = text_width(text);

    put(window, y, width < columns ? x + columns - width : x, columns, attributes, text);
}

void put_format(WINDOW *window, int y, int x, int columns, attr_t attributes, const char *format,
                ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    put(window, y, x, columns, attributes, enough(text));
    free(text);
}

void put_bar(WINDOW *window, int y, attr_t attributes, const char *left, const char *right)
{
    int columns = getmaxx(window), room = columns - text_width(right) - 2;

    wattrset(window, (int)attributes);
    mvwhline(window, y, 0, ' ' | attributes, columns);
    put(window, y, 1, room - 1 > 0 ? room - 1 : columns - 1, attributes, left);
    if (room > text_width(left) + 1)
        put(window, y, room + 1, columns - room - 1, attributes, right);
}

/* Of a column that is `eighths` high, the part in the row that begins at `from`. */
static const char *up_block(int eighths, int from)
{
    static const char *const wide[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
    static const char *const narrow[] = { " ", ".", ".", ":", ":", "|", "|", "#", "#" };
    int part = eighths - from;

    part = part < 0 ? 0 : part > 8 ? 8 : part;
    return utf8 ? wide[part] : narrow[part];
}

/* Something is never nothing: the least shown is one eighth. */
static int height_of(double value, double max, int rows)
{
    int eighths = max > 0 ? (int)(value / max * rows * 8 + 0.5) : 0;

    return eighths == 0 && value > 0 ? 1 : eighths;
}

static void put_columns(WINDOW *window, int y, int x, int rows, int columns,
                        const struct history *history, double max, attr_t attributes)
{
    wattrset(window, (int)attributes);
    for (int column = 0; column < columns; column++) {
        double value = history_ago(history, (unsigned)(columns - 1 - column));
        int eighths = height_of(value, max, rows);
        for (int row = 0; row < rows; row++)
            mvwaddstr(window, y + rows - 1 - row, x + column, up_block(eighths, row * 8));
    }
    wattrset(window, A_NORMAL);
}

void put_spark(WINDOW *window, int y, int x, int columns, const struct history *history,
               attr_t attributes)
{
    if (columns > 0)
        put_columns(window, y, x, 1, columns, history, history_max(history, (unsigned)columns),
                    attributes);
}

void put_chart(WINDOW *window, int y, int x, int rows, int columns, const struct history *history,
               struct number (*name)(double), attr_t attributes)
{
    enum { SCALE = 10 };
    int width = columns - SCALE - 1;

    if (width < 4)
        return;
    double max = history_max(history, (unsigned)width);
    put_right(window, y, x, SCALE - 1, ink(INK_DIM), name(max).text);
    if (rows > 1)
        put_right(window, y + rows - 1, x, SCALE - 1, ink(INK_DIM), "0");
    for (int row = 0; row < rows; row++)
        put(window, y + row, x + SCALE, 1, ink(INK_DIM),
            !utf8                         ? "|"
            : row == 0 || row == rows - 1 ? "┤"
                                          : "│");
    put_columns(window, y, x + SCALE + 1, rows, width, history, max, attributes);
}

void put_share(WINDOW *window, int y, int x, int columns, double part, attr_t attributes)
{
    static const char *const wide[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    int eighths = (int)(part * columns * 8 + 0.5);

    wattrset(window, (int)attributes);
    for (int i = 0; i < eighths / 8; i++)
        mvwaddstr(window, y, x + i, utf8 ? "█" : "#");
    if (utf8)
        mvwaddstr(window, y, x + eighths / 8, wide[eighths % 8]);
    wattrset(window, A_NORMAL);
}
