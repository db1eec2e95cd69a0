/* turn.c - who may change a policy now, when two want to?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "turn.h"

#include "../scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* One list for the process: paths are those of its one mount. */
static struct {
    pthread_mutex_t lock; /* the list; nothing is taken under it */
    pthread_cond_t ended;
    struct turn *held;
} turns = { .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER };

static bool taken(const char *path)
{
    for (const struct turn *t = turns.held; t; t = t->next)
        if (strcmp(t->path, path) == 0)
            return true;
    return false;
}

void turn_begin(struct turn *turn, const char *path)
{
    hold_lock(&turns.lock);

    while (taken(path))
        pthread_cond_wait(&turns.ended, &turns.lock);
    *turn = (struct turn){ path, turns.held };
    turns.held = turn;
}

void turn_end(struct turn *turn)
{
    hold_lock(&turns.lock);
    struct turn **at = &turns.held;

    while (*at != turn)
        at = &(*at)->next;
    *at = turn->next;
    pthread_cond_broadcast(&turns.ended);
}
