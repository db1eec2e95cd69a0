/* list.c - how do all disks do, one line each?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "paint.h"

enum column {
    NAME,
    STATE,
    IOPS,
    READ,
    WRITE,
    P50,
    P99,
    QUEUE,
    SHARES, /* from here on: only where I/O control is in a chain */
    PART,
    ENTITLED,
    GRANTED,
    QUEUED,
    DELAY_P50,
    DELAY_P99,
    PAST,
    COLUMNS
};

/* Which columns are shown, and where. */
struct layout {
    int x[COLUMNS], width[COLUMNS]; /* width 0: not shown */
};

/* Where there is no room the most dispensable go first: the highest of `plain`, or of
 * `controlled` where what control gives to disks is shown, too. */
static const struct {
    const char *title;
    int width, plain, controlled;
    enum sort sort;
    const char *figure; /* of I/O control; NULL: of the export */
} columns_of[COLUMNS] = {
    [NAME] = { "EXPORT", 12, 0, 0, SORT_NAME, NULL },
    [STATE] = { "STATE", 7, 4, 4, SORT_COUNT, NULL },
    [IOPS] = { "IOPS", 5, 0, 0, SORT_IOPS, NULL },
    [READ] = { "READ/s", 8, 2, 7, SORT_READ, NULL },
    [WRITE] = { "WRITE/s", 8, 2, 7, SORT_WRITE, NULL },
    [P50] = { "P50", 7, 5, 9, SORT_P50, NULL },
    [P99] = { "P99", 7, 1, 6, SORT_P99, NULL },
    [QUEUE] = { "QUEUE", 6, 3, 8, SORT_QUEUE, NULL },
    [SHARES] = { "SHARES", 6, 0, 1, SORT_COUNT, "shares" },
    [PART] = { "PART", 4, 0, 5, SORT_COUNT, "share_percent" },
    [ENTITLED] = { "ENTITLED", 8, 0, 0, SORT_COUNT, "entitled_iops" },
    [GRANTED] = { "GRANTED", 7, 0, 0, SORT_COUNT, "granted_iops" },
    [QUEUED] = { "QUEUED", 6, 0, 2, SORT_COUNT, "queued" },
    [DELAY_P50] = { "DLY P50", 7, 0, 5, SORT_COUNT, "delay_p50_us" },
    [DELAY_P99] = { "DLY P99", 7, 0, 3, SORT_COUNT, "delay_p99_us" },
    [PAST] = { "IOPS PAST", 9, 6, 10, SORT_COUNT, NULL },
};
enum { MOST_DISPENSABLE = 10 };

static int total_width(const struct layout *layout)
{
    int total = 0;

    for (int i = 0; i < COLUMNS; i++)
        total += layout->width[i] ? layout->width[i] + 1 : 0;
    return total;
}

/* Drops what can be missed most until the rest fits; the past takes what is left. */
static void lay_out(struct layout *layout, bool controlled, int name_width, int columns)
{
    for (int i = 0; i < COLUMNS; i++)
        layout->width[i] = controlled || !columns_of[i].figure ? columns_of[i].width : 0;
    layout->width[NAME] = name_width;
    for (int worst = MOST_DISPENSABLE; worst > 0 && total_width(layout) > columns; worst--)
        for (int i = 0; i < COLUMNS; i++)
            if ((controlled ? columns_of[i].controlled : columns_of[i].plain) == worst)
                layout->width[i] = 0;
    int left = columns - total_width(layout);
    if (left > 0 && layout->width[PAST])
        layout->width[PAST] += left;
    else if (left < 0)
        layout->width[NAME] += left;
    for (int i = 0, x = 1; i < COLUMNS; i++) {
        layout->x[i] = x;
        x += layout->width[i] ? layout->width[i] + 1 : 0;
    }
}

static int widest_name(struct disk **disks, size_t count, bool many)
{
    int widest = columns_of[NAME].width;

    for (size_t i = 0; i < count; i++) {
        int width = text_width(disks[i]->name) + (many ? text_width(disks[i]->gateway) + 1 : 0);
        if (width > widest)
            widest = width;
    }
    return widest > 32 ? 32 : widest;
}

static void draw_titles(WINDOW *window, int y, const struct layout *layout, const struct view *view)
{
    mvwhline(window, y, 0, ' ' | A_UNDERLINE, getmaxx(window));
    for (int i = 0; i < COLUMNS; i++) {
        bool sorted = columns_of[i].sort == view->sort;
        char title[24];
        if (!layout->width[i])
            continue;
        snprintf(title, sizeof(title), "%s%s", columns_of[i].title,
                 !sorted         ? ""
                 : view->reverse ? "▲"
                                 : "▼");
        (i == NAME || i == STATE || i == PAST ? put : put_right)(
            window, y, layout->x[i], layout->width[i],
            A_UNDERLINE | A_BOLD | (sorted ? ink(INK_LINE) : 0), title);
    }
}

/* What is wrong with a disk, in the place of its past; "" when nothing is. */
static const char *trouble_of(const struct disk *disk)
{
    if (disk->silent)
        return "its gateway does not answer";
    if (*text_of(disk->now, "reason"))
        return text_of(disk->now, "reason");
    return text_of(disk->now, "compliance_reason");
}

static void draw_disk_line(WINDOW *window, int y, const struct layout *layout,
                           const struct disk *disk, bool many, bool chosen)
{
    const struct pace *pace = &disk->pace;
    const char *state = disk->silent ? "silent" : text_of(disk->now, "state");
    attr_t plain = chosen ? A_REVERSE : 0;
    attr_t idle = chosen ? A_REVERSE : ink(INK_DIM);
    struct number numbers[COLUMNS] = {
        [IOPS] = count_number(pace->iops),
        [READ] = bytes_number(pace->read),
        [WRITE] = bytes_number(pace->write),
        [P50] = latency_number(pace->p50),
        [P99] = latency_number(pace->p99),
        [QUEUE] = count_number((double)(pace->in_flight + pace->waiting)),
    };

    if (chosen)
        mvwhline(window, y, 0, ' ' | A_REVERSE, getmaxx(window));
    put_format(window, y, layout->x[NAME], layout->width[NAME], plain | A_BOLD, "%s%s%s",
               many ? disk->gateway : "", many ? "/" : "", disk->name);
    if (layout->width[STATE])
        put(window, y, layout->x[STATE], layout->width[STATE],
            chosen ? plain : ink(ink_of_state(state)), state);
    bool waits = number_of(disk->control, "queued") > 0;
    for (int i = SHARES; i <= DELAY_P99; i++)
        if (layout->width[i])
            numbers[i] = figure_number(disk_figure(columns_of[i].figure), disk->control);
    for (int i = IOPS; i <= DELAY_P99; i++)
        if (layout->width[i])
            put_right(window, y, layout->x[i], layout->width[i],
                      pace->iops > 0 || (i == QUEUE && pace->in_flight) || waits ? plain : idle,
                      numbers[i].text);
    if (!layout->width[PAST])
        return;
    if (*trouble_of(disk))
        put(window, y, layout->x[PAST], layout->width[PAST] - 1,
            chosen ? plain : ink(disk->silent || !strcmp(state, "locked") ? INK_BAD : INK_WARN),
            trouble_of(disk));
    else
        put_spark(window, y, layout->x[PAST], layout->width[PAST] - 1, &pace->iops_past,
                  chosen ? plain : ink(INK_LINE));
}

static void draw_total(WINDOW *window, int y, const struct board *board, int columns)
{
    const struct pace *total = &board->total;
    cleanup_text struct weir_text text = { 0 };

    weir_print(&text, "IOPS %-7s read %-11s write %-11s", count_number(total->iops).text,
               rate_number(total->read).text, rate_number(total->write).text);
    weir_print(&text, " p99 %-8s queue %s", latency_number(total->p99).text,
               count_number((double)(total->in_flight + total->waiting)).text);
    put(window, y, 1, columns - 2, A_BOLD, text_string(&text));
    int x = text_width(text_string(&text)) + 4;
    if (columns - x > 12)
        put_spark(window, y, x, columns - x - 1, &total->iops_past, ink(INK_GOOD));
}

static int draw_troubles(WINDOW *window, int y, const struct board *board, int columns)
{
    for (size_t i = 0; i < board->source_count; i++)
        if (*board->sources[i].trouble)
            put_format(window, y++, 1, columns - 2, ink(INK_BAD), "gateway %s %s",
                       board->sources[i].name, board->sources[i].trouble);
    return y;
}

/* The chosen disk stays chosen when the order changes, and stays in sight. */
static int find_chosen(struct disk **disks, size_t count, struct view *view, int rows)
{
    int chosen = 0;

    for (size_t i = 0; i < count && view->name; i++)
        if (strcmp(disks[i]->name, view->name) == 0 &&
            strcmp(disks[i]->gateway, view->gateway) == 0)
            chosen = (int)i;
    if (chosen < view->top)
        view->top = chosen;
    if (rows > 0 && chosen >= view->top + rows)
        view->top = chosen - rows + 1;
    if (view->top > (int)count - rows)
        view->top = (int)count > rows ? (int)count - rows : 0;
    return chosen;
}

/* The charts of the chosen disk, in what the lines leave of the screen. */
static int draw_chosen(WINDOW *window, int y, const struct disk *disk, int rows, int columns)
{
    enum { NEEDED = 8 };

    if (rows - y < NEEDED)
        return y;
    int width = text_width(disk->name);
    put(window, rows - NEEDED + 1, 1, columns - 2, A_BOLD | ink(INK_LINE), disk->name);
    if (columns > width + 4)
        put(window, rows - NEEDED + 1, width + 3, columns - width - 4, ink(INK_BAD),
            trouble_of(disk));
    return draw_charts(window, rows - NEEDED + 2, &disk->pace, columns);
}

int draw_list(WINDOW *window, const struct board *board, struct view *view, int rows, int columns)
{
    size_t count;
    struct layout layout;
    bool many = board->source_count > 1;
    cleanup_free struct disk **disks =
        disks_sorted(board, view->sort, view->reverse, view->find, &count);

    draw_total(window, 0, board, columns);
    int y = draw_troubles(window, 1, board, columns);
    bool controlled = items_of(board->datastores) && !view->no_datastores;
    if (controlled)
        y = draw_datastores(window, y, board, rows / 3, columns);
    lay_out(&layout, controlled, widest_name(disks, count, many), columns - 1);
    draw_titles(window, y++, &layout, view);
    int chosen = find_chosen(disks, count, view, rows - y);
    for (int i = view->top; i < (int)count && y < rows; i++)
        draw_disk_line(window, y++, &layout, disks[i], many, i == chosen);
    if (count)
        y = draw_chosen(window, y, disks[chosen], rows, columns);
    if (!count)
        put(window, y, 1, columns - 2, ink(INK_DIM),
            *view->find        ? "no export has this in its name"
            : !board->readings ? "asking …"
                               : "no exports");
    return y;
}
