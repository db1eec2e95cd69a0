/* running.c - what does the gateway run with now, and whose turn is it to change that?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "running.h"
#include "../events.h"
#include "../scope.h"

/* One gateway is one process, and this is its configuration. */
static struct {
    pthread_mutex_t lock; /* the two below; taken last, nothing happens under it */
    pthread_cond_t given; /* a turn was given back */
    bool turn_taken;
    struct configuration *now;
} running = { .lock = PTHREAD_MUTEX_INITIALIZER, .given = PTHREAD_COND_INITIALIZER };

struct configuration *running_get(void)
{
    hold_lock(&running.lock);

    return running.now ? configuration_ref(running.now) : NULL;
}

void running_begin(void)
{
    hold_lock(&running.lock);

    while (running.turn_taken)
        pthread_cond_wait(&running.given, &running.lock);
    running.turn_taken = true;
}

void running_end(void)
{
    hold_lock(&running.lock);

    running.turn_taken = false;
    pthread_cond_signal(&running.given);
}

void running_set(struct configuration *new)
{
    if (new &&trust_set(&new->trust))
        event_post(WEIR_ERROR, NULL, NULL, "no memory to take over whose filters are trusted");
    pthread_mutex_lock(&running.lock);
    struct configuration *old = running.now;
    running.now = new;
    pthread_mutex_unlock(&running.lock);
    configuration_unref(old);
}
