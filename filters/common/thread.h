/* thread.h - how does a thread of a filter begin?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FILTER_THREAD_H
#define FILTER_THREAD_H

#include <pthread.h>
#include <signal.h>

/* With no signal let through: those of the process are for its own threads.  0 or -errno. */
static inline int thread_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

#endif
