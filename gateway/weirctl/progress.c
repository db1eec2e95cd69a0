/* progress.c - how does somebody who waits see that the work goes on?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "progress.h"

#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "weirctl.h"

enum { SILENT_MS = 1000, DRAW_MS = 100, TELL_MS = 10000 };

static uint64_t now_ms(void)
{
    return clock_ns() / 1000000;
}

void progress_init(struct progress *progress, const char *what, bool quiet)
{
    *progress = (struct progress){
        .what = what,
        .quiet = quiet,
        .terminal = isatty(STDERR_FILENO) == 1,
        .percent = -1,
        .begun_ms = now_ms(),
    };
    pthread_mutex_init(&progress->lock, NULL);
    pthread_cond_init(&progress->changed, NULL);
}

void progress_done(struct progress *progress)
{
    pthread_mutex_lock(&progress->lock);
    progress->done = true;
    pthread_cond_signal(&progress->changed);
    pthread_mutex_unlock(&progress->lock);
}

/* Waits for the end or for the next picture. */
static bool wait_done(struct progress *progress)
{
    const uint64_t until = clock_ns() + DRAW_MS * UINT64_C(1000000);

    pthread_mutex_lock(&progress->lock);
    if (!progress->done)
        clock_wait(&progress->changed, &progress->lock, until);
    bool done = progress->done;
    pthread_mutex_unlock(&progress->lock);
    return done;
}

static void print_blocks(unsigned count, struct weir_text *ret)
{
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;

    for (unsigned i = 0; i < count; i++)
        weir_print(ret, "%s", utf8 ? "█" : "#");
}

/* "what  [   ███     ]  12 s", at most `columns` wide: where nobody says how far it is the
 * block runs to and fro.  Else "what  [████       ]  37 %  12 s". */
static void print_bar(const struct progress *progress, uint64_t age, int columns,
                      struct weir_text *ret)
{
    enum { BLOCK = 4, LEAST = 10, MOST = 40 };
    bool known = progress->percent >= 0;
    int room = columns - text_width(progress->what) - (known ? 21 : 14);
    unsigned width = room < LEAST ? LEAST : room > MOST ? MOST : (unsigned)room;
    unsigned way = width - BLOCK, at = (unsigned)(age / DRAW_MS) % (2 * way);
    unsigned from = known ? 0 : at < way ? at : 2 * way - at;
    unsigned length = known ? width * (unsigned)progress->percent / 100 : BLOCK;

    weir_print(ret, "%s  ", progress->what);
    if (room >= LEAST) {
        weir_print(ret, "[%*s", (int)from, "");
        print_blocks(length, ret);
        weir_print(ret, "%*s]  ", (int)(width - from - length), "");
    }
    if (known)
        weir_print(ret, "%d %%  ", progress->percent);
    weir_print(ret, "%u s", (unsigned)(age / 1000));
}

static void print_line(struct progress *progress, uint64_t age)
{
    fprintf(stderr, "%s: ", progress->what);
    if (progress->percent >= 0)
        fprintf(stderr, "%d %%, ", progress->percent);
    fprintf(stderr, "%u s\n", (unsigned)(age / 1000));
}

static void draw(struct progress *progress)
{
    cleanup_text struct weir_text line = { 0 };
    struct winsize size = { .ws_col = 80 };
    uint64_t age = now_ms() - progress->begun_ms;

    if (progress->terminal) {
        ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
        print_bar(progress, age, size.ws_col, &line);
        fprintf(stderr, "\r%s\033[K", text_string(&line));
        fflush(stderr);
        progress->shown = true;
    } else if (!progress->told_ms || now_ms() - progress->told_ms >= TELL_MS) {
        progress->told_ms = now_ms();
        print_line(progress, age);
    }
}

static void draw_if_long(struct progress *progress)
{
    if (!progress->quiet && now_ms() - progress->begun_ms >= SILENT_MS)
        draw(progress);
}

void progress_show(struct progress *progress)
{
    while (!wait_done(progress))
        draw_if_long(progress);
}

void progress_tell(struct progress *progress, int percent)
{
    progress->percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
    draw_if_long(progress);
}

void progress_finish(struct progress *progress)
{
    if (progress->shown) /* the line is wiped: what follows says how it ended */
        fputs("\r\033[K", stderr);
    pthread_cond_destroy(&progress->changed);
    pthread_mutex_destroy(&progress->lock);
}
