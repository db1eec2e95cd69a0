/* progress.h - how does somebody who waits see that the work goes on?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Nothing for work that is over within a second.  Then, on stderr: a bar that moves on a
 * terminal, a line now and then elsewhere, nothing when `quiet`. */
#ifndef WEIR_PROGRESS_H
#define WEIR_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what;
    bool quiet, terminal, shown;
    uint64_t begun_ms, told_ms;
    pthread_mutex_t lock; /* guards done; taken alone */
    pthread_cond_t changed;
    bool done;
};

void progress_init(struct progress *, const char *what, bool quiet);
void progress_done(struct progress *); /* from any thread: progress_show() returns */
void progress_show(struct progress *); /* until progress_done() */
void progress_finish(struct progress *);

/* One picture of it: "what  [   ███     ]  12 s", at most `columns` wide; the gateway does
 * not say how far it is, so the block runs to and fro with every tick. */
struct weir_text;
void progress_draw(const char *what, unsigned tick, unsigned seconds, int columns,
                   struct weir_text *);

#endif
