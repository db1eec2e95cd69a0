/* inspection.h - what do the data path and the text of the trace share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef INSPECTION_H
#define INSPECTION_H

#include "ring.h"
#include "stream.h"

#include <pthread.h>
#include <time.h>

enum { MARKS = 32, MARK_LENGTH = 120 };

struct mark {
    uint64_t time; /* 0: not used */
    char text[MARK_LENGTH + 1];
};

struct inspection {
    struct stream stream;
    struct ring *ring;
    pthread_mutex_t lock; /* guards the marks and `cleared`: control path only, a leaf */
    struct mark marks[MARKS];
    unsigned next_mark;
    uint64_t cleared; /* show nothing older */
};

/* trace.c */
void trace_show(void *self, struct weir_text *);
int trace_clear(void *self, const char *arguments, struct weir_text *said);
int trace_mark(void *self, const char *arguments, struct weir_text *said);

#endif
