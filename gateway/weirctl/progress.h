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
    int percent; /* -1: nobody says how far it is */
    uint64_t begun_ms, told_ms;
    pthread_mutex_t lock; /* guards done; taken alone */
    pthread_cond_t changed;
    bool done;
};

void progress_init(struct progress *, const char *what, bool quiet);
void progress_done(struct progress *); /* from any thread: progress_show() returns */
void progress_show(struct progress *); /* until progress_done() */
/* Or, where the thread that waits asks how far the work is: one picture of it, at once. */
void progress_tell(struct progress *, int percent);
void progress_finish(struct progress *);

#endif
