/* screen.c - which key does what, and when is the screen drawn again?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "paint.h"

enum { LOOK_MS = 100, BODY_LINES = 400 };

struct disk *view_disk(const struct board *board, const struct view *view)
{
    for (size_t i = 0; i < board->count && view->name; i++)
        if (strcmp(board->disks[i]->name, view->name) == 0 &&
            strcmp(board->disks[i]->gateway, view->gateway) == 0)
            return board->disks[i];
    return NULL;
}

/* ---- drawing ----------------------------------------------------------------- */

static void draw_title(const struct board *board, const struct view *view, const struct disk *disk)
{
    cleanup_text struct weir_text left = { 0 }, right = { 0 };
    time_t now = time(NULL);
    struct tm broken;
    char clock[16];

    strftime(clock, sizeof(clock), "%T", localtime_r(&now, &broken));
    if (view->page == PAGE_LIST || view->page == PAGE_HELP)
        weir_print(&left, "weir top   %zu export%s, %zu gateway%s, %u client%s", board->count,
                   board->count == 1 ? "" : "s", board->source_count,
                   board->source_count == 1 ? "" : "s", (unsigned)board->total.connections,
                   board->total.connections == 1 ? "" : "s");
    else
        weir_print(&left, "weir top   %s of gateway %s%s", view->name, view->gateway,
                   disk ? "" : ", gone");
    if (view->since_start && view->page != PAGE_LIST)
        weir_print(&right, "%ssince start  %s", board->paused ? "PAUSED  " : "", clock);
    else
        weir_print(&right, "%severy %g s  %s", board->paused ? "PAUSED  " : "", board->interval,
                   clock);
    put_bar(stdscr, 0, ink(INK_BAR), text_string(&left), text_string(&right));
}

static void draw_hints(const struct view *view, bool controlled)
{
    static const char *const hints[] = {
        [PAGE_LIST] =
            "q quit  ? keys  ↑↓ choose  Enter open  < > sort  r reverse  / find  p pause  "
            "+ - interval",
        [PAGE_DISK] =
            "q quit  ? keys  ← back  ↑↓ choose a place  Enter open it  t now or since start"
            "  n N next disk",
        [PAGE_PLACE] = "q quit  ? keys  ← back  ↑↓ scroll  t now or since start  n N next disk",
        [PAGE_HELP] = "any key goes back",
    };
    static const char hint_of_controlled[] =
        "q quit  ? keys  ↑↓ choose  Enter open  d datastores  < > sort  r reverse  / find"
        "  p pause  + - interval";
    const char *hint =
        view->page == PAGE_LIST && controlled ? hint_of_controlled : hints[view->page];

    move(LINES - 1, 0);
    clrtoeol();
    if (view->finding)
        put_format(stdscr, LINES - 1, 1, COLS - 2, A_BOLD, "find: %s▏", view->find);
    else if (*view->find && view->page == PAGE_LIST)
        put_format(stdscr, LINES - 1, 1, COLS - 2, 0, "only names with \"%s\" (Esc: all)  %s",
                   view->find, hint);
    else
        put(stdscr, LINES - 1, 1, COLS - 2, ink(INK_DIM), hint);
}

/* Draws a page into the pad; the list takes the rows there are, others are scrolled. */
static void draw_page(WINDOW *pad, struct board *board, struct view *view, struct disk *disk,
                      int rows)
{
    int lines = 0, chosen = -1;

    if (view->page == PAGE_LIST)
        lines = draw_list(pad, board, view, rows, COLS);
    else if (view->page == PAGE_HELP)
        lines = draw_keys(pad, COLS);
    else if (!disk)
        put(pad, 1, 1, COLS - 2, ink(INK_WARN), "This export is not there any more.");
    else if (view->page == PAGE_DISK)
        lines = draw_disk(pad, board, disk, view, COLS, &chosen);
    else
        lines = draw_place(pad, disk, view, COLS);
    if (chosen >= 0) { /* the choice moves the page only when it leaves the screen */
        if (chosen >= view->scroll + rows)
            view->scroll = chosen - rows + 1;
        if (chosen < view->scroll)
            view->scroll = chosen;
    }
    if (view->scroll > lines - rows)
        view->scroll = lines > rows ? lines - rows : 0;
    if (view->scroll < 0 || view->page == PAGE_LIST)
        view->scroll = 0;
}

static void draw(struct board *board, struct view *view)
{
    int rows = LINES - 2;
    WINDOW *pad = rows > 0 ? newpad(BODY_LINES, COLS > 20 ? COLS : 20) : NULL;

    erase();
    pthread_mutex_lock(&board->lock);
    struct disk *disk = view_disk(board, view);
    draw_title(board, view, disk);
    if (pad)
        draw_page(pad, board, view, disk, rows);
    bool controlled = items_of(board->datastores) > 0;
    pthread_mutex_unlock(&board->lock);
    draw_hints(view, controlled);
    wnoutrefresh(stdscr);
    if (pad) {
        pnoutrefresh(pad, view->scroll, 0, 1, 0, rows, COLS - 1);
        delwin(pad);
    }
    doupdate();
}

/* ---- keys -------------------------------------------------------------------- */

/* Moves the choice by `step` in the order of the list; the board is locked. */
static void choose(struct board *board, struct view *view, int step)
{
    size_t count;
    long at = 0;
    cleanup_free struct disk **disks =
        disks_sorted(board, view->sort, view->reverse, view->find, &count);

    for (size_t i = 0; i < count && view->name; i++)
        if (strcmp(disks[i]->name, view->name) == 0 &&
            strcmp(disks[i]->gateway, view->gateway) == 0)
            at = (long)i;
    at += step;
    at = at >= (long)count ? (long)count - 1 : at;
    at = at < 0 ? 0 : at;
    if (!count)
        return;
    free(view->name);
    free(view->gateway);
    view->name = enough(strdup(disks[at]->name));
    view->gateway = enough(strdup(disks[at]->gateway));
}

static void find_key(struct view *view, int key)
{
    size_t length = strlen(view->find);

    if (key == '\n' || key == KEY_ENTER || key == 27) {
        view->finding = false;
        if (key == 27)
            *view->find = '\0';
    } else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
        /* a whole character: continuation bytes go with their first */
        while (length && (view->find[length - 1] & 0xc0) == 0x80)
            length--;
        view->find[length ? length - 1 : 0] = '\0';
    } else if (key >= ' ' && key < 256 && key != 127 && length + 1 < sizeof(view->find)) {
        view->find[length] = (char)key;
        view->find[length + 1] = '\0';
    }
}

static void go_back(struct view *view)
{
    if (view->page == PAGE_LIST)
        *view->find = '\0';
    else
        view->page = view->page == PAGE_PLACE ? PAGE_DISK : PAGE_LIST;
    view->scroll = 0;
}

static void go_in(struct board *board, struct view *view)
{
    if (view->page == PAGE_PLACE)
        return;
    if (view->page == PAGE_LIST) {
        choose(board, view, 0);
        if (!view->name)
            return;
        view->place = 0;
    }
    view->page = view->page == PAGE_LIST ? PAGE_DISK : PAGE_PLACE;
    view->scroll = 0;
}

static void step(struct board *board, struct view *view, int by)
{
    if (view->page == PAGE_LIST) {
        choose(board, view, by);
    } else if (view->page == PAGE_DISK && (by == 1 || by == -1)) {
        view->place += by;
        view->place = view->place < 0 ? 0 : view->place;
    } else {
        view->scroll += by;
    }
}

static void change_interval(struct board *board, int way)
{
    static const double steps[] = { 0.2, 0.5, 1, 2, 5, 10, 30, 60 };
    enum { COUNT = sizeof(steps) / sizeof(*steps) };
    int at = 0;

    while (at < COUNT - 1 && steps[at] < board->interval)
        at++;
    at += way;
    if (at >= 0 && at < COUNT)
        board->interval = steps[at];
}

/* The keys of all pages but the find line; the board is locked.  False: quit. */
static bool page_key(struct board *board, struct view *view, int key)
{
    switch (key) {
    case 'q':
        return false;
    case KEY_UP:
    case 'k':
        step(board, view, -1);
        break;
    case KEY_DOWN:
    case 'j':
        step(board, view, 1);
        break;
    case KEY_PPAGE:
        step(board, view, 3 - LINES);
        break;
    case KEY_NPAGE:
    case ' ':
        step(board, view, LINES - 3);
        break;
    case KEY_HOME:
    case 'g':
        step(board, view, -BODY_LINES * 100);
        break;
    case KEY_END:
    case 'G':
        step(board, view, BODY_LINES * 100);
        break;
    case '\n':
    case KEY_ENTER:
    case KEY_RIGHT:
    case 'l':
        go_in(board, view);
        break;
    case 27:
    case KEY_LEFT:
    case KEY_BACKSPACE:
    case 127:
    case 'h':
        go_back(view);
        break;
    case '>':
    case 's':
        view->sort = (view->sort + 1) % SORT_COUNT;
        break;
    case '<':
        view->sort = (view->sort + SORT_COUNT - 1) % SORT_COUNT;
        break;
    case 'r':
        view->reverse = !view->reverse;
        break;
    case 't':
        view->since_start = !view->since_start;
        break;
    case 'd':
        view->no_datastores = !view->no_datastores;
        break;
    case 'n':
        choose(board, view, 1);
        break;
    case 'N':
        choose(board, view, -1);
        break;
    case '/':
        view->finding = view->page == PAGE_LIST;
        break;
    case 'p':
        board->paused = !board->paused;
        break;
    case '+':
        change_interval(board, 1);
        break;
    case '-':
        change_interval(board, -1);
        break;
    case '?':
        view->before_help = view->page;
        view->page = PAGE_HELP;
        break;
    default:
        break;
    }
    return true;
}

static bool on_key(struct board *board, struct view *view, int key)
{
    bool go_on = true;

    pthread_mutex_lock(&board->lock);
    if (view->page == PAGE_HELP)
        view->page = view->before_help;
    else if (view->finding)
        find_key(view, key);
    else
        go_on = page_key(board, view, key);
    pthread_cond_signal(&board->changed);
    pthread_mutex_unlock(&board->lock);
    return go_on;
}

int draw_keys(WINDOW *window, int columns)
{
    static const char *const keys[][2] = {
        { "↑ ↓ k j", "choose a disk, or a place of its chain" },
        { "PgUp PgDn Home End", "move further" },
        { "Enter → l", "open the disk, then the place of its chain" },
        { "← Esc h", "back" },
        { "n N", "the next disk, the one before, on every page" },
        { "< > s", "sort by name, IOPS, read, write, P50, P99, queue" },
        { "r", "reverse the order" },
        { "/", "only names with these letters; Esc: all again" },
        { "d", "with I/O control: hide or show datastores and what disks get of them" },
        { "t", "figures of the last interval, or since start" },
        { "p", "pause: the screen stands still" },
        { "+ -", "a longer or shorter interval" },
        { "q", "quit" },
        { "", "" },
        { "QUEUE", "requests in flight and waiting at the gate" },
        { "HERE, REST", "time spent in a filter, and in all that is below it" },
        { "HELD, LONGEST", "requests a filter holds now, its longest hold ever" },
        { "PART", "what the shares of a disk are of those of all at work" },
        { "ENTITLED, GRANTED", "I/Os of the last second: what was due to it, what it did" },
        { "QUEUED, DLY P50 P99", "requests that I/O control lets wait, and how long" },
    };
    int y = 1;

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++, y++) {
        put(window, y, 2, 20, A_BOLD, keys[i][0]);
        put(window, y, 23, columns - 24, 0, keys[i][1]);
    }
    return y;
}

/* ---- the loop ---------------------------------------------------------------- */

static void run_keys(struct board *board, struct view *view)
{
    uint64_t drawn = UINT64_MAX;
    time_t drawn_at = 0;

    for (;;) {
        int key = getch();
        if (key != ERR && key != KEY_RESIZE && !on_key(board, view, key))
            return;
        pthread_mutex_lock(&board->lock);
        uint64_t readings = board->readings;
        if (board->only && readings && !view->name) /* one disk was asked for: its page */
            go_in(board, view);
        pthread_mutex_unlock(&board->lock);
        if (key == ERR && readings == drawn && time(NULL) == drawn_at)
            continue;
        drawn = readings;
        drawn_at = time(NULL);
        draw(board, view);
    }
}

enum exit_code top_screen(const struct invocation *invocation, struct board *board, enum sort sort)
{
    struct view view = { .sort = sort };
    pthread_t sampler;
    SCREEN *screen = newterm(NULL, stdout, stdin);

    if (!screen)
        return say(invocation, -ENOTTY,
                   "no terminal of type \"%s\" is known; --batch=N prints lines",
                   getenv("TERM") ? getenv("TERM") : "");
    set_escdelay(25);
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    timeout(LOOK_MS);
    paint_begin();
    int error = board_start(board, &sampler);
    if (!error) {
        run_keys(board, &view);
        pthread_mutex_lock(&board->lock);
        board->stop = true;
        pthread_cond_signal(&board->changed);
        pthread_mutex_unlock(&board->lock);
    }
    endwin();
    if (!error)
        pthread_join(sampler, NULL);
    delscreen(screen);
    free(view.name);
    free(view.gateway);
    return error ? say(invocation, error, "cannot start a thread: %s", strerror(-error)) : DONE;
}
